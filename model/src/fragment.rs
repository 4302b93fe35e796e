//! The JSON shapes that people paste from AWS documentation: one integration, or `{"binaryMediaTypes": […]}`.
//!
//! The control plane's `ApplyFragment` calls [`parse`]. An integration may be spelled as a CloudFormation property, as a
//! call of the management API or as its answer; what was guessed or ignored is said in a warning. Whether the result is
//! a possible integration is not judged here: [`crate::validate`] does that when it is put on a method.

use crate::integration::{Integration, IntegrationType};
use crate::limits::FRAGMENT_BYTES_MAX;
use crate::method::{Method, Verb};
use crate::openapi::{Dialect, Place, Report, fragment_key, kind, read_integration, read_json, shown, text_list};
use crate::response::MethodResponse;
use crate::violation::{Violations, Warning};
use serde_json::{Map, Value};

/// What a fragment says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fragment {
    /// Of an API, in the order given.
    BinaryMediaTypes(Vec<String>),
    /// Of a method, with its integration responses.
    Integration(Box<Integration>),
}

/// A fragment, and what was guessed or ignored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parsed {
    /// What it says.
    pub fragment: Fragment,
    /// Each with the JSON pointer of its place.
    pub warnings: Vec<Warning>,
}

/// Reads a fragment of JSON.
///
/// # Errors
/// Every violation, each with the JSON pointer of its place; the field is empty if the text cannot be read at all.
pub fn parse(bytes: &[u8]) -> Result<Parsed, Violations> {
    let object = read_json(bytes, FRAGMENT_BYTES_MAX)
        .map_err(|message| Violations::one("", format!("Invalid JSON fragment. {message}")))?;
    let mut report = Report::default();
    let named = |name: &str| object.iter().find(|(key, _)| fragment_key(key) == name);
    let fragment = match (named("binaryMediaTypes"), named("type").or_else(|| named("uri"))) {
        (Some((key, value)), None) => Some(binary_media_types(&object, key, value, &mut report)),
        (None, Some(_)) => integration(&object, &mut report),
        (Some((key, _)), Some(_)) => {
            let text = "belongs to an API and not to an integration: apply the two one after the other";
            report.violation(Place::ROOT.key(key), text);
            None
        }
        (None, None) => {
            let text = "neither an integration (with Type and Uri) nor binaryMediaTypes";
            report.violation(Place::ROOT, text);
            None
        }
    };
    let warnings = report.finish()?;
    // Nothing was read only where something was wrong.
    let fragment = fragment.ok_or_else(|| Violations::one("", "Invalid JSON fragment."))?;
    Ok(Parsed { fragment, warnings })
}

/// Declares on `method` the headers that the responses of `integration` set, and their statuses.
///
/// A fragment comes without the method around it; what it maps could otherwise never be declared (section e.5).
pub fn declare_headers(integration: &Integration, method: &mut Method) {
    for (code, response) in &integration.integration_responses {
        if response.response_parameters.is_empty() {
            continue;
        }
        let new = || MethodResponse { status_code: code.clone(), ..MethodResponse::default() };
        let declared = method.method_responses.entry(code.clone()).or_insert_with(new);
        for header in response.response_parameters.keys() {
            declared.response_parameters.entry(header.clone()).or_insert(false);
        }
    }
}

fn binary_media_types(object: &Map<String, Value>, key: &str, value: &Value, report: &mut Report) -> Fragment {
    for other in object.keys().filter(|other| *other != key) {
        report.warning(
            Place::ROOT.key(other),
            format!("{:?} does not belong to binaryMediaTypes: ignored", shown(other)),
        );
    }
    let place = Place::ROOT.key(key);
    if !value.is_array() {
        report.violation(place, format!("must be a list of media types, and it is {}", kind(value)));
    }
    Fragment::BinaryMediaTypes(text_list(value, &place, report))
}

