//! Rules over objects: each function looks at one object and returns every rule that it breaks, with field paths.
//!
//! The control plane asks before it stores, import asks about its own result, and [`for_deployment`] is asked before a
//! snapshot is made. Names of fields are those of the JSON mapping (`integration.timeoutInMillis`); an entry of a map or
//! list stands in brackets, `methods[POST /images].integration.requestTemplates[text/xml]`.
//!
//! Deliberately absent: rules that need the store (does this deployment exist?) and repair. Nothing here changes
//! anything.

mod definition;
mod function;
mod gateway_response;
mod integration;
mod mappings;
mod method;
mod settings;
mod stage;
mod tree;
mod uri;

pub use definition::{definition, for_deployment};
pub use gateway_response::gateway_response;
pub use integration::{integration, integration_response};
pub use method::{method, method_response};
pub use settings::{base_path_mapping, domain_name, resource, rest_api};
pub use stage::stage;

use crate::limits::{PARAMETERS_MAX, TAG_KEY_CHARS_MAX, TAG_VALUE_CHARS_MAX, TAGS_MAX, TEMPLATE_BYTES_MAX};
use crate::text::{is_parameter_name, is_token};
use crate::violation::Violations;
use std::collections::BTreeMap;

/// Where a parameter of a request can stand, as mapping expressions spell it.
const REQUEST_PLACES: [&str; 3] = ["path", "querystring", "header"];

fn check_chars(found: &mut Violations, field: &str, text: &str, max: usize) {
    if text.chars().count() > max {
        found.add(field, format!("must have at most {max} characters"));
    }
}

fn check_count(found: &mut Violations, field: &str, count: usize, max: usize) {
    if count > max {
        found.add(field, format!("must have at most {max} entries"));
    }
}

fn check_tags(found: &mut Violations, tags: &BTreeMap<String, String>) {
    check_count(found, "tags", tags.len(), TAGS_MAX);
    for (key, value) in tags.iter().take(TAGS_MAX) {
        if key.is_empty() || key.chars().count() > TAG_KEY_CHARS_MAX {
            found.add("tags", format!("a key must have 1 to {TAG_KEY_CHARS_MAX} characters"));
        }
        check_chars(found, &format!("tags[{key}]"), value, TAG_VALUE_CHARS_MAX);
    }
}

/// Three digits, 100 to 599.
fn check_status_code(found: &mut Violations, field: &str, code: &str) {
    let right = matches!(code.as_bytes(), [b'1'..=b'5', tens, ones] if tens.is_ascii_digit() && ones.is_ascii_digit());
    if !right {
        found.add(field, format!("{code:?} is not a status code: it must be three digits, 100 to 599"));
    }
}

/// `type/subtype` of token characters, wildcards included, without parameters.
fn is_media_range(text: &str) -> bool {
    text.split_once('/').is_some_and(|(kind, subtype)| is_token(kind) && is_token(subtype))
}

fn check_templates(found: &mut Violations, field: &str, templates: &BTreeMap<String, String>) {
    check_count(found, field, templates.len(), PARAMETERS_MAX);
    for (key, template) in templates.iter().take(PARAMETERS_MAX) {
        let media_type = key.split(';').next().unwrap_or_default().trim();
        if key != "$default" && !is_media_range(media_type) {
            found.add(format!("{field}[{key}]"), "the key must be a media type such as application/json, or $default");
        }
        if template.len() > TEMPLATE_BYTES_MAX {
            found.add(format!("{field}[{key}]"), format!("a template must have at most {TEMPLATE_BYTES_MAX} bytes"));
        }
    }
}

fn check_models(found: &mut Violations, field: &str, models: &BTreeMap<String, String>) {
    check_count(found, field, models.len(), PARAMETERS_MAX);
    for (key, name) in models.iter().take(PARAMETERS_MAX) {
        if !is_media_range(key.split(';').next().unwrap_or_default().trim()) {
            found.add(format!("{field}[{key}]"), "the key must be a media type such as application/json");
        }
        if name.is_empty() {
            found.add(format!("{field}[{key}]"), "Model name must be non-empty");
        }
    }
}

/// Whether `key` is `method.request.{path|querystring|header}.{name}`, which declares a parameter.
fn names_request_parameter(key: &str) -> bool {
    let Some((place, name)) = key.strip_prefix("method.request.").and_then(|rest| rest.split_once('.')) else {
        return false;
    };
    REQUEST_PLACES.contains(&place) && is_parameter_name(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn status_codes_are_three_digits_of_five_classes() {
        for (code, right) in [
            ("200", true),
            ("599", true),
            ("100", true),
            ("600", false),
            ("20", false),
            ("2000", false),
            ("2x0", false),
        ] {
            let mut found = Violations::new();
            check_status_code(&mut found, "statusCode", code);
            assert_eq!(found.is_empty(), right, "{code}");
        }
    }

    #[test]
    fn request_parameters_have_a_side_a_place_and_a_name() {
        assert!(names_request_parameter("method.request.path.id"));
        assert!(names_request_parameter("method.request.header.X-Y"));
        for bad in [
            "integration.request.path.id",
            "method.request.path",
            "method.request.path.",
            "method.request.cookie.a",
            "method.request.header.a b",
            "method.response.header.a",
        ] {
            assert!(!names_request_parameter(bad), "{bad}");
        }
    }

    #[test]
    fn a_template_may_be_as_large_as_the_limit_and_no_larger() {
        for (bytes, violations) in [(TEMPLATE_BYTES_MAX, 0), (TEMPLATE_BYTES_MAX + 1, 1)] {
            let mut found = Violations::new();
            let templates = BTreeMap::from([("application/json;charset=utf-8".to_owned(), "x".repeat(bytes))]);
            check_templates(&mut found, "requestTemplates", &templates);
            assert_eq!(found.as_slice().len(), violations);
        }
    }
}
