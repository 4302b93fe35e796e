//! What both ends of the link between control plane, nodes and management clients need: certificates and tokens from
//! files, kept fresh, and TLS made of them.
//!
//! The control plane serves with it, nodes and the command line connect with it. It knows no service and no role: who may
//! do what is the control plane's.

pub mod client;
mod connector;
pub mod file;
pub mod limits;
pub mod server;
mod tls;
pub mod token;
pub mod watched;
pub mod words;

pub use client::{ClientSettings, Link, LinkError};
pub use file::FileError;
pub use token::{Token, TokenHash};
pub use watched::Watched;
