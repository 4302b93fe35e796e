//! Messages over real sockets, in and out.

use super::*;
use crate::body::{Incoming, Progress, StreamBody};
use crate::patience::BodyLimit;
use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue};
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt as _;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

async fn connected() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap());
    let (client, accepted) = tokio::join!(client, listener.accept());
    (client.unwrap(), accepted.unwrap().0)
}

/// What comes of a body: data, trailers, and whether it ended well.
async fn received(receiving: Receiving, sizes: usize, raw: &[u8]) -> (Vec<u8>, Option<HeaderMap>, bool) {
    let (mut other, ours) = connected().await;
    other.set_nodelay(true).unwrap();
    let transport = Rc::new(RefCell::new(Transport::new(ours, BytesMut::new())));
    transport.borrow_mut().receive(receiving);
    let mut body = Http1Body::of(&transport);
    let sent = async {
        for piece in raw.chunks(sizes) {
            other.write_all(piece).await.unwrap();
            tokio::task::yield_now().await;
        }
        other.shutdown().await.unwrap();
    };
    let read = async {
        let (mut data, mut trailers) = (Vec::new(), None);
        while let Some(frame) = body.frame().await {
            match frame.map(Frame::into_data) {
                Ok(Ok(bytes)) => data.extend_from_slice(&bytes),
                Ok(Err(frame)) => trailers = frame.into_trailers().ok(),
                Err(_) => return (data, trailers, false),
            }
        }
        (data, trailers, true)
    };
    tokio::join!(sent, read).1
}

#[tokio::test]
async fn bodies_are_the_same_however_their_bytes_come() {
    let chunked = b"5 \r\nhello\r\n6;a=b\r\n world\r\n0\r\nx-t: 1\r\ncontent-length: 7\r\n\r\n";
    for sizes in [1, 2, 7, 1000] {
        let (data, trailers, well) = received(Receiving::chunked_answer(), sizes, chunked).await;
        let trailers = trailers.expect("trailers");
        assert_eq!((data, trailers["x-t"].as_bytes(), well), (b"hello world".to_vec(), &b"1"[..], true), "{sizes}");
        for (receiving, raw, expected, ends_well) in [
            (Receiving::Sized(5), &b"hello"[..], &b"hello"[..], true),
            (Receiving::Sized(6), b"hello", b"hello", false),
            (Receiving::UntilEnd, b"hello", b"hello", true),
            (Receiving::chunked_answer(), b"5\r\nhello\r\n0\r\n\r\n", b"hello", true),
            (Receiving::chunked_answer(), b"5\r\nhello\r\n0\r\n", b"hello", false),
            (Receiving::chunked_answer(), b"5\r\nhello\r\nx\r\n", b"hello", false),
            (Receiving::chunked_request(), b"5 \r\nhello\r\n0\r\n\r\n", b"", false),
        ] {
            let (data, trailers, well) = received(receiving, sizes, raw).await;
            assert_eq!((&data[..], trailers, well), (expected, None, ends_well), "{} {sizes}", raw.escape_ascii());
        }
    }
}

#[tokio::test]
async fn a_connection_that_waits_for_a_head_keeps_nothing_of_the_body_before() {
    // The last bytes fill no buffer.
    const BYTES: usize = 1024 * 1024 + 3;
    let (mut other, ours) = connected().await;
    let transport = Rc::new(RefCell::new(Transport::new(ours, BytesMut::new())));
    transport.borrow_mut().receive(Receiving::Sized(BYTES as u64));
    let mut body = Http1Body::of(&transport);
    let data = vec![b'x'; BYTES];
    let read = async {
        let mut bytes = 0;
        while let Some(frame) = body.frame().await {
            bytes += frame.unwrap().into_data().unwrap().len();
        }
        bytes
    };
    let (sent, read) = tokio::join!(other.write_all(&data), read);
    sent.unwrap();
    assert_eq!(read, BYTES);
    let waits = poll_fn(|cx| Poll::Ready(transport.borrow_mut().poll_fill(cx).is_pending())).await;
    assert!(waits, "nothing more has come");
    assert_eq!(transport.borrow().unread.capacity(), 0);
}

/// A body of given frames.
struct Frames(VecDeque<Option<Frame<Bytes>>>);

