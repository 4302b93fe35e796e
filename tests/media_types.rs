//! Which bodies are binary: section a.1, sentence by sentence, from outside.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use harness::World;
use harness::client::Answer;
use harness::content::{Api, Framing, Recorder, http, http_proxy, reply, send, with};
use harness::upstream::whole;
use penstock_proto::management::v1::rest_api::{AcceptPolicy, Fidelity, MissingContentType};
use penstock_proto::management::v1::{CreateDeploymentRequest, RestApi, UpdateRestApiRequest};
use serde_json::{Value, json};

const TEXT: &[u8] = b"text";
const TEXT_IN_BASE64: &[u8] = b"dGV4dA==";

/// A route on which a binary request shows: it becomes base64.
fn encodes(recorder: &Recorder) -> Value {
    with(http(recorder.uri("/")), json!({"contentHandling": "CONVERT_TO_TEXT"}))
}

/// What a client with these `Accept` lines gets of base64 without type: a binary `Accept` shows, because it decodes.
async fn accepting(world: &World, domain: &str, lines: &[&str]) -> Answer {
    let headers: Vec<_> = lines.iter().map(|line| ("accept", *line)).collect();
    send(world, domain, "GET /accept", &headers, whole("")).await
}

/// Entries; what is compared with them; whether it matches.
#[rustfmt::skip]
const ELEMENTS: [(&[&str], &str, bool); 33] = [
    (&[], "image/png", false),
    (&["image/png"], "image/png", true),
    (&["image/png"], "image/jpeg", false),
    (&["image/png"], "image/pngx", false),
    (&["image/png"], "text/image/png", false),
    (&["image/png"], "IMAGE/Png", true),
    (&["image/png"], "image/png;q=0.1", true),
    (&["image/png"], "image/png ; charset=binary", true),
    (&["image/png"], "image/png;", true),
    (&["image/png"], "  image/png", true),
    (&["image/png"], "image/*", false),
    (&["image/png"], "*/*", false),
    (&["image/png"], "application", false),
    (&["Image/PNG"], "image/png", true),
    (&["multipart/form-data"], "multipart/form-data; boundary=x", true),
    (&["image/*"], "image/png", true),
    (&["image/*"], "image/svg+xml", true),
    (&["image/*"], "image/*", true),
    (&["image/*"], "images/png", false),
    (&["image/*"], "video/png", false),
    (&["image/*"], "*/*", false),
    (&["application/*"], "application/*", true),
    (&["application/*"], "application/json", true),
    (&["application/*"], "application", false),
    (&["*/*"], "image/png", true),
    (&["*/*"], "application", true),
    (&["*/*"], "*/*", true),
    (&["*/test"], "image/test", false),
    (&["*/test"], "*/test", false),
    (&["image/png", "*/test", "video/*"], "video/mp4", true),
    (&["image/png", "*/test", "video/*"], "image/png", true),
    (&["image/png", "*/test", "video/*"], "image/test", false),
    (&["application/octet-stream"], "application/json", false),
];

#[tokio::test(flavor = "multi_thread")]
async fn content_type_and_accept_are_compared_alike() {
    let world = World::start(1).await;
    let recorder = Recorder::start(|_| reply(200, &[], whole(TEXT_IN_BASE64))).await;
    let mut registered = Vec::new();
    for (entries, element, matches) in ELEMENTS {
        if !registered.contains(&entries) {
            let mut api = Api::at(format!("api-{}", registered.len()));
            if !entries.is_empty() {
                api = api.binary(entries);
            }
            api.route("POST", "/type", encodes(&recorder));
            api.route("GET", "/accept", http(recorder.uri("/")));
            api.register(&world).await;
            registered.push(entries);
        }
        let domain = format!("api-{}", registered.iter().position(|other| *other == entries).unwrap());
        let row = format!("{element:?} in {entries:?}");
        send(&world, &domain, "POST /type", &[("content-type", element)], whole(TEXT)).await;
        let got = recorder.take().unwrap().body.unwrap();
        assert_eq!(got, if matches { TEXT_IN_BASE64 } else { TEXT }, "content-type {row}");
        let answer = accepting(&world, &domain, &[element]).await;
        assert_eq!(answer.body, if matches { TEXT } else { TEXT_IN_BASE64 }, "accept {row}");
        recorder.take();
    }
}

