//! One line for each request, whatever happened to it. Written by a thread of its own: a slow disk must not slow a
//! request, so lines that do not fit its queue are counted and dropped.

use crate::limits::ACCESS_LOG_QUEUE_LINES;
use crate::metrics::Metrics;
use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

/// How lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum AccessLogFormat {
    /// No lines.
    Off,
    /// One JSON object a line, for programs.
    Json,
    /// One line for people.
    Text,
}

/// What a line says. Never a body, never a header that may hold a secret, never a query.
pub(crate) struct Entry {
    pub(crate) request_id: uuid::Uuid,
    pub(crate) method: http::Method,
    pub(crate) host: String,
    pub(crate) path: String,
    pub(crate) status: u16,
    pub(crate) reason: &'static str,
    pub(crate) origin: &'static str,
    pub(crate) api: String,
    pub(crate) stage: String,
    pub(crate) resource: String,
    pub(crate) client: std::net::SocketAddr,
    pub(crate) protocol: &'static str,
    pub(crate) request_bytes: u64,
    pub(crate) response_bytes: u64,
    /// Of the request body as it came, when it was computed.
    pub(crate) request_sha256: Option<[u8; 32]>,
    /// Of the answer's body as it was last computed.
    pub(crate) response_sha256: Option<[u8; 32]>,
    /// Whether the canary served it.
    pub(crate) canary: bool,
    pub(crate) duration: Duration,
    pub(crate) upstream_wait: Option<Duration>,
    pub(crate) config_version: u64,
    pub(crate) time_ms: u64,
}

/// The writing end, held by every worker.
#[derive(Clone)]
pub(crate) struct AccessLog {
    queue: Option<SyncSender<Entry>>,
    metrics: Arc<Metrics>,
}

impl AccessLog {
    /// Starts the writer. It ends when the last clone is dropped; join the handle then, so that no line is lost.
    pub(crate) fn start(format: AccessLogFormat, metrics: Arc<Metrics>) -> io::Result<(Self, Option<JoinHandle<()>>)> {
        if format == AccessLogFormat::Off {
            return Ok((Self { queue: None, metrics }, None));
        }
        let (queue, lines) = sync_channel(ACCESS_LOG_QUEUE_LINES);
        let writer =
            std::thread::Builder::new().name("access-log".into()).spawn(move || write_lines(&lines, format))?;
        Ok((Self { queue: Some(queue), metrics }, Some(writer)))
    }

    /// Whether anybody reads the lines; making an entry costs a few allocations.
    pub(crate) fn is_on(&self) -> bool {
        self.queue.is_some()
    }

    /// Hands a line to the writer, or counts it as lost.
    pub(crate) fn write(&self, entry: Entry) {
        if let Some(queue) = &self.queue
            && let Err(TrySendError::Full(_)) = queue.try_send(entry)
        {
            self.metrics.access_log_lost.inc();
        }
    }
}

fn write_lines(lines: &Receiver<Entry>, format: AccessLogFormat) {
    let mut text = String::with_capacity(16 * 1024);
    while let Ok(entry) = lines.recv() {
        text.clear();
        render(&mut text, &entry, format);
        // What waits already goes out in the same write.
        while text.len() < 15 * 1024
            && let Ok(entry) = lines.try_recv()
        {
            render(&mut text, &entry, format);
        }
        // Nothing can be done about a closed standard output, and a proxy without its log still serves.
        let _ = io::stdout().lock().write_all(text.as_bytes());
    }
}

