//! Documents as they come from the field, and exactly what import makes of each.

use penstock_model::definition::ApiDefinition;
use penstock_model::id::ResourceId;
use penstock_model::openapi::{BasePathMode, ImportOptions, Imported, import};
use penstock_model::validate;
use penstock_model::violation::Violations;
use serde_json::{Value, json};

fn try_import(document: &[u8], base_path_mode: BasePathMode) -> Result<Imported, Violations> {
    let mut count = 0;
    let mut new_id = || {
        count += 1;
        format!("id{count}")
    };
    import(document, &ImportOptions { base_path_mode }, &mut new_id)
}

fn imported(document: &str) -> Imported {
    match try_import(document.as_bytes(), BasePathMode::Ignore) {
        Ok(imported) => imported,
        Err(violations) => panic!("{}", lines(&violations)),
    }
}

fn lines(violations: &Violations) -> String {
    violations.as_slice().iter().map(|violation| format!("{violation}\n")).collect()
}

fn warnings(imported: &Imported) -> Vec<String> {
    imported.warnings.iter().map(|warning| format!("{}: {}", warning.field, warning.message)).collect()
}

/// One line for each method: verb, path, type, upstream.
fn routes(api: &ApiDefinition) -> Vec<String> {
    let path = |id: &ResourceId| api.resources.iter().find(|r| &r.id == id).map_or("?", |r| r.path.as_str());
    let line = |method: &penstock_model::method::Method| {
        let behind = method.integration.as_ref().map_or("-".to_owned(), |integration| {
            let verb = integration.http_method.map_or("-", |verb| verb.as_str());
            format!("{} {verb} {}", integration.kind.as_str(), integration.uri)
        });
        format!("{} {} -> {}", method.http_method, path(&method.resource_id), behind.trim_end())
    };
    api.methods.iter().map(line).collect()
}

fn method(api: &ApiDefinition, at: usize) -> Value {
    serde_json::to_value(&api.methods[at]).expect("methods have text keys")
}

#[test]
fn a_shop_with_every_kind_of_integration() {
    let imported = imported(include_str!("documents/shop.swagger.json"));
    let api = &imported.definition;
    assert_eq!(
        routes(api),
        [
            "GET /items -> HTTP GET https://${stageVariables.backend}/items",
            "POST /items -> AWS POST arn:aws:apigateway:eu-west-1:sqs:path/123456789012/items",
            "PUT /items/{itemId}/picture -> HTTP_PROXY PUT http://pictures.internal:9000/{id}",
            "GET /items/{itemId}/picture -> AWS_PROXY POST arn:aws:apigateway:eu-west-1:lambda:path/2015-03-31/functions/\
             arn:aws:lambda:eu-west-1:123456789012:function:picture/invocations",
            "GET /health -> -",
            "HEAD /health -> MOCK -",
        ]
    );
    assert_eq!(
        serde_json::to_value(&api.rest_api).unwrap(),
        json!({
            "id": "id1", "name": "Shop", "description": "Pictures of things on offer", "version": "2024-03-01",
            "binaryMediaTypes": ["image/png", "image/jpeg", "*/anything"], "fidelity": "TRANSPARENT",
            "minimumCompressionSize": 1024, "compressionMediaTypes": [], "acceptPolicy": "FIRST",
            "missingContentType": "JSON", "integrity": "OFF", "gatewayResponses": {
                "DEFAULT_4XX": {"statusCode": "400", "responseParameters": {}, "responseTemplates": {}},
            },
            "apiKeySource": "HEADER", "disableExecuteApiEndpoint": false,
            "rootResourceId": "id2", "tags": {"owner": "warehouse"}, "createdAtMs": 0, "revision": 0,
        })
    );
    let resources: Vec<_> = api.resources.iter().map(|r| (r.id.as_str(), r.path.as_str())).collect();
    assert_eq!(
        resources,
        [
            ("id2", "/"),
            ("id3", "/items"),
            ("id4", "/items/{itemId}"),
            ("id5", "/items/{itemId}/picture"),
            ("id6", "/health")
        ]
    );
    assert_eq!(method(api, 0), shop_list_items());
    let post = method(api, 1);
    assert_eq!(post["requestModels"], json!({"application/json": "Item", "application/xml": "Item"}));
    assert_eq!(post["integration"]["credentials"], json!("arn:aws:iam::123456789012:role/queue"));
    assert_eq!(post["integration"]["passthroughBehavior"], json!("NEVER"));
    let put = method(api, 2);
    assert_eq!(put["apiKeyRequired"], json!(true));
    assert_eq!(put["requestParameters"], json!({"method.request.path.itemId": true}));
    assert_eq!(put["integration"]["contentHandling"], json!("CONVERT_TO_BINARY"));
    assert_eq!(put["integration"]["connectionType"], json!("VPC_LINK"));
    assert_eq!(put["integration"]["connectionId"], json!("${stageVariables.link}"));
    assert_eq!(put["integration"]["responseTransferMode"], json!("STREAM"));
    assert_eq!(warnings(&imported).join("\n") + "\n", include_str!("documents/shop.warnings.txt"));
    let refused = validate::for_deployment(api);
    assert_eq!(refused.to_string(), "methods[GET /health].integration: No integration defined for method");
}

