//! A parser of HTTP/1.1 that shares nothing with the gateway: strict, whole messages only, and as slow as is convenient. It says what is
//! wrong in words (RFC 9112, RFC 9110, RFC 3986 section 3.2.2).

/// A whole request, or a whole answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// The first line, split at its blanks: three parts.
    pub start: [String; 3],
    /// Header lines with their names in lower case.
    pub headers: Vec<(String, Vec<u8>)>,
    /// Without its framing.
    pub body: Vec<u8>,
    /// Trailer lines with their names in lower case.
    pub trailers: Vec<(String, Vec<u8>)>,
}

impl Message {
    /// The values of a header.
    pub fn all(&self, name: &str) -> Vec<&[u8]> {
        self.headers.iter().filter(|line| line.0 == name).map(|line| line.1.as_slice()).collect()
    }
}

/// What lies at the front of some bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Parsed {
    /// A whole message of so many bytes.
    Whole(Box<Message>, usize),
    /// The beginning of one, with what there is of its head, if that is whole, and of its body.
    Part(Option<Box<Message>>),
    /// None.
    Malformed(String),
}

/// Why parsing stopped.
enum Stop {
    Part,
    Malformed(String),
}

type Step<T> = Result<T, Stop>;

fn malformed<T>(why: impl Into<String>) -> Step<T> {
    Err(Stop::Malformed(why.into()))
}

/// Reads the request at the front of what an upstream has received.
pub fn request(bytes: &[u8]) -> Parsed {
    let framing = |message: &Message| {
        let [method, target, version] = &message.start;
        if version != "HTTP/1.1" {
            return malformed(format!("version {version}"));
        }
        if method.is_empty() || !method.bytes().all(is_tchar) {
            return malformed(format!("method {method:?}"));
        }
        // RFC 3986 has fewer bytes than these. What browsers leave as it is cannot be taken for the end of a target.
        if !target.starts_with('/') || !target.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#') {
            return malformed(format!("target {target:?}"));
        }
        let hosts = message.all("host");
        if hosts.len() != 1 || !is_host(hosts[0]) {
            return malformed(format!("hosts {hosts:?}"));
        }
        framing(message, true)
    };
    parse(bytes, framing, false)
}

/// Reads the answer at the front of what a client has received. `method` is the request's; `ended`: nothing more will come.
pub fn answer(bytes: &[u8], method: &str, ended: bool) -> Parsed {
    let framing = |message: &Message| {
        let [version, status, _] = &message.start;
        if version != "HTTP/1.1" && version != "HTTP/1.0" {
            return malformed(format!("version {version}"));
        }
        if status.len() != 3 || !status.bytes().all(|byte| byte.is_ascii_digit()) {
            return malformed(format!("status {status}"));
        }
        let stated = framing(message, false)?;
        let has_none = status == "204" || status.starts_with('1');
        if has_none && stated != Framing::ToEnd {
            return malformed("a length where there may be none");
        }
        Ok(if has_none || method == "HEAD" || status == "304" { Framing::None } else { stated })
    };
    parse(bytes, framing, ended)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Framing {
    None,
    Sized(usize),
    Chunked,
    ToEnd,
}

fn parse(bytes: &[u8], framing: impl Fn(&Message) -> Step<Framing>, ended: bool) -> Parsed {
    let mut rest = bytes;
    let mut message = match head(&mut rest) {
        Ok(message) => message,
        Err(Stop::Part) => return Parsed::Part(None),
        Err(Stop::Malformed(why)) => return Parsed::Malformed(why),
    };
    let read = framing(&message).and_then(|framing| body(&mut message, &mut rest, framing, ended));
    match read {
        Ok(()) => Parsed::Whole(Box::new(message), bytes.len() - rest.len()),
        Err(Stop::Part) => Parsed::Part(Some(Box::new(message))),
        Err(Stop::Malformed(why)) => Parsed::Malformed(why),
    }
}

fn head(rest: &mut &[u8]) -> Step<Message> {
    let first = line(rest)?;
    let Ok(first) = std::str::from_utf8(first) else { return malformed("a first line that is no text") };
    let mut parts = first.splitn(3, ' ').map(str::to_owned);
    let mut part = || parts.next().map_or_else(|| malformed(format!("first line {first:?}")), Ok);
    let start = [part()?, part()?, part()?];
    Ok(Message { start, headers: fields(rest)?, body: Vec::new(), trailers: Vec::new() })
}

/// Takes a line off the front. Neither CR nor LF may stand alone.
fn line<'a>(rest: &mut &'a [u8]) -> Step<&'a [u8]> {
    let Some(end) = rest.iter().position(|byte| matches!(byte, b'\r' | b'\n')) else { return Err(Stop::Part) };
    match &rest[end..] {
        [b'\r', b'\n', ..] => {
            let line = &rest[..end];
            *rest = &rest[end + 2..];
            Ok(line)
        }
        [b'\r'] => Err(Stop::Part),
        _ => malformed("a bare CR or LF"),
    }
}