impl Frames {
    fn of(data: &[&'static str]) -> Self {
        Self(data.iter().map(|text| Some(Frame::data(Bytes::from_static(text.as_bytes())))).collect())
    }

    fn with_trailers(mut self, names: &[&'static str]) -> Self {
        let trailers = names.iter().map(|name| (HeaderName::from_static(name), HeaderValue::from_static("v")));
        self.0.push_back(Some(Frame::trailers(trailers.collect())));
        self
    }

    fn that_breaks(mut self) -> Self {
        self.0.push_back(None);
        self
    }
}

impl Body for Frames {
    type Data = Bytes;
    type Error = ();

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, ()>>> {
        Poll::Ready(self.0.pop_front().map(|frame| frame.ok_or(())))
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}

impl Piped for Frames {
    fn paced(&mut self, _: Duration) {}

    fn poll_pipe(&mut self, _: &mut Context<'_>, _: &mut Option<Pipe>) -> Poll<Spliced> {
        Poll::Ready(Spliced::Frame)
    }
}

/// What is on the wire behind the head `H`, and how sending ended.
async fn sent(end: BodyEnd, body: Frames) -> (String, Result<(), SendError>) {
    let (mut other, ours) = connected().await;
    let transport = RefCell::new(Transport::new(ours, BytesMut::new()));
    let mut head = Head::new();
    head.bytes().push(b'H');
    let mut sending = Sending::new(head, end, body, None);
    let done = poll_fn(|cx| sending.poll(cx, &transport)).await;
    drop(transport);
    let mut wire = String::new();
    other.read_to_string(&mut wire).await.unwrap();
    (wire, done)
}

#[tokio::test]
async fn what_goes_out_is_framed_as_its_head_says() {
    let names = |names: &[&'static str]| names.iter().map(|name| HeaderName::from_static(name)).collect();
    for (end, body, wire) in [
        (BodyEnd::Nothing, Frames::of(&["never"]), "H"),
        (BodyEnd::Sized(5), Frames::of(&["he", "", "llo"]), "Hhello"),
        (BodyEnd::Close, Frames::of(&["hel", "lo"]), "Hhello"),
        (BodyEnd::Chunked(Vec::new()), Frames::of(&[]), "H0\r\n\r\n"),
        (BodyEnd::Chunked(Vec::new()), Frames::of(&["hel", "lo"]), "H5\r\nhello\r\n0\r\n\r\n"),
        // Only what was announced passes.
        (
            BodyEnd::Chunked(names(&["a"])),
            Frames::of(&["x"]).with_trailers(&["a", "b"]),
            "H1\r\nx\r\n0\r\na: v\r\n\r\n",
        ),
        (BodyEnd::Chunked(names(&["a"])), Frames::of(&[]).with_trailers(&["b"]), "H0\r\n\r\n"),
    ] {
        let (on_the_wire, done) = sent(end, body).await;
        assert_eq!(on_the_wire, wire);
        assert!(done.is_ok(), "{wire}: {done:?}");
    }
}

#[tokio::test]
async fn what_is_not_as_its_head_says_is_an_error_behind_what_has_gone() {
    let many = vec!["0123456789abcdef"; 1_000];
    let (wire, done) = sent(BodyEnd::Sized(100_000), Frames::of(&many).that_breaks()).await;
    assert_eq!(wire.len(), 1 + 16_000, "what came before it has gone");
    assert!(matches!(done, Err(SendError::Body)), "{done:?}");
    let (wire, done) = sent(BodyEnd::Sized(4), Frames::of(&["hello"])).await;
    assert!(matches!(done, Err(SendError::Length)) && wire.len() <= 5, "{wire} {done:?}");
    let (wire, done) = sent(BodyEnd::Sized(6), Frames::of(&["hello"])).await;
    assert_eq!(wire, "Hhello");
    assert!(matches!(done, Err(SendError::Length)), "{done:?}");
    let (wire, done) = sent(BodyEnd::Chunked(Vec::new()), Frames::of(&["hello"]).that_breaks()).await;
    assert_eq!(wire, "H5\r\nhello\r\n", "no last chunk");
    assert!(matches!(done, Err(SendError::Body)), "{done:?}");
}

/// What became of a body that came from one transport and went into another.
struct Passed {
    arrived: Vec<u8>,
    done: Result<(), SendError>,
    progress: Rc<Progress>,
    is_piped: bool,
}

/// Sends `bytes` of a body that is announced as `announced` through a transport into another.
async fn passed_through(announced: u64, bytes: usize) -> Passed {
    let ((mut source, from), (mut sink, to)) = (connected().await, connected().await);
    let from = Rc::new(RefCell::new(Transport::new(from, BytesMut::new())));
    from.borrow_mut().receive(Receiving::Sized(announced));
    let progress = Progress::new();
    let body = Incoming::Http1(Http1Body::of(&from));
    let body = StreamBody::new(body, Rc::clone(&progress), BodyLimit::idle(Duration::from_secs(20)));
    let to = RefCell::new(Transport::new(to, BytesMut::new()));
    let mut sending = Sending::new(Head::new(), BodyEnd::Sized(announced), body, None);
    let written = async {
        let data: Vec<u8> = (0..bytes).map(|at| (at % 251) as u8).collect();
        source.write_all(&data).await.unwrap();
        source.shutdown().await.unwrap();
    };
    let read = async {
        let mut arrived = Vec::new();
        sink.read_to_end(&mut arrived).await.unwrap();
        arrived
    };
    let passed = async {
        let done = poll_fn(|cx| sending.poll(cx, &to)).await;
        poll_fn(|cx| to.borrow_mut().poll_shutdown(cx)).await.unwrap();
        done
    };
    let ((), arrived, done) = tokio::join!(written, read, passed);
    Passed { arrived, done, progress, is_piped: sending.is_piped() }
}

#[tokio::test]
async fn a_large_body_arrives_whole_through_a_pipe_and_is_counted() {
    const BYTES: usize = 5 * 1024 * 1024 + 3;
    let Passed { arrived, done, progress, is_piped } = passed_through(BYTES as u64, BYTES).await;
    assert!(is_piped, "as large as it is");
    assert!(done.is_ok() && arrived.len() == BYTES, "{done:?}, {} bytes", arrived.len());
    assert!(arrived.iter().enumerate().all(|(at, &byte)| byte == (at % 251) as u8), "in order");
    assert_eq!((progress.bytes(), progress.is_over(), progress.failure()), (BYTES as u64, true, None));
}

#[tokio::test]
async fn a_small_body_arrives_whole_without_a_pipe() {
    const BYTES: usize = 64 * 1024;
    let Passed { arrived, done, is_piped, .. } = passed_through(BYTES as u64, BYTES).await;
    assert!(
        done.is_ok() && arrived.len() == BYTES && !is_piped,
        "{done:?}, {} bytes, piped: {is_piped}",
        arrived.len()
    );
}

#[tokio::test]
async fn a_large_body_that_breaks_off_in_a_pipe_is_an_error() {
    const BYTES: usize = 3 * 1024 * 1024;
    let Passed { arrived, done, progress, is_piped } = passed_through(2 * BYTES as u64, BYTES).await;
    assert!(is_piped, "as large as it is");
    assert!(matches!(done, Err(SendError::Body)), "{done:?}");
    assert_eq!((arrived.len(), progress.is_over()), (BYTES, false), "what has come has gone");
    assert_eq!(progress.failure(), Some(crate::body::BodyError::Broken));
}

#[tokio::test]
async fn who_takes_nothing_is_slow_also_when_the_kernel_finds_it_first() {
    let (_idle, ours) = connected().await;
    socket2::SockRef::from(&ours).set_tcp_user_timeout(Some(Duration::from_millis(300))).unwrap();
    let transport = RefCell::new(Transport::new(ours, BytesMut::new()));
    let body = Frames(VecDeque::from([Some(Frame::data(Bytes::from(vec![b'x'; 64 << 20])))]));
    let limit = BodyLimit::idle(Duration::from_secs(3_600));
    let mut sending = Sending::new(Head::new(), BodyEnd::Sized(64 << 20), body, Some(limit));
    let sent = poll_fn(|cx| sending.poll(cx, &transport)).await;
    assert!(matches!(sent, Err(SendError::Slow)), "{sent:?}");
}
