//! A gateway with an upstream that answers, waits, streams and counts.

use harness::payload::noise_body;
use harness::upstream::{Body, Upstream, whole};
use harness::world::{World, document};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::{Request, Response};
use std::time::Duration;

/// What a GET of `/` is answered with.
pub(crate) const ANSWER: &str = "0123456789";
/// Bytes of the answer to `/large`.
pub(crate) const LARGE_BYTES: usize = 1024 * 1024;

/// A control plane, a proxy and an upstream:
///
/// - `/`: [`ANSWER`], or to a request with a body how many bytes and trailers it has;
/// - `/large`: [`LARGE_BYTES`];
/// - `/endless`: bytes without an end;
/// - `/never`: no answer.
pub(crate) struct Gateway {
    pub(crate) world: World,
    pub(crate) upstream: Upstream,
}

impl Gateway {
    /// Starts them, the proxy with further arguments.
    pub(crate) async fn start(arguments: &[&str]) -> Self {
        let upstream = Upstream::http(answer).await;
        let world = World::start_with(1, arguments).await;
        let root = format!("http://{}", upstream.address);
        let rest = format!("{root}/{{path}}");
        world.register(&document("frames", &[("ANY", "/", format!("{root}/")), ("ANY", "/{path+}", rest)])).await;
        Self { world, upstream }
    }
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
