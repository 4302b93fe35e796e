//! Routes change while requests run: none fails, none is misrouted, and a long upload does not notice.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use harness::payload::noise_body;
use harness::upstream::{Upstream, hex};
use harness::world::document;
use harness::{World, client, sized};
use http_body_util::{BodyExt as _, Empty};
use hyper::Request;
use hyper::body::Bytes;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

const CONNECTIONS: usize = 64;

/// What the load saw.
#[derive(Default)]
struct Ledger {
    done: AtomicU64,
    wrong: std::sync::Mutex<Vec<String>>,
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_changes_under_load_cost_no_request() {
    let changes = sized(150, 1_000);
    let world = World::start(1).await;
    let stable = Upstream::mirror("stable").await;
    let (even, odd, bulk) = (Upstream::mirror("even").await, Upstream::mirror("odd").await, Upstream::bulk().await);
    let version = |number: u64| {
        let moving = if number.is_multiple_of(2) { &even } else { &odd };
        document(
            "moving",
            &[
                ("GET", "/stable", format!("http://{}/stable", stable.address)),
                ("GET", "/moving", format!("http://{}/{number}", moving.address)),
                ("POST", "/up", format!("http://{}/up", bulk.address)),
            ],
        )
    };
    let api = world.register(&version(0)).await.rest_api.unwrap().id;
    let proxy = world.proxy();

    let slow = tokio::spawn(async move {
        let (body, hash) = noise_body(3, sized(2, 40) * 1024 * 1024, 8_192, Duration::from_millis(10));
        let request = Request::post("/up").header("host", "any").body(body).unwrap();
        let answer = client::call(proxy, request).await.unwrap();
        (answer.text().to_owned(), hash.await.unwrap())
    });

    let (ledger, stop) = (Arc::new(Ledger::default()), Arc::new(AtomicBool::new(false)));
    let newest_served = Arc::new(AtomicU64::new(0));
    let load: Vec<_> = (0..CONNECTIONS)
        .map(|number| {
            let (ledger, stop, newest) = (Arc::clone(&ledger), Arc::clone(&stop), Arc::clone(&newest_served));
            tokio::spawn(load(proxy, number, ledger, stop, newest))
        })
        .collect();

    let mut client = world.rest_apis().await;
    for number in 1..=changes {
        World::overwrite(&mut client, &api, &version(number)).await;
        if number % 10 == 0 {
            world.settled().await;
            // From here on every new request must see this version or a newer one.
            newest_served.store(number, Ordering::SeqCst);
        }
    }
    world.settled().await;
    newest_served.store(changes, Ordering::SeqCst);
    let last = client::get(proxy, "any", "/moving").await.json();
    assert_eq!(last["target"], format!("/{changes}"));

    let (answer, hash) = slow.await.unwrap();
    assert!(answer.ends_with(&hex(&hash)), "the upload in flight: {answer}");
    stop.store(true, Ordering::SeqCst);
    for task in load {
        task.await.unwrap();
    }
    let metrics = client::get(world.admin(0), "admin", "/metrics").await;
    for line in ["penstock_proxy_config_requests_pinned 0\n", "penstock_proxy_config_requests_cut 0\n"] {
        assert!(metrics.text().contains(line), "{}", metrics.text());
    }
    let wrong = ledger.wrong.lock().unwrap();
    assert!(
        wrong.is_empty(),
        "{} of {} went wrong: {:?}",
        wrong.len(),
        ledger.done.load(Ordering::SeqCst),
        &wrong[..wrong.len().min(5)]
    );
    println!("{} requests over {changes} changes", ledger.done.load(Ordering::SeqCst));
    assert!(ledger.done.load(Ordering::SeqCst) > changes * 2, "there was load");
}

/// One connection: alternates between the route that never changes and the one that does.
async fn load(
    proxy: std::net::SocketAddr,
    number: usize,
    ledger: Arc<Ledger>,
    stop: Arc<AtomicBool>,
    newest: Arc<AtomicU64>,
) {
    let mut connection = client::Connection::open(proxy).await;
    let mut moving = number.is_multiple_of(2);
    while !stop.load(Ordering::SeqCst) {
        moving = !moving;
        let at_least = newest.load(Ordering::SeqCst);
        let path = if moving { "/moving" } else { "/stable" };
        let request = Request::get(path).header("host", "any").body(Empty::<Bytes>::new()).unwrap();
        let fault = match connection.send(request).await {
            Err(error) => Some(format!("{path}: {error}")),
            Ok(response) => {
                let status = response.status();
                match response.into_body().collect().await {
                    Err(error) => Some(format!("{path}: {error}")),
                    Ok(body) => judge(moving, at_least, status.as_u16(), &body.to_bytes()),
                }
            }
        };
        ledger.done.fetch_add(1, Ordering::SeqCst);
        if let Some(fault) = fault {
            ledger.wrong.lock().unwrap().push(fault);
            connection = client::Connection::open(proxy).await;
        }
    }
}

fn judge(moving: bool, at_least: u64, status: u16, body: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(body);
    let Ok(mirrored) = serde_json::from_str::<serde_json::Value>(&text) else {
        return Some(format!("{status}: {text}"));
    };
    let (upstream, target) = (mirrored["upstream"].as_str()?, mirrored["target"].as_str()?);
    if !moving {
        return (upstream != "stable" || target != "/stable").then(|| format!("misrouted: {upstream}{target}"));
    }
    // Host and path come from one version: a mixture would be a torn table.
    let version: u64 = target[1..].parse().ok()?;
    let expected = if version.is_multiple_of(2) { "even" } else { "odd" };
    if upstream != expected {
        return Some(format!("mixed: {upstream}{target}"));
    }
    (version < at_least).then(|| format!("stale: {version} after {at_least} was served"))
}
