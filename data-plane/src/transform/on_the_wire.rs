//! What hyper makes of the adapters: sizes, trailers, and bodies that fail before their end.

use super::decode::Decode;
use super::digest::{CONTENT_DIGEST, Expected, content_digest};
use super::encode::Encode;
use super::integrity::{AddDigest, Verify};
use super::testing::*;
use super::{BoxedBody, whole};
use crate::body::Progress;
use bytes::Bytes;
use http::header::{CONTENT_LENGTH, TE, TRAILER, TRANSFER_ENCODING};
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use penstock_model::header_list::HeaderList;
use sha2::{Digest as _, Sha256};
use std::cell::Cell;
use std::convert::Infallible;

/// Sends `body` as the answer to a request over a connection of HTTP/1.1.
async fn answered(body: BoxedBody) -> Response<Incoming> {
    let (client, server) = tokio::io::duplex(64 * 1024);
    let body = Cell::new(Some(body));
    let serve = service_fn(move |_: Request<Incoming>| {
        let body = body.take().expect("one request is sent");
        let response = Response::builder().header(TRAILER, CONTENT_DIGEST.as_str()).body(body);
        std::future::ready(Ok::<_, Infallible>(response.expect("the head is well-formed")))
    });
    tokio::task::spawn_local(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(server), serve));
    let io = TokioIo::new(client);
    let (mut sender, connection) = hyper::client::conn::http1::handshake(io).await.expect("a pipe opens");
    tokio::task::spawn_local(connection);
    let request = Request::builder().uri("/").header(TE, "trailers").body(Empty::<Bytes>::new());
    sender.send_request(request.expect("the head is well-formed")).await.expect("the head comes")
}

async fn locally<T>(test: impl Future<Output = T>) -> T {
    tokio::task::LocalSet::new().run_until(test).await
}

fn framing(head: &HeaderMap) -> (Option<&[u8]>, bool) {
    (head.get(CONTENT_LENGTH).map(|value| value.as_bytes()), head.contains_key(TRANSFER_ENCODING))
}

fn expecting(bytes: &[u8]) -> Expected {
    let head = HeaderList::from_iter([(CONTENT_DIGEST, content_digest(&Sha256::digest(bytes).into()))]);
    Expected::content(&head).expect("a well-formed field")
}

#[tokio::test]
async fn an_encoded_body_of_known_size_has_its_length_in_the_head() {
    locally(async {
        let response = answered(Box::pin(Encode::new(Script::split(b"0123456789", &[3, 4])))).await;
        assert_eq!(framing(response.headers()), (Some(&b"16"[..]), false));
        let collected = response.into_body().collect().await.expect("it is complete");
        assert_eq!(collected.to_bytes(), "MDEyMzQ1Njc4OQ==");
    })
    .await;
}

#[tokio::test]
async fn a_decoded_body_is_chunked_and_one_that_fails_is_cut() {
    locally(async {
        let acts = || vec![Act::Data("QUJD".into()), Act::Pause, Act::Data("QUI".into())];
        let response = answered(Box::pin(Decode::new(Script::sized(acts())))).await;
        assert_eq!(framing(response.headers()), (None, true));
        assert_eq!(response.into_body().collect().await.expect("it is complete").to_bytes(), "ABCAB");
        let acts = [acts(), vec![Act::Data("!".into())]].concat();
        let response = answered(Box::pin(Decode::new(Script::sized(acts)))).await;
        assert!(response.into_body().collect().await.is_err());
    })
    .await;
}

#[tokio::test]
async fn a_digest_arrives_behind_a_body_whose_size_was_known() {
    locally(async {
        let response = answered(Box::pin(AddDigest::new(Script::whole(b"a text"), Progress::new()))).await;
        assert_eq!(framing(response.headers()), (None, true));
        let collected = response.into_body().collect().await.expect("it is complete");
        let expected = HeaderMap::from_iter([(CONTENT_DIGEST, content_digest(&Sha256::digest(b"a text").into()))]);
        assert_eq!(collected.trailers(), Some(&expected));
        assert_eq!(collected.to_bytes(), "a text");
    })
    .await;
}

#[tokio::test]
async fn a_wrong_digest_is_an_incomplete_body_sized_or_not() {
    locally(async {
        let acts = || vec![Act::Data("a ".into()), Act::Pause, Act::Data("text".into())];
        for script in [Script::sized, Script::unsized_of] as [fn(Vec<Act>) -> Script; 2] {
            for (announced, arrives) in [(&b"a text"[..], true), (b"another text", false)] {
                let body = Verify::new(script(acts()), expecting(announced), Progress::new());
                let response = answered(Box::pin(body.expect("it is not empty"))).await;
                let collected = response.into_body().collect().await;
                assert_eq!(collected.ok().map(|collected| collected.to_bytes()), arrives.then(|| "a text".into()));
            }
        }
    })
    .await;
}

#[tokio::test]
async fn a_whole_body_knows_its_size() {
    locally(async {
        for text in ["", "a text"] {
            let response = answered(Box::pin(whole(text.into()))).await;
            assert_eq!(framing(response.headers()), (Some(text.len().to_string().as_bytes()), false));
            assert_eq!(response.into_body().collect().await.expect("it is complete").to_bytes(), text);
        }
    })
    .await;
}
