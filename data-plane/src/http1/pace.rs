//! [`Pace`]: how much of a body is read at a time. As much as its receiver takes quickly, and little for one that does not:
//! what is read and not taken is memory.

use std::time::Duration;

/// First read of a body straight from the socket, in bytes. It doubles with each read that fills it, up to a bound that is the
/// most that a stream holds of it.
const READ_BYTES_FIRST: usize = 16 * 1024;
/// The bound of a body whose receiver was not seen to be fast yet, or is slow.
const READ_BYTES_SLOW: usize = 32 * 1024;
/// The bound of one whose receiver is fast: each read costs a system call, and what it copies still lies in the cache.
const READ_BYTES_FAST: usize = 256 * 1024;
/// A receiver that took nothing for so long is slow, in milliseconds.
const SLOW_MS: u64 = 20;
/// A receiver that took so much and was not slow is fast, in bytes: more than the kernel takes for one that reads nothing.
const FAST_BYTES: u64 = 8 * 1024 * 1024;

/// How large the pieces are in which a body is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Size {
    /// As at first.
    First,
    /// As for anybody.
    Grown,
    /// As for those who are fast.
    Fast,
}

/// Of one body.
#[derive(Debug)]
pub(super) struct Pace {
    read_bytes: usize,
    read_bytes_max: usize,
    /// Read since its receiver was last slow.
    fast_bytes: u64,
    is_slow: bool,
}

impl Default for Pace {
    fn default() -> Self {
        Self { read_bytes: READ_BYTES_FIRST, read_bytes_max: READ_BYTES_SLOW, fast_bytes: 0, is_slow: false }
    }
}

impl Pace {
    /// How much to read next, in bytes.
    pub(super) fn read_bytes(&self) -> usize {
        self.read_bytes
    }

    /// Whether its receiver was slow and has not been fast since.
    pub(super) fn is_slow(&self) -> bool {
        self.is_slow
    }

    /// How large the pieces are in which it is read.
    pub(super) fn size(&self) -> Size {
        match self.read_bytes {
            bytes if bytes > READ_BYTES_SLOW => Size::Fast,
            bytes if bytes > READ_BYTES_FIRST => Size::Grown,
            _ => Size::First,
        }
    }

    /// Notes a read.
    pub(super) fn read(&mut self, bytes: usize) {
        self.fast_bytes += bytes as u64;
        if self.fast_bytes >= FAST_BYTES {
            (self.read_bytes_max, self.is_slow) = (READ_BYTES_FAST, false);
        }
        if bytes == self.read_bytes {
            self.read_bytes = (bytes * 2).min(self.read_bytes_max);
        }
    }

    /// Notes that its receiver took nothing for so long.
    pub(super) fn blocked(&mut self, time: Duration) {
        if time >= Duration::from_millis(SLOW_MS) {
            *self = Self { read_bytes: self.read_bytes.min(READ_BYTES_SLOW), is_slow: true, ..Self::default() };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_grow_for_who_is_fast_and_shrink_for_who_is_not() {
        let mut pace = Pace::default();
        let read = |pace: &mut Pace, bytes: u64| {
            let end = pace.fast_bytes + bytes;
            while pace.fast_bytes < end {
                pace.read(pace.read_bytes());
            }
        };
        read(&mut pace, 1024 * 1024);
        assert_eq!(pace.read_bytes(), READ_BYTES_SLOW, "nothing is proven yet");
        read(&mut pace, FAST_BYTES);
        assert_eq!((pace.read_bytes(), pace.is_slow()), (READ_BYTES_FAST, false));
        pace.blocked(Duration::from_millis(SLOW_MS - 1));
        assert_eq!(pace.read_bytes(), READ_BYTES_FAST, "everybody waits a little");
        pace.blocked(Duration::from_millis(SLOW_MS));
        assert_eq!((pace.read_bytes(), pace.is_slow()), (READ_BYTES_SLOW, true));
        read(&mut pace, FAST_BYTES + 1024 * 1024);
        assert_eq!((pace.read_bytes(), pace.is_slow()), (READ_BYTES_FAST, false));
    }
}
