//! Which method a request meets: sections d.1 and d.2, from outside.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use harness::World;
use harness::content::{Api, Recorder, http_proxy, reply, send, with};
use harness::upstream::whole;
use serde_json::json;

/// The method, the resource, where it leads. Every path variable is mapped to its own name.
const ROUTES: &[(&str, &str, &str)] = &[
    // The least specific first: the order of creation has no influence.
    ("OPTIONS", "/{proxy+}", "/greedy-options/{proxy}"),
    ("GET", "/{proxy+}", "/greedy/{proxy}"),
    ("ANY", "/a/{id}", "/param-any/{id}"),
    ("GET", "/a/{id}", "/param/{id}"),
    ("GET", "/a/{id}/x", "/param-x/{id}"),
    ("ANY", "/a/static", "/static"),
    ("GET", "/a/static/deep", "/deep"),
    ("GET", "/b/{rest+}", "/below-b/{rest}"),
    ("POST", "/b/c", "/b-c"),
    ("POST", "/test", "/test-post"),
    ("GET", "/", "/root"),
];

/// The request behind the stage, the upstream's; none is a 403.
const REQUESTS: &[(&str, Option<&str>)] = &[
    ("GET /", Some("GET /root")),
    ("GET /?x=1", Some("GET /root?x=1")),
    // Neither a variable nor a greedy one matches nothing.
    ("POST /", None),
    ("OPTIONS /", None),
    // No HEAD behind a GET, and no OPTIONS that nobody declared.
    ("HEAD /", None),
    ("HEAD /test", None),
    ("OPTIONS /test", Some("OPTIONS /greedy-options/test")),
    ("POST /test", Some("POST /test-post")),
    ("GET /test", Some("GET /greedy/test")),
    ("PUT /test", None),
    ("GET /a/1", Some("GET /param/1")),
    ("DELETE /a/1", Some("DELETE /param-any/1")),
    ("HEAD /a/1", Some("HEAD /param-any/1")),
    ("GET /a/1/", Some("GET /param/1")),
    ("GET /a/static", Some("GET /static")),
    ("GET /a/static/", Some("GET /static")),
    ("PUT /a/static", Some("PUT /static")),
    ("GET /a/static/deep", Some("GET /deep")),
    ("GET /a/1/x", Some("GET /param-x/1")),
    // A more specific resource that leads nowhere is left again.
    ("GET /a/static/x", Some("GET /param-x/static")),
    ("GET /a/1/y", Some("GET /greedy/a/1/y")),
    // A resource without a method is transparent.
    ("GET /a", Some("GET /greedy/a")),
    ("GET /b", Some("GET /greedy/b")),
    ("GET /b/c", Some("GET /below-b/c")),
    ("POST /b/c", Some("POST /b-c")),
    ("GET /b/c//d/", Some("GET /below-b/c//d")),
    ("GET /A/1", Some("GET /greedy/A/1")),
    ("GET /a/1%2F2", Some("GET /param/1%2F2")),
    ("GET /a/%C3%A9", Some("GET /param/%C3%A9")),
    ("GET /x/y?z=1", Some("GET /greedy/x/y?z=1")),
    ("TRACE /a/1", None),
];

#[tokio::test(flavor = "multi_thread")]
async fn the_most_specific_resource_that_has_the_method_answers() {
    let world = World::start(1).await;
    let recorder = Recorder::start(|_| reply(200, &[], whole(""))).await;
    let mut api = Api::at("routing");
    for (method, path, target) in ROUTES {
        let names = path.split('/').filter_map(|part| Some(part.strip_prefix('{')?.trim_end_matches(['}', '+'])));
        let mapping: serde_json::Map<_, _> = names
            .map(|name| (format!("integration.request.path.{name}"), json!(format!("method.request.path.{name}"))))
            .collect();
        api.route(method, path, with(http_proxy(recorder.uri(target)), json!({"requestParameters": mapping})));
    }
    let id = api.register(&world).await;
    let execute_api = format!("{id}.execute-api.eu-west-1.amazonaws.com");
    for (line, upstream) in REQUESTS {
        let (method, target) = line.split_once(' ').unwrap();
        // By the domain, and as the hosted service spells it; slashes too many around the stage mean nothing.
        for (host, prefix) in
            [("routing", ""), (&execute_api, "/prod"), (&execute_api, "//prod/"), (&execute_api, "/prod/")]
        {
            let row = format!("{host} {method} {prefix}{target}");
            let answer = send(&world, host, &format!("{method} {prefix}{target}"), &[], whole("")).await;
            let got = recorder.take().map(|recorded| format!("{} {}", recorded.method, recorded.target));
            assert_eq!(got.as_deref(), *upstream, "{row}");
            if upstream.is_some() {
                assert_eq!(answer.status, 200, "{row}");
                continue;
            }
            let body = if method == "HEAD" { "" } else { r#"{"message":"Missing Authentication Token"}"# };
            assert_eq!((answer.status.as_u16(), answer.text()), (403, body), "{row}");
            assert_eq!(answer.header("x-amzn-errortype"), "MissingAuthenticationTokenException", "{row}");
        }
    }
    for path in ["/", "/none/a/1", "/PROD/a/1"] {
        let answer = send(&world, &execute_api, &format!("GET {path}"), &[], whole("")).await;
        assert_eq!((answer.status.as_u16(), answer.text()), (403, r#"{"message":"Forbidden"}"#), "{path}");
        assert_eq!(answer.header("x-amzn-errortype"), "ForbiddenException", "{path}");
    }
}