fn integration(object: &Map<String, Value>, report: &mut Report) -> Option<Fragment> {
    let mut read = read_integration(object, &Place::ROOT, Dialect::Fragment, report)?.integration;
    let type_key = object.keys().find(|key| fragment_key(key) == "type").map_or("type", String::as_str);
    if read.kind.is_http() && read.uri.starts_with("arn:") {
        let text = format!("{} cannot call an ARN: the type AWS is taken instead", read.kind.as_str());
        report.warning(Place::ROOT.key(type_key), text);
        read.kind = IntegrationType::Aws;
    }
    let is_function = read.uri.starts_with("arn:") && read.uri.contains(":lambda:");
    if read.http_method.is_none() && read.kind != IntegrationType::Mock && is_function {
        report.warning(Place::ROOT, "there is no HttpMethod: POST is taken, with which functions are called");
        read.http_method = Some(Verb::Post);
    }
    Some(Fragment::Integration(Box::new(read)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::integration::{ConnectionType, ContentHandling, LambdaEndpoint, PassthroughBehavior};

    fn parsed(text: &str) -> (Fragment, Vec<String>) {
        let parsed = parse(text.as_bytes()).unwrap_or_else(|violations| panic!("{violations}"));
        (parsed.fragment, parsed.warnings.iter().map(|w| format!("{}: {}", w.field, w.message)).collect())
    }

    fn integration(text: &str) -> (Integration, Vec<String>) {
        match parsed(text) {
            (Fragment::Integration(integration), warnings) => (*integration, warnings),
            (other, _) => panic!("{other:?}"),
        }
    }

    fn violations(text: &[u8]) -> String {
        parse(text).unwrap_err().to_string()
    }

    #[test]
    fn a_proxy_with_long_names() {
        let (read, warnings) = integration(
            r#"{"IntegrationType":"HTTP_PROXY","IntegrationHttpMethod":"POST",
                "IntegrationUri":"http://localhost:9000/upload","ContentHandling":"PASSTHROUGH"}"#,
        );
        assert_eq!(
            read,
            Integration::new(IntegrationType::HttpProxy, Some(Verb::Post), "http://localhost:9000/upload")
        );
        assert_eq!(warnings, [""; 0]);
    }

    #[test]
    fn a_function_called_a_proxy_with_its_mapping_reversed() {
        let uri = "arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/arn:aws:lambda:us-east-1:123456789012:\
                   function:my-image-processor/invocations";
        let (read, warnings) = integration(&format!(
            r#"{{"ContentHandling":"PASSTHROUGH","Type":"HTTP_PROXY","IntegrationResponse":{{
                "ContentHandling":"PASSTHROUGH","ResponseParameters":{{
                "integration.response.header.Content-Type":"method.response.header.Content-Type"}},
                "ResponseTemplates":{{}},"StatusCode":"200"}},"RequestParameters":{{}},"RequestTemplates":{{}},
                "Uri":"{uri}"}}"#
        ));
        assert_eq!((read.kind, read.http_method, read.uri.as_str()), (IntegrationType::Aws, Some(Verb::Post), uri));
        assert_eq!(read.content_handling, None);
        let response = &read.integration_responses["200"];
        assert_eq!((response.status_code.as_str(), response.content_handling), ("200", None));
        assert_eq!(
            response.response_parameters,
            [("method.response.header.Content-Type".to_owned(), "integration.response.header.Content-Type".to_owned())]
                .into()
        );
        assert_eq!(
            warnings,
            [
                "/IntegrationResponse/ResponseParameters/integration.response.header.Content-Type: source and target stood \
                 the wrong way round: \"method.response.header.Content-Type\" is set from \
                 \"integration.response.header.Content-Type\"",
                "/Type: HTTP_PROXY cannot call an ARN: the type AWS is taken instead",
                ": there is no HttpMethod: POST is taken, with which functions are called",
            ]
        );
    }

    #[test]
    fn the_headers_that_a_fragment_sets_are_declared_once() {
        let text = r#"{"Type":"MOCK","IntegrationResponse":{"StatusCode":"200","ResponseParameters":{
            "method.response.header.A":"'a'","method.response.header.B":"'b'"}}}"#;
        let (mut read, _) = integration(text);
        read.integration_responses.insert("204".to_owned(), Default::default());
        let mut method = Method::new("api".into(), "root".into(), Verb::Get);
        let declared = [("method.response.header.A".to_owned(), true)].into();
        let stored = MethodResponse { response_parameters: declared, ..MethodResponse::default() };
        method.method_responses.insert("200".to_owned(), stored);
        declare_headers(&read, &mut method);
        assert_eq!(method.method_responses.keys().collect::<Vec<_>>(), ["200"]);
        let expected =
            [("method.response.header.A".to_owned(), true), ("method.response.header.B".to_owned(), false)].into();
        assert_eq!(method.method_responses["200"].response_parameters, expected);
        read.integration_responses.remove("204");
        assert!(crate::validate::integration(&read, &method).is_empty());
    }

    #[test]
    fn binary_media_types_alone() {
        let types = ["image/jpeg", "image/png", "application/octet-stream"].map(str::to_owned).to_vec();
        let text = r#"{"binaryMediaTypes":["image/jpeg","image/png","application/octet-stream"]}"#;
        assert_eq!(parsed(text), (Fragment::BinaryMediaTypes(types), Vec::new()));
        let (read, warnings) = parsed(r#"{"BinaryMediaTypes":["*/*", 7],"Name":"x"}"#);
        assert_eq!(read, Fragment::BinaryMediaTypes(vec!["*/*".to_owned()]));
        assert_eq!(
            warnings,
            [
                "/Name: \"Name\" does not belong to binaryMediaTypes: ignored",
                "/BinaryMediaTypes/1: must be text, and it is a number: ignored",
            ]
        );
    }

    #[test]
    fn an_answer_of_the_management_api() {
        let (read, warnings) = integration(
            r#"{"type":"HTTP","httpMethod":"ANY","uri":"https://example.com/","connectionType":"INTERNET",
                "requestParameters":{"method.request.header.A":"integration.request.header.B"},
                "passthroughBehavior":"WHEN_NO_TEMPLATES","contentHandling":"CONVERT_TO_BINARY","timeoutInMillis":29000,
                "cacheNamespace":"abc123","cacheKeyParameters":[],"tlsConfig":{"insecureSkipVerification":true},
                "integrationResponses":{"200":{"statusCode":"200","responseTemplates":{"application/json":null}},
                                        "404":{"selectionPattern":"4.*"}}}"#,
        );
        assert_eq!((read.kind, read.http_method), (IntegrationType::Http, Some(Verb::Any)));
        assert_eq!(read.passthrough_behavior, PassthroughBehavior::WhenNoTemplates);
        assert_eq!(read.content_handling, Some(ContentHandling::ConvertToBinary));
        assert_eq!(read.connection_type, ConnectionType::Internet);
        assert!(read.tls_config.insecure_skip_verification);
        assert_eq!(read.request_parameters["integration.request.header.B"], "method.request.header.A");
        let codes: Vec<_> = read
            .integration_responses
            .values()
            .map(|r| (r.status_code.as_str(), r.selection_pattern.as_str()))
            .collect();
        assert_eq!(codes, [("200", ""), ("404", "4.*")]);
        assert_eq!(warnings.len(), 2, "{warnings:?}");
    }

    #[test]
    fn the_endpoint_of_a_function_in_both_spellings() {
        let uri = "arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/arn:aws:lambda:f/invocations";
        for endpoint in [
            r#""LambdaEndpoint":{"Url":"http://localhost:9001","FunctionName":"f","Unsigned":true}"#,
            r#""lambdaEndpoint":{"url":"http://localhost:9001","functionName":"f","unsigned":true}"#,
        ] {
            let (read, warnings) =
                integration(&format!(r#"{{"Type":"AWS_PROXY","HttpMethod":"POST","Uri":"{uri}",{endpoint}}}"#));
            let url = "http://localhost:9001".to_owned();
            let expected = LambdaEndpoint { url, function_name: "f".to_owned(), unsigned: true };
            assert_eq!((read.lambda_endpoint, warnings.len()), (Some(expected), 0), "{warnings:?}");
        }
        assert_eq!(
            violations(br#"{"Type":"MOCK","LambdaEndpoint":"http://localhost:9001"}"#),
            "/LambdaEndpoint: must be an object, and it is text"
        );
    }

    #[test]
    fn a_cloudformation_property_and_a_request_of_the_management_api() {
        let (read, warnings) = integration(
            r#"{"Type":"MOCK","PassthroughBehavior":"NEVER","TimeoutInMillis":50,"Surprise":1,
                "RequestTemplates":{"application/json":"{\"statusCode\": 200}"},
                "IntegrationResponses":[{"StatusCode":200,"ResponseTemplates":{"text/plain":"ok"}},
                                        {"StatusCode":"500","SelectionPattern":"5.*","Surprise":2}]}"#,
        );
        assert_eq!((read.kind, read.timeout_in_millis), (IntegrationType::Mock, 50));
        assert_eq!(read.integration_responses.keys().collect::<Vec<_>>(), ["200", "500"]);
        assert_eq!(
            warnings,
            [
                "/IntegrationResponses/1/Surprise: \"Surprise\" is not a key of an integration response: ignored",
                "/Surprise: \"Surprise\" is not a key of an integration: ignored",
            ]
        );
        let (read, warnings) = integration(
            r#"{"httpMethod":"GET","type":"HTTP_PROXY","integrationHttpMethod":"PUT","uri":"http://localhost/"}"#,
        );
        assert_eq!(read.http_method, Some(Verb::Put));
        assert_eq!(warnings.len(), 1);
    }

    #[test]
    fn what_is_wrong_is_said_at_its_place() {
        assert_eq!(
            violations(br#"{"Type":"FTP","Uri":[],"uri":"x","TimeoutInMillis":-1,"IntegrationResponses":[{}, 1]}"#),
            "/uri: says the same as \"Uri\": leave one of them out; /Type: \"FTP\" is not one of HTTP, HTTP_PROXY, AWS, \
             AWS_PROXY, MOCK; /Uri: must be text, and it is a list; /TimeoutInMillis: must be a whole number and not \
             negative, and it is \"-1\"; /IntegrationResponses/0: needs a statusCode; /IntegrationResponses/1: must be an object, and it is a \
             number"
        );
        assert_eq!(violations(br#"{"Uri":"http://x/"}"#), "needs a type: HTTP, HTTP_PROXY, AWS, AWS_PROXY or MOCK");
        assert_eq!(violations(b"{}"), "neither an integration (with Type and Uri) nor binaryMediaTypes");
        assert!(
            violations(br#"{"Type":"MOCK","binaryMediaTypes":[]}"#).starts_with("/binaryMediaTypes: belongs to an API")
        );
        assert!(violations(br#"{"binaryMediaTypes":"*/*"}"#).starts_with("/binaryMediaTypes: must be a list"));
        assert!(violations(b"{\"Type\"").starts_with("Invalid JSON fragment. EOF while parsing"));
        assert!(violations(b"Type: MOCK").starts_with("Invalid JSON fragment. expected value"));
        assert!(violations(&vec![b' '; FRAGMENT_BYTES_MAX + 1]).contains("at most"));
    }
}
