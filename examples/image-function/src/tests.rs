//! Whole events in, whole results out, through the adapter that the runtime puts around the function.

use lambda_http::request::LambdaRequest;
use lambda_http::{Adapter, Context, LambdaEvent, Service as _};
use serde_json::json;

use super::*;

const PROXY_1: &str = include_str!("../events/proxy-1.0.json");
const PROXY_2: &str = include_str!("../events/proxy-2.0.json");
const CUSTOM: &str = include_str!("../events/custom.json");

fn event(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

/// The result of the function as the runtime would send it.
async fn result(event: &Value) -> Result<Value, Failure> {
    let payload: LambdaRequest = serde_json::from_value(event.clone()).unwrap();
    let result = Adapter::from(service_fn(answer)).call(LambdaEvent::new(payload, Context::default())).await?;
    Ok(serde_json::to_value(result).unwrap())
}

/// What the resizer makes of the picture in the events.
fn smaller(wish: Wish) -> String {
    let original = STANDARD.decode(event(CUSTOM)["image"].as_str().unwrap()).unwrap();
    STANDARD.encode(shrink(&original, wish).unwrap().encoded)
}

#[tokio::test]
async fn a_proxy_event_is_answered_with_the_picture_as_base64() {
    for (text, headers) in [(PROXY_1, "multiValueHeaders"), (PROXY_2, "headers")] {
        let result = result(&event(text)).await.unwrap();
        assert_eq!((&result["statusCode"], &result["isBase64Encoded"]), (&json!(200), &json!(true)), "{result}");
        assert_eq!(result["body"], smaller(Wish::Width(2)));
        let kind = &result[headers]["content-type"];
        assert_eq!(kind.as_array().map_or(kind, |values| &values[0]), "image/png");
    }
}

#[tokio::test]
async fn without_a_width_the_picture_is_halved() {
    let mut rest = event(PROXY_1);
    rest["queryStringParameters"] = Value::Null;
    rest["multiValueQueryStringParameters"] = Value::Null;
    let mut http = event(PROXY_2);
    http["rawQueryString"] = json!("");
    for event in [rest, http] {
        assert_eq!(result(&event).await.unwrap()["body"], smaller(Wish::Half));
    }
    let mut custom = event(CUSTOM);
    custom["width"].take();
    assert_eq!(result(&custom).await.unwrap(), smaller(Wish::Half));
}

#[tokio::test]
async fn a_custom_event_gives_the_picture_as_a_bare_string() {
    assert_eq!(result(&event(CUSTOM)).await.unwrap(), smaller(Wish::Width(2)));
}

#[tokio::test]
async fn a_refusal_is_an_answer_to_a_proxy_event() {
    let mut not_a_picture = event(PROXY_1);
    not_a_picture["body"] = json!("aGVsbG8=");
    let mut as_text = event(PROXY_2);
    as_text["isBase64Encoded"] = json!(false);
    let mut too_wide = event(PROXY_2);
    too_wide["rawQueryString"] = json!("width=8193");
    for (event, status, reason) in
        [(not_a_picture, 415, "unknown_format"), (as_text, 415, "unknown_format"), (too_wide, 400, "bad_width")]
    {
        let result = result(&event).await.unwrap();
        assert_eq!((&result["statusCode"], &result["isBase64Encoded"]), (&json!(status), &json!(false)), "{result}");
        let said: Value = serde_json::from_str(result["body"].as_str().unwrap()).unwrap();
        assert_eq!(said["error"], reason);
        assert!(said["message"].as_str().unwrap().ends_with('.'));
    }
}

#[tokio::test]
async fn a_custom_event_that_cannot_be_answered_is_an_error_of_the_function() {
    let picture = event(CUSTOM)["image"].take();
    for (event, kind) in [
        (json!({}), "bad_event"),
        (json!([1]), "bad_event"),
        (json!("text"), "bad_event"),
        (json!({ "image": 7 }), "bad_event"),
        (json!({ "image": "not base64!" }), "bad_event"),
        (json!({ "image": "aGVsbG8=" }), "unknown_format"),
        (json!({ "image": picture, "width": 0 }), "bad_width"),
        (json!({ "image": picture, "width": "400" }), "bad_width"),
    ] {
        let error: Diagnostic = result(&event).await.unwrap_err().into();
        assert_eq!(error.error_type, kind, "{event}");
        assert!(error.error_message.ends_with('.'), "{error:?}");
    }
}
