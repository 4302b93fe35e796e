//! What an explanation says: plain data, in the order of a request's journey. Each part is there as far as the request
//! would come.

use crate::id::Version;
use crate::method::Verb;
use crate::table::Candidate;

/// What one request would meet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Explanation {
    /// Of the configuration that was asked.
    pub version: Version,
    /// The method that routing sees: `X-HTTP-Method-Override` replaces the request's own.
    pub method: String,
    /// Where the host leads; `None` when no API has it.
    pub door: Option<Entrance>,
    /// The stage that answers.
    pub stage: Option<StageFacts>,
    /// What the lookup looked at, in that order.
    pub candidates: Vec<Candidate>,
    /// How many more it looked at.
    pub candidates_left_out: usize,
    /// What it found.
    pub route: Option<RouteFacts>,
    /// What happens to the request's body.
    pub request: Option<RequestFacts>,
    /// What the upstream would get; `None` for a `MOCK`, which has none, and where the request does not get so far.
    pub upstream: Option<UpstreamFacts>,
    /// What the client would get of the assumed answer.
    pub response: Option<ResponseFacts>,
    /// What the gateway would answer by itself instead.
    pub refusal: Option<RefusalFacts>,
    /// What is not known without the bytes, in whole sentences.
    pub notes: Vec<String>,
}

/// Where a host leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entrance {
    /// The domain name; `*` for the catch-all, `execute-api` for a host that names an API.
    pub name: String,
    /// The base paths or stages behind it, in the order in which they are asked.
    pub behind: Vec<String>,
}

/// The stage that answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StageFacts {
    /// Of the API.
    pub rest_api_id: String,
    /// The stage's.
    pub stage_name: String,
    /// What it serves on this side.
    pub deployment_id: String,
    /// What the base path mapping matched, for example `/v1`; empty at the root.
    pub base_path: String,
    /// The path behind stage or base path.
    pub route_path: String,
    /// Share of the canary in percent, as written; `None` without one.
    pub canary_percent: Option<String>,
    /// Whether this is the canary's side.
    pub canary: bool,
    /// `TRANSPARENT` or `AWS`.
    pub fidelity: &'static str,
}

/// The route that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteFacts {
    /// Of the resource.
    pub resource_id: String,
    /// With placeholders.
    pub resource_path: String,
    /// The method's own, which may be `ANY`.
    pub verb: Verb,
    /// For example `HTTP_PROXY`.
    pub integration_type: &'static str,
    /// Name and value of each path parameter, decoded, in the order of the path.
    pub path_parameters: Vec<(String, String)>,
    /// Why every call fails; empty when it need not.
    pub problem: String,
}

/// What happens to a body.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BodyFacts {
    /// The cell of the conversion table that applies, for example `request/undefined/no-match`.
    pub cell: String,
    /// What it says, in words.
    pub conversion: String,
    /// The key of the template that takes the body's place; `None` when none does.
    pub template: Option<String>,
    /// How the body goes on, and why.
    pub passage: String,
}

/// What happens to the request's body.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RequestFacts {
    /// The `Content-Type` without parameters, or what a missing one counts as.
    pub content_type: String,
    /// Whether the request has none.
    pub content_type_is_missing: bool,
    /// The entry of the API's binary media types that it matches.
    pub binary_media_type: Option<String>,
    /// The decision.
    pub body: BodyFacts,
}

/// A header, as it is sent. Values are shown as text, with U+FFFD for what is none.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Header {
    /// In lower case.
    pub name: String,
    /// One line of it.
    pub value: String,
}

/// A value that a mapping sets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mapped {
    /// For example `header x-id`, `querystring size`, `path`.
    pub target: String,
    /// Where it comes from, in words.
    pub source: String,
    /// None when the source is absent, and the target is left out.
    pub values: Vec<String>,
    /// Whether it comes from the body, which is not known here.
    pub from_body: bool,
}

/// What the upstream would get.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpstreamFacts {
    /// Towards it.
    pub method: String,
    /// Scheme, host and port.
    pub address: String,
    /// Path and query.
    pub target: String,
    /// All of them, ordered by name. Ids are placeholders of zeros, the client is 192.0.2.1.
    pub headers: Vec<Header>,
    /// What the mappings set.
    pub mapped: Vec<Mapped>,
    /// The body's length and framing, in words.
    pub body: String,
}

/// What the client would get of the assumed answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ResponseFacts {
    /// The integration's status: the assumed one, or the one that a `MOCK` request names.
    pub integration_status: i32,
    /// The integration response that accepts it; `None` for an `HTTP_PROXY`, which has none.
    pub selected: Option<SelectedFacts>,
    /// The answer's `Content-Type` without parameters, or what a missing one counts as; empty when it counts as nothing.
    pub content_type: String,
    /// The entry of the API's binary media types that it matches.
    pub binary_media_type: Option<String>,
    /// The entry that the client's `Accept` matches.
    pub accepted_media_type: Option<String>,
    /// The decision.
    pub body: BodyFacts,
    /// Towards the client.
    pub status: u16,
    /// All but those of the connection, ordered by name.
    pub headers: Vec<Header>,
    /// What happens to it before it is sent, in words; empty when nothing does.
    pub compression: String,
}

/// An integration response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SelectedFacts {
    /// Its status code.
    pub status: u16,
    /// The pattern that accepted the integration's status; `None` for the default.
    pub pattern: Option<String>,
}

/// What the gateway would answer by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusalFacts {
    /// Why.
    pub reason: String,
    /// The type of the gateway response, for example `MISSING_AUTHENTICATION_TOKEN`; empty for those without a name.
    pub response_type: String,
    /// Towards the client.
    pub status: u16,
    /// Those that the answer is about, ordered by name.
    pub headers: Vec<Header>,
    /// The body.
    pub body: String,
}
