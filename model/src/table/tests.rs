//! Routing, case by case from section d.1, and against a naive matcher.

use super::*;
use crate::bundle::{Bundle, Hash};
use crate::definition::ApiDefinition;
use crate::deployment::Stage;
use crate::domain::BasePathMapping;
use crate::id::Version;
use crate::integration::{Integration, IntegrationType};
use crate::method::{Method, Verb};
use crate::resource::{PathPart, Resource, segments};
use proptest::prelude::*;
use std::sync::Arc;

fn bundle(api: &str, stage: &str, routes: &[(&str, &str)]) -> Bundle {
    let mut definition = ApiDefinition::default();
    definition.rest_api.id = api.into();
    for (verb, path) in routes {
        if definition.resource_at(path).is_none() {
            definition.resources.push(Resource { id: (*path).into(), path: (*path).to_owned(), ..Resource::default() });
        }
        let verb = Verb::parse(verb).expect("a verb");
        let mut method = Method::new(api.into(), (*path).into(), verb);
        method.integration = Some(Integration::new(IntegrationType::HttpProxy, Some(Verb::Any), "http://up/"));
        definition.methods.push(method);
    }
    Bundle::new(definition, Stage { rest_api_id: api.into(), stage_name: stage.into(), ..Stage::default() })
}

pub(super) fn stage(api: &str, name: &str, routes: &[(&str, &str)]) -> Arc<StageTable> {
    Arc::new(StageTable::compile(&bundle(api, name, routes)).expect("compiles"))
}

fn found(table: &StageTable, method: &str, path: &str) -> Option<String> {
    let method = http::Method::from_bytes(method.as_bytes()).expect("a method");
    table.resolve(&method, path).map(|route| format!("{} {}", route.verb, route.resource.path))
}

#[test]
fn the_most_specific_route_wins_and_missing_methods_fall_through() {
    let table = stage(
        "api",
        "prod",
        &[
            ("POST", "/test"),
            ("OPTIONS", "/{proxy+}"),
            ("GET", "/images"),
            ("ANY", "/images/{id}"),
            ("GET", "/images/{id}"),
            ("GET", "/images/latest"),
            ("GET", "/images/{id}/{rest+}"),
            ("GET", "/a/{b}/c"),
            ("GET", "/a/x/d"),
        ],
    );
    let cases: &[(&str, &str, Option<&str>)] = &[
        ("POST", "/test", Some("POST /test")),
        ("OPTIONS", "/test", Some("OPTIONS /{proxy+}")),
        ("GET", "/test", None),
        ("GET", "/images", Some("GET /images")),
        ("GET", "/images/", Some("GET /images")),
        ("POST", "/images", None),
        ("GET", "/images/latest", Some("GET /images/latest")),
        ("PUT", "/images/latest", Some("ANY /images/{id}")),
        ("GET", "/images/7", Some("GET /images/{id}")),
        ("DELETE", "/images/7", Some("ANY /images/{id}")),
        ("HEAD", "/images", None),
        ("GET", "/images/7/a/b", Some("GET /images/{id}/{rest+}")),
        ("GET", "/images/7/a//b/", Some("GET /images/{id}/{rest+}")),
        ("GET", "/images//", None),
        ("GET", "/a/x/c", Some("GET /a/{b}/c")),
        ("GET", "/a/x/d", Some("GET /a/x/d")),
        ("GET", "/a//c", None),
        ("OPTIONS", "/", None),
        ("OPTIONS", "/a//b", Some("OPTIONS /{proxy+}")),
        ("TRACE", "/test", None),
        ("GET", "/IMAGES", None),
    ];
    for (method, path, expected) in cases {
        assert_eq!(found(&table, method, path).as_deref(), *expected, "{method} {path}");
    }
}

