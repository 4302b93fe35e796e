//! The proxy and the command line of today on a control plane of the first release.

use bytes::Bytes;
use harness::client;
use harness::previous::{OldControlPlane, bundle, hash, mapping};
use harness::process::{Program, binary};
use harness::upstream::Upstream;
use harness::wait::until;
use harness::world::temporary_directory;
use penstock_previous::first::discovery::v1 as old;
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const FIRST: &str = "aaaaaaaaaa";
const SECOND: &str = "bbbbbbbbbb";

/// A proxy that keeps what it serves.
struct Proxy {
    program: Program,
}

impl Proxy {
    fn start(directory: &Path, control_plane: &str) -> Self {
        let listen = ["--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--control-plane", control_plane];
        let keeping = ["--state-dir", "state", "--node-id", "new"];
        Self { program: Program::start("penstock-data-plane", directory, &[&listen[..], &keeping].concat()) }
    }

    async fn config(&self) -> Value {
        client::get(self.program.address("admin"), "admin", "/config").await.json()
    }

    /// Waits until it serves this version and has it on its disk.
    async fn serves(&self, version: u64) {
        let good = |config: &Value| config["version"] == version && config["state"]["keptVersion"] == version;
        until("the proxy serves and keeps it", async || self.config().await, good).await;
    }

    /// Where the upstream says that it was asked.
    async fn target(&self) -> String {
        let answer = client::get(self.program.address("proxy"), "any", "/x").await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()["target"].as_str().unwrap().to_owned()
    }
}

/// A directory that goes with the test.
struct Directory(PathBuf);

impl Drop for Directory {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            let _ = fs::remove_dir_all(&self.0);
        }
    }
}

