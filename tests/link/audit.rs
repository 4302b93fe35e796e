//! The audit log: every change with who, what, before and after, and nothing of what was denied.

use crate::setup::{Scratch, access_file, control, done, failed, http, token};
use serde_json::Value;

fn entries(address: &str, flags: &[&str], filter: &[&str]) -> Vec<Value> {
    let line = [flags, &["audit", "--output", "json"], filter].concat();
    let listed: Value = serde_json::from_str(&done(address, &line)).unwrap();
    listed["items"].as_array().unwrap().clone()
}

#[test]
fn every_change_is_noted_with_who_and_what_before_and_after() {
    let scratch = Scratch::new();
    let access = scratch.write("access", &access_file(&[("eve", "viewer"), ("ed", "editor"), ("ada", "admin")]));
    let running = control(&scratch, &["--access-file", &access]);
    let address = http(&running);
    let files = ["eve", "ed", "ada"].map(|name| scratch.write(name, &token(name)));
    let [eve, ed, ada] = [0, 1, 2].map(|at| ["--token-file", files[at].as_str()]);
    let run = |who: &[&str], line: &[&str]| done(&address, &[who, line].concat());
    let document = harness::world::document("shop", &[("GET", "/a", "http://up.example/".to_owned())]);
    let file = scratch.write("shop.json", &document.to_string());
    run(&ed, &["api", "import", &file, "--stage", "prod", "--auto-deploy"]);
    let config: Value = serde_json::from_str(&run(&eve, &["config", "--output", "json"])).unwrap();
    run(&ada, &["api", "update", "shop", "--description", "second"]);
    run(&ed, &["domain", "create", "shop.example"]);
    failed(&address, &[&eve[..], &["domain", "create", "eve.example"]].concat());
    run(&ada, &["domain", "delete", "shop.example", "--yes"]);

    let all = entries(&address, &ada, &[]);
    let seen: Vec<_> =
        all.iter().map(|entry| (entry["caller"].as_str().unwrap(), entry["rpc"].as_str().unwrap())).collect();
    let rpc = |service: &str| format!("penstock.management.v1.{service}");
    let expected = [
        ("ada", rpc("DomainNameService/DeleteDomainName")),
        ("ed", rpc("DomainNameService/CreateDomainName")),
        ("ada", rpc("RestApiService/UpdateRestApi")),
        ("ed", rpc("RestApiService/ImportRestApi")),
    ];
    assert_eq!(seen, expected.each_ref().map(|(who, rpc)| (*who, rpc.as_str())));

    let import = &all[3];
    assert_eq!((import["role"].as_str(), &import["version"]), (Some("editor"), &config["version"]));
    assert!(import["peer"].as_str().unwrap().starts_with("127.0.0.1:"), "{import}");
    let kinds: Vec<_> =
        import["changes"].as_array().unwrap().iter().map(|change| change["kind"].as_str().unwrap()).collect();
    for kind in ["restApi", "resource", "method", "deployment", "stage"] {
        assert!(kinds.contains(&kind), "{kind} is not in {kinds:?}");
    }
    let update = &all[2]["changes"][0];
    assert_eq!(update["before"]["restApi"]["description"], "");
    assert_eq!(update["after"]["restApi"]["description"], "second");
    let (created, deleted) = (&all[1]["changes"][0], &all[0]["changes"][0]);
    assert_eq!(created["after"]["domainName"]["domainName"], "shop.example");
    assert_eq!((created["before"].is_object(), deleted["after"].is_object()), (false, false));
    assert_eq!(deleted["before"], created["after"]);

    assert_eq!(entries(&address, &ada, &["--caller", "ed"]).len(), 2);
    assert_eq!(entries(&address, &ada, &["--api", "shop"]).len(), 2);
    assert_eq!(entries(&address, &ada, &["--api", "shop", "--caller", "ada"]).len(), 1);
    assert_eq!(entries(&address, &ada, &["--limit", "3"]).len(), 3);
    assert_eq!(entries(&address, &ada, &["--since", "1h"]).len(), 4);
    assert_eq!(entries(&address, &ada, &["--until", "1h"]).len(), 0);
    let table = run(&ada, &["audit"]);
    assert!(table.contains("UpdateRestApi") && table.contains("~restApi") && table.contains("-domainName"), "{table}");
    for who in ["eve", "ed", "ada"] {
        assert!(!table.contains(&token(who)) && !all.iter().any(|entry| entry.to_string().contains(&token(who))));
    }

    // It outlives the process, and a change that changes nothing is none.
    drop(running);
    let again = control(&scratch, &["--access-file", &access]);
    let address = http(&again);
    done(&address, &[&ada[..], &["api", "update", "shop", "--description", "second"]].concat());
    assert_eq!(entries(&address, &ada, &[]), all);
}

#[test]
fn without_settings_the_caller_is_anonymous() {
    let scratch = Scratch::new();
    let control = control(&scratch, &[]);
    done(&http(&control), &["api", "create", "mine"]);
    let all = entries(&http(&control), &[], &[]);
    assert_eq!((all.len(), all[0]["caller"].as_str(), all[0]["role"].as_str()), (1, Some("anonymous"), Some("admin")));
}
