//! The explanation of a request that calls a function: what the event would hold, where it would go, and what becomes of
//! the result.

use super::request::{decide, mapped_headers, sent};
use super::words::{self, Sent};
use super::{Ask, Refused, facts, response};
use crate::content::media_type::missing_in_request;
use crate::exchange::{BodyLength, Inbound, X_AMZN_TRACE_ID, invocation_headers, trace_id};
use crate::function::{PayloadFormat, is_binary_request};
use crate::rest_api::{Fidelity, MissingContentType};
use crate::table::{FunctionPlan, FunctionStyle, Route};
use http::header::{CONTENT_TYPE, HOST, HeaderValue};

/// Tells what the function would get, and what the client would.
pub(super) fn function(
    ask: &Ask<'_>,
    route: &Route,
    plan: &FunctionPlan,
    inbound: &Inbound<'_>,
    told: &mut facts::Explanation,
) -> Result<(), Refused> {
    let from_client = ask.headers.get(X_AMZN_TRACE_ID).and_then(|value| value.to_str().ok());
    let trace_id = trace_id(from_client, 0, || 0);
    let body = match &plan.style {
        FunctionStyle::Proxy(event) => {
            proxy_request(ask, route, event.format(), told);
            "the event, whole".to_owned()
        }
        FunctionStyle::Custom => {
            let decided = decide(ask, route, &plan.request, true, told)?;
            match sent(ask, route, &plan.request, &decided) {
                Sent::Known(BodyLength::Empty) if decided.outcome.template.is_none() => {
                    "{}, since there is none".to_owned()
                }
                sent => sent.words(),
            }
        }
    };
    let mut headers = invocation_headers(route, plan, inbound, &trace_id).map_err(|one| Refused::new(one, one))?;
    let (scheme, authority, path) = match &plan.endpoint {
        Some(own) => (own.scheme.as_str(), &own.authority, &own.path),
        None => ("https", &plan.authority, &plan.path),
    };
    if let Ok(host) = HeaderValue::from_str(authority.as_str()) {
        headers.insert(HOST, host);
    }
    told.upstream = Some(facts::UpstreamFacts {
        method: "POST".to_owned(),
        address: format!("{scheme}://{authority}"),
        target: path.to_string(),
        headers: words::headers(&headers),
        mapped: mapped_headers(&plan.headers, inbound),
        body,
    });
    if plan.endpoint.is_none() {
        told.notes.push("A proxy with --lambda-endpoint calls the function there.".to_owned());
    }
    if !plan.endpoint.as_ref().is_some_and(|own| own.unsigned) {
        told.notes.push("A signature is added, unless the proxy has --aws-signing none.".to_owned());
    }
    match &plan.style {
        FunctionStyle::Proxy(event) => {
            proxy_response(ask, route, event.format(), plan.streams, told);
            Ok(())
        }
        FunctionStyle::Custom => response::function(ask, route, plan, inbound, &trace_id, told),
    }
}

fn proxy_request(ask: &Ask<'_>, route: &Route, format: PayloadFormat, told: &mut facts::Explanation) {
    let stage = &route.stage;
    let declared = ask.headers.get(CONTENT_TYPE).filter(|value| !value.is_empty()).map(HeaderValue::as_bytes);
    let missing = missing_in_request(stage.missing_content_type, &[]);
    let sniffs = declared.is_none() && stage.missing_content_type == MissingContentType::Sniff;
    if sniffs && ask.body != BodyLength::Empty {
        told.notes.push(format!("The request has no Content-Type: its first bytes decide; {missing} is assumed."));
    }
    let content_type = declared.unwrap_or(missing.as_bytes());
    let binary = is_binary_request(format, stage, ask.headers, missing);
    let (cell, conversion) = match (ask.body, binary, stage.fidelity) {
        (BodyLength::Empty, ..) => ("event/none", "there is none, and the event says so"),
        (_, true, _) => ("event/base64", "becomes base64 in the event, with isBase64Encoded true"),
        (_, false, Fidelity::Transparent) => {
            ("event/text", "becomes text in the event; what is not UTF-8 becomes base64, with isBase64Encoded true")
        }
        (_, false, Fidelity::Aws) => ("event/text", "becomes text in the event: what is not UTF-8 becomes U+FFFD"),
    };
    let passage = match ask.body {
        BodyLength::Empty => "there is none".to_owned(),
        BodyLength::Exactly(_) | BodyLength::Unknown => {
            "is collected: the event holds it; an event of more than a proxy's --lambda-payload-bytes-max is a 413"
                .to_owned()
        }
    };
    told.request = Some(facts::RequestFacts {
        content_type: words::text(content_type),
        content_type_is_missing: declared.is_none(),
        binary_media_type: stage.media_types.entry(Some(content_type)).map(|entry| entry.to_string()),
        body: facts::BodyFacts { cell: cell.to_owned(), conversion: conversion.to_owned(), template: None, passage },
    });
}

fn proxy_response(ask: &Ask<'_>, route: &Route, format: PayloadFormat, streams: bool, told: &mut facts::Explanation) {
    let stage = &route.stage;
    let accepted = stage.media_types.accept_entry(ask.headers, stage.accept_policy);
    told.notes.push(match (streams, format, accepted) {
        (true, ..) => "The function's answer streams: head, then bytes as they come.".to_owned(),
        (false, PayloadFormat::V1, Some(entry)) => {
            format!("The function decides the answer. A body with isBase64Encoded is decoded: Accept matches {entry}.")
        }
        (false, PayloadFormat::V1, None) => "The function decides the answer. A body with isBase64Encoded stays \
            base64: the first element of Accept matches no binary media type."
            .to_owned(),
        (false, PayloadFormat::V2, _) => {
            "The function decides the answer. A body with isBase64Encoded is decoded.".to_owned()
        }
    });
}
