//! What may happen to the bytes of a body on its way: base64, UTF-8 repair, content codings, digests, and looking at a
//! body before it goes on. `gateway` decides which of these a request needs and chains them; a body that nothing touches
//! never comes here.
//!
//! Every adapter is a [`Body`] over a [`Body`]: it holds a bounded piece whatever the size of the whole, an error of what
//! it reads passes through it, and no error of its own can be taken for an end. Nothing here knows routes, heads or
//! connections.

mod budget;
mod coders;
pub(crate) mod collect;
pub(crate) mod compress;
pub(crate) mod decode;
pub(crate) mod decompress;
pub(crate) mod digest;
pub(crate) mod discard;
pub(crate) mod encode;
pub(crate) mod event_stream;
pub(crate) mod integrity;
pub(crate) mod lookahead;
pub(crate) mod lossy;
mod stage;
mod units;

use crate::body::BodyError;
use bytes::Bytes;
use http_body::Body;
use http_body_util::{BodyExt as _, Full};
use std::pin::Pin;

/// A body whose adapters were chosen at run time.
pub(crate) type BoxedBody = Pin<Box<dyn Body<Data = Bytes, Error = BodyError>>>;

/// A body of these bytes, for the place of one that comes.
pub(crate) fn whole(bytes: Bytes) -> impl Body<Data = Bytes, Error = BodyError> + Unpin {
    Full::new(bytes).map_err(|never| match never {})
}

#[cfg(test)]
mod on_the_wire;
#[cfg(test)]
mod testing;
