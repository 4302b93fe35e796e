//! [`collect_encoded`]: a whole body in memory as base64, behind something that is there already. What arrives is encoded
//! where it will stay, so a body exists once.

use super::{CollectBudget, CollectError, Permit};
use crate::body::BodyError;
use crate::limits::{COLLECT_FIRST_BYTES, COLLECT_TIMEOUT_MS};
use crate::transform::units::{Carry, ENGINE};
use base64::Engine as _;
use bytes::Bytes;
use http_body::Body;
use http_body_util::BodyExt as _;
use std::time::Duration;
use tokio::time::timeout;

/// A body as base64, and what stands before it.
#[derive(Debug)]
pub(crate) struct Encoded {
    /// What was there, and the base64 behind it.
    pub(crate) bytes: Vec<u8>,
    /// The right to hold them.
    pub(crate) permit: Permit,
}

/// Reads a body to its end and writes it as base64 behind `begun`. Both, and `reserve_bytes` more that the caller will
/// write, must fit into `bytes_max`; a body that announces more is refused unread.
pub(crate) async fn collect_encoded<B>(
    body: B,
    begun: Vec<u8>,
    reserve_bytes: usize,
    bytes_max: usize,
    budget: &CollectBudget,
) -> Result<Encoded, CollectError>
where
    B: Body<Data = Bytes, Error = BodyError> + Unpin,
{
    let room = bytes_max.saturating_sub(begun.len() + reserve_bytes);
    let announced = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    if encoded_bytes(announced) > room {
        return Err(CollectError::TooLarge);
    }
    let limit = Duration::from_millis(COLLECT_TIMEOUT_MS);
    let most = body.size_hint().upper().and_then(|upper| usize::try_from(upper).ok()).map_or(bytes_max, |upper| {
        begun.len().saturating_add(encoded_bytes(upper)).saturating_add(reserve_bytes).min(bytes_max)
    });
    let target =
        Target { bytes: begun, permit: budget.permit(), carry: Carry::default(), reserve_bytes, bytes_max, most };
    timeout(limit, target.gather(body)).await.unwrap_or(Err(CollectError::Time))
}

/// Length of the base64 of this many bytes, with padding.
fn encoded_bytes(bytes: usize) -> usize {
    bytes.div_ceil(3).saturating_mul(4)
}

struct Target {
    bytes: Vec<u8>,
    permit: Permit,
    carry: Carry<3>,
    reserve_bytes: usize,
    bytes_max: usize,
    /// What it can become at most.
    most: usize,
}

impl Target {
    async fn gather<B>(mut self, mut body: B) -> Result<Encoded, CollectError>
    where
        B: Body<Data = Bytes, Error = BodyError> + Unpin,
    {
        while let Some(frame) = body.frame().await {
            // Trailers have no place in what is made of the body.
            let Ok(mut data) = frame?.into_data() else { continue };
            self.expect(self.carry.len() + data.len()).await?;
            if let Some(unit) = self.carry.complete(&mut data) {
                self.encode(&unit);
            }
            let whole = data.len() / 3 * 3;
            self.encode(&data[..whole]);
            self.carry.keep(&data[whole..]);
        }
        // Of an empty body, too, what was there is held.
        self.expect(self.carry.len()).await?;
        let (rest, len) = self.carry.take();
        self.encode(&rest[..len]);
        Ok(Encoded { bytes: self.bytes, permit: self.permit })
    }

    /// Makes room for this many more bytes of the body.
    async fn expect(&mut self, more: usize) -> Result<(), CollectError> {
        let needed = self.bytes.len().saturating_add(encoded_bytes(more)).saturating_add(self.reserve_bytes);
        if needed > self.bytes_max {
            return Err(CollectError::TooLarge);
        }
        if needed > self.bytes.capacity() {
            // Grows with what arrives, not with what is announced, which costs its sender nothing.
            let capacity = (2 * self.bytes.capacity()).max(COLLECT_FIRST_BYTES).min(self.most).max(needed);
            self.permit.cover(capacity).await?;
            self.bytes.reserve_exact(capacity - self.bytes.len());
        }
        // Also for what was there before: it is held as long.
        Ok(self.permit.cover(self.bytes.capacity()).await?)
    }

