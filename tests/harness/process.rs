//! The real programs as child processes.

use serde_json::Value;
use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// A program that runs, with what it says on standard error kept for the test's own failure message.
pub struct Program {
    name: &'static str,
    child: Child,
    log: PathBuf,
    output: PathBuf,
    start: Start,
    /// What it printed as its addresses.
    pub addresses: Value,
}

/// How it was started.
#[derive(Clone)]
struct Start {
    wrapper: Vec<String>,
    directory: PathBuf,
    arguments: Vec<String>,
    environment: Vec<(String, String)>,
}

/// Programs of another build, which take the place of those that it has of cargo's: a directory.
const OTHER_PROGRAMS: &str = "PENSTOCK_TEST_PROGRAMS";

/// Where a program that counts which ways it goes writes that down, when it ends (`benches/pgo`).
const PROFILE: &str = "LLVM_PROFILE_FILE";

/// Where cargo put the programs: beside the directory of this test.
pub fn binary(name: &str) -> PathBuf {
    let other = std::env::var_os(OTHER_PROGRAMS).map(|directory| Path::new(&directory).join(name));
    if let Some(other) = other.filter(|path| path.exists()) {
        return other;
    }
    let here = std::env::current_exe().unwrap();
    let directory = here.parent().and_then(Path::parent).unwrap();
    let path = directory.join(name);
    assert!(
        path.exists(),
        "{} is not built: run `cargo test --workspace` or `cargo build --workspace`",
        path.display()
    );
    path
}

/// The root of the repository.
pub fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

impl Program {
    /// Starts a program that prints its addresses as one line of JSON.
    pub fn start(name: &'static str, directory: &Path, arguments: &[&str]) -> Self {
        Self::start_in(name, directory, arguments, &[])
    }

    /// The same with variables of its environment.
    pub fn start_in(name: &'static str, directory: &Path, arguments: &[&str], environment: &[(&str, &str)]) -> Self {
        Self::start_under(&[], name, directory, arguments, environment)
    }

    /// The same behind the words of another program that becomes this one, for instance `nice`.
    pub fn start_under(
        wrapper: &[&str],
        name: &'static str,
        directory: &Path,
        arguments: &[&str],
        environment: &[(&str, &str)],
    ) -> Self {
        let owned = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        let environment = environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let (wrapper, arguments) = (owned(wrapper), owned(arguments));
        Self::run(name, Start { wrapper, directory: directory.to_owned(), arguments, environment })
    }

    fn run(name: &'static str, start: Start) -> Self {
        static NUMBER: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let log = start.directory.join(format!("{name}-{number}.log"));
        let program = binary(name);
        let mut words = start.wrapper.iter().map(std::ffi::OsStr::new).chain([program.as_os_str()]);
        let mut child = Command::new(words.next().unwrap())
            .args(words)
            .args(&start.arguments)
            .arg("--print-addresses")
            .envs(start.environment.iter().cloned())
            .current_dir(&start.directory)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(File::create(&log).unwrap())
            .spawn()
            .unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        output.read_line(&mut line).unwrap();
        // Keeps the pipe open and empty, so that the program never blocks on its own output.
        let kept = start.directory.join(format!("{name}-{number}.out"));
        let mut file = File::create(&kept).unwrap();
        std::thread::spawn(move || std::io::copy(&mut output, &mut file));
        let addresses = serde_json::from_str(&line).unwrap_or_else(|error| {
            panic!("{name} did not print its addresses ({error}); it said:\n{}", std::fs::read_to_string(&log).unwrap())
        });
        Self { name, child, log, output: kept, start, addresses }
    }

    /// Starts one that has ended again, as it was started, at the addresses that it had.
    pub fn start_again(&mut self) {
        let mut start = self.start.clone();
        for (flag, keys) in [("--listen", &["proxy", "grpc"][..]), ("--admin-listen", &["admin"])] {
            let had = keys.iter().find_map(|key| self.addresses[key].as_str());
            let value = start.arguments.iter().position(|word| word == flag).map(|at| at + 1);
            if let (Some(had), Some(value)) = (had, value) {
                start.arguments[value] = had.to_owned();
            }
        }
        *self = Self::run(self.name, start);
    }

    /// One of the printed addresses.
    pub fn address(&self, key: &str) -> SocketAddr {
        self.addresses[key]
            .as_str()
            .and_then(|text| text.parse().ok())
            .unwrap_or_else(|| panic!("no {key} in {}", self.addresses))
    }

    /// The process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Whether it still runs.
    pub fn is_alive(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Sends a signal by name, for example `TERM`.
    pub fn signal(&self, name: &str) {
        let status = Command::new("kill").arg(format!("-{name}")).arg(self.pid().to_string()).status().unwrap();
        assert!(status.success(), "kill -{name} {}", self.pid());
    }

    /// `kill -9`, and waits until it is gone.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Waits until it has ended by itself.
    pub fn wait(&mut self) -> ExitStatus {
        let begun = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(begun.elapsed() < crate::wait::BOUND, "{} does not end; it said:\n{}", self.name, self.log());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// The complete lines of JSON that it has written to standard output behind its addresses: its access log.
    pub fn access_log(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(&self.output).unwrap();
        let complete = text.rfind('\n').map_or("", |end| &text[..end]);
        complete.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// What it said on standard error.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        if std::env::var_os(PROFILE).is_some() && self.is_alive() {
            self.signal("TERM");
            self.wait();
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("--- {} said:\n{}", self.name, self.log());
        }
    }
}
