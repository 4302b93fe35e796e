//! Two control planes on one PostgreSQL: either takes writes, both publish, nodes move, and the database may restart.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use harness::replicas::Replicas;
use harness::upstream::Upstream;
use harness::wait::until;
use harness::world::{api_names, document};
use harness::writers::{Known, import, write};
use harness::{World, client, sized};
use penstock_proto::management::v1::ListRestApisRequest;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use tonic::Code;

#[tokio::test(flavor = "multi_thread")]
async fn either_of_two_takes_writes_and_both_publish_them() {
    let Some(mut world) = Replicas::start(2) else { return };
    let upstream = Upstream::mirror("up").await;
    world.add_proxy(&[0]).await;
    world.add_proxy(&[1]).await;
    let (mut last, mut ids) = (1, Vec::new());
    for round in 0..6 {
        let (id, version) =
            import(&mut world.rest_apis(round % 2), &format!("api{round}"), upstream.address).await.unwrap();
        assert_eq!(version, last + 1);
        last = version;
        ids.push(id);
    }
    world.converged(&[0, 1], last).await;
    for proxy in 0..2 {
        for round in 0..6 {
            let answer = client::get(world.proxies[proxy].address("proxy"), "any", &format!("/api{round}/x")).await;
            assert_eq!(answer.json()["target"], format!("/api{round}"), "proxy {proxy}");
        }
    }
    // What one made the other changes.
    let to = document("api0", &[("GET", "/x", format!("http://{}/moved", upstream.address))]);
    let version = World::overwrite(&mut world.rest_apis(1), &ids[0], &to).await;
    world.converged(&[0, 1], version).await;
    let answer = client::get(world.proxies[0].address("proxy"), "any", "/api0/x").await;
    assert_eq!(answer.json()["target"], "/moved");
    assert_eq!(api_names(&mut world.rest_apis(0)).await, api_names(&mut world.rest_apis(1)).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_control_plane_loses_nothing_and_its_node_moves_to_the_other() {
    let Some(mut world) = Replicas::start(2) else { return };
    let upstream = Upstream::mirror("up").await;
    world.add_proxy(&[0, 1]).await;
    import(&mut world.rest_apis(0), "first", upstream.address).await.unwrap();
    world.converged(&[0, 1], 2).await;
    let home = usize::from(world.nodes(1).await == 1);
    let other = 1 - home;
    assert_eq!((world.nodes(home).await, world.nodes(other).await), (1, 0));

    let (stop, confirmed) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let writers: Vec<_> = (0..4)
        .map(|writer| {
            let (stop, confirmed) = (Arc::clone(&stop), Arc::clone(&confirmed));
            let client = world.rest_apis(writer % 2);
            tokio::spawn(write(client, format!("w{writer}"), upstream.address, stop, confirmed))
        })
        .collect();
    let enough: u64 = sized(20, 200);
    until("writes go through", async || confirmed.load(Ordering::SeqCst), |&writes| writes >= enough).await;
    world.planes[home].kill();
    assert_eq!(client::get(world.proxies[0].address("proxy"), "any", "/first/x").await.status, 200);
    until("writes go on through the other", async || confirmed.load(Ordering::SeqCst), |&writes| writes >= 2 * enough)
        .await;
    until("the node moves", async || world.nodes(other).await, |&nodes| nodes == 1).await;
    stop.store(true, Ordering::SeqCst);
    let mut known = Known { asked: BTreeSet::from(["first".into()]), ..Known::default() };
    for writer in writers {
        known.add(writer.await.unwrap());
    }
    known.check(&api_names(&mut world.rest_apis(other)).await);
    let newest = *known.versions.iter().max().unwrap();
    world.converged(&[other], newest).await;

    world.restart(home);
    world.converged(&[home, other], newest).await;
    let (_, version) = import(&mut world.rest_apis(home), "last", upstream.address).await.unwrap();
    assert!(version > newest);
    world.converged(&[home, other], version).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_its_database_it_says_so_serves_its_nodes_and_recovers_by_itself() {
    let Some(mut world) = Replicas::start(2) else { return };
    let upstream = Upstream::mirror("up").await;
    world.add_proxy(&[0]).await;
    let (_, before) = import(&mut world.rest_apis(0), "first", upstream.address).await.unwrap();
    world.converged(&[0, 1], before).await;

    world.database.stop();
    for plane in 0..2 {
        let mut client = world.rest_apis(plane);
        let refused = import(&mut client, "refused", upstream.address).await.unwrap_err();
        assert_eq!(refused.code(), Code::Unavailable, "{refused}");
        assert!(refused.message().contains("the database cannot be reached"), "{refused}");
        let refused = client.list_rest_apis(ListRestApisRequest::default()).await.unwrap_err();
        assert_eq!(refused.code(), Code::Unavailable, "{refused}");
    }
    // A node that comes now gets what was published last.
    world.add_proxy(&[1]).await;
    for proxy in 0..2 {
        assert_eq!(world.serving(proxy).await.0, before);
        assert_eq!(client::get(world.proxies[proxy].address("proxy"), "any", "/first/x").await.status, 200);
    }
    let admin = world.planes[0].address("admin");
    let reachable =
        async || client::get(admin, "admin", "/metrics").await.text().contains("penstock_store_reachable 1");
    until("operators see it", reachable, |&reachable| !reachable).await;
    assert_eq!(client::get(admin, "admin", "/health/ready").await.status, 200, "it is still there for its nodes");

    world.database.start_again();
    let (_, after) = import(&mut world.rest_apis(1), "second", upstream.address).await.unwrap();
    assert_eq!(after, before + 1);
    world.converged(&[0, 1], after).await;
    until("operators see it", reachable, |&reachable| reachable).await;
    assert!(world.planes.iter_mut().all(|plane| plane.is_alive()));
    assert_eq!(api_names(&mut world.rest_apis(0)).await, BTreeSet::from(["first".into(), "second".into()]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_crashes_in_the_middle_of_writes_loses_nothing_that_was_acknowledged() {
    let Some(mut world) = Replicas::start(2) else { return };
    let upstream = Upstream::mirror("up").await;
    world.add_proxy(&[0, 1]).await;
    world.add_proxy(&[1, 0]).await;
    let (stop, confirmed) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let writers: Vec<_> = (0..4)
        .map(|writer| {
            let (stop, confirmed) = (Arc::clone(&stop), Arc::clone(&confirmed));
            let client = world.rest_apis(writer % 2);
            tokio::spawn(write(client, format!("w{writer}"), upstream.address, stop, confirmed))
        })
        .collect();
    for round in 0..sized(3, 20) {
        let enough = confirmed.load(Ordering::SeqCst) + 5 + round;
        until("writes go through", async || confirmed.load(Ordering::SeqCst), |&writes| writes >= enough).await;
        if round % 2 == 0 {
            world.database.crash();
        } else {
            world.database.stop();
        }
        world.database.start_again();
    }
    let enough = confirmed.load(Ordering::SeqCst) + 5;
    until("writes go through", async || confirmed.load(Ordering::SeqCst), |&writes| writes >= enough).await;
    stop.store(true, Ordering::SeqCst);
    let mut known = Known::default();
    for writer in writers {
        known.add(writer.await.unwrap());
    }
    known.check(&api_names(&mut world.rest_apis(0)).await);
    world.converged(&[0, 1], *known.versions.iter().max().unwrap()).await;
    assert!(world.planes.iter_mut().all(|plane| plane.is_alive()));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_connection_may_be_encrypted_and_the_certificate_is_checked() {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let (certificate, key) = (made.cert.pem(), made.signing_key.serialize_pem());
    let Some(database) = harness::postgres::Postgres::start_with_tls(&certificate, &key) else { return };
    let url = database.database();
    let directory = harness::world::temporary_directory();
    let root = directory.join("root.pem");
    std::fs::write(&root, &certificate).unwrap();
    let plane = |parameters: &str| {
        let mut command = std::process::Command::new(harness::process::binary("penstock-control-plane"));
        command.args(["--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--drain-deadline-ms", "1"]);
        command.env("PENSTOCK_STORE", database.tcp_url(&url, parameters));
        command
    };
    // The certificate is from nobody whom the system trusts.
    let refused = plane("sslmode=verify-full").output().unwrap();
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(!refused.status.success() && said.contains("certificate"), "{said}");

    let checked = database.tcp_url(&url, &format!("sslmode=verify-full&sslrootcert={}", root.display()));
    let arguments = ["--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"];
    let environment = [("PENSTOCK_STORE", checked.as_str())];
    let plane = harness::process::Program::start_in("penstock-control-plane", &directory, &arguments, &environment);
    let encrypted = "SELECT count(*) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) \
                     WHERE application_name = 'penstock-control-plane' AND ssl";
    let connections = || database.sql(harness::postgres::Postgres::name(&url), encrypted).trim().parse::<u32>();
    assert!(connections().unwrap() >= 2, "{}", plane.log());
}
