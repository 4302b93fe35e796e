//! What an exported document looks like: the keys of its standard, ours only where asked for, and its file name.

use penstock_model::definition::ApiDefinition;
use penstock_model::openapi::{Encoding, ExportOptions, Format, ImportOptions, export, import};
use serde_json::{Value, json};

fn sample() -> ApiDefinition {
    let mut count = 0;
    let mut new_id = || {
        count += 1;
        format!("n{count}")
    };
    let document = include_bytes!("documents/proxy.yaml");
    import(document, &ImportOptions::default(), &mut new_id).expect("the sample is in order").definition
}

fn exported(options: &ExportOptions<'_>) -> Value {
    serde_json::from_slice(&export(&sample(), options).document).expect("export writes JSON")
}

#[test]
fn an_exported_document_has_the_shape_of_its_standard() {
    let oas30 = exported(&ExportOptions { extensions: true, stage: Some("prod"), ..ExportOptions::default() });
    assert_eq!(oas30["openapi"], "3.0.1");
    assert_eq!(oas30["servers"][0]["url"], "https://n1.execute-api.localhost/{basePath}");
    assert_eq!(oas30["servers"][0]["variables"]["basePath"]["default"], "prod");
    let endpoint = json!({"disableExecuteApiEndpoint": true});
    assert_eq!(oas30["servers"][0]["x-amazon-apigateway-endpoint-configuration"], endpoint);
    let any = &oas30["paths"]["/{proxy+}"]["x-amazon-apigateway-any-method"];
    assert_eq!(
        any["parameters"],
        json!([
            {"name": "X-Trace", "in": "header", "schema": {"type": "string"}},
            {"name": "proxy", "in": "path", "required": true, "schema": {"type": "string"}},
        ])
    );
    assert_eq!(
        any["x-amazon-apigateway-integration"],
        json!({
            "type": "http_proxy", "httpMethod": "ANY", "uri": "http://upstream.internal:8080/{proxy}",
            "requestParameters": {
                "integration.request.header.X-Trace": "method.request.header.X-Trace",
                "integration.request.path.proxy": "method.request.path.proxy",
            },
            "passthroughBehavior": "when_no_templates", "timeoutInMillis": 60_000,
        })
    );
    assert_eq!(oas30["paths"]["/images"]["post"]["responses"]["200"]["description"], "200 response");
    assert_eq!(oas30["components"]["schemas"], json!({"Image": {"type": "object"}}));
    assert_eq!(oas30["x-amazon-apigateway-binary-media-types"], json!(["*/*"]));

    let swagger = exported(&ExportOptions {
        format: Format::Swagger,
        extensions: true,
        stage: Some("prod"),
        ..ExportOptions::default()
    });
    assert_eq!((&swagger["swagger"], &swagger["basePath"]), (&json!("2.0"), &json!("/prod")));
    assert_eq!(swagger["x-amazon-apigateway-endpoint-configuration"], endpoint);
    let parameters = &swagger["paths"]["/{proxy+}"]["x-amazon-apigateway-any-method"]["parameters"];
    assert_eq!(parameters[0], json!({"name": "X-Trace", "in": "header", "required": false, "type": "string"}));
    assert_eq!(swagger["definitions"], json!({"Image": {"type": "object"}}));
}

#[test]
fn without_extensions_no_key_of_ours_remains() {
    for format in [Format::Oas30, Format::Swagger] {
        let document = exported(&ExportOptions { format, ..ExportOptions::default() });
        assert!(!document.to_string().contains("x-amazon"), "{document}");
        let verbs: Vec<_> = document["paths"]["/{proxy+}"].as_object().unwrap().keys().cloned().collect();
        assert_eq!(verbs, ["delete", "get", "head", "options", "patch", "post", "put"]);
    }
}

#[test]
fn files_are_named_after_format_and_version() {
    let mut api = sample();
    let name = |api: &ApiDefinition, options: &ExportOptions<'_>| {
        let exported = export(api, options);
        (exported.file_name, exported.content_type)
    };
    assert_eq!(name(&api, &ExportOptions::default()), ("oas30_1.1.json".to_owned(), "application/json"));
    api.rest_api.version = "../a b".to_owned();
    let yaml = ExportOptions { format: Format::Swagger, encoding: Encoding::Yaml, ..ExportOptions::default() };
    assert_eq!(name(&api, &yaml), ("swagger_.._a_b.yaml".to_owned(), "application/yaml"));
    api.rest_api.version.clear();
    assert_eq!(name(&api, &ExportOptions::default()).0, "oas30.json");
    let dated = ExportOptions { version: Some("2026-11-22"), ..ExportOptions::default() };
    assert_eq!(name(&api, &dated).0, "oas30_2026-11-22.json");
}
