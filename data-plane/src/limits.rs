//! Every bound of the proxy, with its unit. What an operator may want to change is in `settings.rs`; the rest is here,
//! with the reason for its size.

/// Buffer between a socket and hyper, in bytes, on each side of a connection. hyper grows its buffers up to this while
/// a transfer is fast, so it decides the memory of a stream; it must hold the largest head that the framing guard lets
/// through.
pub(crate) const STREAM_BUFFER_BYTES: usize = 80 * 1024;

/// Reads from an upstream, in bytes. hyper keeps one such buffer for each upstream connection.
pub(crate) const UPSTREAM_READ_BYTES: usize = 64 * 1024;

/// Longest wait for a complete request head, the idle time between two requests included, in milliseconds.
pub(crate) const HEAD_READ_TIMEOUT_MS: u64 = 60_000;

/// Longest time in which a body may make no progress at all, in milliseconds. A body's total time is not bounded. A sender
/// is timed while its next byte is awaited, a receiver (by the kernel) while it does not take what was sent.
pub(crate) const BODY_IDLE_TIMEOUT_MS: u64 = 60_000;

/// Longest wait for a connection to an upstream, name resolution and TLS included, in milliseconds.
pub(crate) const CONNECT_TIMEOUT_MS: u64 = 5_000;

/// Connections to one upstream target, per worker.
pub(crate) const UPSTREAM_CONNECTIONS_PER_TARGET_MAX: usize = 1_024;

/// Longest wait for one of those connections when all are busy, in milliseconds.
pub(crate) const UPSTREAM_CONNECTION_WAIT_MS: u64 = 1_000;

/// An upstream connection that was not used for this long is closed, in milliseconds.
pub(crate) const UPSTREAM_IDLE_MS: u64 = 55_000;

/// How often idle upstream connections are looked through, in milliseconds.
pub(crate) const UPSTREAM_SWEEP_MS: u64 = 5_000;

/// How often a request whose reused connection turns out dead is moved to another one.
pub(crate) const UPSTREAM_ATTEMPTS_MAX: u32 = 3;

/// Concurrent streams of one HTTP/2 client connection.
pub(crate) const H2_STREAMS_MAX: u32 = 128;

/// Flow-control window of one HTTP/2 stream, in bytes: what a client may send before the upstream takes it.
pub(crate) const H2_STREAM_WINDOW_BYTES: u32 = 256 * 1024;

/// Flow-control window of one HTTP/2 connection, in bytes.
pub(crate) const H2_CONNECTION_WINDOW_BYTES: u32 = 1024 * 1024;

/// Bytes waiting to be sent on one HTTP/2 stream.
pub(crate) const H2_SEND_BUFFER_BYTES: usize = 256 * 1024;

/// Header list of one HTTP/2 request, in bytes as RFC 9113 section 10.5.1 counts them.
pub(crate) const H2_HEADER_LIST_BYTES_MAX: u32 = 64 * 1024;

/// An HTTP/2 connection that says nothing for this long is asked for a sign of life, in milliseconds.
pub(crate) const H2_PING_INTERVAL_MS: u64 = 30_000;

/// … and closed when it gives none for this long, in milliseconds.
pub(crate) const H2_PING_TIMEOUT_MS: u64 = 20_000;

/// How long a connection that has said nothing yet may still begin its first request once a drain has begun, in
/// milliseconds: its bytes may be on their way, or in the kernel already.
pub(crate) const DRAIN_FIRST_BYTE_MS: u64 = 100;

/// First and longest pause after `accept` failed, for example because descriptors ran out, in milliseconds.
pub(crate) const ACCEPT_BACKOFF_MS: (u64, u64) = (5, 1_000);

/// Connections that wait in the kernel to be accepted, per listener.
pub(crate) const LISTEN_BACKLOG: i32 = 4_096;

/// Access log lines that wait to be written; further ones are counted and dropped.
pub(crate) const ACCESS_LOG_QUEUE_LINES: usize = 16_384;

/// Requests that the admin listener serves at a time.
pub(crate) const ADMIN_CONNECTIONS_MAX: usize = 64;

/// Longest life of an admin connection, in milliseconds.
pub(crate) const ADMIN_CONNECTION_MS: u64 = 30_000;
