//! [`MediaTypes`]: an API's binary media types, and what they are compared with (section a.1).
//!
//! Compiled per stage; a comparison allocates nothing. An element of a header is opaque: what a client writes with a
//! wildcard is a string like any other, only the entries of the list are patterns.

use super::field;
use crate::header_list::HeaderList;
use crate::rest_api::{AcceptPolicy, MissingContentType};
use http::header::ACCEPT;
use std::fmt;

/// What a missing request `Content-Type` counts as (section a.1, and e.6 for templates).
pub const CONTENT_TYPE_DEFAULT: &str = "application/json";

/// The entry of a list that an element matched. `Display` writes it as the list has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entry<'a> {
    /// `*/*`
    Everything,
    /// `type/*`
    MainType(&'a str),
    /// `type/subtype`
    Exact(&'a str),
}

impl fmt::Display for Entry<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Everything => f.write_str("*/*"),
            Self::MainType(main_type) => write!(f, "{main_type}/*"),
            Self::Exact(entry) => f.write_str(entry),
        }
    }
}

/// An API's binary media types.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MediaTypes {
    /// Whether `*/*` is in the list.
    everything: bool,
    /// The `type` of every `type/*`.
    main_types: Box<[Box<str>]>,
    /// The entries without wildcard.
    exact: Box<[Box<str>]>,
}

impl MediaTypes {
    /// Compiles `binaryMediaTypes`. An entry with a wildcard on the left only, such as `*/test`, never matches anything
    /// and is left out.
    pub fn compile(entries: &[String]) -> Self {
        let mut everything = false;
        let (mut main_types, mut exact) = (Vec::new(), Vec::new());
        for entry in entries {
            match entry.split_once('/') {
                Some(("*", "*")) => everything = true,
                Some(("*", _)) | None => {}
                Some((main_type, "*")) => main_types.push(main_type.into()),
                Some(_) => exact.push(entry.as_str().into()),
            }
        }
        Self { everything, main_types: main_types.into(), exact: exact.into() }
    }

    /// Whether one element matches, parameters already cut (see [`essence`]). `None`, no header at all, matches only
    /// `*/*`; so does what is not of the form `type/subtype`.
    pub fn matches(&self, element: Option<&[u8]>) -> bool {
        self.entry(element).is_some()
    }

    /// The entry that one element matches; as [`MediaTypes::matches`].
    pub fn entry(&self, element: Option<&[u8]>) -> Option<Entry<'_>> {
        if self.everything {
            return Some(Entry::Everything);
        }
        let element = element?;
        let slash = element.iter().position(|&byte| byte == b'/')?;
        let (main_type, subtype) = (&element[..slash], &element[slash + 1..]);
        if main_type.is_empty() || subtype.is_empty() || subtype.contains(&b'/') {
            return None;
        }
        let of = |entries: &'_ [Box<str>], wanted: &[u8]| {
            entries.iter().position(|entry| entry.as_bytes().eq_ignore_ascii_case(wanted))
        };
        let by_main_type = of(&self.main_types, main_type).map(|at| Entry::MainType(&self.main_types[at]));
        by_main_type.or_else(|| of(&self.exact, element).map(|at| Entry::Exact(&self.exact[at])))
    }

    /// Whether a body of this `Content-Type` is binary. `missing` stands in for a header that is absent or empty: see
    /// [`missing_in_request`] and [`missing_in_response`]. Nothing to stand in is no match, not even for `*/*`
    /// (section a.4).
    pub fn matches_content_type(&self, content_type: Option<&[u8]>, missing: Option<&str>) -> bool {
        content_type_or(content_type, missing).is_some_and(|element| self.matches(Some(element)))
    }

    /// Whether the client asks for bytes: by its first `Accept` element, or by any that it does not refuse (`q=0`).
    pub fn matches_accept(&self, headers: &HeaderList, policy: AcceptPolicy) -> bool {
        self.accept_entry(headers, policy).is_some()
    }

    /// The entry by which the client asks for bytes; as [`MediaTypes::matches_accept`].
    pub fn accept_entry(&self, headers: &HeaderList, policy: AcceptPolicy) -> Option<Entry<'_>> {
        match policy {
            AcceptPolicy::First => self.entry(first_accept(headers)),
            AcceptPolicy::All if self.everything => Some(Entry::Everything),
            AcceptPolicy::All => headers
                .get_all(ACCEPT)
                .flat_map(|line| field::elements(line.as_bytes()))
                .filter(|element| field::weight(element) != Some(0))
                .find_map(|element| self.entry(Some(essence(element)))),
        }
    }
}

