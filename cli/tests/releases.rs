//! Canaries and method settings, as an operator types them.

#![allow(clippy::unwrap_used)] // Nothing but tests, their helpers included.

mod support;

use serde_json::{Value, json};
use support::{ControlPlane, text};

/// An API with one route, deployed on the stage `prod`.
fn served(control_plane: &ControlPlane) {
    let method = ["images", "/", "GET"];
    let uri = "http://${stageVariables.host}/";
    control_plane.say(&["api", "create", "images"]);
    control_plane.say(&[&["method", "create"][..], &method].concat());
    let put = ["--type", "HTTP_PROXY", "--http-method", "GET", "--uri", uri];
    control_plane.say(&[&["integration", "put"][..], &method, &put].concat());
    control_plane.say(&["deploy", "images", "--stage", "prod", "--variable", "host=a.test"]);
}

fn stage(control_plane: &ControlPlane) -> Value {
    control_plane.json(&["stage", "get", "images", "prod"])
}

#[test]
fn a_canary_is_deployed_grown_promoted_and_removed() {
    let control_plane = ControlPlane::start("releases-canary");
    served(&control_plane);
    let first = stage(&control_plane)["deploymentId"].clone();
    let deploy = ["deploy", "images", "--stage", "prod"];
    let said = control_plane.say(&[&deploy[..], &["--canary", "2.5", "--canary-variable", "host=b.test"]].concat());
    assert!(said.starts_with("Deployed images to 2.5 % of the stage prod: 1 route (deployment "), "{said}");
    let stage_now = stage(&control_plane);
    let (canary, second) = (&stage_now["canarySettings"], &stage_now["canarySettings"]["deploymentId"]);
    assert_eq!((&stage_now["deploymentId"], &canary["percentTraffic"]), (&first, &json!(2.5)));
    assert_eq!(canary["stageVariableOverrides"], json!({"host": "b.test"}));
    let said = control_plane.fails(&deploy, 4);
    assert!(said.contains("Stage prod has a canary"), "{said}");

    let second = second.as_str().unwrap();
    let share = format!("2.5 % to {second}");
    let shown = control_plane.say(&["stage", "get", "images", "prod"]);
    assert!(shown.contains(&share) && shown.contains("host = b.test"), "{shown}");
    let listed = control_plane.say(&["stage", "list"]);
    assert!(listed.contains("CANARY") && listed.contains(&share), "{listed}");
    let listed = control_plane.say(&["deployment", "list", "images"]);
    assert!(listed.lines().nth(1).unwrap().contains(" prod(canary)"), "{listed}");
    control_plane.fails(&["deployment", "delete", "images", second], 4);

    let set = ["stage", "canary", "set", "images", "prod"];
    let said = control_plane.say(&[&set[..], &["--percent", "50", "--variable", "added=x"]].concat());
    assert_eq!(said, format!("The canary of the stage prod of images: 50 % to {second}.\n"));
    control_plane.fails(&[&set[..], &["--percent", "101"]].concat(), 5);
    control_plane.fails(&[&set[..], &["--percent", "1", "--revision", "1"]].concat(), 4);
    control_plane.fails(&set, 2);
    let output = control_plane.run(&["stage", "rollback", "images", "prod", "--to", second]);
    assert!(text(&output.stderr).contains("the canary stays as it is: 50 % to"), "{}", text(&output.stderr));
    control_plane.say(&["stage", "rollback", "images", "prod"]);
    assert_eq!(stage(&control_plane)["deploymentId"], first);

    let said = control_plane.say(&["stage", "canary", "promote", "images", "prod"]);
    let promoted =
        format!("The stage prod of images serves the deployment {second} to all. Its canary stays, with 0 %.\n");
    assert_eq!(said, promoted);
    let stage_now = stage(&control_plane);
    assert_eq!(
        (&stage_now["deploymentId"], &stage_now["canarySettings"]["percentTraffic"]),
        (&json!(second), &json!(0.0))
    );
    assert_eq!(stage_now["variables"], json!({"added": "x", "host": "b.test"}));
    let removed = control_plane.json(&["stage", "canary", "remove", "images", "prod"]);
    assert_eq!((&removed["canarySettings"], &removed["deploymentId"]), (&Value::Null, &json!(second)));
    control_plane.fails(&["stage", "canary", "remove", "images", "prod"], 3);
    control_plane.fails(&["stage", "canary", "promote", "images", "prod"], 4);
    control_plane.say(&deploy);
    control_plane.stop();
}

#[test]
fn a_canary_needs_a_stage_and_no_variables_of_a_new_one() {
    let control_plane = ControlPlane::start("releases-usage");
    served(&control_plane);
    let said = control_plane.fails(&["deploy", "images", "--stage", "none", "--canary", "1"], 5);
    assert!(said.contains("Stage none must already be created before making a canary release deployment"), "{said}");
    let deploy = ["deploy", "images", "--stage", "prod"];
    control_plane.fails(&[&deploy[..], &["--canary", "1", "--variable", "a=b"]].concat(), 2);
    control_plane.fails(&[&deploy[..], &["--canary-variable", "a=b"]].concat(), 2);
    control_plane.stop();
}

#[test]
fn settings_of_methods_are_set_shown_and_removed() {
    let control_plane = ControlPlane::start("releases-settings");
    served(&control_plane);
    let update = ["stage", "update", "images", "prod"];
    let settings =
        ["--method-setting", "*/*:metrics/enabled=true", "--method-setting", "//GET:throttling/rateLimit=2.5"];
    control_plane.say(&[&update[..], &settings].concat());
    control_plane.say(&[&update[..], &["--method-setting", "//GET:throttling/burstLimit=7"]].concat());
    let stored = stage(&control_plane)["methodSettings"].clone();
    assert_eq!((&stored["*/*"]["metricsEnabled"], &stored["*/*"]["cacheTtlInSeconds"]), (&json!(true), &json!(300)));
    let get = &stored["//GET"];
    assert_eq!((&get["throttlingRateLimit"], &get["throttlingBurstLimit"]), (&json!(2.5), &json!(7)));
    let shown = control_plane.say(&["stage", "get", "images", "prod"]);
    assert!(shown.contains("*/*: metrics/enabled ") && shown.contains("//GET: "), "{shown}");
    let said = control_plane.fails(&[&update[..], &["--method-setting", "GET:metrics/enabled=true"]].concat(), 5);
    assert!(said.contains("methodSettings[GET]"), "{said}");
    control_plane.fails(&[&update[..], &["--method-setting", "*/*:metrics=true"]].concat(), 2);
    control_plane.say(&[&update[..], &["--remove-method-setting", "*/*"]].concat());
    let left: Vec<_> = stage(&control_plane)["methodSettings"].as_object().unwrap().keys().cloned().collect();
    assert_eq!(left, ["//GET"]);
    control_plane.stop();
}
