//! The commands against a real control plane: stories of an operator, and what a script can rely on.

#![allow(clippy::unwrap_used)] // Nothing but tests, their helpers included.

mod support;

use std::fs;

use serde_json::{Value, json};
use support::{ControlPlane, directory, text};

const DEMO: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/demo-api.yaml");

const BY_HAND: &[&[&str]] = &[
    &["api", "create", "image-api", "--binary-media-type", "image/jpeg"],
    &["resource", "create", "image-api", "/images/{id}", "--parents"],
    &["method", "create", "image-api", "/images/{id}", "get", "--request-parameter", "method.request.path.id=true"],
    &[
        "integration",
        "put",
        "image-api",
        "/images/{id}",
        "GET",
        "--type",
        "HTTP_PROXY",
        "--http-method",
        "GET",
        "--uri",
        "http://${stageVariables.host}/{id}",
        "--request-parameter",
        "integration.request.path.id=method.request.path.id",
        "--timeout-ms",
        "500",
    ],
    &["deploy", "image-api", "--stage", "prod", "--variable", "host=10.0.0.7:9000", "--description", "first"],
    &["domain", "create", "*"],
    &["domain", "map", "*", "image-api", "--stage", "prod", "--base-path", "v1"],
];

fn by_hand(control_plane: &ControlPlane) {
    for arguments in BY_HAND {
        control_plane.say(arguments);
    }
}

fn items(answer: &Value) -> &Vec<Value> {
    answer["items"].as_array().unwrap()
}

#[test]
fn an_api_by_hand_becomes_a_route() {
    let control_plane = ControlPlane::start("commands-by-hand");
    by_hand(&control_plane);
    let routes = control_plane.json(&["routes", "image-api"]);
    let route = &items(&routes)[0];
    assert_eq!((&route["httpMethod"], &route["path"]), (&json!("GET"), &json!("/images/{id}")));
    assert_eq!(route["uri"], "http://10.0.0.7:9000/{id}");
    assert!(route["baseUrls"].as_array().unwrap().contains(&json!("*/v1")), "{route}");
    assert_eq!(route["problem"], "");
    let table = control_plane.say(&["routes"]);
    assert!(table.starts_with("API") && table.contains("image-api") && table.lines().count() == 2, "{table}");
    let resources = control_plane.say(&["resource", "list", "image-api"]);
    let paths: Vec<_> = resources.lines().skip(1).map(|line| line.split(' ').next().unwrap()).collect();
    assert_eq!(paths, ["/", "/images", "/images/{id}"]);
    let config = control_plane.json(&["config"]);
    assert_eq!((&config["bundleCount"], &config["routeCount"]), (&json!(1), &json!("1")));
    assert_eq!(control_plane.json(&["nodes"])["version"], config["version"]);
    control_plane.stop();
}

#[test]
fn an_integration_goes_through_a_file_unchanged() {
    let control_plane = ControlPlane::start("commands-integration");
    by_hand(&control_plane);
    let place = ["image-api", "/images/{id}", "GET"];
    let get = [&["integration", "get"][..], &place, &["--output", "json"]].concat();
    let stored = control_plane.say(&get);
    let output =
        control_plane.run_with_input(&[&["integration", "put"][..], &place, &["--file", "-"]].concat(), &stored);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let mut before: Value = serde_json::from_str(&stored).unwrap();
    let mut after: Value = serde_json::from_str(&control_plane.say(&get)).unwrap();
    for integration in [&mut before, &mut after] {
        integration.as_object_mut().unwrap().remove("revision");
    }
    assert_eq!(before, after);
    assert_eq!(after["timeoutInMillis"], 500);
    control_plane.say(&[&["integration", "delete"][..], &place].concat());
    control_plane.fails(&get, 3);
    control_plane.stop();
}

