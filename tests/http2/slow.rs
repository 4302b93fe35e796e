//! What a client may not do for longer than a minute: take nothing of an answer, send nothing of a body, ask for nothing. These
//! run at the same time, because each waits for the limit itself.

use crate::setup::Gateway;
use harness::frames::{Frame, Wire, code, data, flag, frame, get, headers, kind, ping, request, settings, window};
use harness::memory;
use harness::wait::until;
use std::time::{Duration, Instant};
use tokio::time::timeout;

/// The limit, and when everything must be over.
const LIMIT: Duration = Duration::from_secs(60);
const OVER: Duration = Duration::from_secs(85);
/// How often a client says that it is there.
const BEAT: Duration = Duration::from_secs(5);
/// Streams that wait for their windows at the same time.
const STREAMS: usize = 120;
/// Connections to the upstream that may be kept for later requests.
const IDLE_MAX: usize = 4;
/// What they may hold: a piece of each answer on its way in, and one on its way out.
const STALLED_BYTES_MAX: u64 = STREAMS as u64 * 256 * 1024;

/// What a slow reader takes, and how often: 400 bytes a second, where 240 are asked for.
const TAKEN_BYTES: u32 = 10_000;
const TAKEN_EVERY_S: u32 = 25;

/// Reads on, answers every PING and sends its own, until a frame is the one; `None` if the connection ends before.
async fn attend(wire: &mut Wire, begun: Instant, mut is_it: impl FnMut(&Frame) -> bool) -> Option<Duration> {
    loop {
        match timeout(BEAT, wire.next()).await {
            Err(_) => drop(wire.send(&ping(b"i live..")).await),
            Ok(None) => return None,
            Ok(Some(found)) if is_it(&found) => return Some(begun.elapsed()),
            Ok(Some(found)) if found.kind == kind::PING && !found.has(flag::ACK) => {
                wire.send(&frame(kind::PING, flag::ACK, 0, &found.payload)).await;
            }
            Ok(Some(_)) => {}
        }
        assert!(begun.elapsed() < OVER, "nothing ended");
    }
}

fn in_time(what: &str, after: Option<Duration>) {
    let after = after.unwrap_or_else(|| panic!("{what}: the connection ended"));
    assert!(after >= LIMIT && after < OVER, "{what}: after {after:?}");
}

/// So many streams whose windows stay closed are reset, and the connection lives.
async fn windows_of_streams(gateway: &Gateway) {
    let begun = Instant::now();
    let mut wire = Wire::open(gateway.world.proxy(), &[(4, 0)]).await;
    let pid = gateway.world.proxies[0].pid();
    let idle = memory::resident_bytes(pid);
    let watch = memory::Watch::start(pid);
    for at in 0..u32::try_from(STREAMS).unwrap() {
        // One whose answer is at hand at once, the others without an end.
        let path = if at == 0 { "/" } else { "/endless" };
        wire.send(&headers(2 * at + 1, flag::WHOLE, request("GET", path, &[]))).await;
    }
    let mut resets = 0;
    let ended = attend(&mut wire, begun, |found| {
        let is_reset = found.kind == kind::RST_STREAM;
        assert!(!is_reset || found.number(0) == code::CANCEL);
        resets += usize::from(is_reset);
        resets == STREAMS
    });
    in_time("closed windows of streams", ended.await);
    let most = watch.stop();
    println!("{STREAMS} closed windows: {} KiB more", (most - idle) / 1024);
    assert!(most <= idle + STALLED_BYTES_MAX, "idle {idle}, most {most}");
    wire.send(&[settings(&[(4, 100)]), get(1_001)].concat()).await;
    let answered = attend(&mut wire, begun, |found| found.stream == 1_001 && found.has(flag::END_STREAM)).await;
    assert!(answered.is_some(), "the connection lives");
}

