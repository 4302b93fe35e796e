//! Clients that mean harm: each connection ends, the process's memory does not grow, and others are served meanwhile. Clients
//! that do the like in earnest are left alone.

use crate::setup::{Gateway, LARGE_BYTES};
use harness::client;
use harness::frames::{
    Wire, code, continuation, data, fields, flag, frame, get, headers, integer, kind, ping, priority, request, reset,
    settings, string, window,
};
use harness::memory;
use harness::wait::{bounded, until};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

const MIB: u64 = 1024 * 1024;
/// What one such connection may add to the process, with what the other client does meanwhile.
const MEMORY_BYTES_MAX: u64 = 24 * MIB;
/// The largest window that there may be.
const WINDOW_MAX: u32 = (1 << 31) - 1;

/// What is counted where one stream or one block of fields goes beyond what it may be.
const CALM: &str = "h2_enhance_your_calm";

/// One kind of abuse.
struct Abuse {
    name: &'static str,
    /// What comes first.
    opening: Vec<u8>,
    /// What comes again and again, by number.
    frames: fn(u32) -> Vec<u8>,
    /// Whether the answers are not read.
    is_deaf: bool,
    /// What the metrics count, unless it goes beyond what one stream may be first.
    reason: &'static str,
}

fn abuse(name: &'static str, reason: &'static str, opening: Vec<u8>, frames: fn(u32) -> Vec<u8>) -> Abuse {
    Abuse { name, opening, frames, is_deaf: false, reason }
}

fn never(stream: u32) -> Vec<u8> {
    headers(stream, flag::WHOLE, request("GET", "/never", &[]))
}

fn upload() -> Vec<u8> {
    headers(1, flag::END_HEADERS, request("POST", "/never", &[]))
}

fn abuses() -> Vec<Abuse> {
    let (frames, resets, calm) = ("h2_frame_flood", "h2_reset_flood", CALM);
    let begun = || headers(1, flag::END_STREAM, request("GET", "/", &[]));
    vec![
        abuse("rapid reset", resets, Vec::new(), |at| [never(2 * at + 1), reset(2 * at + 1, code::CANCEL)].concat()),
        abuse("resets provoked by windows that are too wide", resets, Vec::new(), |at| {
            [never(2 * at + 1), window(2 * at + 1, WINDOW_MAX)].concat()
        }),
        abuse("resets provoked by requests that are malformed", resets, Vec::new(), |at| {
            headers(2 * at + 1, flag::WHOLE, request("GET", "", &[]))
        }),
        abuse("resets provoked by lengths that are wrong", resets, Vec::new(), |at| {
            let length = [("content-length", "1")];
            let head = headers(2 * at + 1, flag::END_HEADERS, request("POST", "/never", &length));
            [head, data(2 * at + 1, flag::END_STREAM, "two")].concat()
        }),
        abuse("more streams than there may be", resets, Vec::new(), |at| never(2 * at + 1)),
        abuse("CONTINUATION without an end", calm, begun(), |_| continuation(1, 0, fields(&[("x-more", "more")]))),
        abuse("empty CONTINUATION without an end", calm, begun(), |_| continuation(1, 0, [])),
        abuse("SETTINGS", frames, Vec::new(), |at| settings(&[(4, 65_535 - at % 2)])),
        abuse("PING", frames, Vec::new(), |_| ping(b"and more")),
        Abuse { is_deaf: true, ..abuse("PING whose answers are not read", frames, Vec::new(), |_| ping(b"and more")) },
        abuse("PRIORITY", frames, Vec::new(), |at| priority(2 * at + 1, 0)),
        abuse("windows that grow by an octet", frames, Vec::new(), |_| window(0, 1)),
        abuse("empty DATA", calm, upload(), |_| data(1, 0, [])),
        abuse("DATA of nothing but padding", calm, upload(), |_| data(1, flag::PADDED, [0])),
        abuse("unknown frames", frames, Vec::new(), |_| frame(0x42, 0, 0, [])),
        abuse("RST_STREAM of a stream that is over", frames, [never(1), reset(1, code::CANCEL)].concat(), |_| {
            reset(1, code::CANCEL)
        }),
        abuse("an answer octet by octet", frames, endless(), |_| window(1, 1)),
        abuse("fields by reference", calm, Vec::new(), bomb),
    ]
}

/// A stream without a window and with an answer that does not end.
fn endless() -> Vec<u8> {
    [settings(&[(4, 0)]), headers(1, flag::WHOLE, request("GET", "/endless", &[]))].concat()
}

/// A block of 16 KiB that stands for one of 64 MiB.
fn bomb(at: u32) -> Vec<u8> {
    let mut block = request("GET", "/", &[]);
    block.push(0x40);
    string(&mut block, b"x-bomb");
    string(&mut block, &[b'x'; 4_000]);
    while block.len() < 16_000 {
        integer(&mut block, 0x80, 7, 62);
    }
    headers(2 * at + 1, flag::WHOLE, block)
}

/// Asks over connections of its own until it is told to stop, and counts.
fn somebody_else(proxy: std::net::SocketAddr) -> (Arc<AtomicBool>, tokio::task::JoinHandle<u32>) {
    let stop = Arc::new(AtomicBool::new(false));
    let stopped = Arc::clone(&stop);
    let asking = tokio::spawn(async move {
        let mut served = 0;
        while !stopped.load(Ordering::Relaxed) || served == 0 {
            assert_eq!(bounded("an answer", client::get(proxy, "any", "/")).await.status, 200);
            served += 1;
        }
        served
    });
    (stop, asking)
}