#[test]
fn hosts_and_base_paths_lead_to_stages() {
    let mapping = |domain: &str, base: &str, api: &str, stage: Option<&str>| BasePathMapping {
        domain_name: domain.into(),
        base_path: base.into(),
        rest_api_id: api.into(),
        stage: stage.map(Into::into),
        ..BasePathMapping::default()
    };
    let stages = vec![
        stage("one", "prod", &[("GET", "/x")]),
        stage("one", "test", &[("GET", "/x")]),
        stage("two", "v", &[("GET", "/y")]),
    ];
    let mappings = [
        mapping("api.test", "", "one", Some("prod")),
        mapping("api.test", "v2", "two", Some("v")),
        mapping("api.test", "v2/old", "one", Some("test")),
        mapping("any.test", "", "one", None),
        mapping("broken.test", "", "gone", Some("prod")),
    ];
    let table = RoutingTable::assemble(Version(3), Hash::default(), stages.clone(), mappings);
    let at = |host: &str, path: &str| {
        table.locate(host, path).map(|found| {
            format!("{}/{} {}", found.stage.key().rest_api_id, found.stage.key().stage_name, found.route_path)
        })
    };
    let known: &[(&str, &str, &str)] = &[
        ("one.execute-api.eu-west-1.amazonaws.com", "/prod/x", "one/prod /x"),
        ("one.execute-api.localhost:8080", "//test//x", "one/test /x"),
        ("ONE.execute-api", "/prod", "one/prod /"),
        ("api.test", "/x", "one/prod /x"),
        ("API.test.:8080", "//x", "one/prod /x"),
        ("api.test", "/v2", "two/v /"),
        ("api.test", "/v2/y/", "two/v /y/"),
        ("api.test", "/v2/old/x", "one/test /x"),
        ("api.test", "/v22", "one/prod /v22"),
        ("any.test", "/test/x", "one/test /x"),
    ];
    for (host, path, expected) in known {
        assert_eq!(at(host, path).as_deref(), Ok(*expected), "{host} {path}");
    }
    assert_eq!(at("other.test", "/x"), Err(LocateError::UnknownHost));
    assert_eq!(at("nine.execute-api.x", "/prod/x"), Err(LocateError::UnknownHost));
    assert_eq!(at("one.execute-api.x", "/none/x"), Err(LocateError::UnknownStage));
    assert_eq!(at("broken.test", "/"), Err(LocateError::UnknownStage));
    let with_catch_all =
        RoutingTable::assemble(Version(4), Hash::default(), stages, [mapping("*", "", "two", Some("v"))]);
    assert_eq!(with_catch_all.locate("[::1]:8080", "/y").map(|found| found.route_path), Ok("/y"));
    assert_eq!(RoutingTable::empty().locate("a", "/").err(), Some(LocateError::UnknownHost));
}

