//! A node with a state directory starts without a control plane and serves what it served; and with a directory that is
//! damaged, full, locked or not its own, it says so and waits.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use harness::load::Load;
use harness::process::binary;
use harness::scale::in_ci;
use harness::upstream::Upstream;
use harness::wait::until;
use harness::world::document;
use harness::{World, client, sized};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The proxies of these tests, in the directory of their world.
const KEEPING: &[&str] = &["--state-dir", "state", "--node-id", "n1"];

/// Every answer says which number the configuration had.
fn numbered(upstream: &Upstream, number: u64) -> Value {
    document("api", &[("GET", "/x", format!("http://{}/{number}", upstream.address))])
}

async fn number(world: &World) -> u64 {
    let answer = client::get(world.proxy(), "any", "/x").await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()["target"].as_str().unwrap().trim_start_matches('/').parse().unwrap()
}

fn xorshift(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state
}

#[tokio::test(flavor = "multi_thread")]
async fn after_kill_9_of_everything_a_node_alone_serves_what_it_kept_and_then_moves_on() {
    let mut world = World::start_with(1, KEEPING).await;
    let upstream = Upstream::mirror("up").await;
    let api = world.register(&numbered(&upstream, 0)).await.rest_api.unwrap().id;
    let mut numbers = BTreeMap::from([(world.published().await.0, 0)]);
    let (mut next, mut random) = (1, 0x9E37_79B9_7F4A_7C15);
    for round in 0..sized(6, 40) {
        let mut newest = 0;
        let mut client = world.rest_apis().await;
        for _ in 0..=xorshift(&mut random) % 4 {
            newest = World::overwrite(&mut client, &api, &numbered(&upstream, next)).await;
            numbers.insert(newest, next);
            next += 1;
        }
        // Sometimes in peace, sometimes in the middle of it.
        if round % 3 == 0 {
            world.kept(0, newest).await;
        }
        let mut kept = Value::Null;
        for _ in 0..=xorshift(&mut random) % 8 {
            kept = world.config(0).await["state"]["keptVersion"].clone();
        }
        world.proxies[0].kill();
        world.kill_control();

        world.proxies.clear();
        world.add_proxy(KEEPING).await;
        let (serving, _) = world.serving(0).await;
        assert!(kept.as_u64().unwrap() <= serving && serving <= newest, "{kept} <= {serving} <= {newest}");
        assert_eq!(number(&world).await, numbers[&serving], "the content is that of its version");
        let config = world.config(0).await;
        assert_eq!((&config["fromDisk"], &config["state"]["problem"]), (&Value::Bool(true), &Value::Null));

        let load = Load::on(&world, 8);
        world.restart_control();
        let mut client = world.rest_apis().await;
        let newer = World::overwrite(&mut client, &api, &numbered(&upstream, next)).await;
        numbers.insert(newer, next);
        until("the newest serves", async || number(&world).await, |&now| now == next).await;
        next += 1;
        load.go_on(50).await;
        load.end().await;
        assert_eq!(world.config(0).await["fromDisk"], false);
    }
}

/// What is done to a directory, and what must be said about it.
type Damage = (&'static str, &'static str, fn(&Path));

const DAMAGES: &[Damage] = &[
    ("a manifest that was cut", "it is damaged", |state| cut(&state.join("manifest"))),
    ("one bit of the manifest", "it is damaged", |state| flip(&state.join("manifest"), 100)),
    ("an empty manifest", "it is damaged", |state| fs::write(state.join("manifest"), "").unwrap()),
    ("a newer format", "written in format 2", |state| flip_to(&state.join("manifest"), 11, 2)),
    ("a bundle that was cut", "other bytes", |state| cut(&bundle(state))),
    ("one bit of a bundle", "other bytes", |state| flip(&bundle(state), 20)),
    ("a missing bundle", "is missing", |state| fs::remove_file(bundle(state)).unwrap()),
];

fn bundle(state: &Path) -> PathBuf {
    fs::read_dir(state.join("bundles")).unwrap().next().unwrap().unwrap().path()
}

fn cut(path: &Path) {
    let bytes = fs::read(path).unwrap();
    fs::write(path, &bytes[..bytes.len() / 2]).unwrap();
}

fn flip(path: &Path, at: usize) {
    let byte = fs::read(path).unwrap()[at];
    flip_to(path, at, byte ^ 4);
}

