//! [`is_binary_request`]: whether a request's body stands in its event as base64 (sections a.7 and a.9).

use super::PayloadFormat;
use crate::content::media_type::{charset, essence};
use crate::header_list::HeaderList;
use crate::table::StageSettings;
use http::header::CONTENT_TYPE;

/// What is text in format 2.0, `text/*` left out.
const TEXT_TYPES: [&str; 4] = ["application/json", "application/xml", "application/javascript", "application/graphql"];

/// Whether the body of this request is written as base64; otherwise as text, what is not UTF-8 replaced.
///
/// Format 1.0 asks the API's binary media types; `missing` stands in for a `Content-Type` that is absent or empty, see
/// [`missing_in_request`](crate::content::media_type::missing_in_request). Format 2.0 has no such list and asks the type
/// alone.
pub fn is_binary_request(format: PayloadFormat, stage: &StageSettings, headers: &HeaderList, missing: &str) -> bool {
    let content_type = headers.get(CONTENT_TYPE).map(|value| value.as_bytes());
    match format {
        PayloadFormat::V1 => stage.media_types.matches_content_type(content_type, Some(missing)),
        PayloadFormat::V2 => !content_type.is_some_and(is_text),
    }
}

/// Section a.9: types that are known to be text, unless their charset is not UTF-8.
fn is_text(content_type: &[u8]) -> bool {
    let media_type = essence(content_type);
    let is_text_type = media_type
        .split_at_checked(5)
        .is_some_and(|(main_type, subtype)| main_type.eq_ignore_ascii_case(b"text/") && !subtype.is_empty());
    let is_known = is_text_type || TEXT_TYPES.iter().any(|known| media_type.eq_ignore_ascii_case(known.as_bytes()));
    is_known && charset(content_type).is_none_or(|charset| charset.eq_ignore_ascii_case(b"utf-8"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bundle::Bundle;
    use crate::definition::ApiDefinition;
    use crate::deployment::Stage;
    use crate::table::StageTable;
    use http::HeaderValue;

    /// Binary media types, content type, whether the body is base64 in format 1.0 and in format 2.0.
    #[test]
    fn format_1_asks_the_list_and_format_2_does_not() {
        for (entries, content_type, first, second) in [
            (&[][..], Some("image/png"), false, true),
            (&["image/png"], Some("image/png"), true, true),
            (&["image/*"], Some("Image/PNG; q=1"), true, true),
            (&["image/png"], Some("text/plain"), false, false),
            (&["application/json"], Some("application/json"), true, false),
            (&["application/json"], None, true, true),
            (&["application/json"], Some(""), true, true),
            (&["image/png"], None, false, true),
            (&["*/*"], None, true, true),
            (&["*/*"], Some("text/plain"), true, false),
            (&["multipart/form-data"], Some("multipart/form-data; boundary=x"), true, true),
        ] {
            let mut definition = ApiDefinition::default();
            definition.rest_api.binary_media_types = entries.iter().map(|&entry| entry.to_owned()).collect();
            let table = StageTable::compile(&Bundle::new(definition, Stage::default())).expect("it compiles");
            let headers =
                content_type.map(|value| (CONTENT_TYPE, HeaderValue::from_static(value))).into_iter().collect();
            for (format, expected) in [(PayloadFormat::V1, first), (PayloadFormat::V2, second)] {
                let binary = is_binary_request(format, table.settings(), &headers, "application/json");
                assert_eq!(binary, expected, "{format:?} {content_type:?} in {entries:?}");
            }
        }
    }

    /// Section a.9: content type, whether the body is base64.
    #[test]
    fn format_2_asks_the_content_type_alone() {
        for (content_type, binary) in [
            ("text/plain", false),
            ("text/html", false),
            ("text/css", false),
            ("text/csv", false),
            ("text/xml", false),
            ("text/unheard-of", false),
            ("text/plain;charset=utf-8", false),
            ("text/plain; charset=UTF-8", false),
            ("text/html; charset=\"utf-8\"", false),
            ("TEXT/Plain", false),
            ("application/json", false),
            ("application/json; charset=utf-8", false),
            ("Application/JSON;Charset=Utf-8", false),
            ("application/xml", false),
            ("application/javascript", false),
            ("application/graphql", false),
            ("text/plain; format=flowed; charset=utf-8", false),
            ("text/plain; charset=iso-8859-1", true),
            ("application/json; charset=utf-16", true),
            ("text/plain; charset=", true),
            ("text/", true),
            ("text", true),
            ("", true),
            ("application/x-www-form-urlencoded", true),
            ("application/x-www-form-urlencoded; charset=utf-8", true),
            ("multipart/form-data; boundary=x", true),
            ("application/octet-stream", true),
            ("application/pdf", true),
            ("application/zip", true),
            ("application/problem+json", true),
            ("application/jsonp", true),
            ("image/png", true),
            ("image/svg+xml", true),
            ("audio/mpeg", true),
            ("video/mp4", true),
            ("font/woff2", true),
        ] {
            assert_eq!(!is_text(content_type.as_bytes()), binary, "{content_type}");
        }
    }
}
