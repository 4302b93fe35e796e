//! The guard in front of the real hyper: what reaches the service, and what the client reads.

use std::cell::RefCell;
use std::convert::Infallible;
use std::time::Duration;

use http::{Request, Response, header};
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, duplex};

use super::super::{FramingLimits, FramingRule, FramingViolation, ViolationCell};
use super::corpus::{Verdict, corpus, guarded};
use super::guard::refused;
use super::io::GuardedIo;
use super::reading::{Call, answers, requests};
use super::scripted::Scripted;

const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const CHUNKED: &str = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
const HEAD_READ_TIMEOUT: Duration = Duration::from_millis(200);

/// Serves one connection to its end in the way the module documentation shows.
pub(super) async fn serve<T: AsyncRead + AsyncWrite + Unpin>(
    stream: T,
    prefix: &[u8],
    limits: FramingLimits,
) -> (Vec<Call>, hyper::Result<()>) {
    let (io, violations) = GuardedIo::new(stream, prefix, limits);
    let calls = RefCell::new(Vec::new());
    let service = service_fn(|request| answer(request, violations.clone(), &calls));
    let mut builder = http1::Builder::new();
    builder.half_close(true).timer(TokioTimer::new()).header_read_timeout(HEAD_READ_TIMEOUT);
    let mut connection = builder.serve_connection(TokioIo::new(io), service);
    let served = (&mut connection).await;
    connection.into_parts().io.into_inner().close().await;
    (calls.take(), served)
}

async fn answer(
    request: Request<Incoming>,
    violations: ViolationCell,
    calls: &RefCell<Vec<Call>>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    if let Some(violation) = refused(&violations, &request) {
        return Ok(refusal(violation));
    }
    let (parts, body) = request.into_parts();
    let body = body.collect().await.ok().map(|body| body.to_bytes().to_vec());
    let failed = body.is_none();
    calls.borrow_mut().push((parts.method.to_string(), parts.uri.to_string(), body));
    match violations.in_body() {
        Some(violation) if failed => Ok(refusal(violation)),
        _ => Ok(Response::new(Full::new("served".into()))),
    }
}

fn refusal(violation: FramingViolation) -> Response<Full<Bytes>> {
    Response::builder()
        .status(violation.status())
        .header(header::CONNECTION, "close")
        .body(Full::new(violation.to_string().into()))
        .expect("a rule's status makes a response")
}

/// Sends everything, ends the client's side and reads to the end.
async fn conversation(raw: &[u8], sizes: &[usize]) -> (Vec<Call>, hyper::Result<()>, Vec<(u16, String)>) {
    let stream = Scripted::new(raw, sizes);
    let written = stream.written();
    let (calls, served) = serve(stream, b"", FramingLimits::default()).await;
    let answers = answers(&written.borrow(), &calls);
    (calls, served, answers)
}

#[tokio::test]
async fn hyper_agrees_with_every_case() {
    for case in corpus().into_iter().filter(|case| case.is_read) {
        let whole = requests(&case.raw[..case.passes]);
        let (calls, served, answers) = conversation(&case.raw, &[case.raw.len()]).await;
        let (good, last) = answers.split_at(whole.len().min(answers.len()));
        for (answer, (method, ..)) in good.iter().zip(&whole) {
            let body = if method == "HEAD" { "" } else { "served" };
            assert_eq!(*answer, (200, body.to_owned()), "{answers:?} to {}", case.text());
        }
        assert_eq!(good.len(), whole.len(), "answers to {}", case.text());
        assert_eq!(calls[..whole.len()], whole, "calls of {}", case.text());
        match case.verdict {
            Verdict::Good | Verdict::Waits => {
                assert_eq!((calls.len(), last), (whole.len(), &[][..]), "{}", case.text())
            }
            Verdict::Cut => assert!(calls[whole.len()..].iter().all(|call| call.2.is_none()), "{}", case.text()),
            Verdict::Bad(rule) => {
                let violation = guarded([&case.raw[..]], FramingLimits::default()).violation.expect("a violation");
                assert_eq!(last, [(rule.status(), violation.to_string())], "{}", case.text());
                assert!(calls[whole.len()..].iter().all(|call| call.2.is_none()), "{}", case.text());
            }
        }
        assert!(served.is_ok(), "{served:?} after {}", case.text());
    }
}

