//! What the kernel lends for as long as somebody holds it: given back with its holder, also when this process was killed.

use crate::scale::in_ci;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, ChildStdin, Command, Stdio};

/// What a holder says when it has it.
const READY: &str = "ready";

/// A program that holds something until its standard input ends, and then gives it back.
#[derive(Debug)]
pub struct Held {
    child: Child,
    stdin: Option<ChildStdin>,
}

impl Held {
    /// Runs a program that says `ready` in a line once it holds what it is to hold.
    ///
    /// # Panics
    /// It ends before it says so.
    pub fn by(program: &str, arguments: &[&str]) -> Self {
        let mut command = Command::new(program);
        // A group of its own: a signal to that of the test must not hit who cleans up behind it.
        command.args(arguments).process_group(0).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let stdin = child.stdin.take();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line.trim_end(), READY, "{program} {arguments:?}");
        Self { child, stdin }
    }

    /// The process that holds it.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.stdin.take();
        let _ = self.child.wait();
    }
}

/// Whether a command succeeds which shows that the machine has what a test needs. Where not, that is said; in CI it is a
/// failure.
///
/// # Panics
/// `CI` is set, and it does not succeed.
pub fn has(needed: &str, command: &[&str]) -> bool {
    let has = Command::new(command[0]).args(&command[1..]).output().is_ok_and(|output| output.status.success());
    if !has {
        assert!(!in_ci(), "this needs {needed}");
        // Past the test runner, which keeps what tests that pass print.
        let _ = std::io::stderr().write_all(format!("SKIPPED: this needs {needed}\n").as_bytes());
    }
    has
}

/// Runs a command that must succeed.
pub(crate) fn run(command: &mut Command) {
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {}\n{said}", output.status);
}
