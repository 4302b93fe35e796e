//! Every bound of the proxy, with its unit. What an operator may want to change is in `settings.rs`; the rest is here,
//! with the reason for its size.

mod http2;

pub(crate) use http2::*;

/// Largest head of an upstream's answer, in bytes, and the buffer between hyper and a socket on connections that are its.
pub(crate) const STREAM_BUFFER_BYTES: usize = 80 * 1024;

/// Lines in the head of an upstream's answer over HTTP/1.1 in clear text.
pub(crate) const ANSWER_HEADERS_MAX: usize = 100;

/// Reads from an upstream, in bytes. hyper keeps one such buffer for each upstream connection.
pub(crate) const UPSTREAM_READ_BYTES: usize = 64 * 1024;

/// Longest wait for a complete request head, the idle time between two requests included, in milliseconds.
pub(crate) const HEAD_READ_TIMEOUT_MS: u64 = 60_000;

/// Longest time in which a body may make no progress at all, in milliseconds, unless the settings say otherwise. A body's total
/// time is not bounded. A sender is timed while its next byte is awaited, a receiver while it does not take what was sent.
pub(crate) const BODY_IDLE_TIMEOUT_MS: u64 = 60_000;

/// Least rate at which a client sends its body and takes its answer while it is waited for, in bytes per second, unless the
/// settings say otherwise: half of what the slowest modem still in use carries, and twenty times what holds a connection open
/// without being noticed. Microsoft's servers have had the same number for long.
pub(crate) const BODY_RATE_MIN: u32 = 240;

/// How often a receiver that takes nothing visibly is looked at, as a fraction of the idle limit.
pub(crate) const RECEIVER_LOOKS: u32 = 4;

/// Client connections at a time, unless the settings say otherwise.
pub(crate) const CONNECTIONS_MAX: u32 = 16_384;

/// … of one client address, unless the settings say otherwise: half of them, so that no address alone fills a
/// proxy; many people behind one address share it.
pub(crate) const CONNECTIONS_PER_ADDRESS_MAX: u32 = CONNECTIONS_MAX / 2;

/// Bits of an IPv6 address by which clients are told apart: a subscriber has the rest to choose from (RFC 6177 section 2).
pub(crate) const IPV6_CLIENT_BITS: u32 = 64;

/// Counters of each of the two rows in which connections of client addresses are counted.
pub(crate) const ADDRESS_COUNTERS: usize = 32 * 1024;

/// How long new connections wait for room when the process has as many as it may, in milliseconds: bursts end sooner, and nobody
/// learns anything by waiting longer.
pub(crate) const FULL_WAIT_MS: u64 = 1_000;

/// How often the workers are compared, in milliseconds: a burst of a second is no imbalance that lives long.
pub(crate) const SHARES_LOOK_MS: u64 = 1_000;

/// What part of the time a worker must be busy for connections to leave it, and how much more of it than the idlest one: below, its
/// requests hardly wait for each other, and the kernel gives other threads of the same core their turn.
pub(crate) const SHARES_BUSY_MIN: f64 = 0.5;
pub(crate) const SHARES_DIFFERENCE_MIN: f64 = 0.2;

/// Threads of the control runtime for what waits, besides one for each worker: resolving, files, the state directory.
pub(crate) const CONTROL_BLOCKING_THREADS_MAX: usize = 512;

/// Open connections that move from one worker to another between two comparisons, and as many new ones.
pub(crate) const SHARES_MOVES_MAX: u8 = 64;

/// Requests under way at a time, unless the settings say otherwise: as many as connections, since HTTP/1.1 has one for each.
pub(crate) const REQUESTS_MAX: u32 = CONNECTIONS_MAX;

/// What is told to clients that are refused because there is too much to do, in seconds: the least that gives the load of a burst
/// time to go.
pub(crate) const OVERLOAD_RETRY_AFTER_SECONDS: u32 = 2;

/// The part of a limit that must be free again before new work is taken on, as a divisor: so it does not flap.
pub(crate) const OVERLOAD_RELIEF: i64 = 16;

/// What a pipe may hold, in bytes: kernel memory of a body that is on its way in one. Where the user has too much of it already
/// the kernel gives a smaller one.
pub(crate) const PIPE_BYTES: usize = 512 * 1024;

