//! A control plane, nodes and callers with whatever settings a test is about.

use harness::process::{Program, binary};
use harness::wait::until;
use harness::world::temporary_directory;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use sha2::{Digest as _, Sha256};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;

/// A directory that is removed with it, unless the test failed.
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    pub(crate) fn new() -> Self {
        Self(temporary_directory())
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// Writes a file and answers its path as a flag's value.
    pub(crate) fn write(&self, name: &str, text: &str) -> String {
        let path = self.0.join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }
}

/// The token of an identity in [`access_file`].
pub(crate) fn token(name: &str) -> String {
    format!("secret-of-{name}-0123456789")
}

pub(crate) fn sha256(text: &str) -> String {
    Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// An access file with an identity for each (name, role): by its token, and by a certificate of that common name.
pub(crate) fn access_file(identities: &[(&str, &str)]) -> String {
    let mut text = "identities:\n".to_owned();
    for (name, role) in identities {
        let hash = sha256(&token(name));
        text += &format!(
            "- name: {name}\n  role: {role}\n  tokenSha256: [{hash}]\n  certificates: [{{commonName: {name}}}]\n"
        );
    }
    text
}

/// Starts a control plane on a free port of this machine.
pub(crate) fn control(scratch: &Scratch, arguments: &[&str]) -> Program {
    control_at(scratch, "127.0.0.1:0", arguments)
}

pub(crate) fn control_at(scratch: &Scratch, listen: &str, arguments: &[&str]) -> Program {
    let data = scratch.path().join("data");
    let mut all = vec!["--listen", listen, "--admin-listen", "127.0.0.1:0", "--data-dir", data.to_str().unwrap()];
    all.extend_from_slice(arguments);
    Program::start("penstock-control-plane", scratch.path(), &all)
}

/// Starts a node towards `control_plane`. Does not wait for it.
pub(crate) fn node(scratch: &Scratch, control_plane: &str, arguments: &[&str]) -> Program {
    let mut all = vec!["--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--control-plane", control_plane];
    all.extend_from_slice(arguments);
    Program::start("penstock-data-plane", scratch.path(), &all)
}

/// Runs a program that must end by itself, and not well; answers what it said.
pub(crate) fn refused(scratch: &Scratch, program: &str, arguments: &[&str]) -> String {
    let output = Command::new(binary(program)).args(arguments).current_dir(scratch.path()).output().unwrap();
    assert!(!output.status.success(), "{program} {arguments:?} should have been refused");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Runs the command line.
pub(crate) fn cli(control_plane: &str, arguments: &[&str]) -> Output {
    let mut command = Command::new(binary("penstock"));
    command.args(["--control-plane", control_plane]).args(arguments).output().unwrap()
}

/// What the command line answers when it is done well.
pub(crate) fn done(control_plane: &str, arguments: &[&str]) -> String {
    let output = cli(control_plane, arguments);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "penstock {arguments:?}: {said}");
    String::from_utf8(output.stdout).unwrap()
}

/// What the command line says when it is not.
pub(crate) fn failed(control_plane: &str, arguments: &[&str]) -> String {
    let output = cli(control_plane, arguments);
    assert!(!output.status.success(), "penstock {arguments:?} should have failed");
    String::from_utf8(output.stderr).unwrap()
}

/// Settings of a client that trusts the authority with this certificate.
pub(crate) fn trusting(ca: &Path) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(ca).unwrap()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    Arc::new(config)
}

pub(crate) fn http(program: &Program) -> String {
    format!("http://{}", program.address("grpc"))
}

/// By name, since certificates are for names.
pub(crate) fn https(program: &Program) -> String {
    format!("https://localhost:{}", program.address("grpc").port())
}

/// Status of a page of operators.
pub(crate) async fn page(admin: SocketAddr, path: &str) -> u16 {
    harness::client::get(admin, "admin", path).await.status.as_u16()
}

/// Waits until a node serves.
pub(crate) async fn ready(node: &Program) {
    until("the node is ready", async || page(node.address("admin"), "/health/ready").await, |&status| status == 200)
        .await;
}

/// Waits until a program has said this.
pub(crate) async fn said(program: &Program, words: &str) {
    until(&format!("the log has {words:?}"), async || program.log(), |log| log.contains(words)).await;
}

/// Registers an API with one route to `upstream` and waits until `node` serves it.
pub(crate) async fn register(
    scratch: &Scratch,
    control_plane: &str,
    flags: &[&str],
    upstream: SocketAddr,
    node: &Program,
) {
    let document = harness::world::document("link", &[("GET", "/up", format!("http://{upstream}/"))]);
    let file = scratch.write("api.json", &document.to_string());
    let mut arguments = flags.to_vec();
    arguments.extend(["api", "import", &file, "--stage", "prod", "--auto-deploy", "--domain", "*"]);
    done(control_plane, &arguments);
    let proxy = node.address("proxy");
    until("the route serves", async || page(proxy, "/up").await, |&status| status == 200).await;
}