/// A media type without its parameters: what stands before the first `;`, without the blanks around it.
pub fn essence(value: &[u8]) -> &[u8] {
    field::essence(value)
}

/// The `charset` of a media type, without the quotes that may be around it; `None` when it names none.
pub fn charset(value: &[u8]) -> Option<&[u8]> {
    let charset = field::parameter(value, b"charset")?;
    Some(charset.strip_prefix(b"\"").and_then(|rest| rest.strip_suffix(b"\"")).unwrap_or(charset))
}

/// The essence of a `Content-Type`, or `missing` when it is absent or empty.
pub fn content_type_or<'a>(content_type: Option<&'a [u8]>, missing: Option<&'a str>) -> Option<&'a [u8]> {
    content_type.map(essence).filter(|essence| !essence.is_empty()).or(missing.map(str::as_bytes))
}

/// The essence of the first `Accept` element: the text before the first comma of the first line. `None` without header.
pub fn first_accept(headers: &HeaderList) -> Option<&[u8]> {
    let line = headers.get(ACCEPT)?.as_bytes();
    let end = line.iter().position(|&byte| byte == b',').unwrap_or(line.len());
    Some(essence(&line[..end]))
}

/// What a missing `Content-Type` of a request counts as. `first_bytes` is read under [`MissingContentType::Sniff`] only
/// and holds up to [`super::SNIFF_BYTES_MAX`] bytes.
pub fn missing_in_request(policy: MissingContentType, first_bytes: &[u8]) -> &'static str {
    match policy {
        MissingContentType::Json => CONTENT_TYPE_DEFAULT,
        MissingContentType::OctetStream => "application/octet-stream",
        MissingContentType::Sniff => super::sniff(first_bytes),
    }
}