proptest! {
    /// A table that shares what did not change leads every request where one leads that was made of nothing.
    #[test]
    fn a_table_that_follows_another_is_like_one_that_does_not(
        steps in prop::collection::vec(
            (
                prop::collection::btree_map(("[ab]", "[pq]"), "[xy]", 0..5),
                prop::collection::btree_map(("(\\*|d)", "(|v|v/w)"), ("[ab]", prop::option::of("[pq]")), 0..4),
                any::<[bool; 2]>(),
            ),
            1..6,
        ),
    ) {
        let mut known = std::collections::HashMap::new();
        let mut table = RoutingTable::empty();
        let mut before = (Vec::new(), Arc::from([]));
        for (number, (stages, mappings, keeps)) in (1..).zip(steps) {
            let compiled = |(key, route): ((String, String), String)| {
                let made = || stage(&key.0, &key.1, &[("GET", &format!("/{route}"))]);
                Arc::clone(known.entry((key.clone(), route.clone())).or_insert_with(made))
            };
            let mut next: (Vec<Arc<StageTable>>, Arc<[BasePathMapping]>) = (
                stages.into_iter().map(compiled).collect(),
                mappings
                    .into_iter()
                    .map(|((domain_name, base_path), (api, stage))| BasePathMapping {
                        domain_name,
                        base_path,
                        rest_api_id: api.into(),
                        stage: stage.map(Into::into),
                        ..BasePathMapping::default()
                    })
                    .collect(),
            );
            if keeps[0] {
                next.0 = before.0;
            }
            if keeps[1] {
                next.1 = before.1;
            }
            before = next.clone();
            table = table.followed_by(Version(number), Hash::default(), next.0.clone(), Arc::clone(&next.1));
            let fresh = RoutingTable::assemble(Version(number), Hash::default(), next.0, next.1);
            prop_assert_eq!(table.route_count(), fresh.route_count());
            let names = |table: &RoutingTable| table.stages().map(|stage| stage.key().clone()).collect::<Vec<_>>();
            prop_assert_eq!(names(&table), names(&fresh));
            for host in ["a.execute-api", "b.execute-api", "d", "other"] {
                for path in ["/", "/p/x", "/q/y", "/v/x", "/v/p/y", "/v/w/q/x"] {
                    let found = |table: &RoutingTable| {
                        let located = table.locate(host, path);
                        located.map(|at| {
                            let route = at.stage.resolve(&http::Method::GET, at.route_path);
                            (at.stage.key().clone(), at.base_path.to_owned(), route.map(|r| r.resource.path.to_string()))
                        })
                    };
                    prop_assert_eq!(found(&table), found(&fresh), "{} {}", host, path);
                }
            }
        }
    }
}

#[test]
fn a_disabled_execute_api_endpoint_leaves_only_the_mappings() {
    let mut bundle = bundle("one", "prod", &[("GET", "/x")]);
    bundle.definition.rest_api.disable_execute_api_endpoint = true;
    let stage = Arc::new(StageTable::compile(&bundle).expect("compiles"));
    let mapping = BasePathMapping { domain_name: "*".into(), rest_api_id: "one".into(), ..BasePathMapping::default() };
    let table = RoutingTable::assemble(Version(1), Hash::default(), vec![stage], [mapping]);
    assert_eq!(table.locate("one.execute-api.x", "/prod/x").err(), Some(LocateError::UnknownStage));
    assert!(table.locate("other", "/prod/x").is_ok());
}

#[test]
fn a_hostile_tree_ends_in_an_answer() {
    let routes: Vec<String> = (0..1u32 << 8)
        .map(|bits| (0..16).map(|i| if bits >> (i / 2) & 1 == 1 { "/a" } else { "/{x}" }).collect::<String>() + "/end")
        .collect();
    let routes: Vec<(&str, &str)> = routes.iter().map(|path| ("GET", path.as_str())).collect();
    let table = stage("api", "prod", &routes);
    assert_eq!(found(&table, "GET", &("/a".repeat(16) + "/other")), None);
}

#[test]
fn a_route_is_found_without_an_allocation() {
    let paths: Vec<String> = (0..1_000).map(|at| format!("/tenants/{{tenant}}/things{at}/{{id}}")).collect();
    let mut routes: Vec<_> = paths.iter().map(|path| ("GET", path.as_str())).collect();
    routes.extend([("GET", "/images/latest"), ("ANY", "/images/{id}"), ("POST", "/files/{path+}")]);
    let mappings = ["api.test", "*"].map(|host| BasePathMapping {
        domain_name: host.into(),
        base_path: "v2".into(),
        rest_api_id: "one".into(),
        stage: Some("prod".into()),
        ..BasePathMapping::default()
    });
    let table = RoutingTable::assemble(Version(1), Hash::default(), vec![stage("one", "prod", &routes)], mappings);
    for (host, path, verb, is_found) in [
        ("api.test", "/v2/tenants/a/things999/b", "GET", true),
        ("api.test:8080", "/v2/images/latest", "GET", true),
        ("one.execute-api.localhost", "/prod/images/5", "DELETE", true),
        ("one.execute-api.localhost", "/prod//files/a//b/c/", "POST", true),
        ("other.test", "/v2/images/latest", "GET", true),
        ("api.test", "/v2/tenants/a/things1000/b", "GET", false),
        ("api.test", "/v1/images", "GET", false),
        ("one.execute-api", "/test/images", "GET", false),
    ] {
        let method = http::Method::from_bytes(verb.as_bytes()).expect("a method");
        let mut found = None;
        let counted = allocation_counter::measure(|| {
            found = table.locate(host, path).ok().and_then(|at| at.stage.resolve(&method, at.route_path));
        });
        assert_eq!((counted.count_total, found.is_some()), (0, is_found), "{verb} {host}{path}");
    }
    assert_ne!(allocation_counter::measure(|| drop(std::hint::black_box(Box::new(1)))).count_total, 0, "it counts");
}

