//! What requests are signed with: every link of the standard chain, renewed in the background, and the answer when there is
//! nothing.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use harness::World;
use harness::content::{Api, INTERNAL_ERROR, Recorded, Recorder, reply, send};
use harness::functions::aws_proxy;
use harness::upstream::{Body, whole};
use harness::wait::until;
use hyper::Response;
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant, SystemTime};

async fn functions() -> Recorder {
    Recorder::start(|_| reply(200, &[], whole("{}"))).await
}

/// A proxy that finds nothing to sign with but what these variables lead to.
async fn world(functions: &Recorder, environment: &[(&str, &str)]) -> World {
    let nowhere = [
        ("HOME", "/nonexistent"),
        ("AWS_CONFIG_FILE", "/nonexistent"),
        ("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent"),
        ("AWS_EC2_METADATA_DISABLED", "true"),
    ];
    let mut all = nowhere.to_vec();
    all.extend_from_slice(environment);
    let world = World::start_in(1, &["--lambda-endpoint", &format!("http://{}", functions.address())], &all).await;
    let mut api = Api::at("any");
    api.route("POST", "/f", aws_proxy("f"));
    api.register(&world).await;
    world
}

/// Calls the function and tells whose signature it was called with.
async fn signer(world: &World, functions: &Recorder) -> String {
    let answer = send(world, "any", "POST /f", &[], whole("x")).await;
    assert_eq!(answer.status, 200, "{}", world.proxies[0].log());
    let call = functions.take().unwrap();
    let authorization = call.all("authorization")[0];
    authorization.split_once("Credential=").unwrap().1.split_once('/').unwrap().0.to_owned()
}

