//! A sequence of kills and freezes in an order of chance, at moments of chance, on SQLite.

use crate::agreement::Agreement;
use crate::{CONVERGENCE_MAX, NOTICE_MAX};
use harness::seed::Chance;
use harness::traffic::Traffic;
use harness::wait::until_within;
use harness::world::api_names;
use harness::writers::{Writers, upstreams};
use harness::{World, sized};
use penstock_proto::management::v1::rest_api_service_client::RestApiServiceClient;
use penstock_proto::management::v1::{ListNodesRequest, fleet_service_client::FleetServiceClient};
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

const PROXIES: usize = 3;
/// Acknowledged writes before each fault, at most: it comes at any moment of a write.
const WRITES_MAX: u64 = 12;
/// Answers of each proxy that must come while a fault lasts.
const ANSWERS: u64 = 20;

#[derive(Clone, Copy, Debug)]
enum Fault {
    /// Only writes.
    None,
    KillControl,
    KillProxy,
    KillAll,
    /// Silent for longer than the others bear.
    FreezeControl,
    FreezeProxy,
}

/// Each of them happens in every round.
const ROUND: [Fault; 9] = [
    Fault::None,
    Fault::KillControl,
    Fault::KillControl,
    Fault::KillControl,
    Fault::KillProxy,
    Fault::KillProxy,
    Fault::KillAll,
    Fault::FreezeControl,
    Fault::FreezeProxy,
];

struct Run {
    world: World,
    writers: Writers,
    traffic: Traffic,
    chance: Chance,
    agreement: Agreement,
    slowest: Duration,
}

#[tokio::test(flavor = "multi_thread")]
async fn kills_and_freezes_in_any_order_lose_nothing_and_fail_no_request() {
    let mut run = Run::start().await;
    for round in 0..sized(1, 12) {
        let mut faults = ROUND;
        run.chance.shuffle(&mut faults);
        for fault in faults {
            println!("round {round}: {fault:?}");
            run.writers.go_on(1 + run.chance.below(WRITES_MAX)).await;
            run.meet(fault).await;
            run.converge(Instant::now()).await;
        }
    }
    let (writes, answers) = (run.writers.known(|known| known.versions.len()), run.traffic.end().await);
    println!("seed {}: {writes} writes, {answers} requests, slowest {:?}", run.chance.seed(), run.slowest);
    run.writers.end().await;
}

impl Run {
    async fn start() -> Self {
        let chance = Chance::new();
        let mut world = World::start(0).await;
        for proxy in 0..PROXIES {
            let (id, state) = (format!("p{proxy}"), format!("state{proxy}"));
            world.add_proxy_unready(&[], &["--node-id", &id, "--state-dir", &state], &[]);
        }
        let clients = (0..2).map(|_| RestApiServiceClient::new(world.lasting_channel())).collect();
        let writers = Writers::start(clients, upstreams().await).await;
        let (version, all) = (writers.expected().version, (0..PROXIES).collect::<Vec<_>>());
        until_serving(&world, &all, version).await;
        let proxies: Vec<_> = world.proxies.iter().map(|proxy| proxy.address("proxy")).collect();
        let traffic = Traffic::on(&proxies, writers.ceiling());
        Self { world, writers, traffic, chance, agreement: Agreement::default(), slowest: Duration::ZERO }
    }

    async fn meet(&mut self, fault: Fault) {
        let all: Vec<_> = (0..PROXIES).collect();
        match fault {
            Fault::None => self.traffic.go_on(&all, ANSWERS).await,
            Fault::KillControl => {
                self.world.kill_control();
                self.traffic.go_on(&all, ANSWERS).await;
                self.world.restart_control();
            }
            Fault::KillProxy => {
                let proxy = self.chance.index(PROXIES);
                self.kill_proxy(proxy).await;
                self.writers.go_on(self.chance.below(WRITES_MAX)).await;
                self.restart_proxy(proxy).await;
            }
            Fault::KillAll => {
                let proxy = self.chance.index(PROXIES);
                self.kill_proxy(proxy).await;
                self.world.kill_control();
                // It serves what it kept before there is a control plane.
                self.restart_proxy(proxy).await;
                self.traffic.go_on(&all, ANSWERS).await;
                self.world.restart_control();
            }
            Fault::FreezeControl => {
                self.world.control.signal("STOP");
                for proxy in all.clone() {
                    let connected = async || self.world.config(proxy).await["controlPlane"]["connected"].clone();
                    until_within(NOTICE_MAX, "a proxy notices", connected, |connected| *connected == false).await;
                }
                self.traffic.go_on(&all, ANSWERS).await;
                self.world.control.signal("CONT");
            }
            Fault::FreezeProxy => {
                let proxy = self.chance.index(PROXIES);
                let (id, others) =
                    (format!("p{proxy}"), all.iter().copied().filter(|one| *one != proxy).collect::<Vec<_>>());
                self.world.proxies[proxy].signal("STOP");
                let connected = async || self.connected().await.contains(&id);
                until_within(NOTICE_MAX, "the control plane notices", connected, |&connected| !connected).await;
                // The others have what was written meanwhile.
                let version = {
                    let _quiet = self.writers.quiet().await;
                    let version = self.writers.expected().version;
                    self.world.converged_within(CONVERGENCE_MAX, &others, version).await;
                    version
                };
                assert!(version > 0);
                self.world.proxies[proxy].signal("CONT");
            }
        }
    }

    async fn kill_proxy(&mut self, proxy: usize) {
        self.traffic.excuse(proxy, true);
        self.world.proxies[proxy].kill();
    }

    async fn restart_proxy(&mut self, proxy: usize) {
        self.world.proxies[proxy].start_again();
        self.world.ready(proxy).await;
        self.traffic.excuse(proxy, false);
    }

    /// Nodes whose streams are open.
    async fn connected(&self) -> BTreeSet<String> {
        let mut fleet = FleetServiceClient::new(self.world.lasting_channel());
        let nodes = fleet.list_nodes(ListNodesRequest {}).await.unwrap().into_inner();
        nodes.items.into_iter().filter(|node| node.connected).map(|node| node.id).collect()
    }

    /// What must be true a while after a fault is over.
    async fn converge(&mut self, healed: Instant) {
        let all: Vec<_> = (0..PROXIES).collect();
        {
            let _quiet = self.writers.quiet().await;
            let expected = self.writers.expected();
            let left = CONVERGENCE_MAX.saturating_sub(healed.elapsed());
            self.world.converged_within(left, &all, expected.version).await;
            let left = CONVERGENCE_MAX.saturating_sub(healed.elapsed());
            let connected = async || self.connected().await.len();
            until_within(left, "the fleet is whole", connected, |&connected| connected == PROXIES).await;
            self.slowest = self.slowest.max(healed.elapsed());

            let stored = api_names(&mut self.world.rest_apis().await).await;
            let proxies: Vec<_> = self.world.proxies.iter().map(|proxy| proxy.address("proxy")).collect();
            let number = self.agreement.check(&self.writers, &proxies, stored).await;
            let (version, _) = self.world.published().await;
            for proxy in all.clone() {
                self.world.kept(proxy, version).await;
            }
            self.traffic.raise_floor(number);
        }
        self.traffic.go_on(&all, ANSWERS).await;
        self.traffic.check();
    }
}

async fn until_serving(world: &World, proxies: &[usize], version: u64) {
    world.converged_within(CONVERGENCE_MAX, proxies, version).await;
    for proxy in proxies {
        world.kept(*proxy, version).await;
    }
}
