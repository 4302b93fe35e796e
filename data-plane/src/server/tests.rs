//! The server over real sockets, in front of a gateway without a route: which requests it sees, and how connections end.

use super::drained::Drained;
use super::http1;
use crate::access_log::{AccessLog, AccessLogFormat};
use crate::framing::FramingLimits;
use crate::framing::tests::corpus::{Case, corpus, guarded};
use crate::framing::tests::reading::requests;
use crate::gateway::Gateway;
use crate::http1::Transport;
use crate::identity::IdSource;
use crate::ledger::WorkerLedger;
use crate::limits::HEAD_READ_TIMEOUT_MS;
use crate::live_table::LiveTable;
use crate::metrics::{Metrics, WorkerMetrics};
use crate::overload::Overload;
use crate::patience::BodyLimit;
use crate::recent::WorkerRecent;
use crate::request_side::Holding;
use crate::routes::WorkerRoutes;
use crate::services::{self, Services};
use crate::settings::{AwsSigning, LambdaInvokeBy, StalePolicy};
use crate::shares::WorkerShare;
use crate::transform::collect::CollectBudget;
use crate::upstream::{Common, Upstreams};
use bytes::BytesMut;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::LocalSet;
use tokio::time::{Instant, sleep, timeout};

/// Far above what any connection here takes.
const BOUND: Duration = Duration::from_secs(20);

fn gateway() -> Gateway {
    let metrics = Arc::new(Metrics::new());
    let live_table = LiveTable::new();
    let holding = Holding { budget: CollectBudget::new(1 << 20), collect_bytes_max: 1 << 20 };
    let (credentials, _) = services::credentials();
    let services = Services {
        endpoints: HashMap::new(),
        invoke_by: LambdaInvokeBy::default(),
        signing: AwsSigning::default(),
        credentials,
        holding: holding.clone(),
    };
    Gateway {
        ledger: WorkerLedger::new(live_table.ledger().clone()),
        recent: WorkerRecent::new(0),
        live_table,
        upstreams: Upstreams::new(Common::alone(), 1),
        ids: IdSource::new(7),
        routes: WorkerRoutes::new(),
        log: Rc::new(AccessLog::start(AccessLogFormat::Off, Arc::clone(&metrics)).unwrap().0),
        metrics: WorkerMetrics::new(metrics, Arc::new(Overload::unlimited())),
        share: WorkerShare::alone(),
        listener_port: 80,
        forwarded_port: 80.into(),
        holding,
        services,
        stale_policy: StalePolicy::default(),
        client_limit: BodyLimit::idle(BOUND),
        upstream_limit: BodyLimit::idle(BOUND),
    }
}

async fn connected() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap());
    let (client, accepted) = tokio::join!(client, listener.accept());
    (client.unwrap(), accepted.unwrap().0)
}

/// Sends pieces, ends the client's side and reads to the end.
async fn spoken(gateway: &Gateway, pieces: &[&[u8]]) -> Vec<u8> {
    let (client, server) = connected().await;
    client.set_nodelay(true).unwrap();
    let address = server.peer_addr().unwrap();
    let (_drain, draining) = watch::channel(false);
    let served = http1::serve(gateway, Transport::new(server, BytesMut::new()), address, Drained::of(draining));
    let (mut reading, mut writing) = client.into_split();
    let sent = async move {
        for piece in pieces {
            // A server that has refused what came before may have closed.
            if writing.write_all(piece).await.is_err() {
                break;
            }
            tokio::task::yield_now().await;
        }
        let _ = writing.shutdown().await;
    };
    let read = async move {
        let mut answers = Vec::new();
        // What was answered before a reset counts too.
        let _ = reading.read_to_end(&mut answers).await;
        answers
    };
    let (_, (), answers) =
        timeout(BOUND, async { tokio::join!(served, sent, read) }).await.expect("the connection ends");
    answers
}

/// The statuses of all answers to what is in a case. They have lengths, and those to HEAD no body.
fn statuses(case: &Case, mut answers: &[u8]) -> Vec<u16> {
    let calls = requests(&guarded([&case.raw[..]], FramingLimits::default()).passed);
    let mut statuses = Vec::new();
    while !answers.is_empty() {
        let mut lines = [httparse::EMPTY_HEADER; 32];
        let mut answer = httparse::Response::new(&mut lines);
        let head = answer.parse(answers).expect("an answer").unwrap();
        let length = answer.headers.iter().find(|line| line.name == "content-length").expect("a length").value;
        let length: usize = std::str::from_utf8(length).unwrap().parse().unwrap();
        let status = answer.code.unwrap();
        let is_head = calls.get(statuses.len()).is_some_and(|(method, ..)| method == "HEAD");
        if status != 100 {
            statuses.push(status);
        }
        answers = &answers[head + if is_head { 0 } else { length }..];
    }
    statuses
}

