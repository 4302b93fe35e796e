//! What a node does when no control plane has confirmed its configuration for too long: serve, warn, or refuse.

use harness::upstream::Upstream;
use harness::wait::until;
use harness::world::document;
use harness::{World, client};
use http_body_util::Full;
use hyper::Request;
use hyper::body::Bytes;
use penstock_proto::management::v1::ListNodesRequest;
use serde_json::json;

const WARNING: &str = r#"299 - "Configuration Not Confirmed""#;
const SERVE: usize = 0;
const WARN: usize = 1;
const REFUSE: usize = 2;

/// Status and warning of a request to one of the proxies.
async fn ask(world: &World, proxy: usize, path: &str) -> (u16, String) {
    let request = Request::get(path).header("host", "any").body(Full::new(Bytes::new())).expect("a request");
    let answer = client::call(world.proxies[proxy].address("proxy"), request).await.expect("an answer");
    (answer.status.as_u16(), answer.header("warning").to_owned())
}

async fn ready(world: &World, proxy: usize) -> u16 {
    client::get(world.admin(proxy), "admin", "/health/ready").await.status.as_u16()
}

async fn are_stale(world: &World, stale: bool) {
    for proxy in [SERVE, WARN, REFUSE] {
        until("the page says so", async || world.config(proxy).await["stale"].clone(), |now| *now == stale).await;
        assert_eq!(world.metric(proxy, "penstock_proxy_config_stale").await, f64::from(u8::from(stale)));
    }
}

async fn all_fresh(world: &World) {
    are_stale(world, false).await;
    for proxy in [SERVE, WARN, REFUSE] {
        assert_eq!(ask(world, proxy, "/x").await, (200, String::new()));
        assert_eq!(ready(world, proxy).await, 200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_policy_does_what_it_says_and_only_while_nobody_confirms() {
    let mut world = World::start(0).await;
    for (policy, state) in [("serve", "s0"), ("warn", "s1"), ("refuse", "s2")] {
        world.add_proxy(&["--stale-policy", policy, "--stale-after-seconds", "1", "--state-dir", state]).await;
    }
    let upstream = Upstream::mirror("up").await;
    world.register(&document("api", &[("GET", "/x", format!("http://{}/", upstream.address))])).await;
    let (version, _) = world.published().await;
    for proxy in [SERVE, WARN, REFUSE] {
        world.kept(proxy, version).await;
    }
    all_fresh(&world).await;

    world.kill_control();
    are_stale(&world, true).await;
    assert_eq!(ask(&world, SERVE, "/x").await, (200, String::new()));
    assert_eq!(ask(&world, WARN, "/x").await, (200, WARNING.to_owned()));
    assert_eq!(ask(&world, WARN, "/unknown").await, (403, WARNING.to_owned()), "answers of our own carry it too");
    for path in ["/x", "/unknown"] {
        let answer = client::get(world.proxies[REFUSE].address("proxy"), "any", path).await;
        assert_eq!((answer.status.as_u16(), answer.json()), (503, json!({"message": "Service Unavailable"})));
        assert_eq!(answer.header("x-amzn-errortype"), "ServiceUnavailableException");
    }
    assert_eq!((ready(&world, SERVE).await, ready(&world, WARN).await, ready(&world, REFUSE).await), (200, 200, 503));
    assert!(world.config(WARN).await["confirmedSecondsAgo"].as_u64() >= Some(1));
    assert!(world.metric(WARN, "penstock_proxy_config_confirmed_age_seconds").await >= 1.0);

    // Age outlives the process: one that starts from its disk is as stale as the one before.
    world.proxies[REFUSE].kill();
    world.proxies.truncate(REFUSE);
    world.add_proxy_unready(&[], &["--stale-policy", "refuse", "--stale-after-seconds", "1", "--state-dir", "s2"], &[]);
    until("it holds what it kept", async || world.serving(REFUSE).await.0, |&now| now == version).await;
    assert_eq!((ask(&world, REFUSE, "/x").await.0, ready(&world, REFUSE).await), (503, 503));

    world.restart_control();
    all_fresh(&world).await;
    assert_eq!(world.config(REFUSE).await["fromDisk"], false);
    // And the fleet knows which node was alone, and what each would start with.
    let nodes = world.fleet().await.list_nodes(ListNodesRequest {}).await.expect("nodes").into_inner().items;
    assert_eq!(nodes.len(), 3);
    for node in nodes {
        assert!(node.unconfirmed_seconds >= 1, "{node:?}");
        assert_eq!(node.kept.map(|kept| (kept.version, kept.problem)), Some((version, String::new())));
    }
}
