//! Parameter mapping (section e.5): where a parameter of a head goes, and where its value comes from.
//!
//! Expressions are parsed when a configuration is accepted, compiled with the stage, and evaluated per request against
//! [`RequestFacts`] or [`ResponseFacts`]. Gateway responses (section e.7) have targets of their own and templates that
//! are plain substitution, [`SubstitutionTemplate`].
//!
//! Deliberately absent: what a header name means on the wire, see [`crate::headers`]; mapping templates (section g).

mod body;
mod compiled;
mod context;
mod escape;
mod expression;
mod facts;
mod gateway;
mod problem;
mod response;
mod substitution;

pub use body::SourceProblem;
pub use compiled::{CompiledSource, PathValue};
pub(crate) use escape::form_decode;
pub use escape::{percent_decode, percent_encode_into, query_values};
pub use expression::{Source, Target};
pub use facts::{
    ACCOUNT_ID, ContextField, ErrorFacts, ErrorField, FailedRequest, RequestFacts, ResourceFacts, ResponseFacts,
    StageFacts,
};
pub use gateway::{GatewayResponseSource, GatewayResponseTarget};
pub use problem::{NO_METHOD_RESPONSE, invalid_expression, invalid_parameter, mapping_message};
pub use response::{CompiledResponseSource, ResponseSource, ResponseTarget};
pub use substitution::SubstitutionTemplate;

#[cfg(test)]
mod tests;
