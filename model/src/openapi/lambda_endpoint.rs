//! `x-penstock-lambda-endpoint`, beside the integration of an operation, in and out. The hosted service ignores the key
//! there. What an endpoint may say is [`crate::validate`]'s subject.

use super::fields::{Fields, Rename};
use super::report::{Place, Report, shown};
use crate::integration::LambdaEndpoint;
use serde_json::{Map, Value};

/// The key of the operation.
pub(super) const KEY: &str = "x-penstock-lambda-endpoint";

/// Reads the value of [`KEY`], or the same object within a fragment, whose keys `rename` brings into this spelling.
pub(super) fn read(
    object: &Map<String, Value>,
    place: &Place<'_>,
    rename: Rename,
    report: &mut Report,
) -> LambdaEndpoint {
    let mut fields = Fields::new(object, place, rename, report);
    let endpoint = LambdaEndpoint {
        url: fields.text("url", report).unwrap_or_default(),
        function_name: fields.text("functionName", report).unwrap_or_default(),
        unsigned: fields.flag("unsigned", report).unwrap_or_default(),
    };
    for (place, key) in fields.rest() {
        report.warning(place, format!("{:?} is not a key of a function's endpoint: ignored", shown(key)));
    }
    endpoint
}

/// Writes what [`read`] reads.
pub(super) fn write(endpoint: &LambdaEndpoint) -> Value {
    let mut made = Map::new();
    made.insert("url".to_owned(), endpoint.url.clone().into());
    if !endpoint.function_name.is_empty() {
        made.insert("functionName".to_owned(), endpoint.function_name.clone().into());
    }
    if endpoint.unsigned {
        made.insert("unsigned".to_owned(), true.into());
    }
    made.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::openapi::{ExportOptions, ImportOptions, Imported, export, import};
    use crate::violation::Violations;
    use serde_json::json;

    const URI: &str = "arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/arn:aws:lambda:f/invocations";
    const INTEGRATION: &str = "x-amazon-apigateway-integration";

    fn function() -> Value {
        json!({"type": "aws_proxy", "httpMethod": "POST", "uri": URI})
    }

    fn imported(operation: &Value) -> Result<Imported, Violations> {
        let mut count = 0;
        let mut new_id = || {
            count += 1;
            format!("n{count}")
        };
        let document = json!({
            "openapi": "3.0.1", "info": {"title": "t", "version": "1"}, "paths": {"/": {"post": operation}},
            "components": {"x-penstock-emulator": {"url": "http://localhost:9001", "unsigned": true}},
        });
        import(document.to_string().as_bytes(), &ImportOptions::default(), &mut new_id)
    }

    fn read_endpoint(operation: &Value) -> (Option<LambdaEndpoint>, Vec<String>) {
        let imported = imported(operation).unwrap_or_else(|violations| panic!("{violations}"));
        let warnings = imported.warnings.iter().map(|w| format!("{}: {}", w.field, w.message));
        let warnings = warnings.filter(|text| text.starts_with("/paths")).collect();
        let behind = imported.definition.methods[0].integration.as_ref();
        (behind.and_then(|behind| behind.lambda_endpoint.clone()), warnings)
    }

    #[test]
    fn an_endpoint_is_written_as_it_was_read() {
        for endpoint in [
            json!({"url": "http://localhost:9001"}),
            json!({"url": "https://${stageVariables.host}/emulator", "functionName": "f", "unsigned": true}),
        ] {
            let operation = json!({INTEGRATION: function(), KEY: endpoint});
            let definition = imported(&operation).unwrap().definition;
            let written = |extensions| {
                let exported = export(&definition, &ExportOptions { extensions, ..ExportOptions::default() });
                let document: Value = serde_json::from_slice(&exported.document).unwrap();
                document["paths"]["/"]["post"][KEY].clone()
            };
            assert_eq!(written(true), endpoint);
            assert_eq!(written(false), Value::Null, "other readers get no extensions");
        }
    }

    #[test]
    fn an_endpoint_may_stand_elsewhere_and_may_be_null() {
        let (endpoint, warnings) = read_endpoint(&json!({
            INTEGRATION: function(), KEY: {"$ref": "#/components/x-penstock-emulator"},
        }));
        let url = "http://localhost:9001".to_owned();
        assert_eq!(endpoint, Some(LambdaEndpoint { url, function_name: String::new(), unsigned: true }));
        assert_eq!(warnings, [""; 0]);
        assert_eq!(read_endpoint(&json!({INTEGRATION: function(), KEY: null})), (None, Vec::new()));
    }

    #[test]
    fn what_is_ignored_is_said() {
        let within =
            json!({"type": "aws_proxy", "httpMethod": "POST", "uri": URI, "lambdaEndpoint": {"url": "http://x"}});
        let place = format!("/paths/~1/post/{INTEGRATION}/lambdaEndpoint");
        let said = format!("{place}: \"lambdaEndpoint\" stands beside an integration, as {KEY}: ignored");
        assert_eq!(read_endpoint(&json!({INTEGRATION: within})), (None, vec![said]));

        let endpoint = json!({"url": "http://x", "name": "f"});
        let said = format!("/paths/~1/post/{KEY}/name: \"name\" is not a key of a function's endpoint: ignored");
        assert_eq!(read_endpoint(&json!({INTEGRATION: function(), KEY: endpoint})).1, [said]);

        let (_, warnings) = read_endpoint(&json!({KEY: {"url": "http://x"}}));
        let said = format!("/paths/~1/post/{KEY}: ignored: no integration stands beside it");
        assert!(warnings.contains(&said), "{warnings:?}");

        let (_, warnings) = read_endpoint(&json!({INTEGRATION: function(), "x-penstock-lambda-endpont": {}}));
        let said = "/paths/~1/post/x-penstock-lambda-endpont: ignored: \"x-penstock-lambda-endpont\" is not a known \
                    extension";
        assert_eq!(warnings, [said]);
    }

    #[test]
    fn what_is_wrong_is_said_at_its_place() {
        let refused = |endpoint: Value| {
            let refused = imported(&json!({INTEGRATION: function(), KEY: endpoint})).unwrap_err();
            refused.into_iter().map(|v| (v.field, v.description)).collect::<Vec<_>>()
        };
        let place = format!("/paths/~1/post/{KEY}");
        let text = "must be an object, and it is text".to_owned();
        assert_eq!(refused(json!("http://localhost:9001")), [(place.clone(), text)]);
        let wrong = refused(json!({"url": ["http://x"], "functionName": {"Ref": "F"}, "unsigned": "maybe"}));
        let places: Vec<_> = wrong.iter().map(|(place, _)| place.as_str()).collect();
        let expected = ["url", "functionName", "unsigned"].map(|key| format!("{place}/{key}"));
        assert_eq!(places, expected);
        // What only the rules know leads to the same places, also where there is no key.
        let wrong = refused(json!({"functionName": "a/b"}));
        let places: Vec<_> = wrong.iter().map(|(place, _)| place.as_str()).collect();
        assert_eq!(places, [format!("{place}/url"), format!("{place}/functionName")]);

        let http = json!({"type": "http_proxy", "httpMethod": "GET", "uri": "http://x/"});
        let refused = imported(&json!({INTEGRATION: http, KEY: {"url": "http://x"}})).unwrap_err();
        assert_eq!(refused.as_slice()[0].field, place);
    }
}
