//! The wall clock jumps by a day, forwards and back, under either side. What is waited for, what counts as lost and what
//! counts as stale goes by time that only passes; what has an order has it by numbers.

use crate::CONVERGENCE_MAX;
use harness::clock::Clock;
use harness::traffic::Traffic;
use harness::wait::until;
use harness::world::{Particular, document};
use harness::writers::{Writers, upstreams};
use harness::{World, sized};
use penstock_proto::management::v1::audit_service_client::AuditServiceClient;
use penstock_proto::management::v1::rest_api_service_client::RestApiServiceClient;
use penstock_proto::management::v1::{
    CreateDeploymentRequest, ListAuditEntriesRequest, ListNodesRequest, NodeRolloutState, RolloutState, WaitFor,
};
use std::time::{SystemTime, UNIX_EPOCH};

const DAY_S: i64 = 24 * 60 * 60;
const PROXIES: [usize; 2] = [0, 1];
const ANSWERS: u64 = 20;

struct Run {
    world: World,
    writers: Writers,
    traffic: Traffic,
    /// The API that is deployed by hand.
    api: String,
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_jumps_by_a_day_changes_nothing() {
    let directory = harness::world::temporary_directory();
    let clocks = ["control", "proxy"].map(|name| Clock::new(&directory, name));
    let [Some(control), Some(proxy)] = &clocks else { return };
    let run = Run::start(control, proxy).await;
    for _ in 0..sized(1, 10) {
        for (at_control, at_proxy) in [(DAY_S, 0), (-DAY_S, 0), (0, DAY_S), (0, -DAY_S), (DAY_S, -DAY_S), (0, 0)] {
            control.set(at_control);
            proxy.set(at_proxy);
            run.has_noticed(at_control, at_proxy).await;
            run.is_as_before().await;
        }
    }
    run.a_node_that_left_still_counts(control).await;
    run.has_an_order().await;
    println!("{} requests", run.traffic.end().await);
    run.writers.end().await;
    std::fs::remove_dir_all(directory).unwrap();
}

impl Run {
    async fn start(control: &Clock, proxy: &Clock) -> Self {
        let environment = control.environment();
        let mut world = World::start_particular(&Particular { environment: &environment, ..Particular::default() });
        // Any mistake about age would show: an hour is less than the jumps.
        let refusing = ["--stale-policy", "refuse", "--stale-after-seconds", "3600"];
        for number in PROXIES {
            let (id, state) = (format!("p{number}"), format!("state{number}"));
            let arguments = [&refusing[..], &["--node-id", &id, "--state-dir", &state]].concat();
            world.add_proxy_unready(&[], &arguments, &proxy.environment());
        }
        let clients = vec![RestApiServiceClient::new(world.lasting_channel())];
        let writers = Writers::start(clients, upstreams().await).await;
        let by_hand = document("by hand", &[("GET", "/x", "http://127.0.0.1:1/".to_owned())]);
        let api = world.register_at(&by_hand, "*", "by-hand").await.rest_api.unwrap().id;
        let proxies: Vec<_> = world.proxies.iter().map(|proxy| proxy.address("proxy")).collect();
        let traffic = Traffic::on(&proxies, writers.ceiling());
        Self { world, writers, traffic, api }
    }

    /// Both sides go by their clocks, and have done something since.
    async fn has_noticed(&self, at_control: i64, at_proxy: i64) {
        let is_about = |seconds: i64, expected: i64| (seconds - expected).abs() < 600;
        let control = async || self.audit().await[0].1 - now_s();
        until("the control plane has another time", control, |&ahead| is_about(ahead, at_control)).await;
        for proxy in PROXIES {
            let ahead = async || last_said(&self.world.proxies[proxy].log()) - now_s();
            until("a proxy has another time", ahead, |&ahead| is_about(ahead, at_proxy)).await;
        }
    }

