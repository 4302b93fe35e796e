//! [`Origins`]: from the field paths of [`crate::validate`] back to places of the document that was imported.

use super::gateway_responses;
use super::report::escape;
use crate::method::Verb;
use std::collections::{BTreeMap, HashMap};

/// Where an operation's parts stand.
#[derive(Default)]
pub(super) struct OperationOrigin {
    /// Pointer of the operation.
    pub(super) operation: String,
    /// Pointer of its integration.
    pub(super) integration: String,
    /// Pointer of the endpoint beside it.
    pub(super) lambda_endpoint: String,
    /// Status code to the key of the response within the integration.
    pub(super) response_keys: BTreeMap<String, String>,
}

impl OperationOrigin {
    /// The place of a field of the method.
    pub(super) fn locate(&self, field: &str) -> String {
        let steps = steps(field);
        match steps[..] {
            ["integration", "integrationResponses", code, ref rest @ ..] => {
                let key = self.response_keys.get(code).map_or(code, String::as_str);
                format!("{}/responses/{}{}", self.integration, escape(key), pointer(rest))
            }
            ["integration", "integrationResponses"] => format!("{}/responses", self.integration),
            ["integration", "lambdaEndpoint", ref rest @ ..] => format!("{}{}", self.lambda_endpoint, pointer(rest)),
            ["integration", ref rest @ ..] => format!("{}{}", self.integration, pointer(rest)),
            ["methodResponses"] => format!("{}/responses", self.operation),
            ["methodResponses", code, ..] => format!("{}/responses/{}", self.operation, escape(code)),
            ["operationName"] => format!("{}/operationId", self.operation),
            ["requestParameters", ..] => format!("{}/parameters", self.operation),
            ["authorizerId"] => format!("{}/security", self.operation),
            _ => self.operation.clone(),
        }
    }
}

/// Where everything of a definition comes from.
pub(super) struct Origins {
    /// Resource path to the pointer of the path that made it.
    pub(super) resources: HashMap<String, String>,
    /// Verb and resource path to the operation.
    pub(super) methods: HashMap<(Verb, String), OperationOrigin>,
}

impl Origins {
    /// The place of a field of the definition; the document itself if no place is better.
    pub(super) fn locate(&self, field: &str) -> String {
        if let Some(rest) = field.strip_prefix("restApi.") {
            return locate_setting(&steps(rest));
        }
        if let Some(path) = entry(field, "resources[").map(|(path, _)| path) {
            return self.resources.get(path).cloned().unwrap_or_default();
        }
        let method = entry(field, "methods[").and_then(|(name, rest)| {
            let (verb, path) = name.split_once(' ')?;
            Some((self.methods.get(&(Verb::parse(verb).ok()?, path.to_owned()))?, rest))
        });
        method.map(|(origin, rest)| origin.locate(rest)).unwrap_or_default()
    }
}

fn locate_setting(steps: &[&str]) -> String {
    match *steps {
        ["name"] => "/info/title".to_owned(),
        [name @ ("description" | "version")] => format!("/info/{name}"),
        ["binaryMediaTypes", ref rest @ ..] => format!("/x-amazon-apigateway-binary-media-types{}", pointer(rest)),
        ["minimumCompressionSize"] => "/x-amazon-apigateway-minimum-compression-size".to_owned(),
        ["gatewayResponses", ref rest @ ..] => format!("/{}{}", gateway_responses::KEY, pointer(rest)),
        ["tags", ..] => "/tags".to_owned(),
        _ => String::new(),
    }
}

/// Splits `{list}{name}]{rest}`. Names here are paths of resources, which have no brackets.
fn entry<'f>(field: &'f str, list: &str) -> Option<(&'f str, &'f str)> {
    field.strip_prefix(list)?.split_once(']')
}

/// Splits `a.b[key].c` into its names and keys. A key ends at the first bracket behind which the path can go on.
fn steps(field: &str) -> Vec<&str> {
    let mut steps = Vec::new();
    let mut rest = field;
    while !rest.is_empty() {
        if let Some(keyed) = rest.strip_prefix('[') {
            let ends = |at: usize| keyed[at + 1..].is_empty() || keyed[at + 1..].starts_with(['.', '[']);
            let end = keyed.match_indices(']').map(|(at, _)| at).find(|&at| ends(at)).unwrap_or(keyed.len());
            steps.push(&keyed[..end]);
            rest = keyed.get(end + 1..).unwrap_or_default();
        } else {
            let name = rest.strip_prefix('.').unwrap_or(rest);
            let end = name.find(['.', '[']).unwrap_or(name.len());
            if end > 0 {
                steps.push(&name[..end]);
            } else if name.len() == rest.len() {
                break;
            }
            rest = &name[end..];
        }
    }
    steps
}

fn pointer(steps: &[&str]) -> String {
    steps.iter().map(|step| format!("/{}", escape(step))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_split_into_names_and_keys() {
        assert_eq!(steps("a.b[x/y.z].c[1]"), ["a", "b", "x/y.z", "c", "1"]);
        assert_eq!(steps(".a[b]c]"), ["a", "b]c"]);
        assert_eq!(steps("a[open"), ["a", "open"]);
        assert_eq!(steps(""), [""; 0]);
        assert_eq!(steps("..a.."), ["a"]);
    }

    #[test]
    fn fields_lead_to_places() {
        let origin = OperationOrigin {
            operation: "/paths/~1a/get".to_owned(),
            integration: "/components/x/i".to_owned(),
            lambda_endpoint: "/components/x/e".to_owned(),
            response_keys: [("400".to_owned(), "4\\d{2}".to_owned())].into(),
        };
        let origins = Origins {
            resources: [("/a".to_owned(), "/paths/~1a".to_owned())].into(),
            methods: [((Verb::Get, "/a".to_owned()), origin)].into(),
        };
        for (field, place) in [
            ("restApi.name", "/info/title"),
            ("restApi.binaryMediaTypes[2]", "/x-amazon-apigateway-binary-media-types/2"),
            (
                "restApi.gatewayResponses[THROTTLED].responseTemplates[a/b]",
                "/x-amazon-apigateway-gateway-responses/THROTTLED/responseTemplates/a~1b",
            ),
            ("resources[/a].pathPart", "/paths/~1a"),
            ("resources", ""),
            ("methods[GET /a]", "/paths/~1a/get"),
            ("methods[GET /a].integration.uri", "/components/x/i/uri"),
            ("methods[GET /a].integration.lambdaEndpoint", "/components/x/e"),
            ("methods[GET /a].integration.lambdaEndpoint.url", "/components/x/e/url"),
            ("methods[GET /a].integration.requestTemplates[a/b]", "/components/x/i/requestTemplates/a~1b"),
            (
                "methods[GET /a].integration.integrationResponses[400].statusCode",
                "/components/x/i/responses/4\\d{2}/statusCode",
            ),
            ("methods[GET /a].integration.integrationResponses", "/components/x/i/responses"),
            ("methods[GET /a].methodResponses[200].responseParameters[x]", "/paths/~1a/get/responses/200"),
            ("methods[GET /a].operationName", "/paths/~1a/get/operationId"),
            ("methods[GET /b].operationName", ""),
        ] {
            assert_eq!(origins.locate(field), place, "{field}");
        }
    }
}
