//! The keeper against chains that answer, fail, expire and hang, on a paused clock.

use super::*;
use std::cell::{Cell, RefCell};
use tokio::task::LocalSet;

fn keys(name: &str, lives: Option<Duration>) -> Keys {
    Keys::new(name, "secret", None, lives.map(|lives| SystemTime::now() + lives), "test")
}

/// A keeper whose chain answers what `answers` gives, in their order, and how often it was asked.
fn kept(local: &LocalSet, answers: Vec<Result<Keys, CredentialsError>>) -> (Credentials, std::rc::Rc<Cell<usize>>) {
    let (credentials, keeper) = pair();
    let asked = std::rc::Rc::new(Cell::new(0));
    let counter = std::rc::Rc::clone(&asked);
    let answers = std::rc::Rc::new(RefCell::new(answers.into_iter()));
    local.spawn_local(keeper.keep(move || {
        counter.set(counter.get() + 1);
        let answer = answers.borrow_mut().next();
        async move { answer.unwrap_or_else(|| Err(CredentialsError::not_loaded("nothing is left"))) }
    }));
    (credentials, asked)
}

#[tokio::test(start_paused = true)]
async fn nothing_is_loaded_before_somebody_asks_and_then_once() {
    let local = LocalSet::new();
    let (credentials, asked) = kept(&local, vec![Ok(keys("first", None))]);
    local
        .run_until(async {
            tokio::time::sleep(Duration::from_secs(3600)).await;
            assert_eq!(asked.get(), 0);
            let (one, other) = tokio::join!(credentials.get(), credentials.get());
            assert_eq!(one.expect("loaded").access_key_id(), "first");
            assert_eq!(other.expect("loaded").access_key_id(), "first");
            assert_eq!(asked.get(), 1);
            tokio::time::sleep(Duration::from_secs(3600)).await;
            assert_eq!(asked.get(), 1, "what never expires is not renewed");
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn what_expires_is_renewed_before_it_does_and_nobody_waits() {
    let local = LocalSet::new();
    let hour = Duration::from_secs(3600);
    let (credentials, asked) = kept(&local, vec![Ok(keys("first", Some(hour))), Ok(keys("second", Some(10 * hour)))]);
    local
        .run_until(async {
            assert_eq!(credentials.get().await.expect("loaded").access_key_id(), "first");
            let margin = Duration::from_millis(CREDENTIALS_RENEW_BEFORE_MS);
            tokio::time::sleep(hour - margin - Duration::from_secs(10)).await;
            assert_eq!(asked.get(), 1);
            tokio::time::sleep(Duration::from_secs(20)).await;
            assert_eq!(asked.get(), 2);
            let before = Instant::now();
            assert_eq!(credentials.get().await.expect("kept").access_key_id(), "second");
            assert!(before.elapsed().is_zero());
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_failed_renewal_keeps_what_is_valid_and_tries_again() {
    let local = LocalSet::new();
    let hour = Duration::from_secs(3600);
    let failed = || Err(CredentialsError::not_loaded("down"));
    let answers = vec![Ok(keys("first", Some(hour))), failed(), failed(), Ok(keys("second", Some(hour)))];
    let (credentials, asked) = kept(&local, answers);
    local
        .run_until(async {
            assert_eq!(credentials.get().await.expect("loaded").access_key_id(), "first");
            tokio::time::sleep(hour - Duration::from_millis(CREDENTIALS_RENEW_BEFORE_MS)).await;
            assert_eq!(credentials.get().await.expect("still valid").access_key_id(), "first");
            tokio::time::sleep(Duration::from_millis(10 * CREDENTIALS_RETRY_MS.0)).await;
            assert_eq!((asked.get(), credentials.get().await.expect("kept").access_key_id()), (4, "second"));
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn who_finds_none_is_told_so_and_the_next_one_asks_again() {
    let local = LocalSet::new();
    let answers = vec![Err(CredentialsError::not_loaded("none")), Ok(keys("expired", Some(Duration::ZERO)))];
    let (credentials, asked) = kept(&local, answers);
    local
        .run_until(async {
            assert_eq!(credentials.get().await.err(), Some(NoCredentials::Missing));
            assert_eq!(credentials.get().await.err(), Some(NoCredentials::Missing));
            assert_eq!(asked.get(), 1, "where nothing was a moment ago nobody looks");
            tokio::time::sleep(Duration::from_millis(CREDENTIALS_RETRY_MS.0)).await;
            assert_eq!(credentials.get().await.err(), Some(NoCredentials::Missing), "expired ones are none");
            assert_eq!(asked.get(), 2);
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_chain_that_hangs_holds_nobody_for_ever() {
    let (credentials, keeper) = pair();
    let local = LocalSet::new();
    local.spawn_local(keeper.keep(std::future::pending::<Result<Keys, CredentialsError>>));
    local
        .run_until(async {
            let before = Instant::now();
            assert_eq!(credentials.get().await.err(), Some(NoCredentials::Time));
            assert_eq!(before.elapsed(), Duration::from_millis(CREDENTIALS_WAIT_MS));
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn refused_credentials_are_loaded_anew_but_not_in_a_burst() {
    let local = LocalSet::new();
    let (credentials, asked) = kept(&local, vec![Ok(keys("first", None)), Ok(keys("second", None))]);
    local
        .run_until(async {
            assert_eq!(credentials.get().await.expect("loaded").access_key_id(), "first");
            for _ in 0..100 {
                credentials.refused();
            }
            tokio::time::sleep(Duration::from_millis(2 * CREDENTIALS_RETRY_MS.0)).await;
            assert_eq!((asked.get(), credentials.get().await.expect("kept").access_key_id()), (2, "second"));
        })
        .await;
}
