//! Answers: the client sees what the corpus says, and what an upstream has said too much is in no other answer.

use crate::talk::{Manner, Recording, honest, spoken};
use harness::World;
use harness::corpus::{AnswerCase, Seen, answers};
use harness::strict::{self, Message, Parsed};
use harness::wait::until;
use harness::world::document;

/// What the hosted gateway answers for every failure of an upstream (`INTEGRATION_FAILURE`).
const UNREADABLE: &str = "504";

/// Asks for the answer of a case, and what the client has received in the end.
async fn asked(world: &World, recording: &Recording, case: &AnswerCase, how: Manner) -> Vec<u8> {
    let said = {
        let mut told = recording.told();
        told.answer = Some((case.raw.clone(), how, case.closes));
        told.said
    };
    let raw = format!("{} /case HTTP/1.1\r\nHost: any.test\r\nConnection: close\r\n\r\n", case.method);
    let received = spoken(world.proxy(), raw.as_bytes(), Manner::AtOnce).await;
    // What the upstream says too much has come to the proxy before the next request does.
    until("the upstream has said all", async || recording.told().said, |&now| now > said).await;
    received
}

fn check_head(case: &AnswerCase, answer: &Message) -> Result<(), String> {
    for (name, _) in &case.present {
        let expected = case.present.iter().filter(|line| line.0 == *name).map(|line| line.1.as_slice());
        if !answer.all(name).into_iter().eq(expected) {
            return Err(format!("{name} is {:?}", answer.all(name)));
        }
    }
    let is_there = |name: &&String| answer.headers.iter().chain(&answer.trailers).any(|line| line.0 == **name);
    case.absent.iter().find(is_there).map_or(Ok(()), |name| Err(format!("{name} is there")))
}

/// Checks what the client has seen, and says whether the connection to the upstream must be used again.
fn check_answer(case: &AnswerCase, received: &[u8]) -> Result<bool, String> {
    let is_all = |bytes: usize| bytes == received.len();
    let is_answer =
        |answer: &Message, status: u16, body: &[u8]| answer.start[1] == status.to_string() && answer.body == body;
    match (&case.seen, strict::answer(received, &case.method, true)) {
        (Seen::Whole { status, body, is_reused }, Parsed::Whole(answer, bytes))
            if is_all(bytes) && is_answer(&answer, *status, body) =>
        {
            check_head(case, &answer).map(|()| *is_reused)
        }
        (Seen::Unreadable, Parsed::Whole(answer, bytes)) if is_all(bytes) && answer.start[1] == UNREADABLE => Ok(false),
        (Seen::Cut { status, body }, Parsed::Part(Some(answer))) if is_answer(&answer, *status, body) => {
            check_head(case, &answer).map(|()| false)
        }
        _ => Err(format!("the client sees {}", received[..received.len().min(1_000)].escape_ascii())),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_every_answer_the_client_sees_what_it_is_and_nothing_of_it_is_in_the_next() {
    let corpus = answers();
    assert!(corpus.len() >= 200, "only {} answers", corpus.len());
    let recording = Recording::start().await;
    // One worker has all connections, so the next request takes the one that was used last, if that may be.
    let world = World::start_with(1, &["--workers", "1"]).await;
    let uri = |path: &str| format!("http://{}{path}", recording.upstream.address);
    world.register(&document("corpus", &[("ANY", "/case", uri("/case")), ("GET", "/after", uri("/after"))])).await;
    let mut problems = Vec::new();
    for case in &corpus {
        for how in Manner::of(case.raw.len()) {
            let place = format!("{} {how:?}", case.place);
            let received = asked(&world, &recording, case, how).await;
            let after = honest(world.proxy(), "/after").await;
            assert_eq!((after.start[1].as_str(), &after.body[..]), ("200", &b"honest"[..]), "after {place}");
            let asked = std::mem::take(&mut recording.told().whole);
            let connections: Vec<usize> = asked.iter().map(|(connection, _)| *connection).collect();
            let [.., last, next] = connections[..] else { panic!("{place}: asked on {connections:?}") };
            let checked =
                check_answer(case, &received).and_then(|must_be_reused| match (last == next, must_be_reused) {
                    (true, false) => Err("the next request used its connection".to_owned()),
                    (false, true) => Err("the next request used another connection".to_owned()),
                    _ => Ok(()),
                });
            problems.extend(checked.err().map(|problem| format!("{place}: {problem}\n")));
        }
    }
    assert!(problems.is_empty(), "{} of {} answers:\n{}", problems.len(), corpus.len(), problems.concat());
    assert_eq!(recording.told().malformed, [""; 0], "what reached the upstream");
}
