//! The end of a connection over real sockets: an answer must survive a client that is still sending.

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use http::{Request, Response, header};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::super::{FramingLimits, LingeringLimits};
use super::hyper_server::serve;
use super::io::GuardedIo;
use super::reading::answers;

/// Far above what any of these tests takes.
const BOUND: Duration = Duration::from_secs(20);
const UPLOAD_BYTES: usize = 10 * 1024 * 1024;

async fn within<F: Future>(what: &str, future: F) -> F::Output {
    tokio::time::timeout(BOUND, future).await.unwrap_or_else(|_| panic!("{what} took too long"))
}

async fn connected() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap());
    let (client, accepted) = tokio::join!(client, listener.accept());
    (client.unwrap(), accepted.unwrap().0)
}

fn limits(lingering_close_ms: u64, lingering_bytes_max: u64) -> FramingLimits {
    FramingLimits { lingering: LingeringLimits { lingering_close_ms, lingering_bytes_max }, ..Default::default() }
}

/// Answers 413 at once, without looking at the body.
async fn serve_too_large(stream: TcpStream, limits: FramingLimits) {
    let (io, _violations) = GuardedIo::new(stream, b"", limits);
    let service = service_fn(|_: Request<Incoming>| async {
        let answer = Response::builder().status(413).header(header::CONNECTION, "close");
        Ok::<_, Infallible>(answer.body(Full::<Bytes>::new("x".repeat(100_000).into())).unwrap())
    });
    let mut connection = http1::Builder::new().serve_connection(TokioIo::new(io), service);
    (&mut connection).await.unwrap();
    connection.into_parts().io.into_inner().close().await;
}

/// Sends a whole upload before it reads a byte, as simple clients do.
async fn upload(mut client: TcpStream, headers: &str) -> Vec<(u16, String)> {
    let head = format!("POST / HTTP/1.1\r\nHost: a\r\n{headers}Content-Length: {UPLOAD_BYTES}\r\n\r\n");
    client.write_all(head.as_bytes()).await.unwrap();
    for _ in 0..UPLOAD_BYTES / 65_536 {
        client.write_all(&[b'u'; 65_536]).await.expect("the server takes the whole upload");
    }
    let mut answer = Vec::new();
    client.read_to_end(&mut answer).await.expect("the answer is not cut off");
    answers(&answer, &[])
}

#[tokio::test]
async fn an_early_answer_reaches_a_client_that_is_still_uploading() {
    // An upgrade request is one of the cases in which hyper does not shut the connection down itself.
    for headers in ["", "Connection: upgrade\r\nUpgrade: h2c\r\n"] {
        let (client, server) = connected().await;
        let both = async { tokio::join!(upload(client, headers), serve_too_large(server, FramingLimits::default())) };
        let (answers, ()) = within("the upload", both).await;
        assert_eq!(answers, [(413, "x".repeat(100_000))], "with {headers:?}");
    }
}

#[tokio::test]
async fn a_violation_is_read_by_a_client_that_is_still_sending_and_the_next_connection_works() {
    let (mut client, server) = connected().await;
    let client = async {
        client.write_all(b"POST / HTTP/1.1\nHost: a\n\n").await.unwrap();
        for _ in 0..UPLOAD_BYTES / 65_536 {
            client.write_all(&[b'u'; 65_536]).await.expect("the server takes what follows");
        }
        let mut answer = Vec::new();
        client.read_to_end(&mut answer).await.unwrap();
        answers(&answer, &[])
    };
    let both = async { tokio::join!(client, serve(server, b"", FramingLimits::default())) };
    let (answers_to_bad, (calls, served)) = within("the refusal", both).await;
    assert_eq!(answers_to_bad[0].0, 400);
    assert_eq!(calls, []);
    served.unwrap();

    let (mut client, server) = connected().await;
    client.write_all(b"GET / HTTP/1.0\r\n\r\n").await.unwrap();
    let (calls, _) = within("the next connection", serve(server, b"", FramingLimits::default())).await;
    assert_eq!(calls.len(), 1);
}

#[tokio::test]
async fn lingering_ends_with_its_time_when_the_client_is_silent() {
    let (mut client, server) = connected().await;
    client.write_all(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n").await.unwrap();
    within("lingering", serve_too_large(server, limits(50, u64::MAX))).await;
    let mut answer = Vec::new();
    client.read_to_end(&mut answer).await.unwrap();
    assert_eq!(answers(&answer, &[])[0].0, 413);
}

#[tokio::test]
async fn lingering_ends_with_its_bytes_when_the_client_never_stops() {
    const HOUR_MS: u64 = 3_600_000;
    let (mut client, server) = connected().await;
    let endless = async {
        client.write_all(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 999999999999\r\n\r\n").await.unwrap();
        while client.write_all(&[b'u'; 65_536]).await.is_ok() {}
    };
    let both = async { tokio::join!(endless, serve_too_large(server, limits(HOUR_MS, 1_000_000))) };
    within("lingering", both).await;
}

#[tokio::test]
async fn a_connection_between_requests_closes_without_waiting() {
    const HOUR_MS: u64 = 3_600_000;
    let (mut client, server) = connected().await;
    client.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    // The client keeps its side open for as long as the test runs.
    within("the close", serve_too_large(server, limits(HOUR_MS, u64::MAX))).await;
}

#[tokio::test]
async fn closing_waits_for_a_client_whose_bytes_came_unasked() {
    let (mut client, server) = connected().await;
    client.write_all(b"never read by anybody").await.unwrap();
    within("the arrival", server.readable()).await.unwrap();
    let (io, _violations) = GuardedIo::new(server, b"", limits(3_600_000, u64::MAX));
    let mut close = pin!(io.close());
    let waits = poll_fn(|cx| Poll::Ready(close.as_mut().poll(cx).is_pending())).await;
    assert!(waits, "the client may send more");
    drop(client);
    within("the close", close).await;
}

#[tokio::test]
async fn vectored_writes_are_those_of_the_connection() {
    let (client, server) = connected().await;
    let vectored = server.is_write_vectored();
    let (io, _violations) = GuardedIo::new(server, b"", FramingLimits::default());
    assert_eq!(io.is_write_vectored(), vectored);
    assert!(vectored, "sockets write several buffers at once");
    drop(client);
}
