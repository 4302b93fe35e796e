//! [`CustomGatewayResponse`]: what an API wants instead of a default answer, and which customisation applies to a type.

use super::kind::CustomisableType;
use crate::headers::{HeaderRule, mapped_to_client};
use crate::mapping::{GatewayResponseSource, GatewayResponseTarget, SubstitutionTemplate};
use crate::text::is_token;
use crate::violation::Violations;
use http::{HeaderName, HeaderValue};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What an API wants instead of the default answer of one type (section e.7).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct CustomGatewayResponse {
    /// Three digits; empty: the type's own.
    pub status_code: String,
    /// `gatewayresponse.header.{name}` to its source.
    pub response_parameters: BTreeMap<String, String>,
    /// Media type to template; none: the default template.
    pub response_templates: BTreeMap<String, String>,
}

/// What a type answers in an API, everything filled in: the stored customisation, the inherited one, or the default.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EffectiveGatewayResponse {
    /// The type, or the fallback.
    pub response_type: CustomisableType,
    /// Empty only for a fallback that sets none.
    pub status_code: String,
    /// As stored.
    pub response_parameters: BTreeMap<String, String>,
    /// As stored, or the default template.
    pub response_templates: BTreeMap<String, String>,
    /// Whether the type itself is not customised, inherited or not.
    pub default_response: bool,
}

/// The customisation that applies to `kind` and under which name it stands: its own, or that of its fallback. They never
/// mix: a type that is customised inherits nothing (section e.7).
pub(super) fn applying(
    all: &BTreeMap<String, CustomGatewayResponse>,
    kind: CustomisableType,
) -> Option<(CustomisableType, &CustomGatewayResponse)> {
    let own = |kind: CustomisableType| Some((kind, all.get(kind.name())?));
    own(kind).or_else(|| own(kind.fallback()?))
}

/// What `response_type` answers in an API with these customisations (section e.7).
pub fn effective(
    all: &BTreeMap<String, CustomGatewayResponse>,
    response_type: CustomisableType,
) -> EffectiveGatewayResponse {
    let applying = applying(all, response_type);
    let default_response = applying.is_none_or(|(kind, _)| kind != response_type);
    let mut custom = applying.map(|(_, custom)| custom.clone()).unwrap_or_default();
    if custom.status_code.is_empty() {
        custom.status_code = response_type.status().map(|status| status.to_string()).unwrap_or_default();
    }
    if custom.response_templates.is_empty() {
        let (media_type, text) = (SubstitutionTemplate::DEFAULT_MEDIA_TYPE, SubstitutionTemplate::DEFAULT_TEXT);
        custom.response_templates.insert(media_type.to_owned(), text.to_owned());
    }
    let CustomGatewayResponse { status_code, response_parameters, response_templates } = custom;
    EffectiveGatewayResponse { response_type, status_code, response_parameters, response_templates, default_response }
}

/// A customisation whose expressions are read.
pub(crate) struct Read<'c> {
    pub(super) status: Option<u16>,
    pub(super) headers: Vec<(HeaderName, GatewayResponseSource)>,
    pub(super) templates: Vec<ReadTemplate<'c>>,
}

pub(super) struct ReadTemplate<'c> {
    /// Type and subtype, in lower case.
    pub(super) media_type: String,
    /// The key as written.
    pub(super) content_type: HeaderValue,
    pub(super) text: &'c str,
}

/// Reads a customisation.
///
/// # Errors
/// Everything that has no meaning, with the specification's messages (section l.4).
pub(crate) fn read(custom: &CustomGatewayResponse) -> Result<Read<'_>, Violations> {
    let mut found = Violations::new();
    let mut read = Read { status: None, headers: Vec::new(), templates: Vec::new() };
    if !custom.status_code.is_empty() {
        match status(&custom.status_code) {
            Ok(status) => read.status = Some(status),
            Err(text) => found.add("statusCode", text),
        }
    }
    for (target, source) in &custom.response_parameters {
        let field = || format!("responseParameters[{target}]");
        match (GatewayResponseTarget::parse(target), GatewayResponseSource::parse(source)) {
            (Ok(target), Ok(source)) => read.headers.extend(sent_as(&target.header).map(|name| (name, source))),
            (target, source) => {
                for text in [target.err(), source.err()].into_iter().flatten() {
                    found.add(field(), text);
                }
            }
        }
    }
    for (key, text) in &custom.response_templates {
        if text.is_empty() {
            found.add(format!("responseTemplates[{key}]"), "Invalid null or empty value in responseTemplates");
        }
        match media_type(key) {
            Ok((media_type, content_type)) => read.templates.push(ReadTemplate { media_type, content_type, text }),
            Err(text) => found.add(format!("responseTemplates[{key}]"), text),
        }
    }
    found.into_result(read)
}

/// An answer that ends a request: an informational status would not.
fn status(code: &str) -> Result<u16, String> {
    let digits = code.len() == 3 && code.bytes().all(|digit| digit.is_ascii_digit());
    let status = code.parse().ok().filter(|status| digits && (200..=599).contains(status));
    status.ok_or_else(|| format!("{code:?} is not the status code of an answer: it must be three digits, 200 to 599"))
}

