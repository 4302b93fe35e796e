//! [`discard`]: a body that nobody needs is read away, if that is quickly done: its connection cannot go on with a part of
//! it unread.

use crate::body::BodyError;
use crate::limits::DISCARD_BYTES_MAX;
use bytes::Bytes;
use http_body::Body;
use http_body_util::BodyExt as _;
use std::time::Duration;
use tokio::time::timeout;

/// Reads at most [`DISCARD_BYTES_MAX`] bytes for at most `patience`. Answers whether that was all: then the connection can
/// go on. A body that is known to be larger is not begun.
pub(crate) async fn discard<B>(mut body: B, patience: Duration) -> bool
where
    B: Body<Data = Bytes, Error = BodyError> + Unpin,
{
    if body.is_end_stream() {
        return true;
    }
    if body.size_hint().lower() > DISCARD_BYTES_MAX as u64 {
        return false;
    }
    let read = async {
        let mut bytes = 0;
        while bytes <= DISCARD_BYTES_MAX {
            match body.frame().await {
                None => return true,
                Some(Err(_)) => return false,
                Some(Ok(frame)) => bytes += frame.data_ref().map_or(0, Bytes::len),
            }
        }
        false
    };
    timeout(patience, read).await.unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transform::whole;

    #[tokio::test(start_paused = true)]
    async fn what_is_small_and_there_is_read_to_its_end() {
        let patience = Duration::from_secs(1);
        for (bytes, gone) in [(0, true), (1, true), (DISCARD_BYTES_MAX, true), (DISCARD_BYTES_MAX + 1, false)] {
            assert_eq!(discard(whole(vec![0; bytes].into()), patience).await, gone, "{bytes}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_does_not_come_is_not_waited_for_longer_than_agreed() {
        let silent = http_body_util::StreamBody::new(futures_util::stream::pending());
        let asked = tokio::time::Instant::now();
        assert!(!discard(silent, Duration::from_secs(1)).await);
        assert_eq!(asked.elapsed(), Duration::from_secs(1));
    }
}
