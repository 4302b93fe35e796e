//! `x-amazon-apigateway-gateway-responses` (sections e.7 and i.1), in and out. What an entry may say is
//! [`crate::validate`]'s subject.

use super::document::kind;
use super::fields::{Fields, as_written};
use super::report::{Place, Report, shown};
use crate::gateway_response::CustomGatewayResponse;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// The key of the document.
pub(super) const KEY: &str = "x-amazon-apigateway-gateway-responses";

/// Reads the value of [`KEY`]: type to customisation.
pub(super) fn read(value: &Value, place: &Place<'_>, report: &mut Report) -> BTreeMap<String, CustomGatewayResponse> {
    let Value::Object(entries) = value else {
        report.violation(place, format!("must be an object, and it is {}", kind(value)));
        return BTreeMap::new();
    };
    let mut all = BTreeMap::new();
    for (name, value) in entries {
        let place = place.key(name);
        match value {
            Value::Object(entry) => drop(all.insert(name.clone(), read_entry(entry, &place, report))),
            // A null counts as absent everywhere in a document.
            Value::Null => {}
            other => report.violation(place, format!("must be an object, and it is {}", kind(other))),
        }
    }
    all
}

fn read_entry(entry: &Map<String, Value>, place: &Place<'_>, report: &mut Report) -> CustomGatewayResponse {
    let mut fields = Fields::new(entry, place, as_written, report);
    let custom = CustomGatewayResponse {
        status_code: fields.text("statusCode", report).unwrap_or_default(),
        response_parameters: fields.texts("responseParameters", report),
        response_templates: fields.texts("responseTemplates", report),
    };
    for (place, key) in fields.rest() {
        report.warning(place, format!("{:?} is not a key of a gateway response: ignored", shown(key)));
    }
    custom
}

/// Writes what [`read`] reads.
pub(super) fn write(all: &BTreeMap<String, CustomGatewayResponse>) -> Value {
    let entry = |custom: &CustomGatewayResponse| {
        let mut entry = Map::new();
        if !custom.status_code.is_empty() {
            entry.insert("statusCode".to_owned(), custom.status_code.clone().into());
        }
        for (key, texts) in
            [("responseParameters", &custom.response_parameters), ("responseTemplates", &custom.response_templates)]
        {
            if !texts.is_empty() {
                let texts: Map<String, Value> =
                    texts.iter().map(|(name, text)| (name.clone(), text.clone().into())).collect();
                entry.insert(key.to_owned(), texts.into());
            }
        }
        Value::from(entry)
    };
    Value::from(all.iter().map(|(name, custom)| (name.clone(), entry(custom))).collect::<Map<_, _>>())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::openapi::{ImportOptions, Imported, import};
    use crate::violation::Violations;
    use serde_json::json;

    fn imported(responses: &Value) -> Result<Imported, Violations> {
        let mut count = 0;
        let mut new_id = || {
            count += 1;
            format!("n{count}")
        };
        let document = json!({"openapi": "3.0.1", "info": {"title": "t", "version": "1"}, "paths": {}, KEY: responses});
        import(document.to_string().as_bytes(), &ImportOptions::default(), &mut new_id)
    }

    #[test]
    fn entries_are_kept_as_written_and_written_as_kept() {
        let responses = json!({
            "DEFAULT_4XX": {"responseParameters": {"gatewayresponse.header.Access-Control-Allow-Origin": "'*'"}},
            "MISSING_AUTHENTICATION_TOKEN": {
                "statusCode": "404",
                "responseTemplates": {"application/json": "{\"message\":$context.error.messageString}"},
            },
            "THROTTLED": {},
        });
        let imported = imported(&responses).expect("nothing is wrong with it");
        assert_eq!(imported.warnings, []);
        let all = imported.definition.rest_api.gateway_responses;
        assert_eq!(all["MISSING_AUTHENTICATION_TOKEN"].status_code, "404");
        assert_eq!(all["THROTTLED"], CustomGatewayResponse::default());
        assert_eq!(write(&all), responses);
    }

    #[test]
    fn a_number_is_a_status_and_what_means_nothing_is_said() {
        let responses = json!({
            "THROTTLED": {"statusCode": 420, "sparkle": 1, "responseTemplates": {"text/plain": null, "text/html": "x"}},
            "UNAUTHORIZED": null,
        });
        let imported = imported(&responses).expect("nothing is wrong with it");
        let places: Vec<_> = imported.warnings.iter().map(|warning| warning.field.as_str()).collect();
        let entry = "/x-amazon-apigateway-gateway-responses/THROTTLED";
        assert_eq!(places, [format!("{entry}/responseTemplates/text~1plain"), format!("{entry}/sparkle")]);
        let all = imported.definition.rest_api.gateway_responses;
        assert_eq!((all.len(), all["THROTTLED"].status_code.as_str()), (1, "420"));
    }

    #[test]
    fn what_is_wrong_is_refused_with_its_place() {
        let responses = json!({
            "DEFAULT_3XX": {},
            "THROTTLED": {"statusCode": "4xx", "responseParameters": {"gatewayresponse.header.X": "wrong"}},
            "UNAUTHORIZED": "401",
            "WAF_FILTERED": {"responseTemplates": {"text/plain": ""}},
        });
        let found = imported(&responses).expect_err("five things are wrong");
        let places: Vec<_> = found.as_slice().iter().map(|violation| violation.field.as_str()).collect();
        let below = |rest: &str| format!("/{KEY}/{rest}");
        assert_eq!(
            places,
            [
                below("UNAUTHORIZED"),
                below("DEFAULT_3XX"),
                below("THROTTLED/statusCode"),
                below("THROTTLED/responseParameters/gatewayresponse.header.X"),
                below("WAF_FILTERED/responseTemplates/text~1plain"),
            ]
        );
        let found = imported(&json!([])).expect_err("a list is no object");
        assert_eq!(found.to_string(), format!("/{KEY}: must be an object, and it is a list"));
    }
}
