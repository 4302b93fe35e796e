//! Requests on a connection whose other side is the library's server, which does what it is told.

use super::*;
use crate::limits::{H2_PING_INTERVAL_MS, H2_PING_TIMEOUT_MS};
use crate::outgoing::OutgoingBody;
use crate::upstream::shared::SharedConnections;
use bytes::Bytes;
use h2::server::{Connection, SendResponse};
use h2::{Reason, RecvStream};
use http::header::{CONTENT_LENGTH, HOST};
use http::{HeaderValue, Request};
use http_body_util::BodyExt as _;
use penstock_model::header_list::HeaderList;
use std::pin::Pin;
use std::rc::Rc;
use tokio::io::DuplexStream;
use tokio::task::LocalSet;
use tokio::time::{Instant, timeout};

mod bodies;

const IDLE: Duration = Duration::from_secs(7);
/// Far above what anything here takes.
const BOUND: Duration = Duration::from_secs(20);

/// One connection and its other side.
struct Pair {
    sender: Sender,
    shared: SharedConnections,
    capacity: Rc<crate::upstream::address::Capacity>,
    /// Gone when the connection is.
    permit: std::rc::Weak<()>,
    server: Connection<DuplexStream, Bytes>,
}

async fn pair() -> Pair {
    let (ours, theirs) = tokio::io::duplex(1 << 20);
    let permit = Rc::new(());
    let weak = Rc::downgrade(&permit);
    let (sender, server) = tokio::join!(handshake(ours, permit), h2::server::handshake(theirs));
    let sender = sender.unwrap_or_else(|_| panic!("no handshake"));
    let shared = SharedConnections::default();
    Pair { sender, shared, capacity: Rc::default(), permit: weak, server: server.unwrap() }
}

