//! The real program starts on any port, says where, is alive without a control plane but not ready, and stops when told.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Command, Stdio};

#[test]
fn it_starts_waits_for_a_configuration_and_stops() {
    let mut program = Command::new(env!("CARGO_BIN_EXE_penstock-data-plane"))
        .args(["--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--print-addresses"])
        // Port 1 is reserved and nothing listens there.
        .args(["--control-plane", "http://127.0.0.1:1"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("it starts");
    let mut line = String::new();
    BufReader::new(program.stdout.take().expect("piped")).read_line(&mut line).expect("it prints its addresses");
    let addresses: serde_json::Value = serde_json::from_str(&line).expect("JSON");
    let get = |path: &str| {
        let mut stream = TcpStream::connect(addresses["admin"].as_str().expect("an address")).expect("it listens");
        write!(stream, "GET {path} HTTP/1.1\r\nhost: admin\r\nconnection: close\r\n\r\n").expect("it reads");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("it answers");
        answer
    };
    assert!(get("/health/live").starts_with("HTTP/1.1 200 "));
    assert!(get("/health/ready").starts_with("HTTP/1.1 503 "));
    assert!(get("/metrics").contains("penstock_proxy_config_version 0"));
    assert!(get("/config").contains("\"version\":0"));
    assert!(get("/nothing").starts_with("HTTP/1.1 404 "));
    let killed = Command::new("kill").arg(program.id().to_string()).status().expect("kill exists");
    assert!(killed.success());
    assert!(program.wait().expect("it ends").success());
}
