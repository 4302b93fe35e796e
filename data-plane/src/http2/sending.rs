//! How the streams of a connection share it: windows, turns, and what their answers look like as frames (RFC 9113 sections 5.2,
//! 6.1, 6.2 and 6.9).

use super::fault::Fault;
use super::frames::{HEAD_BYTES, code, flag, kind, put_head};
use super::hpack::Encoder;
use super::state::{State, WINDOW_MAX};
use super::streams::Turn;
use crate::http1::with_date;
use crate::limits::{H2_FRAMES_PER_ANSWER_FRAME, H2_OUT_BYTES_MAX, H2_PIECE_BYTES, H2_SMALL_FRAME_BYTES};
use crate::message::ResponseParts;
use bytes::Bytes;
use http::StatusCode;
use penstock_model::header_list::HeaderList;
use std::task::{Context, Poll};

/// Largest frame that everybody takes, in octets of payload.
const FRAME_BYTES: usize = H2_PIECE_BYTES;

impl State {
    /// How much of a payload a stream may send now, in one frame; with none it waits for no window. `None`: it is over. A
    /// stream that has to wait for others waits behind them, and sends one frame when it is its turn.
    pub(super) fn poll_room(&mut self, id: u32, wanted: usize, cx: &Context<'_>) -> Poll<Option<usize>> {
        let is_alone = self.queue.is_empty() && self.granted == 0;
        let has_room = self.out.has_room() && (wanted == 0 || self.window > 0);
        let Some(stream) = self.streams.get_mut(id).filter(|stream| !stream.reset_by_us) else {
            return Poll::Ready(None);
        };
        let (turn, window) = (stream.turn, stream.window);
        if wanted > 0 && window <= 0 {
            stream.wait(cx);
            if turn == Turn::Granted {
                stream.turn = Turn::Free;
                self.granted -= 1;
                self.grant();
            }
            return Poll::Pending;
        }
        let is_turn = wanted == 0 || turn == Turn::Granted || turn == Turn::Free && is_alone;
        if has_room && is_turn {
            stream.turn = Turn::Free;
            match turn {
                Turn::Free => {}
                // It goes on without its turn, which would be lost for all others if it came later.
                Turn::Queued => self.queue.retain(|&(queued, _)| queued != id),
                Turn::Granted => self.granted -= 1,
            }
            let most = self.window.min(window).try_into().unwrap_or(0).min(FRAME_BYTES);
            return Poll::Ready(Some(wanted.min(most)));
        }
        stream.wait(cx);
        if turn != Turn::Queued {
            stream.turn = Turn::Queued;
            match turn {
                Turn::Granted => {
                    self.granted -= 1;
                    self.queue.push_front((id, wanted > 0));
                }
                _ => self.queue.push_back((id, wanted > 0)),
            }
        }
        Poll::Pending
    }

    /// Whether a client's window is what keeps a stream from sending.
    pub(super) fn is_shut(&self, id: u32) -> bool {
        self.window <= 0 || self.streams.get(id).is_some_and(|stream| stream.window <= 0)
    }

    /// Lets those that wait first send, as many as there is room for.
    pub(crate) fn grant(&mut self) {
        while self.out.bytes() + self.granted * FRAME_BYTES < H2_OUT_BYTES_MAX {
            let is_open = self.window > 0;
            let Some(at) = self.queue.iter().position(|&(_, needs_window)| is_open || !needs_window) else { return };
            let Some((id, _)) = self.queue.remove(at) else { return };
            // It may be over, or have gone on without its turn.
            if let Some(stream) = self.streams.get_mut(id).filter(|stream| stream.turn == Turn::Queued) {
                stream.turn = Turn::Granted;
                self.granted += 1;
                stream.wake();
            }
        }
    }

    /// DATA of an answer, for which there is room; `ends` with its end.
    pub(super) fn send_data(&mut self, id: u32, data: Bytes, ends: bool) {
        let bytes = data.len();
        let flags = if ends { flag::END_STREAM } else { 0 };
        put_head(self.out.tail(), bytes, kind::DATA, flags, id);
        self.out.payload(data);
        self.window -= bytes as i64;
        let mut is_bounded = self.window <= 0;
        if let Some(stream) = self.streams.get_mut(id) {
            stream.window -= bytes as i64;
            is_bounded |= stream.window <= 0;
        }
        // A client that widens windows by drops makes many frames out of one.
        if ends || !is_bounded || bytes >= H2_SMALL_FRAME_BYTES as usize {
            self.frames.give(H2_FRAMES_PER_ANSWER_FRAME);
        }
        if !self.queue.is_empty() {
            self.grant();
        }
        self.wake();
    }

