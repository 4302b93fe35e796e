//! [`Keeper`]: writes what serves into the state directory, on blocking threads, one writing at a time.

use super::Subscribed;
use super::status::SubscriberStatus;
use crate::causes::with_causes;
use crate::state_dir::{StateDir, StateError};
use crate::subscription::{Event, ToKeep};
use penstock_model::bundle::Hash;
use penstock_model::id::Version;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};
use tokio::task::JoinHandle;

type Writing = JoinHandle<Result<(), StateError>>;

/// The node's memory on disk.
pub(super) struct Keeper {
    state_dir: Arc<Mutex<StateDir>>,
    status: SubscriberStatus,
    writing: Option<Writing>,
}

impl Keeper {
    pub(super) fn new(state_dir: StateDir, status: SubscriberStatus) -> Self {
        Self { state_dir: Arc::new(Mutex::new(state_dir)), status, writing: None }
    }

    /// Begins to write. The subscription asks again only when this is done.
    pub(super) fn keep(&mut self, to_keep: ToKeep) {
        self.writing = Some(self.spawn(move |state_dir| state_dir.keep(&to_keep, now_ms())));
    }

    /// Notes a confirmation. Nobody waits for it: one that is lost makes what is kept look older, and no more.
    pub(super) fn note(&self, manifest: (Version, Hash)) {
        let noting = self.spawn(move |state_dir| state_dir.note(manifest, now_ms()));
        tokio::spawn(async move {
            if let Ok(Err(error)) = noting.await {
                let reason = with_causes(&error);
                tracing::warn!(reason, "the confirmation could not be noted in the state directory");
            }
        });
    }

    /// The end of the writing that was begun last. Cancelling it loses nothing.
    pub(super) async fn done(&mut self) -> Event<Subscribed> {
        let Some(writing) = &mut self.writing else { return std::future::pending().await };
        let ended = writing.await;
        self.writing = None;
        let result = match ended {
            Ok(written) => written.map_err(|error| with_causes(&error)),
            Err(_) => Err("writing into the state directory panicked".to_owned()),
        };
        self.report(&result);
        Event::Kept { result }
    }

    /// Waits for what is being written, if anything is.
    pub(super) async fn finish(&mut self) {
        if self.writing.is_some() {
            self.done().await;
        }
    }

    fn spawn(&self, work: impl FnOnce(&mut StateDir) -> Result<(), StateError> + Send + 'static) -> Writing {
        let state_dir = Arc::clone(&self.state_dir);
        tokio::task::spawn_blocking(move || {
            // A writing that panicked left files that the next one writes again.
            work(&mut state_dir.lock().unwrap_or_else(PoisonError::into_inner))
        })
    }

    fn report(&self, result: &Result<(), String>) {
        let reason = result.as_ref().err();
        match reason {
            Some(reason) => {
                tracing::error!(reason, "what serves could not be kept; it serves on, and is tried again");
            }
            None => tracing::debug!("what serves is kept"),
        }
        self.status.change_keeping(|keeping| {
            keeping.write_failures += u64::from(reason.is_some());
            keeping.write_problem = reason.cloned();
            if reason.is_none() {
                // What could not be read is written over.
                keeping.read_problem = None;
            }
        });
    }
}

/// Milliseconds since 1970.
pub(crate) fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
