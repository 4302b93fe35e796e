//! What becomes of a message on the way from a control plane that lies.

use super::*;

impl World {
    pub(super) fn twist(&mut self, message: &mut Incoming) {
        let (way, number) = (self.random.below(5), self.random.below(usize::MAX) as u64);
        match message {
            Incoming::Manifest(m) => match way {
                0 => m.root_hash.0[3] ^= 1,
                1 => m.version = Version(number % 8),
                2 => m.bundles.reverse(),
                3 => m.bundles.iter_mut().for_each(|bundle| bundle.size_bytes ^= number),
                _ => m.bundles.iter_mut().for_each(|bundle| bundle.hash.0[0] ^= 1),
            },
            Incoming::Chunk(chunk) => match way {
                0 => chunk.hash.0[5] ^= 1,
                1 => chunk.offset = number,
                2 => chunk.data = Bytes::from(vec![7; chunk.data.len()]),
                3 => chunk.last = !chunk.last,
                _ => chunk.data.clear(),
            },
            Incoming::Activate { version, root_hash, policy } => match way {
                0 => version.0 = number,
                1 => root_hash.0[9] ^= 1,
                2 => *policy = Policy::Unknown(7),
                3 => *message = Incoming::Malformed("twisted".to_owned()),
                _ => *message = Incoming::Unknown,
            },
            other => *other = Incoming::Malformed("twisted".to_owned()),
        }
    }
}
