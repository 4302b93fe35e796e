//! Rules for objects that stand alone: [`RestApi`], [`Resource`], [`DomainName`], [`BasePathMapping`].

use super::gateway_response::check_gateway_responses;
use super::stage::check_stage_name;
use super::{check_chars, check_count, check_tags, is_media_range};
use crate::domain::{BasePathMapping, CATCH_ALL, DomainName};
use crate::limits::{
    BASE_PATH_DEPTH_MAX, BINARY_MEDIA_TYPES_MAX, COMPRESSION_SIZE_BYTES_MAX, DESCRIPTION_CHARS_MAX, NAME_CHARS_MAX,
};
use crate::resource::{PathPart, Resource};
use crate::rest_api::RestApi;
use crate::violation::Violations;

/// Checks the settings of an API.
pub fn rest_api(api: &RestApi) -> Violations {
    let mut found = Violations::new();
    if api.name.is_empty() {
        found.add("name", format!("must have 1 to {NAME_CHARS_MAX} characters"));
    }
    check_chars(&mut found, "name", &api.name, NAME_CHARS_MAX);
    check_chars(&mut found, "description", &api.description, DESCRIPTION_CHARS_MAX);
    check_chars(&mut found, "version", &api.version, NAME_CHARS_MAX);
    check_media_ranges(&mut found, "binaryMediaTypes", &api.binary_media_types);
    check_media_ranges(&mut found, "compressionMediaTypes", &api.compression_media_types);
    if api.minimum_compression_size.is_some_and(|bytes| bytes > COMPRESSION_SIZE_BYTES_MAX) {
        let text = format!("Invalid minimum compression size, must be between 0 and {COMPRESSION_SIZE_BYTES_MAX}");
        found.add("minimumCompressionSize", text);
    }
    check_gateway_responses(&mut found, &api.gateway_responses);
    check_tags(&mut found, &api.tags);
    found
}

fn check_media_ranges(found: &mut Violations, field: &str, entries: &[String]) {
    check_count(found, field, entries.len(), BINARY_MEDIA_TYPES_MAX);
    for (at, entry) in entries.iter().take(BINARY_MEDIA_TYPES_MAX).enumerate() {
        if !is_media_range(entry) {
            found.add(format!("{field}[{at}]"), format!("{entry:?} must be type/subtype, type/* or */*"));
        }
    }
}

/// Checks one resource by itself; how it stands among others is [`super::definition()`]'s subject.
pub fn resource(resource: &Resource) -> Violations {
    let mut found = Violations::new();
    if resource.parent_id.is_some() {
        if let Err(text) = PathPart::parse(&resource.path_part) {
            found.add("pathPart", text);
        }
    } else if !resource.path_part.is_empty() {
        found.add("pathPart", "the root resource has no path part");
    }
    found
}

/// Checks a domain: the catch-all, or a host name in lower case without a port.
pub fn domain_name(domain: &DomainName) -> Violations {
    let mut found = Violations::new();
    check_domain_name(&mut found, &domain.domain_name);
    check_tags(&mut found, &domain.tags);
    found
}

/// Checks a base path and what it reaches.
pub fn base_path_mapping(mapping: &BasePathMapping) -> Violations {
    let mut found = Violations::new();
    check_domain_name(&mut found, &mapping.domain_name);
    if !mapping.base_path.is_empty() {
        let segments = mapping.base_path.split('/');
        if segments.clone().count() > BASE_PATH_DEPTH_MAX {
            found.add("basePath", format!("must have at most {BASE_PATH_DEPTH_MAX} segments"));
        } else if !segments.clone().all(|part| matches!(PathPart::parse(part), Ok(PathPart::Literal(_)))) {
            found.add("basePath", "must be literal segments with one '/' between them, none at either end");
        }
    }
    if mapping.rest_api_id.is_empty() {
        found.add("restApiId", "must name the API that the base path reaches");
    }
    if let Some(stage) = &mapping.stage {
        check_stage_name(&mut found, "stage", stage.as_str());
    }
    found
}

