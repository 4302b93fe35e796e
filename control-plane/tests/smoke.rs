//! The real program, spoken to as a stranger would: reflection, health, pages for operators, a start and an end.

#![allow(clippy::unwrap_used, reason = "clippy sees helpers of tests as no tests")]

mod support;

use penstock_proto::management::v1 as wire;
use std::io::{Read as _, Write as _};
use std::process::Stdio;
use support::{Program, document};
use tokio_stream::StreamExt as _;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;
use tonic_reflection::pb::v1::{ServerReflectionRequest, ServerReflectionResponse};
use wire::fleet_service_client::FleetServiceClient;
use wire::rest_api_service_client::RestApiServiceClient;

async fn reflect(program: &Program, ask: MessageRequest) -> ServerReflectionResponse {
    let request = ServerReflectionRequest { host: String::new(), message_request: Some(ask) };
    let mut client = ServerReflectionClient::new(program.channel().await);
    let answers = client.server_reflection_info(tokio_stream::once(request)).await.unwrap();
    answers.into_inner().next().await.unwrap().unwrap()
}

/// Asks the operators' page the plain way.
fn page(program: &Program, path: &str) -> String {
    let mut stream = std::net::TcpStream::connect(program.admin).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: admin\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[tokio::test]
async fn services_are_found_by_reflection_and_are_healthy() {
    let data = tempfile::tempdir().unwrap();
    let program = Program::start(data.path());
    let list = reflect(&program, MessageRequest::ListServices(String::new())).await.message_response;
    let Some(MessageResponse::ListServicesResponse(list)) = list else { panic!("{list:?}") };
    let names: Vec<_> = list.service.iter().map(|service| service.name.as_str()).collect();
    let mut health = HealthClient::new(program.channel().await);
    for name in [
        "penstock.management.v1.RestApiService",
        "penstock.management.v1.ResourceService",
        "penstock.management.v1.MethodService",
        "penstock.management.v1.DeploymentService",
        "penstock.management.v1.StageService",
        "penstock.management.v1.DomainNameService",
        "penstock.management.v1.FleetService",
        "penstock.discovery.v1.DiscoveryService",
        "",
    ] {
        assert!(name.is_empty() || names.contains(&name), "{name} is not in {names:?}");
        let answer = health.check(HealthCheckRequest { service: name.to_owned() }).await.unwrap();
        assert_eq!(answer.into_inner().status, 1, "{name} is serving");
    }
    // Everything that a stranger needs to speak, the imported types too.
    for symbol in ["penstock.management.v1.ImportRestApiRequest", "google.protobuf.FieldMask"] {
        let found = reflect(&program, MessageRequest::FileContainingSymbol(symbol.to_owned())).await.message_response;
        assert!(matches!(found, Some(MessageResponse::FileDescriptorResponse(_))), "{symbol}: {found:?}");
    }
}

// Two threads: the client must hear the goodbye while the test waits for the process.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_registered_survives_an_orderly_stop() {
    let data = tempfile::tempdir().unwrap();
    let mut program = Program::start(data.path());
    assert!(page(&program, "/health/live").starts_with("HTTP/1.1 200"));
    assert!(page(&program, "/health/ready").starts_with("HTTP/1.1 200"));
    assert!(page(&program, "/nowhere").starts_with("HTTP/1.1 404"));

    let mut apis = RestApiServiceClient::new(program.channel().await);
    let stage = wire::StageSpec { stage_name: "v1".into(), domain_name: "*".into(), ..Default::default() };
    let request = wire::ImportRestApiRequest {
        document: document("Shop", "http://up.test/", &["/a"]),
        stage: Some(stage),
        ..Default::default()
    };
    let imported = apis.import_rest_api(request).await.unwrap();
    assert_eq!(imported.metadata().get("penstock-config-version").unwrap(), "2");
    assert!(page(&program, "/metrics").contains("\npenstock_config_version 2\n"));
    let asked = std::time::Instant::now();
    assert!(program.terminate().success());
    assert!(asked.elapsed() < std::time::Duration::from_secs(4), "an idle connection does not hold up the end");

    let program = Program::start(data.path());
    let mut fleet = FleetServiceClient::new(program.channel().await);
    let configuration = fleet.get_configuration(wire::GetConfigurationRequest {}).await.unwrap().into_inner();
    assert_eq!((configuration.version, configuration.bundle_count, configuration.route_count), (2, 1, 1));
    let routes = fleet.list_routes(wire::ListRoutesRequest::default()).await.unwrap().into_inner();
    assert_eq!((routes.items.len(), routes.items[0].path.as_str(), routes.version), (1, "/a", 2));
    assert_eq!(fleet.list_nodes(wire::ListNodesRequest {}).await.unwrap().into_inner().items, []);
}

#[test]
fn a_data_directory_in_use_stops_the_second_process_with_a_reason() {
    let data = tempfile::tempdir().unwrap();
    let _first = Program::start(data.path());
    let second = Program::command(data.path()).stdout(Stdio::null()).stderr(Stdio::piped()).output().unwrap();
    let said = String::from_utf8(second.stderr).unwrap();
    assert!(!second.status.success());
    assert!(said.contains("in use by another control plane"), "{said}");
}

#[test]
fn a_damaged_database_stops_the_start_with_a_reason() {
    let data = tempfile::tempdir().unwrap();
    std::fs::write(data.path().join("penstock.db"), "no database at all, ".repeat(1_000)).unwrap();
    let run = Program::command(data.path()).stdout(Stdio::null()).stderr(Stdio::piped()).output().unwrap();
    let said = String::from_utf8(run.stderr).unwrap();
    assert!(!run.status.success());
    assert!(said.contains("the database is damaged"), "{said}");
}

#[test]
fn a_taken_address_is_named_with_its_setting() {
    let data = tempfile::tempdir().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let run = std::process::Command::new(env!("CARGO_BIN_EXE_penstock-control-plane"))
        .args(["--listen", &address, "--admin-listen", "127.0.0.1:0", "--data-dir"])
        .arg(data.path())
        .stderr(Stdio::piped())
        .output()
        .unwrap();
    let said = String::from_utf8(run.stderr).unwrap();
    assert!(!run.status.success());
    assert!(said.contains(&address) && said.contains("--listen"), "{said}");
}