/// Longest wait for a connection to an upstream, name resolution and TLS included, in milliseconds.
pub(crate) const CONNECT_TIMEOUT_MS: u64 = 5_000;

/// Connections to one upstream target, per worker.
pub(crate) const UPSTREAM_CONNECTIONS_PER_TARGET_MAX: usize = 1_024;

/// Flow-control window of one HTTP/2 connection to a service, in bytes: as much as all its streams may have, so that those
/// whose clients read slowly do not hold up the others.
pub(crate) const UPSTREAM_CONNECTION_WINDOW_BYTES: u32 =
    H2_STREAM_WINDOW_BYTES * UPSTREAM_STREAMS_PER_CONNECTION_MAX as u32;

/// Head of one HTTP/2 response of a service, in bytes as RFC 9113 section 10.5.1 counts them; HTTP/1 heads have as much.
pub(crate) const UPSTREAM_HEADER_LIST_BYTES_MAX: u32 = STREAM_BUFFER_BYTES as u32;

/// Requests at a time on one HTTP/2 connection to a service: what servers commonly allow (RFC 9113 section 6.5.2).
pub(crate) const UPSTREAM_STREAMS_PER_CONNECTION_MAX: usize = 100;

/// Streams of such a connection that were reset and are remembered for a second: what their upstreams go on sending is thrown away
/// without an answer to each frame. As often as all streams may be given up within that time.
pub(crate) const UPSTREAM_RESET_STREAMS_MAX: usize = 10 * UPSTREAM_STREAMS_PER_CONNECTION_MAX;

/// What the small frames of such a connection that wait to be read may cost besides what is in them, in bytes. Beyond, the connection
/// ends: frames of an octet would fill a window with memory many times its size.
pub(crate) const UPSTREAM_SMALL_FRAMES_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Longest wait for one of those connections when all are busy, in milliseconds.
pub(crate) const UPSTREAM_CONNECTION_WAIT_MS: u64 = 1_000;

/// An upstream connection that was not used for this long is closed, in milliseconds.
pub(crate) const UPSTREAM_IDLE_MS: u64 = 55_000;

/// How often idle upstream connections are looked through, in milliseconds.
pub(crate) const UPSTREAM_SWEEP_MS: u64 = 5_000;

/// Longest and shortest time for which the addresses of a name are kept, in milliseconds, whatever its servers say: who moves a
/// service should not have to wait for a time that somebody chose years ago, and servers that say 0 mean to be asked
/// often, not for each request.
pub(crate) const DNS_TTL_MAX_MS: u64 = 300_000;
pub(crate) const DNS_TTL_MIN_MS: u64 = 1_000;

/// When the addresses of a name in use are asked for again, in percent of the time for which they are kept: early enough for
/// one question to be lost.
pub(crate) const DNS_REFRESH_PERCENT: u32 = 80;

/// For how long the last known addresses are used beyond their time when no server answers, in milliseconds. A server that is
/// away for an hour is being repaired; behind that, addresses may belong to somebody else (RFC 8767 allows days).
pub(crate) const DNS_STALE_MS: u64 = 3_600_000;

/// How long it counts that a name has no address, in milliseconds: it may be about to get one.
pub(crate) const DNS_NEGATIVE_MS: u64 = 5_000;

/// First and longest pause between two questions that no server answers, in milliseconds (RFC 8767 section 5: 30 seconds).
pub(crate) const DNS_RETRY_MS: (u64, u64) = (1_000, 30_000);

/// How long an entry of the machine's own list of hosts counts, in milliseconds. To look at the file again is cheap.
pub(crate) const DNS_HOSTS_TTL_MS: u64 = 5_000;

/// Longest wait for one server, in milliseconds, and how often it is asked again at most: both together are less than
/// [`CONNECT_TIMEOUT_MS`], so that a question which got lost costs no request.
pub(crate) const DNS_SERVER_TIMEOUT_MS: u64 = 1_500;
pub(crate) const DNS_RETRANSMITS_MAX: usize = 1;

