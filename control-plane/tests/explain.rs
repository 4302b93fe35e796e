//! `Explain` is about what is published, and takes everything that a client could send.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use penstock_proto::management::v1 as wire;
use support::client::Operator;
use support::{Program, document};
use tonic::transport::Channel;
use tonic::{Code, Status};
use wire::explain_service_client::ExplainServiceClient;

struct Setup {
    _data: tempfile::TempDir,
    _program: Program,
    operator: Operator,
    explain: ExplainServiceClient<Channel>,
}

async fn setup() -> Setup {
    let data = tempfile::tempdir().expect("there is room for a directory");
    let program = Program::start(data.path());
    let operator = Operator::of(&program).await;
    let explain = ExplainServiceClient::new(program.channel().await);
    Setup { _data: data, _program: program, operator, explain }
}

impl Setup {
    async fn told(&mut self, request: wire::ExplainRequest) -> Result<wire::Explanation, Status> {
        Ok(self.explain.explain(request).await?.into_inner())
    }

    async fn get(&mut self, url: &str) -> wire::Explanation {
        self.told(wire::ExplainRequest { url: url.into(), ..Default::default() }).await.unwrap()
    }

    /// Imports an API with a GET of `/a`, on the stage `v1` behind `domain`.
    async fn serve(&mut self, title: &str, domain: &str) -> String {
        let stage =
            wire::StageSpec { stage_name: "v1".into(), domain_name: domain.into(), ..wire::StageSpec::default() };
        let import = wire::ImportRestApiRequest {
            document: document(title, "http://up.test/x", &["/a"]),
            stage: Some(stage),
            ..Default::default()
        };
        self.operator.apis.import_rest_api(import).await.unwrap().into_inner().rest_api.unwrap().id
    }
}

fn header(name: &str, value: &str) -> wire::HeaderLine {
    wire::HeaderLine { name: name.into(), value: value.into() }
}

#[tokio::test]
async fn a_host_that_nobody_published_is_an_answer() {
    let mut setup = setup().await;
    let told = setup.get("https://gw.test/a").await;
    let refusal = told.refusal.unwrap();
    assert_eq!((refusal.status, told.entrance, told.stage), (404, None, None));
    assert_eq!((told.host.as_str(), told.target.as_str(), told.http_method.as_str()), ("gw.test", "/a", "GET"));
}

#[tokio::test]
async fn what_is_published_is_explained_and_what_is_not_deployed_yet_is_not() {
    let mut setup = setup().await;
    let api = setup.serve("images", "*").await;
    let told = setup.get("/a?x=1").await;
    let stage = told.stage.unwrap();
    assert_eq!(
        (stage.rest_api_id, stage.rest_api_name.as_str(), stage.stage_name.as_str()),
        (api.clone(), "images", "v1")
    );
    assert_eq!((told.host.as_str(), told.upstream.unwrap().target.as_str()), ("localhost", "/x?x=1"));
    let configuration = setup.operator.fleet.get_configuration(wire::GetConfigurationRequest {}).await.unwrap();
    assert_eq!(told.version, configuration.into_inner().version);

    let root = setup.get("/b").await.candidates;
    assert!(root.iter().all(|candidate| !candidate.chosen && !candidate.reason.is_empty()), "{root:?}");
    let rest_api =
        setup.operator.apis.get_rest_api(wire::GetRestApiRequest { rest_api_id: api.clone() }).await.unwrap();
    let root_id = rest_api.into_inner().root_resource_id;
    setup.operator.create_resource(&api, &root_id, "b").await.unwrap();
    assert_eq!(setup.get("/b").await.refusal.unwrap().response_type, "MISSING_AUTHENTICATION_TOKEN");
}

#[tokio::test]
async fn the_host_header_wins_and_says_the_port_of_a_bare_path() {
    let mut setup = setup().await;
    setup.serve("one", "one.test").await;
    let ask = |url: &str, host: &str| wire::ExplainRequest {
        url: url.into(),
        headers: vec![header("Host", host)],
        ..Default::default()
    };
    for (url, host, port) in [
        ("/a", "one.test:8443", "8443"),
        ("/a", "one.test", "8080"),
        ("http://127.0.0.1:9090/a", "one.test", "9090"),
        ("http://127.0.0.1/a", "one.test:7", "8080"),
    ] {
        let told = setup.told(ask(url, host)).await.unwrap();
        assert_eq!((told.host.as_str(), told.entrance.unwrap().name.as_str()), (host, "one.test"), "{url}");
        let headers = told.upstream.unwrap().headers;
        let forwarded = headers.into_iter().find(|line| line.name == "x-forwarded-port").unwrap();
        assert_eq!(forwarded.value, port, "{url} {host}");
    }
}

#[tokio::test]
async fn an_unsigned_caller_of_an_unknown_path_sees_the_hash_of_what_it_showed() {
    let mut setup = setup().await;
    setup.serve("one", "*").await;
    let unsigned = wire::ExplainRequest {
        url: "/none".into(),
        headers: vec![header("Authorization", "bearer")],
        ..Default::default()
    };
    let refusal = setup.told(unsigned).await.unwrap().refusal.unwrap();
    // base64 of the SHA-256 of `bearer`.
    assert!(refusal.body.contains("'JFStYcKswE8KIPq/fyvJbyjRnENAUv3v27UbRv5TT4k='"), "{}", refusal.body);
}

#[tokio::test]
async fn what_is_no_request_is_refused_with_its_field() {
    let mut setup = setup().await;
    let plain = wire::ExplainRequest { url: "/a".into(), ..Default::default() };
    for (field, request) in [
        ("url", wire::ExplainRequest::default()),
        ("url", wire::ExplainRequest { url: "ftp://x/".into(), ..Default::default() }),
        ("headers[0]", wire::ExplainRequest { headers: vec![header("a b", "")], ..plain.clone() }),
        ("headers[host]", wire::ExplainRequest { headers: vec![header("host", "a/b")], ..plain.clone() }),
        ("headers[content-length]", wire::ExplainRequest { headers: vec![header("content-length", "x")], ..plain }),
    ] {
        let status = setup.told(request).await.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument);
        assert!(status.message().starts_with(field), "{field}: {}", status.message());
    }
}