/// A connection's window that stays closed ends what waits for it.
async fn window_of_the_connection(gateway: &Gateway) {
    let begun = Instant::now();
    let mut wire = Wire::open(gateway.world.proxy(), &[(4, 1 << 30)]).await;
    wire.send(&headers(1, flag::WHOLE, request("GET", "/endless", &[]))).await;
    let ended = attend(&mut wire, begun, |found| found.kind == kind::RST_STREAM && found.stream == 1).await;
    in_time("a closed window of the connection", ended);
}

/// Who takes a little now and then, but enough on average, is left alone.
async fn a_slow_reader(gateway: &Gateway) {
    let begun = Instant::now();
    let mut wire = Wire::open(gateway.world.proxy(), &[(4, TAKEN_BYTES)]).await;
    wire.send(&headers(1, flag::WHOLE, request("GET", "/endless", &[]))).await;
    for step in 1..=3_u32 {
        let until = begun + Duration::from_secs(u64::from(step * TAKEN_EVERY_S));
        attend(&mut wire, begun, |found| {
            assert!(!matches!(found.kind, kind::RST_STREAM | kind::GOAWAY), "it was cut");
            Instant::now() > until
        })
        .await;
        wire.send(&window(1, TAKEN_BYTES)).await;
    }
}

/// A body of which nothing comes any more ends the request.
async fn a_silent_upload(gateway: &Gateway) {
    let begun = Instant::now();
    let mut wire = Wire::open(gateway.world.proxy(), &[]).await;
    wire.send(&headers(1, flag::END_HEADERS, request("POST", "/", &[]))).await;
    wire.send(&data(1, 0, "the beginning")).await;
    let mut status = 0;
    let ended = attend(&mut wire, begun, |found| {
        if found.kind == kind::HEADERS {
            status = found.status();
        }
        found.stream == 1 && (found.kind == kind::RST_STREAM || found.has(flag::END_STREAM))
    });
    in_time("a silent upload", ended.await);
    assert_ne!(status, 200);
}

/// A head that does not end is given up, also beside a request that is under way.
async fn a_head_that_does_not_end(gateway: &Gateway) {
    let begun = Instant::now();
    let mut wire = Wire::open(gateway.world.proxy(), &[]).await;
    wire.send(&headers(1, flag::WHOLE, request("GET", "/endless", &[]))).await;
    wire.send(&headers(3, flag::NONE, request("GET", "/", &[]))).await;
    let rest = frame(kind::CONTINUATION, flag::END_HEADERS, 3, [0; 1_000]);
    let mut octets = rest.iter();
    loop {
        match timeout(BEAT, wire.next()).await {
            Err(_) => drop(wire.send(&[*octets.next().unwrap()]).await),
            Ok(Some(found)) if found.kind == kind::GOAWAY => {
                assert_eq!(found.number(4), code::ENHANCE_YOUR_CALM);
                return in_time("a head that does not end", Some(begun.elapsed()));
            }
            Ok(Some(_)) => {}
            Ok(None) => return in_time("a head that does not end", None),
        }
    }
}

/// Who asks for nothing is told to go, however often it says that it lives.
async fn nothing_but_pings(gateway: &Gateway) {
    let begun = Instant::now();
    let mut wire = Wire::open(gateway.world.proxy(), &[]).await;
    let told = attend(&mut wire, begun, |found| found.kind == kind::GOAWAY && found.number(4) == code::NO_ERROR).await;
    in_time("nothing but PING", told);
    let closed = attend(&mut wire, begun, |_| false).await;
    assert_eq!(closed, None, "and then it is closed");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_does_nothing_for_a_minute_is_given_up() {
    let gateway = Gateway::start(&[]).await;
    tokio::join!(
        windows_of_streams(&gateway),
        window_of_the_connection(&gateway),
        a_slow_reader(&gateway),
        a_silent_upload(&gateway),
        a_head_that_does_not_end(&gateway),
        nothing_but_pings(&gateway),
    );
    // The slow reader and its endless answer have gone with their connection.
    until("no request is left at the upstream", async || gateway.upstream.open(), |&open| open <= IDLE_MAX).await;
}