fn shop_list_items() -> Value {
    json!({
        "restApiId": "id1", "resourceId": "id3", "httpMethod": "GET", "authorizationType": "NONE",
        "apiKeyRequired": false, "operationName": "listItems",
        "requestParameters": {"method.request.header.X-Tenant": false, "method.request.querystring.page": false},
        "requestModels": {}, "authorizerId": "", "requestValidatorId": "", "authorizationScopes": [], "revision": 0,
        "methodResponses": {
            "200": {
                "statusCode": "200", "responseParameters": {"method.response.header.X-Total": false},
                "responseModels": {"application/json": "Items", "text/xml": "Items"}, "revision": 0,
            },
            "404": {
                "statusCode": "404", "responseParameters": {"method.response.header.X-Reason": false},
                "responseModels": {}, "revision": 0,
            },
        },
        "integration": {
            "type": "HTTP", "httpMethod": "GET", "uri": "https://${stageVariables.backend}/items",
            "connectionType": "INTERNET", "connectionId": "", "credentials": "",
            "requestParameters": {
                "integration.request.header.X-Static": "'shop'",
                "integration.request.header.X-Tenant": "method.request.header.X-Tenant",
                "integration.request.querystring.p": "method.request.querystring.page",
            },
            "requestTemplates": {}, "passthroughBehavior": "WHEN_NO_MATCH", "contentHandling": null,
            "timeoutInMillis": 3000, "cacheNamespace": "items",
            "cacheKeyParameters": ["method.request.querystring.page"],
            "tlsConfig": {"insecureSkipVerification": true, "serverNameToVerify": ""},
            "integrationResponses": {
                "200": {
                    "statusCode": "200", "selectionPattern": "",
                    "responseParameters": {"method.response.header.X-Total": "integration.response.header.X-Total-Count"},
                    "responseTemplates": {"application/json": "{\"items\": []}"},
                    "contentHandling": null, "revision": 0,
                },
                "404": {
                    "statusCode": "404", "selectionPattern": "4\\d{2}", "responseParameters": {},
                    "responseTemplates": {}, "contentHandling": "CONVERT_TO_TEXT", "revision": 0,
                },
            },
            "responseTransferMode": "BUFFERED", "payloadFormatVersion": "", "revision": 0,
        },
    })
}

#[test]
fn a_proxy_in_yaml_with_references_anchors_and_merge_keys() {
    let imported = imported(include_str!("documents/proxy.yaml"));
    let api = &imported.definition;
    assert_eq!(
        routes(api),
        [
            "GET / -> HTTP_PROXY GET http://upstream.internal:8080/",
            "ANY /{proxy+} -> HTTP_PROXY ANY http://upstream.internal:8080/{proxy}",
            "POST /images -> HTTP POST http://resizer:8000/resize?max=${stageVariables.max}",
        ]
    );
    assert_eq!(api.rest_api.version, "1.1", "an unquoted version is a number in YAML");
    assert!(api.rest_api.disable_execute_api_endpoint);
    assert_eq!(api.rest_api.binary_media_types, ["*/*"]);
    let home = method(api, 0);
    assert_eq!(home["integration"]["payloadFormatVersion"], json!("1.0"));
    let any = method(api, 1);
    assert_eq!(
        any["requestParameters"],
        json!({"method.request.header.X-Trace": false, "method.request.path.proxy": true})
    );
    assert_eq!(any["integration"]["passthroughBehavior"], json!("WHEN_NO_TEMPLATES"));
    assert_eq!(any["integration"]["timeoutInMillis"], json!(60_000));
    let images = method(api, 2);
    assert_eq!(images["requestModels"], json!({"application/json": "Image"}));
    assert_eq!(
        images["methodResponses"]["200"]["responseParameters"],
        json!({
            "method.response.header.Access-Control-Allow-Origin": false,
            "method.response.header.Content-Type": true,
        })
    );
    assert_eq!(images["methodResponses"]["200"]["responseModels"], json!({"application/json": "Image"}));
    assert_eq!(
        images["integration"]["integrationResponses"]["200"]["responseParameters"],
        json!({
            "method.response.header.Access-Control-Allow-Origin": "'*'",
            "method.response.header.Content-Type": "integration.response.header.Content-Type",
        })
    );
    assert_eq!(
        warnings(&imported),
        [
            "/servers/0/x-amazon-apigateway-endpoint-configuration/vpcEndpointIds: \"vpcEndpointIds\" means nothing outside \
             the cloud: ignored",
            "/components/schemas: models are not kept yet: only their names are",
            "/paths/~1{proxy+}/x-amazon-apigateway-any-method/parameters/2: cookies cannot be mapped: ignored",
        ]
    );
    assert!(validate::for_deployment(api).is_empty());
}

