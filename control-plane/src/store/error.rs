//! [`StoreError`], and the only place that reads meaning out of a database error.

use std::path::PathBuf;

/// Whatever the database said, for the log.
pub type Cause = Box<dyn std::error::Error + Send + Sync>;

/// What the store could not do.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The data directory cannot be made or written.
    #[error("preparing the data directory {path}")]
    Directory {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Two processes on one file would take each other's versions.
    #[error("the data directory {path} is in use by another control plane")]
    InUse {
        /// Which.
        path: PathBuf,
    },
    /// Only a newer program can read it.
    #[error(
        "the database was written by a newer program: it has migration {migration}, which this one does not know; \
         run the newer program, or restore a backup"
    )]
    NewerFormat {
        /// The unknown one.
        migration: i64,
    },
    /// A migration is not the one that made this database.
    #[error("the database was made by another edition of migration {migration}; restore a backup")]
    AlteredFormat {
        /// The differing one.
        migration: i64,
    },
    /// The file is damaged or is no database, or an object in it cannot be read.
    #[error("the database is damaged ({what}); restore a backup")]
    Corrupt {
        /// What was being read.
        what: String,
        /// What the database or the reader said.
        #[source]
        source: Option<Cause>,
    },
    /// An object with this key is there already.
    #[error("inserting an object whose key is taken")]
    Taken,
    /// The object changed or went since it was read.
    #[error("writing an object that changed meanwhile")]
    Stale,
    /// Something still refers to the object, or it refers to something that is not there.
    #[error("writing an object that breaks a reference")]
    Reference,
    /// No connection or lock within the bound; trying again may help.
    #[error("waiting for the database")]
    Busy(#[source] Cause),
    /// The disk is full.
    #[error("writing to a full disk")]
    Full(#[source] Cause),
    /// An object could not be written as JSON.
    #[error("encoding an object")]
    Encode(#[source] serde_json::Error),
    /// Anything else.
    #[error("using the database")]
    Failed(#[source] Cause),
}

/// Primary result codes of SQLite (the low byte of an extended code).
mod code {
    pub(super) const BUSY: u32 = 5;
    pub(super) const LOCKED: u32 = 6;
    pub(super) const CORRUPT: u32 = 11;
    pub(super) const FULL: u32 = 13;
    pub(super) const NOT_A_DATABASE: u32 = 26;
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        match &error {
            sqlx::Error::Database(database) => {
                let primary = database.code().and_then(|text| text.parse::<u32>().ok()).map(|code| code & 0xff);
                match (database.kind(), primary) {
                    (sqlx::error::ErrorKind::UniqueViolation, _) => Self::Taken,
                    (sqlx::error::ErrorKind::ForeignKeyViolation, _) => Self::Reference,
                    (_, Some(code::BUSY | code::LOCKED)) => Self::Busy(error.into()),
                    (_, Some(code::FULL)) => Self::Full(error.into()),
                    (_, Some(code::CORRUPT | code::NOT_A_DATABASE)) => {
                        Self::Corrupt { what: "the file".to_owned(), source: Some(error.into()) }
                    }
                    _ => Self::Failed(error.into()),
                }
            }
            // Closed means that this process is stopping: its successor will answer.
            sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed => Self::Busy(error.into()),
            sqlx::Error::ColumnDecode { index, .. } => {
                Self::Corrupt { what: format!("column {index}"), source: Some(error.into()) }
            }
            _ => Self::Failed(error.into()),
        }
    }
}

impl From<sqlx::migrate::MigrateError> for StoreError {
    fn from(error: sqlx::migrate::MigrateError) -> Self {
        use sqlx::migrate::MigrateError as E;
        match error {
            E::VersionMissing(migration) => Self::NewerFormat { migration },
            E::VersionMismatch(migration) => Self::AlteredFormat { migration },
            E::Execute(error) | E::ExecuteMigration(error, _) => error.into(),
            other => Self::Failed(other.into()),
        }
    }
}
