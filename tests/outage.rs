//! The control plane dies: proxies serve on, catch up by themselves, and nothing acknowledged is lost.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use harness::load::Load;
use harness::upstream::Upstream;
use harness::wait::until;
use harness::world::{api_names, document};
use harness::{World, client, sized};
use penstock_proto::management::v1::{CreateRestApiRequest, RestApi, rest_api_service_client::RestApiServiceClient};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

#[tokio::test(flavor = "multi_thread")]
async fn killing_the_control_plane_under_load_fails_no_request_and_the_proxy_catches_up() {
    let mut world = World::start(1).await;
    let (before, after) = (Upstream::mirror("before").await, Upstream::mirror("after").await);
    let to = |upstream: &Upstream| document("api", &[("GET", "/x", format!("http://{}/", upstream.address))]);
    let api = world.register(&to(&before)).await.rest_api.unwrap().id;
    let proxy = world.proxy();
    let load = Load::on(&world, 16);

    world.kill_control();
    load.go_on(500).await;
    assert_eq!(client::get(world.admin(0), "admin", "/health/ready").await.status, 200);
    world.restart_control();
    let mut client = world.rest_apis().await;
    World::overwrite(&mut client, &api, &to(&after)).await;
    until(
        "the proxy serves what was changed after the restart",
        async || client::get(proxy, "any", "/x").await.json()["upstream"].as_str().unwrap().to_owned(),
        |name| name == "after",
    )
    .await;
    load.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_acknowledged_survives_kill_9_and_nothing_else_does() {
    let mut world = World::start(0).await;
    let (mut asked, mut acknowledged) = (BTreeSet::new(), BTreeSet::new());
    for round in 0..sized(3, 20) {
        let confirmed = Arc::new(AtomicU64::new(0));
        let writers: Vec<_> =
            (0..4).map(|writer| tokio::spawn(write(world.grpc_url(), round, writer, Arc::clone(&confirmed)))).collect();
        // Dies in the middle of the writes, each round a little later.
        let enough = u64::from(10 + round);
        until("writes are acknowledged", async || confirmed.load(Ordering::SeqCst), |&writes| writes >= enough).await;
        world.kill_control();
        for writer in writers {
            let (tried, confirmed) = writer.await.unwrap();
            asked.extend(tried);
            acknowledged.extend(confirmed);
        }
        world.restart_control();
        let stored = api_names(&mut world.rest_apis().await).await;
        let lost: Vec<_> = acknowledged.difference(&stored).collect();
        assert!(lost.is_empty(), "acknowledged and lost: {lost:?}");
        let invented: Vec<_> = stored.difference(&asked).collect();
        assert!(invented.is_empty(), "never asked for: {invented:?}");
    }
    assert!(acknowledged.len() > 10, "only {} writes were acknowledged", acknowledged.len());
}

async fn write(url: String, round: u32, writer: u32, confirmed: Arc<AtomicU64>) -> (Vec<String>, Vec<String>) {
    let (mut asked, mut acknowledged) = (Vec::new(), Vec::new());
    // A writer may be so late that the kill comes first.
    let Ok(mut client) = RestApiServiceClient::connect(url).await else { return (asked, acknowledged) };
    for number in 0.. {
        let name = format!("{round}-{writer}-{number}");
        asked.push(name.clone());
        let api = RestApi { name: name.clone(), ..Default::default() };
        match client.create_rest_api(CreateRestApiRequest { rest_api: Some(api) }).await {
            Ok(_) => {
                acknowledged.push(name);
                confirmed.fetch_add(1, Ordering::SeqCst);
            }
            Err(_) => break,
        }
    }
    (asked, acknowledged)
}
