//! Which template a body meets, and what becomes of a body that meets none (sections a.5, e.6 and f).
//!
//! A template is named by its place among the keys of the configured map, in their order; whoever compiles the
//! templates keeps that order.

use super::conversion::Payload;
use super::media_type::{CONTENT_TYPE_DEFAULT, essence};
use crate::integration::PassthroughBehavior;
use std::collections::BTreeMap;

/// The key that catches every media type without a template of its own.
const KEY_DEFAULT: &str = "$default";

/// Why a body goes no further.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Refusal {
    /// 415, the upstream is not called (section e.6).
    #[error("Unsupported Media Type")]
    UnsupportedMediaType,
    /// 500: a request template over bytes (sections a.5 and a.6).
    #[error("Unable to transform request")]
    UnableToTransformRequest,
    /// 500: a response template over bytes.
    #[error("Unable to transform response")]
    UnableToTransformResponse,
}

/// The keys of an integration's request templates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestTemplates {
    keys: Keys,
    behavior: PassthroughBehavior,
}

impl RequestTemplates {
    /// Compiles the keys of `requestTemplates`.
    pub fn compile(templates: &BTreeMap<String, String>, behavior: PassthroughBehavior) -> Self {
        Self { keys: Keys::compile(templates), behavior }
    }

    /// The key of a template.
    pub fn key(&self, index: usize) -> Option<&str> {
        self.keys.all.get(index).map(|key| &**key)
    }

    /// Chooses the template for a request that is `payload` after its conversion; `None` lets the body pass.
    /// `content_type` may carry parameters; absent it is `application/json` (section e.6), unless the API's policy gave
    /// the caller something else to pass here.
    ///
    /// # Errors
    /// Why the request is refused.
    pub fn select(&self, content_type: Option<&[u8]>, payload: Payload) -> Result<Option<usize>, Refusal> {
        let chosen = self.keys.find(content_type).or(self.keys.default);
        match (chosen, payload, self.behavior) {
            (Some(index), Payload::Text, _) => Ok(Some(index)),
            (Some(_), Payload::Bytes, _) => Err(Refusal::UnableToTransformRequest),
            (None, _, PassthroughBehavior::WhenNoMatch) => Ok(None),
            (None, _, PassthroughBehavior::WhenNoTemplates) if self.keys.is_empty() => Ok(None),
            (None, _, PassthroughBehavior::WhenNoTemplates | PassthroughBehavior::Never) => {
                Err(Refusal::UnsupportedMediaType)
            }
        }
    }
}

/// The keys of an integration response's templates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResponseTemplates {
    keys: Keys,
    /// The template for media types without one.
    fallback: Option<usize>,
}

impl ResponseTemplates {
    /// Compiles the keys of `responseTemplates`.
    pub fn compile(templates: &BTreeMap<String, String>) -> Self {
        let keys = Keys::compile(templates);
        let fallback = keys.find(None).or((!keys.is_empty()).then_some(0));
        Self { keys, fallback }
    }

    /// The key of a template.
    pub fn key(&self, index: usize) -> Option<&str> {
        self.keys.all.get(index).map(|key| &**key)
    }

    /// Chooses the template for a response that is `payload` after its conversion, by the client's first `Accept`
    /// element (see [`super::media_type::first_accept`]); `None` lets the body pass. Absent it is `application/json`. A
    /// media type without template gets the one for `application/json`, else the first, which `$default` is where there
    /// is one (section f).
    ///
    /// # Errors
    /// [`Refusal::UnableToTransformResponse`] for a template over bytes.
    pub fn select(&self, first_accept: Option<&[u8]>, payload: Payload) -> Result<Option<usize>, Refusal> {
        match (self.keys.find(first_accept).or(self.fallback), payload) {
            (None, _) => Ok(None),
            (Some(index), Payload::Text) => Ok(Some(index)),
            (Some(_), Payload::Bytes) => Err(Refusal::UnableToTransformResponse),
        }
    }
}

/// Media types in the order of their map. [`KEY_DEFAULT`] stands among them and is found by no media type.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Keys {
    all: Box<[Box<str>]>,
    default: Option<usize>,
}

impl Keys {
    fn compile(templates: &BTreeMap<String, String>) -> Self {
        Self {
            all: templates.keys().map(|key| key.as_str().into()).collect(),
            default: templates.keys().position(|key| key == KEY_DEFAULT),
        }
    }

    fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    fn find(&self, media_type: Option<&[u8]>) -> Option<usize> {
        let wanted = essence(media_type.unwrap_or(CONTENT_TYPE_DEFAULT.as_bytes()));
        let found = self.all.iter().position(|key| essence(key.as_bytes()).eq_ignore_ascii_case(wanted));
        // A client that writes `$default` asks for a media type that does not exist.
        found.filter(|found| Some(*found) != self.default)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use PassthroughBehavior::{Never, WhenNoMatch, WhenNoTemplates};

    const PASS: Result<Option<usize>, Refusal> = Ok(None);
    const UNSUPPORTED: Result<Option<usize>, Refusal> = Err(Refusal::UnsupportedMediaType);

    fn map(keys: &[&str]) -> BTreeMap<String, String> {
        keys.iter().map(|key| ((*key).to_owned(), String::new())).collect()
    }

    /// Section e.6: templates, whether the key matches, then `WHEN_NO_MATCH`, `WHEN_NO_TEMPLATES`, `NEVER`.
    #[test]
    fn request_templates_follow_section_e6() {
        const TEMPLATE: Result<Option<usize>, Refusal> = Ok(Some(0));
        for (keys, content_type, expected) in [
            (&[][..], "text/xml", [PASS, PASS, UNSUPPORTED]),
            (&["text/xml"], "text/xml", [TEMPLATE, TEMPLATE, TEMPLATE]),
            (&["text/xml"], "text/plain", [PASS, UNSUPPORTED, UNSUPPORTED]),
            (&["$default"], "text/plain", [TEMPLATE, TEMPLATE, TEMPLATE]),
        ] {
            for (behavior, expected) in [WhenNoMatch, WhenNoTemplates, Never].into_iter().zip(expected) {
                let templates = RequestTemplates::compile(&map(keys), behavior);
                let content_type = Some(content_type.as_bytes());
                assert_eq!(templates.select(content_type, Payload::Text), expected, "{keys:?} {behavior:?}");
                // Section a.5: bytes pass where text passes and are refused where text is; a template fails over them.
                let over_bytes = if expected == TEMPLATE { Err(Refusal::UnableToTransformRequest) } else { expected };
                assert_eq!(templates.select(content_type, Payload::Bytes), over_bytes, "{keys:?} {behavior:?}");
            }
        }
    }

    #[test]
    fn the_key_is_the_media_type_of_the_request() {
        let map = map(&["$default", "application/json", "Text/XML;charset=utf-8", "text/*"]);
        let templates = RequestTemplates::compile(&map, WhenNoMatch);
        for (content_type, expected) in [
            (None, "application/json"),
            (Some("application/json"), "application/json"),
            (Some("Application/JSON; charset=utf-8"), "application/json"),
            (Some("text/xml"), "Text/XML;charset=utf-8"),
            (Some("text/*"), "text/*"),
            (Some("text/plain"), "$default"),
            (Some("$default"), "$default"),
            (Some("wrong"), "$default"),
        ] {
            let index = map.keys().position(|key| key == expected);
            assert_eq!(templates.select(content_type.map(str::as_bytes), Payload::Text), Ok(index), "{content_type:?}");
        }
    }

    /// Section f: keys, the first `Accept` element, the key whose template is chosen.
    #[test]
    fn response_templates_follow_section_f() {
        for (keys, accept, expected) in [
            (&[][..], Some("text/xml"), None),
            (&[], None, None),
            (&["application/json", "text/xml"], Some("text/xml"), Some("text/xml")),
            (&["application/json", "text/xml"], Some("TEXT/xml"), Some("text/xml")),
            (&["application/json", "text/xml"], Some("application/json"), Some("application/json")),
            (&["application/json", "text/xml"], None, Some("application/json")),
            (&["application/json", "text/xml"], Some("image/png"), Some("application/json")),
            (&["application/json", "text/xml"], Some("*/*"), Some("application/json")),
            (&["text/plain", "text/xml"], Some("image/png"), Some("text/plain")),
            (&["text/plain", "text/xml"], None, Some("text/plain")),
            (&["$default", "application/json"], Some("image/png"), Some("application/json")),
            (&["$default", "text/xml"], Some("image/png"), Some("$default")),
            (&["$default", "application/json"], None, Some("application/json")),
            (&["$default"], Some("$default"), Some("$default")),
        ] {
            let map = map(keys);
            let templates = ResponseTemplates::compile(&map);
            let index = expected.map(|key| map.keys().position(|found| found == key).expect("one of the keys"));
            let accept = accept.map(str::as_bytes);
            assert_eq!(templates.select(accept, Payload::Text), Ok(index), "{keys:?} {accept:?}");
            let over_bytes = if index.is_some() { Err(Refusal::UnableToTransformResponse) } else { PASS };
            assert_eq!(templates.select(accept, Payload::Bytes), over_bytes, "{keys:?} {accept:?}");
        }
    }
}
