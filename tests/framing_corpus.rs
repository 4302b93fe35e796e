//! Every raw message of the corpus through the real proxy. Of requests nothing reaches the upstream but whole requests that a strict
//! parser of somebody else's reads as the corpus says; of answers the client sees what the corpus says. Whatever it was, the next honest
//! request is served.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "framing_corpus/answers.rs"]
mod answers;
#[path = "framing_corpus/requests.rs"]
mod requests;
#[path = "framing_corpus/talk.rs"]
mod talk;
