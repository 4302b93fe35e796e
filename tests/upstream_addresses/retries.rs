//! What is sent again, and what never is.

use harness::addresses::{Named, local_servers};
use harness::dns::Reply;
use hyper::Method;

const ON: [&str; 4] = ["--upstream-retries", "2", "--upstream-ejection-seconds", "0"];
/// With a budget that no test comes to the end of.
const ALL: [&str; 6] =
    ["--upstream-retries", "2", "--upstream-ejection-seconds", "0", "--upstream-retry-budget-percent", "100"];
const OFF: [&str; 2] = ["--upstream-ejection-seconds", "0"];
const REFUSED: &str = "penstock_proxy_upstream_retries_refused_total";

fn retries(reason: &str) -> String {
    format!(r#"penstock_proxy_upstream_retries_total{{reason="{reason}"}}"#)
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_sent_again_unless_an_operator_says_so() {
    let servers = local_servers(&[2, 3]).await;
    let named = Named::start(servers[0].address.port(), Reply::local(60, &[2, 3]), &OFF).await;
    servers[1].manner.status(503);
    let statuses = named.call(&Method::GET, 100, 1).await;
    let bad = statuses.iter().filter(|&&status| status == 503).count();
    assert_eq!(bad, servers[1].manner.hits());
    assert!(bad > 20, "{bad}");
    assert_eq!(servers.iter().map(|server| server.manner.hits()).sum::<usize>(), 100);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_request_is_answered_by_another_address() {
    for status in [502, 503, 504] {
        let servers = local_servers(&[2, 3, 4, 5, 6, 7]).await;
        let addresses = Reply::local(60, &[2, 3, 4, 5, 6, 7]);
        let named = Named::start(servers[0].address.port(), addresses, &ALL).await;
        servers[1].manner.status(status);
        named.get(100).await;
        let bad = servers[1].manner.hits();
        assert!(bad > 0);
        assert_eq!((named.count(&retries("status")).await, named.count(REFUSED).await), (bad, 0));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_is_lost_before_the_answer_is_a_reason_too() {
    let servers = local_servers(&[2, 3, 4, 5, 6, 7]).await;
    let addresses = || Reply::local(60, &[2, 3, 4, 5, 6, 7]);
    let named = Named::start(servers[0].address.port(), addresses(), &ALL).await;
    servers[1].manner.hang_up();
    named.get(60).await;
    assert_eq!(named.count(&retries("lost")).await, servers[1].manner.hits());
    let off = Named::start(servers[0].address.port(), addresses(), &OFF).await;
    let statuses = off.call(&Method::GET, 60, 1).await;
    assert!(statuses.contains(&504), "{statuses:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn other_answers_are_answers() {
    let servers = local_servers(&[2, 3]).await;
    let named = Named::start(servers[0].address.port(), Reply::local(60, &[2, 3]), &ON).await;
    for status in [400, 404, 429, 500, 501] {
        for server in &servers {
            server.manner.status(status);
        }
        let before: usize = servers.iter().map(|server| server.manner.hits()).sum();
        assert_eq!(named.call(&Method::GET, 10, 1).await, [status; 10]);
        assert_eq!(servers.iter().map(|server| server.manner.hits()).sum::<usize>(), before + 10, "{status}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn under_a_total_failure_an_upstream_gets_no_more_than_the_budget_allows() {
    let servers = local_servers(&[2, 3]).await;
    let named = Named::start(servers[0].address.port(), Reply::local(60, &[2, 3]), &ON).await;
    for server in &servers {
        server.manner.status(503);
    }
    let requests = 1_000;
    let statuses = named.call(&Method::GET, requests, 4).await;
    assert_eq!(statuses, vec![503; requests]);
    let hits: usize = servers.iter().map(|server| server.manner.hits()).sum();
    // A fifth of them, and the first ten whatever the budget says.
    assert!(hits > requests && hits <= requests + requests / 5 + 10, "{hits}");
    assert_eq!(named.count(&retries("status")).await, hits - requests);
    assert!(named.count(REFUSED).await > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_request_is_sent_no_more_often_than_the_setting_says() {
    let servers = local_servers(&[2, 3, 4, 5]).await;
    let named = Named::start(servers[0].address.port(), Reply::local(60, &[2, 3, 4, 5]), &ON).await;
    for server in &servers {
        server.manner.status(503);
    }
    assert_eq!(named.call(&Method::GET, 1, 1).await, [503]);
    let hits: Vec<_> = servers.iter().map(|server| server.manner.hits()).collect();
    assert_eq!((hits.iter().sum::<usize>(), hits.iter().max()), (3, Some(&1)), "each time another one: {hits:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_post_and_a_body_that_passes_only_once_are_never_sent_twice() {
    for method in [Method::POST, Method::PUT] {
        let servers = local_servers(&[2, 3]).await;
        let named = Named::start(servers[0].address.port(), Reply::local(60, &[2, 3]), &ON).await;
        servers[0].manner.hang_up();
        servers[1].manner.status(503);
        let statuses = named.call(&method, 60, 3).await;
        assert!(statuses.iter().all(|&status| matches!(status, 503 | 504)), "{method}: {statuses:?}");
        let bodies: Vec<_> = servers.iter().flat_map(|server| server.manner.bodies()).collect();
        assert_eq!(bodies.len(), 60, "{method}");
        assert!(bodies.iter().all(|body| body == "sent once"), "{method}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upstream_with_one_address_is_asked_again_there() {
    let servers = local_servers(&[2]).await;
    let named = Named::start(servers[0].address.port(), Reply::local(60, &[2]), &ON).await;
    servers[0].manner.status(503);
    assert_eq!(named.call(&Method::GET, 1, 1).await, [503]);
    assert_eq!(servers[0].manner.hits(), 3);
}
