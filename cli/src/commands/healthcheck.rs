//! `penstock healthcheck`: one plain HTTP GET, for containers that hold no other client.
//!
//! It reads the status line and no further, so that no answer, however long or slow, can hold it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::{Duration, Instant};

use clap::Args;
use http::Uri;

use crate::exit::Failure;

/// The whole check, when the user does not say: container engines ask every few seconds.
const CHECK_MS_DEFAULT: u64 = 3_000;
/// The status line is shorter, or it is none.
const STATUS_LINE_BYTES_MAX: u64 = 512;

/// Ask an HTTP address whether it is well: done means a 2xx answer
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  penstock healthcheck http://127.0.0.1:9090/health/ready       the control plane
  penstock healthcheck http://127.0.0.1:8081/health/ready       a proxy

It waits 3 seconds, or --timeout. Another answer is exit code 1, none is 6.")]
pub(crate) struct Healthcheck {
    /// http:// address; redirects are not followed
    url: String,
}

impl Healthcheck {
    /// # Errors
    /// [`Failure::Failed`] for another answer, [`Failure::Unanswered`] for none.
    pub(crate) fn run(self, timeout: Option<Duration>) -> Result<(), Failure> {
        match status(&self.url, timeout.unwrap_or(Duration::from_millis(CHECK_MS_DEFAULT)))? {
            200..300 => Ok(()),
            status => Err(Failure::Failed(format!("{} answers {status}", self.url))),
        }
    }
}

/// The status that a GET of `url` is answered with.
///
/// # Errors
/// [`Failure::Usage`] for what is no http URL, [`Failure::Unanswered`] without an HTTP answer in time.
pub(crate) fn status(url: &str, timeout: Duration) -> Result<u16, Failure> {
    let usage = |why: &str| Failure::Usage(format!("{url:?} cannot be asked: {why}"));
    let uri: Uri = url.parse().map_err(|_| usage("it is no URL"))?;
    if uri.scheme_str() != Some("http") {
        return Err(usage("it has to start with http://"));
    }
    let host = uri.host().ok_or_else(|| usage("the host is missing"))?;
    let authority = uri.authority().ok_or_else(|| usage("the host is missing"))?;
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let unanswered = |reason: String| Failure::Unanswered { url: url.to_owned(), reason };

    let deadline = Instant::now() + timeout;
    let address = (host.trim_start_matches('[').trim_end_matches(']'), uri.port_u16().unwrap_or(80));
    let mut stream = connect(address, deadline).map_err(|error| unanswered(error.to_string()))?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: {authority}\r\nConnection: close\r\n\r\n");
    let answered = stream.write_all(request.as_bytes()).and_then(|()| status_line(stream, deadline));
    let line = answered.map_err(|error| unanswered(error.to_string()))?;
    parse_status(&line).ok_or_else(|| unanswered("the answer is not HTTP".into()))
}

fn left(deadline: Instant) -> std::io::Result<Duration> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() { Err(std::io::ErrorKind::TimedOut.into()) } else { Ok(left) }
}

/// Tries each address of the host until one takes us or the time is over.
fn connect(address: (&str, u16), deadline: Instant) -> std::io::Result<TcpStream> {
    let mut last = std::io::Error::new(std::io::ErrorKind::NotFound, "the host has no address");
    for address in address.to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, left(deadline)?) {
            Ok(stream) => {
                stream.set_write_timeout(Some(left(deadline)?))?;
                return Ok(stream);
            }
            Err(error) => last = error,
        }
    }
    Err(last)
}

fn status_line(stream: TcpStream, deadline: Instant) -> std::io::Result<Vec<u8>> {
    let mut line = Vec::new();
    let mut reader = BufReader::new(stream.take(STATUS_LINE_BYTES_MAX));
    // A byte now and then must not extend the wait, so the timeout shrinks with each read.
    while !line.ends_with(b"\n") {
        reader.get_ref().get_ref().set_read_timeout(Some(left(deadline)?))?;
        let (taken, done) = match reader.fill_buf() {
            Ok([]) => break,
            Ok(bytes) => {
                let end = bytes.iter().position(|&byte| byte == b'\n').map_or(bytes.len(), |at| at + 1);
                line.extend_from_slice(&bytes[..end]);
                (end, line.ends_with(b"\n"))
            }
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            // What a socket's expired timeout is called on Linux says nothing to people.
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                return Err(std::io::ErrorKind::TimedOut.into());
            }
            Err(error) => return Err(error),
        };
        reader.consume(taken);
        if done {
            break;
        }
    }
    Ok(line)
}

fn parse_status(line: &[u8]) -> Option<u16> {
    let line = std::str::from_utf8(line).ok()?;
    let mut words = line.strip_prefix("HTTP/1.")?.split_ascii_whitespace();
    words.next()?;
    let status: u16 = words.next()?.parse().ok()?;
    (100..600).contains(&status).then_some(status)
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::thread;

    use super::*;

    const LONG: Duration = Duration::from_secs(10);

    /// A server that answers one request with `answer`; its URL.
    fn answering(answer: &'static [u8]) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/health/ready?deep=1", listener.local_addr().unwrap());
        thread::spawn(move || {
            let (stream, _) = listener.accept().unwrap();
            let mut request = BufReader::new(stream.try_clone().unwrap()).lines();
            assert_eq!(request.next().unwrap().unwrap(), "GET /health/ready?deep=1 HTTP/1.1");
            let _ = (&stream).write_all(answer);
        });
        url
    }

    #[test]
    fn two_hundred_something_is_well() {
        assert!(Healthcheck { url: answering(b"HTTP/1.1 204 No Content\r\n\r\n") }.run(Some(LONG)).is_ok());
        assert!(Healthcheck { url: answering(b"HTTP/1.0 200\n") }.run(Some(LONG)).is_ok());
    }

    #[test]
    fn another_answer_is_a_failure() {
        let failure = Healthcheck { url: answering(b"HTTP/1.1 503 Not Ready\r\n\r\n") }.run(Some(LONG)).unwrap_err();
        assert_eq!(failure.code(), 1);
        assert!(failure.to_string().contains("503"), "{failure}");
    }

    #[test]
    fn an_answer_that_is_not_http_is_none() {
        for answer in [&b""[..], b"SSH-2.0-x\r\n", b"HTTP/1.1 abc\r\n", b"HTTP/1.1 99 x\r\n", &[b'x'; 2000]] {
            assert_eq!(status(&answering(answer), LONG).unwrap_err().code(), 6);
        }
    }

    #[test]
    fn a_closed_port_is_unavailable() {
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        assert_eq!(status(&format!("http://{address}/"), LONG).unwrap_err().code(), 6);
    }

    #[test]
    fn silence_ends_at_the_timeout() {
        let silent = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/", silent.local_addr().unwrap());
        let failure = status(&url, Duration::from_millis(50)).unwrap_err();
        assert_eq!(failure.code(), 6);
        assert!(failure.to_string().contains("timed out"), "{failure}");
    }

    #[test]
    fn only_http_urls_are_asked() {
        for url in ["https://localhost/", "localhost:80", "ftp://x/", "http://", ""] {
            assert_eq!(status(url, LONG).unwrap_err().code(), 2, "{url}");
        }
    }
}
