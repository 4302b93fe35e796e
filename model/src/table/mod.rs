//! The compiled routing table: host and base path to a stage, method and path to a route.
//!
//! Built away from requests, never changed, replaced as a whole. A [`StageTable`] is compiled from one bundle and shared
//! by every [`RoutingTable`] that contains that bundle, so a change to one API compiles that API only.

mod body_way;
mod domains;
mod function_plan;
mod hosts;
mod plan;
mod request_plan;
mod response_plan;
mod route;
mod service_plan;
mod settings;
mod stage;
mod target;
mod trace;
mod tree;

pub use body_way::{BodyWay, Passage};
pub use function_plan::{FunctionEndpoint, FunctionPlan, FunctionStyle};
pub use hosts::{Door, Entrance, LocateError, Located, RoutingTable};
pub use plan::{HttpPlan, HttpStyle, MockPlan, Upstream};
pub use request_plan::{Outcome, RequestPlan, Templates};
pub use response_plan::{AnswerType, ResponsePlan, Responses, proxied};
pub use route::{Plan, Problem, Route, RouteResource};
pub use service_plan::ServiceScope;
pub use settings::{Compression, StageSettings};
pub use stage::StageTable;
pub use target::TargetKey;
pub use trace::{Candidate, Trace, Verdict};

#[cfg(test)]
mod function_tests;
#[cfg(test)]
mod tests;
