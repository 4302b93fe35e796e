//! Who may hold memory and who may use a core: two semaphores, both waited for with a bound.
//!
//! Called by `upload`. It never reads a body and never does the work; it only says when.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use crate::limits::{ADMISSION_WAIT_MS_MAX, COLLECTED_BYTES_MAX};

/// Says that the process is full and stayed full for the whole wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("waiting for a free place")]
pub struct Full;

/// The process-wide places: one permit per core for work, one per byte for collected bodies.
#[derive(Debug, Clone)]
pub(crate) struct Admission {
    cores: Arc<Semaphore>,
    collected_bytes: Arc<Semaphore>,
    wait_max: Duration,
}

/// Room for the bytes of one body; given back when dropped.
#[derive(Debug, Default)]
pub(crate) struct Room(Option<OwnedSemaphorePermit>);

impl Admission {
    /// As many jobs as the machine has cores, and the limits of `limits.rs`.
    pub(crate) fn for_this_machine() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Self::new(cores, COLLECTED_BYTES_MAX, Duration::from_millis(ADMISSION_WAIT_MS_MAX))
    }

    /// Places for `jobs_max` jobs and `collected_bytes_max` bytes, each waited for at most `wait_max`.
    pub(crate) fn new(jobs_max: usize, collected_bytes_max: usize, wait_max: Duration) -> Self {
        Self {
            cores: Arc::new(Semaphore::new(jobs_max)),
            collected_bytes: Arc::new(Semaphore::new(collected_bytes_max)),
            wait_max,
        }
    }

    /// Waits for the right to keep one core busy.
    ///
    /// # Errors
    /// [`Full`] after the longest wait.
    pub(crate) async fn core(&self) -> Result<OwnedSemaphorePermit, Full> {
        self.take(&self.cores, 1).await
    }

    /// Widens `room` by `bytes`, as they arrive: a slow client holds room only for what it has really sent.
    ///
    /// # Errors
    /// [`Full`] after the longest wait; `room` then still holds what it held.
    pub(crate) async fn widen(&self, room: &mut Room, bytes: usize) -> Result<(), Full> {
        let Ok(bytes) = u32::try_from(bytes) else {
            return Err(Full);
        };
        let more = self.take(&self.collected_bytes, bytes).await?;
        match &mut room.0 {
            Some(held) => held.merge(more),
            none => *none = Some(more),
        }
        Ok(())
    }

    async fn take(&self, semaphore: &Arc<Semaphore>, permits: u32) -> Result<OwnedSemaphorePermit, Full> {
        let granted = timeout(self.wait_max, Arc::clone(semaphore).acquire_many_owned(permits)).await;
        Ok(granted.map_err(|_| Full)?.expect("the semaphores are never closed"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WAIT: Duration = Duration::from_millis(5);

    #[tokio::test]
    async fn a_core_is_free_again_when_its_permit_is_dropped() {
        let admission = Admission::new(1, 0, WAIT);
        let busy = admission.core().await.unwrap();
        assert_eq!(admission.core().await.unwrap_err(), Full);
        drop(busy);
        assert!(admission.core().await.is_ok());
    }

    #[tokio::test]
    async fn room_is_granted_up_to_the_limit_and_not_one_byte_more() {
        let admission = Admission::new(0, 10, WAIT);
        let mut room = Room::default();
        admission.widen(&mut room, 4).await.unwrap();
        admission.widen(&mut room, 6).await.unwrap();
        assert_eq!(admission.widen(&mut room, 1).await, Err(Full));
        drop(room);
        assert_eq!(admission.widen(&mut Room::default(), 10).await, Ok(()));
    }
}