/// Longest wait for the addresses of a name, all servers and all names of the search list together, in milliseconds.
pub(crate) const DNS_LOOKUP_TIMEOUT_MS: u64 = 10_000;

/// Questions that are asked at a time; further ones wait.
pub(crate) const DNS_LOOKUPS_MAX: usize = 64;

/// Names that are followed at a time: more than the configurations that one process can hold have upstreams.
pub(crate) const DNS_NAMES_MAX: usize = 10_000;

/// Addresses of one name that are used; a choice by chance among more is no better.
pub(crate) const DNS_ADDRESSES_MAX: usize = 64;

/// What an attempt to connect may take of the time that is left when there is another address to try, in percent.
pub(crate) const UPSTREAM_CONNECT_SHARE_PERCENT: u32 = 50;

/// Failures in a row for which an address is ejected, as in Envoy.
pub(crate) const UPSTREAM_EJECTION_FAILURES: u32 = 5;

/// How long an address is ejected for the first time, in seconds, unless the settings say otherwise, as in Envoy. Each time is
/// twice the one before. As long as this it gets less than its share when it returns: caches fill, and compilers that
/// compile what runs often do.
pub(crate) const UPSTREAM_EJECTION_S: u64 = 30;

/// How long it is ejected at most, as a multiple of that, and how long it must have served well since for the next time to be the
/// first one again.
pub(crate) const UPSTREAM_EJECTION_TIMES_MAX: u32 = 10;

/// How many of a target's addresses may be ejected at a time, in percent. If more than half fail, the fault is likely
/// elsewhere, and the rest could not bear the load.
pub(crate) const UPSTREAM_EJECTED_PERCENT_MAX: usize = 50;

/// The share that an address which returns begins with, in thousandths of a whole one. Without any nobody would see whether it is well.
pub(crate) const UPSTREAM_RETURN_WEIGHT_MIN: u32 = 100;

/// Targets of one worker whose addresses are shown to operators.
pub(crate) const UPSTREAM_TARGETS_SHOWN_MAX: usize = 1_000;

/// Over how many seconds requests and retries are compared.
pub(crate) const UPSTREAM_RETRY_WINDOW_S: usize = 10;

/// Retries to one target that a worker allows in that time whatever its budget says: without them a target that is seldom
/// called would have none.
pub(crate) const UPSTREAM_RETRIES_MIN: u32 = 10;

/// How often a request whose reused connection turns out dead is moved to another one.
pub(crate) const UPSTREAM_ATTEMPTS_MAX: u32 = 3;

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

/// Input that is encoded to base64 at a time, in bytes: three quarters of [`DECODE_PIECE_BYTES`], so that a gateway that
/// decodes what another one encoded works on whole pieces. A multiple of three.
pub(crate) const ENCODE_PIECE_BYTES: usize = 48 * 1024;

/// Input that is decoded from base64 at a time, in bytes: input and output together fit a second-level cache. A multiple
/// of four.
pub(crate) const DECODE_PIECE_BYTES: usize = 64 * 1024;

/// Input that is repaired to UTF-8 at a time, in bytes; the repaired text has up to three times as many.
pub(crate) const LOSSY_PIECE_BYTES: usize = 64 * 1024;

/// Output of one step of compressing or decompressing, in bytes. One such piece, and the frame that it is made from, is
/// what a coded body holds beside the coder's own state.
pub(crate) const CODING_PIECE_BYTES: usize = 64 * 1024;

/// What a compressed body may become, as a multiple of its bytes on the wire. Deflate, the mildest of the codings, can
/// reach 1,032 by its format; a document that reaches a tenth of that says nothing.
pub(crate) const EXPANSION_RATIO_MAX: u64 = 100;

/// … and what it may become whatever the ratio, in bytes: small bodies of much repetition are honest.
pub(crate) const EXPANSION_FREE_BYTES: u64 = 1024 * 1024;

/// Quality of brotli, 0 to 11: the highest one that does without modelling contexts.
pub(crate) const BROTLI_QUALITY: u32 = 4;

/// Window of brotli as a power of two, in bytes. Its own default would hold 4 MiB for the window alone.
pub(crate) const BROTLI_WINDOW_LOG: u32 = 18;