/// Takes lines off the front, up to and with an empty one.
fn fields(rest: &mut &[u8]) -> Step<Vec<(String, Vec<u8>)>> {
    let mut fields = Vec::new();
    loop {
        let line = line(rest)?;
        if line.is_empty() {
            return Ok(fields);
        }
        let Some(colon) = line.iter().position(|&byte| byte == b':') else {
            return malformed("a line without a colon");
        };
        let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
        if name.is_empty() || !name.iter().copied().all(is_tchar) {
            return malformed(format!("name {}", name.escape_ascii()));
        }
        if value.iter().any(|&byte| (byte < b' ' && byte != b'\t') || byte == 0x7f) {
            return malformed(format!("value {}", value.escape_ascii()));
        }
        fields.push((String::from_utf8_lossy(name).to_ascii_lowercase(), value.to_vec()));
    }
}

fn framing(message: &Message, is_request: bool) -> Step<Framing> {
    let (lengths, codings) = (message.all("content-length"), message.all("transfer-encoding"));
    match (&lengths[..], &codings[..]) {
        ([], []) if is_request => Ok(Framing::None),
        ([], []) => Ok(Framing::ToEnd),
        ([], [b"chunked"]) => Ok(Framing::Chunked),
        ([length], []) if !length.is_empty() && length.iter().all(u8::is_ascii_digit) => {
            let length = std::str::from_utf8(length).ok().and_then(|digits| digits.parse().ok());
            length.map_or_else(|| malformed("a length beyond all bounds"), |length| Ok(Framing::Sized(length)))
        }
        _ => malformed(format!("lengths {lengths:?}, codings {codings:?}")),
    }
}

fn body(message: &mut Message, rest: &mut &[u8], framing: Framing, ended: bool) -> Step<()> {
    match framing {
        Framing::None => Ok(()),
        Framing::Sized(length) => take(rest, length, &mut message.body),
        Framing::ToEnd => {
            message.body = rest.to_vec();
            *rest = &[];
            if ended { Ok(()) } else { Err(Stop::Part) }
        }
        Framing::Chunked => loop {
            let size = line(rest)?;
            // Nobody here has a reason to write an extension, or a size of more than sixteen digits.
            if size.is_empty() || size.len() > 16 || !size.iter().all(u8::is_ascii_hexdigit) {
                return malformed(format!("chunk size {}", size.escape_ascii()));
            }
            let size = usize::from_str_radix(std::str::from_utf8(size).unwrap(), 16).unwrap();
            if size == 0 {
                message.trailers = fields(rest)?;
                let forbidden = ["content-length", "transfer-encoding", "host", "trailer", "connection"];
                let found = message.trailers.iter().find(|line| forbidden.contains(&line.0.as_str()));
                return found.map_or(Ok(()), |line| malformed(format!("trailer {}", line.0)));
            }
            take(rest, size, &mut message.body)?;
            match rest {
                [b'\r', b'\n', ..] => *rest = &rest[2..],
                [] | [b'\r'] => return Err(Stop::Part),
                _ => return malformed("data behind a chunk"),
            }
        },
    }
}

/// Takes so many bytes, or all there are if they are too few.
fn take(rest: &mut &[u8], length: usize, body: &mut Vec<u8>) -> Step<()> {
    let taken = length.min(rest.len());
    body.extend_from_slice(&rest[..taken]);
    *rest = &rest[taken..];
    if taken == length { Ok(()) } else { Err(Stop::Part) }
}

fn is_tchar(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

fn is_host(value: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(value) else { return false };
    text.parse::<std::net::SocketAddr>().is_ok()
        || (!text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-.:".contains(&byte)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_requests_are_told_from_parts_and_from_what_is_none() {
        let whole = b"POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nx: y\r\n\r\n";
        for end in 0..whole.len() {
            assert!(matches!(request(&whole[..end]), Parsed::Part(_)), "{end} bytes");
        }
        let Parsed::Whole(message, bytes) = request(whole) else { panic!("not whole") };
        assert_eq!((bytes, &message.body[..], message.trailers.len()), (whole.len(), &b"hi"[..], 1));
        for bad in [
            "GET /a HTTP/1.1\nHost: a\r\n\r\n",
            "GET /a  HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET a HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET /a HTTP/1.0\r\nHost: a\r\n\r\n",
            "GET /a HTTP/1.1\r\n\r\n",
            "GET /a HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n",
            "GET /a HTTP/1.1\r\nHost: a/b\r\n\r\n",
            "GET /a HTTP/1.1\r\nHost: a\r\nX : y\r\n\r\n",
            "GET /a HTTP/1.1\r\nHost: a\r\n X: y\r\n\r\n",
            "GET /a HTTP/1.1\r\nHost: a\r\nX: \u{1}\r\n\r\n",
            "GET /a HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx",
            "GET /a HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\nx",
            "GET /a HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            "GET /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
            "GET /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1;a\r\nx\r\n0\r\n\r\n",
            "GET /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nxy\r\n0\r\n\r\n",
            "GET /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nHost: b\r\n\r\n",
        ] {
            assert!(matches!(request(bad.as_bytes()), Parsed::Malformed(_)), "{bad:?}: {:?}", request(bad.as_bytes()));
        }
    }

    #[test]
    fn an_answer_that_is_cut_is_not_whole() {
        let part = |raw: &str| matches!(answer(raw.as_bytes(), "GET", true), Parsed::Part(Some(_)));
        assert!(part("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nhi"));
        assert!(part("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n"));
        assert!(!part("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"));
        assert!(matches!(
            answer(b"HTTP/1.1 204 No Content\r\nContent-Length: 2\r\n\r\n", "GET", true),
            Parsed::Malformed(_)
        ));
        assert!(matches!(answer(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n", "HEAD", true), Parsed::Whole(..)));
    }
}
