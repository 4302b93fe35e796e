//! What happens to bytes, decided from heads and configuration alone: whether a body is binary, how it is converted,
//! which template or integration response it meets, and whether it may be compressed.
//!
//! Compiled with a route, asked per request by the proxy and by `penstock explain`. Nothing here sees a body, except
//! the few first bytes that [`sniff()`] is given and the small text that [`mock`] reads.
//!
//! | module | subject | section |
//! |---|---|---|
//! | [`media_type`] | binary media types against `Content-Type` and `Accept` | a.1 |
//! | [`sniff()`] | a media type from the first bytes | |
//! | [`conversion`] | the two conversion tables | a.3, a.4, a.8 |
//! | [`passthrough`] | which template a body meets, if any | a.5, e.6, f |
//! | [`template`] | templates that are only text | e.6 |
//! | [`selection`] | which integration response answers | f |
//! | [`mock`] | the status code in a `MOCK` integration's request | g.5 |
//! | [`coding`] | content codings: which, and for what | h.8 |

pub mod coding;
pub mod conversion;
pub mod media_type;
pub mod mock;
pub mod passthrough;
pub mod selection;
pub mod template;

mod field;
mod java_pattern;
mod sniff;

pub use sniff::{SNIFF_BYTES_MAX, sniff};
