//! One request to the service, kept whole, and what its target says.

use super::reply::Reply;
use super::{ACCOUNT, REGION};
use bytes::Bytes;
use hyper::header::{HeaderName, HeaderValue};
use hyper::http::request::Parts;
use serde_json::{Value, json};
use std::sync::atomic::{AtomicU64, Ordering};

/// A request as it came.
#[derive(Debug, Clone)]
pub struct Invocation {
    /// Its method.
    pub method: String,
    /// Its request target, with the percent-encoding that it had.
    pub target: String,
    /// Its headers in the order in which their names came first; names are in lower case, as hyper keeps them.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// Its body.
    pub body: Bytes,
    /// The function's name alone, out of a name or an ARN; empty if the target is none of an Invoke API.
    pub function: String,
    /// The version or alias, out of the ARN or the query.
    pub qualifier: Option<String>,
    /// Whether the answer is to be streamed.
    pub streaming: bool,
    /// Its id, which the answer carries too.
    pub request_id: String,
    /// Whether ARN and query name two different versions.
    pub(super) is_contradictory: bool,
}

impl Invocation {
    pub(super) fn of(head: &Parts, body: Bytes) -> Self {
        static NUMBER: AtomicU64 = AtomicU64::new(1);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let (streaming, function) = addressed(head.uri.path()).unwrap_or_default();
        let (function, in_name) = name_and_qualifier(&function);
        let query = head.uri.query().unwrap_or_default();
        let in_query = query.split('&').find_map(|pair| pair.strip_prefix("Qualifier=")).map(percent_decoded);
        let is_contradictory = in_name.is_some() && in_query.is_some() && in_name != in_query;
        Self {
            method: head.method.to_string(),
            target: head.uri.to_string(),
            headers: head.headers.iter().map(|(name, value)| (name.clone(), value.clone())).collect(),
            body,
            function,
            qualifier: in_query.or(in_name),
            streaming,
            request_id: format!("{:08x}-0000-4000-8000-{number:012x}", std::process::id()),
            is_contradictory,
        }
    }

    /// A header's first value as text; empty when there is none.
    pub fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value.to_str().unwrap())
    }

    /// What the function gets: the body, or an empty object if that is empty.
    pub fn event_bytes(&self) -> Bytes {
        if self.body.is_empty() { Bytes::from_static(b"{}") } else { self.body.clone() }
    }

    /// The same as JSON.
    pub fn event(&self) -> Value {
        serde_json::from_slice(&self.event_bytes()).unwrap_or_else(|error| panic!("{error}: {:?}", self.body))
    }

    /// The full ARN of what was invoked.
    pub fn arn(&self) -> String {
        let qualifier = self.qualifier.as_ref().map(|qualifier| format!(":{qualifier}")).unwrap_or_default();
        format!("arn:aws:lambda:{REGION}:{ACCOUNT}:function:{}{qualifier}", self.function)
    }

    /// An error of the function, with the members that most runtimes give it.
    pub fn error(&self, kind: &str, message: &str) -> Reply {
        let id = &self.request_id;
        Reply::FunctionError(
            json!({"errorMessage": message, "errorType": kind, "requestId": id, "stackTrace": []}).to_string().into(),
        )
    }
}

/// Whether the path is one of the streaming API, and the function in it.
fn addressed(path: &str) -> Option<(bool, String)> {
    let buffered = between(path, "/2015-03-31/functions/", "/invocations").map(|function| (false, function));
    let streaming = || between(path, "/2021-11-15/functions/", "/response-streaming-invocations");
    let (is_streaming, function) = buffered.or_else(|| Some((true, streaming()?)))?;
    Some((is_streaming, percent_decoded(function)))
}

fn between<'a>(path: &'a str, begin: &str, end: &str) -> Option<&'a str> {
    path.strip_prefix(begin)?.strip_suffix(end).filter(|function| !function.is_empty() && !function.contains('/'))
}

/// Takes apart `name`, `account:function:name` and `arn:…:function:name`, each with or without `:qualifier`.
fn name_and_qualifier(function: &str) -> (String, Option<String>) {
    let parts: Vec<&str> = function.split(':').collect();
    let name =
        parts.iter().position(|part| *part == "function").filter(|at| matches!(at, 1 | 5)).map_or(0, |at| at + 1);
    let part = |at: usize| parts.get(at).map(|part| (*part).to_owned());
    (part(name).unwrap_or_default(), part(name + 1))
}

fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        let digits = after.get(..2).and_then(|digits| std::str::from_utf8(digits).ok()).filter(|_| byte == b'%');
        let decoded = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        bytes.push(decoded.unwrap_or(byte));
        rest = if decoded.is_some() { &after[2..] } else { after };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