fn two(upstream: &Upstream, path: &str) -> [old::Bundle; 2] {
    let uri = |path: &str| format!("http://{}/{path}", upstream.address);
    [bundle(FIRST, &uri(path)), bundle(SECOND, &uri("other"))]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_serves_keeps_follows_and_outlives_it() {
    let directory = Directory(temporary_directory());
    let upstream = Upstream::mirror("up").await;
    let control = OldControlPlane::start().await;
    let mut proxy = Proxy::start(&directory.0, &control.url());
    control.publish(1, &two(&upstream, "first"), vec![mapping(FIRST)]);
    proxy.serves(1).await;
    assert_eq!(proxy.target().await, "/first");
    let heard = control.heard();
    let [hello] = &heard.hellos[..] else { panic!("{:?}", heard.hellos) };
    assert_eq!((hello.node_id.as_str(), hello.held_version, heard.sent), ("new", 0, 2));
    assert!(hello.features.contains(&"refused_bundles".to_owned()));

    control.publish(2, &two(&upstream, "second"), vec![mapping(FIRST)]);
    proxy.serves(2).await;
    assert_eq!(proxy.target().await, "/second");
    let beats = async || control.heard().heartbeats;
    until("a heartbeat comes", beats, |beats| beats.iter().any(|beat| beat.active_version == 2)).await;
    let heard = control.heard();
    assert_eq!((heard.sent, heard.not_understood, heard.refused), (3, 0, Vec::new()));
    assert_eq!(
        heard.applied.iter().map(|applied| (applied.version, applied.route_count)).collect::<Vec<_>>(),
        [(1, 2), (2, 2)]
    );

    // Without it the proxy goes on, also after a start.
    let (url, address) = (control.url(), control.stop().await);
    let connected = async || proxy.config().await["controlPlane"]["connected"].clone();
    until("the proxy notices", connected, |connected| connected == false).await;
    assert_eq!(proxy.target().await, "/second");
    proxy.program.kill();
    let proxy = Proxy::start(&directory.0, &url);
    proxy.serves(2).await;
    assert_eq!((proxy.target().await.as_str(), &proxy.config().await["fromDisk"]), ("/second", &Value::Bool(true)));

    // It comes back, and confirms what serves; only what is new travels.
    let control = OldControlPlane::start_at(&address).await;
    control.publish(2, &two(&upstream, "second"), vec![mapping(FIRST)]);
    until("it is confirmed", async || proxy.config().await, |config| config["fromDisk"] == false).await;
    let heard = control.heard();
    assert_eq!((heard.hellos[0].held_version, heard.hellos[0].held_bundles.len(), heard.sent), (2, 2, 0));
    control.publish(3, &two(&upstream, "third"), vec![mapping(FIRST)]);
    proxy.serves(3).await;
    assert_eq!((proxy.target().await.as_str(), control.heard().sent), ("/third", 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_says_what_it_refuses_and_serves_on() {
    let directory = Directory(temporary_directory());
    let upstream = Upstream::mirror("up").await;
    let control = OldControlPlane::start().await;
    control.publish(1, &two(&upstream, "first"), vec![mapping(FIRST)]);
    let proxy = Proxy::start(&directory.0, &control.url());
    proxy.serves(1).await;

    let broken = Bytes::from_static(&[0xff; 16]);
    control.publish_bytes(2, vec![(FIRST.to_owned(), "prod".to_owned(), broken.clone())], vec![mapping(FIRST)]);
    proxy.serves(2).await;
    assert_eq!(proxy.target().await, "/first", "what served before is in its place");
    let heard = control.heard();
    let [refused] = &heard.refused[..] else { panic!("{:?}", heard.refused) };
    assert_eq!((refused.version, &refused.bundle_hash[..]), (2, &hash(&broken)[..]));
    assert_eq!(heard.applied.last().map(|applied| applied.version), Some(2));

    // One that lost its store begins again, and is refused.
    control.publish(1, &two(&upstream, "again"), vec![mapping(FIRST)]);
    let refused = async || control.heard().refused;
    let last = until("it is refused", refused, |refused| refused.len() == 2).await.pop().unwrap();
    assert_eq!((last.version, last.bundle_hash.len(), last.reason.contains("older")), (1, 0, true), "{last:?}");
    assert_eq!(proxy.target().await, "/first");
}

/// What the command line makes of a control plane: exit code, output and errors.
async fn cli(control: &OldControlPlane, directory: &Path, arguments: &'static [&'static str]) -> (i32, String, String) {
    let mut command = Command::new(binary("penstock"));
    command.args(arguments).env("PENSTOCK_CONTROL_PLANE", control.url()).current_dir(directory);
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_line_says_what_an_older_control_plane_cannot_do() {
    let directory = Directory(temporary_directory());
    let control = OldControlPlane::start().await;
    let (code, out, err) = cli(&control, &directory.0, &["deploy", "api", "--stage", "prod"]).await;
    assert_eq!(
        (code, out.as_str(), err.as_str()),
        (0, "Deployed api to the stage prod: 1 route (deployment d1).\n", "")
    );
    let (code, out, _) = cli(&control, &directory.0, &["nodes"]).await;
    assert_eq!((code, out.contains("1 of 1 connected serve version 7.")), (0, true), "{out}");
    assert_eq!(control.heard().deployments.len(), 1);

    const OLDER: &str = "this control plane does not know that call: it is older than this program\n";
    const NEITHER: &str = "does not know --wait and --all-or-nothing; nothing was changed\n";
    const NODES: &str = "does not know --nodes; nothing was changed\n";
    for (arguments, said) in [
        (&["deploy", "api", "--stage", "prod", "--wait", "all"][..], NEITHER),
        (&["deploy", "api", "--stage", "prod", "--all-or-nothing"], NEITHER),
        (&["stage", "rollback", "api", "prod", "--wait", "quorum"], NEITHER),
        (&["stage", "canary", "promote", "api", "prod", "--wait", "all"], NEITHER),
        (&["deploy", "api", "--stage", "prod", "--nodes", "10%"], NODES),
        (&["deploy", "api", "--stage", "prod", "--preview"], OLDER),
        (&["backup", "backup.jsonl"], OLDER),
        (&["audit"], OLDER),
    ] {
        let (code, out, err) = cli(&control, &directory.0, arguments).await;
        assert_eq!((code, out.as_str()), (1, ""), "{arguments:?}: {err}");
        assert!(err.starts_with("error: ") && err.ends_with(said), "{arguments:?}: {err}");
    }
    assert_eq!(control.heard().deployments.len(), 1, "nothing was changed");
    assert_eq!(fs::read_dir(&directory.0).unwrap().count(), 0, "no half of a backup stays behind");
}
