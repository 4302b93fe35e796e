//! The demo upstream: a small HTTP/1.1 server that takes a picture and answers the same picture smaller.
//!
//! It exists so that a gateway has something real behind it: payloads of a few hundred kilobytes to tens of
//! megabytes in both directions, work that takes time, and refusals of several kinds. `penstock up --demo` calls
//! this library, the `image-resizer` binary wraps it for containers, and tests open it on port 0: all three use
//! [`bind`] and then [`Bound::run`].
//!
//! `POST /upload` takes a JPEG, PNG or WebP (told by its bytes, not by `Content-Type`) and answers in the same
//! format with half the width and height, or with the width that `?width=N` asks for. `GET /health` says whether the
//! process serves.
//!
//! A request walks through `server` (connections, drain), `service` (paths, methods), `upload` (body, query,
//! admission), `picture` (the pure work on bytes), and back; `refusal` is the one place that knows status codes.
//! The crate keeps nothing between requests and writes no files.
//!
//! Who needs the work without the server, as `image-function` does, calls [`shrink`] with a [`Wish`], and says no with
//! the same [`Refusal`]s.

mod admission;
mod container;
mod limits;
mod picture;
mod refusal;
mod request_line;
mod scale;
mod server;
mod service;
mod settings;
mod upload;
mod wish;

pub use picture::{Dimensions, Format, PictureError, Shrunk, Wish, shrink};
pub use refusal::Refusal;
pub use scale::ScaleError;
pub use server::{BindError, Bound, bind};
pub use settings::Settings;
