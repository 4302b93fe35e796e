//! The head of a function's invocation.

use super::request::mapped_headers;
use super::{HeadProblem, Inbound, X_AMZN_TRACE_ID};
use crate::header_list::HeaderList;
use crate::table::{FunctionPlan, Route};
use http::header::{CONTENT_TYPE, HeaderValue, USER_AGENT};

const EVENT_TYPE: HeaderValue = HeaderValue::from_static("application/json");

/// Writes the headers of an invocation (section b.1), all but host, length and signature. What mappings set is sent to the
/// service, which knows `X-Amz-Invocation-Type`, `X-Amz-Client-Context` and `X-Amz-Log-Type`.
///
/// # Errors
/// A mapped value cannot be sent.
pub fn invocation_headers(
    route: &Route,
    plan: &FunctionPlan,
    inbound: &Inbound<'_>,
    trace_id: &str,
) -> Result<HeaderList, HeadProblem> {
    let mut headers = HeaderList::with_capacity(plan.headers.len() + 10);
    headers.insert(CONTENT_TYPE, EVENT_TYPE);
    headers.insert(USER_AGENT, route.stage.user_agent.clone());
    if let Ok(value) = HeaderValue::from_str(trace_id) {
        headers.insert(X_AMZN_TRACE_ID, value);
    }
    mapped_headers(&mut headers, &plan.headers, inbound)?;
    Ok(headers)
}
