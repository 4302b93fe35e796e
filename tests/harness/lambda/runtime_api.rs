//! The Runtime API, from which a function's process fetches its events and to which it brings its results.

use super::invocation::Invocation;
use super::reply::{Piece, Reply};
use crate::upstream::{Body, whole};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::header::{HeaderMap, HeaderValue};
use hyper::{Request, Response, StatusCode};
use serde_json::json;
use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::sync::{mpsc, oneshot};

/// Events that may wait for the process, which takes one at a time.
const QUEUE_EVENTS_MAX: usize = 64;

/// How long a function may take for one event.
pub(super) const TIMEOUT_S: u64 = 30;

const PREFIX: &str = "/2018-06-01/runtime/";
const ERROR_TYPE: &str = "lambda-runtime-function-error-type";
const ERROR_BODY: &str = "lambda-runtime-function-error-body";

/// The API as one process sees it.
pub(super) struct RuntimeApi {
    queue: mpsc::Sender<Invocation>,
    queued: tokio::sync::Mutex<mpsc::Receiver<Invocation>>,
    /// Who waits for the result of which request id.
    waiting: Mutex<HashMap<String, oneshot::Sender<Reply>>>,
    polls: AtomicUsize,
    init_error: Mutex<Option<String>>,
}

impl RuntimeApi {
    pub(super) fn new() -> Self {
        let (queue, queued) = mpsc::channel(QUEUE_EVENTS_MAX);
        let queued = tokio::sync::Mutex::new(queued);
        Self { queue, queued, waiting: Mutex::default(), polls: AtomicUsize::new(0), init_error: Mutex::default() }
    }

    /// How often the process has asked for an event.
    pub(super) fn polls(&self) -> usize {
        self.polls.load(Ordering::SeqCst)
    }

    /// What the process said in the place of its first request for an event.
    pub(super) fn init_error(&self) -> Option<String> {
        self.init_error.lock().unwrap().clone()
    }

    /// Gives an event to the process and waits for what it says; for ever, if it says nothing.
    pub(super) async fn invoke(&self, invocation: &Invocation) -> Reply {
        let (sender, receiver) = oneshot::channel();
        self.waiting.lock().unwrap().insert(invocation.request_id.clone(), sender);
        self.queue.send(invocation.clone()).await.expect("the receiver is held here");
        receiver.await.expect("a sender is dropped only with the whole service")
    }

    /// Answers one request of the process.
    pub(super) async fn answer(&self, request: Request<Incoming>) -> Response<Body> {
        let (head, body) = request.into_parts();
        let path = head.uri.path().strip_prefix(PREFIX).unwrap_or_default();
        let parts: Vec<&str> = path.split('/').collect();
        match (head.method.as_str(), parts.as_slice()) {
            ("GET", ["invocation", "next"]) => self.next().await,
            ("POST", ["init", "error"]) => {
                *self.init_error.lock().unwrap() = Some(String::from_utf8_lossy(&read(body).await).into_owned());
                accepted()
            }
            ("POST", ["invocation", id, "error"]) => match self.take(id) {
                Some(sender) => {
                    let _ = sender.send(Reply::FunctionError(read(body).await));
                    accepted()
                }
                None => unknown_id(),
            },
            ("POST", ["invocation", id, "response"]) => match self.take(id) {
                Some(sender) => {
                    respond(&head.headers, body, sender).await;
                    accepted()
                }
                None => unknown_id(),
            },
            _ => said(StatusCode::NOT_FOUND, &json!({"errorType": "UnknownPath"})),
        }
    }

    async fn next(&self) -> Response<Body> {
        self.polls.fetch_add(1, Ordering::SeqCst);
        loop {
            let event = self.queued.lock().await.recv().await.expect("a sender is held here");
            let is_over = |waiting: &HashMap<String, oneshot::Sender<Reply>>| {
                waiting.get(&event.request_id).is_none_or(oneshot::Sender::is_closed)
            };
            if is_over(&self.waiting.lock().unwrap()) {
                continue;
            }
            return handed_over(&event);
        }
    }

    fn take(&self, id: &str) -> Option<oneshot::Sender<Reply>> {
        self.waiting.lock().unwrap().remove(id)
    }
}

/// The event as the process gets it.
fn handed_over(event: &Invocation) -> Response<Body> {
    let deadline = SystemTime::now() + Duration::from_secs(TIMEOUT_S);
    let deadline_ms = deadline.duration_since(UNIX_EPOCH).expect("it is after 1970").as_millis();
    let trace = match event.header("x-amzn-trace-id") {
        "" => "Root=1-00000000-000000000000000000000000;Sampled=0",
        given => given,
    };
    let mut response = Response::new(whole(event.event_bytes()));
    let headers = response.headers_mut();
    headers.insert("content-type", HeaderValue::from_static("application/json"));
    for (name, value) in [
        ("lambda-runtime-aws-request-id", event.request_id.as_str()),
        ("lambda-runtime-deadline-ms", &deadline_ms.to_string()),
        ("lambda-runtime-invoked-function-arn", &event.arn()),
        ("lambda-runtime-trace-id", trace),
    ] {
        headers.insert(name, HeaderValue::from_str(value).unwrap());
    }
    response
}

