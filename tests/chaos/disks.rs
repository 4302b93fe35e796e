//! A disk without a free page: under the control plane's database and under a proxy's state directory. It is said, nothing
//! that serves is touched, and with room everything goes on.

use crate::CONVERGENCE_MAX;
use harness::disk::SmallDisk;
use harness::load::Load;
use harness::process::binary;
use harness::upstream::Upstream;
use harness::wait::until;
use harness::world::{Particular, api_names, document};
use harness::writers::{import, import_document};
use harness::{World, client, sized};
use penstock_proto::management::v1::ListNodesRequest;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::process::Command;
use tonic::Code;

const DISK_BYTES: u64 = 24 * 1024 * 1024;
/// Routes of a large API: more than what a database may have left in the pages that it holds already.
const ROUTES: usize = 200;
/// The API that the load meets.
const SERVED: &str = "served";
/// Refusals in a row before it counts as full.
const REFUSALS: usize = 10;

/// What was written to a control plane, and what it said.
#[derive(Default)]
struct Told {
    acknowledged: BTreeSet<String>,
    refused: usize,
    newest: u64,
    count: usize,
}

impl Told {
    /// One more API, large or small.
    async fn write(&mut self, world: &World, upstream: SocketAddr, large: bool) {
        self.count += 1;
        let title = format!("a{}", self.count);
        let mut client = world.rest_apis().await;
        let answer = match large {
            true => import_document(&mut client, &title, &large_document(&title, upstream)).await,
            false => import(&mut client, &title, upstream).await,
        };
        match answer {
            Ok((_, version)) => {
                assert!(version > self.newest, "{version} after {}", self.newest);
                self.newest = version;
                self.acknowledged.insert(title);
            }
            Err(status) => {
                assert_eq!(status.code(), Code::ResourceExhausted, "{status}");
                assert!(status.message().contains("the disk of the database is full"), "{status}");
                self.refused += 1;
            }
        }
    }

    /// Everything that was acknowledged is there and served by every proxy, and nothing else.
    async fn check_served(&self, world: &World) {
        assert_eq!(api_names(&mut world.rest_apis().await).await, self.acknowledged);
        world.converged_within(CONVERGENCE_MAX, &[0], self.newest).await;
        for name in self.acknowledged.iter().filter(|name| *name != SERVED) {
            let answer = client::get(world.proxy(), "any", &format!("/{name}/x")).await;
            assert_eq!((answer.status.as_u16(), answer.json()["target"].as_str()), (200, Some(&*format!("/{name}"))));
        }
    }
}

