//! Request ids and trace ids: unique, unguessable enough for logs, and cheap, since every request gets them.

use penstock_model::exchange;
use std::cell::Cell;

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
        let mut id = [b'='; 16];
        for (position, character) in id[..15].iter_mut().enumerate() {
            if position == 8 {
                std::mem::swap(&mut bits, &mut more);
            }
            *character = ALPHABET[(bits & 63) as usize];
            bits >>= 6;
        }
        // They are ASCII.
        std::str::from_utf8(&id).unwrap_or_default().to_owned()
    }

    /// The trace id to forward; see [`exchange::trace_id`].
    pub(crate) fn trace_id(&self, from_client: Option<&str>, now_ms: u64) -> String {
        exchange::trace_id(from_client, now_ms, || self.next())
    }
}

/// The upper 53 bits, which a float holds exactly, as a number below 100. More would be rounded, the largest up to 100.
fn percent(bits: u64) -> f64 {
    const STEP: f64 = 100.0 / (1_u64 << 53) as f64;
    (bits >> 11) as f64 * STEP
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
    fn trace_ids_that_are_made_differ() {
        let ids = IdSource::new(7);
        let made = ids.trace_id(None, 1_700_000_000_000);
        assert!(made.starts_with("Root=1-6553f100-"), "{made}");
        assert_eq!(made.len(), "Root=1-6553f100-0123456789abcdef01234567".len());
        assert_ne!(ids.trace_id(None, 1_700_000_000_000), made);
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
}
