//! Whether an integration's URI can name an upstream (section e.1): `http(s)://…` for HTTP types, an ARN for AWS types.

use crate::aws_uri::{ServiceTarget, ServiceUri};
use crate::integration::IntegrationType;
use crate::limits::URI_BYTES_MAX;
use crate::text::is_parameter_name;
use std::net::Ipv6Addr;

const STAGE_VARIABLE: &str = "${stageVariables.";
/// Stands for a stage variable's value, which is known only when a request arrives: a digit is right in hosts and ports.
const PLACEHOLDER: char = '1';

/// Checks the address of an HTTP upstream, `{name}` and `${stageVariables.name}` included.
///
/// # Errors
/// The specification's sentence (section l.4), then what is wrong.
pub(super) fn http(uri: &str) -> Result<(), String> {
    http_address(uri).map_err(|detail| format!("Invalid HTTP endpoint specified for URI: {detail}"))
}

/// Checks the address of a server below which a fixed path is appended: neither query nor `{name}`.
///
/// # Errors
/// What is wrong.
pub(super) fn server(url: &str) -> Result<(), String> {
    http_address(url)?;
    match without_stage_variables(url)?.find(['?', '{']) {
        Some(_) => {
            Err("a path is appended to it: neither a query nor variables of the path can stand in it".to_owned())
        }
        None => Ok(()),
    }
}

fn http_address(uri: &str) -> Result<(), String> {
    if uri.len() > URI_BYTES_MAX {
        return Err(format!("it must have at most {URI_BYTES_MAX} bytes"));
    }
    let rest = uri
        .strip_prefix("http://")
        .or_else(|| uri.strip_prefix("https://"))
        .ok_or("it must start with http:// or https://")?;
    if let Some(c) = rest.chars().find(|c| !c.is_ascii_graphic() || matches!(c, '#' | '\\' | '"' | '<' | '>')) {
        return Err(format!("it must not contain {c:?}"));
    }
    let rest = without_stage_variables(rest)?;
    let (authority, path_and_query) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    check_authority(authority)?;
    check_braces(path_and_query)
}

/// Replaces each `${stageVariables.name}` by the placeholder.
pub(super) fn without_stage_variables(mut text: &str) -> Result<String, String> {
    let mut plain = String::with_capacity(text.len());
    while let Some(at) = text.find("${") {
        let (before, expression) = text.split_at(at);
        let name = expression
            .strip_prefix(STAGE_VARIABLE)
            .and_then(|rest| rest.split_once('}'))
            .filter(|(name, _)| is_parameter_name(name));
        let Some((_, rest)) = name else {
            return Err("after '$' only {stageVariables.name} may stand in braces".to_owned());
        };
        plain.push_str(before);
        plain.push(PLACEHOLDER);
        text = rest;
    }
    plain.push_str(text);
    Ok(plain)
}

fn check_authority(authority: &str) -> Result<(), String> {
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => {
            let (address, port) = rest.split_once(']').ok_or("the host's '[' is never closed")?;
            address.parse::<Ipv6Addr>().map_err(|_| format!("{address:?} is not an IPv6 address"))?;
            ("", port)
        }
        None => {
            let (host, port) = authority.split_at(authority.find(':').unwrap_or(authority.len()));
            check_host(host)?;
            (host, port)
        }
    };
    match port.strip_prefix(':') {
        None if port.is_empty() => Ok(()),
        Some(digits)
            if digits.bytes().all(|b| b.is_ascii_digit()) && digits.parse::<u16>().is_ok_and(|port| port != 0) =>
        {
            Ok(())
        }
        _ => Err(format!("behind the host {host:?} only a port of 1 to 65535 may stand")),
    }
}

fn check_host(host: &str) -> Result<(), String> {
    if host.is_empty() {
        return Err("it has no host".to_owned());
    }
    // Underscores are no host name's, but names that container engines give to services have them.
    let allowed = |label: &str| {
        !label.is_empty() && label.len() <= 63 && label.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b))
    };
    let name = host.strip_suffix('.').unwrap_or(host);
    if name.len() > 253 || !name.split('.').all(allowed) {
        return Err(format!("{host:?} is not a host name or address; variables of the path cannot stand in it"));
    }
    Ok(())
}

/// Braces must pair up around names.
fn check_braces(mut text: &str) -> Result<(), String> {
    while let Some(at) = text.find(['{', '}']) {
        let inner = text[at..].strip_prefix('{').and_then(|rest| rest.split_once('}'));
        match inner {
            Some((name, rest)) if is_parameter_name(name) => text = rest,
            Some((name, _)) => {
                return Err(format!("{{{name}}} must have a name of letters, digits, '.', '_', '$' or '-'"));
            }
            None => return Err("its braces do not pair up".to_owned()),
        }
    }
    Ok(())
}

