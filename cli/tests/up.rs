//! `penstock up` as a newcomer meets it: it comes up, serves, stops, remembers, and says which part failed.

#![allow(clippy::unwrap_used)] // Nothing but tests, their helpers included.

mod support;

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;

use serde_json::Value;
use support::{PATIENCE, Process, children, directory, is_running, penstock, request, signal, text, until};

const PHOTO: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/my_image.jpg");

/// A running `penstock up` on ports of its own.
struct Gateway {
    process: Process,
    /// What it wrote until it served.
    banner: String,
}

impl Gateway {
    fn start(data: &Path, flags: &[&str]) -> Self {
        let mut command = penstock(&["up", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"]);
        command.args(["--grpc-listen", "127.0.0.1:0", "--control-admin-listen", "127.0.0.1:0"]);
        command.args(["--resizer-listen", "127.0.0.1:0", "--data-dir"]).arg(data).args(flags);
        let mut process = Process::start(&mut command);
        let mut banner = String::new();
        while !banner.contains("Ctrl-C") {
            let Some(line) = process.line() else { panic!("it did not come up: {banner}{}", process.end().1) };
            banner += &line;
            banner.push('\n');
        }
        Self { process, banner }
    }

    /// The address in the line of the banner that begins with `what`.
    fn address(&self, what: &str) -> SocketAddr {
        let line = self.banner.lines().find(|line| line.trim_start().starts_with(what)).unwrap();
        let url = line.split_ascii_whitespace().find_map(|word| word.strip_prefix("http://")).unwrap();
        url.replace("localhost", "127.0.0.1").parse().unwrap()
    }

    fn json(&self, arguments: &[&str]) -> Value {
        let control_plane = self.address("control plane").to_string();
        let output = penstock(arguments).args(["-o", "json", "--control-plane", &control_plane]).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", text(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    fn child(&self, part: &str) -> u32 {
        let children = children(self.process.child.id());
        let found = children.iter().find(|(_, line)| line.contains(&format!("serve {part}")));
        found.unwrap_or_else(|| panic!("{part} is not in {children:?}")).0
    }

    fn stop(mut self) {
        let below = children(self.process.child.id());
        self.process.signal("TERM");
        let (status, said) = self.process.end();
        assert_eq!(status.code(), Some(0), "{said}");
        assert!(said.contains("Stopped."), "{said}");
        for (process, line) in below {
            assert!(!is_running(process), "{line} is still there");
        }
    }
}

/// Width and height of a JPEG, from its frame header.
fn size(jpeg: &[u8]) -> (u16, u16) {
    assert_eq!(&jpeg[..2], [0xff, 0xd8], "no JPEG");
    let mut at = 2;
    loop {
        let (marker, length) = (jpeg[at + 1], usize::from(u16::from_be_bytes([jpeg[at + 2], jpeg[at + 3]])));
        if matches!(marker, 0xc0..=0xc2) {
            let number = |at: usize| u16::from_be_bytes([jpeg[at], jpeg[at + 1]]);
            return (number(at + 7), number(at + 5));
        }
        at += 2 + length;
    }
}

#[test]
fn the_demo_answers_a_smaller_picture() {
    let gateway = Gateway::start(&directory("up-demo"), &["--demo"]);
    let photo = fs::read(PHOTO).unwrap();
    let answer = request(gateway.address("proxy"), "POST", "/images", "image/jpeg", &photo);
    assert_eq!(answer.status, 200, "{}", answer.head);
    assert!(answer.head.to_ascii_lowercase().contains("content-type: image/jpeg"), "{}", answer.head);
    let ((width, height), (smaller_width, smaller_height)) = (size(&photo), size(&answer.body));
    assert!(smaller_width < width && smaller_height < height, "{smaller_width}x{smaller_height}");
    let port = gateway.address("proxy").port();
    assert!(gateway.banner.contains(&format!("curl -X POST http://localhost:{port}/images")), "{}", gateway.banner);
    let nodes = gateway.json(&["nodes"]);
    assert_eq!(nodes["items"][0]["appliedVersion"], nodes["version"], "{nodes}");
    gateway.stop();
}

#[test]
fn what_was_registered_is_there_again_and_only_once() {
    let data = directory("up-again");
    let first = Gateway::start(&data, &["--demo"]);
    let apis = first.json(&["api", "list"]);
    first.stop();
    let second = Gateway::start(&data, &["--demo"]);
    let again = second.json(&["api", "list"]);
    assert_eq!(again["items"].as_array().unwrap().len(), 1, "{again}");
    assert_eq!(again["items"][0]["id"], apis["items"][0]["id"]);
    let photo = fs::read(PHOTO).unwrap();
    let status = request(second.address("proxy"), "POST", "/images", "image/jpeg", &photo).status;
    assert_eq!(status, 200, "the resizer has another port than at the first start");
    second.stop();
    let third = Gateway::start(&data, &[]);
    assert_eq!(third.json(&["api", "list"])["items"][0]["id"], apis["items"][0]["id"]);
    let status = request(third.address("proxy"), "GET", "/health", "text/plain", b"").status;
    assert!(matches!(status, 502 | 504), "served although the resizer does not run: {status}");
    assert!(third.banner.contains("penstock api import"), "{}", third.banner);
    third.stop();
}

#[test]
fn a_part_that_dies_is_named_and_takes_the_rest_along() {
    for (part, name) in
        [("data-plane", "proxy"), ("control-plane", "control plane"), ("image-resizer", "image resizer")]
    {
        let mut gateway = Gateway::start(&directory(&format!("up-dies-{part}")), &["--demo"]);
        let below = children(gateway.process.child.id());
        signal(gateway.child(part), "KILL");
        let (status, said) = gateway.process.end();
        assert_eq!(status.code(), Some(1), "{said}");
        assert!(said.contains(&format!("error: the {name} ended unexpectedly")) && said.contains('9'), "{said}");
        for (process, line) in below {
            assert!(!is_running(process), "{line} is still there");
        }
    }
}

/// Sends the head and half of a photo; the request is under way then.
fn half_an_upload(gateway: &Gateway, photo: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(gateway.address("proxy")).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let head = format!(
        "POST /images HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/jpeg\r\nExpect: 100-continue\r\nContent-Length: \
         {}\r\n\r\n",
        photo.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    let mut go_on = [0; 25];
    stream.read_exact(&mut go_on).unwrap();
    assert_eq!(&go_on, b"HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(&photo[..photo.len() / 2]).unwrap();
    stream
}

#[test]
fn a_request_in_flight_is_finished_before_the_stop() {
    let mut gateway = Gateway::start(&directory("up-drain"), &["--demo"]);
    let photo = fs::read(PHOTO).unwrap();
    let mut stream = half_an_upload(&gateway, &photo);
    gateway.process.signal("INT");
    let proxy = gateway.address("proxy");
    until("the proxy takes no more connections", || TcpStream::connect(proxy).is_err());
    stream.write_all(&photo[photo.len() / 2..]).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    assert!(
        answer.starts_with(b"HTTP/1.1 200 OK\r\n"),
        "{}",
        String::from_utf8_lossy(&answer[..answer.len().min(500)])
    );
    let (status, said) = gateway.process.end();
    assert_eq!(status.code(), Some(0), "{said}");
}

#[test]
fn the_second_signal_does_not_wait() {
    let mut gateway = Gateway::start(&directory("up-impatient"), &["--demo"]);
    let below = children(gateway.process.child.id());
    let _stream = half_an_upload(&gateway, &fs::read(PHOTO).unwrap());
    gateway.process.signal("INT");
    let proxy = gateway.address("proxy");
    until("the proxy takes no more connections", || TcpStream::connect(proxy).is_err());
    gateway.process.signal("INT");
    let (status, said) = gateway.process.end();
    assert_eq!(status.code(), Some(1), "{said}");
    for (process, line) in below {
        assert!(!is_running(process), "{line} is still there");
    }
}

#[test]
fn no_part_outlives_a_parent_that_is_killed() {
    let mut gateway = Gateway::start(&directory("up-orphans"), &["--demo"]);
    let below = children(gateway.process.child.id());
    assert_eq!(below.len(), 3, "{below:?}");
    gateway.process.signal("KILL");
    gateway.process.end();
    until("every part has ended", || below.iter().all(|&(process, _)| !is_running(process)));
}

#[test]
fn taken_ports_are_named_with_their_flags() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let held = TcpListener::bind(taken).unwrap();
    let address = held.local_addr().unwrap().to_string();
    let data = directory("up-ports");
    let mut command = penstock(&["up", "--listen", &address, "--admin-listen", "127.0.0.1:0"]);
    command.args(["--grpc-listen", &address, "--control-admin-listen", "127.0.0.1:0", "--data-dir"]).arg(&data);
    let output = command.output().unwrap();
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(4), "{said}");
    for needle in ["--listen", "--grpc-listen", &taken.port().to_string(), "is taken"] {
        assert!(said.contains(needle), "{needle} is missing in: {said}");
    }
}

#[test]
fn one_data_directory_is_for_one_gateway() {
    let data = directory("up-twice");
    let first = Gateway::start(&data, &[]);
    let mut command = penstock(&["up", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"]);
    command.args(["--grpc-listen", "127.0.0.1:0", "--control-admin-listen", "127.0.0.1:0", "--data-dir"]).arg(&data);
    let output = command.output().unwrap();
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains(data.to_str().unwrap()), "{said}");
    first.stop();
}