/// The lines of `Accept`; whether the first element is `image/png`; whether any is that is not refused.
#[rustfmt::skip]
const ACCEPTS: [(&[&str], bool, bool); 12] = [
    (&[], false, false),
    (&[""], false, false),
    (&["image/png,text/html"], true, true),
    (&["image/png;q=0.1 , text/html"], true, true),
    (&["text/html,image/png"], false, true),
    (&["text/html, image/png;q=0.5"], false, true),
    (&["text/html,image/png;q=0"], false, false),
    (&["text/html", "image/png"], false, true),
    (&["image/png", "text/html"], true, true),
    (&["text/html,application/xhtml+xml,image/webp,image/png,*/*;q=0.8"], false, true),
    (&["*/*"], false, false),
    (&[",image/png"], false, true),
];

#[tokio::test(flavor = "multi_thread")]
async fn the_first_accept_element_counts_unless_the_api_says_all() {
    let world = World::start(1).await;
    let recorder = Recorder::start(|_| reply(200, &[], whole(TEXT_IN_BASE64))).await;
    for (domain, policy) in [("first", AcceptPolicy::First), ("all", AcceptPolicy::All)] {
        let mut api = Api::at(domain).binary(&["image/png"]).settings(|api| api.set_accept_policy(policy));
        api.route("GET", "/accept", http(recorder.uri("/")));
        api.register(&world).await;
    }
    for (lines, first, all) in ACCEPTS {
        for (domain, matches) in [("first", first), ("all", all)] {
            let answer = accepting(&world, domain, lines).await;
            assert_eq!(answer.body, if matches { TEXT } else { TEXT_IN_BASE64 }, "{domain} of {lines:?}");
            recorder.take();
        }
    }
}

const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR";
const PNG_IN_BASE64: &[u8] = b"iVBORw0KGgoAAAANSUhEUg==";

