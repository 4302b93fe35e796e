//! Who asks, and what they may do: known before a use case begins, and written beside what it changes.
//!
//! The caller travels with the task of the call instead of through every use case: no use case decides by it, and only the
//! pipeline writes it down. So a new use case cannot forget it.

use serde::{Deserialize, Serialize};
use std::fmt;

/// What an identity may do. Each of the last three includes the one before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Role {
    /// Subscribes to the configuration, and nothing else.
    Node,
    /// Reads.
    Viewer,
    /// Writes APIs, deployments, stages, domains.
    Editor,
    /// Does everything, with what concerns access and the audit log.
    Admin,
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Node => "node",
            Self::Viewer => "viewer",
            Self::Editor => "editor",
            Self::Admin => "admin",
        })
    }
}

/// Who made a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The name in the access file; `anonymous` where none is asked for.
    pub identity: String,
    /// What they may do.
    pub role: Role,
    /// Address that the call came from.
    pub peer: String,
    /// The call, as `penstock.management.v1.StageService/UpdateStage`.
    pub rpc: String,
}

tokio::task_local! {
    static CALLER: Caller;
}

impl Caller {
    /// Nobody from outside: this process, which owns what it changes.
    fn ourselves() -> Self {
        Self { identity: "control-plane".to_owned(), role: Role::Admin, peer: String::new(), rpc: String::new() }
    }

    /// Does `work` in the name of this caller.
    pub async fn scope<F: Future>(self, work: F) -> F::Output {
        CALLER.scope(self, work).await
    }

    /// In whose name the running task works.
    pub fn current() -> Self {
        CALLER.try_with(Clone::clone).unwrap_or_else(|_| Self::ourselves())
    }
}