    fn encode(&mut self, input: &[u8]) {
        let begin = self.bytes.len();
        self.bytes.resize(begin + encoded_bytes(input.len()), 0);
        let written = ENGINE.encode_slice(input, &mut self.bytes[begin..]).expect("the room is as long as the base64");
        debug_assert_eq!(begin + written, self.bytes.len());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transform::testing::{Act, Script, acts, splits};
    use base64::engine::general_purpose::STANDARD;
    use proptest::prelude::*;

    const KIB: usize = 1024;

    proptest! {
        #[test]
        fn any_split_gives_the_same_base64_behind_what_was_there(
            bytes in prop::collection::vec(any::<u8>(), 0..20_000),
            (cuts, pauses) in splits(),
        ) {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
            for script in [Script::sized, Script::unsized_of] as [fn(Vec<Act>) -> Script; 2] {
                let budget = CollectBudget::new(1024 * KIB);
                let body = script(acts(&bytes, &cuts, &pauses));
                let encoded = collect_encoded(body, b"begun ".to_vec(), 2, 512 * KIB, &budget);
                let encoded = runtime.block_on(encoded).expect("it fits");
                let expected = format!("begun {}", STANDARD.encode(&bytes));
                prop_assert_eq!(std::str::from_utf8(&encoded.bytes), Ok(&*expected));
                prop_assert!(encoded.bytes.capacity() <= budget.in_use_bytes());
                drop(encoded);
                prop_assert_eq!(budget.in_use_bytes(), 0);
            }
        }
    }

    #[tokio::test]
    async fn a_body_of_known_size_is_held_once_and_exactly() {
        let budget = CollectBudget::new(1024 * KIB);
        let frames = (0..100).map(|_| Act::Data(vec![1; KIB].into()));
        let encoded =
            collect_encoded(Script::sized(frames), Vec::new(), 10, 512 * KIB, &budget).await.expect("it fits");
        let expected = encoded_bytes(100 * KIB);
        assert_eq!((encoded.bytes.len(), encoded.bytes.capacity()), (expected, expected + 10));
    }

    #[tokio::test]
    async fn the_limit_counts_what_was_there_and_what_will_follow() {
        let budget = CollectBudget::new(1024 * KIB);
        for (bytes, fits) in [(30, true), (31, false)] {
            for script in [Script::sized, Script::unsized_of] as [fn(Vec<Act>) -> Script; 2] {
                let body = script(vec![Act::Data(vec![0; bytes].into())]);
                let encoded = collect_encoded(body, vec![b' '; 50], 10, 100, &budget).await;
                assert_eq!(encoded.map(drop).err(), (!fits).then_some(CollectError::TooLarge), "{bytes}");
            }
        }
        assert_eq!(budget.in_use_bytes(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn what_announces_too_much_is_refused_unread_and_what_breaks_off_is_no_body() {
        let budget = CollectBudget::new(1024 * KIB);
        let announced = Script::sized([Act::Stall, Act::Data(vec![0; 31].into())]);
        let refused = collect_encoded(announced, Vec::new(), 0, 40, &budget).await;
        assert_eq!(refused.map(drop), Err(CollectError::TooLarge));
        let broken = Script::unsized_of([Act::Data("a".into()), Act::Fail(BodyError::Broken)]);
        let refused = collect_encoded(broken, Vec::new(), 0, 40, &budget).await;
        assert_eq!(refused.map(drop), Err(CollectError::Body(BodyError::Broken)));
        let endless = Script::unsized_of([Act::Data("a".into()), Act::Stall]);
        let refused = collect_encoded(endless, Vec::new(), 0, 40, &budget).await;
        assert_eq!(refused.map(drop), Err(CollectError::Time));
        assert_eq!(budget.in_use_bytes(), 0);
    }
}
