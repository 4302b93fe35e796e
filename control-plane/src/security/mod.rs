//! Who calls, and whether they may: certificates and tokens against the access file and the join tokens.
//!
//! Opened once by `process`, asked by `api::guard` for each call. It decides by permissions and knows no service; files
//! are read again while it runs, and every decision is taken by what they say at that moment.

mod access_file;
mod decide;
mod exposure;
mod names;
#[cfg(test)]
mod tests;

pub(crate) use decide::{Code, Denied, Permission};
pub(crate) use names::Names;

use crate::app::Caller;
use crate::settings::Settings;
use access_file::AccessFile;
use decide::{Credential, Policy};
use penstock_link::limits::RELOAD_INTERVAL_MS;
use penstock_link::{FileError, TokenHash, Watched, server, token};
use rustls::ServerConfig;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// The other end of a connection.
#[derive(Clone, Debug, Default)]
pub(crate) struct Peer {
    pub(crate) address: Option<SocketAddr>,
    /// The names in the certificate that it proved to have.
    pub(crate) certificate: Option<Arc<Names>>,
}

/// What a call presents.
#[derive(Clone)]
pub(crate) struct Ask {
    pub(crate) permission: Permission,
    /// As `penstock.management.v1.StageService/UpdateStage`.
    pub(crate) rpc: String,
    pub(crate) peer: Peer,
    /// The value of `authorization`, if there is one.
    pub(crate) authorization: Option<http::HeaderValue>,
}

/// Why the control plane does not start.
#[derive(Debug, thiserror::Error)]
pub enum SecurityError {
    /// A file is missing or is not what it should be.
    #[error(transparent)]
    File(#[from] FileError),
    /// The settings leave a door open, or contradict each other.
    #[error("{0}")]
    Settings(String),
}

/// Everything that decides about callers, as the files say it now.
#[derive(Debug)]
pub(crate) struct Security {
    tls: Option<Watched<Arc<ServerConfig>>>,
    access: Option<Watched<AccessFile>>,
    join: Option<Watched<Vec<TokenHash>>>,
    trust_network: bool,
    /// Counts what changes about identities, for calls that last.
    changes: watch::Sender<u64>,
}

impl Security {
    /// Reads all files, and refuses settings that leave a door open.
    ///
    /// # Errors
    /// As [`SecurityError`] says.
    pub(crate) fn open(settings: &Settings) -> Result<Arc<Self>, SecurityError> {
        exposure::check(settings).map_err(SecurityError::Settings)?;
        let tls = match (&settings.tls_certificate, &settings.tls_key) {
            (Some(certificate), Some(key)) => {
                let paths = [Some(certificate), Some(key), settings.tls_client_ca.as_ref()];
                let paths = paths.into_iter().flatten().cloned().collect();
                let parse = |files: &[penstock_link::file::Contents]| {
                    server::config(&files[0], &files[1], files.get(2)).map(Arc::new)
                };
                Some(Watched::open("the control plane's certificate", paths, Box::new(parse))?)
            }
            _ => None,
        };
        let access = match &settings.access_file {
            Some(path) => Some(Watched::open("the access file", vec![path.clone()], Box::new(access_file::parse))?),
            None => None,
        };
        let join = match &settings.join_token_file {
            Some(path) => {
                let parse = |files: &[penstock_link::file::Contents]| {
                    Ok(token::tokens(&files[0])?.iter().map(token::Token::hash).collect())
                };
                Some(Watched::open("the join tokens", vec![path.clone()], Box::new(parse))?)
            }
            None => None,
        };
        let trust_network = settings.trust_network;
        Ok(Arc::new(Self { tls, access, join, trust_network, changes: watch::Sender::new(0) }))
    }

    /// How to answer a handshake that begins now; `None` where connections are plain.
    pub(crate) fn tls(&self) -> Option<Arc<ServerConfig>> {
        self.tls.as_ref().map(|tls| Arc::clone(tls.current().as_ref()))
    }

    /// Looks for changed files, for ever.
    pub(crate) async fn keep_fresh(self: Arc<Self>) {
        let mut ticks = tokio::time::interval(Duration::from_millis(RELOAD_INTERVAL_MS));
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let security = Arc::clone(&self);
            // A look that panics is over; the next one may not.
            let _ = tokio::task::spawn_blocking(move || security.look()).await;
        }
    }

    fn look(&self) {
        if let Some(tls) = &self.tls {
            tls.look();
        }
        let access = self.access.as_ref().is_some_and(Watched::look);
        let join = self.join.as_ref().is_some_and(Watched::look);
        if access || join {
            self.changes.send_modify(|count| *count += 1);
        }
    }

    /// Tells when decisions may have become others.
    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// Says who asks, if they may.
    ///
    /// # Errors
    /// Why not, and what to do.
    pub(crate) fn admit(&self, ask: &Ask) -> Result<Caller, Denied> {
        let access = self.access.as_ref().map(Watched::current);
        let join = self.join.as_ref().map(Watched::current);
        let policy = Policy {
            access: access.as_deref(),
            join: join.as_deref().map(Vec::as_slice),
            trust_network: self.trust_network,
        };
        let credential = Credential::read(ask.authorization.as_ref());
        let (identity, role) = policy.admit(ask.permission, &ask.peer, credential, &ask.rpc)?;
        let peer = ask.peer.address.map(|address| address.to_string()).unwrap_or_default();
        Ok(Caller { identity, role, peer, rpc: ask.rpc.clone() })
    }
}
