//! [`StoreError`], and the only place that reads meaning out of a database error.

use sqlx::error::{DatabaseError, ErrorKind};
use sqlx::postgres::PgDatabaseError;
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
    /// The setting names no database.
    #[error("reading the address of the database")]
    Address(#[source] Cause),
    /// The database is there, and cannot hold what we write.
    #[error("the database cannot be used: {0}")]
    Unsuitable(String),
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
    /// The database is not there, or does not let us in. What was begun is rolled back.
    #[error("reaching the database")]
    Unreachable(#[source] Cause),
    /// The database went away while it committed: the change is there as a whole, or not at all.
    #[error("hearing how a commit ended")]
    Uncertain(#[source] Cause),
    /// A text with the character U+0000, which PostgreSQL cannot hold.
    #[error("writing a text with the character U+0000")]
    Nul(#[source] Cause),
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

impl StoreError {
    /// A wait that was longer than its bound, in milliseconds.
    pub(super) fn silent(doing: &str, limit_ms: u64) -> Self {
        Self::Unreachable(format!("{doing} took longer than {limit_ms} ms").into())
    }
}

/// Primary result codes of SQLite (the low byte of an extended code), and one extended code.
mod code {
    pub(super) const BUSY: u32 = 5;
    pub(super) const LOCKED: u32 = 6;
    pub(super) const CORRUPT: u32 = 11;
    pub(super) const FULL: u32 = 13;
    pub(super) const NOT_A_DATABASE: u32 = 26;
    /// No room for the file by which processes share the index of the log.
    pub(super) const IO_ERROR_SHARED_SIZE: u32 = 4874;
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        match &error {
            sqlx::Error::Database(database) => of_database(database.as_ref())(error),
            // Closed means that this process is stopping: its successor will answer.
            sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed => Self::Busy(error.into()),
            sqlx::Error::ColumnDecode { index, .. } => {
                Self::Corrupt { what: format!("column {index}"), source: Some(error.into()) }
            }
            sqlx::Error::Io(_) | sqlx::Error::Tls(_) | sqlx::Error::Protocol(_) | sqlx::Error::BeginFailed => {
                Self::Unreachable(error.into())
            }
            _ => Self::Failed(error.into()),
        }
    }
}

/// What a refusal of the database means.
fn of_database(database: &dyn DatabaseError) -> fn(sqlx::Error) -> StoreError {
    match database.kind() {
        ErrorKind::UniqueViolation => return |_| StoreError::Taken,
        ErrorKind::ForeignKeyViolation => return |_| StoreError::Reference,
        _ => {}
    }
    if let Some(postgres) = database.try_downcast_ref::<PgDatabaseError>() {
        return of_postgres(postgres.code());
    }
    let code = database.code().and_then(|text| text.parse::<u32>().ok());
    if code == Some(code::IO_ERROR_SHARED_SIZE) {
        return |error| StoreError::Full(error.into());
    }
    match code.map(|code| code & 0xff) {
        Some(code::BUSY | code::LOCKED) => |error| StoreError::Busy(error.into()),
        Some(code::FULL) => |error| StoreError::Full(error.into()),
        Some(code::CORRUPT | code::NOT_A_DATABASE) => corrupt,
        _ => |error| StoreError::Failed(error.into()),
    }
}

/// What a SQLSTATE of PostgreSQL means.
fn of_postgres(state: &str) -> fn(sqlx::Error) -> StoreError {
    match state {
        // Serialization failures, deadlocks, a lock or a statement that took too long, all connections in use. The last
        // one: this process held its transaction for too long.
        "40001" | "40P01" | "55P03" | "57014" | "53300" | "25P03" => |error| StoreError::Busy(error.into()),
        "53100" => |error| StoreError::Full(error.into()),
        "22021" | "22P05" => |error| StoreError::Nul(error.into()),
        "XX001" | "XX002" => corrupt,
        // Stopping, crashed, starting; the database is gone; only a standby is left.
        "57P01" | "57P02" | "57P03" | "57P04" | "57P05" | "3D000" | "25006" => {
            |error| StoreError::Unreachable(error.into())
        }
        // Connection failures, and credentials that are refused.
        _ if state.starts_with("08") || state.starts_with("28") => |error| StoreError::Unreachable(error.into()),
        _ => |error| StoreError::Failed(error.into()),
    }
}

fn corrupt(error: sqlx::Error) -> StoreError {
    StoreError::Corrupt { what: "the file".to_owned(), source: Some(error.into()) }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_of_postgresql_means_the_same_in_every_sentence() {
        let meant = |state| of_postgres(state)(sqlx::Error::RowNotFound);
        for state in ["40001", "40P01", "55P03", "57014", "53300", "25P03"] {
            assert!(matches!(meant(state), StoreError::Busy(_)), "{state}");
        }
        for state in ["57P01", "57P02", "57P03", "08006", "28P01", "3D000", "25006"] {
            assert!(matches!(meant(state), StoreError::Unreachable(_)), "{state}");
        }
        assert!(matches!(meant("53100"), StoreError::Full(_)));
        assert!(matches!(meant("22021"), StoreError::Nul(_)));
        assert!(matches!(meant("XX001"), StoreError::Corrupt { .. }));
        assert!(matches!(meant("42601"), StoreError::Failed(_)));
    }
}
