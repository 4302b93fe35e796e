//! What a request says about itself that replaces what its head says otherwise: its method, its trace.

use crate::header_list::HeaderList;
use crate::mapping::percent_decode;
use crate::method::Verb;
use http::{HeaderName, Method};

/// Where the time begins in an id that is made here, in bytes.
const ROOT_TIME_AT: usize = "Root=1-".len();

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
            let mut id = *b"Root=1-00000000-000000000000000000000000";
            let (time, unique) = id[ROOT_TIME_AT..].split_at_mut(8);
            write_hex(time, now_ms / 1000);
            write_hex(&mut unique[1..17], random());
            write_hex(&mut unique[17..], random() >> 32);
            text(&id).to_owned()
        }
    };
    if from_client.is_some() && !id.contains("Parent=") {
        let mut parent = [0; 16];
        write_hex(&mut parent, random());
        id.push_str(";Parent=");
        id.push_str(text(&parent));
        id.push_str(";Sampled=0");
    }
    id
}

/// Writes the last digits of a number. Formatting it would cost more than all the rest of an id.
fn write_hex(digits: &mut [u8], mut number: u64) {
    for digit in digits.iter_mut().rev() {
        *digit = b"0123456789abcdef"[(number & 0xf) as usize];
        number >>= 4;
    }
}

/// What is ASCII, as text.
fn text(ascii: &[u8]) -> &str {
    std::str::from_utf8(ascii).unwrap_or_default()
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
