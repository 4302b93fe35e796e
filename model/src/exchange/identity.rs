//! What a request says about itself that replaces what its head says otherwise: its method, its trace.

use crate::header_list::HeaderList;
use crate::mapping::percent_decode;
use crate::method::Verb;
use http::{HeaderName, Method};

/// As long as an id is that is made here, in bytes.
const TRACE_ID_BYTES: usize = 40;

const X_HTTP_METHOD_OVERRIDE: HeaderName = HeaderName::from_static("x-http-method-override");

/// The method that routing sees (section c.1): `X-HTTP-Method-Override` replaces the request's own.
pub fn effective_method(method: &Method, headers: &HeaderList) -> Method {
    let Some(value) = headers.get(&X_HTTP_METHOD_OVERRIDE) else { return method.clone() };
    let text = value.to_str().unwrap_or_default();
    match Method::from_bytes(percent_decode(text).trim().as_bytes()) {
        Ok(chosen) if Verb::of_request(&chosen).is_some() => chosen,
        _ => method.clone(),
    }
}

/// The trace id to forward (section c.5): the client's is kept as prefix, `Root` alone is completed, none is made.
/// `random` answers a new number each time.
pub fn trace_id(from_client: Option<&str>, now_ms: u64, mut random: impl FnMut() -> u64) -> String {
    let mut id = match from_client {
        Some(given) if given.contains("Root=") => given.to_owned(),
        _ => {
            let (high, low) = (random(), random());
            let mut id = String::with_capacity(TRACE_ID_BYTES);
            id.push_str("Root=1-");
            push_hex(&mut id, now_ms / 1000, 8);
            id.push('-');
            push_hex(&mut id, high, 16);
            push_hex(&mut id, low >> 32, 8);
            id
        }
    };
    if from_client.is_some() && !id.contains("Parent=") {
        id.push_str(";Parent=");
        push_hex(&mut id, random(), 16);
        id.push_str(";Sampled=0");
    }
    id
}

/// Appends a number with at least so many digits. Formatting it would cost more than all the rest of an id.
fn push_hex(text: &mut String, number: u64, digits_min: u32) {
    let used = digits_min.max((u64::BITS - number.leading_zeros()).div_ceil(4)) as usize;
    let mut digits = [0; 16];
    for (at, digit) in digits.iter_mut().rev().enumerate() {
        *digit = b"0123456789abcdef"[(number >> (4 * at) & 0xf) as usize];
    }
    // They are ASCII.
    text.push_str(std::str::from_utf8(&digits[digits.len() - used..]).unwrap_or_default());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trace_ids_keep_what_the_client_sent() {
        let made = trace_id(None, 1_700_000_000_000, || 7);
        assert_eq!(made, "Root=1-6553f100-000000000000000700000000");
        assert_eq!(trace_id(Some("Root=1-a-b"), 0, || 7), "Root=1-a-b;Parent=0000000000000007;Sampled=0");
        let whole = "Root=1-a-b;Parent=c;Sampled=1;Lineage=d";
        assert_eq!(trace_id(Some(whole), 0, || 7), whole);
    }

    #[test]
    fn the_override_header_names_a_verb_or_is_ignored() {
        let mut headers = HeaderList::new();
        assert_eq!(effective_method(&Method::POST, &headers), Method::POST);
        headers.insert(X_HTTP_METHOD_OVERRIDE, http::HeaderValue::from_static("PUT"));
        assert_eq!(effective_method(&Method::POST, &headers), Method::PUT);
        headers.insert(X_HTTP_METHOD_OVERRIDE, http::HeaderValue::from_static("CONNECT"));
        assert_eq!(effective_method(&Method::POST, &headers), Method::POST);
    }
}
