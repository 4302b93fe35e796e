//! [`close`]: our side ends first, and what the client still sends is thrown away for a while, so that the kernel does not
//! answer unread bytes with a reset that destroys our answer on its way (RFC 9112 section 9.6).

use crate::deadline::Deadline;
use crate::framing::LingeringLimits;
use crate::http1::{Taking, Transport};
use crate::patience::BodyLimit;
use std::cell::RefCell;
use std::future::poll_fn;
use std::mem::MaybeUninit;
use std::task::Poll;
use std::time::Duration;
use tokio::io::ReadBuf;
use tokio::time::Instant;

/// Bytes thrown away with one read.
const DISCARD_BYTES: usize = 16 * 1024;

/// What a client sends when we have said our last word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sends {
    /// Nothing, as far as is known.
    Nothing,
    /// The rest of a request that was refused.
    Rest,
    /// That it takes what we have sent, as clients of HTTP/2 do. While it does so it has not read all of that, although its kernel may have
    /// it.
    Windows,
}

/// Closes a connection. It waits only for a client that is known to be sending, also in the middle of a request, or when unread bytes are
/// there. One that has not taken all of our answer yet has as long for the rest as `taken_within` gives it.
pub(super) async fn close(
    transport: &RefCell<Transport>,
    limits: LingeringLimits,
    taken_within: BodyLimit,
    sends: Sends,
) {
    let mut client_sends = sends != Sends::Nothing || {
        let transport = transport.borrow();
        !transport.has_received() || !transport.unread.is_empty()
    };
    if !client_sends && poll_fn(|cx| Poll::Ready(transport.borrow_mut().poll_unexpected(cx).is_pending())).await {
        // It waits for nothing but this, and has sent nothing that the kernel would have to refuse.
        return;
    }
    let shut = poll_fn(|cx| transport.borrow_mut().poll_shutdown(cx)).await;
    // A client that is gone, or that has said its last word, sends nothing that could hurt our answer.
    if shut.is_err() || transport.borrow().read_ended {
        return;
    }
    let (begun, pause) = (Instant::now(), Duration::from_millis(limits.lingering_close_ms));
    let (mut deadline, mut taking) = (Deadline::new(begun + pause), Taking::new(taken_within));
    let (mut left_bytes, mut was_heard) = (limits.lingering_bytes_max, false);
    poll_fn(|cx| {
        let mut space = [MaybeUninit::uninit(); DISCARD_BYTES];
        while left_bytes > 0 {
            let mut scratch = ReadBuf::uninit(&mut space);
            match transport.borrow_mut().poll_discard(cx, &mut scratch) {
                Poll::Ready(Ok(())) if !scratch.filled().is_empty() => {
                    (client_sends, was_heard) = (true, true);
                    left_bytes = left_bytes.saturating_sub(scratch.filled().len() as u64);
                }
                Poll::Pending if client_sends => break,
                Poll::Ready(_) | Poll::Pending => return Poll::Ready(()),
            }
        }
        if left_bytes == 0 {
            return Poll::Ready(());
        }
        let transport = transport.borrow();
        while deadline.poll(cx).is_ready() {
            let is_reading = sends == Sends::Windows && std::mem::take(&mut was_heard);
            let is_reading = is_reading && begun.elapsed() < taken_within.idle;
            if !is_reading && Taking::is_all_taken(transport.stream()) {
                return Poll::Ready(());
            }
            deadline.set(Instant::now() + pause);
        }
        taking.poll_slow(cx, begun, transport.stream())
    })
    .await;
}
