//! Events, member by member from sections b.2 and b.5.

use super::*;
use crate::bundle::Bundle;
use crate::definition::ApiDefinition;
use crate::deployment::Stage;
use crate::function::push_text;
use crate::header_list::HeaderList;
use crate::mapping::ResourceFacts;
use crate::table::{RouteResource, StageTable};
use PayloadFormat::{V1, V2};
use http::{HeaderName, HeaderValue, Method, Uri, Version};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::net::SocketAddr;

mod shown;
mod strangers;

/// A request, and the route that it met; most tests change one or two things of it.
struct World {
    resource_path: &'static str,
    verb: Verb,
    variables: BTreeMap<String, String>,
    uri: Uri,
    version: Version,
    headers: HeaderList,
    host: &'static str,
    base_path: &'static str,
    route_path: String,
    client: SocketAddr,
    /// Of HTTP/1.
    head: &'static [u8],
}

impl Default for World {
    fn default() -> Self {
        Self {
            resource_path: "/",
            verb: Verb::Get,
            variables: BTreeMap::new(),
            uri: Uri::from_static("/prod/"),
            version: Version::HTTP_11,
            headers: HeaderList::new(),
            host: "abc.gw.test:8080",
            base_path: "",
            route_path: "/".to_owned(),
            client: ([192, 0, 2, 7], 4000).into(),
            head: b"",
        }
    }
}

impl World {
    fn with_headers(lines: &[(&str, &[u8])]) -> Self {
        let mut world = Self::default();
        for (name, value) in lines {
            let name = HeaderName::from_bytes(name.as_bytes()).expect("a name");
            world.headers.append(name, HeaderValue::from_bytes(value).expect("a value"));
        }
        world
    }

    fn with_query(query: &str) -> Self {
        Self { uri: format!("/prod/?{query}").parse().expect("a target"), ..Self::default() }
    }

    fn text(&self, format: PayloadFormat, finish: impl FnOnce(&FunctionEventPlan, &mut Vec<u8>)) -> Vec<u8> {
        let stage = Stage {
            rest_api_id: "api7".into(),
            stage_name: "prod".into(),
            variables: self.variables.clone(),
            ..Stage::default()
        };
        let mut definition = ApiDefinition::default();
        definition.rest_api.id = "api7".into();
        let table = StageTable::compile(&Bundle::new(definition, stage)).expect("it compiles");
        let facts = StageFacts {
            api_id: "api7",
            stage: "prod",
            deployment_id: "d1",
            variables: &self.variables,
            canary: None,
            resource: Some(ResourceFacts { id: "r1", path: self.resource_path }),
        };
        let plan = FunctionEventPlan::compile(format, self.verb, &facts);
        let inbound = Inbound {
            uri: &self.uri,
            version: self.version,
            headers: &self.headers,
            method: &Method::GET,
            host: self.host,
            base_path: self.base_path,
            route_path: &self.route_path,
            resource: Some(&RouteResource { id: "r1".into(), path: self.resource_path.into() }),
            request_id: "request-1",
            extended_request_id: "ext=",
            client: self.client,
            time_ms: 1_700_000_000_123,
            body: None,
        };
        let spelling = HeaderSpelling::of_head(self.head);
        let facts = EventFacts {
            inbound: &inbound,
            stage: table.settings(),
            spelling: &spelling,
            listener_port: 8080,
            trace_id: "Root=1-2-3",
        };
        let mut event = plan.head(&facts);
        finish(&plan, &mut event);
        event
    }

    fn event(&self, format: PayloadFormat) -> Value {
        let text = self.text(format, FunctionEventPlan::finish_without_body);
        serde_json::from_slice(&text).unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&text)))
    }
}

fn with_body(body: &str) -> impl FnOnce(&FunctionEventPlan, &mut Vec<u8>) {
    move |_, event| {
        open_body(event);
        push_text(event, body);
        close_body(event, false);
    }
}

