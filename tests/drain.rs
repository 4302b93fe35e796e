//! SIGTERM: what runs finishes, nothing new is taken, and the wait has an end.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use harness::frames::{Wire, code, flag, frame, headers, kind, request, window};
use harness::payload::noise_body;
use harness::slow::narrow;
use harness::upstream::{Upstream, hex, whole};
use harness::wait::{bounded, until};
use harness::world::document;
use harness::{World, client};
use hyper::{Request, Response};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::Semaphore;

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

/// What a client's kernel holds for it, if it may: as much as most systems allow without being told otherwise.
const WIDE_BYTES: u32 = 1024 * 1024;

/// How an HTTP/2 client comes to the end of its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Going {
    /// It is told to go, and says that it has heard.
    Told,
    /// It is told to go, and says nothing.
    Deaf,
    /// It says that it goes.
    ByItself,
}

/// A client with wide windows that takes its time, so that most of its answer is still in a kernel when all of it was said: the proxy's, or,
/// with a `pause` between two frames, its own. It widens its windows all the while.
async fn a_slow_http2_client_gets_all_of_its_answer(going: Going, pause: Option<Duration>) {
    // With pauses so few that the client's kernel has room for all of them.
    let bytes = if pause.is_some() { 400_000 } else { 3_000_000 };
    let mut world = World::start(1).await;
    let may_answer = Arc::new(Semaphore::new(0));
    let waited_for = Arc::clone(&may_answer);
    let upstream = Upstream::http(move |_| {
        let waited_for = Arc::clone(&waited_for);
        async move {
            waited_for.acquire().await.unwrap().forget();
            Response::new(whole(vec![7; bytes]))
        }
    })
    .await;
    world.register(&document("api", &[("GET", "/x", format!("http://{}/", upstream.address))])).await;
    let stream = match pause {
        Some(_) => {
            let socket = TcpSocket::new_v4().unwrap();
            socket.set_recv_buffer_size(WIDE_BYTES).unwrap();
            socket.connect(world.proxy()).await.unwrap()
        }
        None => narrow(world.proxy()).await,
    };
    let mut wire = Wire::greet(stream, &[(4, 1 << 30)]).await;
    wire.send(&[window(0, 1 << 30), headers(1, flag::WHOLE, request("GET", "/x", &[]))].concat()).await;
    until("the request is at the upstream", async || upstream.open(), |&open| open == 1).await;
    match going {
        Going::Told | Going::Deaf => world.proxies[0].signal("TERM"),
        Going::ByItself => drop(wire.send(&harness::frames::goaway(0, code::NO_ERROR)).await),
    }
    let mut last = u32::MAX;
    while last != 1 {
        let found = bounded("the end that is announced", wire.next()).await.unwrap();
        if found.kind == kind::GOAWAY {
            last = found.number(0);
        }
        if found.kind == kind::PING && going == Going::Told {
            wire.send(&frame(kind::PING, flag::ACK, 0, &found.payload)).await;
        }
    }
    may_answer.add_permits(1);
    let (mut came, mut is_whole) = (0, false);
    while let Some(found) = bounded("the answer", wire.next()).await {
        if found.kind == kind::DATA {
            came += found.payload.len();
            is_whole = found.has(flag::END_STREAM);
            let taken = found.payload.len() as u32;
            assert!(
                wire.send(&[window(0, taken), window(1, taken)].concat()).await,
                "{going:?}: reset behind {came} bytes"
            );
            harness::slow::pause(pause.unwrap_or_default()).await;
        }
    }
    assert_eq!((came, is_whole), (bytes, true), "{going:?}");
    drop(wire);
    if going != Going::ByItself {
        assert!(world.proxies[0].wait().success());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_http2_client_that_is_told_to_go_gets_all_of_its_answer() {
    a_slow_http2_client_gets_all_of_its_answer(Going::Told, None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_http2_client_whose_kernel_has_all_of_its_answer_is_not_reset_while_it_reads() {
    // Five seconds, of which the proxy hears.
    a_slow_http2_client_gets_all_of_its_answer(Going::Told, Some(Duration::from_millis(200))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_http2_client_that_does_not_hear_that_it_is_to_go_gets_all_of_its_answer() {
    a_slow_http2_client_gets_all_of_its_answer(Going::Deaf, None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_http2_client_that_goes_gets_all_of_its_answer() {
    a_slow_http2_client_gets_all_of_its_answer(Going::ByItself, None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_control_plane_ends_well_too() {
    let mut world = World::start(1).await;
    world.control.signal("TERM");
    assert!(world.control.wait().success());
}
