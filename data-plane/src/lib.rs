//! Placeholder.

pub mod framing;
