//! The control plane: stores what operators configure, validates it by asking the model, and publishes what serves.
//!
//! A call is let in by `security`, which knows callers and roles. A change crosses `api` (decode) → `app` (the one write pipeline) → `store` (one transaction) → `publication` (what
//! is served now) → `publisher` (the newest one, for every subscriber). Arrows go one way only: the application knows
//! no transport, the store no rule.

pub mod api;
pub mod app;
pub mod backup;
mod connection;
pub mod fleet;
pub mod node_canary;
mod ops;
mod process;
pub mod publication;
pub mod publisher;
pub mod rollout;
mod security;
mod settings;
pub mod store;
pub mod surroundings;
mod throttle;

pub use process::{BindError, Bound, RunError, bind};
pub use security::SecurityError;
pub use settings::Settings;
