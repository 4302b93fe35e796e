//! `penstock up --demo`, as the README says it.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use harness::process::{binary, repository};
use harness::wait::until;
use harness::world::temporary_directory;
use std::io::{BufRead as _, BufReader};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};

struct Demo {
    child: Child,
    said: Vec<String>,
    proxy: SocketAddr,
}

fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// Starts it and reads until the ready-made command.
fn start(directory: &Path, arguments: &[&str]) -> Demo {
    let proxy = free_address();
    let mut child = Command::new(binary("penstock"))
        .arg("up")
        .args(arguments)
        .args(["--data-dir", directory.join("data").to_str().unwrap()])
        .args(["--listen", &proxy.to_string()])
        .args(["--admin-listen", &free_address().to_string()])
        .args(["--grpc-listen", &free_address().to_string()])
        .args(["--control-admin-listen", &free_address().to_string()])
        .args(["--resizer-listen", &free_address().to_string()])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(std::fs::File::create(directory.join("up.log")).unwrap())
        .spawn()
        .unwrap();
    let mut said = Vec::new();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    for line in lines.by_ref() {
        let line = line.unwrap();
        let last = line.contains("curl -X POST") || line.contains("penstock api import");
        said.push(line);
        if last {
            break;
        }
    }
    assert!(!said.is_empty(), "{}", std::fs::read_to_string(directory.join("up.log")).unwrap());
    std::thread::spawn(move || lines.count());
    Demo { child, said, proxy }
}

async fn resize(proxy: SocketAddr) -> (u32, u32) {
    let photo = std::fs::read(repository().join("examples/my_image.jpg")).unwrap();
    let answer = harness::client::post(proxy, "localhost", "/images", "image/jpeg", photo).await;
    assert_eq!((answer.status.as_u16(), answer.header("content-type")), (200, "image/jpeg"), "{:?}", answer.headers);
    jpeg_size(&answer.body)
}

/// Width and height out of a JPEG's frame header.
fn jpeg_size(bytes: &[u8]) -> (u32, u32) {
    assert!(bytes.starts_with(&[0xff, 0xd8]), "a JPEG");
    let mut at = 2;
    loop {
        let (marker, length) = (bytes[at + 1], usize::from(bytes[at + 2]) << 8 | usize::from(bytes[at + 3]));
        if (0xc0..=0xc2).contains(&marker) {
            let number = |at: usize| u32::from(bytes[at]) << 8 | u32::from(bytes[at + 1]);
            return (number(at + 7), number(at + 5));
        }
        at += 2 + length;
    }
}

async fn stop(mut demo: Demo) {
    assert!(Command::new("kill").args(["-INT", &demo.child.id().to_string()]).status().unwrap().success());
    let status = until("it stops", async || demo.child.try_wait().unwrap(), Option::is_some).await;
    assert!(status.unwrap().success(), "{status:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_demo_resizes_a_photo_and_is_still_there_after_a_restart() {
    let directory = temporary_directory();
    let original = jpeg_size(&std::fs::read(repository().join("examples/my_image.jpg")).unwrap());
    let demo = start(&directory, &["--demo"]);
    let command = demo.said.last().unwrap();
    let expected = format!(
        "curl -X POST http://localhost:{}/images -H 'Content-Type: image/jpeg' --data-binary @",
        demo.proxy.port()
    );
    assert!(command.contains(&expected), "{command}");
    let small = resize(demo.proxy).await;
    assert!(small.0 < original.0 && small.1 < original.1, "{small:?} of {original:?}");
    stop(demo).await;
    // The same again neither fails nor makes a second API.
    let again = start(&directory, &["--demo"]);
    assert_eq!(resize(again.proxy).await, small);
    stop(again).await;
    // Without the demo the API is still there; only its upstream is not.
    let plain = start(&directory, &[]);
    let answer = harness::client::post(plain.proxy, "localhost", "/images", "image/jpeg", "x").await;
    assert_eq!(answer.status, 504, "{}", answer.text());
    stop(plain).await;
    std::fs::remove_dir_all(&directory).unwrap();
}
