//! HTTP/2 towards clients, frame by frame: a table of cases from RFC 9113 and RFC 7541, each on a connection of its own, and
//! what abuses the protocol.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "http2/abuse.rs"]
mod abuse;
#[path = "http2/connection.rs"]
mod connection;
#[path = "http2/flow.rs"]
mod flow;
#[path = "http2/frames.rs"]
mod frames;
#[path = "http2/hpack.rs"]
mod hpack;
#[path = "http2/messages.rs"]
mod messages;
#[path = "http2/setup.rs"]
mod setup;
#[path = "http2/slow.rs"]
mod slow;
#[path = "http2/streams.rs"]
mod streams;
#[path = "http2/table.rs"]
mod table;

use harness::client;
use setup::Gateway;
use table::Case;

/// Cases that there must be at least, so that none gets lost.
const CASES_MIN: usize = 370;

fn cases() -> Vec<Case> {
    [connection::cases(), frames::cases(), streams::cases(), flow::cases(), messages::cases(), hpack::cases()]
        .into_iter()
        .flatten()
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_case_of_the_table_is_met_and_the_next_client_served() {
    let gateway = Gateway::start(&[]).await;
    let proxy = gateway.world.proxy();
    let cases = cases();
    assert!(cases.len() >= CASES_MIN, "{} cases", cases.len());
    let mut failures = Vec::new();
    for case in &cases {
        if let Err(what) = case.play(proxy).await {
            failures.push(format!("{}: {what}", case.title()));
        }
        assert_eq!(client::get(proxy, "any", "/").await.status, 200, "behind {}", case.title());
    }
    assert!(failures.is_empty(), "{} of {} cases:\n{}", failures.len(), cases.len(), failures.join("\n"));
}
