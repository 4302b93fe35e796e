//! [`ServiceUri`]: the ARN by which an `AWS` or `AWS_PROXY` integration names what it calls (sections b.1 and e.1).
//!
//! Read when an integration is accepted, while `${stageVariables.name}` may still stand in it, and again when its stage is
//! compiled, with the variables filled in.

use crate::limits::URI_BYTES_MAX;

/// `arn:{partition}:apigateway:{region}:[{subdomain}.]{service}:{path|action}/{rest}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServiceUri<'a> {
    /// Such as `aws`.
    pub partition: &'a str,
    /// Of the call.
    pub region: &'a str,
    /// What stands before the service in its host name.
    pub subdomain: Option<&'a str>,
    /// Such as `lambda`.
    pub service: &'a str,
    /// What is called there.
    pub target: ServiceTarget<'a>,
}

/// What a service is asked for; never empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServiceTarget<'a> {
    /// What follows `path/`.
    Path(&'a str),
    /// What follows `action/`.
    Action(&'a str),
}

/// Why a text is not such an ARN, in the specification's sentences (section l.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ServiceUriProblem {
    /// It is no ARN of an integration at all.
    #[error("Invalid ARN specified in the request")]
    Invalid,
    /// It does not say what is called.
    #[error("AWS ARN for integration must contain path or action")]
    NoTarget,
}

/// The call of a function, as its path says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Invocation<'a> {
    /// A name or an ARN; never empty.
    pub function: &'a str,
    /// Whether the answer comes as a stream (section k).
    pub streamed: bool,
}

impl<'a> ServiceUri<'a> {
    /// Reads an integration's URI.
    ///
    /// # Errors
    /// It is not one of a service.
    pub fn parse(uri: &'a str) -> Result<Self, ServiceUriProblem> {
        if uri.len() > URI_BYTES_MAX || !uri.bytes().all(|b| b.is_ascii_graphic() || b == b' ') {
            return Err(ServiceUriProblem::Invalid);
        }
        let mut parts = uri.splitn(6, ':');
        let mut next = || parts.next().filter(|part| !part.is_empty()).ok_or(ServiceUriProblem::Invalid);
        let (arn, partition, api, region, host) = (next()?, next()?, next()?, next()?, next()?);
        if (arn, api) != ("arn", "apigateway") {
            return Err(ServiceUriProblem::Invalid);
        }
        let (subdomain, service) = split_service(host).ok_or(ServiceUriProblem::Invalid)?;
        let text = parts.next().ok_or(ServiceUriProblem::Invalid)?;
        let path = text.strip_prefix("path/").map(ServiceTarget::Path);
        let target = path.or_else(|| text.strip_prefix("action/").map(ServiceTarget::Action));
        match target {
            Some(ServiceTarget::Path("") | ServiceTarget::Action("")) | None => Err(ServiceUriProblem::NoTarget),
            Some(target) => Ok(Self { partition, region, subdomain, service, target }),
        }
    }

    /// The function that it calls, if it calls one: `2015-03-31/functions/{function}/invocations`, or
    /// `2021-11-15/functions/{function}/response-streaming-invocations`. A doubled slash before it is tolerated.
    pub fn invocation(&self) -> Option<Invocation<'a>> {
        let ServiceTarget::Path(path) = self.target else { return None };
        if self.service != "lambda" || self.subdomain.is_some() {
            return None;
        }
        let path = path.strip_prefix('/').unwrap_or(path);
        let (rest, streamed) = match path.strip_prefix("2015-03-31/functions/") {
            Some(rest) => (rest.strip_suffix("/invocations")?, false),
            None => {
                let rest = path.strip_prefix("2021-11-15/functions/")?;
                (rest.strip_suffix("/response-streaming-invocations")?, true)
            }
        };
        (!rest.is_empty()).then_some(Invocation { function: rest, streamed })
    }
}

