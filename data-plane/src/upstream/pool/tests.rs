//! The pool against a real upstream that counts its connections.

use super::*;
use crate::body::{Progress, StreamBody};
use crate::limits::UPSTREAM_CONNECTIONS_PER_TARGET_MAX;
use crate::outgoing::OutgoingBody;
use crate::patience::BodyLimit;
use bytes::Bytes;
use http::header::HOST;
use http::uri::PathAndQuery;
use http::{HeaderValue, Method};
use http_body_util::{BodyExt as _, Full};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use penstock_model::header_list::HeaderList;
use penstock_model::integration::TlsConfig;
use penstock_model::uri_template::Scheme;
use std::cell::Cell;
use std::convert::Infallible;
use std::pin::pin;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::LocalSet;

/// An upstream that answers `hello` and, when `close` is set, ends the connection behind each answer without saying so.
async fn upstream(close: bool) -> (TargetKey, Rc<Cell<usize>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
    let authority = listener.local_addr().expect("bound").to_string();
    let connections = Rc::new(Cell::new(0));
    let counted = Rc::clone(&connections);
    tokio::task::spawn_local(async move {
        loop {
            let (stream, _) = listener.accept().await.expect("accepts");
            counted.set(counted.get() + 1);
            tokio::task::spawn_local(answer(stream, close));
        }
    });
    let key = TargetKey {
        scheme: Scheme::Http,
        authority: authority.parse().expect("an authority"),
        tls: TlsConfig::default(),
        http2: false,
    };
    (key, connections)
}

async fn answer(mut stream: TcpStream, close: bool) {
    let mut head = Vec::new();
    let mut buffer = [0; 1024];
    while let Ok(read @ 1..) = stream.read(&mut buffer).await {
        head.extend_from_slice(&buffer[..read]);
        if head.ends_with(b"\r\n\r\n") {
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello").await.expect("is read");
            head.clear();
            if close {
                return;
            }
        }
    }
}

/// A bodiless request, made by a real server since only hyper makes `Incoming`.
async fn request() -> Box<UpstreamRequest> {
    let (client, server) = tokio::io::duplex(1024);
    let (send, receive) = tokio::sync::oneshot::channel();
    let send = RefCell::new(Some(send));
    tokio::task::spawn_local(async move {
        let service = service_fn(|request: http::Request<hyper::body::Incoming>| {
            let handed = send.borrow_mut().take().map(|send| send.send(request.into_body()));
            async move {
                drop(handed);
                Ok::<_, Infallible>(http::Response::new(Full::new(Bytes::new())))
            }
        });
        let _ = http1::Builder::new().serve_connection(TokioIo::new(server), service).await;
    });
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(client)).await.expect("shakes hands");
    tokio::task::spawn_local(connection);
    let empty = http::Request::builder().header("host", "a").body(Full::new(Bytes::new())).expect("a request");
    sender.send_request(empty).await.expect("is answered");
    let body = receive.await.expect("was received");
    let body = OutgoingBody::Stream(StreamBody::new(
        Incoming::Hyper(body),
        Progress::new(),
        BodyLimit::idle(Duration::from_secs(5)),
    ));
    let headers = HeaderList::from_iter([(HOST, HeaderValue::from_static("up"))]);
    Box::new(UpstreamRequest { method: Method::GET, target: PathAndQuery::from_static("/"), headers, body })
}

fn upstreams() -> Upstreams {
    Upstreams::new(Common::alone(), 1)
}

async fn exchange(upstreams: &Upstreams, key: &TargetKey) -> Bytes {
    let (response, lease) = upstreams.send(key, request().await).await.expect("is answered");
    let body = response.body.collect().await.expect("a whole body").to_bytes();
    lease.release(Instant::now());
    body
}

#[tokio::test]
async fn a_connection_is_used_again() {
    LocalSet::new()
        .run_until(async {
            let (key, connections) = upstream(false).await;
            let upstreams = upstreams();
            for _ in 0..20 {
                assert_eq!(exchange(&upstreams, &key).await, "hello");
                let target = upstreams.target(&key);
                while !target.addresses.all()[0].has_idle() {
                    tokio::task::yield_now().await;
                }
            }
            assert_eq!((connections.get(), upstreams.open()), (1, 1));
        })
        .await;
}