#[test]
fn problems_are_kept_for_the_call_and_wrong_mappings_are_refused() {
    let mut bundle = bundle("api", "prod", &[("GET", "/{id}")]);
    let integration = bundle.definition.methods[0].integration.as_mut().expect("has one");
    integration.uri = "http://${stageVariables.host}/{id}".into();
    let problem = |bundle: &Bundle| {
        let table = StageTable::compile(bundle).expect("compiles");
        table.routes()[0].problem().map(ToString::to_string)
    };
    assert_eq!(problem(&bundle).as_deref(), Some("invalid endpoint address: stage variable host is not defined"));
    bundle.stage.variables.insert("host".into(), "up:1".into());
    assert_eq!(
        problem(&bundle).as_deref(),
        Some("invalid endpoint address: {id} has no mapping integration.request.path.id")
    );
    let parameters = |bundle: &mut Bundle, key: &str, value: &str| {
        let integration = bundle.definition.methods[0].integration.as_mut().expect("has one");
        integration.request_parameters.insert(key.into(), value.into());
    };
    parameters(&mut bundle, "integration.request.path.id", "method.request.path.id");
    assert_eq!(problem(&bundle), None);
    parameters(&mut bundle, "integration.request.header.Content-Length", "'3'");
    assert_eq!(problem(&bundle).as_deref(), Some("the header Content-Length cannot be set by a mapping"));
    parameters(&mut bundle, "integration.request.querystring.a", "method.request.body.a");
    parameters(&mut bundle, "integration.request.querystring.b", "nonsense");
    let violations = StageTable::compile(&bundle).expect_err("refused");
    let fields: Vec<_> = violations.as_slice().iter().map(|violation| violation.field.as_str()).collect();
    assert_eq!(fields, ["GET /{id}.requestParameters[integration.request.querystring.b]"]);
}

#[test]
fn a_method_that_must_be_protected_is_closed_while_it_cannot_be() {
    let mut bundle = bundle("api", "prod", &[("GET", "/a"), ("GET", "/b")]);
    bundle.definition.methods[0].authorization_type = crate::method::AuthorizationType::AwsIam;
    bundle.definition.methods[1].api_key_required = true;
    let table = StageTable::compile(&bundle).expect("compiles");
    assert!(table.routes().iter().all(|route| matches!(route.problem(), Some(Problem::NotProtected(_)))));
}