fn render(text: &mut String, entry: &Entry, format: AccessLogFormat) {
    let duration_ms = entry.duration.as_secs_f64() * 1000.0;
    let upstream_ms = entry.upstream_wait.map(|wait| wait.as_secs_f64() * 1000.0);
    if format == AccessLogFormat::Text {
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            "{} {} {}{} {} {} in {} out {} {:.1}ms {}",
            entry.client,
            entry.method,
            entry.host,
            entry.path,
            entry.protocol,
            entry.status,
            entry.request_bytes,
            entry.response_bytes,
            duration_ms,
            entry.reason,
        );
        return;
    }
    let line = serde_json::json!({
        "time_ms": entry.time_ms,
        "request_id": entry.request_id.to_string(),
        "method": entry.method.as_str(),
        "host": entry.host,
        "path": entry.path,
        "status": entry.status,
        "reason": entry.reason,
        "origin": entry.origin,
        "api": entry.api,
        "stage": entry.stage,
        "resource": entry.resource,
        "client": entry.client.to_string(),
        "protocol": entry.protocol,
        "request_bytes": entry.request_bytes,
        "response_bytes": entry.response_bytes,
        "request_sha256": entry.request_sha256.map(hexadecimal),
        "response_sha256": entry.response_sha256.map(hexadecimal),
        "canary": entry.canary,
        "duration_ms": duration_ms,
        "upstream_wait_ms": upstream_ms,
        "config_version": entry.config_version,
    });
    let _ = writeln!(text, "{line}");
}

fn hexadecimal(sha256: [u8; 32]) -> String {
    penstock_model::bundle::Hash(sha256).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry() -> Entry {
        Entry {
            request_id: uuid::Uuid::nil(),
            method: http::Method::POST,
            host: "api.test".into(),
            path: "/images\"".into(),
            status: 200,
            reason: "ok",
            origin: "upstream",
            api: "a".into(),
            stage: "prod".into(),
            resource: "/images".into(),
            client: ([127, 0, 0, 1], 5000).into(),
            protocol: "HTTP/1.1",
            request_bytes: 10,
            response_bytes: 20,
            request_sha256: None,
            response_sha256: Some([0xa5; 32]),
            canary: false,
            duration: Duration::from_micros(1500),
            upstream_wait: None,
            config_version: 7,
            time_ms: 1,
        }
    }

    #[test]
    fn json_lines_are_json_whatever_the_client_sent() {
        let mut text = String::new();
        render(&mut text, &entry(), AccessLogFormat::Json);
        let line: serde_json::Value = serde_json::from_str(&text).expect("one JSON object");
        assert_eq!(line["path"], "/images\"");
        assert_eq!(line["duration_ms"], 1.5);
        assert_eq!(line["request_sha256"], serde_json::Value::Null);
        assert_eq!(line["response_sha256"], "a5".repeat(32));
        assert_eq!(line["upstream_wait_ms"], serde_json::Value::Null);
    }

    #[test]
    fn lines_for_people_have_the_facts_in_reading_order() {
        let mut text = String::new();
        render(&mut text, &entry(), AccessLogFormat::Text);
        assert_eq!(text, "127.0.0.1:5000 POST api.test/images\" HTTP/1.1 200 in 10 out 20 1.5ms ok\n");
    }

    #[test]
    fn a_log_that_is_off_takes_nothing() {
        let (log, writer) = AccessLog::start(AccessLogFormat::Off, Arc::new(Metrics::new())).expect("starts");
        assert!(!log.is_on() && writer.is_none());
        log.write(entry());
    }

    #[test]
    fn lines_that_do_not_fit_the_queue_are_counted_and_hold_up_nobody() {
        let (queue, lines) = sync_channel(2);
        let log = AccessLog { queue: Some(queue), metrics: Arc::new(Metrics::new()) };
        let lost = || log.metrics.access_log_lost.get();
        for (written, expected) in [(1, 0), (2, 0), (3, 1), (4, 2)] {
            log.write(entry());
            assert_eq!(lost(), expected, "after {written}");
        }
        lines.recv().expect("one waits");
        log.write(entry());
        assert_eq!((lost(), lines.try_iter().count()), (2, 2), "there is room again");
        drop(lines);
        log.write(entry());
        assert_eq!(lost(), 2, "nobody reads any more, and nothing is lost that somebody would have read");
    }
}