/// How many connections were ended for a reason, or for what one stream may not be.
async fn failures(gateway: &Gateway, reason: &str) -> u64 {
    let metrics = client::get(gateway.world.admin(0), "admin", "/metrics").await;
    let count = |reason| {
        let name = format!("penstock_proxy_failures_total{{reason=\"{reason}\"}} ");
        metrics.text().lines().find_map(|line| line.strip_prefix(&name)).map_or(0, |value| value.parse().unwrap())
    };
    let others: u64 = if reason == CALM { 0 } else { count(CALM) };
    count(reason) + others
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_abuses_the_protocol_is_cut_off_and_nobody_else_notices() {
    let mut gateway = Gateway::start(&[]).await;
    let proxy = gateway.world.proxy();
    assert_eq!(client::get(proxy, "any", "/").await.status, 200);
    let pid = gateway.world.proxies[0].pid();
    for Abuse { name, opening, frames, is_deaf, reason } in abuses() {
        let (idle, before) = (memory::resident_bytes(pid), failures(&gateway, reason).await);
        let watch = memory::Watch::start(pid);
        let (stop, asking) = somebody_else(proxy);
        let mut wire = Wire::open(proxy, &[]).await;
        wire.send(&opening).await;
        let (sent, said) = bounded(name, wire.flood(is_deaf, frames)).await;
        stop.store(true, Ordering::Relaxed);
        let served = asking.await.unwrap();
        let most = watch.stop();
        println!("{name}: {sent} sent, {said:?} said, {served} served, {} KiB more", (most - idle) / 1024);
        assert!(matches!(said, None | Some(code::ENHANCE_YOUR_CALM)), "{name}: {said:?}");
        assert!(said.is_some() || is_deaf, "{name}: closed without a word");
        assert!(most <= idle + MEMORY_BYTES_MAX, "{name}: idle {idle}, most {most}");
        until(name, async || failures(&gateway, reason).await, |&count| count == before + 1).await;
        let active = async || gateway.world.metric(0, "penstock_proxy_requests_active").await;
        until("no request is left", active, |&active| active == 0.0).await;
    }
    assert!(gateway.world.proxies[0].is_alive());
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_that_do_much_of_that_in_earnest_are_served() {
    let gateway = Gateway::start(&[]).await;
    let mut wire = Wire::open(gateway.world.proxy(), &[]).await;
    let mut next = 1;
    let mut stream = || {
        next += 2;
        next - 2
    };
    // A tree of priorities, as older browsers send it, and settings that change.
    for at in 1..200 {
        wire.send(&priority(2 * at + 1, 0)).await;
    }
    for at in 0..50 {
        wire.send(&settings(&[(4, 65_535 - at)])).await;
    }
    wire.send(&settings(&[(4, 65_535)])).await;
    // A page that is left in the middle, again and again, with others that are read in between.
    for _ in 0..10 {
        let given_up: Vec<u32> = (0..60).map(|_| stream()).collect();
        wire.send(&given_up.iter().flat_map(|&stream| never(stream)).collect::<Vec<u8>>()).await;
        wire.send(&given_up.iter().flat_map(|&stream| reset(stream, code::CANCEL)).collect::<Vec<u8>>()).await;
        for _ in 0..60 {
            let stream = stream();
            wire.send(&[get(stream), ping(b"measures")].concat()).await;
            whole_answer(&mut wire, stream, false).await;
        }
    }
    // Large answers, whose windows are widened for each frame.
    for _ in 0..20 {
        let stream = stream();
        wire.send(&headers(stream, flag::WHOLE, request("GET", "/large", &[]))).await;
        assert_eq!(whole_answer(&mut wire, stream, true).await, LARGE_BYTES);
    }
    // An upload in small pieces, with a few that are empty.
    let stream = stream();
    wire.send(&headers(stream, flag::END_HEADERS, request("POST", "/", &[]))).await;
    for at in 0..1_000 {
        wire.send(&data(stream, 0, "x")).await;
        if at % 50 == 0 {
            wire.send(&data(stream, 0, [])).await;
        }
    }
    wire.send(&data(stream, flag::END_STREAM, [])).await;
    whole_answer(&mut wire, stream, false).await;
}

/// Reads an answer to its end, and widens both windows for each frame if it `widens`. Its length.
async fn whole_answer(wire: &mut Wire, stream: u32, widens: bool) -> usize {
    let mut bytes = 0;
    loop {
        let frame = bounded("an answer", wire.next()).await.expect("the connection is open");
        assert_ne!(frame.kind, kind::GOAWAY, "code {}", frame.number(4));
        if frame.kind == kind::DATA && !frame.payload.is_empty() {
            let length = u32::try_from(frame.payload.len()).unwrap();
            bytes += if frame.stream == stream { frame.payload.len() } else { 0 };
            let widened =
                if widens { [window(0, length), window(frame.stream, length)].concat() } else { window(0, length) };
            wire.send(&widened).await;
        }
        if frame.stream == stream && matches!(frame.kind, kind::HEADERS | kind::DATA) && frame.has(flag::END_STREAM) {
            return bytes;
        }
        assert!(frame.stream != stream || frame.kind != kind::RST_STREAM, "code {}", frame.number(0));
    }
}
