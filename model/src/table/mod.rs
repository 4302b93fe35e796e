//! The compiled routing table: host and base path to a stage, method and path to a route.
//!
//! Built away from requests, never changed, replaced as a whole. A [`StageTable`] is compiled from one bundle and shared
//! by every [`RoutingTable`] that contains that bundle, so a change to one API compiles that API only.

mod hosts;
mod route;
mod stage;
mod tree;

pub use hosts::{LocateError, Located, RoutingTable};
pub use route::{HttpProxy, Plan, Problem, Route};
pub use stage::StageTable;

#[cfg(test)]
mod tests;
