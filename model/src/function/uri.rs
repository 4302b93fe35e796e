//! [`FunctionUri`]: which function an integration calls, and where (sections b.1 and k).

use crate::aws_uri::ServiceUri;

/// The function of an invocation. Its parts hold nothing that is special in a URL, so they can stand in a host name and
/// a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FunctionUri<'a> {
    /// Where it is called: its own region, or that of the integration when it names none.
    pub region: &'a str,
    /// As the integration names it, which is how the call names it too: a name or an ARN, perhaps a partial one, with
    /// the qualifier.
    pub function_arn: &'a str,
    /// Its bare name.
    pub name: &'a str,
    /// Version or alias.
    pub qualifier: Option<&'a str>,
    /// Whose it is, if it says so.
    pub account: Option<&'a str>,
    /// Whether its answer comes as a stream.
    pub streamed: bool,
}

impl<'a> FunctionUri<'a> {
    /// The function that `uri` calls, stage variables already filled in; `None` when it calls none that can exist.
    pub fn of(uri: &ServiceUri<'a>) -> Option<Self> {
        let invocation = uri.invocation()?;
        let function = invocation.function;
        // The longest form has eight parts; a ninth is found and refused.
        let mut parts = [""; 9];
        let mut count = 0;
        for (slot, part) in parts.iter_mut().zip(function.splitn(9, ':')) {
            *slot = part;
            count += 1;
        }
        let (region, account, name, qualifier) = match parts[..count] {
            [name] => (uri.region, None, name, None),
            [name, qualifier] => (uri.region, None, name, Some(qualifier)),
            [account, "function", name] => (uri.region, Some(account), name, None),
            [account, "function", name, qualifier] => (uri.region, Some(account), name, Some(qualifier)),
            ["arn", partition, "lambda", region, account, "function", name] if is_word(partition) => {
                (region, Some(account), name, None)
            }
            ["arn", partition, "lambda", region, account, "function", name, qualifier] if is_word(partition) => {
                (region, Some(account), name, Some(qualifier))
            }
            _ => return None,
        };
        let is_account = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        let is_qualifier = |text: &str| text == "$LATEST" || is_word(text);
        let valid =
            is_region(region) && is_word(name) && account.is_none_or(is_account) && qualifier.is_none_or(is_qualifier);
        let streamed = invocation.streamed;
        valid.then_some(Self { region, function_arn: function, name, qualifier, account, streamed })
    }
}

fn is_word(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b))
}

/// A label of a host name.
fn is_region(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uri(function: &str) -> String {
        format!("arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/{function}/invocations")
    }

    #[test]
    fn functions_are_named_in_three_ways_with_and_without_qualifier() {
        const HERE: &str = "us-east-1";
        for (function, region, account, name, qualifier) in [
            ("f", HERE, None, "f", None),
            ("my-f_1:live", HERE, None, "my-f_1", Some("live")),
            ("f:$LATEST", HERE, None, "f", Some("$LATEST")),
            ("123456789012:function:f", HERE, Some("123456789012"), "f", None),
            ("123456789012:function:f:7", HERE, Some("123456789012"), "f", Some("7")),
            ("arn:aws:lambda:eu-west-1:123456789012:function:f", "eu-west-1", Some("123456789012"), "f", None),
            (
                "arn:aws-cn:lambda:cn-north-1:000000000000:function:f:v2",
                "cn-north-1",
                Some("000000000000"),
                "f",
                Some("v2"),
            ),
        ] {
            let text = uri(function);
            let service = ServiceUri::parse(&text).expect("an ARN");
            let expected = FunctionUri { region, function_arn: function, name, qualifier, account, streamed: false };
            assert_eq!(FunctionUri::of(&service), Some(expected), "{function}");
        }
    }

    #[test]
    fn what_cannot_be_a_function_is_none() {
        for function in [
            "a/b",
            "..",
            "f?x=1",
            "f:",
            ":f",
            "f:a.b",
            "${stageVariables.f}",
            "f:${stageVariables.alias}",
            "x:function:f",
            "123456789012:layer:f",
            "1:2:3:4:5",
            "arn:aws:lambda:f",
            "arn:aws:lambda::123456789012:function:f",
            "arn:aws:lambda:eu.west:123456789012:function:f",
            "arn:aws:s3:eu-west-1:123456789012:function:f",
            "arn:aws:lambda:eu-west-1:123456789012:function:f:1:2",
            "arn:a/b:lambda:eu-west-1:123456789012:function:f",
        ] {
            let text = uri(function);
            let service = ServiceUri::parse(&text).expect("an ARN");
            assert_eq!(FunctionUri::of(&service), None, "{function}");
        }
    }

    #[test]
    fn streamed_calls_have_a_path_of_their_own() {
        let text = "arn:aws:apigateway:eu-west-1:lambda:path/2021-11-15/functions/f/response-streaming-invocations";
        let function = FunctionUri::of(&ServiceUri::parse(text).expect("an ARN")).expect("a function");
        assert_eq!((function.name, function.streamed), ("f", true));
        let elsewhere = "arn:aws:apigateway:../evil:lambda:path/2015-03-31/functions/f/invocations";
        assert_eq!(FunctionUri::of(&ServiceUri::parse(elsewhere).expect("an ARN")), None);
    }
}
