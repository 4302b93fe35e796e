//! Reads the raw messages below `tests/corpus`, whose README says how they are written. Also compiled into the unit tests of the data
//! plane, so it uses nothing but the standard library.

/// A raw request, or several, and what must become of them.
#[derive(Debug)]
pub struct RequestCase {
    /// File, line and name.
    pub place: String,
    /// Everything that the client sends before it ends its side.
    pub raw: Vec<u8>,
    /// How many of these bytes the grammar lets pass.
    pub passes: usize,
    /// The requests that are whole, in order.
    pub whole: Vec<WholeRequest>,
    /// How what follows them ends.
    pub end: End,
}

/// A whole request.
#[derive(Debug)]
pub struct WholeRequest {
    /// As sent.
    pub method: String,
    /// As sent.
    pub target: String,
    /// Without its framing.
    pub body: Vec<u8>,
    /// Where it comes to.
    pub reaches: Reaches,
}

/// Where a whole request comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reaches {
    /// The upstream, with this target.
    Upstream(String),
    /// The gateway, which answers with this status.
    Gateway(u16),
    /// Nobody: the connection ends before it.
    Nobody,
}

/// What is behind the whole requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// Nothing.
    Clean,
    /// Empty lines.
    Waits,
    /// A good head, and not all of its body.
    Cut,
    /// What breaks a rule.
    Refused {
        /// The rule's reason, a word.
        rule: String,
        /// Whether the server comes to read it.
        is_read: bool,
    },
}

/// A raw answer and what must become of it.
#[derive(Debug)]
pub struct AnswerCase {
    /// File, line and name.
    pub place: String,
    /// Of the request.
    pub method: String,
    /// What the upstream sends.
    pub raw: Vec<u8>,
    /// Whether it closes then.
    pub closes: bool,
    /// What the client sees.
    pub seen: Seen,
    /// Header lines that it sees, with names in lower case.
    pub present: Vec<(String, Vec<u8>)>,
    /// Names of headers that it does not see.
    pub absent: Vec<String>,
}

/// What a client sees.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seen {
    /// All of it.
    Whole {
        /// Its status.
        status: u16,
        /// Its body.
        body: Vec<u8>,
        /// Whether the connection to the upstream is used again.
        is_reused: bool,
    },
    /// A beginning, and that more was to come.
    Cut {
        /// Its status.
        status: u16,
        /// What came of the body.
        body: Vec<u8>,
    },
    /// That the gateway could not read it.
    Unreadable,
}

const REQUESTS: &[(&str, &str)] = &[
    ("request_line", include_str!("../corpus/requests/request_line.txt")),
    ("host", include_str!("../corpus/requests/host.txt")),
    ("field_lines", include_str!("../corpus/requests/field_lines.txt")),
    ("content_length", include_str!("../corpus/requests/content_length.txt")),
    ("transfer_encoding", include_str!("../corpus/requests/transfer_encoding.txt")),
    ("chunked", include_str!("../corpus/requests/chunked.txt")),
    ("connection", include_str!("../corpus/requests/connection.txt")),
    ("pipelines", include_str!("../corpus/requests/pipelines.txt")),
];

const ANSWERS: &[(&str, &str)] = &[
    ("status_line", include_str!("../corpus/responses/status_line.txt")),
    ("field_lines", include_str!("../corpus/responses/field_lines.txt")),
    ("lengths", include_str!("../corpus/responses/lengths.txt")),
    ("chunked", include_str!("../corpus/responses/chunked.txt")),
    ("interim", include_str!("../corpus/responses/interim.txt")),
];

/// All requests.
///
/// # Panics
/// A file is not written as its README says.
pub fn requests() -> Vec<RequestCase> {
    let blocks = REQUESTS.iter().flat_map(|(name, text)| blocks(&format!("requests/{name}.txt"), text));
    blocks.map(|block| request_case(&block)).collect()
}

