//! Explanations, told for requests that end at every place where one can end.

use super::*;
use crate::bundle::{Bundle, Hash};
use crate::definition::ApiDefinition;
use crate::deployment::{CanarySettings, Stage};
use crate::domain::BasePathMapping;
use crate::header_list::HeaderList;
use crate::id::Version as TableVersion;
use crate::integration::{ContentHandling, Integration, IntegrationType, PassthroughBehavior};
use crate::method::{Method as ApiMethod, Verb};
use crate::number::Number;
use crate::resource::Resource;
use crate::response::IntegrationResponse;
use crate::table::Verdict;
use std::collections::BTreeMap;
use std::sync::Arc;

mod functions;

fn words(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

fn proxy(uri: &str) -> Integration {
    Integration::new(IntegrationType::HttpProxy, Some(Verb::Any), uri)
}

fn custom(uri: &str, responses: &[(&str, &str)]) -> Integration {
    let response = |(code, pattern): &(&str, &str)| IntegrationResponse {
        status_code: (*code).to_owned(),
        selection_pattern: (*pattern).to_owned(),
        ..IntegrationResponse::default()
    };
    Integration {
        integration_responses: responses.iter().map(|one| (one.0.to_owned(), response(one))).collect(),
        ..Integration::new(IntegrationType::Http, Some(Verb::Post), uri)
    }
}

fn mock(template: &str) -> Integration {
    Integration {
        request_templates: words(&[("application/json", template)]),
        integration_responses: custom("", &[("200", "")]).integration_responses,
        ..Integration::new(IntegrationType::Mock, None, "")
    }
}

/// An API with these methods, on the stage `prod`.
fn definition(methods: &[(&str, Verb, Integration)]) -> ApiDefinition {
    let mut definition = ApiDefinition::default();
    definition.rest_api.id = "api7".into();
    definition.rest_api.binary_media_types = vec!["image/*".to_owned()];
    for (path, verb, integration) in methods {
        if definition.resources.iter().all(|resource| resource.path != *path) {
            let id = format!("r{}", definition.resources.len());
            definition.resources.push(Resource { id: id.into(), path: (*path).to_owned(), ..Resource::default() });
        }
        let at = definition.resources.iter().position(|resource| resource.path == *path).expect("it was added");
        let mut method = ApiMethod::new("api7".into(), definition.resources[at].id.clone(), *verb);
        method.integration = Some(integration.clone());
        definition.methods.push(method);
    }
    definition
}

/// The API behind `*/v1` and its execute-api host.
fn table(definition: ApiDefinition) -> RoutingTable {
    let stage =
        Stage { rest_api_id: "api7".into(), stage_name: "prod".into(), deployment_id: "d1".into(), ..Stage::default() };
    assembled(&Bundle::new(definition, stage))
}

fn assembled(bundle: &Bundle) -> RoutingTable {
    let stage = StageTable::compile(bundle).expect("it compiles");
    let mapping = BasePathMapping {
        domain_name: "*".into(),
        base_path: "v1".into(),
        rest_api_id: "api7".into(),
        stage: Some("prod".into()),
        ..BasePathMapping::default()
    };
    RoutingTable::assemble(TableVersion(3), Hash::default(), vec![Arc::new(stage)], [mapping])
}

/// What is asked, with the parts that most tests leave as they are.
struct Question<'a> {
    host: &'a str,
    headers: &'a [(&'static str, &'static str)],
    body: BodyLength,
    canary: bool,
    answer: (u16, &'a [(&'static str, &'static str)]),
}

const PLAIN: Question<'_> =
    Question { host: "gw.test", headers: &[], body: BodyLength::Empty, canary: false, answer: (200, &[]) };

fn map(lines: &[(&'static str, &'static str)]) -> HeaderList {
    let pairs = lines.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
    let mut map = HeaderList::new();
    pairs.for_each(|(name, value)| {
        map.append(name, value);
    });
    map
}

fn told(table: &RoutingTable, method: &str, target: &str, question: &Question<'_>) -> Explanation {
    let ask = Ask {
        method: &method.parse().expect("a method"),
        uri: &target.parse().expect("a target"),
        host: question.host,
        headers: &map(question.headers),
        body: question.body,
        canary: question.canary,
        listener_port: 8080,
        authorization_hash: "aGFzaA==",
        answer_status: StatusCode::from_u16(question.answer.0).expect("a status"),
        answer_headers: &map(question.answer.1),
    };
    explain(table, &ask)
}

fn refused(told: &Explanation) -> (u16, &str) {
    let refusal = told.refusal.as_ref().expect("it is refused");
    (refusal.status, &refusal.reason)
}

#[test]
fn a_request_that_passes_is_told_from_host_to_client() {
    let mut integration = proxy("http://up.test:81/store/{id}?fixed=1");
    integration.request_parameters = words(&[
        ("integration.request.path.id", "method.request.path.id"),
        ("integration.request.header.X-Who", "method.request.querystring.who"),
        ("integration.request.querystring.none", "method.request.header.absent"),
    ]);
    let table = table(definition(&[
        ("/images/{id}", Verb::Post, integration),
        ("/images/new", Verb::Get, proxy("http://up.test/")),
        ("/{rest+}", Verb::Any, proxy("http://up.test/")),
    ]));
    let question = Question {
        headers: &[("content-type", "Image/PNG; q=1"), ("accept", "image/*"), ("x-custom", "kept")],
        body: BodyLength::Exactly(10),
        answer: (201, &[("content-type", "image/png"), ("server", "up")]),
        ..PLAIN
    };
    let told = told(&table, "POST", "/v1/images/a%20b?who=me", &question);
    assert_eq!(told.refusal, None);
    assert_eq!((told.version, told.method.as_str()), (TableVersion(3), "POST"));
    assert_eq!(told.door, Some(Entrance { name: "*".into(), behind: vec!["/v1".into()] }));
    let stage = told.stage.expect("it has a stage");
    assert_eq!((stage.base_path.as_str(), stage.route_path.as_str()), ("/v1", "/images/a%20b"));
    assert_eq!(
        (stage.rest_api_id.as_str(), stage.stage_name.as_str(), stage.deployment_id.as_str()),
        ("api7", "prod", "d1")
    );
    let candidates: Vec<_> = told.candidates.iter().map(|one| (one.path.as_str(), one.verdict.clone())).collect();
    let passed_over = Verdict::LessSpecific("/images".into());
    assert_eq!(candidates, [("/images/{id}", Verdict::Chosen(Verb::Post)), ("/{rest+}", passed_over)]);
    let route = told.route.expect("it has a route");
    assert_eq!(route.path_parameters, [("id".to_owned(), "a b".to_owned())]);
    let request = told.request.expect("it is decided");
    assert_eq!((request.content_type.as_str(), request.binary_media_type.as_deref()), ("Image/PNG", Some("image/*")));
    assert_eq!(request.body.cell, "request/http-proxy/transparent");
    let upstream = told.upstream.expect("there is one");
    assert_eq!(
        (upstream.address.as_str(), upstream.target.as_str()),
        ("http://up.test:81", "/store/a%20b?fixed=1&who=me")
    );
    let lines: Vec<_> = upstream.headers.iter().map(|line| format!("{}: {}", line.name, line.value)).collect();
    assert_eq!(
        lines,
        [
            "accept: image/*",
            "content-length: 10",
            "content-type: Image/PNG; q=1",
            "host: up.test:81",
            "x-amzn-apigateway-api-id: api7",
            "x-amzn-trace-id: Root=1-00000000-000000000000000000000000",
            "x-custom: kept",
            "x-forwarded-for: 192.0.2.1",
            "x-forwarded-port: 8080",
            "x-forwarded-proto: http",
            "x-who: me",
        ]
    );
    let mapped: Vec<_> = upstream.mapped.iter().map(|one| (one.target.as_str(), one.values.join("|"))).collect();
    let expected = [("path", "a b"), ("querystring none", ""), ("header x-who", "me")];
    assert_eq!(mapped, expected.map(|(target, value)| (target, value.to_owned())));
    let response = told.response.expect("it is answered");
    assert_eq!((response.status, response.body.cell.as_str()), (201, "response/http-proxy/transparent"));
    assert_eq!(response.binary_media_type.as_deref(), Some("image/*"));
    assert!(response.headers.iter().any(|line| line.name == "x-amzn-remapped-server" && line.value == "up"));
}

#[test]
fn every_end_has_its_reason_and_its_answer() {
    let fails = Integration { uri: "http://${stageVariables.gone}/".into(), ..proxy("") };
    let never =
        Integration { passthrough_behavior: PassthroughBehavior::Never, ..custom("http://up.test/", &[("200", "")]) };
    let table = table(definition(&[
        ("/fails", Verb::Get, fails),
        ("/never", Verb::Post, never),
        ("/picky", Verb::Post, custom("http://up.test/", &[("200", "2..")])),
        ("/mock", Verb::Get, mock("{}")),
        ("/dots/{p}", Verb::Get, {
            let mapping = words(&[("integration.request.path.p", "method.request.path.p")]);
            Integration { request_parameters: mapping, ..proxy("http://up.test/{p}") }
        }),
    ]));
    let execute_api = "other.execute-api.test";
    for (method, target, question, status, reason) in [
        ("GET", "/elsewhere", PLAIN, 403, "the host is known, but nothing is behind this base path or stage"),
        ("GET", "/prod", Question { host: execute_api, ..PLAIN }, 403, "the host is known, but nothing is behind"),
        ("GET", "/v1/none", PLAIN, 403, "no resource with this path has this method"),
        ("POST", "/v1/fails", PLAIN, 403, "no resource with this path has this method"),
        ("GET", "/v1/fails", PLAIN, 500, "invalid endpoint address: stage variable gone is not defined"),
        ("POST", "/v1/never", PLAIN, 415, "Unsupported Media Type"),
        ("POST", "/v1/picky", Question { answer: (404, &[]), ..PLAIN }, 500, "no integration response accepts 404"),
        ("GET", "/v1/mock", PLAIN, 500, "the MOCK request names no status code"),
        ("GET", "/v1/dots/%2e%2e", PLAIN, 400, "forming the request target"),
    ] {
        let told = told(&table, method, target, &question);
        let (told_status, told_reason) = refused(&told);
        assert!(told_status == status && told_reason.starts_with(reason), "{method} {target}: {told:?}");
        assert_eq!(told.response, None, "{target}");
    }
    let unsigned = Question { headers: &[("authorization", "bearer")], ..PLAIN };
    let told = told(&table, "GET", "/v1/none", &unsigned);
    assert!(told.refusal.expect("it is refused").body.contains("'aGFzaA=='"));
}

#[test]
fn a_host_that_no_api_has_is_an_answer() {
    let told = told(&RoutingTable::empty(), "GET", "/", &PLAIN);
    assert_eq!(refused(&told), (404, "no API has this host"));
    assert!(told.door.is_none() && told.stage.is_none());
}

#[test]
fn bodies_go_as_their_cells_say() {
    let of = |handling: Option<ContentHandling>, template: bool| {
        let mut integration = custom("http://up.test/", &[("200", "")]);
        integration.content_handling = handling;
        if template {
            integration.request_templates = words(&[("text/plain", "four")]);
        }
        table(definition(&[("/x", Verb::Post, integration)]))
    };
    let encode = Some(ContentHandling::ConvertToText);
    let decode = Some(ContentHandling::ConvertToBinary);
    for (handling, template, content_type, body, cell, sent) in [
        (None, false, "text/plain", BodyLength::Exactly(5), "request/undefined/no-match", "5 bytes"),
        (None, false, "image/png", BodyLength::Unknown, "request/undefined/match", "of unknown length, in chunks"),
        (encode, false, "image/png", BodyLength::Exactly(4), "request/convert-to-text/match", "8 bytes"),
        (decode, false, "text/plain", BodyLength::Exactly(4), "request/convert-to-binary/no-match", "with its Content"),
        (decode, false, "text/plain", BodyLength::Empty, "request/convert-to-binary/no-match", "none"),
        (None, true, "text/plain", BodyLength::Exactly(99), "request/undefined/no-match", "4 bytes"),
    ] {
        let headers: &'static [(&str, &str)] = match content_type {
            "text/plain" => &[("content-type", "text/plain")],
            _ => &[("content-type", "image/png")],
        };
        let told = told(&of(handling, template), "POST", "/v1/x", &Question { headers, body, ..PLAIN });
        let (request, upstream) = (told.request.expect("decided"), told.upstream.expect("it is sent"));
        assert_eq!((request.body.cell.as_str(), request.body.template.is_some()), (cell, template));
        assert!(upstream.body.starts_with(sent), "{cell}: {}", upstream.body);
    }
}

