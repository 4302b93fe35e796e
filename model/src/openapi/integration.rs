//! One integration object to an [`Integration`]: `x-amazon-apigateway-integration` of documents (section i.1), and the
//! spellings of other AWS documentation for [`crate::fragment`].
//!
//! Only shapes are judged here; what an integration means is judged by [`crate::validate`].

use super::document::kind;
use super::fields::{Fields, Rename, as_written};
use super::lambda_endpoint;
use super::report::{Place, Report, shown};
use crate::integration::{
    ConnectionType, ContentHandling, Integration, IntegrationType, PassthroughBehavior, ResponseTransferMode,
};
use crate::limits::TIMEOUT_MS_DEFAULT;
use crate::method::Verb;
use crate::response::IntegrationResponse;
use serde_json::{Map, Value};
use std::borrow::Cow;
use std::collections::BTreeMap;

/// Whose spelling an integration has.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// `x-amazon-apigateway-integration`: `responses` by selection pattern.
    Document,
    /// Anything else people paste: keys in PascalCase or camelCase, and forgiving where documents are strict.
    Fragment,
}

/// An integration, and what its document called its parts.
pub(crate) struct ReadIntegration {
    /// The integration with its responses.
    pub(crate) integration: Integration,
    /// Status code to the key under which the document has that response.
    pub(crate) response_keys: BTreeMap<String, String>,
}

/// Reads an integration; `None` when its type cannot be known, with violations.
pub(crate) fn read(
    object: &Map<String, Value>,
    place: &Place<'_>,
    dialect: Dialect,
    report: &mut Report,
) -> Option<ReadIntegration> {
    let mut fields = Fields::new(object, place, dialect.rename(), report);
    let kind = read_type(&mut fields, place, report);
    let http_method = read_http_method(&mut fields, dialect, report);
    let uri = fields.text("uri", report).unwrap_or_default();
    // A type that cannot be known must not hide what else is wrong.
    let mut made = Integration::new(kind.unwrap_or(IntegrationType::Mock), http_method, uri);
    read_settings(&mut made, &mut fields, dialect, report);
    let response_keys = read_responses(&mut made, &mut fields, dialect, report);
    let beside = format!("stands beside an integration, as {}: ignored", lambda_endpoint::KEY);
    for (place, key) in fields.rest() {
        let message = match key {
            // The keys of the hosted service's own objects are not ours to add to.
            "lambdaEndpoint" => &*beside,
            "integrationTarget" | "integrationSubtype" => "is not supported yet: ignored",
            _ => "is not a key of an integration: ignored",
        };
        report.warning(place, format!("{:?} {message}", shown(key)));
    }
    made.kind = kind?;
    if made.kind == IntegrationType::Mock {
        made.http_method = None;
    }
    wrap_function(&mut made, place, report);
    Some(ReadIntegration { integration: made, response_keys })
}

impl Dialect {
    fn rename(self) -> Rename {
        match self {
            Self::Document => as_written,
            Self::Fragment => fragment_key,
        }
    }
}

/// PascalCase to camelCase, and CloudFormation's longer names to the shorter ones.
pub(crate) fn fragment_key(key: &str) -> Cow<'_, str> {
    let lower = match key.chars().next() {
        Some(first) if first.is_ascii_uppercase() => {
            Cow::Owned(format!("{}{}", first.to_ascii_lowercase(), &key[first.len_utf8()..]))
        }
        _ => Cow::Borrowed(key),
    };
    match &*lower {
        "integrationType" => Cow::Borrowed("type"),
        "integrationUri" => Cow::Borrowed("uri"),
        _ => lower,
    }
}

fn read_type(fields: &mut Fields<'_>, place: &Place<'_>, report: &mut Report) -> Option<IntegrationType> {
    let mut given = false;
    let kind = fields.word("type", report, |text| {
        given = true;
        IntegrationType::parse(text)
            .ok_or_else(|| format!("{:?} is not one of HTTP, HTTP_PROXY, AWS, AWS_PROXY, MOCK", shown(text)))
    });
    if kind.is_none() && !given {
        report.violation(place, "needs a type: HTTP, HTTP_PROXY, AWS, AWS_PROXY or MOCK");
    }
    kind
}

fn read_http_method(fields: &mut Fields<'_>, dialect: Dialect, report: &mut Report) -> Option<Verb> {
    let read = |text: &str| {
        if text.is_empty() {
            return Ok(None);
        }
        Verb::parse(&text.to_ascii_uppercase()).map(Some).map_err(str::to_owned)
    };
    if dialect == Dialect::Fragment
        && let Some(verb) = fields.word("integrationHttpMethod", report, read)
    {
        // Requests to the management API name the client's method beside the upstream's.
        if let Some((place, _)) = fields.take("httpMethod") {
            report.warning(place, "is the method of the client where IntegrationHttpMethod stands beside it: ignored");
        }
        return verb;
    }
    fields.word("httpMethod", report, read).flatten()
}

