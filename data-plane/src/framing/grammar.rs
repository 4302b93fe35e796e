//! The grammar of a request head, HTTP/1.0 and HTTP/1.1, strict reading of RFC 9112.
//!
//! Called by the server for each head. It never allocates, never scans a byte twice and keeps nothing but positions and facts.
//!
//! The verdict on a head depends only on its bytes: however they arrive, the same fault is found at the same byte.

use std::ops::Range;

use super::fields::{FramingFields, name_fault, value_fault};
use super::limits::{HeadLimits, LEADING_EMPTY_LINES_MAX, METHOD_BYTES_MAX};
use super::octets::{path_run, query_run, token_run, value_run};
use super::target::{TargetForm, target_form};
use super::violation::{FramingRule, FramingViolation};

/// The two versions that we speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HttpVersion {
    /// HTTP/1.0.
    Http10,
    /// HTTP/1.1.
    Http11,
}

/// How the end of a request body is found (RFC 9112 section 6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyFraming {
    /// There is no body.
    None,
    /// The body has this many bytes, at most [`LENGTH_MAX`](super::LENGTH_MAX).
    Sized(u64),
    /// The body is chunked; see [`ChunkedChecker`](super::ChunkedChecker).
    Chunked,
}

/// A complete and good request head. Ranges are byte positions in what was scanned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestHead {
    /// Bytes from the beginning, leading empty lines included, to the end of the empty line.
    pub head_len: usize,
    /// The method.
    pub method: Range<usize>,
    /// The request target.
    pub target: Range<usize>,
    /// The form of the request target.
    pub form: TargetForm,
    /// The version.
    pub version: HttpVersion,
    /// The header lines, each with its CRLF, without the empty line.
    pub header_lines: Range<usize>,
    /// How many header lines there are.
    pub header_count: usize,
    /// How the body ends.
    pub framing: BodyFraming,
}

/// What is known of a head that has broken no rule so far.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HeadScan {
    /// More bytes are needed.
    Incomplete,
    /// The head is complete.
    Complete(RequestHead),
}

/// Scans one request head that begins with the first byte.
///
/// **Errors**: the first rule that the bytes break. Nothing after a broken head can be trusted.
pub fn scan_head(bytes: &[u8], limits: &HeadLimits) -> Result<HeadScan, FramingViolation> {
    HeadScanner::default().advance(bytes, limits)
}

/// A scan of one head that goes on where it stopped when more bytes have come.
#[derive(Clone, Debug)]
pub struct HeadScanner {
    phase: Phase,
    /// The first byte that was not judged yet.
    at: usize,
    /// Where the current element (method, target, version, header line) began.
    start: usize,
    empty_lines: usize,
    name_end: usize,
    method: Range<usize>,
    target: Range<usize>,
    form: TargetForm,
    version: HttpVersion,
    lines_start: usize,
    header_count: usize,
    fields: FramingFields,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    EmptyLines,
    Method,
    Path,
    Query,
    Version,
    LineStart,
    Name,
    Value,
}

enum Step {
    Next(Phase),
    Starved,
    End(BodyFraming),
}

type Judged = Result<Step, FramingViolation>;

impl Default for HeadScanner {
    fn default() -> Self {
        Self {
            phase: Phase::EmptyLines,
            at: 0,
            start: 0,
            empty_lines: 0,
            name_end: 0,
            method: 0..0,
            target: 0..0,
            form: TargetForm::Origin,
            version: HttpVersion::Http11,
            lines_start: 0,
            header_count: 0,
            fields: FramingFields::default(),
        }
    }
}

