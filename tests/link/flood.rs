//! Connections that never finish a handshake, more than there are places for.

use crate::setup::{Scratch, access_file, control, done, https, token, trusting};
use harness::pki::{Authority, Use};
use harness::process::Program;
use rustls::ClientConnection;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

/// More than the control plane lets shake hands at a time, which is 512.
const SILENT: usize = 600;
/// That come while one call is made.
const MEANWHILE: usize = 400;
/// Far below the time after which a handshake is given up, which is 5,000 ms.
const PROMPT_MS: u64 = 3_000;

/// A control plane over TLS, the authority behind its certificate, and the file with the token of somebody who may call it.
fn over_tls(scratch: &Scratch) -> (Program, Authority, String) {
    let ca = Authority::new(scratch.path(), "ca");
    let server = ca.issue(scratch.path(), "server", Use::Server);
    let access = scratch.write("access", &access_file(&[("ada", "admin")]));
    let (certificate, key) = (server.certificate.to_str().unwrap(), server.key.to_str().unwrap());
    let control = control(scratch, &["--tls-certificate", certificate, "--tls-key", key, "--access-file", &access]);
    let ada = scratch.write("ada", &token("ada"));
    (control, ca, ada)
}

#[test]
fn a_flood_of_handshakes_does_not_keep_others_out() {
    let scratch = Scratch::new();
    let (control, ca, ada) = over_tls(&scratch);
    let grpc = control.address("grpc");
    let timeout = format!("{PROMPT_MS}ms");
    let line = ["--control-plane-ca", ca.file.to_str().unwrap(), "--token-file", &ada, "--timeout", &timeout, "nodes"];

    let mut silent: Vec<TcpStream> = (0..SILENT).map(|_| TcpStream::connect(grpc).unwrap()).collect();
    done(&https(&control), &line);
    // The oldest had to make room at once; nobody waited for its time to be over.
    silent[0].set_read_timeout(Some(Duration::from_millis(PROMPT_MS))).unwrap();
    assert_eq!(silent[0].read(&mut [0]).unwrap(), 0);

    // They go on coming, some with what is no TLS, while others want to be served: fewer than there are places for each of
    // these, since whoever is slower than that many others may have to make room.
    for _ in 0..10 {
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for (at, place) in silent[..MEANWHILE].iter_mut().enumerate() {
                    let Ok(mut stream) = TcpStream::connect(grpc) else { continue };
                    if at % 2 == 0 {
                        // It may be cut before this arrives.
                        let _ = stream.write_all(b"GET / HTTP/1.1\r\n\r\n");
                    }
                    *place = stream;
                }
            });
            done(&https(&control), &line);
        });
    }
    let complaints = control.log().matches("a TLS handshake failed").count();
    assert!(complaints <= 60, "{complaints} lines: a flood must not become one in the log");
}

#[test]
fn who_has_said_hello_keeps_its_place_among_the_silent() {
    let scratch = Scratch::new();
    let (control, ca, _) = over_tls(&scratch);
    let grpc = control.address("grpc");

    // The oldest of all, which stops behind its hello.
    let mut stream = TcpStream::connect(grpc).unwrap();
    let mut client = ClientConnection::new(trusting(&ca.file), "localhost".try_into().unwrap()).unwrap();
    client.write_tls(&mut stream).unwrap();
    assert_eq!(stream.peek(&mut [0]).unwrap(), 1, "the server answers it");

    let mut silent: Vec<TcpStream> = (0..SILENT).map(|_| TcpStream::connect(grpc).unwrap()).collect();
    silent[0].set_read_timeout(Some(Duration::from_millis(PROMPT_MS))).unwrap();
    assert_eq!(silent[0].read(&mut [0]).unwrap(), 0, "who says nothing makes room");

    client.complete_io(&mut stream).unwrap();
    assert!(!client.is_handshaking());
}
