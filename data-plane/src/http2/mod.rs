//! HTTP/2 towards clients, without sockets and without requests being served: frames in, frames out, and all that a connection
//! must remember in between (RFC 9113).
//!
//! Everything of a connection is on one thread. [`Receiver`] reads what its client sends, each frame once; [`Shared`] is what
//! the connection and its streams have in common: windows, streams, and [`Out`](out::Out), in which all that is said is gathered
//! until it is written at once. A stream's answer goes out through [`Exchange`], its request's body comes in as [`Http2Body`]. Who
//! reads and writes the socket, and who answers, is the business of `server`.

mod answer;
mod body;
mod calm;
mod exchange;
mod fault;
mod field;
mod frames;
mod hpack;
mod inbound;
mod out;
mod receiver;
mod request;
mod sending;
mod state;
mod streams;
#[cfg(test)]
mod tests;

pub(crate) use body::Http2Body;
pub(crate) use exchange::Exchange;
pub(crate) use fault::Fault;
pub(crate) use receiver::{Opened, Receiver};
pub(crate) use state::{Shared, State};