/// All answers.
///
/// # Panics
/// A file is not written as its README says.
pub fn answers() -> Vec<AnswerCase> {
    let blocks = ANSWERS.iter().flat_map(|(name, text)| blocks(&format!("responses/{name}.txt"), text));
    blocks.map(|block| answer_case(&block)).collect()
}

/// The lines of one case.
struct Block {
    place: String,
    raw: String,
    /// Those that do not begin with `|`, with their first byte.
    said: Vec<(char, String)>,
}

fn blocks(file: &str, text: &str) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    let (mut before, mut behind) = ("", "");
    for (number, line) in text.lines().enumerate() {
        let place = format!("{file}:{}", number + 1);
        let rest = line.get(1..).unwrap_or_default();
        let rest = rest.strip_prefix(' ').unwrap_or(rest);
        match line.chars().next() {
            None | Some('#') => {}
            Some('|') => last(&mut blocks, &place).raw.push_str(rest),
            Some(mark @ ('=' | '+' | '-')) => {
                let block = last(&mut blocks, &place);
                block.said.push((mark, rest.to_owned()));
            }
            _ => match line.strip_prefix("around: ") {
                Some(around) => {
                    finish(&mut blocks, before, behind);
                    (before, behind) = around.split_once('@').unwrap_or_else(|| panic!("{place}: no place for it"));
                }
                None => {
                    finish(&mut blocks, before, behind);
                    blocks.push(Block { place: format!("{place} {line}"), raw: String::new(), said: Vec::new() });
                }
            },
        }
    }
    finish(&mut blocks, before, behind);
    blocks
}

fn last<'a>(blocks: &'a mut [Block], place: &str) -> &'a mut Block {
    blocks.last_mut().unwrap_or_else(|| panic!("{place}: a line without a case"))
}

/// Puts what is around it around the raw bytes of the last case, once.
fn finish(blocks: &mut [Block], before: &str, behind: &str) {
    const FINISHED: char = '.';
    let Some(block) = blocks.last_mut().filter(|block| block.said.last().is_none_or(|said| said.0 != FINISHED)) else {
        return;
    };
    block.raw = format!("{before}{}{behind}", block.raw);
    block.said.push((FINISHED, String::new()));
}

fn request_case(block: &Block) -> RequestCase {
    let place = block.place.clone();
    let (good, rest) = block.raw.split_once("^^").map_or((None, block.raw.as_str()), |(good, rest)| (Some(good), rest));
    let mut raw = decoded(good.unwrap_or_default());
    let marked = good.map(|_| raw.len());
    raw.extend(decoded(rest));
    let (mut whole, mut end) = (Vec::new(), End::Clean);
    for (_, said) in block.said.iter().filter(|said| said.0 == '=') {
        assert_eq!(end, End::Clean, "{place}: something behind the end");
        let mut words = said.split(' ');
        match words.next().unwrap_or_default() {
            "" => {}
            "cut" => end = End::Cut,
            "waits" => end = End::Waits,
            "refused" => {
                let rule = words.next().unwrap_or_default().to_owned();
                end = End::Refused { rule, is_read: words.next() != Some("unread") };
            }
            method => whole.push(whole_request(method, said[method.len()..].trim_start())),
        }
    }
    let passes_all = !matches!(end, End::Refused { .. } | End::Waits);
    let passes = marked.unwrap_or(if passes_all { raw.len() } else { 0 });
    RequestCase { place, raw, passes, whole, end }
}

fn whole_request(method: &str, rest: &str) -> WholeRequest {
    let (target, rest) = rest.split_once(' ').unwrap_or((rest, ""));
    let target = text(target);
    let (mut body, mut reaches) = (Vec::new(), Reaches::Upstream(origin_form(&target)));
    match (rest.strip_prefix("-> "), rest.strip_prefix('!')) {
        (Some(other), _) => reaches = Reaches::Upstream(text(other)),
        (_, Some(own)) => {
            let (status, rest) = own.split_once(' ').unwrap_or((own, ""));
            body = decoded(rest);
            reaches = match status {
                "unread" => Reaches::Nobody,
                status => Reaches::Gateway(status.parse().expect("a status")),
            };
        }
        (None, None) => body = decoded(rest),
    }
    WholeRequest { method: method.to_owned(), target, body, reaches }
}

