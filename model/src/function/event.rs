//! [`FunctionEventPlan`]: what of an event is known when the table is built, and the event of one request.
//!
//! An event is written up to its body; the caller appends the body as it arrives, in one of three ways:
//!
//! ```text
//! head, finish_without_body
//! head, open_body, push_text …, close_body(false)
//! head, open_body, base64 …, close_body(true)
//! ```

use super::json::{push_member, push_string};
use super::{HeaderSpelling, PayloadFormat, event_v1, event_v2};
use crate::exchange::Inbound;
use crate::mapping::{ACCOUNT_ID, PathValue, StageFacts};
use crate::method::Verb;
use crate::resource::{PathPart, segments};
use crate::table::StageSettings;

/// What an event tells about one request.
#[derive(Clone, Copy)]
pub struct EventFacts<'a> {
    /// The request.
    pub inbound: &'a Inbound<'a>,
    /// What the route shares with the others of its stage.
    pub stage: &'a StageSettings,
    /// How the client spelled its headers.
    pub spelling: &'a HeaderSpelling,
    /// Where the client connected to.
    pub listener_port: u16,
    /// `X-Amzn-Trace-Id`.
    pub trace_id: &'a str,
}

/// A route's part of its events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FunctionEventPlan {
    pub(super) format: PayloadFormat,
    /// JSON text: how the event begins.
    pub(super) opening: Box<str>,
    /// JSON text: how `requestContext` begins.
    pub(super) context: Box<str>,
    /// Path parameters: the name and a colon as JSON text, and where the value stands.
    pub(super) parameters: Box<[(Box<str>, PathValue)]>,
}

impl FunctionEventPlan {
    /// Compiles what the events of a method have in common. `verb` is the method's own: may be [`Verb::Any`].
    pub fn compile(format: PayloadFormat, verb: Verb, facts: &StageFacts<'_>) -> Self {
        let (resource_id, resource_path) = facts.resource.map_or(("", ""), |resource| (resource.id, resource.path));
        let route_key = format!("{verb} {resource_path}");
        let (opening, context): (&[_], &[_]) = match format {
            PayloadFormat::V1 => (
                &[("resource", resource_path)],
                &[
                    ("resourceId", resource_id),
                    ("resourcePath", resource_path),
                    ("accountId", ACCOUNT_ID),
                    ("apiId", facts.api_id),
                    ("deploymentId", facts.deployment_id),
                    ("stage", facts.stage),
                ],
            ),
            PayloadFormat::V2 => (
                &[("version", "2.0"), ("routeKey", &route_key)],
                &[("accountId", ACCOUNT_ID), ("apiId", facts.api_id), ("routeKey", &route_key), ("stage", facts.stage)],
            ),
        };
        Self { format, opening: opened(opening), context: opened(context), parameters: parameters(facts) }
    }

    /// Which form it has.
    pub fn format(&self) -> PayloadFormat {
        self.format
    }

    /// The event up to its body: an unfinished JSON object.
    pub fn head(&self, facts: &EventFacts<'_>) -> Vec<u8> {
        match self.format {
            PayloadFormat::V1 => event_v1::head(self, facts),
            PayloadFormat::V2 => event_v2::head(self, facts),
        }
    }

    /// Finishes the event of a request without body: `null` in format 1.0, absent in 2.0.
    pub fn finish_without_body(&self, event: &mut Vec<u8>) {
        event.extend_from_slice(match self.format {
            PayloadFormat::V1 => br#","body":null,"isBase64Encoded":false}"#,
            PayloadFormat::V2 => br#","isBase64Encoded":false}"#,
        });
    }

    /// The path parameters of one request that have a value, still encoded (section d.1).
    pub(super) fn path_values<'a>(&'a self, route_path: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.parameters.iter().filter_map(move |(name, value)| Some((&**name, value.raw(route_path)?)))
    }
}

/// Begins the body. What follows is the inside of a JSON string: base64, or what [`push_text`](super::push_text) writes.
pub fn open_body(event: &mut Vec<u8>) {
    event.extend_from_slice(br#","body":""#);
}

/// Ends the body and the event.
pub fn close_body(event: &mut Vec<u8>, is_base64: bool) {
    event.extend_from_slice(match is_base64 {
        true => br#"","isBase64Encoded":true}"#,
        false => br#"","isBase64Encoded":false}"#,
    });
}

/// An object that is still open.
fn opened(members: &[(&str, &str)]) -> Box<str> {
    let mut text = Vec::new();
    for (name, value) in members {
        push_member(&mut text, name, value);
    }
    text[0] = b'{';
    json_text(text)
}

/// The variables of the resource's path, each once.
fn parameters(facts: &StageFacts<'_>) -> Box<[(Box<str>, PathValue)]> {
    let mut found: Vec<(Box<str>, PathValue)> = Vec::new();
    let path = facts.resource.map_or("", |resource| resource.path);
    for part in segments(path) {
        let (Ok(PathPart::Param(name)) | Ok(PathPart::Greedy(name))) = PathPart::parse(part) else { continue };
        let mut text = Vec::new();
        push_string(&mut text, name);
        text.push(b':');
        let text = json_text(text);
        if let Some(value) = PathValue::of(name, path)
            && !found.iter().any(|(known, _)| *known == text)
        {
            found.push((text, value));
        }
    }
    found.into()
}

fn json_text(text: Vec<u8>) -> Box<str> {
    String::from_utf8(text).expect("it was written from text").into()
}

#[cfg(test)]
mod tests;
