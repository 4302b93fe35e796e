//! What is told of changes, case by case, and reach against every short path.

use super::*;
use crate::bundle::{Bundle, Hash};
use crate::definition::ApiDefinition;
use crate::deployment::{CanarySettings, Stage};
use crate::domain::BasePathMapping;
use crate::id;
use crate::integration::{Integration, IntegrationType};
use crate::method::{AuthorizationType, Method as ApiMethod};
use crate::resource::Resource;
use proptest::prelude::*;

type Routes<'a> = &'a [(&'a str, &'a str, &'a str)];

fn definition(api: &str, routes: Routes<'_>) -> ApiDefinition {
    let mut definition = ApiDefinition::default();
    definition.rest_api.id = api.into();
    for (verb, path, uri) in routes {
        if definition.resource_at(path).is_none() {
            definition.resources.push(Resource { id: (*path).into(), path: (*path).to_owned(), ..Resource::default() });
        }
        let mut method = ApiMethod::new(api.into(), (*path).into(), Verb::parse(verb).expect("a verb"));
        method.integration = Some(Integration::new(IntegrationType::HttpProxy, None, *uri));
        if *uri == "closed" {
            method.authorization_type = AuthorizationType::AwsIam;
        }
        definition.methods.push(method);
    }
    definition
}

fn stage(name: &str, definition: ApiDefinition) -> Arc<StageTable> {
    let rest_api_id = definition.rest_api.id.clone();
    let stage = Stage { rest_api_id, stage_name: name.into(), ..Stage::default() };
    Arc::new(StageTable::compile(&Bundle::new(definition, stage)).expect("compiles"))
}

fn mapping(domain: &str, base: &str, api: &str, stage: Option<&str>) -> BasePathMapping {
    BasePathMapping {
        domain_name: domain.into(),
        base_path: base.into(),
        rest_api_id: api.into(),
        stage: stage.map(Into::into),
        ..BasePathMapping::default()
    }
}

fn table(stages: &[Arc<StageTable>], mappings: &[BasePathMapping]) -> RoutingTable {
    RoutingTable::assemble(id::Version(1), Hash::default(), stages.to_vec(), mappings.to_vec())
}

/// The API `api` on stage `prod` behind every host.
fn serving(routes: Routes<'_>) -> RoutingTable {
    table(&[stage("prod", definition("api", routes))], &[mapping("*", "", "api", Some("prod"))])
}

fn line(text: &str) -> RequestLine {
    let (method, path) = text.split_once(' ').expect("a method and a path");
    RequestLine { method: method.parse().expect("a method"), host: "h.test".to_owned(), path: path.to_owned() }
}

fn compared(before: &RoutingTable, after: &RoutingTable, lines: &[(&str, u64)]) -> Impact {
    let lines: Vec<_> = lines.iter().map(|(text, requests)| (line(text), *requests)).collect();
    impact(Comparison { before, after, canary_of: None }, lines.iter().map(|(line, requests)| (line, *requests)))
}

fn told(outcome: &Outcome) -> String {
    let met = outcome.met.as_ref().map(|met| format!("{} -> {}", met.route, met.integration));
    let refusal = outcome.refusal.as_ref().map(|refusal| format!("{} {}", refusal.status, refusal.response_type));
    met.into_iter().chain(refusal).collect::<Vec<_>>().join(", ")
}

#[test]
fn every_kind_of_change_is_told_with_both_sides() {
    let before = serving(&[
        ("GET", "/images", "http://up/images"),
        ("POST", "/images", "http://up/images"),
        ("GET", "/images/{id}", "http://up/by-id"),
        ("GET", "/old", "http://up/old"),
        ("GET", "/moved", "http://up/a"),
        ("GET", "/closing", "http://up/c"),
    ]);
    let after = serving(&[
        ("GET", "/images", "http://up/images"),
        ("GET", "/images/{id}", "http://up/by-id"),
        ("GET", "/images/{all+}", "http://up/all"),
        ("GET", "/images/latest", "http://up/latest"),
        ("GET", "/new", "http://up/old"),
        ("GET", "/moved", "http://up/b"),
        ("GET", "/closing", "closed"),
    ]);
    let lines = [
        ("GET /images", 50),
        ("POST /images", 3),
        ("GET /images/7", 40),
        ("GET /images/latest", 9),
        ("GET /images/7/x", 2),
        ("GET /old", 5),
        ("GET /new", 1),
        ("GET /moved", 4),
        ("GET /closing", 4),
        ("GET /nowhere", 6),
    ];
    let found = compared(&before, &after, &lines);
    let changes: Vec<_> = found
        .changes
        .iter()
        .map(|change| {
            let (method, path) = (&change.line.method, &change.line.path);
            let (before, after) = (told(&change.before), told(&change.after));
            format!("{:?} {} x {method} {path}: {before} => {after}", change.kind, change.requests)
        })
        .collect();
    assert_eq!(
        changes,
        [
            "Refused 5 x GET /old: GET /old -> HTTP_PROXY http://up/old => 403 MISSING_AUTHENTICATION_TOKEN",
            "Refused 4 x GET /closing: GET /closing -> HTTP_PROXY http://up/c => \
             GET /closing -> HTTP_PROXY, 500 API_CONFIGURATION_ERROR",
            "Refused 3 x POST /images: POST /images -> HTTP_PROXY http://up/images => 403 MISSING_AUTHENTICATION_TOKEN",
            "Rerouted 9 x GET /images/latest: GET /images/{id} -> HTTP_PROXY http://up/by-id => \
             GET /images/latest -> HTTP_PROXY http://up/latest",
            "Retargeted 4 x GET /moved: GET /moved -> HTTP_PROXY http://up/a => GET /moved -> HTTP_PROXY http://up/b",
            "Served 2 x GET /images/7/x: 403 MISSING_AUTHENTICATION_TOKEN => \
             GET /images/{all+} -> HTTP_PROXY http://up/all",
            "Served 1 x GET /new: 403 MISSING_AUTHENTICATION_TOKEN => GET /new -> HTTP_PROXY http://up/old",
        ]
    );
    assert_eq!(found.replayed, Count { lines: 10, requests: 124 });
    assert_eq!(found.totals[&ChangeKind::Refused], Count { lines: 3, requests: 12 });
    assert_eq!(found.totals[&ChangeKind::Served], Count { lines: 2, requests: 3 });
    assert_eq!(found.totals.get(&ChangeKind::RefusedOtherwise), None);
    let names = |routes: &[RouteName]| routes.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(names(&found.removed), ["POST /images", "GET /old"]);
    assert_eq!(names(&found.added), ["GET /images/latest", "GET /images/{all+}", "GET /new"]);
    assert_eq!((found.unreached, found.unreached_complete), (Vec::new(), true));
}

#[test]
fn hosts_and_base_paths_decide_the_answer() {
    let routes: Routes<'_> = &[("GET", "/a", "http://up/")];
    let one = stage("prod", definition("one", routes));
    let before = table(&[Arc::clone(&one)], &[mapping("d.test", "v1", "one", Some("prod"))]);
    let after = table(&[one], &[mapping("d.test", "v2", "one", Some("prod"))]);
    let at = |host: &str, path: &str| RequestLine { host: host.into(), ..line(&format!("GET {path}")) };
    let lines = [at("d.test", "/v1/a"), at("d.test", "/v2/a"), at("d.test", "/v3/a"), at("e.test", "/v1/a")];
    let lines = lines.iter().map(|line| (line, 1));
    let found = impact(Comparison { before: &before, after: &after, canary_of: None }, lines);
    let kinds: Vec<_> = found.changes.iter().map(|change| (change.kind, change.line.path.as_str())).collect();
    assert_eq!(kinds, [(ChangeKind::Refused, "/v1/a"), (ChangeKind::Served, "/v2/a")]);
    let refused = found.changes[0].after.refusal.clone().expect("refused");
    assert_eq!((refused.status, refused.reason.as_str()), (403, "nothing is behind this base path or stage"));

    let gone = table(&[], &[]);
    let line = at("d.test", "/v1/a");
    let found = impact(Comparison { before: &before, after: &gone, canary_of: None }, [(&line, 2)]);
    assert_eq!(told(&found.changes[0].after), "404 ");
    assert_eq!(found.removed.len(), 1);
}

#[test]
fn a_stage_decides_the_status_of_its_refusals() {
    let routes: Routes<'_> = &[("GET", "/a", "http://up/")];
    let mut other = definition("api", routes);
    let custom = crate::gateway_response::CustomGatewayResponse { status_code: "404".into(), ..Default::default() };
    other.rest_api.gateway_responses.insert("MISSING_AUTHENTICATION_TOKEN".into(), custom);
    let after = table(&[stage("prod", other)], &[mapping("*", "", "api", Some("prod"))]);
    let found = compared(&serving(routes), &after, &[("GET /b", 1), ("GET /a", 1)]);
    let [change] = &found.changes[..] else { panic!("{found:?}") };
    assert_eq!(change.kind, ChangeKind::RefusedOtherwise);
    assert_eq!(told(&change.before), "403 MISSING_AUTHENTICATION_TOKEN");
    assert_eq!(told(&change.after), "404 MISSING_AUTHENTICATION_TOKEN");
}

#[test]
fn a_canary_is_followed_only_where_that_is_asked() {
    let old: Routes<'_> = &[("GET", "/a", "http://up/")];
    let before = serving(old);
    let rest_api_id: RestApiId = "api".into();
    let canary_settings = Some(CanarySettings { deployment_id: "d2".into(), ..CanarySettings::default() });
    let with = Stage { rest_api_id, stage_name: "prod".into(), canary_settings, ..Stage::default() };
    let bundle = Bundle::new(definition("api", old), with).with_canary(definition("api", &[]));
    let with = Arc::new(StageTable::compile(&bundle).expect("compiles"));
    let key = with.key().clone();
    let after = table(&[with], &[mapping("*", "", "api", Some("prod"))]);
    let get = line("GET /a");
    let count = |canary_of| {
        let found = impact(Comparison { before: &before, after: &after, canary_of }, [(&get, 1)]);
        (found.changes.len(), found.removed.len())
    };
    assert_eq!((count(None), count(Some(&key))), ((0, 0), (1, 1)));
}

fn unreached(table: &RoutingTable) -> Vec<String> {
    let found = compared(&RoutingTable::empty(), table, &[]);
    assert!(found.unreached_complete);
    found.unreached.iter().map(|one| format!("{}: {}", one.route, one.why)).collect()
}

#[test]
fn hidden_routes_are_found() {
    let to = "http://up/";
    let all = ["DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"].map(|verb| (verb, "/a", to));
    for (routes, expected) in [
        (&[("GET", "/{id}", to), ("GET", "/{all+}", to)][..], &[][..]),
        (
            &[("GET", "/{id}", to), ("GET", "/{id}/{rest+}", to), ("GET", "/{all+}", to), ("POST", "/{all+}", to)],
            &["GET /{all+}: GET /{id}/{rest+} and others take all of its requests"],
        ),
        (&[("ANY", "/{id}", to), ("GET", "/{id}/{rest+}", to), ("ANY", "/{all+}", to)], &[]),
        (&[&all[..], &[("ANY", "/a", to)]].concat(), &["ANY /a: PUT /a and others take all of its requests"]),
        (&[&all[1..], &[("ANY", "/a", to)]].concat(), &[]),
        (&[("GET", "/any", to), ("GET", "/any-", to), ("GET", "/{id}", to)], &[]),
        (&[("GET", "/", to), ("GET", "/{all+}", to)], &[]),
    ] {
        assert_eq!(unreached(&serving(routes)), expected, "{routes:?}");
    }
}

#[test]
fn routes_that_nothing_leads_to_are_found() {
    let to = "http://up/";
    let mut closed = definition("one", &[("GET", "/v2/a", to), ("GET", "/b", to)]);
    closed.rest_api.disable_execute_api_endpoint = true;
    let closed = stage("prod", closed);
    let two = stage("prod", definition("two", &[("GET", "/a", to)]));
    assert_eq!(
        unreached(&table(&[Arc::clone(&closed)], &[])),
        ["GET /b", "GET /v2/a"]
            .map(|r| format!("{r}: no base path mapping and no execute-api host leads to the stage"))
    );
    let mappings = [mapping("d.test", "", "one", Some("prod")), mapping("d.test", "v2", "two", Some("prod"))];
    let stages = [Arc::clone(&closed), two];
    assert_eq!(unreached(&table(&stages, &mappings)), ["GET /v2/a: longer base paths take its path away"]);
    // The stage's name in the path is a way, and so is another domain.
    for way in [mapping("e.test", "x", "one", None), mapping("*", "x", "one", Some("prod"))] {
        let mappings = [&mappings[..], &[way]].concat();
        assert_eq!(unreached(&table(&stages, &mappings)), [""; 0]);
    }
}

#[test]
fn a_search_ends_at_its_bound() {
    let routes: Routes<'_> = &[("GET", "/a", "http://up/")];
    let table = serving(routes);
    let side = table.stages().next().expect("one stage");
    let mut search = reach::Search { lookups_left: 3 };
    for _ in 0..3 {
        assert!(search.is_complete());
        assert_eq!(search.unreached(&table, side), []);
    }
    assert!(!search.is_complete());
    assert_eq!(search.unreached(&table, side), [], "nothing is said of what was not looked for");
}

proptest! {
    #[test]
    fn reach_says_the_same_as_trying_every_short_path(
        chosen in prop::collection::btree_set((0usize..2, 0usize..10), 1..9)
    ) {
        // Variables of one place have one name.
        let paths =
            ["/a", "/{p}", "/{all+}", "/a/b", "/a/{q}", "/a/{r+}", "/{p}/b", "/{p}/{q}", "/{p}/{r+}", "/{p}/{q}/{s+}"];
        let routes: Vec<_> = chosen.iter().map(|&(verb, path)| (["GET", "ANY"][verb], paths[path], "http://up/")).collect();
        let table = serving(&routes);
        let side = table.stages().next().expect("one stage");
        let mut met = BTreeSet::new();
        for length in 1..=5u32 {
            for number in 0..3usize.pow(length) {
                let path: String = (0..length).map(|at| ["/a", "/b", "/x"][number / 3usize.pow(at) % 3]).collect();
                for method in [Method::GET, Method::PUT] {
                    met.extend(side.resolve(&method, &path).map(|route| name(route)));
                }
            }
        }
        let reached = reach::Search::default().unreached(&table, side);
        let expected: Vec<_> = names(Some(side)).difference(&met).cloned().collect();
        prop_assert_eq!(reached.into_iter().map(|one| one.route).collect::<Vec<_>>(), expected);
    }
}
