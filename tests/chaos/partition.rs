//! Networks that lose packets without a word: for a moment and for longer than silence is borne, in both directions and in
//! one. Who is cut off serves on; the others do not wait for it; and it catches up once packets arrive again.

use crate::{CONVERGENCE_MAX, NOTICE_MAX};
use harness::network::{Cable, Loss, Namespace};
use harness::traffic::Traffic;
use harness::upstream::Upstream;
use harness::wait::until_within;
use harness::world::Particular;
use harness::writers::{Writers, number};
use harness::{World, sized};
use penstock_proto::management::v1::ListNodesRequest;
use penstock_proto::management::v1::rest_api_service_client::RestApiServiceClient;
use std::time::Instant;

/// The proxy that is never cut off, and those that are.
const WHOLE: usize = 0;
const CUT: [(usize, Loss); 3] = [(1, Loss::Both), (2, Loss::ToFar), (3, Loss::ToNear)];
const ALL: [usize; 4] = [0, 1, 2, 3];
const ANSWERS: u64 = 20;

struct Town<'a> {
    world: World,
    writers: Writers,
    traffic: Traffic,
    cables: Vec<Cable<'a>>,
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_cut_off_serves_on_and_catches_up_when_packets_arrive_again() {
    let Some(namespaces) = (0..=4).map(Namespace::new).collect::<Option<Vec<_>>>() else { return };
    let town = Town::build(&namespaces[0], &namespaces[1..]).await;
    // So short that nobody may notice: TCP sends again what was lost.
    for _ in 0..sized(2, 20) {
        town.cut();
        town.writers.go_on(10).await;
        town.traffic.go_on(&ALL, ANSWERS).await;
        town.heal("a short cut").await;
    }
    for round in 0..sized(1, 4) {
        town.cut();
        for (proxy, _) in CUT {
            let connected = async || town.world.config(proxy).await["controlPlane"]["connected"].clone();
            until_within(NOTICE_MAX, "a proxy notices", connected, |connected| *connected == false).await;
        }
        let mut fleet = town.world.fleet().await;
        let connected = async || {
            let nodes = fleet.list_nodes(ListNodesRequest {}).await.unwrap().into_inner();
            nodes.items.iter().filter(|node| node.connected).count()
        };
        until_within(NOTICE_MAX, "the control plane notices", connected, |&connected| connected == 1).await;
        town.the_whole_one_has_everything().await;
        // Each round later: waits between attempts grow to their longest.
        for _ in 0..1 + round * 20 {
            town.writers.go_on(100).await;
        }
        town.traffic.go_on(&ALL, ANSWERS).await;
        town.heal("a long cut").await;
    }
    println!("{} requests", town.traffic.end().await);
    town.writers.end().await;
}

impl<'a> Town<'a> {
    async fn build(center: &'a Namespace, suburbs: &'a [Namespace]) -> Self {
        let (wrapper, listen) = (center.wrapper(), format!("{}:0", center.address));
        // The network is the test's.
        let arguments = &["--trust-network"];
        let particular = Particular { wrapper: &wrapper, listen: Some(&listen), arguments, ..Particular::default() };
        let mut world = World::start_particular(&particular);
        let mut cables = Vec::new();
        for (number, suburb) in (0..).zip(suburbs) {
            cables.push(Cable::new(center, suburb, number));
            let (listen, id) = (format!("{}:0", suburb.address), format!("p{number}"));
            let arguments = ["--listen", &listen, "--admin-listen", &listen, "--node-id", &id];
            world.add_proxy_unready(&suburb.wrapper(), &arguments, &[]);
        }
        let clients = vec![RestApiServiceClient::new(world.lasting_channel())];
        let upstreams =
            [Upstream::mirror_at(center.outside, "even").await, Upstream::mirror_at(center.outside, "odd").await];
        let writers = Writers::start(clients, upstreams).await;
        world.converged_within(CONVERGENCE_MAX, &ALL, writers.expected().version).await;
        let proxies: Vec<_> = world.proxies.iter().map(|proxy| proxy.address("proxy")).collect();
        let traffic = Traffic::on(&proxies, writers.ceiling());
        Self { world, writers, traffic, cables }
    }

    fn cut(&self) {
        for (proxy, loss) in CUT {
            self.cables[proxy].cut(loss);
        }
    }

    async fn the_whole_one_has_everything(&self) {
        let _quiet = self.writers.quiet().await;
        let expected = self.writers.expected();
        self.world.converged_within(CONVERGENCE_MAX, &[WHOLE], expected.version).await;
    }

    async fn heal(&self, after: &str) {
        for cable in &self.cables {
            cable.mend();
        }
        let healed = Instant::now();
        let _quiet = self.writers.quiet().await;
        let expected = self.writers.expected();
        self.world.converged_within(CONVERGENCE_MAX, &ALL, expected.version).await;
        println!("after {after}: {:?}", healed.elapsed());
        let number = number(self.world.proxy()).await;
        self.traffic.raise_floor(number);
        self.traffic.check();
    }
}