fn large_document(title: &str, upstream: SocketAddr) -> Value {
    let paths: Vec<String> = (0..ROUTES).map(|number| format!("/many/{number}")).collect();
    let uri = format!("http://{upstream}/{title}");
    let mut routes: Vec<_> = paths.iter().map(|path| ("GET", path.as_str(), uri.clone())).collect();
    routes.push(("GET", "/x", uri));
    document(title, &routes)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_of_the_control_plane_refuses_writes_and_nothing_else() {
    // What each round leaves takes some of it.
    let Some(disk) = SmallDisk::mount(sized(DISK_BYTES, 8 * DISK_BYTES)) else { return };
    let mut world = World::start_particular(&Particular { data_dir: Some(disk.path()), ..Particular::default() });
    world.add_proxy(&[]).await;
    let upstream = Upstream::mirror("up").await;
    world.register(&document(SERVED, &[("GET", "/x", format!("http://{}/", upstream.address))])).await;
    let mut told = Told { acknowledged: BTreeSet::from([SERVED.to_owned()]), ..Told::default() };
    let load = Load::on(&world, 1);
    for round in 0..sized(2, 10) {
        for large in [false, true, false] {
            told.write(&world, upstream.address, large).await;
        }
        assert_eq!(told.refused, 0, "there was room");
        disk.fill();
        // What the database has already may take some more.
        let mut in_a_row = 0;
        for number in 0.. {
            let before = told.refused;
            told.write(&world, upstream.address, number % 2 == 0).await;
            in_a_row = if told.refused > before { in_a_row + 1 } else { 0 };
            if in_a_row == REFUSALS {
                break;
            }
        }
        // It reads, it publishes, and who comes now gets everything.
        assert!(world.control.is_alive());
        told.check_served(&world).await;
        world.add_proxy(&[]).await;
        world.converged_within(CONVERGENCE_MAX, &[0, 1], told.newest).await;
        world.proxies.truncate(1);
        if round % 2 == 1 {
            world.kill_control();
            world.restart_control();
            told.check_served(&world).await;
            told.write(&world, upstream.address, true).await;
        }
        disk.make_room();
        told.refused = 0;
        told.write(&world, upstream.address, true).await;
        assert_eq!(told.refused, 0, "there is room again");
        told.check_served(&world).await;
        load.go_on(50).await;
    }
    load.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_control_plane_on_a_full_disk_says_why_it_does_not_start() {
    let Some(disk) = SmallDisk::mount(DISK_BYTES) else { return };
    let mut world = World::start_particular(&Particular { data_dir: Some(disk.path()), ..Particular::default() });
    let upstream = Upstream::mirror("up").await;
    let mut told = Told::default();
    told.write(&world, upstream.address, true).await;
    // An orderly end leaves no file but the database, so a start needs room for the others.
    world.control.signal("TERM");
    world.control.wait();
    disk.fill();
    let mut start = Command::new(binary("penstock-control-plane"));
    start.args(["--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--data-dir"]).arg(disk.path());
    let refused = start.output().unwrap();
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(!refused.status.success() && said.contains("writing to a full disk"), "{said}");

    disk.make_room();
    world.restart_control();
    world.add_proxy(&[]).await;
    told.write(&world, upstream.address, false).await;
    assert_eq!(told.refused, 0);
    told.check_served(&world).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_of_a_proxy_is_reported_and_it_serves_on() {
    let Some(disk) = SmallDisk::mount(DISK_BYTES) else { return };
    let mut world = World::start(0).await;
    let state = disk.path().join("state");
    world.add_proxy(&["--node-id", "n1", "--state-dir", state.to_str().unwrap()]).await;
    let upstream = Upstream::mirror("up").await;
    let at = |number: u32| document("api", &[("GET", "/x", format!("http://{}/{number}", upstream.address))]);
    let api = world.register(&at(0)).await.rest_api.unwrap().id;
    let mut number = 0;
    for round in 0..sized(1, 20) {
        let (kept, _) = world.published().await;
        world.kept(0, kept).await;
        let serves = async |world: &World| client::get(world.proxy(), "any", "/x").await.json()["target"].clone();
        let (durable, load) = (number, Load::on(&world, 1));
        disk.fill();
        for _ in 0..5 {
            number += 1;
            World::overwrite(&mut world.rest_apis().await, &api, &at(number)).await;
            world.settled().await;
            assert_eq!(serves(&world).await, format!("/{number}"), "it serves what it cannot keep");
        }
        let (version, _) = world.published().await;
        is_reported(&world, true).await;
        load.go_on(50).await;
        load.end().await;
        if round % 2 == 0 {
            // Alone it serves what it had room for.
            world.proxies[0].kill();
            world.kill_control();
            world.proxies[0].start_again();
            world.ready(0).await;
            assert_eq!((world.serving(0).await.0, serves(&world).await), (kept, json!(format!("/{durable}"))));
            world.restart_control();
            world.converged_within(CONVERGENCE_MAX, &[0], version).await;
            is_reported(&world, true).await;
        }
        disk.make_room();
        world.kept(0, version).await;
        is_reported(&world, false).await;
    }
}

/// On the proxy's page, in its metrics, and in the listing of the fleet.
async fn is_reported(world: &World, is_full: bool) {
    let says = |problem: &str| problem.contains("No space left on device") == is_full && problem.is_empty() != is_full;
    let page = async || world.config(0).await["state"]["problem"].as_str().unwrap_or_default().to_owned();
    until("the page says how the disk is", page, |problem| says(problem)).await;
    assert_eq!(world.metric(0, "penstock_proxy_state_problem").await, f64::from(u8::from(is_full)));
    let listing = async || {
        let nodes = world.fleet().await.list_nodes(ListNodesRequest {}).await.unwrap().into_inner().items;
        nodes[0].kept.clone().unwrap().problem
    };
    until("the fleet says how the disk is", listing, |problem| says(problem)).await;
}
