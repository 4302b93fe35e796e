//! Keeping up with other control planes on the same database: hear, look, load what changed, publish.

use super::error::Result;
use super::limits::FOLLOW_WAIT_MS_MAX;
use super::load::Standing;
use super::{App, Shared};
use crate::store::Hint;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::time::timeout;

impl App {
    /// Publishes what others commit, for as long as it is polled. It ends at once where there can be no others.
    ///
    /// A database that is lost is looked for until it is back; meanwhile what was published last stays.
    pub async fn follow(&self) {
        let Some(mut watch) = self.shared.store.watch() else { return };
        loop {
            let hint = watch.next().await;
            let newest = self.newest().version;
            if matches!(hint, Hint::Told(version) if version == newest) {
                continue;
            }
            let looked = self.shared.look().await;
            if hint == Hint::Due && looked.is_ok() && self.newest().version != newest {
                watch.missed();
            }
            self.shared.tell(looked);
        }
    }

    /// Whether the last look at the store succeeded. Always so where there can be no other writers.
    pub fn is_following(&self) -> bool {
        self.shared.is_following.load(Ordering::Relaxed)
    }
}

impl Shared {
    async fn look(&self) -> Result<()> {
        // Whoever writes here catches up by itself, unless it waits for a writer elsewhere.
        let turn = Arc::clone(&self.gate).lock_owned();
        let turn = timeout(Duration::from_millis(FOLLOW_WAIT_MS_MAX), turn).await;
        let mut reads = self.store.read().await?;
        match self.catch_up(&mut *reads).await? {
            Standing::Newest(_) => Ok(()),
            Standing::WentBack => {
                drop(reads);
                tracing::warn!(published = %self.publisher.newest().version, "the database holds an older version");
                let settled = self.settle().await;
                drop(turn);
                settled
            }
        }
    }

    /// Logs when it stops and when it starts to work, not every second between.
    fn tell(&self, looked: Result<()>) {
        let is_following = looked.is_ok();
        let was_following = self.is_following.swap(is_following, Ordering::Relaxed);
        match looked {
            Ok(()) if !was_following => tracing::info!("the database is there again"),
            Err(error) if was_following => {
                let source = std::error::Error::source(&error).map(ToString::to_string);
                tracing::warn!(%error, source, "cannot see what other control planes publish");
            }
            Ok(()) | Err(_) => {}
        }
    }
}