/// Checks the ARN of an `AWS` or `AWS_PROXY` integration.
///
/// # Errors
/// One of the specification's three sentences (section l.4).
pub(super) fn aws(uri: &str, kind: IntegrationType) -> Result<(), String> {
    let uri = ServiceUri::parse(uri).map_err(|problem| problem.to_string())?;
    let stream = uri.service == "firehose" && matches!(uri.target, ServiceTarget::Action(_));
    if kind == IntegrationType::AwsProxy && uri.invocation().is_none() && !stream {
        return Err("Integrations of type 'AWS_PROXY' currently only supports Lambda function and Firehose stream \
                    invocations."
            .to_owned());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_http_upstreams() {
        for good in [
            "http://localhost:9000/upload",
            "https://api.example.com",
            "http://image_resizer:8000/{proxy}?size={size}",
            "http://[::1]:8080/",
            "https://${stageVariables.host}/v1/{id}",
            "https://${stageVariables.env}.internal:${stageVariables.port}/x?key=${stageVariables.key}",
            "http://10.0.0.1?x=1",
            "http://example.com./",
        ] {
            assert_eq!(http(good), Ok(()), "{good}");
        }
        for bad in [
            "",
            "localhost:9000",
            "ftp://example.com",
            "http://",
            "http:///path",
            "http://?x",
            "http://ho st/",
            "http://a..b/",
            "http://{host}/",
            "http://user@example.com/",
            "http://example.com:0/",
            "http://example.com:65536/",
            "http://example.com:+80/",
            "http://example.com:http/",
            "http://[::1/",
            "http://[nonsense]/",
            "http://[::1]x/",
            "http://example.com/{id",
            "http://example.com/id}",
            "http://example.com/{proxy+}",
            "http://example.com/{}",
            "http://example.com/${context.stage}",
            "http://example.com/${stageVariables.}",
            "http://example.com/${stageVariables.x",
            "http://example.com/#top",
            "http://exämple.com/",
            "${stageVariables.scheme}://example.com",
        ] {
            let error = http(bad).expect_err(bad);
            assert!(error.starts_with("Invalid HTTP endpoint specified for URI: "), "{error}");
        }
    }

    #[test]
    fn an_address_may_be_as_long_as_the_limit_and_no_longer() {
        let base = "http://example.com/";
        let longest = format!("{base}{}", "a".repeat(URI_BYTES_MAX - base.len()));
        assert_eq!(http(&longest), Ok(()));
        assert!(http(&format!("{longest}a")).is_err());
    }

    #[test]
    fn arns_of_aws_integrations() {
        let lambda = "arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/\
                      arn:aws:lambda:us-east-1:123456789012:function:f/invocations";
        let streaming = "arn:aws:apigateway:eu-west-1:lambda:path/2021-11-15/functions/\
                         ${stageVariables.f}/response-streaming-invocations";
        let firehose = "arn:aws-cn:apigateway:cn-north-1:firehose:action/PutRecord";
        for good in [lambda, streaming, firehose] {
            assert_eq!(aws(good, IntegrationType::AwsProxy), Ok(()), "{good}");
        }
        let function = "arn:aws:lambda:us-east-1:123456789012:function";
        for function in [
            format!("{function}:f:$LATEST"),
            format!("{function}:f:7"),
            format!("{function}:${{stageVariables.f}}:${{stageVariables.alias}}"),
            "${stageVariables.arn}".to_owned(),
        ] {
            for (slash, version, call) in [
                ("", "2015-03-31", "/invocations"),
                ("/", "2015-03-31", "/invocations"),
                ("", "2021-11-15", "/response-streaming-invocations"),
                ("/", "2021-11-15", "/response-streaming-invocations"),
            ] {
                let uri =
                    format!("arn:aws:apigateway:us-east-1:lambda:path/{slash}{version}/functions/{function}{call}");
                for kind in [IntegrationType::Aws, IntegrationType::AwsProxy] {
                    assert_eq!(aws(&uri, kind), Ok(()), "{uri}");
                }
            }
        }
        let s3 = "arn:aws:apigateway:us-east-1:s3:path/{bucket}/{key}";
        for service in [
            s3,
            "arn:aws:apigateway:us-east-1:bucket.s3:path/{key}",
            "arn:aws:apigateway:us-east-1:s3:action/GetObject&Bucket={bucket}&Key={key}",
            "arn:aws:apigateway:us-east-1:sqs:path/123456789012/queue",
            "arn:aws:apigateway:us-east-1:sqs:action/SendMessage",
            "arn:aws:apigateway:us-east-1:dynamodb:action/PutItem",
            "arn:aws:apigateway:${stageVariables.region}:account.dynamodb:action/Query",
            "arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions",
        ] {
            assert_eq!(aws(service, IntegrationType::Aws), Ok(()), "{service}");
        }
        assert!(aws(s3, IntegrationType::AwsProxy).is_err_and(|text| text.contains("'AWS_PROXY' currently only")));
        for no_target in ["arn:aws:apigateway:us-east-1:sqs:queue", "arn:aws:apigateway:us-east-1:sqs:path/"] {
            let error = aws(no_target, IntegrationType::Aws);
            let expected = "AWS ARN for integration must contain path or action";
            assert_eq!(error, Err(expected.to_owned()), "{no_target}");
        }
        for bad in ["", "http://x", "arn:aws:lambda:us-east-1:123456789012:function:f", "arn:aws:apigateway::s3:path/a"]
        {
            let expected = "Invalid ARN specified in the request";
            assert_eq!(aws(bad, IntegrationType::Aws), Err(expected.to_owned()), "{bad}");
        }
    }
}