impl HeadScanner {
    /// Goes on with the scan. `head` begins with the first byte of the head each time and has never fewer bytes, nor
    /// other limits, than the time before.
    ///
    /// **Errors**: as [`scan_head`]. The scanner must then be dropped.
    pub fn advance(&mut self, head: &[u8], limits: &HeadLimits) -> Result<HeadScan, FramingViolation> {
        let window = &head[..head.len().min(limits.head_bytes_max)];
        loop {
            let step = match self.phase {
                Phase::EmptyLines => self.empty_lines(window)?,
                Phase::Method => self.method(window)?,
                Phase::Path => self.target(window, limits, path_run)?,
                Phase::Query => self.target(window, limits, query_run)?,
                Phase::Version => self.version(window)?,
                Phase::LineStart => self.line_start(window, limits)?,
                Phase::Name => self.name(window)?,
                Phase::Value => self.value(window)?,
            };
            match step {
                Step::Next(phase) => self.phase = phase,
                Step::Starved if window.len() == limits.head_bytes_max => {
                    return Err(FramingViolation::head(FramingRule::HeadTooLarge, window.len()));
                }
                Step::Starved => return Ok(HeadScan::Incomplete),
                Step::End(framing) => return Ok(HeadScan::Complete(self.complete(framing))),
            }
        }
    }

    /// Whether a request has begun: an end of input before it is a clean one.
    pub fn has_begun(&self) -> bool {
        self.phase != Phase::EmptyLines
    }

    fn complete(&self, framing: BodyFraming) -> RequestHead {
        RequestHead {
            head_len: self.at,
            method: self.method.clone(),
            target: self.target.clone(),
            form: self.form,
            version: self.version,
            header_lines: self.lines_start..self.start,
            header_count: self.header_count,
            framing,
        }
    }

    fn empty_lines(&mut self, window: &[u8]) -> Judged {
        match window.get(self.at) {
            None => Ok(Step::Starved),
            Some(b'\r' | b'\n') if self.empty_lines == LEADING_EMPTY_LINES_MAX => self.fault(FramingRule::LeadingLines),
            Some(b'\r') => self.line_end(window, |scanner| {
                scanner.empty_lines += 1;
                Ok(Step::Next(Phase::EmptyLines))
            }),
            Some(_) => {
                self.start = self.at;
                Ok(Step::Next(Phase::Method))
            }
        }
    }

    fn method(&mut self, window: &[u8]) -> Judged {
        self.at += token_run(&window[self.at..]);
        if self.at - self.start > METHOD_BYTES_MAX {
            return self.fault_at(FramingRule::MethodTooLong, self.start + METHOD_BYTES_MAX);
        }
        match window.get(self.at) {
            None => Ok(Step::Starved),
            Some(b' ') if self.at > self.start => {
                self.method = self.start..self.at;
                self.at += 1;
                self.start = self.at;
                Ok(Step::Next(Phase::Path))
            }
            Some(&byte) => self.fault(request_line_fault(byte, FramingRule::MethodByte)),
        }
    }

    fn target(&mut self, window: &[u8], limits: &HeadLimits, run: fn(&[u8]) -> usize) -> Judged {
        self.at += run(&window[self.at..]);
        let separator = window.get(self.at);
        // The question mark is the one byte that ends a run and still belongs to the target.
        let len = self.at - self.start + usize::from(separator == Some(&b'?'));
        if len > limits.target_bytes_max {
            return self.fault_at(FramingRule::TargetTooLong, self.start + limits.target_bytes_max);
        }
        match separator {
            None => Ok(Step::Starved),
            Some(b'?') => {
                self.at += 1;
                Ok(Step::Next(Phase::Query))
            }
            Some(b' ') if self.at > self.start => {
                self.target = self.start..self.at;
                self.form = target_form(&window[self.method.clone()], &window[self.target.clone()])
                    .map_err(|rule| FramingViolation::head(rule, self.start))?;
                self.at += 1;
                self.start = self.at;
                Ok(Step::Next(Phase::Version))
            }
            Some(&byte) => self.fault(request_line_fault(byte, FramingRule::TargetByte)),
        }
    }

