//! [`Inbound`]: what has come of a request's body and was not taken yet.

use crate::limits::{H2_CONNECTION_WINDOW_BYTES, H2_PIECE_BYTES, H2_STREAM_WINDOW_BYTES};
use crate::memory::{Held, Part};
use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use std::cell::Cell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::task::Waker;

/// Request bodies for which one connection can have a whole window each.
const WINDOWS_MAX: u32 = H2_CONNECTION_WINDOW_BYTES / H2_STREAM_WINDOW_BYTES;

/// How far a body has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Course {
    /// More may come.
    Open,
    /// All of it has come.
    Ended,
    /// The rest will never come.
    Broken,
}

/// The body of one request.
#[derive(Debug)]
pub(super) struct Inbound {
    pieces: VecDeque<BytesMut>,
    /// In all pieces together.
    bytes: usize,
    pub(super) trailers: Option<HeaderMap>,
    pub(super) course: Course,
    /// What the head has said, less what has come.
    due: Option<u64>,
    /// What the head has said, less what was taken.
    pub(super) left: Option<u64>,
    /// What the client may still send, in bytes.
    window: i64,
    /// What was taken, and not given back to that window.
    unreturned: u32,
    /// Whether nobody will take it any more.
    pub(super) is_dropped: bool,
    /// Whether the client sends it only when it is asked for it.
    pub(super) expects_continue: bool,
    pub(super) reader: Option<Waker>,
    _upload: Upload,
}

impl Inbound {
    /// A body that has begun, of so many bytes if its head says so.
    pub(super) fn new(length: Option<u64>, uploads: &Rc<Cell<u32>>) -> Self {
        Self {
            pieces: VecDeque::new(),
            bytes: 0,
            trailers: None,
            course: Course::Open,
            due: length,
            left: length,
            window: i64::from(H2_STREAM_WINDOW_BYTES),
            unreturned: 0,
            is_dropped: false,
            expects_continue: false,
            reader: None,
            _upload: Upload::begin(uploads),
        }
    }

    /// Takes from the window what a frame had; whether it was wide enough.
    pub(super) fn fits(&mut self, bytes: u32) -> bool {
        self.window -= i64::from(bytes);
        self.window >= 0
    }

    /// Whether so much more, and perhaps the end, agrees with what the head has said.
    pub(super) fn agrees(&mut self, bytes: usize, ends: bool) -> bool {
        let Some(due) = self.due else { return true };
        let left = due.checked_sub(bytes as u64);
        self.due = Some(left.unwrap_or(0));
        left.is_some_and(|left| !ends || left == 0)
    }

    /// Adds what has come. It is copied, so that small frames hold no more memory than what is in them.
    pub(super) fn put(&mut self, data: &[u8]) {
        self.bytes += data.len();
        self.expects_continue = false;
        let mut rest = data;
        if let Some(last) = self.pieces.back_mut() {
            let room = last.capacity() - last.len();
            let (now, later) = rest.split_at(room.min(rest.len()));
            last.extend_from_slice(now);
            rest = later;
        }
        if !rest.is_empty() {
            let room = if self.pieces.is_empty() { rest.len() } else { rest.len().max(H2_PIECE_BYTES) };
            let mut piece = BytesMut::with_capacity(room);
            piece.extend_from_slice(rest);
            self.pieces.push_back(piece);
        }
        self.wake();
    }

    /// It ends so.
    pub(super) fn end(&mut self, course: Course) {
        if self.course == Course::Open {
            self.course = course;
            self.wake();
        }
    }

    pub(super) fn wake(&mut self) {
        if let Some(reader) = self.reader.take() {
            reader.wake();
        }
    }

    /// Takes what came first.
    pub(super) fn take(&mut self) -> Option<Bytes> {
        let piece = self.pieces.pop_front()?.freeze();
        self.bytes -= piece.len();
        self.left = self.left.map(|left| left.saturating_sub(piece.len() as u64));
        Some(piece)
    }

    /// Throws away what is there: how much that was.
    pub(super) fn discard(&mut self) -> usize {
        self.pieces = VecDeque::new();
        std::mem::take(&mut self.bytes)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.bytes == 0
    }

    /// Notes that so much was taken. What the window is to be widened by now: as soon as that is half of it.
    pub(super) fn give_back(&mut self, bytes: usize) -> Option<u32> {
        self.unreturned += bytes as u32;
        if self.unreturned < H2_STREAM_WINDOW_BYTES / 2 || self.course != Course::Open {
            return None;
        }
        let increment = std::mem::take(&mut self.unreturned);
        self.window += i64::from(increment);
        Some(increment)
    }
}

/// One request body of the connection, for the law of memory.
#[derive(Debug)]
struct Upload {
    uploads: Rc<Cell<u32>>,
    _held: Held,
    _window: Option<Held>,
}

impl Upload {
    fn begin(all: &Rc<Cell<u32>>) -> Self {
        let uploads = all.get();
        all.set(uploads + 1);
        // Further ones have to share the connection's window with the others.
        let window = (uploads < WINDOWS_MAX).then(|| Held::new(Part::Http2Window));
        Self { uploads: Rc::clone(all), _held: Held::new(Part::Http2Upload), _window: window }
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        self.uploads.set(self.uploads.get() - 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_is_taken_in_order_in_pieces_that_are_full() {
        let mut inbound = Inbound::new(Some(60_000), &Rc::default());
        let all: Vec<u8> = (0..60_000_u32).map(|at| at as u8).collect();
        let mut rest = &all[..];
        for size in [1, 2, 3, 16_384, 5, 20_000].into_iter().cycle() {
            let (now, later) = rest.split_at(size.min(rest.len()));
            inbound.put(now);
            rest = later;
            if rest.is_empty() {
                break;
            }
        }
        assert!(inbound.pieces.len() <= 6 && !inbound.is_empty());
        let mut taken = Vec::new();
        while let Some(piece) = inbound.take() {
            taken.extend_from_slice(&piece);
        }
        assert!(taken == all && inbound.is_empty() && inbound.left == Some(0));
    }

    #[test]
    fn windows_and_lengths_are_kept() {
        let mut inbound = Inbound::new(Some(5), &Rc::default());
        assert!(inbound.fits(H2_STREAM_WINDOW_BYTES) && !inbound.fits(1));
        assert!(inbound.agrees(3, false) && inbound.agrees(2, true));
        assert!(!Inbound::new(Some(5), &Rc::default()).agrees(6, false));
        assert!(!Inbound::new(Some(5), &Rc::default()).agrees(4, true));
        assert!(Inbound::new(None, &Rc::default()).agrees(4, true));
        let half = H2_STREAM_WINDOW_BYTES as usize / 2;
        assert_eq!((inbound.give_back(half - 1), inbound.give_back(2)), (None, Some(half as u32 + 1)));
    }

    #[test]
    fn uploads_share_the_connections_window() {
        let uploads = Rc::<Cell<u32>>::default();
        let bodies: Vec<_> = (0..2 * WINDOWS_MAX).map(|_| Inbound::new(None, &uploads)).collect();
        let windows = bodies.iter().filter(|body| body._upload._window.is_some()).count();
        assert_eq!((windows, uploads.get()), (WINDOWS_MAX as usize, 2 * WINDOWS_MAX));
        drop(bodies);
        assert_eq!(uploads.get(), 0);
    }
}
