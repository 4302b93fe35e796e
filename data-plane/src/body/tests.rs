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
    (StreamBody::new(Stalling(frames.iter().copied().collect()), Rc::clone(&progress), LIMIT), progress)
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
