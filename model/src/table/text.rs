//! [`Text`]: a name that is looked up.

use std::borrow::Borrow;
use std::fmt;
use std::hash::{Hash, Hasher};

/// Octets of a text that stands where it is looked for.
const SHORT_BYTES: usize = 22;

/// A text, equal to its octets. A short one is in the same line of the cache as what it is found by, where another would be
/// somewhere else in memory.
#[derive(Clone)]
pub(super) enum Text {
    Short(u8, [u8; SHORT_BYTES]),
    Long(Box<[u8]>),
}

impl Text {
    /// Its octets.
    pub(super) fn bytes(&self) -> &[u8] {
        match self {
            Self::Short(length, bytes) => bytes.get(..usize::from(*length)).unwrap_or_default(),
            Self::Long(bytes) => bytes,
        }
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        let mut bytes = [0; SHORT_BYTES];
        match (bytes.get_mut(..text.len()), u8::try_from(text.len())) {
            (Some(place), Ok(length)) => {
                place.copy_from_slice(text.as_bytes());
                Self::Short(length, bytes)
            }
            _ => Self::Long(text.as_bytes().into()),
        }
    }
}

impl Borrow<[u8]> for Text {
    fn borrow(&self) -> &[u8] {
        self.bytes()
    }
}

impl PartialEq for Text {
    fn eq(&self, other: &Self) -> bool {
        self.bytes() == other.bytes()
    }
}

impl Eq for Text {}

impl Hash for Text {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.bytes().hash(state);
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        String::from_utf8_lossy(self.bytes()).fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    #[test]
    fn it_is_found_by_its_octets_whatever_its_length() {
        let texts: Vec<String> = (0..64).map(|length| "a".repeat(length)).collect();
        let found: HashMap<Text, usize> = texts.iter().map(|text| (text.as_str().into(), text.len())).collect();
        assert_eq!(found.len(), texts.len());
        for text in &texts {
            assert_eq!(found.get(text.as_bytes()), Some(&text.len()));
            assert_eq!(format!("{:?}", Text::from(text.as_str())), format!("{text:?}"));
        }
        assert!(!found.contains_key(&b"b"[..]));
        assert_eq!(size_of::<Text>(), 24);
    }
}
