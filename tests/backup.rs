//! A control plane that lost its disk: its backup is restored, and the proxies, which have seen newer versions, take it.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use harness::upstream::Upstream;
use harness::wait::until;
use harness::world::document;
use harness::{World, client};

#[tokio::test(flavor = "multi_thread")]
async fn a_restored_backup_reaches_proxies_that_have_seen_newer_versions() {
    let mut world = World::start(1).await;
    let upstream = Upstream::mirror("up").await;
    let to = |target: &str| document("api", &[("GET", "/x", format!("http://{}/{target}", upstream.address))]);
    let api = world.register(&to("saved")).await.rest_api.unwrap().id;
    let file = world.directory().join("night.backup");
    let file = file.to_str().unwrap();
    let made = world.cli(&["backup", file]);
    assert!(made.status.success(), "{made:?}");
    let mut rest_apis = world.rest_apis().await;
    for number in 0..5 {
        World::overwrite(&mut rest_apis, &api, &to(&format!("lost{number}"))).await;
    }
    world.settled().await;
    let (seen, _) = world.serving(0).await;

    world.kill_control();
    std::fs::remove_dir_all(world.directory().join("data")).unwrap();
    world.restart_control();
    let served = async || client::get(world.proxy(), "any", "/x").await.json()["target"].as_str().unwrap().to_owned();
    assert_eq!(served().await, "/lost4", "what an empty control plane says takes nothing away");
    let restored = world.cli(&["restore", file]);
    assert!(restored.status.success(), "{restored:?}");
    until("the proxy serves the backup", served, |target| target == "/saved").await;
    assert!(world.serving(0).await.0 > seen);
    // And it follows on.
    let mut rest_apis = world.rest_apis().await;
    World::overwrite(&mut rest_apis, &api, &to("new")).await;
    until("the proxy serves the next change", served, |target| target == "/new").await;
}
