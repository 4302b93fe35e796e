//! HTTP/1.1 on a connection in clear text, in either direction, without another task, channel or copy in between.
//!
//! [`Transport`] is a connection and the message that comes in on it, [`Http1Body`] that message's body, [`Sending`] a
//! message that goes out. Who begins a message, and what its head means, is the business of `upstream` and `server`.
//! Grammar and limits are those of `framing`.

mod answer_head;
mod body;
mod buffers;
mod chunks;
mod frames;
mod head;
mod names;
mod pace;
mod pipe;
mod sending;
mod sent_queue;
mod taking;
#[cfg(test)]
mod tests;
mod transport;

pub(crate) use answer_head::{HeadError, parse_answer};
pub(crate) use body::Http1Body;
pub(crate) use head::{Head, keeps_alive, with_date, write_date, write_header, write_headers, write_length};
pub(crate) use names::{Names, with_names};
pub(crate) use pipe::Pipe;
pub(crate) use sending::{BodyEnd, Piped, SendError, Sending, Spliced};
pub(crate) use taking::Taking;
pub(crate) use transport::{ReceiveError, Receiving, Transport};
