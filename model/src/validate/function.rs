//! Rules for integrations that call a Lambda function: the form of the URI that goes with the transfer mode (section k),
//! and where else the function may be invoked.

use super::check_chars;
use super::uri;
use crate::aws_uri::{Invocation, ServiceUri};
use crate::integration::{Integration, IntegrationType, LambdaEndpoint, ResponseTransferMode};
use crate::limits::LAMBDA_FUNCTION_NAME_CHARS_MAX;
use crate::violation::Violations;

const STREAMING_FORM: &str =
    "arn:{partition}:apigateway:{region}:lambda:path/2021-11-15/functions/{arn}/response-streaming-invocations";
const WHOLE_FORM: &str = "arn:{partition}:apigateway:{region}:lambda:path/2015-03-31/functions/{arn}/invocations";

/// Checks what `integration` says about a function; of a URI that says nothing, another rule has spoken.
pub(super) fn check(found: &mut Violations, integration: &Integration) {
    let aws = matches!(integration.kind, IntegrationType::Aws | IntegrationType::AwsProxy);
    let uri = ServiceUri::parse(&integration.uri).ok().filter(|_| aws);
    let called = uri.and_then(|uri| uri.invocation());
    let readable = aws && uri::aws(&integration.uri, integration.kind).is_ok();
    if readable {
        check_transfer_mode(found, integration, called);
    }
    if let Some(endpoint) = &integration.lambda_endpoint {
        if called.is_none() && (readable || !aws) {
            let text = "belongs to AWS and AWS_PROXY integrations whose URI calls a Lambda function";
            found.add("lambdaEndpoint", text);
        }
        check_endpoint(found, endpoint);
    }
}

fn check_transfer_mode(found: &mut Violations, integration: &Integration, called: Option<Invocation<'_>>) {
    let uri_streams = called.is_some_and(|call| call.streamed);
    let text = match integration.kind {
        IntegrationType::Http | IntegrationType::HttpProxy | IntegrationType::Mock => None,
        IntegrationType::Aws => uri_streams.then(|| {
            format!(
                "the URI asks for an answer that streams, which only AWS_PROXY can take: write the URI {WHOLE_FORM}"
            )
        }),
        IntegrationType::AwsProxy => match integration.response_transfer_mode {
            ResponseTransferMode::Stream => (!uri_streams).then(|| {
                format!("an answer streams only under the URI {STREAMING_FORM}: write that, or BUFFERED here")
            }),
            ResponseTransferMode::Buffered => uri_streams.then(|| {
                format!("the URI asks for an answer that streams: write STREAM here, or the URI {WHOLE_FORM}")
            }),
        },
    };
    if let Some(text) = text {
        found.add("responseTransferMode", text);
    }
}

