//! The control plane: stores what operators configure, validates it by asking the model, and publishes what serves.

pub mod publication;
pub mod store;