#[test]
fn a_function_is_invoked_at_an_endpoint_of_its_own() {
    let control_plane = ControlPlane::start("commands-function");
    by_hand(&control_plane);
    let place = ["image-api", "/images/{id}", "GET"];
    let uri = "arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/arn:aws:lambda:us-east-1:123456789012:\
               function:resize/invocations";
    let put = |endpoint: &[&'static str]| {
        let function = ["--type", "AWS_PROXY", "--http-method", "POST", "--uri", uri];
        [&["integration", "put"][..], &place, &function, endpoint].concat()
    };
    control_plane.say(&put(&["--lambda-endpoint", "http://localhost:9000", "--lambda-function-name", "resize"]));
    let shown = control_plane.say(&[&["integration", "get"][..], &place].concat());
    assert!(shown.contains("http://localhost:9000, as resize"), "{shown}");
    let stored = control_plane.json(&[&["integration", "get"][..], &place].concat());
    let expected = json!({"url": "http://localhost:9000", "functionName": "resize", "unsigned": false});
    assert_eq!(stored["lambdaEndpoint"], expected);
    let file = control_plane.say(&[&["integration", "get"][..], &place, &["--output", "json"]].concat());
    let back = [&["integration", "put"][..], &place, &["--file", "-"]].concat();
    assert!(control_plane.run_with_input(&back, &file).status.success());

    let said = control_plane.fails(&put(&["--lambda-endpoint", "localhost:9000"]), 5);
    assert!(said.contains("lambdaEndpoint.url") && said.contains("must start with http://"), "{said}");
    assert_eq!(control_plane.json(&[&["integration", "get"][..], &place].concat())["lambdaEndpoint"], expected);
    control_plane.say(&put(&[]));
    let unset = control_plane.json(&[&["integration", "get"][..], &place].concat());
    assert!(unset.get("lambdaEndpoint").is_none(), "{unset}");
    control_plane.stop();
}

#[test]
fn responses_are_declared_and_taken_back() {
    let control_plane = ControlPlane::start("commands-responses");
    by_hand(&control_plane);
    let place = ["image-api", "/images/{id}", "GET", "200"];
    let header = "method.response.header.Content-Type";
    let mapping = format!("{header}=integration.response.header.Content-Type");
    control_plane
        .say(&[&["method", "put-response"][..], &place, &["--parameter", &format!("{header}=false")]].concat());
    control_plane.say(&[&["integration", "put-response"][..], &place, &["--parameter", &mapping]].concat());
    let method = control_plane.json(&["method", "get", "image-api", "/images/{id}", "GET"]);
    assert_eq!(method["methodResponses"]["200"]["responseParameters"][header], false);
    let responses = &method["methodIntegration"]["integrationResponses"];
    assert_eq!(responses["200"]["responseParameters"][header], "integration.response.header.Content-Type");
    control_plane.say(&[&["integration", "delete-response"][..], &place].concat());
    control_plane.say(&[&["method", "delete-response"][..], &place].concat());
    control_plane.fails(&[&["method", "delete-response"][..], &place].concat(), 3);
    control_plane.stop();
}

#[test]
fn the_gateways_own_answers_are_customised_and_return() {
    let control_plane = ControlPlane::start("commands-gateway-responses");
    control_plane.say(&["api", "create", "image-api"]);
    let (noun, api, kind) = ("gateway-response", "image-api", "MISSING_AUTHENTICATION_TOKEN");
    let header = "gatewayresponse.header.X-Reason='none'";
    let put = [noun, "put", api, kind, "--status-code", "404", "--parameter", header, "--template", "text/plain=no"];
    let response = control_plane.json(&put);
    assert_eq!((&response["statusCode"], &response["defaultResponse"]), (&json!("404"), &json!(false)));
    assert_eq!(response["responseTemplates"], json!({"text/plain": "no"}));
    assert_eq!(control_plane.json(&[noun, "get", api, &kind.to_lowercase()]), response);
    let shown = control_plane.say(&[noun, "get", api, kind]);
    assert!(shown.contains("gatewayresponse.header.X-Reason = 'none'"), "{shown}");
    assert_eq!(items(&control_plane.json(&[noun, "list", api])).len(), 21);
    let table = control_plane.say(&[noun, "list", api]);
    let row = table.lines().find(|line| line.starts_with(kind)).unwrap();
    assert_eq!(row.split_whitespace().collect::<Vec<_>>(), [kind, "404", "yes", "X-Reason", "text/plain"]);

    control_plane.say(&[noun, "delete", api, kind]);
    assert_eq!(control_plane.json(&[noun, "get", api, kind])["statusCode"], "403");
    let said = control_plane.fails(&[noun, "delete", api, kind], 3);
    assert!(said.contains("Gateway response type not defined on api"), "{said}");
    control_plane.fails(&[noun, "get", api, "DEFAULT_3XX"], 5);
    control_plane.fails(&[noun, "put", api, kind, "--revision", "77"], 4);
    control_plane.stop();
}

