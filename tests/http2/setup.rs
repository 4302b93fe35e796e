//! A gateway with an upstream that answers, waits, streams and counts.

use harness::payload::noise_body;
use harness::upstream::{Body, Upstream, whole};
use harness::world::{World, document};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::{Request, Response};
use std::time::Duration;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::time::timeout;

/// What a GET of `/` is answered with.
pub(crate) const ANSWER: &str = "0123456789";
/// How long a connection takes that is taken.
const TAKEN_WITHIN: Duration = Duration::from_millis(500);
/// Bytes of the answer to `/large`.
pub(crate) const LARGE_BYTES: usize = 1024 * 1024;

/// A control plane, a proxy and an upstream:
///
/// - `/`: [`ANSWER`], or to a request with a body how many bytes and trailers it has;
/// - `/large`: [`LARGE_BYTES`];
/// - `/endless`: bytes without an end;
/// - `/never`: no answer;
/// - `/unread`: an upstream that takes no connection, so that for as long as one is tried nobody reads the body.
pub(crate) struct Gateway {
    pub(crate) world: World,
    pub(crate) upstream: Upstream,
    _full: (TcpListener, Vec<TcpStream>),
}

impl Gateway {
    /// Starts them, the proxy with further arguments.
    pub(crate) async fn start(arguments: &[&str]) -> Self {
        let upstream = Upstream::http(answer).await;
        let world = World::start_with(1, arguments).await;
        let root = format!("http://{}", upstream.address);
        let rest = format!("{root}/{{path}}");
        let full = full_listener().await;
        let unread = format!("http://{}/", full.0.local_addr().unwrap());
        let routes = [("ANY", "/", format!("{root}/")), ("ANY", "/unread", unread), ("ANY", "/{path+}", rest)];
        world.register(&document("frames", &routes)).await;
        Self { world, upstream, _full: full }
    }
}

/// A listener that has as many connections as may wait to be accepted: further ones are neither taken nor refused.
async fn full_listener() -> (TcpListener, Vec<TcpStream>) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(1).unwrap();
    let address = listener.local_addr().unwrap();
    let mut waiting = Vec::new();
    while let Ok(connected) = timeout(TAKEN_WITHIN, TcpStream::connect(address)).await {
        waiting.push(connected.unwrap());
    }
    (listener, waiting)
}

async fn answer(request: Request<Incoming>) -> Response<Body> {
    match request.uri().path() {
        "/large" => Response::new(whole(vec![b'x'; LARGE_BYTES])),
        "/endless" => {
            let (body, _) = noise_body(1, u64::MAX, 16_384, Duration::ZERO);
            Response::new(body.map_err(|never| match never {}).boxed())
        }
        "/never" => std::future::pending().await,
        _ if request.method() == "HEAD" => {
            let mut response = Response::new(whole(""));
            response.headers_mut().insert("content-length", ANSWER.len().into());
            response
        }
        _ => match request.into_body().collect().await {
            Ok(body) => {
                let trailers = body.trailers().map_or(0, hyper::HeaderMap::len);
                let bytes = body.to_bytes().len();
                let counted = format!("{bytes} bytes and {trailers} trailers");
                Response::new(whole(if bytes == 0 && trailers == 0 { ANSWER.to_owned() } else { counted }))
            }
            Err(_) => Response::new(whole("broken")),
        },
    }
}