/// A path as object stores compute signatures over it, whatever the client left as it is: every byte but those of names that
/// need no escape (RFC 3986 section 2.3) is one in capital letters. A slash stays one, also where it was escaped: such a
/// store knows no difference.
pub fn object_path(path: &str) -> String {
    use std::fmt::Write as _;
    let mut out = String::with_capacity(path.len() + 16);
    let mut bytes = path.bytes();
    while let Some(byte) = bytes.next() {
        let mut behind = bytes.clone();
        let digit = |digit: Option<u8>| digit.and_then(|digit| char::from(digit).to_digit(16));
        let byte = match (byte, digit(behind.next()), digit(behind.next())) {
            (b'%', Some(high), Some(low)) => {
                bytes = behind;
                u8::try_from(high * 16 + low).unwrap_or(byte)
            }
            _ => byte,
        };
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            out.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

/// The service is what follows the last dot; dots inside a stage variable's expression are none.
fn split_service(host: &str) -> Option<(Option<&str>, &str)> {
    let plain = match host.rfind("${") {
        Some(at) if host.ends_with('}') => &host[..at],
        _ => host,
    };
    let (subdomain, service) = match plain.rfind('.') {
        Some(at) => (Some(&host[..at]), &host[at + 1..]),
        None => (None, host),
    };
    (!service.is_empty() && subdomain != Some("")).then_some((subdomain, service))
}

#[cfg(test)]
mod tests {
    use super::*;
    use ServiceTarget::{Action, Path};

    #[test]
    fn arns_of_services_are_taken_apart() {
        for (text, subdomain, service, target) in [
            ("arn:aws:apigateway:eu-west-1:s3:path/{bucket}/a:b", None, "s3", Path("{bucket}/a:b")),
            ("arn:aws:apigateway:eu-west-1:images.s3:path//k", Some("images"), "s3", Path("/k")),
            ("arn:aws:apigateway:eu-west-1:a.b.s3:action/X&y=1 2", Some("a.b"), "s3", Action("X&y=1 2")),
            ("arn:aws:apigateway:eu-west-1:${stageVariables.x}:action/X", None, "${stageVariables.x}", Action("X")),
            (
                "arn:aws:apigateway:eu-west-1:${stageVariables.x}.s3:path/k",
                Some("${stageVariables.x}"),
                "s3",
                Path("k"),
            ),
        ] {
            let uri = ServiceUri::parse(text).unwrap_or_else(|problem| panic!("{text}: {problem}"));
            assert_eq!((uri.partition, uri.region), ("aws", "eu-west-1"), "{text}");
            assert_eq!((uri.subdomain, uri.service, uri.target), (subdomain, service, target), "{text}");
        }
    }

    #[test]
    fn what_is_no_arn_of_a_service_is_told_why() {
        use ServiceUriProblem::{Invalid, NoTarget};
        let too_long = format!("arn:aws:apigateway:r:s3:path/{}", "a".repeat(URI_BYTES_MAX));
        for (text, problem) in [
            ("", Invalid),
            ("http://example.com/", Invalid),
            ("arn:aws:lambda:us-east-1:123456789012:function:f", Invalid),
            ("arn::apigateway:r:s3:path/a", Invalid),
            ("arn:aws:apigateway::s3:path/a", Invalid),
            ("arn:aws:apigateway:r::path/a", Invalid),
            ("arn:aws:apigateway:r:.s3:path/a", Invalid),
            ("arn:aws:apigateway:r:s3.:path/a", Invalid),
            ("arn:aws:apigateway:r:s3", Invalid),
            ("arn:aws:apigateway:r:s3:path/\u{e4}", Invalid),
            (&too_long, Invalid),
            ("arn:aws:apigateway:r:s3:", NoTarget),
            ("arn:aws:apigateway:r:s3:queue", NoTarget),
            ("arn:aws:apigateway:r:s3:path/", NoTarget),
            ("arn:aws:apigateway:r:s3:action/", NoTarget),
        ] {
            assert_eq!(ServiceUri::parse(text), Err(problem), "{text}");
        }
        let longest = &too_long[..URI_BYTES_MAX];
        assert!(ServiceUri::parse(longest).is_ok());
    }

    #[test]
    fn invocations_are_those_of_the_two_calls_that_there_are() {
        let invocation = |function, streamed| Some(Invocation { function, streamed });
        for (text, expected) in [
            ("lambda:path/2015-03-31/functions/f/invocations", invocation("f", false)),
            ("lambda:path//2015-03-31/functions/f/invocations", invocation("f", false)),
            ("lambda:path/2015-03-31/functions/arn:a:b/invocations", invocation("arn:a:b", false)),
            (
                "lambda:path/2015-03-31/functions/${stageVariables.f}/invocations",
                invocation("${stageVariables.f}", false),
            ),
            ("lambda:path/2021-11-15/functions/f/response-streaming-invocations", invocation("f", true)),
            ("lambda:path/2021-11-15/functions/f/invocations", None),
            ("lambda:path/2015-03-31/functions/f/response-streaming-invocations", None),
            ("lambda:path///2015-03-31/functions/f/invocations", None),
            ("lambda:path/2015-03-31/functions//invocations", None),
            ("lambda:path/2015-03-31/functions/f", None),
            ("lambda:action/Invoke", None),
            ("a.lambda:path/2015-03-31/functions/f/invocations", None),
            ("sqs:path/2015-03-31/functions/f/invocations", None),
        ] {
            let text = format!("arn:aws:apigateway:us-east-1:{text}");
            let uri = ServiceUri::parse(&text).unwrap_or_else(|problem| panic!("{text}: {problem}"));
            assert_eq!(uri.invocation(), expected, "{text}");
        }
    }

    #[test]
    fn paths_of_objects_are_escaped_as_signatures_want_them() {
        for (path, expected) in [
            ("/photos/photo(1)+x.jpg", "/photos/photo%281%29%2Bx.jpg"),
            ("/b/%c3%a4%20b", "/b/%C3%A4%20b"),
            ("/b/a%2Fb//c", "/b/a/b//c"),
            ("/b/~tilde-_.", "/b/~tilde-_."),
            ("/b/100%25", "/b/100%25"),
            ("/b/%", "/b/%25"),
            ("/b/%4", "/b/%254"),
            ("/b/%zz", "/b/%25zz"),
            ("", ""),
        ] {
            assert_eq!(object_path(path), expected);
            assert_eq!(object_path(expected), expected, "nothing changes twice");
        }
    }
}