/// Path and query of a target (RFC 9112 section 3.2.2).
fn origin_form(target: &str) -> String {
    let rest = target.split_once("://").map(|(_, rest)| rest).filter(|_| !target.starts_with('/'));
    match rest {
        Some(rest) => rest[rest.find('/').unwrap_or(rest.len())..].to_owned(),
        None => target.to_owned(),
    }
}

fn answer_case(block: &Block) -> AnswerCase {
    let place = block.place.clone();
    let (raw, closes) = block.raw.strip_suffix("\\c").map_or((block.raw.as_str(), false), |raw| (raw, true));
    let mut case = AnswerCase {
        place,
        method: "GET".to_owned(),
        raw: decoded(raw),
        closes,
        seen: Seen::Unreadable,
        present: Vec::new(),
        absent: Vec::new(),
    };
    for (mark, said) in &block.said {
        match mark {
            '=' => (case.method, case.seen) = seen(said),
            '+' => {
                let (name, value) = said.split_once(':').expect("a header line");
                case.present.push((name.to_owned(), decoded(value.trim_start())));
            }
            '-' => case.absent.push(said.clone()),
            _ => {}
        }
    }
    case
}

fn seen(said: &str) -> (String, Seen) {
    if said == "unreadable" {
        return ("GET".to_owned(), Seen::Unreadable);
    }
    let (method, said) = said.strip_prefix("HEAD ").map_or(("GET", said), |rest| ("HEAD", rest));
    let (is_cut, said) = said.strip_prefix("cut ").map_or((false, said), |rest| (true, rest));
    let (said, is_reused) = said.strip_suffix(", closed").map_or((said, true), |rest| (rest, false));
    let (status, body) = said.split_once(' ').unwrap_or((said, ""));
    let (status, body) = (status.parse().expect("a status"), decoded(body));
    let seen = if is_cut { Seen::Cut { status, body } } else { Seen::Whole { status, body, is_reused } };
    (method.to_owned(), seen)
}

fn text(escaped: &str) -> String {
    String::from_utf8(decoded(escaped)).expect("text")
}

/// The bytes that the escapes stand for.
fn decoded(mut escaped: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    while let Some((plain, escape)) = escaped.split_once('\\') {
        bytes.extend_from_slice(plain.as_bytes());
        escaped = &escape[1..];
        match escape.as_bytes()[0] {
            b'r' => bytes.push(b'\r'),
            b'n' => bytes.push(b'\n'),
            b't' => bytes.push(b'\t'),
            b's' => bytes.push(b' '),
            b'0' => bytes.push(0),
            b'\\' => bytes.push(b'\\'),
            b'x' => {
                bytes.push(u8::from_str_radix(&escape[1..3], 16).expect("two digits"));
                escaped = &escape[3..];
            }
            b'{' => {
                let end = closing(escape);
                let (times, what) = escape[1..end].split_once(':').expect("a number and what it repeats");
                bytes.extend(decoded(what).repeat(times.parse().expect("a number")));
                escaped = &escape[end + 1..];
            }
            other => panic!("no escape: {}", other as char),
        }
    }
    bytes.extend_from_slice(escaped.as_bytes());
    bytes
}

/// Where the brace is that ends what begins with one.
fn closing(text: &str) -> usize {
    let mut depth = 0;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'{' => depth += 1,
            b'}' if depth == 1 => return at,
            b'}' => depth -= 1,
            _ => {}
        }
    }
    panic!("a brace without its end: {text}");
}
