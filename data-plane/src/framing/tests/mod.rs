//! The corpus of raw requests, and what is asked of it: the verdict, the same verdict for every split, and the opinion of
//! the real hyper.

pub(crate) mod corpus;
mod guard;
mod hyper_server;
mod io;
mod lingering;
mod property;
#[path = "../../../../tests/harness/corpus.rs"]
#[allow(dead_code, unreachable_pub, reason = "the black-box tests read the same corpus, and need more of it")]
mod raw_messages;
pub(crate) mod reading;
mod scripted;
