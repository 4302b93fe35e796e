//! SIGTERM: what runs finishes, nothing new is taken, and the wait has an end.

use harness::payload::noise_body;
use harness::upstream::{Upstream, hex};
use harness::wait::until;
use harness::world::document;
use harness::{World, client};
use hyper::Request;
use std::time::Duration;
use tokio::net::TcpStream;

#[tokio::test(flavor = "multi_thread")]
async fn a_transfer_in_flight_finishes_and_the_process_ends_well() {
    let mut world = World::start(1).await;
    let upstream = Upstream::bulk().await;
    world.register(&document("api", &[("POST", "/up", format!("http://{}/up", upstream.address))])).await;
    let proxy = world.proxy();
    let transfer = tokio::spawn(async move {
        let (body, hash) = noise_body(5, 1024 * 1024, 8_192, Duration::from_millis(10));
        let request = Request::post("/up").header("host", "any").body(body).unwrap();
        (client::call(proxy, request).await.unwrap().text().to_owned(), hash.await.unwrap())
    });
    until("the upload is at the upstream", async || upstream.open(), |&open| open == 1).await;
    let idle = TcpStream::connect(proxy).await.unwrap();
    world.proxies[0].signal("TERM");
    until("new connections are refused", async || TcpStream::connect(proxy).await.is_err(), |&refused| refused).await;
    let (answer, hash) = transfer.await.unwrap();
    assert!(answer.ends_with(&hex(&hash)), "{answer}");
    assert!(world.proxies[0].wait().success());
    drop(idle);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_deadline_ends_what_does_not_end_by_itself() {
    let mut world = World::start_with(1, &["--drain-deadline-ms", "200"]).await;
    let upstream = Upstream::http(|_| std::future::pending()).await;
    world.register(&document("api", &[("GET", "/x", format!("http://{}/", upstream.address))])).await;
    let proxy = world.proxy();
    let request = Request::get("/x").header("host", "any").body(http_body_util::Empty::<bytes::Bytes>::new()).unwrap();
    let waiting = tokio::spawn(client::call(proxy, request));
    until("the request is at the upstream", async || upstream.open(), |&open| open == 1).await;
    world.proxies[0].signal("TERM");
    assert!(world.proxies[0].wait().success());
    assert!(waiting.await.unwrap().is_err(), "a cut looks like a cut");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_control_plane_ends_well_too() {
    let mut world = World::start(1).await;
    world.control.signal("TERM");
    assert!(world.control.wait().success());
}
