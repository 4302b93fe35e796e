//! Lists in pages: sizes, and the tokens that say where a page ends.
//!
//! A token is opaque to callers. It names its list and the filters it was made for, so that one from another call is
//! refused instead of answering nonsense.

use crate::app::{Error, PAGE_SIZE_DEFAULT, PAGE_SIZE_MAX};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use prost::Message;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// Most bytes of one page, encoded: clients take 4 MiB unless told otherwise. At least one object is on every page.
const PAGE_BYTES_MAX: usize = 3 * 1024 * 1024;
/// Longest token, in bytes: keys have at most a few hundred.
const TOKEN_BYTES_MAX: usize = 16 * 1024;

/// What a caller asks for: which page of which list.
#[derive(Debug)]
pub(super) struct Page {
    list: String,
    size: u32,
    after: Vec<String>,
}

#[derive(Serialize, Deserialize)]
struct Token {
    list: String,
    after: Vec<String>,
}

impl Page {
    /// Reads size and token. `list` names the call, `filters` what it filters by; keys of the list have `N` parts.
    pub(super) fn read(list: &str, filters: &[&str], keys: usize, size: i32, token: &str) -> Result<Self, Error> {
        let size = match u32::try_from(size) {
            Ok(0) => PAGE_SIZE_DEFAULT,
            Ok(size) => size.min(PAGE_SIZE_MAX),
            Err(_) => return Err(Error::invalid("pageSize", "must not be negative")),
        };
        let list = format!("{list} {}", digest(filters));
        let mut after = Vec::new();
        if !token.is_empty() {
            let bad = || Error::invalid("pageToken", "is not a token that this list with these filters gave out");
            after =
                decode(token).filter(|token| token.list == list && token.after.len() == keys).ok_or_else(bad)?.after;
        }
        Ok(Self { list, size, after })
    }

    /// The last key of the previous page; `None` on the first page.
    pub(super) fn after(&self) -> Option<&[String]> {
        (!self.after.is_empty()).then_some(&self.after[..])
    }

    /// One part of the last key of the previous page; empty on the first page.
    pub(super) fn after_part(&self, at: usize) -> &str {
        self.after.get(at).map(String::as_str).unwrap_or_default()
    }

    /// How many objects to fetch: one more than a page has, to see whether there is a next one.
    pub(super) fn fetch(&self) -> u32 {
        self.size + 1
    }

    /// Cuts what was fetched to one page, and makes the token of the next one: empty if this is the last.
    pub(super) fn cut<W: Message>(self, fetched: Vec<W>, key: impl Fn(&W) -> Vec<String>) -> (Vec<W>, String) {
        let count = fetched.len();
        let mut room = PAGE_BYTES_MAX;
        let mut items = Vec::new();
        for item in fetched.into_iter().take(self.size as usize) {
            let bytes = item.encoded_len();
            if bytes > room && !items.is_empty() {
                break;
            }
            room = room.saturating_sub(bytes);
            items.push(item);
        }
        let token = match items.last() {
            Some(last) if items.len() < count => encode(&Token { list: self.list, after: key(last) }),
            _ => String::new(),
        };
        (items, token)
    }
}

fn digest(filters: &[&str]) -> String {
    let mut hash = Sha256::new();
    for filter in filters {
        hash.update(filter.len().to_be_bytes());
        hash.update(filter);
    }
    URL_SAFE_NO_PAD.encode(&hash.finalize()[..8])
}

fn encode(token: &Token) -> String {
    // Two fields of text always have a JSON form.
    URL_SAFE_NO_PAD.encode(serde_json::to_vec(token).unwrap_or_default())
}

fn decode(token: &str) -> Option<Token> {
    let bytes = (token.len() <= TOKEN_BYTES_MAX).then(|| URL_SAFE_NO_PAD.decode(token).ok())??;
    serde_json::from_slice(&bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    // `Timestamp` is as good a message as any.
    fn items(numbers: impl IntoIterator<Item = i64>) -> Vec<prost_types::Timestamp> {
        numbers.into_iter().map(|seconds| prost_types::Timestamp { seconds, nanos: 0 }).collect()
    }

    fn key(item: &prost_types::Timestamp) -> Vec<String> {
        vec![item.seconds.to_string()]
    }

    #[test]
    fn pages_follow_each_other_and_end() {
        let first = Page::read("things", &["red"], 1, 2, "").expect("it is good");
        assert_eq!((first.after(), first.fetch()), (None, 3));
        let (page, token) = first.cut(items(1..4), key);
        assert_eq!(page.len(), 2);

        let second = Page::read("things", &["red"], 1, 2, &token).expect("we made it");
        assert_eq!(second.after_part(0), "2");
        let (page, token) = second.cut(items(3..4), key);
        assert_eq!((page.len(), token.as_str()), (1, ""));
    }

    #[test]
    fn tokens_of_other_lists_and_texts_that_are_none_are_refused() {
        let (_, token) = Page::read("things", &["red"], 1, 1, "").expect("it is good").cut(items(1..3), key);
        assert!(Page::read("things", &["red"], 1, 1, &token).is_ok());
        assert!(Page::read("things", &["blue"], 1, 1, &token).is_err());
        assert!(Page::read("others", &["red"], 1, 1, &token).is_err());
        assert!(Page::read("things", &["red"], 2, 1, &token).is_err());
        for bad in ["x", "AAAA", "%%%", &"A".repeat(TOKEN_BYTES_MAX + 1)] {
            assert!(Page::read("things", &["red"], 1, 1, bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn sizes_have_a_default_and_bounds() {
        let size = |size| Page::read("things", &[], 1, size, "").map(|page| page.fetch() - 1).ok();
        assert_eq!(size(0), Some(PAGE_SIZE_DEFAULT));
        assert_eq!(size(1), Some(1));
        assert_eq!(size(i32::MAX), Some(PAGE_SIZE_MAX));
        assert_eq!(size(-1), None);
    }

    #[test]
    fn a_page_ends_before_it_is_too_large_for_a_client() {
        let large = |n: u8| prost_types::Any { type_url: n.to_string(), value: vec![n; PAGE_BYTES_MAX / 2] };
        let page = Page::read("things", &[], 1, 10, "").expect("it is good");
        let (page, token) = page.cut(vec![large(1), large(2), large(3)], |item| vec![item.type_url.clone()]);
        assert_eq!(page.len(), 1);
        assert_eq!(Page::read("things", &[], 1, 10, &token).expect("we made it").after_part(0), "1");
    }
}
