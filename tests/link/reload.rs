//! New certificates under traffic, the way Kubernetes exchanges them: a link to a directory is renamed over another.

use crate::setup::{Scratch, access_file, control, https, node, page, ready, register, said, trusting};
use harness::pki::{Authority, Identity, Use};
use harness::process::Program;
use harness::upstream::Upstream;
use harness::wait::until;
use penstock_link::{ClientSettings, Link};
use penstock_proto::management::v1::ListNodesRequest;
use penstock_proto::management::v1::fleet_service_client::FleetServiceClient;
use rustls::pki_types::{CertificateDer, ServerName};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tonic::transport::Endpoint;

/// `directory/{name}` leads through the link `..data` to what `publish` put there last.
struct Volume {
    directory: PathBuf,
    published: usize,
}

impl Volume {
    fn new(directory: PathBuf) -> Self {
        std::fs::create_dir(&directory).unwrap();
        Self { directory, published: 0 }
    }

    /// Certificate, key and authority.
    fn files(&self) -> [String; 3] {
        ["tls.crt", "tls.key", "ca.crt"].map(|name| self.directory.join(name).to_str().unwrap().to_owned())
    }

    fn publish_identity(&mut self, identity: &Identity, ca: &Path) {
        self.publish(&[("tls.crt", &identity.certificate), ("tls.key", &identity.key), ("ca.crt", ca)]);
    }

    fn publish(&mut self, files: &[(&str, &Path)]) {
        self.published += 1;
        let at = |name: &str| self.directory.join(name);
        let version = format!("..v{}", self.published);
        std::fs::create_dir(at(&version)).unwrap();
        for (name, from) in files {
            std::fs::copy(from, at(&version).join(name)).unwrap();
            // The first time only.
            let _ = symlink(format!("..data/{name}"), at(name));
        }
        symlink(&version, at("..new")).unwrap();
        std::fs::rename(at("..new"), at("..data")).unwrap();
    }
}

/// The certificate that a new connection is shown.
async fn shown(control: &Program, ca: &Path) -> CertificateDer<'static> {
    let stream = TcpStream::connect(control.address("grpc")).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let stream = TlsConnector::from(trusting(ca)).connect(name, stream).await.unwrap();
    stream.get_ref().1.peer_certificates().unwrap()[0].clone().into_owned()
}

struct Traffic {
    stop: Arc<AtomicBool>,
    calls: Arc<AtomicUsize>,
    tasks: Vec<tokio::task::JoinHandle<()>>,
}

impl Traffic {
    /// Calls over one connection, calls over a new connection each, and requests through the proxy, without a pause. Each
    /// of them must succeed.
    fn start(link: ClientSettings, address: &str, node: &Program) -> Self {
        let (stop, calls) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let endpoint = Endpoint::from_shared(address.to_owned()).unwrap();
        let mut tasks = Vec::new();
        for keeps in [true, false] {
            let link = Link::open(link.clone(), None, std::slice::from_ref(endpoint.uri())).unwrap();
            let (stop, calls, endpoint) = (Arc::clone(&stop), Arc::clone(&calls), endpoint.clone());
            tasks.push(tokio::spawn(async move {
                let mut channel = link.connect(endpoint.clone()).await.unwrap();
                while !stop.load(Ordering::Relaxed) {
                    if !keeps {
                        link.look();
                        channel = link.connect(endpoint.clone()).await.unwrap();
                    }
                    FleetServiceClient::new(channel.clone()).list_nodes(ListNodesRequest {}).await.unwrap();
                    calls.fetch_add(1, Ordering::Relaxed);
                }
            }));
        }
        let (proxy, stopped) = (node.address("proxy"), Arc::clone(&stop));
        tasks.push(tokio::spawn(async move {
            while !stopped.load(Ordering::Relaxed) {
                assert_eq!(page(proxy, "/up").await, 200);
            }
        }));
        Self { stop, calls, tasks }
    }

    /// Waits until so many more calls have succeeded.
    async fn goes_on(&self) {
        let goal = self.calls.load(Ordering::Relaxed) + 20;
        until("calls succeed", async || self.calls.load(Ordering::Relaxed), |&calls| calls >= goal).await;
    }

    async fn stop(self) {
        self.stop.store(true, Ordering::Relaxed);
        for task in self.tasks {
            task.await.unwrap();
        }
    }
}

/// A control plane and a node that serves, each with its certificates on a volume; and who looks on.
struct Living {
    scratch: Scratch,
    ca: Authority,
    server: Volume,
    client: Volume,
    control: Program,
    node: Program,
    ada: ClientSettings,
    _upstream: Upstream,
}

