//! [`Names`]: names of headers as heads spell them. From one message to the next they are the same, so a worker remembers
//! what it has read.

use http::HeaderName;
use http::header::InvalidHeaderName;
use std::cell::RefCell;

/// Names that a worker remembers at a time; others take their place. A power of two.
const SLOTS: usize = 256;
/// Longest that is remembered, in bytes.
const NAME_BYTES_MAX: usize = 64;

/// A name that was read before.
struct Known {
    spelled: Box<[u8]>,
    name: HeaderName,
    /// Whether it was met since another one last wanted its place.
    is_used: bool,
}

/// What a worker has read.
pub(crate) struct Names([Option<Known>; SLOTS]);

thread_local! {
    static NAMES: RefCell<Names> = const { RefCell::new(Names([const { None }; SLOTS])) };
}

/// Reads names with what this worker knows.
pub(crate) fn with_names<R>(read: impl FnOnce(&mut Names) -> R) -> R {
    NAMES.with_borrow_mut(read)
}

impl Names {
    /// Reads the name of a header.
    ///
    /// # Errors
    /// It is none.
    pub(crate) fn read(&mut self, spelled: &[u8]) -> Result<HeaderName, InvalidHeaderName> {
        let Some(place) = place(spelled) else { return HeaderName::from_bytes(spelled) };
        match &mut self.0[place] {
            Some(known) if *known.spelled == *spelled => {
                known.is_used = true;
                Ok(known.name.clone())
            }
            slot => learn(slot, spelled),
        }
    }
}

/// Reads a name that is not the one that is known in its place.
#[cold]
fn learn(slot: &mut Option<Known>, spelled: &[u8]) -> Result<HeaderName, InvalidHeaderName> {
    let name = HeaderName::from_bytes(spelled)?;
    // Two that want one place must not drive each other out with every message.
    let is_taken = slot.as_mut().is_some_and(|known| std::mem::take(&mut known.is_used));
    if !is_taken {
        *slot = Some(Known { spelled: spelled.into(), name: name.clone(), is_used: true });
    }
    Ok(name)
}

/// Where a name is remembered, by its length and three of its letters; `None`: nowhere.
fn place(spelled: &[u8]) -> Option<usize> {
    let (&first, &last) = (spelled.first()?, spelled.last()?);
    if spelled.len() > NAME_BYTES_MAX {
        return None;
    }
    let middle = spelled[spelled.len() / 2];
    let mixed = u32::from_le_bytes([first, middle, last, spelled.len() as u8]).wrapping_mul(0x9e37_79b1);
    // The product's upper bits are the good ones.
    Some((mixed >> (u32::BITS - SLOTS.trailing_zeros())) as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(spelled: &str) -> Result<HeaderName, InvalidHeaderName> {
        with_names(|names| names.read(spelled.as_bytes()))
    }

    #[test]
    fn a_name_is_the_same_whether_it_was_read_before_or_not() {
        let spellings: Vec<String> = ["ETag", "etag", "X-Backend", "x-backend", "Content-Type", "a"]
            .into_iter()
            .map(str::to_owned)
            .chain((0..2_000).map(|number| format!("X-Own-{number}")))
            .collect();
        for spelled in spellings.iter().chain(&spellings).chain(spellings.iter().rev()) {
            let name = read(spelled).expect("a name");
            assert_eq!(name, HeaderName::from_bytes(spelled.as_bytes()).expect("a name"), "{spelled}");
        }
    }

    #[test]
    fn what_is_no_name_is_none_however_often_it_comes() {
        let long = "x".repeat(NAME_BYTES_MAX + 1);
        for _ in 0..3 {
            for odd in ["", "a b", "a:", "\u{e4}", "a\r"] {
                assert!(read(odd).is_err(), "{odd:?}");
            }
            assert_eq!(read(&long).expect("a name").as_str(), long);
        }
    }

    #[test]
    fn who_is_met_again_keeps_its_place() {
        let wants = |place_of: &str| {
            let wanted = place(place_of.as_bytes());
            (0..).map(|number| format!("y-{number}")).find(|name| place(name.as_bytes()) == wanted).expect("one does")
        };
        let (often, once) = ("X-Often", wants("X-Often"));
        let is_known = |name: &str| {
            let place = place(name.as_bytes()).expect("it is short");
            with_names(|names| names.0[place].as_ref().is_some_and(|known| *known.spelled == *name.as_bytes()))
        };
        // Turn by turn, as when each message has both.
        for name in [often, &once, often, &once] {
            read(name).expect("a name");
        }
        assert!(is_known(often) && !is_known(&once));
        for _ in 0..2 {
            read(&once).expect("a name");
        }
        assert!(is_known(&once), "who is met no more leaves");
    }
}
