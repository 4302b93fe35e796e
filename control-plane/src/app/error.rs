//! [`Error`]: why a use case was refused, without a transport.

use crate::store::StoreError;
use penstock_model::violation::Violations;

/// Why a use case was refused. The text of every variant but [`Error::Internal`] is for the caller.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The request, or the configuration that it would make, breaks rules.
    #[error("{0}")]
    Invalid(Violations),
    /// The object does not exist.
    #[error("{0}")]
    NotFound(String),
    /// The key is taken.
    #[error("{0}")]
    AlreadyExists(String),
    /// The caller's revision is not the stored one. Read again, then decide again.
    #[error("{0}")]
    Stale(String),
    /// Other objects stand in the way.
    #[error("{0}")]
    FailedPrecondition(String),
    /// A limit of this control plane is reached.
    #[error("{0}")]
    Exhausted(String),
    /// Not now; the same request may work later.
    #[error("{0}")]
    Unavailable(String),
    /// Our fault. What happened is for the log only.
    #[error("{doing}")]
    Internal {
        /// What we were doing.
        doing: &'static str,
        /// What went wrong.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// The result of a use case.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// One violation.
    pub fn invalid(field: impl Into<String>, description: impl Into<String>) -> Self {
        Self::Invalid(Violations::one(field, description))
    }

    /// Something that must hold inside did not.
    pub fn internal(doing: &'static str, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Internal { doing, source: source.into() }
    }
}

impl From<Violations> for Error {
    fn from(violations: Violations) -> Self {
        Self::Invalid(violations)
    }
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        match error {
            // Use cases look before they write, so these come only from a writer elsewhere on the same database.
            StoreError::Taken | StoreError::Stale | StoreError::Reference => {
                Self::Stale("the object changed meanwhile: read it again".to_owned())
            }
            StoreError::Busy(_) => Self::Unavailable("the database is busy: try again".to_owned()),
            StoreError::Unreachable(cause) => {
                tracing::warn!(%cause, "the database cannot be reached");
                let text = "the database cannot be reached, so nothing was read or changed; nodes serve on. Try again";
                Self::Unavailable(text.to_owned())
            }
            StoreError::Uncertain(cause) => {
                tracing::warn!(%cause, "the database was lost during a commit");
                let text = "the database was lost while it stored the change, which may be there or not: read it \
                            before you repeat it";
                Self::Unavailable(text.to_owned())
            }
            StoreError::Nul(_) => Self::invalid("", "a text has the character U+0000, which PostgreSQL cannot hold"),
            StoreError::Full(_) => Self::Exhausted("the disk of the database is full".to_owned()),
            StoreError::Directory { .. }
            | StoreError::InUse { .. }
            | StoreError::Address(_)
            | StoreError::Unsuitable(_)
            | StoreError::NewerFormat { .. }
            | StoreError::AlteredFormat { .. }
            | StoreError::Corrupt { .. }
            | StoreError::Encode(_)
            | StoreError::Failed(_) => Self::internal("using the store", error),
        }
    }
}