#[test]
fn base_paths_become_resources_when_asked() {
    let paths = |mode| {
        let imported = try_import(include_bytes!("documents/proxy.yaml"), mode).unwrap();
        routes(&imported.definition).iter().map(|r| r.split(" -> ").next().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(paths(BasePathMode::Ignore), ["GET /", "ANY /{proxy+}", "POST /images"]);
    assert_eq!(paths(BasePathMode::Prepend), ["GET /edge/v1", "ANY /edge/v1/{proxy+}", "POST /edge/v1/images"]);
    assert_eq!(paths(BasePathMode::Split), ["GET /v1", "ANY /v1/{proxy+}", "POST /v1/images"]);
    let shop = try_import(include_bytes!("documents/shop.swagger.json"), BasePathMode::Split).unwrap();
    assert!(routes(&shop.definition)[0].starts_with("GET /v2/items"));
}

#[test]
fn what_a_function_framework_deploys() {
    let imported = imported(include_str!("documents/sam.json"));
    let api = &imported.definition;
    let calls: Vec<_> = api
        .methods
        .iter()
        .map(|m| (m.http_method.as_str(), m.authorization_type.as_str(), m.authorizer_id.as_str()))
        .collect();
    assert_eq!(
        calls,
        [
            ("GET", "CUSTOM", "TokenAuthorizer"),
            ("OPTIONS", "NONE", ""),
            ("DELETE", "COGNITO_USER_POOLS", "Pool"),
            ("PUT", "AWS_IAM", ""),
        ]
    );
    assert_eq!(api.methods[2].authorization_scopes, ["thumbnails/write"]);
    assert_eq!(
        method(api, 1)["integration"]["integrationResponses"],
        json!({"200": {
            "statusCode": "200", "selectionPattern": "", "contentHandling": null, "revision": 0,
            "responseTemplates": {"application/json": "{}\n"},
            "responseParameters": {
                "method.response.header.Access-Control-Allow-Methods": "'GET,OPTIONS'",
                "method.response.header.Access-Control-Allow-Origin": "'*'",
            },
        }})
    );
    let unsupported = "ignored: authorizers are not supported yet: methods that ask for one are closed to everybody";
    let at = |scheme| format!("/components/securitySchemes/{scheme}/x-amazon-apigateway-authorizer: {unsupported}");
    let unsigned =
        |place| format!("{place}: signatures are not checked yet: methods that ask for one are closed to everybody");
    assert_eq!(
        warnings(&imported),
        [
            at("TokenAuthorizer"),
            at("Pool"),
            unsigned("/components/securitySchemes/sigv4"),
            unsigned("/paths/~1thumbnails~1{key}/put/x-amazon-apigateway-auth"),
        ]
    );
    assert!(validate::for_deployment(api).is_empty());
}

#[test]
fn error_patterns_and_preflights() {
    let imported = imported(include_str!("documents/preflight.yaml"));
    let api = &imported.definition;
    assert_eq!(
        routes(api),
        [
            "POST /notes -> AWS POST arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/\
             arn:aws:lambda:us-east-1:123456789012:function:dev-notes/invocations",
            "OPTIONS /notes -> MOCK -",
            "OPTIONS /notes/{id} -> MOCK -",
        ]
    );
    let responses = &api.methods[0].integration.as_ref().unwrap().integration_responses;
    let patterns: Vec<_> = responses.values().map(|r| (r.status_code.as_str(), r.selection_pattern.as_str())).collect();
    assert_eq!(
        patterns,
        [
            ("200", ""),
            ("400", r"[\s\S]*\[400\][\s\S]*"),
            ("500", r"[\s\S]*(Process\s?exited|Task\s?timed\s?out|\[500\])[\s\S]*"),
        ]
    );
    assert!(responses.values().all(|r| r.response_parameters.len() == 1));
    let lambda = method(api, 0);
    assert_eq!(lambda["integration"]["contentHandling"], Value::Null, "PASSTHROUGH is a spelling of unset");
    assert_eq!(lambda["integration"]["requestTemplates"]["application/json"], json!("{\"body\": null}\n"));
    assert_eq!(method(api, 2)["integration"]["requestTemplates"], json!({"application/json": "{statusCode:200}"}));
    assert_eq!(warnings(&imported), [""; 0]);
    assert!(validate::for_deployment(api).is_empty());
}

#[test]
fn an_http_api() {
    let imported = imported(include_str!("documents/http_api.yaml"));
    let api = &imported.definition;
    assert_eq!(
        routes(api),
        [
            "GET /notes/{id} -> AWS_PROXY POST arn:aws:apigateway:eu-central-1:lambda:path/2015-03-31/functions/\
             arn:aws:lambda:eu-central-1:123456789012:function:notes/invocations",
            "ANY /$default -> HTTP_PROXY ANY https://example.com/",
        ]
    );
    let get = method(api, 0);
    assert_eq!(get["integration"]["payloadFormatVersion"], json!("2.0"));
    assert_eq!(get["requestParameters"], json!({"method.request.path.id": true}));
    assert_eq!(get["authorizationType"], json!("CUSTOM"));
    assert_eq!(api.rest_api.tags["stage"], "beta");
    assert_eq!(
        warnings(&imported),
        [
            "/components/securitySchemes/jwt/x-amazon-apigateway-authorizer: ignored: authorizers are not supported yet: \
             methods that ask for one are closed to everybody",
            "/x-amazon-apigateway-cors: ignored: automatic CORS is not supported yet: add OPTIONS methods",
            "/paths/~1notes~1{id}/get/x-amazon-apigateway-integration/uri: is the ARN of a function: the ARN of its \
             invocation is taken instead",
            "/paths/~1$default/x-amazon-apigateway-any-method/isDefaultRoute: a default route is not supported: the path \
             is taken as it is written, use /{proxy+} instead",
        ]
    );
}

#[test]
fn every_violation_at_once_each_at_its_place() {
    let violations = try_import(include_bytes!("documents/broken.yaml"), BasePathMode::Ignore).unwrap_err();
    assert_eq!(lines(&violations), include_str!("documents/broken.expected.txt"));
}

#[test]
fn what_cannot_be_read_is_one_violation_without_a_place() {
    for (document, expected) in [
        ("", "Invalid OpenAPI input. the document is empty"),
        ("[]", "Invalid OpenAPI input. the document must be an object, and it is a list"),
        ("{}", "Invalid OpenAPI input. the document has neither \"swagger\" nor \"openapi\""),
        ("openapi: 4.0.0", "Invalid OpenAPI input. version \"4.0.0\" is not supported: use Swagger 2.0 or OpenAPI 3.0"),
        ("swagger: 1.2", "Invalid OpenAPI input. version \"1.2\" is not supported: use Swagger 2.0 or OpenAPI 3.0"),
        ("{\"openapi\": \"3.0.1\",\n]", "Invalid OpenAPI input. key must be a string at line 2 column 1"),
    ] {
        let violations = try_import(document.as_bytes(), BasePathMode::Ignore).unwrap_err();
        let found: Vec<_> = violations.as_slice().iter().map(|v| (v.field.as_str(), v.description.as_str())).collect();
        assert_eq!(found, [("", expected)]);
    }
}

#[test]
fn small_documents_and_newer_ones_are_read() {
    let small = imported("swagger: 2.0\ninfo: {title: t}\n");
    assert_eq!(warnings(&small), [": the document has no paths"]);
    assert_eq!(small.definition.resources.len(), 1);
    let newer = imported("openapi: 3.1.0\ninfo: {title: t, version: 1}\npaths: {}\n");
    assert_eq!(warnings(&newer), ["/openapi: OpenAPI 3.1 is read like 3.0: what is new in it is ignored"]);
}

#[test]
fn thousands_of_uses_of_one_long_template_are_refused() {
    let template = "x".repeat(200_000);
    let mut document = format!(
        "openapi: 3.0.1\ninfo: {{title: t}}\ncomponents:\n  x-amazon-apigateway-integrations:\n    big: {{type: mock, \
         requestTemplates: {{a/b: {template}}}}}\npaths:\n"
    );
    for at in 0..1000 {
        document.push_str(&format!(
            "  /p{at}: {{get: {{x-amazon-apigateway-integration: {{$ref: '#/components/x-amazon-apigateway-integrations/big'}}}}}}\n"
        ));
    }
    let violations = try_import(document.as_bytes(), BasePathMode::Ignore).unwrap_err();
    assert!(violations.as_slice()[0].description.contains("stand for more than"), "{}", violations.as_slice()[0]);
    let last = violations.as_slice().last().unwrap();
    assert!(last.description.ends_with("more violations are not listed"), "{last}");
}