fn rfc3339(time: SystemTime) -> String {
    let seconds = time.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    let output = std::process::Command::new("date")
        .args(["-u", "-d", &format!("@{seconds}"), "+%Y-%m-%dT%H:%M:%SZ"])
        .output()
        .unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

fn container_credentials(name: &str, lives: Duration) -> String {
    let expires = rfc3339(SystemTime::now() + lives);
    json!({"AccessKeyId": name, "SecretAccessKey": "s", "Token": "t", "Expiration": expires}).to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_container_is_asked_when_somebody_needs_it_and_again_before_they_expire() {
    let asked = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&asked);
    let container = Recorder::start(move |_: &Recorded| -> Response<Body> {
        let number = counter.fetch_add(1, Ordering::SeqCst);
        reply(
            200,
            &[("content-type", "application/json")],
            whole(container_credentials(&format!("KEY{number}"), Duration::from_secs(6))),
        )
    })
    .await;
    let functions = functions().await;
    let world = world(&functions, &[("AWS_CONTAINER_CREDENTIALS_FULL_URI", &container.uri("/creds"))]).await;
    assert_eq!(asked.load(Ordering::SeqCst), 0, "nobody has called a function yet");
    assert_eq!(signer(&world, &functions).await, "KEY0");
    assert_eq!(signer(&world, &functions).await, "KEY0", "kept");
    until("they were renewed though nobody called", async || asked.load(Ordering::SeqCst), |&asked| asked > 1).await;
    let name = until("the new ones are used", async || signer(&world, &functions).await, |name| name != "KEY0").await;
    assert!(name.starts_with("KEY"));
    let metrics = harness::client::get(world.admin(0), "admin", "/metrics").await;
    let line = metrics
        .text()
        .lines()
        .find(|line| line.starts_with("penstock_proxy_aws_credentials_expiry_timestamp_seconds "))
        .unwrap();
    assert!(line.rsplit_once(' ').unwrap().1.parse::<u64>().unwrap() > 1_700_000_000, "{line}");
}

#[tokio::test(flavor = "multi_thread")]
async fn profiles_web_identities_and_instances_have_credentials_too() {
    let functions = functions().await;
    let directory = harness::world::temporary_directory();
    let profile = directory.join("credentials");
    std::fs::write(&profile, "[default]\naws_access_key_id = PROFILE\naws_secret_access_key = s\n").unwrap();
    let by_profile = world(&functions, &[("AWS_SHARED_CREDENTIALS_FILE", profile.to_str().unwrap())]).await;
    assert_eq!(signer(&by_profile, &functions).await, "PROFILE");

    let token = directory.join("token");
    std::fs::write(&token, "a-web-identity-token").unwrap();
    let expires = rfc3339(SystemTime::now() + Duration::from_secs(3600));
    let sts = Recorder::start(move |call| {
        let asked = String::from_utf8(call.body.clone().unwrap().to_vec()).unwrap();
        assert!(
            asked.contains("Action=AssumeRoleWithWebIdentity") && asked.contains("a-web-identity-token"),
            "{asked}"
        );
        let answer = format!(
            "<AssumeRoleWithWebIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">\
             <AssumeRoleWithWebIdentityResult><Credentials><AccessKeyId>IDENTITY</AccessKeyId>\
             <SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken><Expiration>{expires}</Expiration>\
             </Credentials></AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>"
        );
        reply(200, &[("content-type", "text/xml")], whole(answer))
    })
    .await;
    let environment = [
        ("AWS_WEB_IDENTITY_TOKEN_FILE", token.to_str().unwrap()),
        ("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/gateway"),
        ("AWS_ENDPOINT_URL_STS", &sts.uri("")),
    ];
    let by_identity = world(&functions, &environment).await;
    assert_eq!(signer(&by_identity, &functions).await, "IDENTITY");

    let instance = Recorder::start(|call| match call.target.as_str() {
        "/latest/api/token" => reply(200, &[("x-aws-ec2-metadata-token-ttl-seconds", "21600")], whole("token")),
        path if path.ends_with("/gateway-role") => {
            let expires = rfc3339(SystemTime::now() + Duration::from_secs(3600));
            let keys = json!({"Code": "Success", "Type": "AWS-HMAC", "AccessKeyId": "INSTANCE", "SecretAccessKey": "s",
                "Token": "t", "Expiration": expires, "LastUpdated": "2026-01-01T00:00:00Z"});
            reply(200, &[], whole(keys.to_string()))
        }
        _ => reply(200, &[], whole("gateway-role")),
    });
    let instance = instance.await;
    let environment =
        [("AWS_EC2_METADATA_DISABLED", "false"), ("AWS_EC2_METADATA_SERVICE_ENDPOINT", &instance.uri(""))];
    let by_instance = world(&functions, &environment).await;
    assert_eq!(signer(&by_instance, &functions).await, "INSTANCE");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_credentials_calls_fail_soon_and_the_function_is_not_called() {
    let functions = functions().await;
    let world = world(&functions, &[]).await;
    let began = Instant::now();
    for _ in 0..3 {
        let answer = send(&world, "any", "POST /f", &[], whole("x")).await;
        assert_eq!((answer.status.as_u16(), answer.text()), (500, INTERNAL_ERROR));
    }
    assert!(began.elapsed() < Duration::from_secs(30), "no call waits for ever");
    assert!(functions.take().is_none());
    assert!(world.proxies[0].log().contains("loading credentials failed"), "{}", world.proxies[0].log());
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_that_a_service_calls_expired_are_loaded_anew() {
    let asked = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&asked);
    let container = Recorder::start(move |_: &Recorded| -> Response<Body> {
        let number = counter.fetch_add(1, Ordering::SeqCst);
        reply(200, &[], whole(container_credentials(&format!("KEY{number}"), Duration::from_secs(3600))))
    })
    .await;
    let functions = Recorder::start(|call| match call.all("authorization")[0].contains("KEY0/") {
        true => reply(403, &[("x-amzn-errortype", "ExpiredTokenException")], whole("expired")),
        false => reply(200, &[], whole("{}")),
    })
    .await;
    let world = world(&functions, &[("AWS_CONTAINER_CREDENTIALS_FULL_URI", &container.uri("/creds"))]).await;
    assert_eq!(send(&world, "any", "POST /f", &[], whole("x")).await.status, 500);
    let answer = async || {
        functions.take();
        send(&world, "any", "POST /f", &[], whole("x")).await.status.as_u16()
    };
    until("the new ones are good", answer, |&status| status == 200).await;
}
