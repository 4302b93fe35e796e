//! The page for operators says what is here.

use super::*;

const PAGE: &str = include_str!("../../../docs/limits.md");

/// A number as the page writes it: thousands apart.
fn written(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn kib(bytes: u64) -> String {
    match bytes.is_multiple_of(1024 * 1024) {
        true => format!("{} MiB", bytes / (1024 * 1024)),
        false => format!("{} KiB", bytes / 1024),
    }
}

fn seconds(ms: u64) -> String {
    format!("{} s", ms / 1_000)
}

#[test]
fn the_page_of_limits_has_the_numbers_of_the_program() {
    let (streams, window) = (u64::from(H2_STREAMS_MAX), u64::from(H2_STREAM_WINDOW_BYTES));
    let (accept_first, accept_longest) = ACCEPT_BACKOFF_MS;
    let upstream_streams = UPSTREAM_STREAMS_PER_CONNECTION_MAX as u64;
    for (row, column, expected) in [
        ("time for a head, idle time before it included", 2, seconds(HEAD_READ_TIMEOUT_MS)),
        ("the same over HTTP/2: from the first frame of a head to its last", 2, seconds(HEAD_READ_TIMEOUT_MS)),
        ("head of an answer: bytes, lines", 2, format!("{}, {ANSWER_HEADERS_MAX}", kib(STREAM_BUFFER_BYTES as u64))),
        ("body: no progress at all", 2, seconds(BODY_IDLE_TIMEOUT_MS)),
        ("body: rate of a client", 2, format!("{BODY_RATE_MIN} bytes/s")),
        ("silence of an upstream whose answer is streamed by configuration", 2, seconds(STREAM_IDLE_TIMEOUT_MS)),
        ("connecting to an upstream", 2, seconds(CONNECT_TIMEOUT_MS)),
        ("connections to one upstream, each worker", 2, written(UPSTREAM_CONNECTIONS_PER_TARGET_MAX as u64)),
        ("connections to one upstream, each worker", 4, format!("503 after {}", seconds(UPSTREAM_CONNECTION_WAIT_MS))),
        ("client connections", 2, written(CONNECTIONS_MAX.into())),
        ("connections of one address (IPv6: of one /64)", 2, written(CONNECTIONS_PER_ADDRESS_MAX.into())),
        ("file descriptors", 4, format!("no accept for {accept_first} ms, doubling to {}", seconds(accept_longest))),
        ("requests under way", 2, written(REQUESTS_MAX.into())),
        ("bodies in memory, all together", 2, kib(COLLECT_BUDGET_BYTES as u64)),
        ("bodies in memory, all together", 4, format!("503 after {}", seconds(COLLECT_BUDGET_WAIT_MS))),
        ("one document for a function", 2, kib(FUNCTION_PAYLOAD_BYTES_MAX as u64)),
        ("time to collect a body", 2, seconds(COLLECT_TIMEOUT_MS)),
        (
            "HTTP/2: streams, window of a stream, of a connection",
            2,
            format!("{streams}, {}, {}", kib(window), kib(H2_CONNECTION_WINDOW_BYTES.into())),
        ),
        (
            "HTTP/2 to upstreams: streams of a connection, window of a stream",
            2,
            format!("{upstream_streams}, {}", kib(window)),
        ),
        ("what may be left to discard behind an answer", 2, kib(DISCARD_BYTES_MAX as u64)),
    ] {
        let begins = format!("| {row} |");
        let line = PAGE.lines().find(|line| line.starts_with(&begins)).unwrap_or_else(|| panic!("no row {row}"));
        assert_eq!(line.split('|').nth(column).map(str::trim), Some(expected.as_str()), "{row}");
    }
}
