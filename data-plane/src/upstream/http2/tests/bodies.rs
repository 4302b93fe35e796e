//! Bodies of requests on their way, and how both sides end.

use super::*;
use crate::body::{BodyError, Progress};
use http::HeaderMap;
use http::header::TRAILER;
use http_body::Frame;
use http_body_util::StreamBody;

#[tokio::test]
async fn an_end_behind_the_head_is_waited_for_and_cuts_nothing() {
    // More than the window of a stream.
    const BYTES: usize = 100 << 10;
    local(async {
        let mut pair = pair().await;
        for (method, headers) in [
            (Method::POST, &[(CONTENT_LENGTH, "0")][..]),
            (Method::HEAD, &[(CONTENT_LENGTH, "9")]),
            (Method::HEAD, &[]),
        ] {
            let mut stream = pair.stream();
            let (asking, (mut taken, mut respond)) =
                pair.asked(request(method, vec![b'x'; BYTES], &[]), &mut stream).await;
            let mut sending = respond.send_response(answer(headers), false).unwrap();
            drop(head_of(pair.until(asking).await));
            stream.finish();
            let whole = async {
                let mut bytes = 0;
                while let Some(data) = taken.body_mut().data().await {
                    let data = data.expect("it is not cut");
                    bytes += data.len();
                    taken.body_mut().flow_control().release_capacity(data.len()).unwrap();
                }
                bytes
            };
            assert_eq!(timeout(BOUND, pair.until(whole)).await.expect("it ends"), BYTES);
            let used = Rc::clone(&pair.sender.use_of_it);
            assert_eq!(used.streams.get(), 1, "its end has not come");
            sending.send_data(Bytes::new(), true).unwrap();
            let ended = async {
                while used.streams.get() > 0 {
                    tokio::task::yield_now().await;
                }
            };
            timeout(BOUND, pair.until(ended)).await.expect("it has ended");
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_body_for_which_there_is_no_room_ends_with_its_request_and_with_time() {
    local(async {
        let mut pair = pair().await;
        // More than the window of a stream: much more, and so little that all of the rest would fit into a queue.
        for (bytes, gives_up) in [(4 << 20, true), (4 << 20, false), (200 << 10, true), (200 << 10, false)] {
            let mut stream = pair.stream();
            let (asking, (mut taken, mut respond)) =
                pair.asked(request(Method::POST, vec![b'x'; bytes], &[]), &mut stream).await;
            respond.send_response(answer(&[]), true).unwrap();
            drop(head_of(pair.until(asking).await));
            let begun = Instant::now();
            match gives_up {
                true => drop(stream),
                false => stream.finish(),
            }
            // What its window let through, and then the reset.
            let reset = async {
                loop {
                    match taken.body_mut().data().await {
                        Some(Ok(_)) => {}
                        Some(Err(error)) => return error,
                        None => panic!("it looks whole"),
                    }
                }
            };
            assert_eq!(pair.until(reset).await.reason(), Some(Reason::CANCEL));
            let waited = begun.elapsed();
            assert!(if gives_up { waited < IDLE } else { waited >= IDLE && waited < 2 * IDLE }, "{waited:?}");
            assert_eq!(pair.sender.use_of_it.streams.get(), 0);
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_body_that_is_taken_slowly_takes_its_time() {
    const BYTES: usize = 256 << 10;
    local(async {
        let mut pair = pair().await;
        let mut stream = pair.stream();
        let (asking, (mut taken, mut respond)) =
            pair.asked(request(Method::POST, vec![b'x'; BYTES], &[]), &mut stream).await;
        let _answering = respond.send_response(answer(&[]), false).unwrap();
        let _response = head_of(pair.until(asking).await);
        let begun = Instant::now();
        let whole = async {
            let (mut bytes, mut owed) = (0, 0);
            while bytes < BYTES {
                let more = timeout(IDLE / 2, taken.body_mut().data()).await;
                match more.map(|data| data.expect("there is more").expect("nothing has failed")) {
                    Ok(data) => {
                        bytes += data.len();
                        owed += data.len();
                    }
                    Err(_) => {
                        let given = owed.min(40_000);
                        owed -= given;
                        taken.body_mut().flow_control().release_capacity(given).unwrap();
                    }
                }
            }
            assert!(taken.body_mut().data().await.is_none() && bytes == BYTES);
        };
        pair.until(whole).await;
        assert!(begun.elapsed() > 2 * IDLE, "{:?}", begun.elapsed());
    })
    .await;
}

/// A body of these frames whose length nobody knows.
fn staged(frames: Vec<Frame<Bytes>>) -> OutgoingBody {
    let frames = futures_util::stream::iter(frames.into_iter().map(Ok::<_, BodyError>));
    OutgoingBody::Staged(Box::pin(StreamBody::new(frames)), Progress::new())
}

#[tokio::test(start_paused = true)]
async fn the_end_needs_no_room_and_only_what_is_announced_passes_as_a_trailer() {
    // What the window of a stream is to begin with (RFC 9113 section 6.9.2).
    const WINDOW: usize = 65_535;
    let trailers = |names: &[&'static str]| -> HeaderMap {
        names.iter().map(|name| (http::HeaderName::from_static(name), HeaderValue::from_static("1"))).collect()
    };
    local(async {
        let mut pair = pair().await;
        for (sent, expected) in [
            (None, None),
            (Some(trailers(&["authorization"])), None),
            (Some(trailers(&["x-sum", "authorization"])), Some(trailers(&["x-sum"]))),
        ] {
            let mut frames = vec![Frame::data(Bytes::from(vec![b'x'; WINDOW]))];
            frames.extend(sent.map(Frame::trailers));
            let mut asked = request(Method::POST, "", &[(TRAILER, "x-more , x-sum")]);
            asked.body = staged(frames);
            let mut stream = pair.stream();
            let (_asking, (mut taken, _respond)) = pair.asked(asked, &mut stream).await;
            assert!(!taken.headers().contains_key(CONTENT_LENGTH));
            let begun = Instant::now();
            let came = async {
                let mut bytes = 0;
                while let Some(data) = taken.body_mut().data().await {
                    bytes += data.expect("nothing has failed").len();
                }
                (bytes, taken.body_mut().trailers().await.expect("nothing has failed"))
            };
            assert_eq!(pair.until(came).await, (WINDOW, expected));
            assert!(begun.elapsed() < IDLE);
            // The connection has a window of its own.
            taken.body_mut().flow_control().release_capacity(WINDOW).unwrap();
        }
    })
    .await;
}

#[tokio::test]
async fn a_length_that_is_known_is_stated() {
    local(async {
        let mut pair = pair().await;
        for (method, body, length) in [
            (Method::POST, "hello", Some("5")),
            (Method::PUT, "", Some("0")),
            (Method::GET, "", None),
            (Method::DELETE, "", None),
        ] {
            let mut stream = pair.stream();
            let (_asking, (taken, _respond)) = pair.asked(request(method, body, &[]), &mut stream).await;
            assert_eq!(taken.headers().get(CONTENT_LENGTH).map(|value| value.to_str().unwrap()), length);
        }
    })
    .await;
}