#[test]
fn what_only_the_body_knows_is_said_to_be_unknown() {
    let mut integration = custom("http://up.test/", &[("200", "")]);
    integration.request_parameters = words(&[("integration.request.header.X-Name", "method.request.body.name")]);
    let mut asks_body = mock("");
    asks_body.request_templates.clear();
    let mut in_target = proxy("http://up.test/{p}");
    in_target.request_parameters = words(&[("integration.request.path.p", "method.request.body.p")]);
    let table = table(definition(&[
        ("/header", Verb::Post, integration),
        ("/mock", Verb::Post, asks_body),
        ("/target", Verb::Post, in_target),
    ]));
    let question = Question { body: BodyLength::Exactly(3), ..PLAIN };
    let header = told(&table, "POST", "/v1/header", &question);
    let upstream = header.upstream.expect("it is sent");
    assert!(upstream.mapped[0].from_body && upstream.mapped[0].values.is_empty());
    assert!(header.request.expect("decided").body.passage.starts_with("is collected: a mapping"));
    for (target, note) in
        [("/v1/mock", "looks for its status in the body"), ("/v1/target", "needs a value from the body")]
    {
        let told = told(&table, "POST", target, &question);
        assert!(told.notes.iter().any(|one| one.contains(note)), "{told:?}");
        assert!(told.refusal.is_none() && told.upstream.is_none(), "{target}");
    }
}

