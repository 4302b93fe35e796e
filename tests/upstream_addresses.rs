//! Upstreams with several addresses: where they come from, which of them a request gets, what becomes of those that fail, and
//! what is sent again. With a real DNS server and real upstreams, from outside.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "upstream_addresses/balance.rs"]
mod balance;
#[path = "upstream_addresses/ejection.rs"]
mod ejection;
#[path = "upstream_addresses/names.rs"]
mod names;
#[path = "upstream_addresses/retries.rs"]
mod retries;
