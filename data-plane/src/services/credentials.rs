//! [`Credentials`]: what requests to services are signed with, from the standard chain: environment, profile, web
//! identity, container and instance metadata.
//!
//! A [`Keeper`] on the control runtime loads them when a request first asks, renews them before they expire, and keeps
//! those that are still valid when a renewal fails. Workers read a copy and wait only while there is none.

use crate::causes::with_causes;
use crate::limits::{
    CREDENTIALS_LOAD_TIMEOUT_MS, CREDENTIALS_RENEW_BEFORE_MS, CREDENTIALS_RETRY_MS, CREDENTIALS_WAIT_MS,
};
use aws_config::default_provider::credentials::DefaultCredentialsChain;
use aws_config::environment::region::EnvironmentVariableRegionProvider;
use aws_config::meta::region::RegionProviderChain;
use aws_config::profile::region::ProfileFileRegionProvider;
use aws_credential_types::provider::ProvideCredentials as _;
use aws_credential_types::provider::error::CredentialsError;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep_until, timeout};

pub(crate) use aws_credential_types::Credentials as Keys;

/// Where the region of the token service is taken from when nothing names one; credentials themselves have none.
const REGION_DEFAULT: &str = "us-east-1";

/// Why nothing can be signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NoCredentials {
    /// The chain has none, or none that are valid.
    #[error("the standard chain has no valid credentials")]
    Missing,
    /// They did not come within [`CREDENTIALS_WAIT_MS`].
    #[error("the credentials did not arrive in time")]
    Time,
}

/// What the keeper has, as workers see it.
#[derive(Clone, Debug, Default)]
struct Kept {
    /// How often something was loaded, or failed to be.
    attempts: u64,
    keys: Option<Keys>,
    /// When there was nothing to load, the last time that somebody looked.
    failed_at: Option<Instant>,
}

/// The workers' side. Clones are the same credentials.
#[derive(Clone, Debug)]
pub(crate) struct Credentials {
    kept: watch::Receiver<Kept>,
    calls: Arc<Calls>,
}

/// What wakes the keeper.
#[derive(Debug, Default)]
struct Calls {
    /// Somebody has found no valid credentials.
    missing: Notify,
    /// A service has refused valid ones.
    refused: Notify,
}

/// The control runtime's side.
#[derive(Debug)]
pub(crate) struct Keeper {
    kept: watch::Sender<Kept>,
    calls: Arc<Calls>,
}

/// Both sides. Nothing is loaded before somebody asks.
pub(crate) fn pair() -> (Credentials, Keeper) {
    let (sender, receiver) = watch::channel(Kept::default());
    let calls = Arc::<Calls>::default();
    (Credentials { kept: receiver, calls: Arc::clone(&calls) }, Keeper { kept: sender, calls })
}

fn is_valid(keys: &Keys) -> bool {
    keys.expiry().is_none_or(|expiry| expiry > SystemTime::now())
}

impl Credentials {
    /// Valid credentials: at once while there are some, else after one attempt to load them.
    ///
    /// # Errors
    /// There are none.
    pub(crate) async fn get(&self) -> Result<Keys, NoCredentials> {
        let pause = Duration::from_millis(CREDENTIALS_RETRY_MS.0);
        let attempts = {
            let kept = self.kept.borrow();
            match &kept.keys {
                Some(keys) if is_valid(keys) => return Ok(keys.clone()),
                // Where nothing was a moment ago is nothing now.
                _ if kept.failed_at.is_some_and(|at| at.elapsed() < pause) => return Err(NoCredentials::Missing),
                _ => kept.attempts,
            }
        };
        self.calls.missing.notify_one();
        let mut kept = self.kept.clone();
        let loaded = kept.wait_for(|kept| kept.attempts > attempts);
        let wait = Duration::from_millis(CREDENTIALS_WAIT_MS);
        // The keeper lives as long as the process; without it there are no credentials.
        let loaded =
            timeout(wait, loaded).await.map_err(|_| NoCredentials::Time)?.map_err(|_| NoCredentials::Missing)?;
        loaded.keys.clone().filter(is_valid).ok_or(NoCredentials::Missing)
    }

    /// Notes that a service has refused credentials as expired, so that they are loaded anew. Does not wait.
    pub(crate) fn refused(&self) {
        self.calls.refused.notify_one();
    }

    /// When those that are kept expire; `None` without any, or when they do not.
    pub(crate) fn expiry(&self) -> Option<SystemTime> {
        self.kept.borrow().keys.as_ref()?.expiry()
    }
}

impl Keeper {
    /// Loads when asked, and before what is kept expires. Runs until dropped.
    pub(crate) async fn run(self) {
        self.keep(load).await;
    }

    async fn keep<L>(self, load: impl Fn() -> L)
    where
        L: Future<Output = Result<Keys, CredentialsError>>,
    {
        let (first, longest) = CREDENTIALS_RETRY_MS;
        let mut pause_ms = first;
        let mut due: Option<Instant> = None;
        loop {
            tokio::select! {
                () = self.calls.missing.notified() => {
                    // Who called while others were waiting has got what they got.
                    if self.kept.borrow().keys.as_ref().is_some_and(is_valid) {
                        continue;
                    }
                }
                () = self.calls.refused.notified() => {}
                () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => {}
            }
            let limit = Duration::from_millis(CREDENTIALS_LOAD_TIMEOUT_MS);
            match timeout(limit, load()).await {
                Ok(Ok(keys)) => {
                    pause_ms = first;
                    due = keys.expiry().map(|expiry| Instant::now() + until_renewal(expiry));
                    self.kept.send_modify(|kept| {
                        *kept = Kept { attempts: kept.attempts + 1, keys: Some(keys), failed_at: None };
                    });
                }
                failed => {
                    // The chain's own words name where it looked, never what it found.
                    match failed {
                        Ok(Err(error)) => tracing::warn!(error = %with_causes(&error), "loading credentials failed"),
                        _ => {
                            tracing::warn!(limit_ms = CREDENTIALS_LOAD_TIMEOUT_MS, "loading credentials took too long")
                        }
                    }
                    self.kept.send_modify(|kept| {
                        kept.attempts += 1;
                        kept.failed_at = Some(Instant::now());
                    });
                    // Who had credentials gets them again without asking; who had none asks again with its next request.
                    due = self.kept.borrow().keys.is_some().then(|| Instant::now() + Duration::from_millis(pause_ms));
                    pause_ms = (pause_ms * 2).min(longest);
                }
            }
            // A burst of refusals must not become a burst of loads.
            sleep_until(Instant::now() + Duration::from_millis(first)).await;
        }
    }
}

/// How long what expires then is used before it is renewed: up to a margin before, or half of what is left when that is
/// less.
fn until_renewal(expiry: SystemTime) -> Duration {
    let left = expiry.duration_since(SystemTime::now()).unwrap_or_default();
    let margin = Duration::from_millis(CREDENTIALS_RENEW_BEFORE_MS);
    left.checked_sub(margin).filter(|early| *early > left / 2).unwrap_or(left / 2)
}

/// The chain is made anew each time, because its profile reads the files only once.
async fn load() -> Result<Keys, CredentialsError> {
    let region = RegionProviderChain::first_try(EnvironmentVariableRegionProvider::new())
        .or_else(ProfileFileRegionProvider::new())
        .or_else(aws_config::Region::from_static(REGION_DEFAULT));
    DefaultCredentialsChain::builder().region(region).build().await.provide_credentials().await
}

#[cfg(test)]
mod tests;
