//! The binary: its address, its log, its memory under attack, its end.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Instant;

use image::ImageFormat;

use crate::support::{A_BOUND, assert_serves, encoded, gradient, png_claiming, post};

/// A running binary, killed when dropped.
struct Process {
    child: Child,
    address: SocketAddr,
    log: Receiver<String>,
}

impl Process {
    fn start() -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_image-resizer"))
            .env("IMAGE_RESIZER_LISTEN", "127.0.0.1:0")
            .env_remove("RUST_LOG")
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary starts");
        let stderr = BufReader::new(child.stderr.take().expect("a piped stderr"));
        let (lines, log) = channel();
        // Reads on to the end, or a full pipe would stop the process.
        std::thread::spawn(move || stderr.lines().map_while(Result::ok).try_for_each(|line| lines.send(line)));
        let mut process = Self { child, address: SocketAddr::from(([0, 0, 0, 0], 0)), log };
        let serving = process.line_with("serving address=");
        let (_, address) = serving.split_once("address=").expect("an address in the line");
        process.address = address.trim().parse().expect("an address and a port");
        process
    }

    /// The next log line that contains `text`.
    fn line_with(&self, text: &str) -> String {
        self.lines_until(text).pop().expect("the line that was waited for")
    }

    /// The next log lines, up to and with the first that contains `text`.
    fn lines_until(&self, text: &str) -> Vec<String> {
        let deadline = Instant::now() + A_BOUND;
        let mut lines = Vec::new();
        while !lines.last().is_some_and(|line: &String| line.contains(text)) {
            let left = deadline.saturating_duration_since(Instant::now());
            lines
                .push(self.log.recv_timeout(left).unwrap_or_else(|_| panic!("no log line with {text:?} in {lines:?}")));
        }
        lines
    }

    fn terminate(&self) {
        // The shell's own `kill`: small systems have no program of that name.
        let sent = Command::new("sh").args(["-c", &format!("kill -TERM {}", self.child.id())]).status();
        assert!(sent.expect("a shell").success());
    }

    /// The most memory that the process ever had resident.
    #[cfg(target_os = "linux")]
    fn resident_kib_peak(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("a running process");
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a peak in the status");
        line.trim().trim_end_matches(" kB").parse().expect("a number of KiB")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A JPEG head that claims the largest sides there are, and nothing after it but the end marker.
fn jpeg_claiming_the_most() -> Vec<u8> {
    let mut jpeg = encoded(&gradient(16, 16), ImageFormat::Jpeg);
    let frame = jpeg.windows(2).position(|pair| pair == [0xFF, 0xC0]).expect("a baseline frame");
    jpeg[frame + 5..frame + 9].fill(0xFF);
    jpeg
}

/// A WebP of 30 bytes with the largest canvas that the format can say, and no frame.
fn webp_claiming_the_most() -> Vec<u8> {
    [&b"RIFF\x16\0\0\0WEBPVP8X\x0A\0\0\0\0\0\0\0"[..], &[0xFF; 6]].concat()
}

/// A lossless WebP that claims 16384 x 16384 pixels in its first five bytes.
fn lossless_webp_claiming_the_most() -> Vec<u8> {
    b"RIFF\x12\0\0\0WEBPVP8L\x05\0\0\0\x2F\xFF\xFF\xFF\x0F\0".to_vec()
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn bombs_are_refused_without_taking_memory() {
    let process = Process::start();
    assert_serves(process.address).await;
    let before_kib = process.resident_kib_peak();
    for bomb in [
        png_claiming(60_000, 60_000),
        png_claiming(65_535, 762),
        jpeg_claiming_the_most(),
        webp_claiming_the_most(),
        lossless_webp_claiming_the_most(),
    ] {
        assert!(bomb.len() < 2_000, "a bomb is small");
        let answer = post(process.address, "/upload", bomb).await;
        assert!(matches!(answer.status().as_u16(), 415 | 422), "{answer:?}");
    }
    assert_serves(process.address).await;
    let grown_kib = process.resident_kib_peak() - before_kib;
    assert!(grown_kib < 16 * 1024, "the bombs took {grown_kib} KiB");
}

#[tokio::test]
async fn every_request_leaves_one_line() {
    let process = Process::start();
    post(process.address, "/upload?width=2", encoded(&gradient(8, 4), ImageFormat::Png)).await;
    let line = process.line_with(" request ");
    for part in ["method=POST", "uri=/upload?width=2", "status=200", r#"reason="ok""#, "8x4 -> 2x1", "duration_ms="] {
        assert!(line.contains(part), "{part} is not in {line}");
    }
    post(process.address, "/upload", "no picture").await;
    let line = process.line_with(" request ");
    for part in ["status=415", r#"reason="unknown_format""#, "received_bytes=10"] {
        assert!(line.contains(part), "{part} is not in {line}");
    }
}

#[tokio::test]
async fn sigterm_lets_the_upload_in_flight_finish_and_takes_no_new_one() {
    let mut process = Process::start();
    let picture = encoded(&gradient(64, 64), ImageFormat::Png);
    let (first_half, second_half) = picture.split_at(picture.len() / 2);
    let mut upload = TcpStream::connect(process.address).expect("the resizer accepts");
    upload.set_read_timeout(Some(A_BOUND)).expect("a socket option");
    let head = format!(
        "POST /upload HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: {}\r\n\r\n",
        picture.len()
    );
    upload.write_all(head.as_bytes()).expect("the resizer reads");
    // The interim answer proves that the request is in flight.
    let mut interim = [0; 25];
    upload.read_exact(&mut interim).expect("an interim answer");
    assert_eq!(&interim, b"HTTP/1.1 100 Continue\r\n\r\n");
    upload.write_all(first_half).expect("the resizer reads");

    process.terminate();
    process.line_with("draining");
    assert!(TcpStream::connect(process.address).is_err(), "the listener is closed before the drain begins");

    upload.write_all(second_half).expect("the resizer still reads");
    let mut answer = Vec::new();
    upload.read_to_end(&mut answer).expect("an answer, and the end of the connection");
    assert!(answer.starts_with(b"HTTP/1.1 200 "), "{:?}", String::from_utf8_lossy(&answer));
    // The client did not ask to close: the connection ends because the drain does, and not because its deadline passed.
    let last_lines = process.lines_until("stopped");
    assert!(!last_lines.iter().any(|line| line.contains("deadline")), "{last_lines:?}");
    assert!(process.child.wait().expect("an exit status").success());
}

#[test]
fn a_wrong_address_is_an_error_with_its_reason() {
    let output = Command::new(env!("CARGO_BIN_EXE_image-resizer"))
        .args(["--listen", "192.0.2.1:9"])
        .output()
        .expect("the binary starts");
    assert!(!output.status.success());
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("binding 192.0.2.1:9") && said.contains("Cannot assign"), "{said}");
}