/// The policy; the entry; the body; what a body without `Content-Type` becomes as request, and as response to a client
/// whose `Accept` does not match.
#[tokio::test(flavor = "multi_thread")]
async fn a_missing_content_type_counts_as_the_policy_says() {
    let world = World::start(1).await;
    let recorder = Recorder::start(|request| reply(200, &[], whole(request.body.clone().unwrap()))).await;
    let (json, octets) = ("application/json", "application/octet-stream");
    use MissingContentType::{Json, OctetStream, Sniff};
    for (number, (policy, entry, body, request, response)) in [
        (Json, json, TEXT, TEXT_IN_BASE64, TEXT),
        (Json, octets, TEXT, TEXT, TEXT),
        (Json, "*/*", TEXT, TEXT_IN_BASE64, TEXT),
        (OctetStream, json, TEXT, TEXT, TEXT),
        (OctetStream, octets, TEXT, TEXT_IN_BASE64, TEXT_IN_BASE64),
        (Sniff, "image/png", PNG, PNG_IN_BASE64, PNG_IN_BASE64),
        (Sniff, "image/png", TEXT, TEXT, TEXT),
        (Sniff, "image/jpeg", PNG, PNG, PNG),
        (Sniff, json, TEXT, TEXT_IN_BASE64, TEXT_IN_BASE64),
    ]
    .into_iter()
    .enumerate()
    {
        let domain = format!("api-{number}");
        let settings = |api: &mut RestApi| api.set_missing_content_type(policy);
        let mut api = Api::at(&domain).binary(&[entry]).settings(settings);
        api.route("POST", "/request", encodes(&recorder));
        let to_text = json!({"responses": {"default": {"statusCode": "200", "contentHandling": "CONVERT_TO_TEXT"}}});
        api.route("POST", "/response", with(http(recorder.uri("/")), to_text));
        api.register(&world).await;
        for framing in Framing::ALL {
            let row = format!("{policy:?} {entry} {framing:?} {}", body.escape_ascii());
            send(&world, &domain, "POST /request", &[], framing.body(body)).await;
            assert_eq!(recorder.take().unwrap().body.unwrap(), request, "request of {row}");
            let answer = send(&world, &domain, "POST /response", &[], framing.body(body)).await;
            assert_eq!(answer.body, response, "response of {row}");
            recorder.take();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_of_the_list_has_effect_after_a_deployment() {
    let world = World::start(1).await;
    let recorder = Recorder::start(|_| reply(200, &[], whole("{}"))).await;
    let mut api = Api::at("deployed").deployed_by_hand();
    api.route("POST", "/type", encodes(&recorder));
    let id = api.register(&world).await;
    let sent = async || {
        world.settled().await;
        send(&world, "deployed", "POST /type", &[("content-type", "image/png")], whole(TEXT)).await;
        recorder.take().unwrap().body.unwrap()
    };
    assert_eq!(sent().await, TEXT);
    let mut client = world.rest_apis().await;
    let types = vec!["image/png".to_owned()];
    let request = UpdateRestApiRequest {
        rest_api: Some(RestApi { id: id.clone(), binary_media_types: types, ..RestApi::default() }),
        update_mask: Some(prost_types::FieldMask { paths: vec!["binary_media_types".to_owned()] }),
    };
    client.update_rest_api(request).await.unwrap();
    assert_eq!(sent().await, TEXT, "no deployment, no effect");
    let request =
        CreateDeploymentRequest { rest_api_id: id, stage_name: Some("prod".to_owned()), ..Default::default() };
    world.deployments().await.create_deployment(request).await.unwrap();
    assert_eq!(sent().await, TEXT_IN_BASE64);
}

/// Section a.1: everything is binary under `*/*`, in either fidelity, also what is not there.
#[tokio::test(flavor = "multi_thread")]
async fn under_the_widest_entry_a_missing_accept_matches_too() {
    let world = World::start(1).await;
    let recorder = Recorder::start(|_| reply(200, &[("content-type", "text/plain")], whole(TEXT_IN_BASE64))).await;
    for (fidelity, domain) in harness::content::FIDELITIES {
        let mut api = Api::at(domain).fidelity(fidelity).binary(&["*/*"]);
        api.route("GET", "/accept", http(recorder.uri("/")));
        api.register(&world).await;
        for lines in [&[][..], &["text/html"], &["*/*"], &["broken"]] {
            let answer = accepting(&world, domain, lines).await;
            assert_eq!(
                answer.body,
                TEXT_IN_BASE64,
                "{fidelity:?} {lines:?}",
                fidelity = Fidelity::as_str_name(&fidelity)
            );
            recorder.take();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_looks_into_what_passes_whatever_it_is() {
    let recorder = Recorder::start(|_| reply(200, &[], Framing::Chunked.body(TEXT))).await;
    let world = World::start(1).await;
    let mut api = Api::at("passing").settings(|settings| settings.set_missing_content_type(MissingContentType::Sniff));
    api.route("POST", "/", http_proxy(recorder.uri("/")));
    api.register(&world).await;
    let answer = send(&world, "passing", "POST /", &[], Framing::Chunked.body(TEXT)).await;
    let recorded = recorder.take().unwrap();
    // Looked at to its end, a body would know its length.
    assert_eq!((recorded.all("transfer-encoding"), answer.header("transfer-encoding")), (vec!["chunked"], "chunked"));
    assert_eq!((recorded.body.as_deref(), &*answer.body), (Some(TEXT), TEXT));
}
