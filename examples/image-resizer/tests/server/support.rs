//! A running resizer, a client, and pictures to send. Every wait has a bound.

use std::io::{Cursor, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use image::codecs::jpeg::JpegEncoder;
use image::{DynamicImage, ImageFormat, Rgb, RgbImage};
use image_resizer::Settings;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// No wait of these tests takes longer, or the test fails.
pub(crate) const A_BOUND: Duration = Duration::from_secs(30);

/// The library serving on a free port of this process.
pub(crate) struct Resizer {
    pub(crate) address: SocketAddr,
    stop: oneshot::Sender<()>,
    serving: JoinHandle<()>,
}

impl Resizer {
    pub(crate) async fn start() -> Self {
        let settings = Settings { listen: SocketAddr::from(([127, 0, 0, 1], 0)) };
        let bound = image_resizer::bind(settings).await.expect("a free port on loopback");
        let address = bound.local_addr();
        let (stop, stopped) = oneshot::channel();
        let serving = tokio::spawn(bound.run(async {
            let _ = stopped.await;
        }));
        Self { address, stop, serving }
    }

    /// Stops the server and waits until every connection of it has ended.
    pub(crate) async fn stop(self) {
        drop(self.stop);
        timeout(A_BOUND, self.serving).await.expect("a stop in time").expect("no panic in the server");
    }
}

/// Sends one request on a connection of its own.
pub(crate) async fn send(address: SocketAddr, request: Request<Full<Bytes>>) -> Response<Bytes> {
    let exchange = async {
        let stream = tokio::net::TcpStream::connect(address).await.expect("the resizer accepts");
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.expect("an HTTP/1.1 connection");
        let connection = tokio::spawn(connection);
        let response = sender.send_request(request).await.expect("an answer");
        let (head, body) = response.into_parts();
        let body = body.collect().await.expect("a complete body").to_bytes();
        drop(sender);
        let _ = connection.await.expect("no panic in the client");
        Response::from_parts(head, body)
    };
    timeout(A_BOUND, exchange).await.expect("an answer in time")
}

pub(crate) fn request(method: Method, target: &str, body: impl Into<Bytes>) -> Request<Full<Bytes>> {
    let builder = Request::builder().method(method).uri(target).header("host", "resizer.test");
    builder.body(Full::new(body.into())).expect("a well-formed request")
}

pub(crate) async fn post(address: SocketAddr, target: &str, picture: impl Into<Bytes>) -> Response<Bytes> {
    send(address, request(Method::POST, target, picture)).await
}

/// The process lives: it says so, and it still does its work.
pub(crate) async fn assert_serves(address: SocketAddr) {
    let health = send(address, request(Method::GET, "/health", "")).await;
    assert_eq!((health.status(), &health.body()[..]), (StatusCode::OK, &br#"{"status":"ok"}"#[..]));
    let small = post(address, "/upload", encoded(&gradient(8, 8), ImageFormat::Png)).await;
    assert_eq!(small.status(), StatusCode::OK);
}

/// Writes raw bytes and reads until the server closes: for requests that no well-behaved client sends.
pub(crate) async fn raw(address: SocketAddr, sent: Vec<u8>) -> String {
    let exchange = move || {
        let mut stream = TcpStream::connect(address).expect("the resizer accepts");
        stream.set_read_timeout(Some(A_BOUND)).expect("a socket option");
        stream.set_write_timeout(Some(A_BOUND)).expect("a socket option");
        stream.write_all(&sent).expect("the resizer reads");
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).expect("the resizer answers and closes");
        String::from_utf8_lossy(&answer).into_owned()
    };
    tokio::task::spawn_blocking(exchange).await.expect("no panic in the client")
}

/// A picture with something in every part of it.
pub(crate) fn gradient(width: u32, height: u32) -> DynamicImage {
    let channel = |value: u32, of: u32| u8::try_from(value * 255 / of).expect("a pixel inside the picture");
    RgbImage::from_fn(width, height, |x, y| Rgb([channel(x, width), channel(y, height), 128])).into()
}

pub(crate) fn encoded(picture: &DynamicImage, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Vec::new();
    if format == ImageFormat::Jpeg {
        picture.write_with_encoder(JpegEncoder::new_with_quality(&mut bytes, 95)).expect("a picture in memory");
    } else {
        picture.write_to(&mut Cursor::new(&mut bytes), format).expect("a picture in memory");
    }
    bytes
}

/// A PNG of less than a hundred bytes that claims to be `width` x `height`; its checksums are right.
pub(crate) fn png_claiming(width: u32, height: u32) -> Vec<u8> {
    let [w, h] = [width.to_be_bytes(), height.to_be_bytes()];
    let header = [&b"IHDR"[..], &w, &h, &[8, 6, 0, 0, 0]].concat();
    let data = [&b"IDAT"[..], &[0x78, 0x9C, 0x63, 0x60, 0x00, 0x00, 0x00, 0x02, 0x00, 0x01]].concat();
    let mut png = b"\x89PNG\r\n\x1a\n".to_vec();
    for chunk in [header, data, b"IEND".to_vec()] {
        let content_bytes = u32::try_from(chunk.len() - 4).expect("a small chunk");
        png.extend_from_slice(&content_bytes.to_be_bytes());
        png.extend_from_slice(&chunk);
        png.extend_from_slice(&crc32(&chunk).to_be_bytes());
    }
    png
}

/// Source: PNG specification, annex D.
fn crc32(bytes: &[u8]) -> u32 {
    let step = |crc: u32, byte: &u8| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| if crc & 1 == 1 { 0xEDB8_8320 ^ (crc >> 1) } else { crc >> 1 })
    };
    !bytes.iter().fold(u32::MAX, step)
}
