//! Several proxies come to serve the same version, late ones too; and only what changed travels.

use harness::upstream::Upstream;
use harness::wait::until;
use harness::world::document;
use harness::{World, client};
use penstock_proto::management::v1::ListNodesRequest;

#[tokio::test(flavor = "multi_thread")]
async fn every_proxy_converges_to_the_same_version_late_ones_too() {
    let mut world = World::start(2).await;
    let upstream = Upstream::mirror("up").await;
    let at = |number: u32| document("api", &[("GET", "/x", format!("http://{}/{number}", upstream.address))]);
    let api = world.register(&at(0)).await.rest_api.unwrap().id;
    let mut client = world.rest_apis().await;
    for number in 1..=20 {
        World::overwrite(&mut client, &api, &at(number)).await;
    }
    world.settled().await;
    world.add_proxy(&[]).await;
    world.settled().await;
    let published = world.published().await;
    for proxy in 0..3 {
        assert_eq!(world.serving(proxy).await, published, "proxy {proxy}");
        let answer = client::get(world.proxies[proxy].address("proxy"), "any", "/x").await;
        assert_eq!(answer.json()["target"], "/20");
    }
    let mut fleet = world.fleet().await;
    until(
        "the fleet knows that all three serve it",
        async || {
            let nodes = fleet.list_nodes(ListNodesRequest {}).await.unwrap().into_inner();
            nodes.nodes_at(nodes.version)
        },
        |&nodes| nodes == 3,
    )
    .await;
}

trait NodesAt {
    fn nodes_at(&self, version: u64) -> usize;
}

impl NodesAt for penstock_proto::management::v1::ListNodesResponse {
    fn nodes_at(&self, version: u64) -> usize {
        self.items.iter().filter(|node| node.connected && node.applied_version == version).count()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_without_a_control_plane_is_not_ready_and_one_that_lost_it_is() {
    let mut world = World::start(1).await;
    let upstream = Upstream::mirror("up").await;
    world.register(&document("api", &[("GET", "/x", format!("http://{}/", upstream.address))])).await;
    world.kill_control();
    assert_eq!(client::get(world.admin(0), "admin", "/health/ready").await.status, 200);
    assert_eq!(client::get(world.proxy(), "any", "/x").await.status, 200);
    let url = world.grpc_url();
    let arguments = ["--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--control-plane", &url];
    let late = harness::process::Program::start("penstock-data-plane", world.directory(), &arguments);
    assert_eq!(client::get(late.address("admin"), "admin", "/health/live").await.status, 200);
    assert_eq!(client::get(late.address("admin"), "admin", "/health/ready").await.status, 503);
    assert_eq!(client::get(late.address("proxy"), "any", "/x").await.status, 404);
}