#[test]
fn a_document_is_registered_replaced_and_written_out() {
    let control_plane = ControlPlane::start("commands-import");
    let import =
        ["api", "import", DEMO, "--stage", "demo", "--auto-deploy", "--variable", "resizer=h:1", "--domain", "*"];
    let first = control_plane.json(&import);
    assert_eq!(first["stage"]["variables"]["resizer"], "h:1");
    assert_eq!(first["deployment"]["routeCount"], 3);
    let again = control_plane.json(&[&import[..], &["--replace-by-name"]].concat());
    assert_eq!(first["restApi"]["id"], again["restApi"]["id"]);
    assert_eq!(items(&control_plane.json(&["api", "list"])).len(), 1);

    let file = directory("commands-import-out").join("api.json");
    let path = file.to_str().unwrap();
    control_plane.say(&["api", "export", "Image API", "--stage", "demo", "--file", path]);
    let document: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
    assert_eq!(document["openapi"], "3.0.1");
    assert!(document["paths"]["/images"]["post"]["x-amazon-apigateway-integration"].is_object(), "{document}");
    let plain = control_plane.say(&["api", "export", "Image API", "--format", "swagger", "--without-extensions"]);
    assert!(plain.contains("\"swagger\": \"2.0\"") && !plain.contains("x-amazon-apigateway-integration"), "{plain}");

    control_plane.say(&["api", "import", path, "--put", "Image API", "--mode", "overwrite"]);
    assert_eq!(items(&control_plane.json(&["routes"])).len(), 3);
    control_plane.stop();
}

#[test]
fn the_shapes_of_the_aws_documentation_are_applied_with_warnings() {
    let control_plane = ControlPlane::start("commands-apply");
    control_plane.say(&["api", "create", "image-api"]);
    let types = r#"{"binaryMediaTypes":["image/jpeg","image/png","application/octet-stream"]}"#;
    let output = control_plane.run_with_input(&["api", "apply", "image-api", "-"], types);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(text(&output.stdout).contains("image/png"), "{}", text(&output.stdout));

    let lambda = r#"{"ContentHandling":"PASSTHROUGH","Type":"HTTP_PROXY","IntegrationResponse":{"ContentHandling":
        "PASSTHROUGH","ResponseParameters":{"integration.response.header.Content-Type":
        "method.response.header.Content-Type"},"ResponseTemplates":{},"StatusCode":"200"},"RequestParameters":{},
        "RequestTemplates":{},"Uri":"arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/arn:aws:lambda:us-east-1:123456789012:function:my-image-processor/invocations"}"#;
    let place = ["--path", "/images", "--method", "POST"];
    let output = control_plane.run_with_input(&[&["api", "apply", "image-api", "-"][..], &place].concat(), lambda);
    let said = text(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert!(said.lines().count() >= 2 && said.lines().all(|line| line.starts_with("warning: ")), "{said}");
    let integration = control_plane.json(&["integration", "get", "image-api", "/images", "POST"]);
    assert_eq!(integration["type"], "AWS");
    control_plane.stop();
}

#[test]
fn a_stage_goes_back_and_forth() {
    let control_plane = ControlPlane::start("commands-stage");
    by_hand(&control_plane);
    let current = || control_plane.json(&["stage", "get", "image-api", "prod"])["deploymentId"].clone();
    let first = current();
    control_plane.fails(&["stage", "rollback", "image-api", "prod"], 3);
    let second = control_plane.json(&["deploy", "image-api", "--stage", "prod"])["id"].clone();
    assert_eq!(current(), second);
    control_plane.say(&["stage", "rollback", "image-api", "prod"]);
    assert_eq!(current(), first);
    control_plane.say(&["stage", "rollback", "image-api", "prod", "--to", second.as_str().unwrap()]);
    assert_eq!(current(), second);
    let listed = control_plane.say(&["deployment", "list", "image-api"]);
    let stages: Vec<_> = listed.lines().skip(1).map(|line| line.contains(" prod")).collect();
    assert_eq!(stages, [true, false], "{listed}");

    control_plane.say(&["stage", "update", "image-api", "prod", "--variable", "debug=1", "--auto-deploy"]);
    let stage = control_plane.json(&["stage", "get", "image-api", "prod"]);
    assert_eq!(stage["variables"], json!({"debug": "1", "host": "10.0.0.7:9000"}));
    let said = control_plane.run(&["stage", "rollback", "image-api", "prod", "--to", first.as_str().unwrap()]);
    assert!(text(&said.stderr).starts_with("warning: "), "{}", text(&said.stderr));

    let in_use = ["deployment", "delete", "image-api", first.as_str().unwrap()];
    control_plane.fails(&in_use, 4);
    control_plane.say(&["stage", "create", "image-api", "test"]);
    assert_eq!(items(&control_plane.json(&["stage", "list", "image-api"])).len(), 2);
    control_plane.fails(&["stage", "delete", "image-api", "prod"], 2);
    control_plane.fails(&["stage", "delete", "image-api", "prod", "--yes"], 4);
    control_plane.say(&["domain", "unmap", "*", "--base-path", "v1"]);
    control_plane.say(&["stage", "delete", "image-api", "prod", "--yes"]);
    control_plane.say(&in_use);
    control_plane.stop();
}

