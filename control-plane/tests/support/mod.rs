//! What the tests of this package share: an application in this process, and the real program as a child process.

#![allow(dead_code, unreachable_pub, reason = "each test file uses its own part of this")]
#![allow(clippy::unwrap_used, reason = "clippy sees helpers of tests as no tests")]

pub mod client;
#[path = "../../../tests/harness/postgres.rs"]
pub mod postgres;
pub mod stores;

use penstock_control_plane::app::{App, Error, ImportRequest, Imported, StageSpec, Surroundings, Written};
use penstock_control_plane::store::Store;
use penstock_control_plane::store::sqlite::SqliteStore;
use penstock_control_plane::surroundings::System;
use penstock_model::bundle::BundleKey;
use penstock_model::openapi::BasePathMode;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use tempfile::TempDir;
use tonic::transport::Channel;

/// A clock that goes on by a second whenever somebody looks at it.
#[derive(Debug, Default)]
pub struct Ticking(AtomicI64);

impl Surroundings for Ticking {
    fn now_ms(&self) -> i64 {
        self.0.fetch_add(1_000, Ordering::Relaxed) + 1_000
    }

    fn random_id(&self, chars: usize) -> String {
        System.random_id(chars)
    }
}

/// An application over a store of its own.
pub struct World {
    pub app: App,
    pub store: Arc<SqliteStore>,
    pub directory: TempDir,
}

impl World {
    pub async fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let (app, store) = open(directory.path()).await;
        Self { app, store, directory }
    }

    /// Closes everything and opens it again.
    pub async fn restart(self) -> Self {
        self.store.close().await;
        let Self { app, store, directory } = self;
        drop((app, store));
        let (app, store) = open(directory.path()).await;
        Self { app, store, directory }
    }

    /// Published version.
    pub fn version(&self) -> u64 {
        self.app.newest().version.0
    }
}

async fn open(directory: &Path) -> (App, Arc<SqliteStore>) {
    let store = Arc::new(SqliteStore::open(directory).await.unwrap());
    let app = App::start(Arc::<SqliteStore>::clone(&store), Arc::new(Ticking::default())).await.unwrap();
    (app, store)
}

/// A document with this title and these paths, each with a GET towards `uri`.
pub fn document(title: &str, uri: &str, paths: &[&str]) -> Vec<u8> {
    let paths: serde_json::Map<_, _> = paths
        .iter()
        .map(|path| {
            let integration = serde_json::json!({"type": "http_proxy", "httpMethod": "GET", "uri": uri});
            ((*path).to_owned(), serde_json::json!({"get": {"x-amazon-apigateway-integration": integration}}))
        })
        .collect();
    let document = serde_json::json!({"openapi": "3.0.1", "info": {"title": title, "version": "1"}, "paths": paths});
    serde_json::to_vec(&document).unwrap()
}

/// An import that replaces by name and serves on a stage.
pub fn import(document: Vec<u8>, stage: Option<StageSpec>) -> ImportRequest {
    ImportRequest {
        document,
        fail_on_warnings: false,
        base_path_mode: BasePathMode::Ignore,
        replace_by_name: true,
        fidelity: None,
        stage,
    }
}

/// A stage called `v1` without a domain.
pub fn v1(auto_deploy: bool) -> StageSpec {
    StageSpec { stage_name: "v1".into(), auto_deploy, ..StageSpec::default() }
}

/// Imports an API with one route, served on `v1`.
pub async fn serve(app: &App, title: &str, auto_deploy: bool) -> Written<Imported> {
    app.import_rest_api(import(document(title, "http://up.test/", &["/a"]), Some(v1(auto_deploy)))).await.unwrap()
}

/// Paths that a stage serves.
pub async fn served(app: &App, api: &str, stage: &str) -> Vec<String> {
    let (routes, _) = app.routes(Some(api.into()), Some(stage.into()), None, 10_000).await.unwrap();
    routes.into_iter().map(|route| format!("{} {}", route.key.verb, route.key.path)).collect()
}

/// Whether a pair is published and compiled.
pub fn is_published(app: &App, api: &str, stage: &str) -> bool {
    let key = BundleKey { rest_api_id: api.into(), stage_name: stage.into() };
    let publication = app.newest();
    publication.bundle(&key).is_some() && publication.compiled.contains_key(&key)
}

/// The fields of the violations of a refusal.
pub fn violated(error: Error) -> Vec<(String, String)> {
    match error {
        Error::Invalid(violations) => violations.into_iter().map(|v| (v.field, v.description)).collect(),
        other => panic!("not a violation: {other}"),
    }
}

/// The real program.
pub struct Program {
    child: Child,
    pub grpc: SocketAddr,
    pub admin: SocketAddr,
}

impl Program {
    /// Starts it on free ports and waits until it serves.
    pub fn start(data: &Path) -> Self {
        let mut child = Self::command(data).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let addresses: serde_json::Value = serde_json::from_str(&line).expect("it prints its addresses");
        let address = |key: &str| addresses[key].as_str().unwrap().parse().unwrap();
        Self { child, grpc: address("grpc"), admin: address("admin") }
    }

    /// How it is started.
    pub fn command(data: &Path) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_penstock-control-plane"));
        command.args(["--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--print-addresses", "--data-dir"]);
        command.arg(data).stdin(Stdio::null());
        command
    }

    /// A connection to it.
    pub async fn channel(&self) -> Channel {
        Channel::from_shared(format!("http://{}", self.grpc)).unwrap().connect().await.unwrap()
    }

    /// Kills it at once, as a power cut would.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Asks it to stop, and waits until it has.
    pub fn terminate(&mut self) -> std::process::ExitStatus {
        let status = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status().unwrap();
        assert!(status.success());
        self.child.wait().unwrap()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