fn request(
    method: Method,
    body: impl Into<Bytes>,
    headers: &[(http::HeaderName, &'static str)],
) -> Box<UpstreamRequest> {
    let mut list = HeaderList::from_iter([(HOST, HeaderValue::from_static("up.test"))]);
    for (name, value) in headers {
        list.insert(name.clone(), HeaderValue::from_static(value));
    }
    let target = http::uri::PathAndQuery::from_static("/a");
    Box::new(UpstreamRequest { method, target, headers: list, body: OutgoingBody::rendered(body.into()) })
}

type Accepted = (Request<RecvStream>, SendResponse<Bytes>);

impl Pair {
    fn stream(&self) -> Stream {
        self.shared.add(&self.sender, &self.capacity)
    }

    /// Sends a request while the other side runs, up to when that has got it.
    async fn asked<'a>(
        &mut self,
        request: Box<UpstreamRequest>,
        stream: &'a mut Stream,
    ) -> (Pin<Box<dyn Future<Output = Result<Response<Incoming>, Failure>> + 'a>>, Accepted) {
        let sender = self.sender.clone();
        let mut asking: Pin<Box<dyn Future<Output = _> + 'a>> =
            Box::pin(async move { exchange(&sender, request, stream, IDLE).await });
        tokio::select! {
            _ = &mut asking => panic!("nobody has answered"),
            accepted = self.server.accept() => {
                let accepted = accepted.unwrap().unwrap();
                (asking, accepted)
            }
        }
    }

    /// Runs the other side until something has happened here.
    async fn until<T>(&mut self, what: impl Future<Output = T>) -> T {
        let mut what = std::pin::pin!(what);
        tokio::select! {
            done = &mut what => done,
            accepted = self.server.accept() => match accepted {
                Some(Ok(_)) => panic!("another request"),
                Some(Err(_)) | None => what.await,
            },
        }
    }
}

fn answer(headers: &[(http::HeaderName, &'static str)]) -> http::Response<()> {
    let mut answer = http::Response::new(());
    for (name, value) in headers {
        answer.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    answer
}

fn head_of(answered: Result<Response<Incoming>, Failure>) -> Response<Incoming> {
    match answered {
        Ok(response) => response,
        Err(Failure::Unsent(error, _) | Failure::Lost(error)) => panic!("{error}"),
        Err(Failure::Unsendable(error)) => panic!("{error}"),
    }
}

async fn local(test: impl Future<Output = ()>) {
    LocalSet::new().run_until(test).await;
}

#[tokio::test]
async fn an_answer_that_is_reset_without_an_error_is_no_whole_one() {
    local(async {
        let mut pair = pair().await;
        for reason in [Reason::NO_ERROR, Reason::INTERNAL_ERROR, Reason::CANCEL] {
            let mut stream = pair.stream();
            let (asking, (_, mut respond)) = pair.asked(request(Method::GET, "", &[]), &mut stream).await;
            let mut sending = respond.send_response(answer(&[]), false).unwrap();
            sending.send_data("half".into(), false).unwrap();
            let mut body = head_of(pair.until(asking).await).body;
            let first = pair.until(body.frame()).await.unwrap().unwrap().into_data().unwrap();
            assert_eq!(first, "half");
            sending.send_reset(reason);
            assert!(pair.until(body.frame()).await.unwrap().is_err(), "{reason:?}");
        }
        assert!(pair.sender.is_open(), "the others go on");
    })
    .await;
}

#[tokio::test]
async fn an_answer_that_has_no_body_has_none_whatever_length_it_states() {
    local(async {
        let mut pair = pair().await;
        for (method, status, is_ended) in
            [(Method::HEAD, 200, true), (Method::HEAD, 200, false), (Method::GET, 304, true), (Method::GET, 204, true)]
        {
            let mut stream = pair.stream();
            let (asking, (_, mut respond)) = pair.asked(request(method, "", &[]), &mut stream).await;
            let mut head = answer(&[(CONTENT_LENGTH, "100000")]);
            *head.status_mut() = StatusCode::from_u16(status).unwrap();
            let _sending = respond.send_response(head, is_ended).unwrap();
            let response = head_of(pair.until(asking).await);
            let body = &response.body;
            assert_eq!(http_body::Body::size_hint(body).exact(), Some(0));
            assert!(http_body::Body::is_end_stream(body) && response.head.headers.contains(CONTENT_LENGTH));
        }
    })
    .await;
}

#[tokio::test]
async fn a_host_that_is_none_costs_the_connection_nothing() {
    local(async {
        let pair = pair().await;
        let mut stream = pair.stream();
        let answered = exchange(&pair.sender, request(Method::GET, "", &[(HOST, "a b")]), &mut stream, IDLE).await;
        assert!(matches!(answered, Err(Failure::Unsendable(_))));
        drop(stream);
        assert!(pair.shared.join(&pair.capacity).is_some(), "others go on using it");
    })
    .await;
}

#[tokio::test]
async fn a_refusal_shows_that_the_other_side_lives() {
    local(async {
        let mut pair = pair().await;
        let mut stream = pair.stream();
        let (asking, (_, mut respond)) = pair.asked(request(Method::POST, "x", &[]), &mut stream).await;
        respond.send_reset(Reason::REFUSED_STREAM);
        let Err(Failure::Lost(error)) = pair.until(asking).await else { panic!("it was refused") };
        assert_eq!(error.reason(), Some(Reason::REFUSED_STREAM));
        drop(stream);
        assert!(pair.shared.join(&pair.capacity).is_some(), "it is no reason to connect anew");
        let mut stream = pair.stream();
        let (asking, _kept) = pair.asked(request(Method::POST, "x", &[]), &mut stream).await;
        drop(asking);
        drop(stream);
        assert!(pair.shared.join(&pair.capacity).is_none(), "who did not answer may be gone");
    })
    .await;
}

#[tokio::test]
async fn a_connection_that_says_goodbye_takes_no_more_and_its_permit_stays_to_its_end() {
    local(async {
        let mut pair = pair().await;
        let mut stream = pair.stream();
        let (asking, (_, mut respond)) = pair.asked(request(Method::GET, "", &[]), &mut stream).await;
        let mut sending = respond.send_response(answer(&[]), false).unwrap();
        let mut body = head_of(pair.until(asking).await).body;
        pair.server.graceful_shutdown();
        let sender = pair.sender.clone();
        let closed = async {
            while sender.is_open() {
                tokio::task::yield_now().await;
            }
        };
        timeout(BOUND, pair.until(closed)).await.expect("it has heard it");
        assert!(pair.shared.join(&pair.capacity).is_none() && pair.permit.strong_count() == 1);
        sending.send_data("all of it".into(), true).unwrap();
        let frame = pair.until(body.frame()).await.unwrap().unwrap();
        assert_eq!(frame.into_data().unwrap(), "all of it");
        drop((body, stream));
        let Pair { permit, mut server, .. } = pair;
        let gone = async {
            while permit.strong_count() > 0 {
                let _ = timeout(Duration::from_millis(1), server.accept()).await;
            }
        };
        timeout(BOUND, gone).await.expect("the connection is closed");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_side_that_gives_no_sign_of_life_is_given_up() {
    local(async {
        let mut pair = pair().await;
        let mut stream = pair.stream();
        let (asking, _kept) = pair.asked(request(Method::GET, "", &[]), &mut stream).await;
        let begun = Instant::now();
        // Nothing runs the other side any more.
        let answered = asking.await;
        let waited = begun.elapsed();
        assert!(matches!(answered, Err(Failure::Lost(_))));
        let least = Duration::from_millis(H2_PING_INTERVAL_MS + H2_PING_TIMEOUT_MS);
        assert!(waited + Duration::from_secs(1) >= least && waited < 2 * least, "{waited:?}");
    })
    .await;
}
