//! Requests that get no picture: each a clear answer, and after each the server serves.

use bytes::Bytes;
use hyper::{Method, Response};
use image::ImageFormat;

use crate::support::{Resizer, assert_serves, encoded, gradient, png_claiming, post, raw, request, send};

const BODY_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Checks the status, and that the body is the JSON of an error with this reason and a sentence.
fn assert_refused(answer: &Response<Bytes>, status: u16, reason: &str) {
    assert_eq!(answer.status().as_u16(), status, "{:?}", answer.body());
    assert_eq!(answer.headers()["content-type"], "application/json");
    let body: serde_json::Value = serde_json::from_slice(answer.body()).expect("JSON");
    assert_eq!(body["error"], reason);
    assert!(body["message"].as_str().is_some_and(|message| message.ends_with('.')), "{body}");
}

#[tokio::test]
async fn bytes_that_are_no_picture_are_415() {
    let resizer = Resizer::start().await;
    let jpeg = encoded(&gradient(300, 200), ImageFormat::Jpeg);
    let mut damaged_png = encoded(&gradient(64, 64), ImageFormat::Png);
    let middle = damaged_png.len() / 2;
    damaged_png[middle] ^= 0xFF;
    for (body, reason) in [
        (Vec::new(), "unknown_format"),
        (b"this is text".to_vec(), "unknown_format"),
        (b"GIF89a\x01\0\x01\0\0\0\0;".to_vec(), "unknown_format"),
        (jpeg[..jpeg.len() / 2].to_vec(), "truncated"),
        (jpeg[..jpeg.len() - 1].to_vec(), "truncated"),
        (b"\xFF\xD8\xFF\xD9".to_vec(), "undecodable"),
        (damaged_png, "undecodable"),
    ] {
        assert_refused(&post(resizer.address, "/upload", body).await, 415, reason);
        assert_serves(resizer.address).await;
    }
    resizer.stop().await;
}

#[tokio::test]
async fn a_bad_width_is_400() {
    let resizer = Resizer::start().await;
    let png = encoded(&gradient(8, 8), ImageFormat::Png);
    for query in ["width=0", "width=8193", "width=abc", "width=", "width=-1", "width=4&width=4"] {
        assert_refused(&post(resizer.address, &format!("/upload?{query}"), png.clone()).await, 400, "bad_width");
    }
    assert_serves(resizer.address).await;
    resizer.stop().await;
}

#[tokio::test]
async fn other_paths_are_404_and_other_methods_405_with_allow() {
    let resizer = Resizer::start().await;
    for target in ["/", "/upload/", "/uploads", "/upload/x", "/Health"] {
        assert_refused(&post(resizer.address, target, "x").await, 404, "unknown_path");
    }
    for (method, target, allow) in [
        (Method::GET, "/upload", "POST"),
        (Method::PUT, "/upload", "POST"),
        (Method::OPTIONS, "/upload", "POST"),
        (Method::POST, "/health", "GET, HEAD"),
    ] {
        let answer = send(resizer.address, request(method, target, "")).await;
        assert_refused(&answer, 405, "method_not_allowed");
        assert_eq!(answer.headers()["allow"], allow);
    }
    assert_serves(resizer.address).await;
    resizer.stop().await;
}

#[tokio::test]
async fn head_of_health_has_no_body() {
    let resizer = Resizer::start().await;
    let answer = send(resizer.address, request(Method::HEAD, "/health", "")).await;
    assert_eq!((answer.status().as_u16(), answer.body().len()), (200, 0));
    resizer.stop().await;
}

#[tokio::test]
async fn a_body_at_the_limit_is_read_and_one_byte_more_is_413() {
    let resizer = Resizer::start().await;
    // A complete picture followed by zeros: what counts is how many bytes arrive, not how many the picture needs.
    let mut body = encoded(&gradient(8, 8), ImageFormat::Jpeg);
    body.resize(BODY_BYTES_MAX, 0);
    assert_eq!(post(resizer.address, "/upload", body.clone()).await.status(), 200);
    body.push(0);
    assert_refused(&post(resizer.address, "/upload", body).await, 413, "body_too_large");
    assert_serves(resizer.address).await;
    resizer.stop().await;
}

#[tokio::test]
async fn a_chunked_body_beyond_the_limit_is_413_too() {
    let resizer = Resizer::start().await;
    let mut sent =
        b"POST /upload HTTP/1.1\r\nhost: x\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n".to_vec();
    for _ in 0..=64 {
        sent.extend_from_slice(b"100000\r\n");
        sent.resize(sent.len() + 0x10_0000, 0);
        sent.extend_from_slice(b"\r\n");
    }
    sent.extend_from_slice(b"0\r\n\r\n");
    let answer = raw(resizer.address, sent).await;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    assert_serves(resizer.address).await;
    resizer.stop().await;
}

#[tokio::test]
async fn a_client_that_asks_first_is_refused_before_it_sends() {
    let resizer = Resizer::start().await;
    let head = format!(
        "POST /upload HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: {}\r\n\r\n",
        BODY_BYTES_MAX + 1
    );
    // It reads to the end of the connection: without that end this would wait for bytes that never come.
    let answer = raw(resizer.address, head.into_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    assert!(!answer.contains("100 Continue"), "{answer}");
    assert_serves(resizer.address).await;
    resizer.stop().await;
}

#[tokio::test]
async fn a_client_that_is_refused_in_the_middle_of_sending_still_hears_why() {
    let resizer = Resizer::start().await;
    // More than all buffers on the way hold: unread, it would stop the client or reset the connection.
    let body_bytes = 16 * 1024 * 1024;
    let mut sent =
        format!("POST /nowhere HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {body_bytes}\r\n\r\n")
            .into_bytes();
    sent.resize(sent.len() + body_bytes, b'x');
    let answer = raw(resizer.address, sent).await;
    assert!(answer.starts_with("HTTP/1.1 404 "), "{answer}");
    assert_serves(resizer.address).await;
    resizer.stop().await;
}

#[tokio::test]
async fn broken_chunks_are_400_and_a_client_that_leaves_costs_nothing() {
    let resizer = Resizer::start().await;
    let broken = b"POST /upload HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nZZ\r\n".to_vec();
    let answer = raw(resizer.address, broken).await;
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");

    let stream = std::net::TcpStream::connect(resizer.address).expect("the resizer accepts");
    std::io::Write::write_all(&mut &stream, b"POST /upload HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\nhalf")
        .expect("the resizer reads");
    drop(stream);
    assert_serves(resizer.address).await;
    resizer.stop().await;
}

#[tokio::test]
async fn a_picture_that_claims_too_much_is_422() {
    let resizer = Resizer::start().await;
    for (width, height, reason) in
        [(60_000, 60_000, "too_many_pixels"), (7_072, 7_072, "too_many_pixels"), (2_000_000_000, 1, "beyond_limits")]
    {
        let answer = post(resizer.address, "/upload", png_claiming(width, height)).await;
        assert_refused(&answer, 422, reason);
        assert_serves(resizer.address).await;
    }
    resizer.stop().await;
}