    async fn is_as_before(&self) {
        self.traffic.go_on(&PROXIES, ANSWERS).await;
        let rollout = self.deploy(WaitFor::All, 15).await;
        let states: Vec<_> = rollout.1.iter().map(|(_, state)| *state).collect();
        assert_eq!((rollout.0, states), (RolloutState::RolloutReached, vec![NodeRolloutState::NodeApplied; 2]));
        let nodes = self.world.fleet().await.list_nodes(ListNodesRequest {}).await.unwrap().into_inner().items;
        assert!(nodes.len() == 2 && nodes.iter().all(|node| node.connected), "{nodes:?}");
        let _quiet = self.writers.quiet().await;
        self.world.converged_within(CONVERGENCE_MAX, &PROXIES, self.writers.expected().version).await;
        for proxy in PROXIES {
            let config = self.world.config(proxy).await;
            assert_eq!(config["stale"], false, "{config}");
            assert!(config["confirmedSecondsAgo"].as_u64() < Some(15), "{config}");
            assert_eq!(config["state"]["problem"], serde_json::Value::Null, "{config}");
        }
        self.traffic.check();
    }

    /// Who left a moment ago may serve on, whatever the time of day.
    async fn a_node_that_left_still_counts(&self, control: &Clock) {
        let stranger = harness::stranger::Stranger::subscribe(
            self.world.channel().await,
            "gone",
            harness::stranger::Manner::Applies,
        )
        .await;
        let nodes = async || {
            let nodes = self.world.fleet().await.list_nodes(ListNodesRequest {}).await.unwrap().into_inner().items;
            nodes.iter().filter(|node| node.connected).count()
        };
        until("it is there", nodes, |&count| count == 3).await;
        drop(stranger);
        until("it is gone", nodes, |&count| count == 2).await;
        for jump in [DAY_S, -DAY_S, 0] {
            control.set(jump);
            self.has_noticed(jump, 0).await;
            let (state, nodes) = self.deploy(WaitFor::All, 1).await;
            assert_eq!(state, RolloutState::RolloutDeadline, "{jump}: {nodes:?}");
            assert!(nodes.contains(&("gone".to_owned(), NodeRolloutState::NodeSilent)), "{jump}: {nodes:?}");
        }
    }

    /// Whatever the clocks said, what came later has the higher number.
    async fn has_an_order(&self) {
        let entries = self.audit().await;
        assert!(entries.is_sorted_by(|later, earlier| later.0 > earlier.0), "{entries:?}");
        assert!(!entries.is_sorted_by(|later, earlier| later.1 >= earlier.1), "the clock did jump");
    }

    async fn deploy(&self, wait_for: WaitFor, seconds: i64) -> (RolloutState, Vec<(String, NodeRolloutState)>) {
        let request = CreateDeploymentRequest {
            rest_api_id: self.api.clone(),
            stage_name: Some("prod".to_owned()),
            wait_for: wait_for.into(),
            wait_deadline: Some(prost_types::Duration { seconds, nanos: 0 }),
            ..Default::default()
        };
        let answer = self.world.deployments().await.create_deployment(request).await.unwrap().into_inner();
        let rollout = answer.rollout.unwrap();
        let nodes = rollout.nodes.iter().map(|node| (node.node_id.clone(), node.state())).collect();
        (rollout.state(), nodes)
    }

    /// Version and time of every change, in the order in which the audit log has them, the newest first.
    async fn audit(&self) -> Vec<(u64, i64)> {
        let mut client = AuditServiceClient::new(self.world.lasting_channel());
        let request = ListAuditEntriesRequest { page_size: 500, ..Default::default() };
        let entries = client.list_audit_entries(request).await.unwrap().into_inner().items;
        entries.iter().map(|entry| (entry.version, entry.time.unwrap().seconds)).collect()
    }
}

fn now_s() -> i64 {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()).unwrap()
}

/// The time of the last line of a log, in seconds since 1970.
fn last_said(log: &str) -> i64 {
    let complete = &log[..log.rfind('\n').unwrap_or(0)];
    let word = complete.lines().last().unwrap_or_default().split_whitespace().next().unwrap_or_default();
    // Days are all that matters here, and the C library's own program knows calendars.
    let date = std::process::Command::new("date").args(["-u", "+%s", "-d", word]).output().unwrap();
    String::from_utf8(date.stdout).unwrap().trim().parse().unwrap_or_default()
}
