//! Ten thousand routes over a hundred APIs.

use harness::upstream::Upstream;
use harness::world::document;
use harness::{World, client, sized};
use std::time::Instant;

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_routes_serve_and_a_change_to_one_api_sends_only_that_one() {
    let (apis, routes) = (sized(20, 100), 100);
    let world = World::start(1).await;
    let upstream = Upstream::mirror("up").await;
    let api = |number: usize, mark: &str| {
        let paths: Vec<String> = (0..routes).map(|route| format!("/r{route}/{{id}}")).collect();
        let to = |route: usize| format!("http://{}/{mark}/{number}/{route}/{{id}}", upstream.address);
        let all: Vec<_> = paths.iter().enumerate().map(|(at, path)| ("GET", path.as_str(), to(at))).collect();
        document(&format!("api {number}"), &all)
    };
    let mut ids = Vec::new();
    for number in 0..apis {
        ids.push(world.register_at(&api(number, "a"), "*", &format!("v{number}")).await.rest_api.unwrap().id);
    }
    let config = client::get(world.admin(0), "admin", "/config").await.json();
    assert_eq!(config["routes"], apis * routes);
    let answer = client::get(world.proxy(), "any", &format!("/v{}/r{}/x", apis - 1, routes - 1)).await.json();
    assert_eq!(answer["target"], format!("/a/{}/{}/x", apis - 1, routes - 1));

    let begun = Instant::now();
    World::overwrite(&mut world.rest_apis().await, &ids[0], &api(0, "b")).await;
    world.settled().await;
    println!("one API of {apis} changed and served after {:?}", begun.elapsed());
    let changed = client::get(world.proxy(), "any", "/v0/r5/x").await.json();
    assert_eq!(changed["target"], "/b/0/5/x");
    let nodes =
        world.fleet().await.list_nodes(penstock_proto::management::v1::ListNodesRequest {}).await.unwrap().into_inner();
    println!("the node built its table in {} µs", nodes.items[0].build_time_us);
    assert_eq!(nodes.items[0].route_count, i64::try_from(apis * routes).unwrap());
}
