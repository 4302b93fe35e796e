//! Connections to services: HTTP/2 where it is offered, shared by many calls, HTTP/1.1 where not; kept, and made anew when
//! the service has closed them.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use harness::World;
use harness::content::{Api, reply, send};
use harness::functions::{CREDENTIALS, aws_proxy};
use harness::tls::TlsServer;
use harness::upstream::whole;
use harness::wait::until;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::{Request, Response};
use serde_json::{Value, json};
use std::sync::Arc;
use tokio::sync::Semaphore;

/// A function that answers with its event's body, the protocol that the call came by, and whom the call named.
async fn answer(request: Request<Incoming>) -> Response<harness::upstream::Body> {
    let (head, body) = request.into_parts();
    let authority = head.uri.authority().map(ToString::to_string);
    let named = authority.or_else(|| head.headers.get("host").map(|host| host.to_str().unwrap().to_owned()));
    let signed = head.headers["authorization"].to_str().unwrap().contains("content-type;host;x-amz-date");
    let event: Value = serde_json::from_slice(&body.collect().await.unwrap().to_bytes()).unwrap();
    let said =
        json!({"protocol": format!("{:?}", head.version), "host": named, "body": event["body"], "signed": signed});
    reply(200, &[("content-type", "application/json")], whole(json!({"body": said.to_string()}).to_string()))
}

async fn world(service: &TlsServer) -> World {
    let mut environment = CREDENTIALS.to_vec();
    environment.push(("SSL_CERT_FILE", service.certificate()));
    let world = World::start_in(1, &["--workers", "1", "--lambda-endpoint", &service.url()], &environment).await;
    let mut api = Api::at("any");
    api.route("POST", "/f", aws_proxy("f"));
    api.register(&world).await;
    world
}

async fn call(world: &World, body: &str) -> Value {
    let answer = send(world, "any", "POST /f", &[("content-type", "text/plain")], whole(body.to_owned())).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_best_protocol_that_is_offered_is_spoken() {
    let directory = harness::world::temporary_directory();
    for (offered, expected) in
        [(&["h2", "http/1.1"][..], "HTTP/2.0"), (&["h2"], "HTTP/2.0"), (&["http/1.1"], "HTTP/1.1"), (&[], "HTTP/1.1")]
    {
        let service = TlsServer::start(&directory, offered, answer).await;
        let world = world(&service).await;
        for number in 0..10 {
            let said = call(&world, &number.to_string()).await;
            assert_eq!(
                (&said["protocol"], &said["body"]),
                (&json!(expected), &json!(number.to_string())),
                "{offered:?}"
            );
            assert_eq!(said["host"], format!("localhost:{}", service.address().port()));
            assert_eq!(said["signed"], true);
        }
        assert_eq!(service.accepted(), 1, "the connection is kept: {offered:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn many_calls_share_a_connection_and_each_gets_its_own_answer() {
    let directory = harness::world::temporary_directory();
    let gate = Arc::new(Semaphore::new(0));
    let waiting = Arc::new(Semaphore::new(0));
    let (held, arrived) = (Arc::clone(&gate), Arc::clone(&waiting));
    let service = TlsServer::start(&directory, &["h2"], move |request| {
        let (held, arrived) = (Arc::clone(&held), Arc::clone(&arrived));
        async move {
            arrived.add_permits(1);
            held.acquire().await.unwrap().forget();
            answer(request).await
        }
    })
    .await;
    let world = Arc::new(world(&service).await);
    gate.add_permits(1);
    call(&world, "first").await;
    let calls: Vec<_> = (0..150)
        .map(|number| {
            let world = Arc::clone(&world);
            tokio::spawn(async move {
                let sent = number.to_string();
                call(&world, &sent).await["body"].as_str() == Some(&*sent)
            })
        })
        .collect();
    // All of them are under way before one is answered; a second connection takes what the first one should not.
    until("every call has arrived", async || waiting.available_permits(), |&count| count == 151).await;
    assert!((2..=3).contains(&service.open()), "{}", service.open());
    gate.add_permits(150);
    for call in calls {
        assert!(call.await.unwrap(), "an answer to another call");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_the_service_has_closed_costs_no_call() {
    let directory = harness::world::temporary_directory();
    for protocol in ["h2", "http/1.1"] {
        let service = TlsServer::start(&directory, &[protocol], answer).await;
        let world = world(&service).await;
        for round in 1..=3 {
            call(&world, "x").await;
            assert_eq!(service.accepted(), round, "{protocol}");
            service.hang_up();
            until("they are closed", async || service.open(), |&open| open == 0).await;
            // The proxy's one worker has seen its side of them when it answers something that came later.
            send(&world, "any", "GET /nothing", &[], whole("")).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_to_a_service_that_is_away_fail_together_and_not_one_after_the_other() {
    // Taken, and never spoken to: what connects waits for a handshake that does not come.
    let silent = harness::upstream::Upstream::tcp(|stream| async move {
        let _kept = stream;
        std::future::pending::<()>().await;
    })
    .await;
    let away = format!("https://localhost:{}", silent.address.port());
    let world = Arc::new(World::start_in(1, &["--workers", "1", "--lambda-endpoint", &away], &CREDENTIALS).await);
    let mut api = Api::at("any");
    api.route("POST", "/f", aws_proxy("f"));
    api.register(&world).await;
    let began = std::time::Instant::now();
    let calls: Vec<_> = (0..10)
        .map(|_| {
            let world = Arc::clone(&world);
            tokio::spawn(async move { send(&world, "any", "POST /f", &[], whole("x")).await.status.as_u16() })
        })
        .collect();
    for call in calls {
        assert_eq!(call.await.unwrap(), 504);
    }
    // One wait for a connection is five seconds.
    assert!(began.elapsed() < std::time::Duration::from_secs(12), "{:?}", began.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_nobody_vouches_for_is_not_called() {
    let directory = harness::world::temporary_directory();
    let service = TlsServer::start(&directory, &["h2"], answer).await;
    let world = World::start_in(1, &["--lambda-endpoint", &service.url()], &CREDENTIALS).await;
    let mut api = Api::at("any");
    api.route("POST", "/f", aws_proxy("f"));
    api.register(&world).await;
    let answer = send(&world, "any", "POST /f", &[], whole("x")).await;
    assert_eq!((answer.status.as_u16(), service.accepted()), (504, 0));
}