fn check_domain_name(found: &mut Violations, name: &str) {
    let label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && label.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-_".contains(&b))
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    if name != CATCH_ALL && (name.len() > 253 || !name.split('.').all(label)) {
        found.add("domainName", format!("must be a host name in lower case without a port, or {CATCH_ALL}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(name: &str) -> RestApi {
        RestApi { name: name.to_owned(), ..RestApi::default() }
    }

    #[test]
    fn an_api_has_a_name_of_bounded_length() {
        for (name, right) in
            [("", false), ("x", true), (&*"ä".repeat(NAME_CHARS_MAX), true), (&*"ä".repeat(NAME_CHARS_MAX + 1), false)]
        {
            assert_eq!(rest_api(&named(name)).is_empty(), right, "{} bytes", name.len());
        }
    }

    #[test]
    fn binary_media_types_have_two_tokens() {
        let mut api = named("x");
        for good in ["image/png", "image/*", "*/*", "*/test", "application/vnd.a+json"] {
            api.binary_media_types = vec![good.to_owned()];
            assert!(rest_api(&api).is_empty(), "{good}");
        }
        for bad in ["", "image", "image/", "/png", "image/png; q=1", "a/b/c", "im age/png"] {
            api.binary_media_types = vec!["a/b".to_owned(), bad.to_owned()];
            let found = rest_api(&api);
            assert_eq!(found.as_slice()[0].field, "binaryMediaTypes[1]", "{bad}");
        }
        api.binary_media_types = vec!["a/b".to_owned(); BINARY_MEDIA_TYPES_MAX];
        assert!(rest_api(&api).is_empty());
        api.binary_media_types.push("a/b".to_owned());
        assert_eq!(rest_api(&api).as_slice()[0].field, "binaryMediaTypes");
        let api = RestApi { compression_media_types: vec!["font/ttf".to_owned(), "font".to_owned()], ..named("x") };
        assert_eq!(rest_api(&api).as_slice()[0].field, "compressionMediaTypes[1]");
    }

    #[test]
    fn compression_starts_within_the_specified_range() {
        let mut api = named("x");
        for (bytes, right) in [(0, true), (COMPRESSION_SIZE_BYTES_MAX, true), (COMPRESSION_SIZE_BYTES_MAX + 1, false)] {
            api.minimum_compression_size = Some(bytes);
            assert_eq!(rest_api(&api).is_empty(), right, "{bytes}");
        }
    }

    #[test]
    fn the_root_has_no_path_part_and_every_other_resource_has() {
        let mut sample = Resource::default();
        assert!(resource(&sample).is_empty());
        sample.path_part = "x".to_owned();
        assert!(!resource(&sample).is_empty());
        sample.parent_id = Some("root".into());
        assert!(resource(&sample).is_empty());
        sample.path_part = String::new();
        assert!(!resource(&sample).is_empty());
    }

    #[test]
    fn domains_are_host_names_or_the_catch_all() {
        for (name, right) in [
            ("*", true),
            ("api.example.com", true),
            ("localhost", true),
            ("127.0.0.1", true),
            ("", false),
            ("API.example.com", false),
            ("example.com:8080", false),
            ("*.example.com", false),
            ("a..b", false),
            ("-a.com", false),
        ] {
            let domain = DomainName { domain_name: name.to_owned(), ..DomainName::default() };
            assert_eq!(domain_name(&domain).is_empty(), right, "{name}");
        }
    }

    #[test]
    fn base_paths_are_literal_segments() {
        let with = |base_path: &str, stage: Option<&str>| BasePathMapping {
            domain_name: "*".to_owned(),
            base_path: base_path.to_owned(),
            rest_api_id: "api".into(),
            stage: stage.map(Into::into),
            ..BasePathMapping::default()
        };
        assert!(base_path_mapping(&with("", None)).is_empty());
        assert!(base_path_mapping(&with("v1/images", Some("prod"))).is_empty());
        for bad in ["/v1", "v1/", "a//b", "{id}", &vec!["a"; BASE_PATH_DEPTH_MAX + 1].join("/")] {
            assert_eq!(base_path_mapping(&with(bad, None)).as_slice()[0].field, "basePath", "{bad}");
        }
        assert_eq!(base_path_mapping(&with("a", Some("no stage"))).as_slice()[0].field, "stage");
        let nowhere = BasePathMapping { rest_api_id: "".into(), ..with("a", None) };
        assert_eq!(base_path_mapping(&nowhere).as_slice()[0].field, "restApiId");
    }
}