/// The rules again, in the plainest form: try every route, keep the most specific.
fn naive<'a>(routes: &[(&'static str, &'a str)], verb: &str, path: &str) -> Option<(&'static str, &'a str)> {
    let given: Vec<&str> = {
        let inner = &path[1..];
        let inner = inner.strip_suffix('/').unwrap_or(inner);
        if inner.is_empty() { Vec::new() } else { inner.split('/').collect() }
    };
    let rank = |route: &(&str, &str)| -> Option<(Vec<u8>, u8)> {
        let parts: Vec<PathPart<'_>> = segments(route.1).map(|part| PathPart::parse(part).expect("valid")).collect();
        let mut ranks = Vec::new();
        for (at, part) in parts.iter().enumerate() {
            match part {
                PathPart::Greedy(_) => {
                    return (given.len() > at).then(|| {
                        ranks.push(2);
                        (ranks, u8::from(route.0 == "ANY"))
                    });
                }
                PathPart::Literal(text) if given.get(at) == Some(text) => ranks.push(0),
                PathPart::Param(_) if given.get(at).is_some_and(|segment| !segment.is_empty()) => ranks.push(1),
                _ => return None,
            }
        }
        (parts.len() == given.len()).then_some((ranks, u8::from(route.0 == "ANY")))
    };
    routes
        .iter()
        .filter(|route| route.0 == verb || route.0 == "ANY")
        .filter_map(|route| rank(route).map(|rank| (rank, *route)))
        .min()
        .map(|(_, route)| route)
}

proptest! {
    #[test]
    fn the_tree_agrees_with_a_naive_matcher(
        routes in proptest::collection::vec((0usize..3, proptest::collection::vec(0usize..4, 0..4), any::<bool>()), 1..12),
        verb in 0usize..2,
        path in proptest::collection::vec(0usize..4, 0..5),
        slash in any::<bool>(),
    ) {
        const VERBS: [&str; 3] = ["GET", "PUT", "ANY"];
        const PARTS: [&str; 4] = ["a", "b", "c", "{p}"];
        const SEGMENTS: [&str; 4] = ["a", "b", "z", ""];
        let mut texts: Vec<(&'static str, String)> = routes
            .into_iter()
            .map(|(verb, parts, greedy)| {
                let mut path: String = parts.iter().map(|&part| format!("/{}", PARTS[part])).collect();
                if greedy { path.push_str("/{rest+}"); }
                if path.is_empty() { path.push('/'); }
                (VERBS[verb], path)
            })
            .collect();
        texts.sort();
        texts.dedup();
        let routes: Vec<(&'static str, &str)> = texts.iter().map(|(verb, path)| (*verb, path.as_str())).collect();
        let table = stage("api", "prod", &routes);
        let mut asked: String = path.iter().map(|&segment| format!("/{}", SEGMENTS[segment])).collect();
        if slash || asked.is_empty() { asked.push('/'); }
        let expected = naive(&routes, VERBS[verb], &asked).map(|(verb, path)| format!("{verb} {path}"));
        prop_assert_eq!(found(&table, VERBS[verb], &asked), expected.clone(), "{}", asked);
        let trace = table.trace(&VERBS[verb].parse().expect("a method"), &asked);
        let chosen = trace.candidates.iter().filter_map(|candidate| match candidate.verdict {
            Verdict::Chosen(verb) => Some(format!("{verb} {}", candidate.path)),
            _ => None,
        });
        prop_assert_eq!(chosen.collect::<Vec<_>>(), expected.into_iter().collect::<Vec<_>>());
        prop_assert!(trace.candidates.iter().all(|candidate| !candidate.path.is_empty()));
    }
}

#[test]
fn what_an_older_program_let_in_closes_its_method_and_not_its_stage() {
    let mut bundle = bundle("api", "prod", &[("GET", "/a"), ("GET", "/b"), ("GET", "/c")]);
    for (at, kind) in [(0, IntegrationType::Http), (1, IntegrationType::Mock)] {
        let integration = bundle.definition.methods[at].integration.as_mut().expect("has one");
        integration.kind = kind;
        integration.request_templates.insert("application/json".into(), "$input.body".into());
    }
    let table = StageTable::compile(&bundle).expect("compiles");
    let problems: Vec<_> = table.routes().iter().map(|route| route.problem().map(ToString::to_string)).collect();
    let unreadable = "the integration cannot be read: requestTemplates[application/json]: mapping templates with $ or # are \
                      not yet supported (one stands at byte 0)";
    assert_eq!(problems, [Some(unreadable.to_owned()), Some(unreadable.to_owned()), None]);
}
