//! Randomness that can be had again: `PENSTOCK_TEST_SEED` sets it, and who fails says what it was.

use std::time::{SystemTime, UNIX_EPOCH};

/// The variable that sets the seed.
const VARIABLE: &str = "PENSTOCK_TEST_SEED";

/// A source of chance. When a test fails while it has one, the seed is printed.
#[derive(Debug)]
pub struct Chance {
    seed: u64,
    state: u64,
}

impl Chance {
    /// As the variable says; without it another one each time.
    ///
    /// # Panics
    /// The variable holds no number.
    pub fn new() -> Self {
        let seed = match std::env::var(VARIABLE) {
            Ok(text) => text.parse().unwrap_or_else(|_| panic!("{VARIABLE} is a number, not {text:?}")),
            Err(_) => u64::from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().subsec_nanos()),
        };
        // The generator stands still at 0, and is slow to part seeds that are close to each other.
        let state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
        Self { seed, state }
    }

    /// The seed.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// A number below `end`.
    pub fn below(&mut self, end: u64) -> u64 {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        (self.state >> 11) % end
    }

    /// An index of something of this length.
    pub fn index(&mut self, length: usize) -> usize {
        usize::try_from(self.below(length as u64)).unwrap()
    }

    /// Puts things into an order that is as good as any other.
    pub fn shuffle<T>(&mut self, things: &mut [T]) {
        for last in (1..things.len()).rev() {
            things.swap(last, self.index(last + 1));
        }
    }
}

impl Default for Chance {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Chance {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- {VARIABLE}={} repeats the order of events", self.seed);
        }
    }
}