/// A media type that a body can have, which a range is not.
fn media_type(key: &str) -> Result<(String, HeaderValue), &'static str> {
    const WRONG: &str = "the key must be a media type such as application/json, without a wildcard";
    let essence = key.split(';').next().unwrap_or_default().trim();
    let is_part = |part: &str| is_token(part) && !part.contains('*');
    match essence.split_once('/') {
        Some((kind, subtype)) if is_part(kind) && is_part(subtype) => {
            let value = HeaderValue::from_str(key).map_err(|_| WRONG)?;
            Ok((essence.to_ascii_lowercase(), value))
        }
        _ => Err(WRONG),
    }
}

/// The name under which a header reaches the client, if it does.
///
/// As any mapped header (section c.4), so what would break framing cannot get through; ours besides: what the gateway
/// generates on such an answer is dropped, and `WWW-Authenticate` keeps its name, without which a 401 asks for nothing.
/// Nothing is refused, because documents that the hosted service takes have such headers.
fn sent_as(name: &str) -> Option<HeaderName> {
    let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
    match name.as_str() {
        "x-amzn-errortype" | "x-amzn-requestid" | "x-amz-apigw-id" => None,
        "www-authenticate" => Some(name),
        _ => match mapped_to_client(&name) {
            HeaderRule::Pass => Some(name),
            HeaderRule::Drop => None,
            HeaderRule::Remap(to) => Some(to.clone()),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gateway_response::GatewayResponseType as Type;

    fn custom(status: &str, parameters: &[(&str, &str)], templates: &[(&str, &str)]) -> CustomGatewayResponse {
        let map = |pairs: &[(&str, &str)]| {
            pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
        };
        CustomGatewayResponse {
            status_code: status.to_owned(),
            response_parameters: map(parameters),
            response_templates: map(templates),
        }
    }

    fn violations(custom: &CustomGatewayResponse) -> String {
        read(custom).err().map(|found| found.to_string()).unwrap_or_default()
    }

    #[test]
    fn a_type_follows_its_own_customisation_then_that_of_its_class() {
        let header = ("gatewayresponse.header.X", "'x'");
        let mut all = BTreeMap::from([
            ("DEFAULT_4XX".to_owned(), custom("418", &[header], &[("text/plain", "no")])),
            ("THROTTLED".to_owned(), custom("", &[], &[])),
        ]);
        let shown = |all: &_, kind| {
            let found = effective(all, kind);
            let template = found.response_templates.into_iter().next().unwrap_or_default();
            (found.status_code, found.response_parameters.len(), template.1, found.default_response)
        };
        let (inherited, default) = ("no".to_owned(), r#"{"message":$context.error.messageString}"#.to_owned());
        let one = CustomisableType::One;
        assert_eq!(shown(&all, one(Type::Unauthorized)), ("418".to_owned(), 1, inherited.clone(), true));
        assert_eq!(shown(&all, one(Type::Throttled)), ("429".to_owned(), 0, default.clone(), false));
        assert_eq!(shown(&all, one(Type::IntegrationTimeout)), ("504".to_owned(), 0, default.clone(), true));
        assert_eq!(shown(&all, CustomisableType::Default4xx), ("418".to_owned(), 1, inherited, false));
        assert_eq!(shown(&all, CustomisableType::Default5xx), (String::new(), 0, default.clone(), true));
        all.insert("DEFAULT_4XX".to_owned(), custom("", &[header], &[]));
        assert_eq!(shown(&all, one(Type::Unauthorized)), ("401".to_owned(), 1, default, true));
    }

    #[test]
    fn statuses_end_a_request() {
        for (code, right) in
            [("", true), ("200", true), ("599", true), ("199", false), ("600", false), ("+20", false), ("2000", false)]
        {
            assert_eq!(violations(&custom(code, &[], &[])).is_empty(), right, "{code}");
        }
    }

    #[test]
    fn every_expression_that_has_no_meaning_is_named() {
        let wrong = custom(
            "4xx",
            &[("gatewayresponse.body", "'a'"), ("gatewayresponse.header.A", "method.request.body")],
            &[("$default", "x"), ("image/*", "x"), ("text/plain", "")],
        );
        let found = read(&wrong).err().expect("six things are wrong");
        let fields: Vec<_> = found.as_slice().iter().map(|violation| violation.field.as_str()).collect();
        assert_eq!(
            fields,
            [
                "statusCode",
                "responseParameters[gatewayresponse.body]",
                "responseParameters[gatewayresponse.header.A]",
                "responseTemplates[$default]",
                "responseTemplates[image/*]",
                "responseTemplates[text/plain]",
            ]
        );
        assert_eq!(found.as_slice()[5].description, "Invalid null or empty value in responseTemplates");
        assert!(found.as_slice()[1].description.contains("expression parameter specified: gatewayresponse.body"));
    }

    #[test]
    fn headers_leave_under_names_that_break_nothing() {
        for (name, sent) in [
            ("Access-Control-Allow-Origin", Some("access-control-allow-origin")),
            ("Retry-After", Some("retry-after")),
            ("Content-Type", Some("content-type")),
            ("WWW-Authenticate", Some("www-authenticate")),
            ("Content-Length", Some("x-amzn-remapped-content-length")),
            ("Connection", Some("x-amzn-remapped-connection")),
            ("Date", Some("x-amzn-remapped-date")),
            ("Transfer-Encoding", None),
            ("Keep-Alive", None),
            ("x-amzn-RequestId", None),
            ("X-Amzn-ErrorType", None),
        ] {
            assert_eq!(sent_as(name).as_ref().map(HeaderName::as_str), sent, "{name}");
        }
    }
}
