//! The base path of a document, and what becomes of it (section i.2).

use super::BasePathMode;
use super::report::{Place, Report};
use crate::resource::segments;
use serde_json::{Map, Value};

/// Name of the server variable that holds the base path in exported documents.
const VARIABLE: &str = "basePath";

/// The segments that all paths of the document get in front, and where the base path stands.
pub(super) struct BasePath {
    pub(super) segments: Vec<String>,
    pub(super) pointer: String,
}

/// Reads the base path and applies `mode` to it.
pub(super) fn read(document: &Map<String, Value>, mode: BasePathMode, report: &mut Report) -> BasePath {
    let (path, pointer) = match document.get("swagger") {
        Some(_) => (swagger(document, report), "/basePath".to_owned()),
        None => servers(document),
    };
    let all = segments(&path).map(str::to_owned);
    let segments = match mode {
        BasePathMode::Ignore => Vec::new(),
        BasePathMode::Prepend => all.collect(),
        BasePathMode::Split => all.skip(1).collect(),
    };
    BasePath { segments, pointer }
}

fn swagger(document: &Map<String, Value>, report: &mut Report) -> String {
    match document.get("basePath") {
        Some(Value::String(path)) => path.clone(),
        None | Some(Value::Null) => String::new(),
        Some(_) => {
            report.warning(Place::ROOT.key("basePath"), "must be text: ignored");
            String::new()
        }
    }
}

/// The first server variable of the name, else the path of the first server.
fn servers(document: &Map<String, Value>) -> (String, String) {
    let servers = document.get("servers").and_then(Value::as_array).map_or(&[] as &[Value], Vec::as_slice);
    for (at, server) in servers.iter().enumerate() {
        if let Some(default) = variable(server, VARIABLE) {
            return (default.to_owned(), format!("/servers/{at}/variables/{VARIABLE}/default"));
        }
    }
    let path = servers.first().and_then(|server| Some(path_of(server, server.get("url")?.as_str()?)));
    (path.unwrap_or_default(), "/servers/0/url".to_owned())
}

fn variable<'d>(server: &'d Value, name: &str) -> Option<&'d str> {
    server.get("variables")?.get(name)?.get("default")?.as_str()
}

/// The path of a URL that may be relative and may have variables.
fn path_of(server: &Value, url: &str) -> String {
    let path = match url.split_once("://") {
        Some((_, rest)) => rest.find('/').map_or("", |at| &rest[at..]),
        None => url,
    };
    let path = path.split(['?', '#']).next().unwrap_or_default();
    let filled = segments(path).map(|segment| {
        let name = segment.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
        name.and_then(|name| variable(server, name)).unwrap_or(segment).trim_matches('/')
    });
    filled.collect::<Vec<_>>().join("/")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn base(document: &Value, mode: BasePathMode) -> (String, String) {
        let mut report = Report::default();
        let base = read(document.as_object().unwrap(), mode, &mut report);
        (base.segments.join("/"), base.pointer)
    }

    #[test]
    fn three_modes() {
        let document = json!({"swagger": "2.0", "basePath": "/a/b/c/"});
        for (mode, expected) in
            [(BasePathMode::Ignore, ""), (BasePathMode::Prepend, "a/b/c"), (BasePathMode::Split, "b/c")]
        {
            assert_eq!(base(&document, mode), (expected.to_owned(), "/basePath".to_owned()));
        }
        assert_eq!(base(&json!({"swagger": "2.0", "basePath": "/a"}), BasePathMode::Split).0, "");
        assert_eq!(base(&json!({"swagger": "2.0", "basePath": "/"}), BasePathMode::Prepend).0, "");
    }

    #[test]
    fn servers_name_it_by_variable_or_by_path() {
        let by_variable = json!({"openapi": "3.0.1", "servers": [
            {"url": "https://example.com/x"},
            {"url": "https://example.com/{basePath}", "variables": {"basePath": {"default": "/v1"}}},
        ]});
        let expected = ("v1".to_owned(), "/servers/1/variables/basePath/default".to_owned());
        assert_eq!(base(&by_variable, BasePathMode::Prepend), expected);
        for (url, path) in [
            ("https://example.com/a/b?x=1", "a/b"),
            ("https://example.com", ""),
            ("/a/{version}", "a/v2"),
            ("a/{unknown}", "a/{unknown}"),
            ("https://{host}:{port}/a", "a"),
        ] {
            let server = json!({"url": url, "variables": {"version": {"default": "v2"}}});
            let document = json!({"openapi": "3.0.1", "servers": [server]});
            assert_eq!(base(&document, BasePathMode::Prepend), (path.to_owned(), "/servers/0/url".to_owned()), "{url}");
        }
        for none in [json!({}), json!({"servers": []}), json!({"servers": {}}), json!({"servers": [1]})] {
            assert_eq!(base(&none, BasePathMode::Prepend).0, "");
        }
    }
}
