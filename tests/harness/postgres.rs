//! A PostgreSQL server of a test's own: in a temporary directory, behind a Unix socket and perhaps TLS, gone with the test.
//!
//! It comes from Debian's package `postgresql`. Where that is not installed, tests that need it say that they are
//! skipped, unless `CI` is set: then they fail. The package's server refuses to run as root, so it runs as another user.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, OnceLock, mpsc};
use std::time::Duration;

/// Longest start of a server on a loaded machine.
const START_MAX: Duration = Duration::from_secs(60);
/// Who owns its files.
const USER: &str = "penstock";
/// What it says when it is there.
const READY: &str = "database system is ready to accept connections";
/// Runs a server for as long as standard input is open. A line names the signal that stops it; the end of input stops it
/// and removes its files, also when this process was killed.
const RUN: &str = r#"
"$1/postgres" -D "$2/data" -k "$2" -p "$3" $4 -c fsync=off -c max_connections=60 &
server=$!
if read -r how; then
    kill "-$how" "$server"; wait "$server"
else
    kill -QUIT "$server"; wait "$server"; rm -rf "$2"
fi
"#;

/// A server. Dropping it stops it and removes its directory.
#[derive(Debug)]
pub struct Postgres {
    programs: PathBuf,
    directory: PathBuf,
    port: u16,
    options: String,
    running: Mutex<Option<Running>>,
    databases: AtomicU32,
}

#[derive(Debug)]
struct Running {
    shell: Child,
    stdin: Option<ChildStdin>,
}

impl Postgres {
    /// Starts a server; `None` where there is none to start, which is then said.
    ///
    /// # Panics
    /// It does not start, or `CI` is set and there is none.
    pub fn start() -> Option<Self> {
        // The port only names the socket.
        Self::start_with(5432, "-c listen_addresses=", &[])
    }

    /// The same on a port of the loopback address, behind TLS with this certificate and its key, both as PEM.
    pub fn start_with_tls(certificate: &str, key: &str) -> Option<Self> {
        let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let options = "-c listen_addresses=127.0.0.1 -c ssl=on -c ssl_cert_file=../tls.crt -c ssl_key_file=../tls.key";
        Self::start_with(free, options, &[("tls.crt", certificate), ("tls.key", key)])
    }

