//! The real binary, as a shell meets it: help, usage errors, exit codes, closed pipes. No control plane is needed.

#![allow(clippy::unwrap_used)] // Nothing but tests, their helpers included.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener};
use std::process::{Command, Output, Stdio};

/// The program, away from what the environment of the tests sets for it.
fn penstock(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_penstock"));
    command.args(arguments).env_remove("PENSTOCK_CONTROL_PLANE").env("COLUMNS", "200").stdin(Stdio::null());
    command
}

fn run(arguments: &[&str]) -> Output {
    penstock(arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn code(output: &Output) -> Option<i32> {
    output.status.code()
}

/// An address of this machine where nothing listens.
fn closed() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

#[test]
fn help_shows_commands_exit_codes_and_first_steps() {
    let output = run(&["--help"]);
    assert_eq!(code(&output), Some(0));
    let help = text(&output.stdout);
    for needle in
        ["up", "api", "routes", "nodes", "completions", "penstock up --demo", "Exit codes:", "--control-plane"]
    {
        assert!(help.contains(needle), "{needle} is missing in:\n{help}");
    }
    assert!(!help.contains("\n  serve"), "the inner command is shown:\n{help}");
}

#[test]
fn without_arguments_it_helps_and_fails_as_usage() {
    let output = run(&[]);
    assert_eq!(code(&output), Some(2));
    assert!(text(&output.stderr).contains("First steps:"));
}

#[test]
fn the_version_is_told() {
    assert_eq!(text(&run(&["--version"]).stdout), format!("penstock {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn unknown_words_and_flags_are_usage_errors() {
    for arguments in [&["apis"][..], &["api", "list", "--colour"], &["routes", "--output", "xml"], &["deploy", "a"]] {
        let output = run(arguments);
        assert_eq!(code(&output), Some(2), "{arguments:?}");
        assert!(output.stdout.is_empty() && !output.stderr.is_empty(), "{arguments:?}");
    }
}

#[test]
fn flags_that_need_each_other_are_usage_errors() {
    for arguments in [
        &["api", "import", "x.yaml", "--auto-deploy"][..],
        &["api", "import", "x.yaml", "--stage", "s", "--base-path", "p"],
        &["api", "import", "x.yaml", "--put", "a", "--replace-by-name"],
        &["api", "import", "x.yaml", "--mode", "merge"],
        &["api", "apply", "a", "x.json", "--path", "/images"],
        &["integration", "put", "a", "/", "GET"],
    ] {
        assert_eq!(code(&run(arguments)), Some(2), "{arguments:?}");
    }
}

#[test]
fn a_flag_that_would_be_ignored_is_a_usage_error() {
    for arguments in [&["up", "--control-plane", "http://h:1"][..], &["--control-plane", "http://h:1", "up"]] {
        let output = run(arguments);
        assert_eq!(code(&output), Some(2), "{arguments:?}");
        assert!(text(&output.stderr).contains("--grpc-listen"), "{arguments:?}");
    }
}

#[test]
fn a_deletion_without_a_terminal_needs_yes() {
    let output = run(&["domain", "delete", "api.example.com"]);
    assert_eq!(code(&output), Some(2));
    assert!(text(&output.stderr).contains("--yes"), "{}", text(&output.stderr));
}

#[test]
fn completions_are_written_for_every_shell() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let output = run(&["completions", shell]);
        assert_eq!(code(&output), Some(0), "{shell}");
        assert!(text(&output.stdout).contains("replace-by-name"), "{shell}");
    }
}

#[test]
fn bash_understands_its_completions() {
    let script = text(&run(&["completions", "bash"]).stdout);
    let mut bash = Command::new("bash").args(["-n"]).stdin(Stdio::piped()).spawn().unwrap();
    bash.stdin.take().unwrap().write_all(script.as_bytes()).unwrap();
    assert!(bash.wait().unwrap().success());
}

#[test]
fn a_control_plane_that_is_not_there_is_unavailable() {
    let address = format!("http://{}", closed());
    for arguments in
        [&["api", "list"][..], &["routes"], &["nodes"], &["config"], &["stage", "list"], &["domain", "list"]]
    {
        let output = penstock(arguments).env("PENSTOCK_CONTROL_PLANE", &address).output().unwrap();
        assert_eq!(code(&output), Some(6), "{arguments:?}");
        let said = text(&output.stderr);
        assert!(said.contains(&address) && said.contains("penstock up"), "{said}");
        assert!(output.stdout.is_empty());
    }
}

#[test]
fn a_control_plane_that_stays_silent_is_unavailable_in_time() {
    // The kernel accepts; nobody ever answers.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = silent.local_addr().unwrap().to_string();
    let output = run(&["--control-plane", &address, "--timeout", "200ms", "api", "list"]);
    assert_eq!(code(&output), Some(6), "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains("--timeout"), "{}", text(&output.stderr));
}

#[test]
fn an_address_that_is_none_is_a_usage_error() {
    for address in ["ftp://localhost:50051", "localhost", "::"] {
        assert_eq!(code(&run(&["api", "list", "--control-plane", address])), Some(2), "{address}");
    }
}

#[test]
fn what_identifies_us_is_checked_before_anything_is_sent() {
    let run = |flags: &[&str]| run(&[flags, &["api", "list"]].concat());
    let missing = run(&["--token-file", "/nonexistent/token"]);
    assert_eq!(code(&missing), Some(1));
    assert!(text(&missing.stderr).contains("/nonexistent/token"), "{}", text(&missing.stderr));
    let half = run(&["--control-plane", "https://localhost:1", "--control-plane-key", "key.pem"]);
    assert_eq!(code(&half), Some(2));
    assert!(text(&half.stderr).contains("--control-plane-certificate"), "{}", text(&half.stderr));
    let plain = run(&["--control-plane", "http://localhost:1", "--control-plane-ca", "ca.pem"]);
    assert_eq!(code(&plain), Some(2));
    assert!(text(&plain.stderr).contains("https://"), "{}", text(&plain.stderr));
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let output = run(&["api", "import", "/nonexistent/api.yaml"]);
    assert_eq!(code(&output), Some(1));
    assert!(text(&output.stderr).contains("/nonexistent/api.yaml"), "{}", text(&output.stderr));
}

#[test]
fn a_closed_pipe_is_not_an_error() {
    let mut child = penstock(&["completions", "bash"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // More than a pipe holds is to come, and its reader leaves after the first line.
    let mut first = String::new();
    BufReader::with_capacity(1, child.stdout.take().unwrap()).read_line(&mut first).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(code(&output), Some(0));
    assert_eq!(text(&output.stderr), "");
}

#[test]
fn nothing_is_coloured_in_a_pipe() {
    for arguments in [&["--help"][..], &["api", "list", "--control-plane", "127.0.0.1:1"]] {
        let output = run(arguments);
        assert!(!output.stdout.contains(&0x1b) && !output.stderr.contains(&0x1b), "{arguments:?}");
    }
}

#[test]
fn a_health_check_has_three_outcomes() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/health/ready", listener.local_addr().unwrap());
    let server = std::thread::spawn(move || {
        for answer in ["HTTP/1.1 200 OK\r\n\r\n", "HTTP/1.1 503 Service Unavailable\r\n\r\n"] {
            let (stream, _) = listener.accept().unwrap();
            let mut request = BufReader::new(stream.try_clone().unwrap()).lines();
            while !request.next().unwrap().unwrap().is_empty() {}
            (&stream).write_all(answer.as_bytes()).unwrap();
        }
    });
    assert_eq!(code(&run(&["healthcheck", &url])), Some(0));
    assert_eq!(code(&run(&["healthcheck", &url])), Some(1));
    server.join().unwrap();
    assert_eq!(code(&run(&["healthcheck", &url])), Some(6), "the server is gone");
}