#[tokio::test]
async fn the_address_that_is_drawn_is_called_whether_or_not_it_has_a_connection() {
    LocalSet::new()
        .run_until(async {
            let ((key, one), (other, two)) = (upstream(false).await, upstream(false).await);
            let both = [&key, &other].map(|key| key.authority.as_str().parse().expect("an address"));
            let mut apart = 0;
            for seed in 0..100 {
                let upstreams = Upstreams::new(Common::alone(), seed);
                let target = upstreams.target(&key);
                target.addresses.replace(&both, &target.capacity);
                let before = one.get() + two.get();
                for _ in 0..2 {
                    exchange(&upstreams, &key).await;
                    while !target.addresses.all().iter().any(|address| address.has_idle()) {
                        tokio::task::yield_now().await;
                    }
                }
                apart += one.get() + two.get() - before - 1;
            }
            assert!((38..=62).contains(&apart), "{apart} of 100 second requests went to the other address");
        })
        .await;
}

#[tokio::test]
async fn a_connection_that_the_upstream_closed_costs_no_request() {
    LocalSet::new()
        .run_until(async {
            let (key, connections) = upstream(true).await;
            let upstreams = upstreams();
            for _ in 0..20 {
                assert_eq!(exchange(&upstreams, &key).await, "hello");
            }
            assert_eq!(connections.get(), 20);
        })
        .await;
}

#[tokio::test]
async fn a_lease_that_is_dropped_closes_its_connection() {
    LocalSet::new()
        .run_until(async {
            let (key, _) = upstream(false).await;
            let upstreams = upstreams();
            let (response, lease) = upstreams.send(&key, request().await).await.expect("is answered");
            assert_eq!(upstreams.open(), 1);
            drop((response, lease));
            while upstreams.open() > 0 {
                tokio::task::yield_now().await;
            }
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn when_every_connection_is_busy_the_wait_is_bounded() {
    LocalSet::new()
        .run_until(async {
            let (key, _) = upstream(false).await;
            let upstreams = upstreams();
            let target = upstreams.target(&key);
            let permits: Vec<_> = std::iter::from_fn(|| Permit::take(&target.capacity)).collect();
            assert_eq!(permits.len(), UPSTREAM_CONNECTIONS_PER_TARGET_MAX);
            let busy = upstreams.send(&key, request().await).await;
            assert!(matches!(busy, Err(ProxyError::UpstreamBusy)));
            drop(permits);
            assert!(upstreams.send(&key, request().await).await.is_ok());
        })
        .await;
}

#[tokio::test]
async fn an_upstream_that_is_not_there_is_a_connect_error() {
    LocalSet::new()
        .run_until(async {
            let authority = {
                let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
                listener.local_addr().expect("bound").to_string()
            };
            let key = TargetKey {
                scheme: Scheme::Http,
                authority: authority.parse().expect("an authority"),
                tls: TlsConfig::default(),
                http2: false,
            };
            let upstreams = upstreams();
            assert!(matches!(upstreams.send(&key, request().await).await, Err(ProxyError::Connect(_))));
            assert_eq!(upstreams.open(), 0);
        })
        .await;
}

#[tokio::test]
async fn a_connection_that_nobody_needs_is_closed_in_time_and_its_target_forgotten() {
    LocalSet::new()
        .run_until(async {
            let (key, _) = upstream(false).await;
            let upstreams = upstreams();
            exchange(&upstreams, &key).await;
            {
                let target = upstreams.target(&key);
                while !target.addresses.all()[0].has_idle() {
                    tokio::task::yield_now().await;
                }
            }
            tokio::time::pause();
            let (idle, between) = (Duration::from_millis(UPSTREAM_IDLE_MS), Duration::from_millis(UPSTREAM_SWEEP_MS));
            let second = Duration::from_secs(1);
            let mut sweep = pin!(upstreams.sweep());
            for (wait, open) in [(idle - second, 1), (between + 2 * second, 0)] {
                tokio::select! {
                    () = &mut sweep => unreachable!("it does not end"),
                    () = tokio::time::sleep(wait) => {}
                }
                assert_eq!((upstreams.open(), upstreams.targets.borrow().len()), (open, open), "after {wait:?} more");
            }
        })
        .await;
}
