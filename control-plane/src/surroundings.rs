//! The clock and the dice of the real process.

use crate::app::Surroundings;
use std::time::{SystemTime, UNIX_EPOCH};

const ALPHABET: &[u8; 36] = b"abcdefghijklmnopqrstuvwxyz0123456789";

/// See the module.
#[derive(Clone, Copy, Debug, Default)]
pub struct System;

impl Surroundings for System {
    fn now_ms(&self) -> i64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
    }

    fn random_id(&self, chars: usize) -> String {
        let mut id = String::with_capacity(chars);
        while id.len() < chars {
            // A version 4 UUID has six fixed bits, none of them among the low 62; ten digits need 52.
            let (_, mut random) = uuid::Uuid::new_v4().as_u64_pair();
            for _ in 0..10.min(chars - id.len()) {
                id.push(char::from(ALPHABET[(random % 36) as usize]));
                random /= 36;
            }
        }
        id
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_have_their_length_and_alphabet_and_differ() {
        for chars in [6, 10, 25] {
            let id = System.random_id(chars);
            assert_eq!(id.len(), chars);
            assert!(id.bytes().all(|b| ALPHABET.contains(&b)), "{id}");
        }
        assert_ne!(System.random_id(10), System.random_id(10));
    }
}