fn whole_world() -> World {
    World {
        resource_path: "/images/{id}/{rest+}",
        verb: Verb::Any,
        variables: [("alias".to_owned(), "li\"ve".to_owned())].into(),
        uri: "/prod//images/a%20b/c//d/?x=1&y=%C3%BC+&x=2".parse().expect("a target"),
        route_path: "/images/a%20b/c//d/".to_owned(),
        head: b"GET / HTTP/1.1\r\nHOST: abc.gw.test:8080\r\nUSER-AGENT: curl/8\r\nX-Own: 1\r\n\r\n",
        ..World::with_headers(&[
            ("host", b"abc.gw.test:8080"),
            ("user-agent", b"curl/8"),
            ("x-own", b"1"),
            ("x-own", b"2"),
            ("cookie", b"a=1; b=2"),
            ("x-forwarded-for", b"203.0.113.9"),
            ("x-forwarded-proto", b"https"),
        ])
    }
}

#[test]
fn an_event_of_format_1_has_every_member_of_section_b2() {
    let headers = |many: bool| {
        let value = |values: &[&str]| if many { json!(values) } else { json!(values.last()) };
        json!({
            "Host": value(&["abc.gw.test:8080"]),
            "User-Agent": value(&["curl/8"]),
            "X-Own": value(&["1", "2"]),
            "cookie": value(&["a=1; b=2"]),
            "X-Amzn-Trace-Id": value(&["Root=1-2-3"]),
            "X-Forwarded-For": value(&["203.0.113.9, 192.0.2.7"]),
            "X-Forwarded-Port": value(&["8080"]),
            "X-Forwarded-Proto": value(&["http"]),
        })
    };
    let expected = json!({
        "resource": "/images/{id}/{rest+}",
        "path": "/images/a%20b/c//d/",
        "httpMethod": "GET",
        "headers": headers(false),
        "multiValueHeaders": headers(true),
        "queryStringParameters": {"x": "2", "y": "\u{fc} "},
        "multiValueQueryStringParameters": {"x": ["1", "2"], "y": ["\u{fc} "]},
        "pathParameters": {"id": "a%20b", "rest": "c//d"},
        "stageVariables": {"alias": "li\"ve"},
        "requestContext": {
            "accountId": "000000000000",
            "apiId": "api7",
            "deploymentId": "d1",
            "domainName": "abc.gw.test",
            "domainPrefix": "abc",
            "extendedRequestId": "ext=",
            "httpMethod": "GET",
            "identity": {
                "accessKey": null,
                "accountId": null,
                "caller": null,
                "cognitoAuthenticationProvider": null,
                "cognitoAuthenticationType": null,
                "cognitoIdentityId": null,
                "cognitoIdentityPoolId": null,
                "principalOrgId": null,
                "sourceIp": "192.0.2.7",
                "user": null,
                "userAgent": "curl/8",
                "userArn": null,
            },
            "path": "/prod//images/a%20b/c//d/",
            "protocol": "HTTP/1.1",
            "requestId": "request-1",
            "requestTime": "14/Nov/2023:22:13:20 +0000",
            "requestTimeEpoch": 1_700_000_000_123_u64,
            "resourceId": "r1",
            "resourcePath": "/images/{id}/{rest+}",
            "stage": "prod",
        },
        "body": null,
        "isBase64Encoded": false,
    });
    assert_eq!(whole_world().event(V1), expected);
}