impl Living {
    async fn start() -> Self {
        let scratch = Scratch::new();
        let at = |name: &str| scratch.path().join(name);
        for name in ["one", "two", "three"] {
            std::fs::create_dir(at(name)).unwrap();
        }
        let ca = Authority::new(scratch.path(), "ca");
        let access = scratch.write("access", &access_file(&[("ned", "node"), ("ada", "admin")]));
        let (mut server, mut client) = (Volume::new(at("server")), Volume::new(at("client")));
        server.publish_identity(&ca.issue(&at("one"), "server", Use::Server), &ca.file);
        client.publish_identity(&ca.issue(&at("one"), "ned", Use::Client), &ca.file);
        let tls = ["--tls-certificate", "--tls-key", "--tls-client-ca"].into_iter().zip(server.files());
        let tls: Vec<String> = tls.flat_map(|(flag, file)| [flag.to_owned(), file]).collect();
        let mut flags: Vec<&str> = tls.iter().map(String::as_str).collect();
        flags.extend(["--access-file", &access]);
        let control = control(&scratch, &flags);
        let node_flags = identity_flags(client.files());
        let node = node(&scratch, &https(&control), &node_flags.iter().map(String::as_str).collect::<Vec<_>>());
        ready(&node).await;
        let ada = ca.issue(&at("one"), "ada", Use::Client);
        let text = |path: &Path| path.to_str().unwrap().to_owned();
        let flags = identity_flags([text(&ada.certificate), text(&ada.key), text(&ca.file)]);
        let upstream = Upstream::mirror("up").await;
        let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
        register(&scratch, &https(&control), &flags, upstream.address, &node).await;
        let ada = ClientSettings {
            control_plane_ca: Some(ca.file.clone()),
            control_plane_certificate: Some(ada.certificate),
            control_plane_key: Some(ada.key),
            ..ClientSettings::default()
        };
        Self { scratch, ca, server, client, control, node, ada, _upstream: upstream }
    }

    fn issue(&self, ca: &Authority, directory: &str, name: &str, purpose: Use) -> Identity {
        ca.issue(&self.scratch.path().join(directory), name, purpose)
    }

    /// The certificate that a new connection is shown, once it is another one.
    async fn shown_after(&self, before: &CertificateDer<'static>) -> CertificateDer<'static> {
        let shown = async || shown(&self.control, &self.ca.file).await;
        until("another certificate is shown", shown, |now| now != before).await
    }

    fn subscriptions(&self) -> usize {
        self.node.log().matches("subscribed to the control plane").count()
    }
}

/// Flags for certificate, key and authority.
fn identity_flags(files: [String; 3]) -> Vec<String> {
    let flags = ["--control-plane-certificate", "--control-plane-key", "--control-plane-ca"];
    flags.into_iter().zip(files).flat_map(|(flag, file)| [flag.to_owned(), file]).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_is_exchanged_under_traffic_and_a_broken_one_is_not() {
    let mut living = Living::start().await;
    let traffic = Traffic::start(living.ada.clone(), &https(&living.control), &living.node);
    traffic.goes_on().await;
    let before = shown(&living.control, &living.ca.file).await;
    let second = living.issue(&living.ca, "two", "server", Use::Server);
    living.server.publish_identity(&second, &living.ca.file);
    let after = living.shown_after(&before).await;
    traffic.goes_on().await;

    // A certificate without its key, as when only half of a change is there.
    let third = living.issue(&living.ca, "three", "server", Use::Server);
    let half = Identity { certificate: third.certificate.clone(), key: second.key };
    living.server.publish_identity(&half, &living.ca.file);
    said(&living.control, "what was in force before stays").await;
    assert!(living.control.log().contains("does not belong to the key"), "{}", living.control.log());
    assert_eq!(shown(&living.control, &living.ca.file).await, after);
    traffic.goes_on().await;
    living.server.publish_identity(&third, &living.ca.file);
    living.shown_after(&after).await;
    traffic.goes_on().await;
    traffic.stop().await;
    assert_eq!(living.subscriptions(), 1, "the node never lost its stream: {}", living.node.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_authority_is_exchanged_by_way_of_both() {
    let mut living = Living::start().await;
    let traffic = Traffic::start(living.ada.clone(), &https(&living.control), &living.node);
    let before = shown(&living.control, &living.ca.file).await;
    let new_ca = Authority::new(living.scratch.path(), "new-ca");
    let both = [&living.ca.file, &new_ca.file].map(|file| std::fs::read_to_string(file).unwrap()).concat();
    let both = PathBuf::from(living.scratch.write("both.pem", &both));
    let second = living.issue(&living.ca, "two", "server", Use::Server);
    living.server.publish_identity(&second, &both);
    living.shown_after(&before).await;
    let ned = living.issue(&new_ca, "two", "ned", Use::Client);
    living.client.publish_identity(&ned, &living.ca.file);
    traffic.goes_on().await;
    traffic.stop().await;
    assert_eq!(living.subscriptions(), 1, "the node never lost its stream: {}", living.node.log());

    // The old authority goes. A node that has to come back now can do so only with what its files say today.
    living.server.publish_identity(&second, &new_ca.file);
    living.scratch.write("access", &access_file(&[("ada", "admin")]));
    said(&living.node, "belongs to no identity").await;
    living.scratch.write("access", &access_file(&[("ned", "node"), ("ada", "admin")]));
    until("the node has come back", async || living.subscriptions(), |&times| times == 2).await;
    assert_eq!(page(living.node.address("proxy"), "/up").await, 200);
}
