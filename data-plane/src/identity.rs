//! Request ids and trace ids: unique, unguessable enough for logs, and cheap, since every request gets them.

use penstock_model::mapping::percent_decode;
use std::cell::Cell;
use std::fmt::Write as _;

/// Makes ids for one worker. Seeded once from the operating system; each id after that is a few multiplications.
pub(crate) struct IdSource {
    state: Cell<u64>,
}

impl IdSource {
    pub(crate) fn new(seed: u64) -> Self {
        Self { state: Cell::new(seed) }
    }

    /// The next number (splitmix64: equidistributed over 2^64 steps).
    fn next(&self) -> u64 {
        let state = self.state.get().wrapping_add(0x9e37_79b9_7f4a_7c15);
        self.state.set(state);
        let mut mixed = state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number from 0 up to, but not including, 100.
    pub(crate) fn percent(&self) -> f64 {
        percent(self.next())
    }

    /// A version 4 UUID, or the client's own `x-amzn-RequestId` when that is one (section c.1).
    pub(crate) fn request_id(&self, from_client: Option<&[u8]>) -> uuid::Uuid {
        from_client
            .filter(|text| text.len() == 36)
            .and_then(|text| uuid::Uuid::try_parse_ascii(text).ok())
            .unwrap_or_else(|| self.random_uuid())
    }

    fn random_uuid(&self) -> uuid::Uuid {
        let bits = u128::from(self.next()) << 64 | u128::from(self.next());
        uuid::Builder::from_random_bytes(bits.to_be_bytes()).into_uuid()
    }

    /// 15 characters and `=`, as `x-amz-apigw-id` looks.
    pub(crate) fn extended_request_id(&self) -> String {
        const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        let (mut bits, mut more) = (self.next(), self.next());
        let mut id = String::with_capacity(16);
        for position in 0..15 {
            if position == 8 {
                std::mem::swap(&mut bits, &mut more);
            }
            id.push(char::from(ALPHABET[(bits & 63) as usize]));
            bits >>= 6;
        }
        id.push('=');
        id
    }

    /// The trace id to forward (section c.5): the client's is kept as prefix, `Root` alone is completed, none is made.
    pub(crate) fn trace_id(&self, from_client: Option<&str>, now_ms: u64) -> String {
        let mut id = match from_client {
            Some(given) if given.contains("Root=") => given.to_owned(),
            _ => {
                let (high, low) = (self.next(), self.next());
                format!("Root=1-{:08x}-{:016x}{:08x}", now_ms / 1000, high, low >> 32)
            }
        };
        if from_client.is_some() && !id.contains("Parent=") {
            // Writing to a String cannot fail.
            let _ = write!(id, ";Parent={:016x};Sampled=0", self.next());
        }
        id
    }
}

/// The upper 53 bits, which a float holds exactly, as a number below 100. More would be rounded, the largest up to 100.
fn percent(bits: u64) -> f64 {
    const STEP: f64 = 100.0 / (1_u64 << 53) as f64;
    (bits >> 11) as f64 * STEP
}

/// The method that routing sees (section c.1): `X-HTTP-Method-Override` replaces the request's own.
pub(crate) fn effective_method(method: &http::Method, headers: &http::HeaderMap) -> http::Method {
    let Some(value) = headers.get("x-http-method-override") else { return method.clone() };
    let text = value.to_str().unwrap_or_default();
    match http::Method::from_bytes(percent_decode(text).trim().as_bytes()) {
        Ok(chosen) if penstock_model::method::Verb::of_request(&chosen).is_some() => chosen,
        _ => method.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_differ_and_have_the_shape_that_clients_parse() {
        let ids = IdSource::new(7);
        let first = ids.request_id(None);
        assert_ne!(first, ids.request_id(None));
        assert_eq!(first.get_version_num(), 4);
        let extended = ids.extended_request_id();
        assert_eq!((extended.len(), extended.ends_with('=')), (16, true));
        assert_ne!(extended, ids.extended_request_id());
    }

    #[test]
    fn a_clients_uuid_is_adopted_and_anything_else_is_replaced() {
        let ids = IdSource::new(7);
        let given = "123e4567-e89b-42d3-a456-426614174000";
        assert_eq!(ids.request_id(Some(given.as_bytes())).to_string(), given);
        assert_ne!(ids.request_id(Some(b"not-a-uuid")).to_string(), "not-a-uuid");
    }

    #[test]
    fn trace_ids_keep_what_the_client_sent() {
        let ids = IdSource::new(7);
        let made = ids.trace_id(None, 1_700_000_000_000);
        assert!(made.starts_with("Root=1-6553f100-"), "{made}");
        assert_eq!(made.len(), "Root=1-6553f100-0123456789abcdef01234567".len());
        let kept = ids.trace_id(Some("Root=1-a-b"), 0);
        assert!(kept.starts_with("Root=1-a-b;Parent="), "{kept}");
        let whole = "Root=1-a-b;Parent=c;Sampled=1;Lineage=d";
        assert_eq!(ids.trace_id(Some(whole), 0), whole);
    }

    #[test]
    fn a_draw_is_below_a_hundred_and_reaches_every_part() {
        assert_eq!(percent(0).total_cmp(&0.0), std::cmp::Ordering::Equal);
        assert!(percent(u64::MAX) < 100.0 && percent(u64::MAX) > 99.999_999);
        let ids = IdSource::new(7);
        let mut counts = [0; 100];
        for _ in 0..100_000 {
            // Truncation is what is wanted: which hundredth.
            counts[ids.percent() as usize] += 1;
        }
        assert!(counts.iter().all(|&count| (800..1200).contains(&count)), "{counts:?}");
    }

    #[test]
    fn the_override_header_names_a_verb_or_is_ignored() {
        let mut headers = http::HeaderMap::new();
        assert_eq!(effective_method(&http::Method::POST, &headers), http::Method::POST);
        headers.insert("x-http-method-override", http::HeaderValue::from_static("PUT"));
        assert_eq!(effective_method(&http::Method::POST, &headers), http::Method::PUT);
        headers.insert("x-http-method-override", http::HeaderValue::from_static("CONNECT"));
        assert_eq!(effective_method(&http::Method::POST, &headers), http::Method::POST);
    }
}