fn check_endpoint(found: &mut Violations, endpoint: &LambdaEndpoint) {
    if let Err(text) = uri::server(&endpoint.url) {
        found.add("lambdaEndpoint.url", text);
    }
    let field = "lambdaEndpoint.functionName";
    check_chars(found, field, &endpoint.function_name, LAMBDA_FUNCTION_NAME_CHARS_MAX);
    match uri::without_stage_variables(&endpoint.function_name) {
        Err(text) => found.add(field, text),
        Ok(name) => {
            if let Some(c) = name.chars().find(|c| !c.is_ascii_alphanumeric() && !"-_:.$".contains(*c)) {
                found.add(field, format!("must not contain {c:?}: only letters, digits, '-', '_', ':', '.' and '$'"));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::method::Verb;
    use IntegrationType::{Aws, AwsProxy, HttpProxy, Mock};
    use ResponseTransferMode::{Buffered, Stream};

    const WHOLE: &str = "arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/arn:aws:lambda:f/invocations";
    const STREAMING: &str = "arn:aws:apigateway:us-east-1:lambda:path/2021-11-15/functions/arn:aws:lambda:f/\
                             response-streaming-invocations";
    const FIREHOSE: &str = "arn:aws:apigateway:us-east-1:firehose:action/PutRecord";
    const QUEUE: &str = "arn:aws:apigateway:us-east-1:sqs:path/123456789012/queue";

    fn to(kind: IntegrationType, uri: &str) -> Integration {
        Integration::new(kind, Some(Verb::Post), uri)
    }

    fn found(integration: &Integration) -> Vec<(String, String)> {
        let mut found = Violations::new();
        check(&mut found, integration);
        found.into_iter().map(|violation| (violation.field, violation.description)).collect()
    }

    fn fields(integration: &Integration) -> Vec<String> {
        found(integration).into_iter().map(|(field, _)| field).collect()
    }

    #[test]
    fn a_transfer_mode_has_its_form_of_the_uri() {
        let double = WHOLE.replace("path/", "path//");
        let double_streaming = STREAMING.replace("path/", "path//");
        for (kind, uri, mode, said) in [
            (AwsProxy, WHOLE, Buffered, ""),
            (AwsProxy, &*double, Buffered, ""),
            (AwsProxy, STREAMING, Stream, ""),
            (AwsProxy, &*double_streaming, Stream, ""),
            (AwsProxy, FIREHOSE, Buffered, ""),
            (AwsProxy, WHOLE, Stream, "path/2021-11-15/functions/{arn}/response-streaming-invocations"),
            (AwsProxy, FIREHOSE, Stream, "or BUFFERED here"),
            (AwsProxy, STREAMING, Buffered, "write STREAM here, or the URI arn:{partition}"),
            (Aws, WHOLE, Buffered, ""),
            (Aws, QUEUE, Buffered, ""),
            (Aws, STREAMING, Buffered, "path/2015-03-31/functions/{arn}/invocations"),
            (HttpProxy, "http://localhost/functions/f/response-streaming-invocations", Stream, ""),
            (HttpProxy, "http://localhost/functions/f/response-streaming-invocations", Buffered, ""),
        ] {
            let refused = found(&Integration { response_transfer_mode: mode, ..to(kind, uri) });
            match (said.is_empty(), &refused[..]) {
                (true, []) => {}
                (false, [(field, text)]) => {
                    assert!(field == "responseTransferMode" && text.contains(said), "{kind:?} {uri} {mode:?}: {text}");
                }
                _ => panic!("{kind:?} {uri} {mode:?}: {refused:?}"),
            }
        }
    }

    #[test]
    fn what_the_uri_rule_refuses_is_refused_once() {
        assert_eq!(found(&Integration { response_transfer_mode: Stream, ..to(AwsProxy, "") }), []);
        let lambda_endpoint = Some(endpoint("http://localhost:9001", ""));
        assert_eq!(found(&Integration { lambda_endpoint, ..to(AwsProxy, QUEUE) }), []);
    }

    fn endpoint(url: &str, name: &str) -> LambdaEndpoint {
        LambdaEndpoint { url: url.to_owned(), function_name: name.to_owned(), unsigned: true }
    }

    #[test]
    fn an_endpoint_belongs_to_the_call_of_a_function() {
        let kinds =
            [(Aws, WHOLE), (AwsProxy, WHOLE), (Aws, QUEUE), (AwsProxy, FIREHOSE), (HttpProxy, "http://x/"), (Mock, "")];
        for (at, (kind, uri)) in kinds.into_iter().enumerate() {
            let lambda_endpoint = Some(endpoint("http://localhost:9001", "f"));
            let expected: &[&str] = if at < 2 { &[] } else { &["lambdaEndpoint"] };
            assert_eq!(fields(&Integration { lambda_endpoint, ..to(kind, uri) }), expected, "{kind:?} {uri}");
        }
    }

    #[test]
    fn an_endpoint_is_a_server_and_perhaps_a_prefix() {
        for (url, right) in [
            ("http://localhost:9001", true),
            ("https://functions.example.com/emulator/", true),
            ("http://[::1]:9001", true),
            ("http://${stageVariables.host}:${stageVariables.port}/${stageVariables.prefix}", true),
            ("", false),
            ("localhost:9001", false),
            ("${stageVariables.scheme}://localhost", false),
            ("http://", false),
            ("http://user@localhost", false),
            ("http://localhost?x=1", false),
            ("http://localhost/a?", false),
            ("http://localhost/#a", false),
            ("http://localhost/{id}", false),
            ("http://{host}/", false),
            ("http://localhost/${context.stage}", false),
        ] {
            let lambda_endpoint = Some(endpoint(url, ""));
            let expected: &[&str] = if right { &[] } else { &["lambdaEndpoint.url"] };
            assert_eq!(fields(&Integration { lambda_endpoint, ..to(AwsProxy, WHOLE) }), expected, "{url}");
        }
    }

    #[test]
    fn a_function_has_a_name_of_a_call() {
        let longest = "f".repeat(LAMBDA_FUNCTION_NAME_CHARS_MAX);
        let longer = format!("{longest}f");
        for (name, right) in [
            ("", true),
            ("my_function-2", true),
            ("my-function:$LATEST", true),
            ("arn:aws:lambda:us-east-1:123456789012:function:f:live", true),
            ("${stageVariables.function}:${stageVariables.alias}", true),
            ("crate.bin", true),
            (&*longest, true),
            (&*longer, false),
            ("a b", false),
            ("a/b", false),
            ("a?b", false),
            ("{name}", false),
            ("${context.stage}", false),
            ("${stageVariables.x", false),
            ("größe", false),
        ] {
            let lambda_endpoint = Some(endpoint("http://localhost:9001", name));
            let expected: &[&str] = if right { &[] } else { &["lambdaEndpoint.functionName"] };
            assert_eq!(fields(&Integration { lambda_endpoint, ..to(Aws, WHOLE) }), expected, "{name}");
        }
    }
}