/// The same for an upstream's response, of which the specification says that it does not match (section a.4).
pub fn missing_in_response(policy: MissingContentType, first_bytes: &[u8]) -> Option<&'static str> {
    match policy {
        MissingContentType::Json => None,
        MissingContentType::OctetStream | MissingContentType::Sniff => Some(missing_in_request(policy, first_bytes)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn types(entries: &[&str]) -> MediaTypes {
        MediaTypes::compile(&entries.iter().map(|entry| (*entry).to_owned()).collect::<Vec<_>>())
    }

    fn accept(lines: &[&str]) -> HeaderList {
        lines.iter().map(|line| (ACCEPT, line.parse().expect("a header value"))).collect()
    }

    /// Section a.1, one row per sentence: entries, element, whether it matches.
    #[test]
    fn elements_match_as_section_a1_says() {
        for (entries, element, expected) in [
            (&[][..], Some("image/png"), false),
            (&["image/png"], Some("image/png"), true),
            (&["image/png"], Some("IMAGE/Png"), true),
            (&["IMAGE/PNG"], Some("image/png"), true),
            (&["image/png"], Some("image/jpeg"), false),
            (&["image/png"], Some("image/png2"), false),
            (&["image/*"], Some("image/png"), true),
            (&["image/*"], Some("Image/png"), true),
            (&["image/*"], Some("images/png"), false),
            (&["image/*"], Some("video/png"), false),
            (&["*/*"], Some("image/png"), true),
            (&["*/*"], Some("application"), true),
            (&["*/*"], Some(""), true),
            (&["*/*"], None, true),
            (&["*/test"], Some("a/test"), false),
            (&["*/test"], Some("*/test"), false),
            (&["image/png"], Some("image/*"), false),
            (&["image/png"], Some("*/*"), false),
            (&["application/*"], Some("application/*"), true),
            (&["application/*"], Some("*/*"), false),
            (&["application/*"], Some("application"), false),
            (&["application/*"], Some("application/"), false),
            (&["application/*"], Some("application/a/b"), false),
            (&["application/*"], Some("/json"), false),
            (&["application/json"], None, false),
            (&["a/b", "image/*", "c/d"], Some("c/d"), true),
        ] {
            assert_eq!(types(entries).matches(element.map(str::as_bytes)), expected, "{element:?} in {entries:?}");
        }
    }

    #[test]
    fn parameters_and_blanks_are_cut() {
        for (value, expected) in [
            ("image/png", "image/png"),
            ("multipart/form-data; boundary=x", "multipart/form-data"),
            (" text/plain ;charset=utf-8;a=b", "text/plain"),
            (";q=1", ""),
            ("", ""),
        ] {
            assert_eq!(essence(value.as_bytes()), expected.as_bytes(), "{value}");
        }
        let form = types(&["multipart/form-data"]);
        assert!(form.matches_content_type(Some(b"multipart/form-data; boundary=x"), None));
    }

    /// Policy, entry, first bytes, whether a request and a response without `Content-Type` are binary.
    #[test]
    fn a_missing_content_type_counts_as_its_policy_says() {
        use MissingContentType::{Json, OctetStream, Sniff};
        const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR";
        for (policy, entry, first_bytes, request, response) in [
            (Json, "application/json", PNG, true, false),
            (Json, "application/octet-stream", PNG, false, false),
            (Json, "*/*", PNG, true, false),
            (OctetStream, "application/json", PNG, false, false),
            (OctetStream, "application/octet-stream", b"{}", true, true),
            (OctetStream, "*/*", b"{}", true, true),
            (Sniff, "image/png", PNG, true, true),
            (Sniff, "image/png", b"{}", false, false),
            (Sniff, "application/json", b"{}", true, true),
            (Sniff, "*/*", b"", true, true),
        ] {
            let types = types(&[entry]);
            for absent in [None, Some(&b""[..]), Some(b" ;charset=utf-8")] {
                let in_request = missing_in_request(policy, first_bytes);
                assert_eq!(types.matches_content_type(absent, Some(in_request)), request, "{policy:?} {entry} request");
                let in_response = missing_in_response(policy, first_bytes);
                assert_eq!(types.matches_content_type(absent, in_response), response, "{policy:?} {entry} response");
            }
            assert_eq!(types.matches_content_type(Some(b"x/y"), Some("image/png")), entry == "*/*", "present: {entry}");
        }
    }

    /// Lines, entry, whether the first element matches, whether any does.
    #[test]
    fn accept_counts_by_its_first_element_or_by_all() {
        for (lines, entry, first, all) in [
            (&[][..], "image/png", false, false),
            (&[], "*/*", true, true),
            (&["image/png"], "image/png", true, true),
            (&["image/png;q=0.1"], "image/png", true, true),
            (&["image/png ; q=0.1 , text/html"], "image/png", true, true),
            (&["text/html,image/png"], "image/png", false, true),
            (&["text/html", "image/png"], "image/png", false, true),
            (&["text/html,image/png;q=0"], "image/png", false, false),
            (&["text/html,image/png;q=0.0"], "image/png", false, false),
            (&["text/html,image/png;q=wrong"], "image/png", false, true),
            (&["a/b;t=\",image/png\""], "image/png", false, false),
            (&["image/*"], "image/png", false, false),
            (&["image/*"], "image/*", true, true),
            (&["application"], "application/json", false, false),
            (&["application"], "*/*", true, true),
            (&[""], "image/png", false, false),
            (&[",image/png"], "image/png", false, true),
            // The first element decides even when the client refuses it: cutting its parameters cuts the weight.
            (&["image/png;q=0"], "image/png", true, false),
        ] {
            let types = types(&[entry]);
            let headers = accept(lines);
            assert_eq!(types.matches_accept(&headers, AcceptPolicy::First), first, "first of {lines:?} in {entry}");
            assert_eq!(types.matches_accept(&headers, AcceptPolicy::All), all, "all of {lines:?} in {entry}");
        }
    }

    /// The rule of section a.1 word for word, on strings.
    fn naive(entries: &[String], element: &str) -> bool {
        let element = element.to_lowercase();
        entries.iter().map(|entry| entry.to_lowercase()).any(|entry| {
            if entry == "*/*" {
                return true;
            }
            let parts: Vec<_> = element.split('/').collect();
            if entry.starts_with("*/") || parts.len() != 2 || parts.contains(&"") {
                return false;
            }
            entry == element || entry.strip_suffix("/*") == Some(parts[0])
        })
    }

    proptest! {
        #[test]
        fn matching_is_the_naive_rule(
            entries in prop::collection::vec("[aAb*]/[aAb*]", 0..4),
            element in "[aAb*/]{0,2}/?[aAb*]{0,2}",
        ) {
            let expected = naive(&entries, &element);
            prop_assert_eq!(MediaTypes::compile(&entries).matches(Some(element.as_bytes())), expected);
        }

        #[test]
        fn essences_have_no_parameters_and_are_their_own(value in "[ a/;=]{0,12}") {
            let cut = essence(value.as_bytes());
            prop_assert!(!cut.contains(&b';'));
            prop_assert_eq!(essence(cut), cut);
        }
    }
}