/// Level of gzip and deflate, 0 to 9: zlib's own compromise.
pub(crate) const DEFLATE_LEVEL: u32 = 6;

/// Level of zstd, its own default.
pub(crate) const ZSTD_LEVEL: i32 = 3;

/// Window of zstd as a power of two, in bytes. The level's own would be 2 MiB.
pub(crate) const ZSTD_WINDOW_LOG: u32 = 18;

/// Largest window of zstd that is read, as a power of two, in bytes: what RFC 9659 allows to the content coding.
pub(crate) const ZSTD_READ_WINDOW_LOG_MAX: u32 = 23;

/// What gzip or deflate holds to compress a body, in bytes, at this level: measured 371 KiB whatever the content. This and
/// its like below are taken from the budget before the coder is made. What a coder holds only within one call, up to half
/// as much again with brotli, exists once for each worker and is not counted.
pub(crate) const DEFLATE_ENCODER_BYTES: usize = 384 * 1024;

/// What brotli holds to compress a body, in bytes, at this quality and window: measured 2.8 to 3.8 MiB, the most for text
/// of few repetitions.
pub(crate) const BROTLI_ENCODER_BYTES: usize = 4 * 1024 * 1024;

/// What zstd holds to compress a body, in bytes, at this level and window: measured 1,785 KiB whatever the content.
pub(crate) const ZSTD_ENCODER_BYTES: usize = 1792 * 1024;

/// What gzip or deflate holds to decompress a body, in bytes: its window of 32 KiB and its tables, measured 46 KiB.
pub(crate) const DEFLATE_DECODER_BYTES: usize = 64 * 1024;

/// What brotli may hold to decompress a body, in bytes. The sender chooses the window, up to 16 MiB, and there is no
/// standard that lets a decoder refuse the larger ones (RFC 7932 section 9.1); the rest is for three groups of up to 256
/// prefix codes (section 9.2), of at most 5 KiB each.
pub(crate) const BROTLI_DECODER_BYTES: usize = 20 * 1024 * 1024;

/// What zstd may hold to decompress a body, in bytes: the window that the sender chooses, up to
/// [`ZSTD_READ_WINDOW_LOG_MAX`], two blocks and its tables, measured 8.5 MiB.
pub(crate) const ZSTD_DECODER_BYTES: usize = 9 * 1024 * 1024;

/// Bodies that the process holds in memory at a time, in bytes, and the coders of those that pass, unless the settings say
/// otherwise: 25 of the largest that the specification knows (10 MiB, section j).
pub(crate) const COLLECT_BUDGET_BYTES: usize = 256 * 1024 * 1024;

/// Longest wait for a share of that budget, in milliseconds. A request that waits holds what it has already, so the wait
/// is what ends two requests that wait for each other.
pub(crate) const COLLECT_BUDGET_WAIT_MS: u64 = 1_000;

/// Longest time in which a body that is collected must be complete, in milliseconds: 10 MiB at 700 kbit/s.
pub(crate) const COLLECT_TIMEOUT_MS: u64 = 120_000;

/// First allocation for bytes that are held, in bytes; it doubles from there.
pub(crate) const COLLECT_FIRST_BYTES: usize = 4 * 1024;

/// Bytes of a collected body that are handed to a connection at a time: one write each, and each wakes the other side.
pub(crate) const WHOLE_PIECE_BYTES: usize = 256 * 1024;

/// Largest piece of a body that was looked ahead into, in bytes; also what can be looked at in one piece.
pub(crate) const LOOK_AHEAD_BLOCK_BYTES: usize = 64 * 1024;

/// Decoded bytes that are made before an upstream is called, so that a small body that cannot be decoded fails as the
/// specification says (section a.6).
pub(crate) const DECODE_LOOKAHEAD_BYTES: usize = 1024 * 1024;

/// Longest wait for them, in milliseconds; a slower body goes on with the error still possible.
pub(crate) const DECODE_LOOKAHEAD_MS: u64 = 10_000;

/// Bytes that are looked at to guess a media type: as many as the model's guess can use.
pub(crate) const SNIFF_BYTES: usize = penstock_model::content::SNIFF_BYTES_MAX;

