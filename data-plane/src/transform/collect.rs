//! [`collect`]: a whole body in memory, for whoever reads it as a document: templates, validation, parameters from the
//! body. Bounded in size, in time, and together with all others of the process.

mod encoded;
mod in_place;

use super::budget::BudgetSpent;
use crate::body::BodyError;
use crate::limits::{COLLECT_FIRST_BYTES, COLLECT_TIMEOUT_MS, WHOLE_PIECE_BYTES};
use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt as _;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::timeout;

pub(crate) use super::budget::{CollectBudget, Permit};
pub(crate) use encoded::{Encoded, collect_encoded};
pub(crate) use in_place::decode_in_place;

/// A body that was collected.
#[derive(Debug)]
pub(crate) struct Collected {
    /// All its bytes, in one place.
    pub(crate) bytes: Bytes,
    /// What came behind them.
    pub(crate) trailers: Option<HeaderMap>,
    /// The right to hold the bytes. It is to live as long as they do; where they are sent, their pieces take it along.
    pub(crate) permit: Permit,
}

impl Body for Collected {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let bytes = std::mem::take(&mut self.bytes);
        self.bytes = self.permit.tied_to(bytes);
        if let Some(piece) = next_piece(&mut self.bytes) {
            return Poll::Ready(Some(Ok(Frame::data(piece))));
        }
        Poll::Ready(self.trailers.take().map(|trailers| Ok(Frame::trailers(trailers))))
    }

    fn is_end_stream(&self) -> bool {
        self.bytes.is_empty() && self.trailers.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.bytes.len() as u64)
    }
}

/// The next piece of bytes in memory that are sent: not all at once, so that it is seen how far the other side has come.
pub(crate) fn next_piece(bytes: &mut Bytes) -> Option<Bytes> {
    (!bytes.is_empty()).then(|| bytes.split_to(bytes.len().min(WHOLE_PIECE_BYTES)))
}

/// Why a body could not be collected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum CollectError {
    /// It is larger than what is read of such a body.
    #[error("the body is larger than what may be collected")]
    TooLarge,
    /// The process holds as many bytes as it may.
    #[error("the process holds as many bodies as it may")]
    Budget,
    /// It did not end within [`COLLECT_TIMEOUT_MS`].
    #[error("the body took too long to arrive")]
    Time,
    /// It broke off, or could not be converted.
    #[error("the body cannot be read")]
    Body(#[source] BodyError),
}

impl From<BodyError> for CollectError {
    fn from(error: BodyError) -> Self {
        Self::Body(error)
    }
}

impl From<BudgetSpent> for CollectError {
    fn from(BudgetSpent: BudgetSpent) -> Self {
        Self::Budget
    }
}

/// Reads a body to its end, of at most `bytes_max` bytes. One that announces more is refused unread.
pub(crate) async fn collect<B>(body: B, bytes_max: usize, budget: &CollectBudget) -> Result<Collected, CollectError>
where
    B: Body<Data = Bytes, Error = BodyError> + Unpin,
{
    if body.size_hint().lower() > bytes_max as u64 {
        return Err(CollectError::TooLarge);
    }
    let limit = Duration::from_millis(COLLECT_TIMEOUT_MS);
    timeout(limit, gather(body, bytes_max, budget)).await.unwrap_or(Err(CollectError::Time))
}

async fn gather<B>(mut body: B, bytes_max: usize, budget: &CollectBudget) -> Result<Collected, CollectError>
where
    B: Body<Data = Bytes, Error = BodyError> + Unpin,
{
    let announced_max = body.size_hint().upper().and_then(|upper| usize::try_from(upper).ok());
    let most = announced_max.map_or(bytes_max, |announced| announced.min(bytes_max));
    let mut permit = budget.permit();
    // Copied rather than kept as frames: a frame of one byte may keep a whole read buffer alive.
    let mut bytes = Vec::new();
    let mut trailers = None;
    while let Some(frame) = body.frame().await {
        match frame?.into_data() {
            Ok(data) => {
                let len = bytes.len() + data.len();
                if len > bytes_max {
                    return Err(CollectError::TooLarge);
                }
                if len > bytes.capacity() {
                    let capacity = (2 * bytes.capacity()).max(COLLECT_FIRST_BYTES).min(most).max(len);
                    permit.cover(capacity).await?;
                    bytes.reserve_exact(capacity - bytes.len());
                }
                bytes.extend_from_slice(&data);
            }
            Err(frame) => trailers = frame.into_trailers().ok(),
        }
    }
    Ok(Collected { bytes: bytes.into(), trailers, permit })
}

#[cfg(test)]
mod tests;
