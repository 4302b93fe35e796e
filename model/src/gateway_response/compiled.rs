//! [`CompiledGatewayResponses`]: the customisations of an API as one stage serves them.

use super::custom::{CustomGatewayResponse, Read, applying, read};
use super::kind::{CustomisableType, GatewayResponseType};
use super::{GatewayError, GatewayResponse};
use crate::header_list::HeaderList;
use crate::limits::{GATEWAY_RESPONSE_BYTES_MAX, MAPPED_HEADER_BYTES_MAX};
use crate::mapping::{CompiledSource, ErrorFacts, RequestFacts, StageFacts, SubstitutionTemplate};
use crate::violation::Violations;
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{HeaderName, HeaderValue};
use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// What each type answers on one stage, resolved once: its own customisation, that of its class, or the default.
#[derive(Clone, Debug, Default)]
pub struct CompiledGatewayResponses {
    /// Types without an entry are answered in their default form.
    by_type: HashMap<GatewayResponseType, Arc<Compiled>>,
}

#[derive(Debug)]
struct Compiled {
    status: Option<u16>,
    headers: Vec<(HeaderName, CompiledSource)>,
    /// In the order of their keys; none: the default body.
    templates: Vec<Template>,
}

#[derive(Debug)]
struct Template {
    /// Type and subtype, in lower case.
    media_type: String,
    content_type: HeaderValue,
    text: SubstitutionTemplate,
}

impl CompiledGatewayResponses {
    /// Compiles what [`crate::rest_api::RestApi::gateway_responses`] holds. Gateway responses belong to no resource, so
    /// that of `stage` does not count.
    ///
    /// # Errors
    /// Every unknown type and every expression that cannot be read, as `gatewayResponses[{type}].{field}`.
    pub fn compile(
        customised: &BTreeMap<String, CustomGatewayResponse>,
        stage: &StageFacts<'_>,
    ) -> Result<Self, Violations> {
        let stage = StageFacts { resource: None, ..*stage };
        let mut violations = Violations::new();
        let mut compiled: BTreeMap<CustomisableType, Arc<Compiled>> = BTreeMap::new();
        for (name, custom) in customised {
            let field = format!("gatewayResponses[{name}]");
            match CustomisableType::parse(name).map_err(|text| Violations::one("", text)) {
                Err(found) => violations.add_below(&field, found),
                Ok(kind) => match read(custom) {
                    Err(found) => violations.add_below(&field, found),
                    Ok(read) => drop(compiled.insert(kind, Arc::new(Compiled::new(read, &stage)))),
                },
            }
        }
        let all = GatewayResponseType::CUSTOMISABLE.into_iter().chain(GatewayResponseType::BY_CLASS);
        let customisable = all.filter(|kind| kind.takes_customisation());
        let by_type = customisable.filter_map(|kind| {
            let (name, _) = applying(customised, CustomisableType::One(kind))?;
            Some((kind, Arc::clone(compiled.get(&name)?)))
        });
        let by_type = by_type.collect();
        violations.into_result(Self { by_type })
    }

    /// The answer to `request`, which ended in `error`.
    ///
    /// The template is the one whose media type the first `Accept` element names, else that for `application/json`, else
    /// the first; its key is the answer's `Content-Type`, unless a parameter sets that. A text longer than
    /// [`GATEWAY_RESPONSE_BYTES_MAX`] gives way to the default body. A parameter without a value, or with one that no
    /// header can hold or that is longer than [`MAPPED_HEADER_BYTES_MAX`], is left out.
    pub fn answer(&self, error: &GatewayError, request: &impl RequestFacts) -> GatewayResponse {
        let Some(compiled) = self.by_type.get(&error.kind) else { return error.default_response() };
        let facts = ErrorFacts {
            message: error.message.as_deref().or(error.kind.message()),
            response_type: error.kind.name().unwrap_or_default(),
            validation_error: error.validation_error.as_deref(),
        };
        let mut answer = error.default_response();
        answer.status = compiled.status.unwrap_or(answer.status);
        let rendered = compiled.template(request.headers()).and_then(|template| {
            let text = template.text.render(request, &facts, GATEWAY_RESPONSE_BYTES_MAX)?;
            Some((text, template.content_type.clone()))
        });
        if let Some((text, content_type)) = rendered {
            (answer.body, answer.content_type) = (Cow::Owned(text), content_type);
        }
        let on_request = facts.on(request);
        for (name, source) in &compiled.headers {
            for value in source.head_values(&on_request) {
                match header_value(&value) {
                    Some(value) if *name == CONTENT_TYPE => answer.content_type = value,
                    Some(value) => answer.headers.push((name.clone(), value)),
                    None => {}
                }
            }
        }
        // These have no content whatever is said about it (RFC 9110 sections 15.3.5, 15.3.6 and 15.4.5).
        if matches!(answer.status, 204 | 205 | 304) {
            answer.body = Cow::Borrowed("");
        }
        answer
    }
}

impl Compiled {
    fn new(read: Read<'_>, stage: &StageFacts<'_>) -> Self {
        Self {
            status: read.status,
            headers: read.headers.into_iter().map(|(name, source)| (name, source.compile(stage))).collect(),
            templates: read
                .templates
                .into_iter()
                .map(|template| Template {
                    media_type: template.media_type,
                    content_type: template.content_type,
                    text: SubstitutionTemplate::parse(template.text, stage),
                })
                .collect(),
        }
    }

    fn template(&self, headers: &HeaderList) -> Option<&Template> {
        let accepted = headers.get(ACCEPT).and_then(|value| value.to_str().ok()).and_then(first_media_type);
        let of = |media_type: &str| self.templates.iter().find(|t| t.media_type.eq_ignore_ascii_case(media_type));
        accepted.and_then(of).or_else(|| of(SubstitutionTemplate::DEFAULT_MEDIA_TYPE)).or(self.templates.first())
    }
}

/// The first element of `Accept`, without its parameters.
fn first_media_type(accept: &str) -> Option<&str> {
    accept.split([',', ';']).next().map(str::trim)
}

fn header_value(text: &str) -> Option<HeaderValue> {
    (text.len() <= MAPPED_HEADER_BYTES_MAX).then(|| HeaderValue::from_bytes(text.as_bytes()).ok()).flatten()
}

#[cfg(test)]
mod tests;
