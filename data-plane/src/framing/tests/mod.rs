//! The corpus of raw requests, and what is asked of it: the verdict, the same verdict for every split, and the opinion of
//! the real hyper.

mod bodies;
mod connections;
mod corpus;
mod header_lines;
mod hyper_server;
mod lingering;
mod memory;
mod property;
mod reading;
mod request_lines;
mod scripted;
