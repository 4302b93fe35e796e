//! What the tests of the binary share: running it, and processes of it that do not outlive a test.

#![allow(dead_code)] // Each test file uses its part.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

/// More than anything here takes on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
/// Between two looks at a state.
const LOOK: Duration = Duration::from_millis(20);

/// The program, away from what the environment of the tests sets for it.
pub(crate) fn penstock(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_penstock"));
    command.args(arguments).stdin(Stdio::null()).env("COLUMNS", "200");
    for variable in ["PENSTOCK_CONTROL_PLANE", "PENSTOCK_LOG", "RUST_LOG", "NO_COLOR"] {
        command.env_remove(variable);
    }
    command
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// An empty directory for one test.
pub(crate) fn directory(name: &str) -> PathBuf {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = fs::remove_dir_all(&path);
    fs::create_dir_all(&path).unwrap();
    path
}

/// Looks until `state` holds, and says what was waited for when it never does.
pub(crate) fn until(what: &str, mut state: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !state() {
        assert!(Instant::now() < deadline, "waited in vain: {what}");
        thread::sleep(LOOK);
    }
}

/// A process that is killed at the end of its test, if it still runs.
pub(crate) struct Process {
    pub(crate) child: Child,
    lines: mpsc::Receiver<String>,
    stderr: Option<thread::JoinHandle<String>>,
}

impl Process {
    pub(crate) fn start(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let lines = lines(child.stdout.take().unwrap());
        let mut pipe = child.stderr.take().unwrap();
        let stderr = thread::spawn(move || {
            let mut said = String::new();
            let _ = pipe.read_to_string(&mut said);
            said
        });
        Self { child, lines, stderr: Some(stderr) }
    }

    /// The next line of standard output; none when it has ended.
    pub(crate) fn line(&self) -> Option<String> {
        match self.lines.recv_timeout(PATIENCE) {
            Ok(line) => Some(line),
            Err(mpsc::RecvTimeoutError::Disconnected) => None,
            Err(mpsc::RecvTimeoutError::Timeout) => panic!("no line came in time"),
        }
    }

    /// Sends a signal by its name, as `kill` knows it.
    pub(crate) fn signal(&self, name: &str) {
        signal(self.child.id(), name);
    }

    /// Waits for the end: how, and what it said on standard error.
    pub(crate) fn end(&mut self) -> (ExitStatus, String) {
        let mut status = None;
        until("the process ends", || {
            status = self.child.try_wait().unwrap();
            status.is_some()
        });
        (status.unwrap(), self.stderr.take().unwrap().join().unwrap())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn lines(stdout: ChildStdout) -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::sync_channel(1000);
    thread::spawn(move || {
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    receiver
}

pub(crate) fn signal(process: u32, name: &str) {
    let sent = Command::new("kill").args([format!("-{name}"), process.to_string()]).status().unwrap();
    assert!(sent.success(), "kill -{name} {process}");
}

/// The processes that `parent` started and that still run: id and command line.
pub(crate) fn children(parent: u32) -> Vec<(u32, String)> {
    let processes = fs::read_dir("/proc").unwrap().filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    processes.filter(|&process| parent_of(process) == Some(parent)).map(|id| (id, command_line(id))).collect()
}

pub(crate) fn is_running(process: u32) -> bool {
    parent_of(process).is_some()
}

/// The parent of a process that runs; none for one that has ended, also if nobody has asked for its status yet.
fn parent_of(process: u32) -> Option<u32> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace();
    if fields.next()? == "Z" { None } else { fields.next()?.parse().ok() }
}

fn command_line(process: u32) -> String {
    fs::read_to_string(format!("/proc/{process}/cmdline")).unwrap_or_default().replace('\0', " ")
}

/// A control plane of its own, and the commands that talk to it.
pub(crate) struct ControlPlane {
    process: Process,
    address: SocketAddr,
}

impl ControlPlane {
    /// With an empty database, called after the test.
    pub(crate) fn start(name: &str) -> Self {
        let data = directory(name);
        let arguments =
            ["serve", "control-plane", "--until-stdin-ends", "--print-addresses", "--log", "warn", "--data-dir"];
        let mut command = penstock(&arguments);
        command.arg(data).args(["--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"]).stdin(Stdio::piped());
        let mut process = Process::start(&mut command);
        let Some(line) = process.line() else { panic!("the control plane did not start: {}", process.end().1) };
        let addresses: Value = serde_json::from_str(&line).unwrap();
        Self { process, address: addresses["grpc"].as_str().unwrap().parse().unwrap() }
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        penstock(arguments).env("PENSTOCK_CONTROL_PLANE", self.address.to_string()).output().unwrap()
    }

    pub(crate) fn run_with_input(&self, arguments: &[&str], input: &str) -> Output {
        let mut command = penstock(arguments);
        command.env("PENSTOCK_CONTROL_PLANE", self.address.to_string());
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        child.wait_with_output().unwrap()
    }

    /// What a command writes that succeeds.
    pub(crate) fn say(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", text(&output.stderr));
        text(&output.stdout)
    }

    /// The JSON of a command that succeeds.
    pub(crate) fn json(&self, arguments: &[&str]) -> Value {
        serde_json::from_str(&self.say(&[arguments, &["--output", "json"]].concat())).unwrap()
    }

    /// What a command says on standard error that ends with `code`.
    pub(crate) fn fails(&self, arguments: &[&str], code: i32) -> String {
        let output = self.run(arguments);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {}{said}", text(&output.stdout));
        said
    }

    /// Lets it end, and waits until it has.
    pub(crate) fn stop(mut self) {
        drop(self.process.child.stdin.take());
        let (status, said) = self.process.end();
        assert!(status.success(), "{said}");
    }
}

/// The answer to one HTTP/1.1 request.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

/// Sends one request on a connection of its own.
pub(crate) fn request(address: SocketAddr, method: &str, path: &str, content_type: &str, body: &[u8]) -> Answer {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let length = body.len();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {content_type}\r\nContent-Length: \
         {length}\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(body).unwrap();
    let mut reader = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        assert_ne!(reader.read_line(&mut head).unwrap(), 0, "the answer has no end of its head: {head}");
    }
    let mut body = Vec::new();
    reader.read_to_end(&mut body).unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Answer { status, head, body }
}
