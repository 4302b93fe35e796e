//! A function that is a program of its own, built on whatever runtime crate: started, fed through the Runtime API, killed.

use super::invocation::Invocation;
use super::reply::Reply;
use super::runtime_api::{RuntimeApi, TIMEOUT_S};
use crate::process::binary;
use crate::upstream::Upstream;
use crate::wait::until;
use crate::world::temporary_directory;
use serde_json::json;
use std::fs::File;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

const POLL_MS: u64 = 10;

/// A running function. It takes one event at a time, as one execution environment does; others wait. When its process has
/// ended, each further event is a function error.
pub struct RealFunction {
    name: &'static str,
    child: Mutex<Child>,
    directory: PathBuf,
    runtime: Arc<RuntimeApi>,
    _server: Upstream,
}

impl RealFunction {
    /// Starts the program that cargo built under this name, with nothing in its environment but what the service sets and
    /// `environment`, and waits until it asks for its first event.
    ///
    /// # Panics
    /// When it ends before, with what it said.
    pub async fn start(name: &'static str, environment: &[(&str, &str)]) -> Self {
        let runtime = Arc::new(RuntimeApi::new());
        let shared = Arc::clone(&runtime);
        let server = Upstream::http(move |request| {
            let runtime = Arc::clone(&shared);
            async move { runtime.answer(request).await }
        })
        .await;
        let directory = temporary_directory();
        let log = File::create(directory.join("log")).unwrap();
        let child = Command::new(binary(name))
            .current_dir(&directory)
            .env_clear()
            .env("AWS_LAMBDA_RUNTIME_API", server.address.to_string())
            .env("AWS_LAMBDA_FUNCTION_NAME", name)
            .env("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
            .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "512")
            .env("AWS_LAMBDA_LOG_GROUP_NAME", format!("/aws/lambda/{name}"))
            .env("AWS_LAMBDA_LOG_STREAM_NAME", "2026/01/01/[$LATEST]0")
            .envs(environment.iter().copied())
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        let function = Self { name, child: Mutex::new(child), directory, runtime, _server: server };
        until(
            "the function asks for its first event",
            async || {
                if let Some(status) = function.status() {
                    let error = function.runtime.init_error();
                    panic!("{name} ended with {status}, init error {error:?}; it said:\n{}", function.log());
                }
                function.runtime.polls()
            },
            |&polls| polls > 0,
        )
        .await;
        function
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.lock().unwrap().id()
    }

    /// What it said on standard output and standard error.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.directory.join("log")).unwrap_or_default()
    }

    /// What the function makes of an event, or what the service says of a function that makes nothing.
    pub(super) async fn invoke(&self, invocation: &Invocation) -> Reply {
        let id = &invocation.request_id;
        let failed = |kind: &str, what: &str| {
            let message = format!("RequestId: {id} Error: {what}");
            Reply::FunctionError(json!({"errorType": kind, "errorMessage": message}).to_string().into())
        };
        tokio::select! {
            reply = self.runtime.invoke(invocation) => reply,
            status = self.ended() => failed("Runtime.ExitError", &format!("Runtime exited with error: {status}")),
            () = tokio::time::sleep(Duration::from_secs(TIMEOUT_S)) => {
                failed("Sandbox.Timedout", &format!("Task timed out after {TIMEOUT_S}.00 seconds"))
            }
        }
    }

    async fn ended(&self) -> ExitStatus {
        loop {
            if let Some(status) = self.status() {
                return status;
            }
            tokio::time::sleep(Duration::from_millis(POLL_MS)).await;
        }
    }

    fn status(&self) -> Option<ExitStatus> {
        self.child.lock().unwrap().try_wait().unwrap()
    }
}

impl Drop for RealFunction {
    fn drop(&mut self) {
        let child = self.child.get_mut().unwrap();
        let _ = child.kill();
        let _ = child.wait();
        if std::thread::panicking() {
            eprintln!("--- {} said:\n{}", self.name, self.log());
        }
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}