    /// The head of an answer. `length`: of the body that follows, in bytes, where that is known.
    pub(super) fn send_head(&mut self, id: u32, parts: &ResponseParts, length: Option<u64>, ends: bool) {
        self.continues(id);
        let (out, encoder) = (self.out.tail(), &mut self.encoder);
        block(out, id, ends, |out| {
            encoder.begin(out);
            Encoder::status(out, parts.status);
            let had = encoder.fields(out, &parts.headers);
            if let Some(bytes) = length.filter(|_| !had.length) {
                encoder.length(out, bytes);
            }
            if !had.date {
                with_date(|date| encoder.date(out, date));
            }
        });
        self.wake();
    }

    /// What stands behind an answer's body, and its end.
    pub(super) fn send_trailers(&mut self, id: u32, trailers: &HeaderList) {
        let (out, encoder) = (self.out.tail(), &mut self.encoder);
        block(out, id, true, |out| {
            encoder.begin(out);
            encoder.fields(out, trailers);
        });
        self.wake();
    }

    /// Whether the client waits to be asked for its request's body; then it does not any more.
    fn continues(&mut self, id: u32) -> bool {
        let inbound =
            self.streams.get(id).filter(|stream| !stream.reset_by_us).and_then(|stream| stream.inbound.as_ref());
        inbound.is_some_and(|inbound| std::mem::take(&mut inbound.borrow_mut().expects_continue))
    }

    /// Asks for a request's body, if its client waits for that (RFC 9110 section 10.1.1).
    pub(super) fn ask_for_body(&mut self, id: u32) {
        if !self.continues(id) {
            return;
        }
        let (out, encoder) = (self.out.tail(), &mut self.encoder);
        block(out, id, false, |out| {
            encoder.begin(out);
            Encoder::status(out, StatusCode::CONTINUE);
        });
        self.wake();
    }

    /// The client takes more, of one stream or of all (stream 0).
    pub(super) fn widened(&mut self, id: u32, increment: u32) -> Result<(), Fault> {
        if id == 0 {
            self.window += i64::from(increment);
            Fault::unless(self.window <= WINDOW_MAX, Fault::FLOW_CONTROL)?;
            self.grant();
            return Ok(());
        }
        let Some(stream) = self.streams.get_mut(id).filter(|stream| !stream.reset_by_us) else { return Ok(()) };
        stream.window += i64::from(increment);
        if stream.window > WINDOW_MAX {
            return self.reset_at_fault(id, code::FLOW_CONTROL_ERROR);
        }
        if stream.window > 0 && stream.turn == Turn::Free {
            stream.wake();
        }
        Ok(())
    }
}

/// Writes a block of fields as HEADERS, and as CONTINUATION where it is larger than a frame.
fn block(out: &mut Vec<u8>, id: u32, ends: bool, write: impl FnOnce(&mut Vec<u8>)) {
    let from = out.len();
    let flags = if ends { flag::END_STREAM } else { 0 };
    put_head(out, 0, kind::HEADERS, flags | flag::END_HEADERS, id);
    write(out);
    let bytes = out.len() - from - HEAD_BYTES;
    if bytes <= FRAME_BYTES {
        let length = (bytes as u32).to_be_bytes();
        out[from..from + 3].copy_from_slice(&length[1..]);
        return;
    }
    let block = out.split_off(from + HEAD_BYTES);
    out.truncate(from);
    let mut kind = kind::HEADERS;
    let mut pieces = block.chunks(FRAME_BYTES).peekable();
    while let Some(piece) = pieces.next() {
        let first = if kind == kind::HEADERS { flags } else { 0 };
        let last = if pieces.peek().is_none() { flag::END_HEADERS } else { 0 };
        put_head(out, piece.len(), kind, first | last, id);
        out.extend_from_slice(piece);
        kind = kind::CONTINUATION;
    }
}