fn read_settings(made: &mut Integration, fields: &mut Fields<'_>, dialect: Dialect, report: &mut Report) {
    let connection_type = fields.word("connectionType", report, |text| match &*text.to_ascii_uppercase() {
        "" | "INTERNET" => Ok(ConnectionType::Internet),
        "VPC_LINK" => Ok(ConnectionType::VpcLink),
        _ => Err(format!("{:?} is not one of INTERNET, VPC_LINK", shown(text))),
    });
    made.connection_type = connection_type.unwrap_or_default();
    made.connection_id = fields.text("connectionId", report).unwrap_or_default();
    made.credentials = fields.text("credentials", report).unwrap_or_default();
    made.request_parameters = read_mappings(
        fields,
        "requestParameters",
        (dialect == Dialect::Fragment).then_some(("integration.request.", "method.request.")),
        report,
    );
    made.request_templates = fields.texts("requestTemplates", report);
    let passthrough = fields.word("passthroughBehavior", report, |text| {
        PassthroughBehavior::parse(text)
            .ok_or_else(|| format!("{:?} is not one of WHEN_NO_MATCH, WHEN_NO_TEMPLATES, NEVER", shown(text)))
    });
    made.passthrough_behavior = passthrough.unwrap_or_default();
    made.content_handling = read_content_handling(fields, report);
    made.timeout_in_millis = fields.number("timeoutInMillis", report).unwrap_or(TIMEOUT_MS_DEFAULT);
    made.cache_namespace = fields.text("cacheNamespace", report).unwrap_or_default();
    made.cache_key_parameters = fields.list("cacheKeyParameters", report);
    let mode = fields.word("responseTransferMode", report, |text| match &*text.to_ascii_uppercase() {
        "" | "BUFFERED" => Ok(ResponseTransferMode::Buffered),
        "STREAM" => Ok(ResponseTransferMode::Stream),
        _ => Err(format!("{:?} is not one of BUFFERED, STREAM", shown(text))),
    });
    made.response_transfer_mode = mode.unwrap_or_default();
    made.payload_format_version = fields.text("payloadFormatVersion", report).unwrap_or_default();
    read_tls(made, fields, dialect, report);
    if dialect == Dialect::Fragment {
        read_endpoint(made, fields, dialect, report);
    }
}

fn read_content_handling(fields: &mut Fields<'_>, report: &mut Report) -> Option<ContentHandling> {
    let read = |text: &str| ContentHandling::parse(&shown(text).to_ascii_uppercase());
    fields.word("contentHandling", report, read).flatten()
}

fn read_tls(made: &mut Integration, fields: &mut Fields<'_>, dialect: Dialect, report: &mut Report) {
    let Some((place, value)) = fields.take("tlsConfig") else { return };
    let Value::Object(object) = value else {
        report.violation(place, format!("must be an object, and it is {}", kind(value)));
        return;
    };
    let mut tls = Fields::new(object, &place, dialect.rename(), report);
    made.tls_config.insecure_skip_verification = tls.flag("insecureSkipVerification", report).unwrap_or_default();
    made.tls_config.server_name_to_verify = tls.text("serverNameToVerify", report).unwrap_or_default();
    for (place, key) in tls.rest() {
        report.warning(place, format!("{:?} is not a key of tlsConfig: ignored", shown(key)));
    }
}

fn read_endpoint(made: &mut Integration, fields: &mut Fields<'_>, dialect: Dialect, report: &mut Report) {
    let Some((place, value)) = fields.take("lambdaEndpoint") else { return };
    match value {
        Value::Object(object) => {
            made.lambda_endpoint = Some(lambda_endpoint::read(object, &place, dialect.rename(), report));
        }
        other => report.violation(place, format!("must be an object, and it is {}", kind(other))),
    }
}

fn read_responses(
    made: &mut Integration,
    fields: &mut Fields<'_>,
    dialect: Dialect,
    report: &mut Report,
) -> BTreeMap<String, String> {
    let mut reader = ResponseReader { dialect, read: BTreeMap::new(), keys: BTreeMap::new() };
    if let Some((place, value)) = fields.take("responses") {
        reader.by_key(&place, value, true, report);
    }
    if dialect == Dialect::Fragment {
        if let Some((place, value)) = fields.take("integrationResponse") {
            reader.one(&place, value, None, report);
        }
        match fields.take("integrationResponses") {
            Some((place, Value::Array(list))) => {
                for (at, value) in list.iter().enumerate() {
                    reader.one(&place.index(at), value, None, report);
                }
            }
            Some((place, value)) => reader.by_key(&place, value, false, report),
            None => {}
        }
    }
    made.integration_responses = reader.read;
    reader.keys
}