fn flip_to(path: &Path, at: usize, byte: u8) {
    let mut bytes = fs::read(path).unwrap();
    bytes[at] = byte;
    fs::write(path, bytes).unwrap();
}

fn copy(from: &Path, to: &Path) {
    let _ = fs::remove_dir_all(to);
    let done = Command::new("cp").arg("-a").args([from, to]).status().unwrap();
    assert!(done.success());
}

/// A node that must not serve: what it says about that.
async fn reported(world: &World) -> String {
    assert_eq!(client::get(world.admin(0), "admin", "/health/live").await.status, 200);
    assert_eq!(client::get(world.admin(0), "admin", "/health/ready").await.status, 503);
    assert_eq!(client::get(world.proxy(), "any", "/x").await.status, 404);
    assert_eq!(world.metric(0, "penstock_proxy_state_problem").await, 1.0);
    let problem = world.config(0).await["state"]["problem"].as_str().unwrap_or_default().to_owned();
    assert!(world.proxies[0].log().contains("nothing that was kept can serve"), "{}", world.proxies[0].log());
    problem
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_damaged_is_reported_and_the_node_waits_for_the_control_plane() {
    let mut world = World::start_with(1, KEEPING).await;
    let upstream = Upstream::mirror("up").await;
    world.register(&numbered(&upstream, 7)).await;
    let (version, _) = world.published().await;
    world.kept(0, version).await;
    world.proxies[0].kill();
    world.kill_control();
    let (state, good) = (world.directory().join("state"), world.directory().join("good"));
    copy(&state, &good);
    for (what, expected, damage) in DAMAGES {
        copy(&good, &state);
        damage(&state);
        world.proxies.clear();
        world.add_proxy_unready(&[], KEEPING, &[]);
        let problem = reported(&world).await;
        assert!(problem.contains(expected), "{what}: {problem:?} should contain {expected:?}");
    }
    // The last damage is still there, and the control plane heals it.
    world.restart_control();
    until("it serves", async || world.serving(0).await.0, |&now| now == version).await;
    world.kept(0, version).await;
    assert_eq!((number(&world).await, &world.config(0).await["state"]["problem"]), (7, &Value::Null));
    world.proxies[0].kill();
    world.kill_control();
    world.proxies.clear();
    world.add_proxy(KEEPING).await;
    assert_eq!(number(&world).await, 7);

    // Another node's directory is left alone, and so is one that may not be read.
    world.proxies.clear();
    world.add_proxy_unready(&[], &["--state-dir", "state", "--node-id", "n2"], &[]);
    assert!(reported(&world).await.contains("of node n1"));
    world.proxies.clear();
    fs::set_permissions(state.join("manifest"), fs::Permissions::from_mode(0o000)).unwrap();
    // Root may read everything, unless it gives that up.
    let humble: &[&str] = &["setpriv", "--bounding-set=-dac_override,-dac_read_search"];
    let wrapper = if fs::read(state.join("manifest")).is_ok() { humble } else { &[] };
    let can = wrapper.is_empty()
        || Command::new(humble[0]).args(&humble[1..]).arg("true").status().is_ok_and(|s| s.success());
    if !can {
        assert!(!in_ci(), "setpriv of util-linux is needed to take root's rights away");
        eprintln!("SKIPPED: a file without permissions, since root reads it and setpriv cannot change that");
        return;
    }
    world.add_proxy_unready(wrapper, KEEPING, &[]);
    assert!(reported(&world).await.contains("Permission denied"));
}

#[tokio::test(flavor = "multi_thread")]
async fn two_nodes_never_share_a_directory() {
    let world = World::start_with(1, KEEPING).await;
    let second = Command::new(binary("penstock-data-plane"))
        .args(["--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--state-dir", "state"])
        .current_dir(world.directory())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&second.stderr).into_owned();
    assert!(!second.status.success());
    assert!(said.contains("another node uses the state directory state; each node needs one of its own"), "{said}");
    assert_eq!(client::get(world.admin(0), "admin", "/health/live").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_without_a_name_keeps_the_one_that_it_made_up() {
    let keeping = &["--state-dir", "state"];
    let mut world = World::start_with(1, keeping).await;
    world.kept(0, 0).await;
    let name = world.config(0).await["nodeId"].clone();
    world.proxies.clear();
    world.add_proxy(keeping).await;
    assert_eq!(world.config(0).await["nodeId"], name);
}

/// A limit on the size of files stands for the end of the disk: every write beyond it fails, it needs no rights, and it can be
/// lifted while the process runs.
#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_is_reported_and_costs_nothing_that_was_there() {
    const LIMITED: &[&str] = &["sh", "-c", "trap '' XFSZ; ulimit -S -f 128; exec \"$@\"", "sh"];
    let mut world = World::start(0).await;
    world.add_proxy_unready(LIMITED, KEEPING, &[]);
    let upstream = Upstream::mirror("up").await;
    let api = world.register(&numbered(&upstream, 1)).await.rest_api.unwrap().id;
    let (small, _) = world.published().await;
    world.kept(0, small).await;

    let paths: Vec<String> = (0..1_000).map(|number| format!("/many/{number}")).collect();
    let mut routes: Vec<_> =
        paths.iter().map(|path| ("GET", path.as_str(), format!("http://{}/many", upstream.address))).collect();
    routes.push(("GET", "/x", format!("http://{}/2", upstream.address)));
    let mut client = world.rest_apis().await;
    let large = World::overwrite(&mut client, &api, &document("api", &routes)).await;
    let full = |state: &Value| state["problem"].as_str().is_some_and(|problem| problem.starts_with("writing"));
    until("it is reported", async || world.config(0).await["state"].clone(), full).await;
    assert_eq!((number(&world).await, world.serving(0).await.0), (2, large), "it serves on");
    assert_eq!(world.metric(0, "penstock_proxy_state_problem").await, 1.0);
    assert_eq!(world.metric(0, "penstock_proxy_state_kept_version").await, small as f64);
    let twice = async || world.metric(0, "penstock_proxy_state_write_failures_total").await;
    until("it is tried again", twice, |&failures| failures >= 2.0).await;
    until(
        "the control plane hears of it",
        async || String::from_utf8_lossy(&world.cli(&["nodes"]).stdout).into_owned(),
        |nodes| nodes.contains("n1 has trouble with its disk: writing "),
    )
    .await;

    // What was there before is there.
    world.proxies[0].kill();
    world.kill_control();
    world.proxies.clear();
    world.add_proxy_unready(LIMITED, KEEPING, &[]);
    until("it serves what it kept", async || world.serving(0).await.0, |&now| now == small).await;
    assert_eq!(number(&world).await, 1);

    world.restart_control();
    until("it serves the newest", async || world.serving(0).await.0, |&now| now == large).await;
    until("it is reported again", async || world.config(0).await["state"].clone(), full).await;
    let pid = world.proxies[0].pid().to_string();
    match Command::new("prlimit").args(["--pid", &pid, "--fsize=unlimited"]).status() {
        Ok(status) => assert!(status.success()),
        Err(error) => {
            assert!(!in_ci(), "prlimit of util-linux is needed to make room again: {error}");
            eprintln!("SKIPPED: room that comes back, since there is no prlimit: {error}");
            return;
        }
    }
    world.kept(0, large).await;
    assert_eq!(world.config(0).await["state"]["problem"], Value::Null);
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_are_renewed_while_changes_arrive_and_no_request_fails() {
    let mut world = World::start(0).await;
    world.add_proxy(&["--stream-age-seconds-max", "1"]).await;
    let upstream = Upstream::mirror("up").await;
    let api = world.register(&numbered(&upstream, 0)).await.rest_api.unwrap().id;
    let load = Load::on(&world, 8);
    let (mut fleet, mut client) = (world.fleet().await, world.rest_apis().await);
    let mut streams = std::collections::BTreeSet::new();
    let mut next = 0;
    until(
        "the node comes back again and again",
        async || {
            next += 1;
            World::overwrite(&mut client, &api, &numbered(&upstream, next)).await;
            until("it serves the change", async || number(&world).await, |&now| now == next).await;
            let nodes = fleet.list_nodes(penstock_proto::management::v1::ListNodesRequest {}).await.unwrap();
            let node = nodes.into_inner().items.pop().unwrap();
            let since = node.connected_since.unwrap();
            streams.insert((since.seconds, since.nanos));
            assert!(node.connected, "there is no gap");
            streams.len()
        },
        |&count| count >= 4,
    )
    .await;
    load.go_on(50).await;
    load.end().await;
}
