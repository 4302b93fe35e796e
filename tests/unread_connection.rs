//! An HTTP/2 client whose windows are wide and that does not read its connection. By itself, because crowds of slow clients beside it hold what
//! the kernel has for sockets, and it is the kernel's queue that tells.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use harness::World;
use harness::frames::{self, Wire};
use harness::slow::narrow;
use harness::upstream::Upstream;
use harness::wait::{bounded, until};
use harness::world::document;

const MIB: u64 = 1024 * 1024;

#[tokio::test(flavor = "multi_thread")]
async fn an_http2_client_that_does_not_read_its_connection_loses_it() {
    let upstream = Upstream::bulk().await;
    let arguments = ["--body-idle-ms", "2000", "--body-rate-min", "200000", "--workers", "1"];
    let world = World::start_with(1, &arguments).await;
    let uri = format!("http://{}/{{path}}", upstream.address);
    world.register(&document("unread", &[("ANY", "/bulk/{path+}", uri)])).await;
    let mut wire = Wire::greet(narrow(world.proxy()).await, &[(4, 1 << 30)]).await;
    let ask = frames::request("GET", &format!("/bulk/noise/1/{}/16384/0", 64 * MIB), &[]);
    wire.send(&[frames::window(0, 1 << 30), frames::headers(1, frames::flag::WHOLE, ask)].concat()).await;
    world.failed("h2_client_stalled", 1.0).await;
    until("the upstream is rid of it", async || upstream.open(), |&open| open == 0).await;
    bounded("the end", async { while wire.next().await.is_some() {} }).await;
}
