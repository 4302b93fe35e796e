//! The Invoke API and its streaming sister: what is refused, and what each of them makes of a reply.

use super::eventstream::{self, invoke_complete, payload_chunk};
use super::invocation::Invocation;
use super::reply::{Piece, Reply};
use super::{Function, State};
use bytes::Bytes;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::header::HeaderValue;
use hyper::{Request, Response, StatusCode};
use serde_json::json;
use std::convert::Infallible;
use std::io;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

/// Largest event of an invocation that is waited for.
pub(super) const EVENT_BYTES_MAX: usize = 6 * 1024 * 1024;

/// Largest result that is not streamed.
const RESULT_BYTES_MAX: usize = EVENT_BYTES_MAX + 100;

/// How long a connection that is about to be reset stays quiet, so that what was sent before has gone out.
const BEFORE_RESET_MS: u64 = 20;

const EXECUTED_VERSION: &str = "x-amz-executed-version";

type Body = BoxBody<Bytes, io::Error>;

/// Answers one request, and writes it down before.
pub(super) async fn answer(state: &State, request: Request<Incoming>) -> Response<Body> {
    let (head, body) = request.into_parts();
    let Ok(body) = body.collect().await else {
        // The connection is broken: nobody will read this.
        return Response::new(whole(Bytes::new()));
    };
    let invocation = Invocation::of(&head, body.to_bytes());
    state.invocations.lock().unwrap().push(invocation.clone());
    let function = match accept(state, &invocation) {
        Ok(function) => function,
        Err(refusal) => return refusal.to_response(&invocation),
    };
    if invocation.header("x-amz-invocation-type") == "Event" && !invocation.streaming {
        return start(function, invocation);
    }
    let reply = match function {
        Function::Closure(function) => function(&invocation),
        Function::Real(function) => function.invoke(&invocation).await,
    };
    match released(reply).await {
        Reply::Http(response) => response.map(whole),
        reply if invocation.streaming => streamed(in_pieces(reply), &invocation),
        reply => buffered(reply, &invocation).await,
    }
}

