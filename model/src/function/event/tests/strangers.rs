//! Events, read by types and a reader of JSON that others wrote.

use super::*;
use crate::header_list::HeaderList;
use aws_lambda_events::apigw::{ApiGatewayProxyRequest, ApiGatewayV2httpRequest};
use proptest::prelude::*;

/// Types that others wrote understand our events. That ours are written by hand has its reason in what those types lose:
/// members that they do not know, the spelling of names, and the difference between null and empty.
#[test]
fn types_of_others_read_our_events_and_would_not_write_them() {
    let world = whole_world();
    let text = world.text(V1, with_body("hello"));
    let read: ApiGatewayProxyRequest = serde_json::from_slice(&text).expect("they read format 1.0");
    assert_eq!((read.body.as_deref(), read.resource.as_deref()), (Some("hello"), Some("/images/{id}/{rest+}")));
    assert_eq!(read.multi_value_headers.get_all("x-own").iter().collect::<Vec<_>>(), ["1", "2"]);
    assert_eq!(read.multi_value_query_string_parameters.all("x"), Some(vec!["1", "2"]));
    assert_eq!(read.path_parameters["rest"], "c//d");
    let (ours, theirs): (Value, Value) =
        (serde_json::from_slice(&text).expect("JSON"), serde_json::to_value(&read).expect("they write it"));
    let spelled =
        ["User-Agent", "X-Own", "Host", "X-Amzn-Trace-Id", "X-Forwarded-For", "X-Forwarded-Port", "X-Forwarded-Proto"];
    let names = ["headers", "multiValueHeaders"].iter().flat_map(|map| spelled.map(|name| format!("/{map}/{name}")));
    let members =
        ["deploymentId", "extendedRequestId", "identity/principalOrgId"].map(|name| format!("/requestContext/{name}"));
    assert_eq!(lost(&ours, &theirs, String::new()), names.chain(members).collect::<Vec<_>>());

    let text = world.text(V2, with_body("hello"));
    let read: ApiGatewayV2httpRequest = serde_json::from_slice(&text).expect("they read format 2.0");
    assert_eq!((read.body.as_deref(), read.raw_path.as_deref()), (Some("hello"), Some("/prod//images/a%20b/c//d/")));
    assert_eq!(read.headers["x-own"], "1,2");
    assert_eq!(read.query_string_parameters.all("x"), Some(vec!["1", "2"]));
    assert_eq!(read.cookies.as_deref(), Some(&["a=1".to_owned(), "b=2".to_owned()][..]));

    // What is empty changes sides: null becomes an empty object, and what was absent appears.
    let world = World::default();
    let read: ApiGatewayProxyRequest = serde_json::from_value(world.event(V1)).expect("they read format 1.0");
    let theirs = serde_json::to_value(&read).expect("they write it");
    assert_eq!((&world.event(V1)["pathParameters"], &theirs["pathParameters"]), (&Value::Null, &json!({})));
    let read: ApiGatewayV2httpRequest = serde_json::from_value(world.event(V2)).expect("they read format 2.0");
    let theirs = serde_json::to_value(&read).expect("they write it");
    let appeared = lost(&theirs, &world.event(V2), String::new());
    assert!(
        ["/type", "/methodArn", "/httpMethod"].iter().all(|at| appeared.iter().any(|one| one == at)),
        "{appeared:?}"
    );
}

/// Pointers of what `theirs` lacks or says otherwise.
fn lost(ours: &Value, theirs: &Value, at: String) -> Vec<String> {
    match (ours, theirs) {
        (Value::Object(ours), Value::Object(theirs)) => ours
            .iter()
            .flat_map(|(name, value)| match theirs.get(name) {
                Some(other) => lost(value, other, format!("{at}/{name}")),
                None => vec![format!("{at}/{name}")],
            })
            .collect(),
        (ours, theirs) if ours == theirs => Vec::new(),
        _ => vec![at],
    }
}

fn header_lines() -> impl Strategy<Value = Vec<(HeaderName, HeaderValue)>> {
    let name =
        "[a-z0-9!#$%&'*+.^_`|~-]{1,12}".prop_map(|name| HeaderName::from_bytes(name.as_bytes()).expect("a name"));
    let known = prop::sample::select(vec!["cookie", "connection", "host", "x-forwarded-for", "user-agent"]);
    let name = prop_oneof![name, known.prop_map(HeaderName::from_static)];
    let bytes = prop::collection::vec(prop_oneof![0x20..=0x7eu8, 0x80..=0xffu8, Just(b'\t')], 0..20);
    let value = bytes.prop_map(|bytes| HeaderValue::from_bytes(&bytes).expect("a value"));
    prop::collection::vec((name, value), 0..12)
}

proptest! {
    #[test]
    fn any_request_gives_an_event_that_can_be_read(
        lines in header_lines(),
        path in "(/[!-~&&[^?#<>\\\\^`{|}]]{0,6}){1,4}",
        query in "[!-~&&[^#<>\\\\^`{|}]]{0,40}",
        body in any::<String>(),
        variable in any::<String>(),
    ) {
        let uri = format!("{path}?{query}");
        prop_assume!(uri.parse::<Uri>().is_ok());
        let mut headers = HeaderList::new();
        for (name, value) in lines {
            headers.append(name, value);
        }
        let world = World {
            resource_path: "/{id}/{rest+}",
            variables: [("v".to_owned(), variable.clone())].into(),
            uri: uri.parse().expect("it was parsed before"),
            base_path: "",
            route_path: path,
            headers,
            ..World::default()
        };
        for format in [V1, V2] {
            let text = world.text(format, with_body(&body));
            let event: Value = serde_json::from_slice(&text).expect("an event is JSON");
            prop_assert_eq!(event["body"].as_str(), Some(&*body));
            prop_assert_eq!(event["stageVariables"]["v"].as_str(), Some(&*variable));
            // No name is there twice, and a library would write the same.
            prop_assert_eq!(event.to_string().into_bytes(), text);
        }
    }
}