/// What the module documentation says of hyper. When one of these fails after an update, hyper has become stricter and
/// the documentation is out of date.
#[tokio::test]
async fn hyper_alone_would_serve_what_the_guard_refuses() {
    let get = |start: &str| format!("{start}\r\nHost: a\r\n\r\n");
    let lines = |lines: &str| format!("POST / HTTP/1.1\r\nHost: a\r\n{lines}\r\n\r\n0\r\n\r\n");
    let chunks = |chunks: &str| format!("{CHUNKED}{chunks}");
    let raws = [
        "GET / HTTP/1.1\nHost: a\n\n".to_owned(),
        get("\n\n\n\n\nGET / HTTP/1.1"),
        lines("Content-Length: 5\r\nContent-Length: 5"),
        lines("Content-Length: 5\r\nTransfer-Encoding: chunked"),
        lines("Transfer-Encoding: gzip, chunked"),
        lines("Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked"),
        "GET / HTTP/1.1\r\n\r\n".to_owned(),
        get("GET / HTTP/1.1\r\nHost: b"),
        get("GET / HTTP/1.1\r\nHost: b c"),
        get("GET /a#b HTTP/1.1"),
        get("GET /\u{e4} HTTP/1.1"),
        get("CONNECT /a HTTP/1.1"),
        get("GET * HTTP/1.1"),
        chunks("1 \r\na\r\n0\r\n\r\n"),
        chunks("00000000000000001\r\na\r\n0\r\n\r\n"),
        chunks("1;\0\r\na\r\n0\r\n\r\n"),
        chunks("0\r\nTransfer-Encoding: chunked\r\n\r\n"),
    ];
    for raw in raws {
        let guarded = guarded([raw.as_bytes()], FramingLimits::default());
        assert!(guarded.violation.is_some(), "{raw:?}");
        let stream = Scripted::new(raw.as_bytes(), &[raw.len()]);
        let written = stream.written();
        let calls = RefCell::new(Vec::new());
        let service = service_fn(|request| answer(request, ViolationCell::default(), &calls));
        let _ = http1::Builder::new().half_close(true).serve_connection(TokioIo::new(stream), service).await;
        assert!(written.borrow().starts_with(b"HTTP/1.1 200 OK"), "{raw:?}");
        assert!(calls.borrow()[0].2.is_some(), "the body of {raw:?}");
    }
}

#[tokio::test]
async fn a_violation_is_answered_after_the_requests_before_it() {
    let raw = [GET, GET, "GET / HTTP/1.1\nHost: a\n\n", GET].concat();
    for sizes in [&[1][..], &[7, 0], &[1000]] {
        let (calls, served, answers) = conversation(raw.as_bytes(), sizes).await;
        assert_eq!(calls.len(), 2);
        assert_eq!(answers.iter().map(|answer| answer.0).collect::<Vec<_>>(), [200, 200, 400]);
        assert!(answers[2].1.contains("(byte 14 of the request head)"), "{answers:?}");
        assert!(served.is_ok());
    }
}

#[tokio::test]
async fn a_broken_chunk_fails_the_body_and_is_answered() {
    let raw = [CHUNKED, "5\r\nhello\r\n5 \r\nworld\r\n0\r\n\r\n", GET].concat();
    for sizes in [&[1][..], &[CHUNKED.len() + 10, 0], &[1000]] {
        let (calls, _, answers) = conversation(raw.as_bytes(), sizes).await;
        assert_eq!(calls, [("POST".to_owned(), "/".to_owned(), None)]);
        assert_eq!(answers.len(), 1, "{answers:?}");
        assert_eq!(answers[0].0, 400);
        assert!(answers[0].1.contains("(byte 11 of the request body)"), "{answers:?}");
    }
}

