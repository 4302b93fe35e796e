//! Who is timed, and when: the sender while its next frame is awaited, and nobody else.

use super::*;
use http_body_util::BodyExt as _;
use std::collections::VecDeque;
use tokio::time::{advance, timeout};

const LIMIT: Duration = Duration::from_secs(60);

/// A body that has some frames and then neither goes on nor ends.
struct Stalling(VecDeque<&'static str>);

impl Body for Stalling {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        match self.0.pop_front() {
            Some(text) => Poll::Ready(Some(Ok(Frame::data(text.into())))),
            None => Poll::Pending,
        }
    }
}

fn stalling(frames: &[&'static str]) -> (StreamBody<Stalling>, Rc<Progress>) {
    let progress = Progress::new();
    (
        StreamBody::new(Stalling(frames.iter().copied().collect()), Rc::clone(&progress), BodyLimit::idle(LIMIT)),
        progress,
    )
}

#[tokio::test(start_paused = true)]
async fn a_sender_is_not_idle_before_anybody_asked_it() {
    let (mut body, progress) = stalling(&["a"]);
    // A response body is made with its request, which may upload for hours.
    advance(3 * LIMIT).await;
    assert!(body.frame().await.is_some_and(|frame| frame.is_ok()));
    // A receiver that is slow to take the frame takes nothing from the sender's time.
    advance(3 * LIMIT).await;
    assert!(timeout(LIMIT / 2, body.frame()).await.is_err(), "half of the limit is not idle");
    assert!(progress.is_waiting());
}

#[tokio::test(start_paused = true)]
async fn a_sender_that_is_awaited_for_the_limit_is_idle() {
    let (mut body, progress) = stalling(&["a"]);
    assert!(body.frame().await.is_some_and(|frame| frame.is_ok()));
    let asked = Instant::now();
    assert!(matches!(body.frame().await, Some(Err(BodyError::Idle))));
    assert_eq!((asked.elapsed().as_secs(), progress.failure()), (60, Some(BodyError::Idle)));
}

#[tokio::test(start_paused = true)]
async fn being_asked_again_does_not_begin_the_wait_anew() {
    let (mut body, _) = stalling(&[]);
    assert!(timeout(LIMIT / 2, body.frame()).await.is_err());
    let asked_again = Instant::now();
    assert!(matches!(body.frame().await, Some(Err(BodyError::Idle))));
    assert_eq!(asked_again.elapsed().as_secs(), 30);
}

#[tokio::test(start_paused = true)]
async fn a_wait_that_was_given_up_does_not_count() {
    let (mut body, progress) = stalling(&[]);
    assert!(timeout(LIMIT / 2, body.frame()).await.is_err());
    progress.unasked();
    assert!(!progress.is_waiting());
    advance(3 * LIMIT).await;
    let asked_again = Instant::now();
    assert!(matches!(body.frame().await, Some(Err(BodyError::Idle))));
    assert_eq!(asked_again.elapsed(), LIMIT);
}

/// A body of which so many bytes come each time that somebody has waited for so long, and that never ends.
struct Dripping {
    bytes: usize,
    pause: Duration,
    next: Pin<Box<tokio::time::Sleep>>,
}

impl Body for Dripping {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        ready!(self.next.as_mut().poll(cx));
        let next = Instant::now() + self.pause;
        self.next.as_mut().reset(next);
        Poll::Ready(Some(Ok(Frame::data(vec![b'a'; self.bytes].into()))))
    }
}

/// Reads such a body for two hours at most, and says after how many seconds it failed.
async fn failed_after(bytes: usize, pause: Duration) -> Option<(u64, BodyError)> {
    let limit = BodyLimit { idle: LIMIT, rate_min: 240 };
    let dripping = Dripping { bytes, pause, next: Box::pin(tokio::time::sleep(pause)) };
    let mut body = StreamBody::new(dripping, Progress::new(), limit);
    let begun = Instant::now();
    while begun.elapsed() < 120 * LIMIT {
        if let Some(Err(error)) = body.frame().await {
            return Some((begun.elapsed().as_secs(), error));
        }
    }
    None
}

#[tokio::test(start_paused = true)]
async fn a_sender_that_drips_is_given_up_and_one_that_keeps_the_rate_is_not() {
    let second = Duration::from_secs(1);
    let (seconds, error) = failed_after(10, second).await.expect("it drips");
    assert!((60..=70).contains(&seconds) && error == BodyError::Slow, "{seconds} s, {error}");
    assert_eq!(failed_after(250, second).await, None);
    assert_eq!(failed_after(240 * 50, 50 * second).await, None, "in bursts with pauses");
    assert_eq!(failed_after(1_000_000, 61 * second).await, Some((60, BodyError::Idle)));
}