#[test]
fn an_event_of_format_2_has_every_member_of_section_b5() {
    let expected = json!({
        "version": "2.0",
        "routeKey": "ANY /images/{id}/{rest+}",
        "rawPath": "/prod//images/a%20b/c//d/",
        "rawQueryString": "x=1&y=%C3%BC+&x=2",
        "cookies": ["a=1", "b=2"],
        "headers": {
            "host": "abc.gw.test:8080",
            "user-agent": "curl/8",
            "x-own": "1,2",
            "x-amzn-trace-id": "Root=1-2-3",
            "x-forwarded-for": "203.0.113.9, 192.0.2.7",
            "x-forwarded-port": "8080",
            "x-forwarded-proto": "http",
        },
        "queryStringParameters": {"x": "1,2", "y": "\u{fc} "},
        "pathParameters": {"id": "a%20b", "rest": "c//d"},
        "stageVariables": {"alias": "li\"ve"},
        "requestContext": {
            "accountId": "000000000000",
            "apiId": "api7",
            "domainName": "abc.gw.test",
            "domainPrefix": "abc",
            "http": {
                "method": "GET",
                "path": "/prod//images/a%20b/c//d/",
                "protocol": "HTTP/1.1",
                "sourceIp": "192.0.2.7",
                "userAgent": "curl/8",
            },
            "requestId": "request-1",
            "routeKey": "ANY /images/{id}/{rest+}",
            "stage": "prod",
            "time": "14/Nov/2023:22:13:20 +0000",
            "timeEpoch": 1_700_000_000_123_u64,
        },
        "isBase64Encoded": false,
    });
    assert_eq!(whole_world().event(V2), expected);
}

#[test]
fn what_is_empty_is_null_in_format_1_and_absent_in_format_2() {
    let world = World { client: "[::ffff:192.0.2.9]:1".parse().expect("an address"), ..World::default() };
    let (first, second) = (world.event(V1), world.event(V2));
    for member in
        ["queryStringParameters", "multiValueQueryStringParameters", "pathParameters", "stageVariables", "body"]
    {
        assert_eq!(first.get(member), Some(&Value::Null), "{member}");
        assert_eq!(second.get(member), None, "{member}");
    }
    assert_eq!((second.get("cookies"), &second["rawQueryString"]), (None, &json!("")));
    let identity = &first["requestContext"]["identity"];
    assert_eq!((&identity["userAgent"], &identity["sourceIp"]), (&Value::Null, &json!("192.0.2.9")));
    assert_eq!(second["requestContext"]["http"]["userAgent"], "");
    assert_eq!((first.get("version"), first["requestContext"].get("authorizer")), (None, None));
}

#[test]
fn queries_are_decoded() {
    for (query, last, all, joined) in [
        ("a=1&a=2", json!({"a": "2"}), json!({"a": ["1", "2"]}), json!({"a": "1,2"})),
        ("a", json!({"a": ""}), json!({"a": [""]}), json!({"a": ""})),
        (
            "a+b=%22&c=x%2By",
            json!({"a b": "\"", "c": "x+y"}),
            json!({"a b": ["\""], "c": ["x+y"]}),
            json!({"a b": "\"", "c": "x+y"}),
        ),
        ("&", Value::Null, Value::Null, Value::Null),
    ] {
        let world = World::with_query(query);
        let (first, second) = (world.event(V1), world.event(V2));
        assert_eq!(
            (&first["queryStringParameters"], &first["multiValueQueryStringParameters"]),
            (&last, &all),
            "{query}"
        );
        assert_eq!(second.get("queryStringParameters").unwrap_or(&Value::Null), &joined, "{query}");
        assert_eq!(second["rawQueryString"], query);
    }
}

#[test]
fn bodies_end_the_event() {
    for format in [V1, V2] {
        let text = World::default().text(format, |_, event| {
            open_body(event);
            event.extend_from_slice(b"aGk=");
            close_body(event, true);
        });
        let event: Value = serde_json::from_slice(&text).expect("JSON");
        assert_eq!((&event["body"], &event["isBase64Encoded"]), (&json!("aGk="), &json!(true)));
        let text = World::default().text(format, with_body("a\"\n\u{e4}"));
        let event: Value = serde_json::from_slice(&text).expect("JSON");
        assert_eq!((&event["body"], &event["isBase64Encoded"]), (&json!("a\"\n\u{e4}"), &json!(false)));
    }
}
