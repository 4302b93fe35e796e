//! [`look_ahead`]: the beginning of a body is read before it is decided what becomes of the rest. Errors of small bodies
//! show before anybody was called, the size of a small body is known after its conversion, and the first bytes can be
//! looked at.

use super::collect::{CollectBudget, CollectError, Permit};
use crate::body::BodyError;
use crate::limits::{COLLECT_FIRST_BYTES, LOOK_AHEAD_BLOCK_BYTES};
use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt as _;
use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// A body whose beginning is held; it is that body still, and hands on first what it holds.
#[derive(Debug)]
pub(crate) struct LookedAhead<B> {
    /// Blocks rather than frames: a frame of one byte may keep a whole read buffer alive.
    blocks: VecDeque<Vec<u8>>,
    /// The right to hold the blocks. What was handed on is somebody else's.
    permit: Permit,
    /// `None` when the body has ended, so that everything is held.
    rest: Option<B>,
    trailers: Option<HeaderMap>,
}

/// Reads a body until `bytes_max` bytes are held, or it has ended, or `patience` is over: a body that is slow goes on as
/// it comes. The last frame read may go beyond `bytes_max`.
///
/// **Errors** when the body fails within what was read, and with [`CollectError::Budget`].
pub(crate) async fn look_ahead<B>(
    body: B,
    bytes_max: usize,
    patience: Duration,
    budget: &CollectBudget,
) -> Result<LookedAhead<B>, CollectError>
where
    B: Body<Data = Bytes, Error = BodyError> + Unpin,
{
    let mut ahead = LookedAhead { blocks: VecDeque::new(), permit: budget.permit(), rest: None, trailers: None };
    let deadline = Instant::now() + patience;
    let mut body = body;
    loop {
        if ahead.held_bytes() >= bytes_max && !body.is_end_stream() {
            break;
        }
        let Ok(polled) = timeout_at(deadline, body.frame()).await else { break };
        let Some(frame) = polled else { return Ok(ahead) };
        match frame?.into_data() {
            Ok(data) => ahead.keep(&data).await?,
            Err(frame) => {
                ahead.trailers = frame.into_trailers().ok();
                return Ok(ahead);
            }
        }
    }
    ahead.rest = Some(body);
    Ok(ahead)
}

impl<B> LookedAhead<B> {
    /// Whether the body has ended, so that its size is known and nothing about it can fail any more.
    pub(crate) fn is_whole(&self) -> bool {
        self.rest.is_none()
    }

    /// How much is held, in bytes.
    pub(crate) fn held_bytes(&self) -> usize {
        self.blocks.iter().map(Vec::len).sum()
    }

    /// The first bytes, for whoever guesses from them what the body is: all that is held, but at most
    /// [`LOOK_AHEAD_BLOCK_BYTES`].
    pub(crate) fn first_bytes(&self) -> &[u8] {
        self.blocks.front().map_or(&[], Vec::as_slice)
    }

    fn capacity(&self) -> usize {
        self.blocks.iter().map(Vec::capacity).sum()
    }

    async fn keep(&mut self, mut data: &[u8]) -> Result<(), CollectError> {
        while !data.is_empty() {
            self.make_room(data.len()).await?;
            let block = self.blocks.back_mut().expect("room was made in it");
            let (now, later) = data.split_at(data.len().min(block.capacity() - block.len()));
            block.extend_from_slice(now);
            data = later;
        }
        Ok(())
    }

    /// Sees to it that the last block has room for something. Blocks begin small, because most bodies are.
    async fn make_room(&mut self, wanted: usize) -> Result<(), CollectError> {
        let held = self.capacity();
        match self.blocks.back_mut() {
            Some(block) if block.len() < block.capacity() => {}
            Some(block) if block.capacity() < LOOK_AHEAD_BLOCK_BYTES => {
                let before = block.capacity();
                let capacity = (2 * before).max(before + wanted).min(LOOK_AHEAD_BLOCK_BYTES);
                self.permit.cover(held - before + capacity).await?;
                block.reserve_exact(capacity - block.len());
            }
            Some(_) | None => {
                let capacity = wanted.clamp(COLLECT_FIRST_BYTES, LOOK_AHEAD_BLOCK_BYTES);
                self.permit.cover(held + capacity).await?;
                self.blocks.push_back(Vec::with_capacity(capacity));
            }
        }
        Ok(())
    }
}

impl<B: Body<Data = Bytes, Error = BodyError> + Unpin> Body for LookedAhead<B> {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if let Some(block) = self.blocks.pop_front() {
            let remaining = self.capacity();
            self.permit.shrink(remaining);
            return Poll::Ready(Some(Ok(Frame::data(block.into()))));
        }
        match &mut self.rest {
            Some(rest) => Pin::new(rest).poll_frame(cx),
            None => Poll::Ready(self.trailers.take().map(|trailers| Ok(Frame::trailers(trailers)))),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.blocks.is_empty() && self.rest.as_ref().map_or(self.trailers.is_none(), Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        let rest = self.rest.as_ref().map_or_else(|| SizeHint::with_exact(0), Body::size_hint);
        super::stage::map_bounds(&rest, |bytes| bytes.saturating_add(self.held_bytes() as u64))
    }
}

#[cfg(test)]
mod tests;
