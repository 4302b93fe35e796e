//! [`close`]: our side ends first, and what the client still sends is thrown away for a while, so that the kernel does not
//! answer unread bytes with a reset that destroys our answer on its way (RFC 9112 section 9.6).

use crate::framing::LingeringLimits;
use crate::http1::Transport;
use std::cell::RefCell;
use std::future::poll_fn;
use std::mem::MaybeUninit;
use std::task::Poll;
use std::time::Duration;
use tokio::io::ReadBuf;
use tokio::time::timeout;

/// Bytes thrown away with one read.
const DISCARD_BYTES: usize = 16 * 1024;

/// Closes a connection. It waits only for a client that is known to be sending: in the middle of a request, behind one that
/// was refused, or when unread bytes are there.
pub(super) async fn close(transport: &RefCell<Transport>, limits: LingeringLimits, was_refused: bool) {
    let mut client_sends = was_refused || {
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
    let mut left_bytes = limits.lingering_bytes_max;
    let drain = poll_fn(|cx| {
        let mut space = [MaybeUninit::uninit(); DISCARD_BYTES];
        while left_bytes > 0 {
            let mut scratch = ReadBuf::uninit(&mut space);
            match transport.borrow_mut().poll_discard(cx, &mut scratch) {
                Poll::Ready(Ok(())) if !scratch.filled().is_empty() => {
                    client_sends = true;
                    left_bytes = left_bytes.saturating_sub(scratch.filled().len() as u64);
                }
                Poll::Pending if client_sends => return Poll::Pending,
                Poll::Ready(_) | Poll::Pending => return Poll::Ready(()),
            }
        }
        Poll::Ready(())
    });
    // The connection ends either way.
    let _ = timeout(Duration::from_millis(limits.lingering_close_ms), drain).await;
}