struct ResponseReader {
    dialect: Dialect,
    read: BTreeMap<String, IntegrationResponse>,
    keys: BTreeMap<String, String>,
}

impl ResponseReader {
    /// An object of responses whose keys are selection patterns (section f), or else status codes.
    fn by_key(&mut self, place: &Place<'_>, value: &Value, keys_are_patterns: bool, report: &mut Report) {
        let Value::Object(object) = value else {
            report.violation(place, format!("must be an object, and it is {}", kind(value)));
            return;
        };
        for (key, value) in object {
            self.one(&place.key(key), value, Some((key, keys_are_patterns)), report);
        }
    }

    fn one(&mut self, place: &Place<'_>, value: &Value, key: Option<(&str, bool)>, report: &mut Report) {
        let Value::Object(object) = value else {
            report.violation(place, format!("must be an object, and it is {}", kind(value)));
            return;
        };
        let mut fields = Fields::new(object, place, self.dialect.rename(), report);
        let status_code = fields.text("statusCode", report);
        let (code_of_key, pattern_of_key) = match key {
            Some((key, false)) => (Some(key), None),
            Some(("default", true)) => (None, Some("")),
            Some((key, true)) => (None, Some(key)),
            None => (None, None),
        };
        let reversible = self.dialect == Dialect::Fragment;
        let made = IntegrationResponse {
            selection_pattern: match pattern_of_key {
                Some(pattern) => pattern.to_owned(),
                None => fields.text("selectionPattern", report).unwrap_or_default(),
            },
            response_parameters: read_mappings(
                &mut fields,
                "responseParameters",
                reversible.then_some(("method.response.", "integration.response.")),
                report,
            ),
            response_templates: fields.texts("responseTemplates", report),
            content_handling: read_content_handling(&mut fields, report),
            ..IntegrationResponse::default()
        };
        for (place, key) in fields.rest() {
            report.warning(place, format!("{:?} is not a key of an integration response: ignored", shown(key)));
        }
        let Some(code) = status_code.or_else(|| code_of_key.map(str::to_owned)) else {
            report.violation(place, "needs a statusCode");
            return;
        };
        if self.read.contains_key(&code) {
            let text =
                format!("there is already a response of status code {:?}, and only one can be kept", shown(&code));
            report.violation(place, text);
            return;
        }
        if made.selection_pattern.is_empty()
            && let Some(other) = self.read.values().find(|other| other.selection_pattern.is_empty())
        {
            let used = code.as_str().min(&other.status_code);
            let text = format!("a second response without a pattern: the one of status code {:?} answers", shown(used));
            report.warning(place, text);
        }
        self.keys.insert(code.clone(), key.map_or_else(String::new, |(key, _)| key.to_owned()));
        self.read.insert(code.clone(), IntegrationResponse { status_code: code, ..made });
    }
}

/// Reads target to source. With `reversible`, the beginnings of targets and sources, mappings that have the two exchanged
/// are turned round: nothing that begins like a target can be a source, so nothing that means something is touched.
fn read_mappings(
    fields: &mut Fields<'_>,
    name: &str,
    reversible: Option<(&str, &str)>,
    report: &mut Report,
) -> BTreeMap<String, String> {
    let place = fields.place_of(name);
    let mut mappings = fields.texts(name, report);
    let (Some(place), Some((target, source))) = (place, reversible) else { return mappings };
    let reversed: Vec<String> = mappings
        .iter()
        .filter(|(key, value)| key.starts_with(source) && value.starts_with(target))
        .map(|(key, _)| key.clone())
        .collect();
    for key in reversed {
        let Some(value) = mappings.remove(&key) else { continue };
        if mappings.contains_key(&value) {
            report.violation(place.key(&key), format!("maps {:?} a second time", shown(&value)));
            continue;
        }
        let text =
            format!("source and target stood the wrong way round: {:?} is set from {:?}", shown(&value), shown(&key));
        report.warning(place.key(&key), text);
        mappings.insert(value, key);
    }
    mappings
}

/// HTTP APIs name a function by its own ARN; REST APIs by that of its invocation (section b.1).
fn wrap_function(made: &mut Integration, place: &Place<'_>, report: &mut Report) {
    if !matches!(made.kind, IntegrationType::Aws | IntegrationType::AwsProxy) {
        return;
    }
    let parts: Vec<&str> = made.uri.splitn(6, ':').collect();
    let ["arn", partition, "lambda", region, _, function] = parts[..] else { return };
    if !function.starts_with("function:") || made.uri.contains('/') {
        return;
    }
    let invocation =
        format!("arn:{partition}:apigateway:{region}:lambda:path/2015-03-31/functions/{}/invocations", made.uri);
    report.warning(place.key("uri"), "is the ARN of a function: the ARN of its invocation is taken instead");
    made.uri = invocation;
}