/// Hands a result on: at its end, or, if the function streams, as it comes.
async fn respond(headers: &HeaderMap, mut body: Incoming, sender: oneshot::Sender<Reply>) {
    let streams = headers.get("lambda-runtime-function-response-mode").is_some_and(|mode| mode == "streaming");
    if !streams {
        let _ = sender.send(Reply::Payload(read(body).await));
        return;
    }
    let (pieces, reply) = Reply::stream();
    let _ = sender.send(reply);
    // Read to the end also when nobody listens: the process is not to blame for that.
    while let Some(frame) = body.frame().await {
        let piece = match frame.map(hyper::body::Frame::into_data) {
            Ok(Ok(bytes)) => Piece::Chunk(bytes),
            Ok(Err(frame)) => match frame.trailers_ref().and_then(error_in) {
                Some(piece) => piece,
                None => continue,
            },
            Err(_) => {
                let _ = pieces.send(Piece::error("Runtime.TruncatedResponse", "the response has no end")).await;
                return;
            }
        };
        let _ = pieces.send(piece).await;
    }
}

/// The error that the trailers of a streamed result tell of.
fn error_in(trailers: &HeaderMap) -> Option<Piece> {
    let code = trailers.get(ERROR_TYPE)?.to_str().ok()?;
    let details = trailers.get(ERROR_BODY).and_then(|body| STANDARD.decode(body.as_bytes()).ok()).unwrap_or_default();
    Some(Piece::error(code, &String::from_utf8_lossy(&details)))
}

async fn read(body: Incoming) -> bytes::Bytes {
    body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default()
}

fn accepted() -> Response<Body> {
    said(StatusCode::ACCEPTED, &json!({"status": "OK"}))
}

fn unknown_id() -> Response<Body> {
    said(StatusCode::BAD_REQUEST, &json!({"errorMessage": "Invalid request ID", "errorType": "InvalidRequestID"}))
}

fn said(status: StatusCode, body: &serde_json::Value) -> Response<Body> {
    let mut response = Response::new(whole(body.to_string()));
    *response.status_mut() = status;
    response.headers_mut().insert("content-type", HeaderValue::from_static("application/json"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::upstream::{Upstream, read_head};
    use crate::wait::bounded;
    use hyper::Uri;
    use std::sync::Arc;
    use tokio::io::AsyncWriteExt as _;
    use tokio::net::TcpStream;

    /// Streams these bytes as the process would, its connection ending behind them, and gives the pieces.
    async fn pieces(chunks: &str) -> Vec<Piece> {
        let runtime = Arc::new(RuntimeApi::new());
        let shared = Arc::clone(&runtime);
        let server = Upstream::http(move |request| {
            let runtime = Arc::clone(&shared);
            async move { runtime.answer(request).await }
        })
        .await;
        let uri = Uri::from_static("/2021-11-15/functions/f/response-streaming-invocations");
        let (head, ()) = Request::post(uri).body(()).unwrap().into_parts();
        let invocation = Invocation::of(&head, bytes::Bytes::new());
        let process = async {
            let mut stream = TcpStream::connect(server.address).await.unwrap();
            stream
                .write_all(format!("GET {PREFIX}invocation/next HTTP/1.1\r\nhost: x\r\n\r\n").as_bytes())
                .await
                .unwrap();
            let event = String::from_utf8(read_head(&mut stream).await).unwrap();
            let id = &invocation.request_id;
            assert!(event.contains(&format!("lambda-runtime-aws-request-id: {id}\r\n")), "{event}");
            let mut stream = TcpStream::connect(server.address).await.unwrap();
            let head = format!(
                "POST {PREFIX}invocation/{id}/response HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\
                 lambda-runtime-function-response-mode: streaming\r\ntrailer: {ERROR_TYPE}, {ERROR_BODY}\r\n\r\n"
            );
            stream.write_all((head + chunks).as_bytes()).await.unwrap();
        };
        let (reply, ()) = bounded("the reply", async { tokio::join!(runtime.invoke(&invocation), process) }).await;
        let Reply::Pieces(mut receiver) = reply else { panic!("it streams") };
        let mut pieces = Vec::new();
        while let Some(piece) = bounded("a piece", receiver.recv()).await {
            pieces.push(piece);
        }
        pieces
    }

    #[tokio::test]
    async fn a_streamed_result_comes_in_its_pieces() {
        let pieces = pieces("1\r\na\r\n2\r\nbc\r\n0\r\n\r\n").await;
        assert!(matches!(&pieces[..], [Piece::Chunk(a), Piece::Chunk(b)] if a == "a" && b == "bc"), "{pieces:?}");
    }

    #[tokio::test]
    async fn trailers_tell_of_an_error_in_the_middle() {
        let trailers = format!("{ERROR_TYPE}: Runtime.StreamError\r\n{ERROR_BODY}: c29ycnk=\r\n");
        let pieces = pieces(&format!("1\r\na\r\n0\r\n{trailers}\r\n")).await;
        let [Piece::Chunk(_), Piece::Error { code, details }] = &pieces[..] else { panic!("{pieces:?}") };
        assert_eq!((code.as_str(), details.as_str()), ("Runtime.StreamError", "sorry"));
    }

    #[tokio::test]
    async fn a_result_without_its_end_is_an_error() {
        let pieces = pieces("1\r\na\r\n").await;
        let [Piece::Chunk(_), Piece::Error { code, .. }] = &pieces[..] else { panic!("{pieces:?}") };
        assert_eq!(code, "Runtime.TruncatedResponse");
    }
}