    fn version(&mut self, window: &[u8]) -> Judged {
        // Digits may be any here: a version that we do not speak is another answer than a malformed one.
        const PATTERN: &[u8; 8] = b"HTTP/0.0";
        while let Some(&expected) = PATTERN.get(self.at - self.start) {
            match window.get(self.at) {
                None => return Ok(Step::Starved),
                Some(&byte) if byte == expected || (expected == b'0' && byte.is_ascii_digit()) => self.at += 1,
                Some(&byte) => return self.fault(request_line_fault(byte, FramingRule::VersionMalformed)),
            }
        }
        match window.get(self.at) {
            None => Ok(Step::Starved),
            Some(b'\r') => {
                self.version = match &window[self.start..self.at] {
                    b"HTTP/1.1" => HttpVersion::Http11,
                    b"HTTP/1.0" => HttpVersion::Http10,
                    _ => return self.fault_at(FramingRule::VersionUnsupported, self.start),
                };
                self.line_end(window, |scanner| {
                    scanner.lines_start = scanner.at;
                    Ok(Step::Next(Phase::LineStart))
                })
            }
            Some(&byte) => self.fault(request_line_fault(byte, FramingRule::VersionMalformed)),
        }
    }

    fn line_start(&mut self, window: &[u8], limits: &HeadLimits) -> Judged {
        self.start = self.at;
        match window.get(self.at) {
            None => Ok(Step::Starved),
            Some(b'\r') => self.line_end(window, |scanner| {
                let framing = scanner.fields.conclude(scanner.version);
                framing.map(Step::End).map_err(|rule| FramingViolation::head(rule, scanner.start))
            }),
            Some(b' ' | b'\t') => self.fault(FramingRule::FoldedLine),
            Some(_) if self.header_count == limits.header_count_max => self.fault(FramingRule::TooManyHeaders),
            Some(_) => {
                self.header_count += 1;
                Ok(Step::Next(Phase::Name))
            }
        }
    }

    fn name(&mut self, window: &[u8]) -> Judged {
        self.at += token_run(&window[self.at..]);
        match window.get(self.at) {
            None => Ok(Step::Starved),
            Some(b':') if self.at > self.start => {
                self.name_end = self.at;
                self.at += 1;
                Ok(Step::Next(Phase::Value))
            }
            Some(&byte) => self.fault(name_fault(byte)),
        }
    }

    fn value(&mut self, window: &[u8]) -> Judged {
        self.at += value_run(&window[self.at..]);
        match window.get(self.at) {
            None => Ok(Step::Starved),
            Some(b'\r') => {
                let value_end = self.at;
                self.line_end(window, |scanner| {
                    let name = &window[scanner.start..scanner.name_end];
                    let value = &window[scanner.name_end + 1..value_end];
                    let added = scanner.fields.add(scanner.version, name, value);
                    added.map_err(|rule| FramingViolation::head(rule, scanner.start))?;
                    Ok(Step::Next(Phase::LineStart))
                })
            }
            Some(&byte) => self.fault(value_fault(byte)),
        }
    }

    /// Takes the CRLF whose CR is the current byte. It waits for the LF, so that a line is judged once and whole.
    fn line_end(&mut self, window: &[u8], and_then: impl FnOnce(&mut Self) -> Judged) -> Judged {
        match window.get(self.at + 1) {
            None => Ok(Step::Starved),
            Some(b'\n') => {
                self.at += 2;
                and_then(self)
            }
            Some(_) => self.fault_at(FramingRule::BareCr, self.at),
        }
    }

    fn fault(&self, rule: FramingRule) -> Judged {
        self.fault_at(rule, self.at)
    }

    fn fault_at(&self, rule: FramingRule, offset: usize) -> Judged {
        Err(FramingViolation::head(rule, offset))
    }
}

/// Says which rule a byte breaks that ends an element of the request line too early.
fn request_line_fault(byte: u8, otherwise: FramingRule) -> FramingRule {
    match byte {
        b'\n' => FramingRule::BareLf,
        b' ' | b'\t' | b'\r' => FramingRule::RequestLine,
        _ => otherwise,
    }
}
