//! Two control planes on one PostgreSQL that are killed, and a database that crashes and restarts, in an order of chance and
//! at moments of chance, while both take writes.

use crate::CONVERGENCE_MAX;
use crate::agreement::Agreement;
use harness::replicas::Replicas;
use harness::seed::Chance;
use harness::sized;
use harness::traffic::Traffic;
use harness::world::api_names;
use harness::writers::{Writers, upstreams};
use std::time::{Duration, Instant};

const PLANES: [usize; 2] = [0, 1];
const PROXIES: [usize; 2] = [0, 1];
/// Acknowledged writes before each fault, at most: it comes at any moment of a write.
const WRITES_MAX: u64 = 12;
const ANSWERS: u64 = 20;

#[derive(Clone, Copy, Debug)]
enum Fault {
    /// The other one takes writes meanwhile, and its nodes.
    KillPlane,
    KillBoth,
    CrashDatabase,
    StopDatabase,
    /// Both sides of the writes at once.
    KillPlaneWithoutDatabase,
    /// One after the other, each killed as soon as the one before is there.
    KillInTurn,
}

/// Each of them happens in every round.
const ROUND: [Fault; 8] = [
    Fault::KillPlane,
    Fault::KillPlane,
    Fault::KillPlane,
    Fault::KillBoth,
    Fault::CrashDatabase,
    Fault::StopDatabase,
    Fault::KillPlaneWithoutDatabase,
    Fault::KillInTurn,
];

struct Run {
    world: Replicas,
    writers: Writers,
    traffic: Traffic,
    chance: Chance,
    agreement: Agreement,
    slowest: Duration,
}

#[tokio::test(flavor = "multi_thread")]
async fn control_planes_and_their_database_in_any_order_lose_nothing_and_fail_no_request() {
    let Some(world) = Replicas::start(PLANES.len()) else { return };
    let mut run = Run::start(world).await;
    for round in 0..sized(1, 20) {
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
    async fn start(mut world: Replicas) -> Self {
        for planes in [[0, 1], [1, 0]] {
            world.add_proxy(&planes).await;
        }
        let clients = PLANES.iter().map(|plane| world.rest_apis(*plane)).collect();
        let writers = Writers::start(clients, upstreams().await).await;
        world.converged_within(CONVERGENCE_MAX, &PLANES, writers.expected().version).await;
        let proxies: Vec<_> = world.proxies.iter().map(|proxy| proxy.address("proxy")).collect();
        let traffic = Traffic::on(&proxies, writers.ceiling());
        let (chance, agreement) = (Chance::new(), Agreement::default());
        Self { world, writers, traffic, chance, agreement, slowest: Duration::ZERO }
    }

    async fn meet(&mut self, fault: Fault) {
        let plane = self.chance.index(PLANES.len());
        match fault {
            Fault::KillPlane => {
                self.world.planes[plane].kill();
                self.traffic.go_on(&PROXIES, ANSWERS).await;
                self.writers.go_on(self.chance.below(WRITES_MAX)).await;
                self.world.planes[plane].start_again();
            }
            Fault::KillBoth => {
                for plane in [plane, 1 - plane] {
                    self.world.planes[plane].kill();
                }
                self.traffic.go_on(&PROXIES, ANSWERS).await;
                for plane in PLANES {
                    self.world.planes[plane].start_again();
                }
            }
            Fault::CrashDatabase => {
                self.world.database.crash();
                self.traffic.go_on(&PROXIES, ANSWERS).await;
                self.world.database.start_again();
            }
            Fault::StopDatabase => {
                self.world.database.stop();
                self.world.database.start_again();
            }
            Fault::KillPlaneWithoutDatabase => {
                self.world.database.crash();
                self.world.planes[plane].kill();
                self.traffic.go_on(&PROXIES, ANSWERS).await;
                self.world.database.start_again();
                self.world.planes[plane].start_again();
            }
            Fault::KillInTurn => {
                for plane in [plane, 1 - plane, plane] {
                    self.world.planes[plane].kill();
                    self.world.planes[plane].start_again();
                }
            }
        }
    }

    /// What must be true a while after a fault is over.
    async fn converge(&mut self, healed: Instant) {
        {
            let _quiet = self.writers.quiet().await;
            let left = CONVERGENCE_MAX.saturating_sub(healed.elapsed());
            self.world.converged_within(left, &PLANES, self.writers.expected().version).await;
            self.slowest = self.slowest.max(healed.elapsed());
            let proxies: Vec<_> = self.world.proxies.iter().map(|proxy| proxy.address("proxy")).collect();
            let stored = api_names(&mut self.world.rest_apis(self.chance.index(PLANES.len()))).await;
            let number = self.agreement.check(&self.writers, &proxies, stored).await;
            self.traffic.raise_floor(number);
        }
        self.traffic.go_on(&PROXIES, ANSWERS).await;
        self.traffic.check();
    }
}
