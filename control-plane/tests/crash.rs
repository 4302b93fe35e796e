//! `kill -9` in the middle of writes: every acknowledged change is there afterwards, and none that was refused or half
//! done.

#![allow(clippy::unwrap_used, reason = "clippy sees helpers of tests as no tests")]

mod support;

use penstock_proto::management::v1 as wire;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::Mutex;
use std::time::Duration;
use support::{Program, document};
use wire::fleet_service_client::FleetServiceClient;
use wire::rest_api_service_client::RestApiServiceClient;
use wire::stage_service_client::StageServiceClient;

const WRITERS: usize = 4;
const ROUNDS: usize = 4;

/// What the callers know.
#[derive(Clone, Debug, Default)]
struct Known {
    /// Titles whose import was asked for.
    asked: BTreeSet<String>,
    /// Titles whose import was answered.
    acknowledged: BTreeSet<String>,
    /// Versions that were answered.
    versions: Vec<u64>,
}

async fn write(channel: tonic::transport::Channel, round: usize, writer: usize, known: Arc<Mutex<Known>>) {
    let mut apis = RestApiServiceClient::new(channel);
    for number in 0.. {
        let title = format!("{round}-{writer}-{number}");
        known.lock().unwrap().asked.insert(title.clone());
        let stage = wire::StageSpec { stage_name: "v1".into(), auto_deploy: true, ..Default::default() };
        let request = wire::ImportRestApiRequest {
            document: document(&title, "http://up.test/", &["/a", "/b"]),
            stage: Some(stage),
            ..Default::default()
        };
        // The end of the process is the end of the writer.
        let Ok(answer) = apis.import_rest_api(request).await else { return };
        let version = answer.metadata().get("penstock-config-version").unwrap().to_str().unwrap().parse().unwrap();
        let mut known = known.lock().unwrap();
        known.acknowledged.insert(title);
        known.versions.push(version);
    }
}

/// Every API that is stored, with what belongs to it.
async fn check(program: &Program, known: &Known) {
    let mut apis = RestApiServiceClient::new(program.channel().await);
    let request = wire::ListRestApisRequest { page_size: 500, ..Default::default() };
    let stored = apis.list_rest_apis(request).await.unwrap().into_inner();
    assert!(stored.next_page_token.is_empty(), "the test reads one page");
    let titles: BTreeSet<String> = stored.items.iter().map(|api| api.name.clone()).collect();
    assert_eq!(titles.len(), stored.items.len(), "no import happened twice");
    let lost: Vec<_> = known.acknowledged.difference(&titles).collect();
    assert!(lost.is_empty(), "acknowledged and lost: {lost:?}");
    let invented: Vec<_> = titles.difference(&known.asked).collect();
    assert!(invented.is_empty(), "never asked for: {invented:?}");

    // An import that was not answered may have happened, but only as a whole.
    let mut stages = StageServiceClient::new(program.channel().await);
    let request = wire::ListStagesRequest { page_size: 500, ..Default::default() };
    let with_stage = stages.list_stages(request).await.unwrap().into_inner().items.len();
    let mut fleet = FleetServiceClient::new(program.channel().await);
    let published = fleet.get_configuration(wire::GetConfigurationRequest {}).await.unwrap().into_inner();
    let count = stored.items.len();
    assert_eq!((with_stage, published.bundle_count, published.route_count), (count, count as i32, 2 * count as i64));
    assert_eq!(published.version, 1 + count as u64, "each import was one version");
    assert!(known.versions.iter().all(|&version| version <= published.version));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kill_nine_during_writes_loses_nothing_that_was_acknowledged() {
    let data = tempfile::tempdir().unwrap();
    let known = Arc::new(Mutex::new(Known::default()));
    for round in 0..ROUNDS {
        let mut program = Program::start(data.path());
        let so_far = known.lock().unwrap().clone();
        check(&program, &so_far).await;
        let before = known.lock().unwrap().acknowledged.len();
        let mut writers = Vec::new();
        for writer in 0..WRITERS {
            writers.push(tokio::spawn(write(program.channel().await, round, writer, Arc::clone(&known))));
        }
        // In the middle of it: a different number of writes each round.
        let enough = before + 3 + 4 * round;
        let wait = async {
            while known.lock().unwrap().acknowledged.len() < enough {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), wait).await.expect("writes go through");
        program.kill();
        for writer in writers {
            writer.await.unwrap();
        }
    }
    let program = Program::start(data.path());
    let so_far = known.lock().unwrap().clone();
    check(&program, &so_far).await;
    let mut versions = so_far.versions;
    versions.sort_unstable();
    let count = versions.len();
    versions.dedup();
    assert_eq!(versions.len(), count, "no version was given twice, not even across the kills");
}
