//! The corpus of raw requests, and what is asked of it: the verdict, the same verdict for every split, and the opinion of
//! the real hyper.

mod bodies;
mod connections;
pub(crate) mod corpus;
mod guard;
mod header_lines;
mod hyper_server;
mod io;
mod lingering;
mod property;
pub(crate) mod reading;
mod request_lines;
mod scripted;