/// Longest wait for the bytes that decide whether a body is large enough to be compressed, or what media type it has, in
/// milliseconds. What an upstream tells as it happens must not wait longer.
pub(crate) const SNIFF_WAIT_MS: u64 = 50;

/// Bytes that are read of an answer without a length to see whether it is large enough to be compressed, at most. One
/// that is larger counts as large enough.
pub(crate) const COMPRESSION_LOOKAHEAD_BYTES: usize = 1024 * 1024;

/// Largest answer that is held to put its digest into the head, in bytes, where the client takes no trailers.
pub(crate) const DIGEST_COLLECT_BYTES_MAX: usize = 64 * 1024;

/// Largest body that is read only to be thrown away, in bytes, so that its connection can go on behind it.
pub(crate) const DISCARD_BYTES_MAX: usize = 64 * 1024;

/// Longest wait for such a body of a request, in milliseconds. Most come with their heads.
pub(crate) const DISCARD_WAIT_MS: u64 = 5_000;

/// Largest answer with a digest that is read before its head goes on, in bytes, so that a wrong one is a 502 and not a cut.
pub(crate) const VERIFY_LOOKAHEAD_BYTES: usize = 64 * 1024;

/// Longest wait of one request for credentials that are being loaded, in milliseconds.
pub(crate) const CREDENTIALS_WAIT_MS: u64 = 5_000;

/// Longest time in which the chain of credentials must answer, in milliseconds: its last link waits twice for an address
/// that nobody may have.
pub(crate) const CREDENTIALS_LOAD_TIMEOUT_MS: u64 = 20_000;

/// How long before they expire credentials are renewed, in milliseconds: what a request was signed with must be valid when
/// the service reads it, and a renewal may fail for a while.
pub(crate) const CREDENTIALS_RENEW_BEFORE_MS: u64 = 300_000;

/// First and longest pause between attempts to renew credentials, in milliseconds.
pub(crate) const CREDENTIALS_RETRY_MS: (u64, u64) = (1_000, 60_000);

/// Largest message of a streamed function answer, in bytes: what the framing's own definition allows, 16 MiB of payload and
/// 128 KiB of headers.
pub(crate) const EVENT_MESSAGE_BYTES_MAX: usize = 16 * 1024 * 1024 + 128 * 1024 + 16;

/// What a message may have without taking its room from the budget of collected bytes, in bytes: as much as any stream
/// holds of what passes.
pub(crate) const EVENT_MESSAGE_FREE_BYTES: usize = 64 * 1024;

/// Idle time of an answer that is streamed by configuration, in milliseconds (section k: five minutes).
pub(crate) const STREAM_IDLE_TIMEOUT_MS: u64 = 300_000;

/// Largest document that is sent to a function, in bytes, unless the settings say otherwise (section j).
pub(crate) const FUNCTION_PAYLOAD_BYTES_MAX: usize = 6 * 1024 * 1024;

/// How much larger a result may be than the largest event, in bytes: the service lets results of 6,291,556 bytes through.
pub(crate) const FUNCTION_RESULT_EXTRA_BYTES: usize = 100;

/// Text that is written into an event at a time, in bytes: what the escapes may add to it is bounded by a multiple of this.
pub(crate) const EVENT_TEXT_PIECE_BYTES: usize = 64 * 1024;

/// Longest request line that is remembered, in bytes of method, host and path together. With the default of
/// `--recent-requests` that is 1 MiB for each worker at most.
pub(crate) const RECENT_LINE_BYTES_MAX: usize = 1024;

/// Questions for the lines of a worker that wait for it; whoever asks one more waits too.
pub(crate) const RECENT_QUESTIONS_MAX: usize = 4;

/// Most lines of one answer.
pub(crate) const RECENT_ANSWER_LINES_MAX: usize = 4_096;

/// Deployments of one stage whose requests are counted for a control plane: the one on trial, the others', and those that
/// change meanwhile.
pub(crate) const MEASURED_DEPLOYMENTS_MAX: usize = 8;

/// Lines in one message of an answer, in bytes; the last of them may go beyond.
pub(crate) const RECENT_MESSAGE_BYTES: usize = 256 * 1024;

#[cfg(test)]
mod tests;
