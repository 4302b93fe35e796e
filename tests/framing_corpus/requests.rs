//! Requests: what reaches the upstream is one whole request after the other, or nothing.

use crate::talk::{Manner, Recording, honest, spoken};
use harness::corpus::{End, Reaches, RequestCase, requests};
use harness::process::repository;
use harness::strict::{self, Message, Parsed};
use harness::world::document;
use harness::{World, scale};
use std::process::Command;

/// What an upstream never gets (RFC 9110 section 7.6.1).
const HOP_BY_HOP: &[&str] =
    &["expect", "keep-alive", "proxy-connection", "upgrade", "http2-settings", "proxy-authorization"];

/// The status that answers a broken rule (RFC 9110 section 15, RFC 6585 section 5).
fn status_of(rule: &str) -> u16 {
    match rule {
        "target_too_long" => 414,
        "head_too_large" | "too_many_headers" | "trailers_too_large" | "too_many_trailers" => 431,
        "connect_unsupported" | "method_too_long" | "transfer_encoding_unsupported" => 501,
        "version_unsupported" => 505,
        _ => 400,
    }
}

/// The statuses of all answers that a client has read, none of which may be broken.
fn statuses(case: &RequestCase, mut received: &[u8]) -> Result<Vec<u16>, String> {
    let mut statuses = Vec::new();
    let asks_first = case.raw.to_ascii_lowercase().windows(6).any(|text| text == b"expect");
    while !received.is_empty() {
        // Behind the whole requests is one that was refused, whose answer has a body.
        let method = case.whole.get(statuses.len()).map_or("GET", |request| request.method.as_str());
        match strict::answer(received, method, true) {
            Parsed::Whole(answer, bytes) => {
                received = &received[bytes..];
                let status = answer.start[1].parse().unwrap();
                if status != 100 || !asks_first {
                    statuses.push(status);
                }
            }
            other => return Err(format!("the answer {} is {other:?}", received.escape_ascii())),
        }
    }
    Ok(statuses)
}

fn check_answers(case: &RequestCase, received: &[u8]) -> Result<(), String> {
    let statuses = statuses(case, received)?;
    let mut expected: Vec<u16> = Vec::new();
    for request in &case.whole {
        match request.reaches {
            Reaches::Upstream(_) => expected.push(200),
            Reaches::Gateway(status) => expected.push(status),
            Reaches::Nobody => {}
        }
    }
    if let End::Refused { rule, is_read: true } = &case.end {
        expected.push(status_of(rule));
    }
    let matches = match case.end {
        // A client that breaks off may still hear that.
        End::Cut => statuses == expected || statuses == [expected.as_slice(), &[400]].concat(),
        _ => statuses == expected,
    };
    if matches { Ok(()) } else { Err(format!("answered {statuses:?} and not {expected:?}")) }
}

fn check_upstream(case: &RequestCase, received: &[(usize, Message)], host: &str) -> Result<(), String> {
    let expected: Vec<(&str, &str, &[u8])> = case
        .whole
        .iter()
        .filter_map(|request| match &request.reaches {
            Reaches::Upstream(target) => Some((request.method.as_str(), target.as_str(), &request.body[..])),
            Reaches::Gateway(_) | Reaches::Nobody => None,
        })
        .chain([("GET", "/honest", &b""[..])])
        .collect();
    let parts = |message: &Message| (message.start[0].clone(), message.start[1].clone(), message.body.clone());
    let all: Vec<_> = received.iter().map(|(_, message)| parts(message)).collect();
    if !all.iter().map(|(method, target, body)| (method.as_str(), target.as_str(), &body[..])).eq(expected) {
        return Err(format!("this reached the upstream: {received:?}"));
    }
    for (_, message) in received {
        let kept = message.headers.iter().find(|line| HOP_BY_HOP.contains(&line.0.as_str()));
        let connection = message.all("connection");
        let is_well = message.all("host") == [host.as_bytes()]
            && kept.is_none()
            && (connection.is_empty() || connection == [b"te"])
            && message.all("x-secret").is_empty();
        if !is_well {
            return Err(format!("what belongs to one connection reached the upstream: {:?}", message.headers));
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn of_every_request_the_upstream_gets_whole_requests_or_nothing() {
    let corpus = requests();
    assert!(corpus.len() >= 600, "only {} requests", corpus.len());
    let recording = Recording::start().await;
    let world = World::start_with(1, &["--workers", "1"]).await;
    let host = recording.upstream.address.to_string();
    let routes = [("ANY", "/", format!("http://{host}/")), ("ANY", "/{proxy+}", format!("http://{host}/{{proxy}}"))];
    world.register(&document("corpus", &routes)).await;
    let (mut whole, mut problems) = (0, Vec::new());
    for case in &corpus {
        for how in Manner::of(case.raw.len()) {
            let answers = spoken(world.proxy(), &case.raw, how).await;
            let after = honest(world.proxy(), "/honest").await;
            assert_eq!((after.start[1].as_str(), &after.body[..]), ("200", &b"honest"[..]), "after {}", case.place);
            let received = std::mem::take(&mut recording.told().whole);
            let checked = check_answers(case, &answers).and_then(|()| check_upstream(case, &received, &host));
            problems.extend(checked.err().map(|problem| format!("{} {how:?}: {problem}\n", case.place)));
            whole += received.len();
        }
    }
    assert!(problems.is_empty(), "{} of {} requests:\n{}", problems.len(), corpus.len(), problems.concat());
    assert_eq!(recording.told().malformed, [""; 0], "what reached the upstream");
    let wire = std::mem::take(&mut recording.told().wire);
    read_by_h11(&world, &wire, whole);
}

/// Lets Python's h11 read everything that the upstream has received: the same number of requests, and nothing that is none.
fn read_by_h11(world: &World, wire: &[Vec<u8>], whole: usize) {
    let python = std::env::var_os("PENSTOCK_TEST_PYTHON").unwrap_or_else(|| "python3".into());
    let has_h11 = Command::new(&python).args(["-c", "import h11"]).output();
    if !has_h11.is_ok_and(|output| output.status.success()) {
        assert!(!scale::in_ci(), "Python's h11 is missing");
        println!("SKIPPED: install h11, and name the Python in PENSTOCK_TEST_PYTHON");
        return;
    }
    let file = world.directory().join("wire");
    let mut bytes = Vec::new();
    for connection in wire {
        bytes.extend((connection.len() as u64).to_be_bytes());
        bytes.extend(connection);
    }
    std::fs::write(&file, bytes).unwrap();
    let script = repository().join("tests/strangers/requests.py");
    let output = Command::new(&python).arg(script).arg(&file).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(said.trim(), format!("{whole} whole requests"));
}