    fn start_with(port: u16, options: &str, files: &[(&str, &str)]) -> Option<Self> {
        let programs = programs()?;
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let directory = std::env::temp_dir().join(format!("penstock-pg-{}-{number}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        let (running, databases) = (Mutex::default(), AtomicU32::new(0));
        // Made first: what fails from here on leaves no files.
        let server = Self { programs, directory, port, options: options.to_owned(), running, databases };
        server.initialise(files);
        server.run();
        Some(server)
    }

    fn initialise(&self, files: &[(&str, &str)]) {
        let Self { programs, directory, .. } = self;
        for (name, text) in files {
            fs::write(directory.join(name), text).unwrap();
            fs::set_permissions(directory.join(name), fs::Permissions::from_mode(0o600)).unwrap();
        }
        if is_root() {
            run(Command::new("chown").arg("-R").arg(system_user()).arg(directory));
        }
        let mut init = as_user(&programs.join("initdb"));
        init.arg("-D").arg(directory.join("data")).args(["-U", USER, "--auth=trust", "--no-sync", "-E", "UTF8"]);
        // A language in which texts do not compare by their bytes, where the server knows one.
        let help = Command::new(programs.join("initdb")).arg("--help").output().unwrap();
        if String::from_utf8_lossy(&help.stdout).contains("--icu-locale") {
            init.args(["--locale=C.UTF-8", "--locale-provider=icu", "--icu-locale=en-US"]);
        }
        run(&mut init);
    }

    /// One server for all tests of this process.
    pub fn shared() -> Option<&'static Self> {
        static SHARED: OnceLock<Option<Postgres>> = OnceLock::new();
        SHARED.get_or_init(Self::start).as_ref()
    }

    /// Makes an empty database, and answers its address.
    pub fn database(&self) -> String {
        let name = format!("test{}", self.databases.fetch_add(1, Ordering::Relaxed));
        self.sql("postgres", &format!("CREATE DATABASE {name}"));
        self.url(&name)
    }

    /// Runs statements as the owner of everything, and answers the values of the rows, a line each.
    pub fn sql(&self, database: &str, statements: &str) -> String {
        let mut psql = Command::new(self.programs.join("psql"));
        psql.args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-U", USER, "-d", database, "-c", statements]);
        run(psql.arg("-h").arg(&self.directory).arg("-p").arg(self.port.to_string()))
    }

    /// The name at the end of an address.
    pub fn name(url: &str) -> &str {
        url.split(['/', '?']).nth(3).unwrap()
    }

    fn url(&self, database: &str) -> String {
        format!("postgres://{USER}@localhost:{}/{database}?host={}", self.port, self.directory.display())
    }

    /// The address of a database over TCP.
    pub fn tcp_url(&self, url: &str, parameters: &str) -> String {
        format!("postgres://{USER}@localhost:{}/{}?{parameters}", self.port, Self::name(url))
    }

    /// A file beside the database.
    pub fn file(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// Stops all of its processes where they are: connections stay open, and nothing is answered.
    pub fn freeze(&self) {
        self.signal_all("STOP");
    }

    /// Lets them go on.
    pub fn thaw(&self) {
        self.signal_all("CONT");
    }

    fn signal_all(&self, signal: &str) {
        let file = fs::read_to_string(self.directory.join("data/postmaster.pid")).unwrap();
        let first = file.lines().next().unwrap();
        // The first one before its children, so that it makes no more of them.
        run(Command::new("kill").args([&format!("-{signal}"), first]));
        let children = fs::read_to_string(format!("/proc/{first}/task/{first}/children")).unwrap();
        for child in children.split_whitespace() {
            // It may have ended meanwhile.
            let _ = Command::new("kill").args([&format!("-{signal}"), child]).output();
        }
    }

    /// Stops the server: connections end, what is committed stays.
    pub fn stop(&self) {
        self.end("INT");
    }

    /// Stops the server as a crash would.
    pub fn crash(&self) {
        self.end("QUIT");
    }

    fn end(&self, signal: &str) {
        let mut running = self.running.lock().unwrap().take().expect("it runs");
        writeln!(running.stdin.as_ref().unwrap(), "{signal}").unwrap();
        running.shell.wait().unwrap();
    }

    /// Starts a server that was stopped.
    pub fn start_again(&self) {
        self.run();
    }

    fn run(&self) {
        let mut shell = as_user(Path::new("/bin/sh"));
        shell.args(["-c", RUN, "sh"]).arg(&self.programs).arg(&self.directory);
        shell.arg(self.port.to_string()).arg(&self.options);
        // A group of its own: a signal to that of the test must not hit who cleans up behind it.
        shell.process_group(0).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut shell = shell.spawn().unwrap();
        let stdin = shell.stdin.take();
        let said = BufReader::new(shell.stderr.take().unwrap());
        let (ready, is_ready) = mpsc::channel();
        // Reads on until the server ends, so that it never blocks on its own words.
        std::thread::spawn(move || {
            let mut all = String::new();
            for line in said.lines().map_while(Result::ok) {
                all.push_str(&line);
                all.push('\n');
                if line.contains(READY) {
                    // Nobody may listen any more.
                    let _ = ready.send(Ok(()));
                }
            }
            let _ = ready.send(Err(all));
        });
        match is_ready.recv_timeout(START_MAX) {
            Ok(Ok(())) => {}
            Ok(Err(said)) => panic!("the database server ended:\n{said}"),
            Err(_) => panic!("the database server did not start within {START_MAX:?}"),
        }
        *self.running.lock().unwrap() = Some(Running { shell, stdin });
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        if let Ok(Some(running)) = self.running.get_mut().map(Option::as_mut) {
            running.stdin.take();
            let _ = running.shell.wait();
        }
        let _ = fs::remove_dir_all(&self.directory);
    }
}

/// Where the newest of the server's programs are.
fn programs() -> Option<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut found: Vec<(u32, PathBuf)> = versions
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path().join("bin"))))
        .filter(|(_, programs)| programs.join("initdb").exists())
        .collect();
    found.sort();
    let newest = found.pop().map(|(_, programs)| programs);
    if newest.is_none() {
        let in_ci = std::env::var_os("CI").is_some_and(|value| value == "true" || value == "1");
        assert!(!in_ci, "PostgreSQL is missing: install the package `postgresql`");
        // Past the test runner, which keeps what tests that pass print.
        let said = "SKIPPED, at least in part: PostgreSQL is not installed (Debian: apt-get install postgresql)\n";
        let _ = std::io::stderr().write_all(said.as_bytes());
    }
    newest
}

fn is_root() -> bool {
    run(Command::new("id").arg("-u")).trim() == "0"
}

fn system_user() -> &'static str {
    let has = |user: &str| Command::new("id").arg(user).output().is_ok_and(|id| id.status.success());
    if has("postgres") { "postgres" } else { "nobody" }
}

/// A program that runs as a user who may run a database.
fn as_user(program: &Path) -> Command {
    let mut command = Command::new(program);
    if is_root() {
        command = Command::new("setpriv");
        let user = system_user();
        command.arg(format!("--reuid={user}")).arg(format!("--regid={}", group_of(user))).arg("--clear-groups");
        command.arg(program);
    }
    command.current_dir("/");
    command
}

fn group_of(user: &str) -> String {
    run(Command::new("id").args(["-g", user])).trim().to_owned()
}

fn run(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {}\n{said}", output.status);
    String::from_utf8(output.stdout).unwrap()
}
