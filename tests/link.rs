//! Who may reach the control plane, and what they may do there: refusals of open doors, tokens, roles, mutual TLS, new
//! certificates and tokens without a restart, floods of handshakes, and the audit log.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "link/audit.rs"]
mod audit;
#[path = "link/doors.rs"]
mod doors;
#[path = "link/flood.rs"]
mod flood;
#[path = "link/reload.rs"]
mod reload;
#[path = "link/setup.rs"]
mod setup;
#[path = "link/strangers.rs"]
mod strangers;
#[path = "link/tls.rs"]
mod tls;
#[path = "link/tokens.rs"]
mod tokens;