#[test]
fn a_mock_answers_by_its_templates() {
    let mut integration = mock("{\"statusCode\": 404}");
    integration.integration_responses = custom("", &[("200", ""), ("410", "4..")]).integration_responses;
    let told = told(&table(definition(&[("/x", Verb::Get, integration)])), "GET", "/v1/x", &PLAIN);
    let response = told.response.expect("it is answered");
    assert_eq!((response.integration_status, response.status), (404, 410));
    assert_eq!(response.selected, Some(SelectedFacts { status: 410, pattern: Some("4..".into()) }));
    assert_eq!(told.upstream, None);
}

#[test]
fn either_side_of_a_canary_can_be_asked_for() {
    let both = |percent: f64| {
        let canary = CanarySettings {
            percent_traffic: Number::new(percent).expect("it is finite"),
            deployment_id: "d2".into(),
            ..CanarySettings::default()
        };
        let stage = Stage {
            rest_api_id: "api7".into(),
            stage_name: "prod".into(),
            deployment_id: "d1".into(),
            canary_settings: Some(canary),
            ..Stage::default()
        };
        let table = assembled(&Bundle::new(definition(&[("/x", Verb::Get, proxy("http://up.test/"))]), stage));
        [false, true].map(|canary| {
            let told = told(&table, "GET", "/v1/x", &Question { canary, ..PLAIN });
            let stage = told.stage.expect("it has a stage");
            assert_eq!(stage.canary_percent, Some(percent.to_string()));
            (stage.deployment_id, stage.canary)
        })
    };
    let (own, canary) = (("d1".to_owned(), false), ("d2".to_owned(), true));
    assert_eq!(both(12.5), [own.clone(), canary.clone()]);
    assert_eq!(both(0.0), [own.clone(), own], "nobody meets it");
    assert_eq!(both(100.0), [canary.clone(), canary], "everybody meets it");
}

#[test]
fn compression_is_told_with_its_threshold() {
    let mut definition = definition(&[("/x", Verb::Get, proxy("http://up.test/"))]);
    definition.rest_api.minimum_compression_size = Some(1000);
    let table = table(definition);
    let text = (200, &[("content-type", "text/plain")][..]);
    for (accepted, answer, compression) in [
        (&[("accept-encoding", "br, gzip")][..], text, "br from 1000 bytes on"),
        (&[], text, "none: the client's Accept-Encoding allows no coding of ours"),
        (&[("accept-encoding", "gzip")], (200, &[("content-type", "image/png")]), ""),
    ] {
        let told = told(&table, "GET", "/v1/x", &Question { headers: accepted, answer, ..PLAIN });
        let response = told.response.expect("it is answered");
        assert_eq!(response.compression, compression);
        assert_eq!(response.headers.iter().any(|line| line.name == "vary"), !compression.is_empty());
    }
}