#[test]
fn exit_codes_tell_scripts_what_happened() {
    let control_plane = ControlPlane::start("commands-codes");
    by_hand(&control_plane);
    control_plane.fails(&["api", "get", "nothing"], 3);
    control_plane.fails(&["resource", "create", "image-api", "/a/b"], 3);
    control_plane.fails(&["domain", "unmap", "*", "--base-path", "v9"], 3);
    control_plane.fails(&["resource", "create", "image-api", "/images"], 4);
    control_plane.fails(&["domain", "create", "*"], 4);
    control_plane.fails(&["domain", "map", "*", "image-api", "--stage", "prod", "--base-path", "v1"], 4);
    control_plane.fails(&["api", "update", "image-api", "--description", "x", "--revision", "77"], 4);
    let said = control_plane.fails(&["api", "delete", "image-api", "--yes"], 4);
    assert!(said.contains("*/v1"), "{said}");
    let put = ["integration", "put", "image-api", "/images/{id}", "GET", "--type", "HTTP_PROXY", "--uri", "ftp://x"];
    let said = control_plane.fails(&[&put[..], &["--timeout-ms", "1"]].concat(), 5);
    let fields: Vec<_> = said.lines().skip(1).map(|line| line.trim().split(':').next().unwrap()).collect();
    assert_eq!(fields, ["httpMethod", "uri", "timeoutInMillis"], "{said}");
    control_plane.say(&["domain", "map", "*", "image-api", "--stage", "prod", "--base-path", "v1", "--replace"]);
    control_plane.say(&["api", "delete", "image-api", "--yes", "--force"]);
    assert!(items(&control_plane.json(&["domain", "mappings"])).is_empty());
    control_plane.stop();
}

#[test]
fn everything_can_be_taken_down_again() {
    let control_plane = ControlPlane::start("commands-down");
    by_hand(&control_plane);
    control_plane.say(&["method", "delete", "image-api", "/images/{id}", "GET"]);
    control_plane.say(&["resource", "delete", "image-api", "/images", "--yes"]);
    assert_eq!(items(&control_plane.json(&["resource", "list", "image-api"])).len(), 1);
    assert_eq!(items(&control_plane.json(&["routes"])).len(), 1, "the deployment serves on");
    control_plane.say(&["domain", "delete", "*", "--yes"]);
    assert!(items(&control_plane.json(&["domain", "list"])).is_empty());
    assert_eq!(control_plane.json(&["api", "delete", "image-api", "--yes"]), json!({}));
    assert!(items(&control_plane.json(&["routes"])).is_empty());
    assert_eq!(control_plane.say(&["api", "list"]).lines().count(), 1);
    control_plane.stop();
}

#[test]
fn a_shared_name_is_no_name() {
    let control_plane = ControlPlane::start("commands-names");
    let ids = [(); 2].map(|()| control_plane.json(&["api", "create", "twin"])["id"].as_str().unwrap().to_owned());
    let said = control_plane.fails(&["api", "delete", "twin", "--yes"], 2);
    assert!(ids.iter().all(|id| said.contains(id)), "{said}");
    control_plane.say(&["api", "delete", &ids[0], "--yes"]);
    assert_eq!(control_plane.json(&["api", "get", "twin"])["id"], ids[1]);
    control_plane.stop();
}

#[test]
fn lists_are_followed_over_many_pages() {
    let control_plane = ControlPlane::start("commands-pages");
    let paths: Vec<String> = (0..1100).map(|number| format!("\"/p{number}\": {{}}")).collect();
    let document = format!(
        r#"{{"openapi": "3.0.1", "info": {{"title": "wide", "version": "1"}}, "paths": {{{}}}}}"#,
        paths.join(",")
    );
    let output = control_plane.run_with_input(&["api", "import", "-"], &document);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert_eq!(items(&control_plane.json(&["resource", "list", "wide"])).len(), 1101);
    control_plane.stop();
}