/// Without half-close hyper gives up a request when it reads the end of the input, so the guard must not let it.
#[tokio::test]
async fn a_violation_is_answered_by_a_service_that_takes_its_time() {
    for (raw, calls_len) in [(GET.to_owned() + "oops\r\n", 1), (CHUNKED.to_owned() + "oops\r\n", 1)] {
        let stream = Scripted::new(raw.as_bytes(), &[raw.len()]);
        let written = stream.written();
        let (io, violations) = GuardedIo::new(stream, b"", FramingLimits::default());
        let calls = RefCell::new(Vec::new());
        let service = service_fn(|request| async {
            tokio::task::yield_now().await;
            answer(request, violations.clone(), &calls).await
        });
        http1::Builder::new().serve_connection(TokioIo::new(io), service).await.unwrap();
        assert_eq!(answers(&written.borrow(), &[]).last().unwrap().0, 400, "{raw:?}");
        assert_eq!(calls.borrow().len(), calls_len);
    }
}

#[tokio::test]
async fn an_oversize_head_is_answered_before_it_ends() {
    let (mut client, server) = duplex(1024);
    let client = async {
        let line = [b'a'; 1024];
        client.write_all(b"GET / HTTP/1.1\r\nHost: a\r\nA: ").await.unwrap();
        // The client never ends its head nor its side; it is answered when the limit is reached.
        let _ = tokio::io::copy(&mut &line.repeat(80)[..], &mut client).await;
        let mut answer = String::new();
        client.read_to_string(&mut answer).await.unwrap();
        answer
    };
    let (answer, (calls, _)) = tokio::join!(client, serve(server, b"", FramingLimits::default()));
    assert_eq!(calls, []);
    assert_eq!(answers(answer.as_bytes(), &[])[0].0, FramingRule::HeadTooLarge.status());
}

#[tokio::test]
async fn what_was_read_before_the_guard_is_part_of_the_input() {
    let raw = [GET, CHUNKED, "5\r\nhello\r\n0\r\n\r\n", GET, "oops\r\n"].concat();
    for prefix_len in [1, 24, GET.len(), GET.len() + CHUNKED.len() + 4, raw.len()] {
        let (prefix, rest) = raw.as_bytes().split_at(prefix_len);
        let stream = Scripted::new(rest, &[9]);
        let written = stream.written();
        let (calls, _) = serve(stream, prefix, FramingLimits::default()).await;
        assert_eq!(calls, requests(raw.as_bytes()), "after {prefix_len}");
        assert_eq!(answers(&written.borrow(), &[]).last().unwrap().0, 400, "after {prefix_len}");
    }
}

#[tokio::test]
async fn a_client_cannot_send_the_stand_in() {
    let (calls, _, answers) = conversation(b"REFUSED * HTTP/1.0\r\n\r\n", &[100]).await;
    assert_eq!(calls, []);
    assert_eq!(
        answers[0].1,
        "the request target is neither a path nor a complete http or https address (byte 8 of the request head)"
    );
}

#[tokio::test]
async fn a_good_request_in_flight_is_not_taken_for_the_violation_behind_it() {
    let raw = ["GET / HTTP/1.0\r\n\r\n", "oops\r\n"].concat();
    let (calls, _, answers) = conversation(raw.as_bytes(), &[100]).await;
    assert_eq!(calls.len(), 1);
    assert_eq!(answers, [(200, "served".to_owned())]);
}

#[tokio::test]
async fn the_head_timeout_of_hyper_sees_a_held_head_as_missing() {
    let (mut client, server) = duplex(1024);
    client.write_all(b"GET / HTTP/1.1\r\nHost:").await.unwrap();
    let lingering = super::super::LingeringLimits { lingering_close_ms: 1, ..Default::default() };
    let (calls, served) = serve(server, b"", FramingLimits { lingering, ..Default::default() }).await;
    assert_eq!(calls, []);
    assert!(served.unwrap_err().is_timeout());
}