/// A no of the service itself: status, type and body.
struct Refusal(u16, &'static str, serde_json::Value);

impl Refusal {
    fn to_response(&self, invocation: &Invocation) -> Response<Body> {
        let Self(status, kind, body) = self;
        let mut response = answered(*status, invocation);
        let headers = response.headers_mut();
        headers.remove(EXECUTED_VERSION);
        headers.insert("x-amzn-errortype", HeaderValue::from_static(kind));
        *response.body_mut() = whole(body.to_string().into());
        response
    }
}

/// The function, if the service would call it.
fn accept(state: &State, invocation: &Invocation) -> Result<Function, Refusal> {
    if invocation.function.is_empty() || invocation.method != "POST" {
        return Err(Refusal(404, "UnknownOperationException", json!({})));
    }
    if invocation.body.len() > EVENT_BYTES_MAX {
        let operation = if invocation.streaming { "InvokeWithResponseStream" } else { "InvokeFunction" };
        let message = format!("Request must be smaller than {EVENT_BYTES_MAX} bytes for the {operation} operation");
        return Err(Refusal(413, "RequestTooLargeException", json!({ "message": message })));
    }
    if invocation.is_contradictory {
        let message = "The derived qualifier from the function name does not match the specified qualifier.";
        let body = json!({"Type": "User", "message": message});
        return Err(Refusal(400, "InvalidParameterValueException", body));
    }
    let Some(function) = state.functions.lock().unwrap().get(&invocation.function).cloned() else {
        let body = json!({"Type": "User", "Message": format!("Function not found: {}", invocation.arn())});
        return Err(Refusal(404, "ResourceNotFoundException", body));
    };
    if let Err(error) = serde_json::from_slice::<serde_json::Value>(&invocation.event_bytes()) {
        let body = json!({"Type": "User", "message": format!("Could not parse request body into json: {error}")});
        return Err(Refusal(400, "InvalidRequestContentException", body));
    }
    Ok(function)
}

/// Calls a function and waits for nothing, but for what the service says in its place.
fn start(function: Function, invocation: Invocation) -> Response<Body> {
    let mut accepted = answered(202, &invocation);
    match function {
        Function::Closure(function) => {
            if let Reply::Http(response) = function(&invocation) {
                return response.map(whole);
            }
        }
        Function::Real(function) => {
            tokio::spawn(async move { function.invoke(&invocation).await });
        }
    }
    accepted.headers_mut().remove(EXECUTED_VERSION);
    accepted
}

/// Waits at a gate, or at several.
async fn released(mut reply: Reply) -> Reply {
    while let Reply::Held(gate, behind) = reply {
        gate.passed().await;
        reply = *behind;
    }
    reply
}

/// One answer at the end.
async fn buffered(reply: Reply, invocation: &Invocation) -> Response<Body> {
    let reply = match reply {
        Reply::Pieces(pieces) => gathered(pieces, invocation).await,
        reply => reply,
    };
    let mut response = answered(200, invocation);
    let (payload, is_error) = match reply {
        Reply::FunctionError(error) => (error, true),
        Reply::Payload(payload) if payload.len() > RESULT_BYTES_MAX => {
            let message =
                format!("Response payload size exceeded maximum allowed payload size ({RESULT_BYTES_MAX} bytes).");
            let kind = "Function.ResponseSizeTooLarge";
            (json!({"errorType": kind, "errorMessage": message}).to_string().into(), true)
        }
        Reply::Payload(payload) => (payload, false),
        Reply::Reset(sent) => {
            let length = HeaderValue::from(sent.len() + 1);
            response.headers_mut().insert("content-length", length);
            *response.body_mut() = fed(|send| async move {
                let _ = send.send(Ok(Frame::data(sent))).await;
                reset(&send).await;
            });
            return response;
        }
        Reply::Http(_) | Reply::Held(..) | Reply::Pieces(_) => unreachable!("these were taken before"),
    };
    if is_error {
        response.headers_mut().insert("x-amz-function-error", HeaderValue::from_static("Unhandled"));
    }
    *response.body_mut() = whole(payload);
    response
}

/// A stream for a caller who did not ask for one.
async fn gathered(mut pieces: mpsc::Receiver<Piece>, invocation: &Invocation) -> Reply {
    let mut payload = Vec::new();
    while let Some(piece) = pieces.recv().await {
        match piece {
            Piece::Chunk(bytes) => payload.extend_from_slice(&bytes),
            Piece::Pause(gate) => gate.passed().await,
            Piece::Error { code, details } => return invocation.error(&code, &details),
            Piece::Reset => return Reply::Reset(payload.into()),
        }
    }
    Reply::Payload(payload.into())
}

/// Whatever a function said, as a stream.
fn in_pieces(reply: Reply) -> mpsc::Receiver<Piece> {
    let pieces = match reply {
        Reply::Pieces(pieces) => return pieces,
        Reply::Payload(payload) => vec![Piece::Chunk(payload)],
        Reply::FunctionError(error) => vec![Piece::error("Unhandled", &String::from_utf8_lossy(&error))],
        Reply::Reset(sent) => vec![Piece::Chunk(sent), Piece::Reset],
        Reply::Http(_) | Reply::Held(..) => unreachable!("these were taken before"),
    };
    match Reply::pieces(pieces) {
        Reply::Pieces(pieces) => pieces,
        _ => unreachable!("pieces are pieces"),
    }
}

/// The pieces as messages, each as soon as it is there.
fn streamed(mut pieces: mpsc::Receiver<Piece>, invocation: &Invocation) -> Response<Body> {
    let mut response = answered(200, invocation);
    response.headers_mut().insert("content-type", HeaderValue::from_static(eventstream::MEDIA_TYPE));
    *response.body_mut() = fed(|send| async move {
        let mut last = invoke_complete(None);
        while let Some(piece) = pieces.recv().await {
            match piece {
                Piece::Chunk(bytes) => {
                    let _ = send.send(Ok(Frame::data(payload_chunk(&bytes)))).await;
                }
                Piece::Pause(gate) => gate.passed().await,
                Piece::Error { code, details } => {
                    last = invoke_complete(Some((&code, &details)));
                    break;
                }
                Piece::Reset => return reset(&send).await,
            }
        }
        let _ = send.send(Ok(Frame::data(last))).await;
    });
    response
}

type Frames = mpsc::Sender<io::Result<Frame<Bytes>>>;

/// A body that a task of its own writes, as long as somebody reads.
fn fed<F>(work: impl FnOnce(Frames) -> F) -> Body
where
    F: Future<Output = ()> + Send + 'static,
{
    let (send, receive) = mpsc::channel(1);
    let work = work(send.clone());
    tokio::spawn(async move {
        tokio::select! {
            () = work => {}
            () = send.closed() => {}
        }
    });
    StreamBody::new(ReceiverStream::new(receive)).boxed()
}

/// Breaks the body once what was sent before has gone out.
async fn reset(send: &Frames) {
    if let Ok(place) = send.reserve().await {
        tokio::time::sleep(Duration::from_millis(BEFORE_RESET_MS)).await;
        place.send(Err(io::ErrorKind::ConnectionReset.into()));
    }
}

fn whole(bytes: Bytes) -> Body {
    Full::new(bytes).map_err(|never: Infallible| match never {}).boxed()
}

/// A head with what every answer has.
fn answered(status: u16, invocation: &Invocation) -> Response<Body> {
    let mut response = Response::new(whole(Bytes::new()));
    *response.status_mut() = StatusCode::from_u16(status).expect("a status of ours");
    let headers = response.headers_mut();
    headers.insert("content-type", HeaderValue::from_static("application/json"));
    let id = HeaderValue::from_str(&invocation.request_id).expect("hexadecimal digits and dashes");
    headers.insert("x-amzn-requestid", id);
    headers.insert(EXECUTED_VERSION, HeaderValue::from_static("$LATEST"));
    response
}