/// What the statuses must be: one for each request that the guard lets through, then that of the refused one.
fn check(case: &Case, statuses: &[u16], how: &str) {
    let outcome = guarded([&case.raw[..]], FramingLimits::default());
    let whole = requests(&outcome.passed).into_iter().filter(|(method, ..)| method != "REFUSED").count();
    let text = case.text();
    let refused = outcome.violation.map(|violation| violation.status());
    // A request is answered when its head has come, whatever becomes of its body.
    let (good, rest) = statuses.split_at(whole.min(statuses.len()));
    // Nobody serves anything here, what is asked without a host is refused by the gateway, and `*` is no resource.
    assert!(good.iter().all(|status| [400, 403, 404].contains(status)), "{text} {how}: {statuses:?}");
    match (refused, rest) {
        (None, [] | [400 | 404]) => {}
        (Some(refused), [last]) => assert!(*last == refused || *last == 404, "{text} {how}: {statuses:?}"),
        // Whoever asks to close has read the last answer.
        (_, []) if closes(&case.raw) => {}
        _ => panic!("{text} {how}: {whole} whole requests, refused {refused:?}, answered {statuses:?}"),
    }
    if good.len() < whole {
        assert!(closes(&case.raw), "{text} {how}: {statuses:?}");
    }
}

/// Whether a request in this may end the connection before what is behind it.
fn closes(raw: &[u8]) -> bool {
    let lower = raw.to_ascii_lowercase();
    raw.windows(8).any(|text| text == b"HTTP/1.0") || lower.windows(10).any(|text| text == b"connection")
}

#[test]
fn every_case_of_the_corpus_is_answered_as_the_guard_reads_it() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    LocalSet::new().block_on(&runtime, async {
        let gateway = gateway();
        for case in corpus() {
            check(&case, &statuses(&case, &spoken(&gateway, &[&case.raw]).await), "at once");
            let middle = case.raw.len() / 2;
            let (first, second) = case.raw.split_at(middle);
            check(&case, &statuses(&case, &spoken(&gateway, &[first, second]).await), "in two pieces");
        }
    });
}

#[tokio::test]
async fn a_connection_that_waits_is_small() {
    // What each of many idle clients costs beside its socket.
    let (_client, server) = connected().await;
    let address = server.peer_addr().unwrap();
    let (_drain, draining) = watch::channel(false);
    let gateway = gateway();
    let served = http1::serve(&gateway, Transport::new(server, BytesMut::new()), address, Drained::of(draining));
    assert!(size_of_val(&served) <= 3 * 1024, "{} bytes", size_of_val(&served));
}

/// How long a connection is kept on which this has come, and then an octet again and again, and what is answered.
async fn kept(sent: &[u8], pause: Duration) -> (Duration, String) {
    let (mut client, server) = connected().await;
    let address = client.local_addr().unwrap();
    client.write_all(sent).await.unwrap();
    let (_drain, draining) = watch::channel(false);
    let gateway = gateway();
    let served = http1::serve(&gateway, Transport::new(server, BytesMut::new()), address, Drained::of(draining));
    let begun = Instant::now();
    let client = async move {
        let (mut reading, mut writing) = client.split();
        let mut answers = String::new();
        let dribble = async {
            loop {
                sleep(pause).await;
                let _ = writing.write_all(b"x").await;
            }
        };
        tokio::select! {
            read = reading.read_to_string(&mut answers) => read.unwrap(),
            () = dribble => unreachable!("it does not end"),
        };
        (begun.elapsed(), answers)
    };
    let (served, kept) = tokio::join!(served, client);
    served.unwrap();
    kept
}

#[tokio::test(start_paused = true)]
async fn a_head_that_does_not_come_is_not_waited_for_for_ever() {
    const GET: &[u8] = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n";
    let limit = Duration::from_millis(HEAD_READ_TIMEOUT_MS);
    let never = Duration::from_secs(24 * 60 * 60);
    let begun_again = [GET, b"GET / HTTP/1.1\r\nhost: "].concat();
    for (what, sent, pause, answers) in [
        ("a client that says nothing", &b""[..], never, 0),
        ("half a head", b"GET / HTTP/1.1\r\nhost: ", never, 0),
        ("a head octet by octet", b"GET / HTTP/1.1\r\nhost: ", limit / 6, 0),
        ("silence behind an answer", GET, never, 1),
        ("half a head behind an answer", &begun_again, never, 1),
        ("octets behind an answer", &begun_again, limit / 6, 1),
    ] {
        let (kept, answered) = kept(sent, pause).await;
        assert!(kept >= limit && kept < limit + Duration::from_secs(1), "{what}: {kept:?}");
        assert_eq!(answered.matches("HTTP/1.1 ").count(), answers, "{what}: {answered}");
    }
}
