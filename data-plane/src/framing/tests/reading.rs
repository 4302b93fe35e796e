//! Reading what passed over the wire, independently of hyper: requests by our grammar, answers by hand.

use http::Uri;

use super::super::{BodyFraming, HeadLimits, HeadScan, scan_head};

/// One request as a service sees it: method, target and body; no body if reading it failed.
pub(crate) type Call = (String, String, Option<Vec<u8>>);

/// The whole requests at the beginning of `raw`, as far as the grammar and the body reach.
pub(crate) fn requests(mut raw: &[u8]) -> Vec<Call> {
    let mut calls = Vec::new();
    while let Ok(HeadScan::Complete(head)) = scan_head(raw, &HeadLimits::default()) {
        let (bytes, after_head) = raw.split_at(head.head_len);
        let body = match head.framing {
            BodyFraming::None => Some((Vec::new(), after_head)),
            BodyFraming::Sized(length) => {
                let length = usize::try_from(length).expect("lengths fit");
                after_head.split_at_checked(length).map(|(body, rest)| (body.to_vec(), rest))
            }
            BodyFraming::Chunked => dechunked(after_head),
        };
        let Some((body, rest)) = body else { break };
        let target = Uri::try_from(&bytes[head.target]).expect("a good target is a target for hyper");
        let method = String::from_utf8_lossy(&bytes[head.method]).into_owned();
        calls.push((method, target.to_string(), Some(body)));
        raw = rest;
    }
    calls
}

/// The data of a chunked body that is whole and good, and what follows it.
fn dechunked(mut raw: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let mut data = Vec::new();
    loop {
        let (line, rest) = split_after_crlf(raw)?;
        let digits = str::from_utf8(line.split(|&byte| byte == b';').next()?).ok()?;
        let size = usize::from_str_radix(digits, 16).ok()?;
        if size == 0 {
            raw = rest;
            break;
        }
        let (chunk, rest) = rest.split_at_checked(size)?;
        data.extend_from_slice(chunk);
        raw = rest.strip_prefix(b"\r\n")?;
    }
    loop {
        let (line, rest) = split_after_crlf(raw)?;
        raw = rest;
        if line.is_empty() {
            return Some((data, raw));
        }
    }
}

fn split_after_crlf(raw: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = raw.windows(2).position(|pair| pair == b"\r\n")?;
    Some((&raw[..end], &raw[end + 2..]))
}

/// The status and the body of every answer that a client has read, `100 Continue` left out. `calls` are the requests, of which those
/// with HEAD are answered without a body.
pub(super) fn answers(written: &[u8], calls: &[Call]) -> Vec<(u16, String)> {
    let mut rest = str::from_utf8(written).expect("our answers are text");
    let mut answers = Vec::new();
    while let Some((head, after_head)) = rest.split_once("\r\n\r\n") {
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        let length = length.map_or(0, |length| length.parse().expect("a length"));
        let is_head = calls.get(answers.len()).is_some_and(|(method, ..)| method == "HEAD");
        let (body, after) = after_head.split_at(if is_head { 0 } else { length });
        if status != 100 {
            answers.push((status, body.to_owned()));
        }
        rest = after;
    }
    assert_eq!(rest, "", "whole answers only");
    answers
}
