//! What becomes of addresses that fail.

use harness::addresses::{Named, local_servers};
use harness::dns::Reply;
use harness::wait::until;
use hyper::Method;

const EJECTIONS: &str = r#"penstock_proxy_upstream_ejections_total{reason="status"}"#;

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_answers_503_is_left_alone_and_returns_gradually() {
    let servers = local_servers(&[2, 3, 4]).await;
    let port = servers[0].address.port();
    let named = Named::start(port, Reply::local(60, &[2, 3, 4]), &["--upstream-ejection-seconds", "6"]).await;
    servers[2].manner.status(503);
    let statuses = named.call(&Method::GET, 300, 1).await;
    // Five in a row, and nobody else had to hear of it.
    assert_eq!(statuses.iter().filter(|&&status| status == 503).count(), 5);
    assert_eq!((servers[2].manner.hits(), named.count(EJECTIONS).await), (5, 1));
    let state = async || named.addresses().await[2].1;
    assert_eq!(state().await, "ejected");
    let gauge = r#"penstock_proxy_upstream_addresses{target="http://up.test:PORT",state="ejected"}"#;
    assert_eq!(named.count(&gauge.replace("PORT", &port.to_string())).await, 1);

    servers[2].manner.status(200);
    let hits = async || {
        named.get(1).await;
        servers[2].manner.hits()
    };
    until("it returns", hits, |&hits| hits > 5).await;
    // At the begin it gets a tenth of a third, and not more than that all at once.
    let before = servers[2].manner.hits();
    named.get(50).await;
    let first = servers[2].manner.hits() - before;
    assert!(first <= 14, "{first} of 50");
    until(
        "it has returned",
        async || {
            named.get(1).await;
            state().await
        },
        |&state| state == "serving",
    )
    .await;
    let before = servers[2].manner.hits();
    named.get(300).await;
    let whole = servers[2].manner.hits() - before;
    assert!((60..=140).contains(&whole), "{whole} of 300");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_fails_again_at_its_first_request_is_ejected_for_longer() {
    let servers = local_servers(&[2, 3]).await;
    let port = servers[0].address.port();
    let named = Named::start(port, Reply::local(60, &[2, 3]), &["--upstream-ejection-seconds", "1"]).await;
    servers[1].manner.status(502);
    let ejections = async || {
        named.call(&Method::GET, 20, 1).await;
        named.count(EJECTIONS).await
    };
    until("it was ejected three times", ejections, |&ejections| ejections >= 3).await;
    assert_eq!(servers[1].manner.hits(), 5 + 1 + 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn half_of_the_addresses_serve_on_whatever_they_answer() {
    let servers = local_servers(&[2, 3, 4, 5]).await;
    let named = Named::start(servers[0].address.port(), Reply::local(60, &[2, 3, 4, 5]), &[]).await;
    for server in &servers {
        server.manner.status(504);
    }
    named.call(&Method::GET, 400, 4).await;
    let ejected = named.addresses().await.iter().filter(|(_, state)| *state == "ejected").count();
    assert_eq!((ejected, named.count(EJECTIONS).await), (2, 2));
    let hits: Vec<_> = servers.iter().map(|server| server.manner.hits()).collect();
    assert_eq!((hits.iter().sum::<usize>(), hits.iter().filter(|&&hits| hits < 50).count()), (400, 2), "{hits:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_only_address_is_asked_whatever_it_answers() {
    let servers = local_servers(&[2]).await;
    let named = Named::start(servers[0].address.port(), Reply::local(60, &[2]), &[]).await;
    servers[0].manner.status(503);
    assert_eq!(named.call(&Method::GET, 50, 2).await, [503; 50]);
    assert_eq!((servers[0].manner.hits(), named.count(EJECTIONS).await), (50, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn addresses_that_refuse_or_hang_up_are_ejected() {
    let servers = local_servers(&[2, 3, 4]).await;
    let named = Named::start(servers[0].address.port(), Reply::local(60, &[2, 3, 4, 9]), &[]).await;
    servers[1].manner.hang_up();
    let statuses = named.call(&Method::POST, 200, 1).await;
    assert_eq!(statuses.iter().filter(|&&status| status != 200).count(), 5, "as often as it takes");
    let ejected: Vec<_> =
        named.addresses().await.into_iter().filter(|(_, state)| *state == "ejected").map(|(at, _)| at).collect();
    let port = servers[0].address.port();
    assert_eq!(ejected, [format!("127.0.0.3:{port}"), format!("127.0.0.9:{port}")]);
    for reason in ["connect", "lost"] {
        let name = format!(r#"penstock_proxy_upstream_ejections_total{{reason="{reason}"}}"#);
        assert_eq!(named.count(&name).await, 1, "{reason}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ejection_can_be_switched_off() {
    let servers = local_servers(&[2, 3]).await;
    let port = servers[0].address.port();
    let named = Named::start(port, Reply::local(60, &[2, 3]), &["--upstream-ejection-seconds", "0"]).await;
    servers[1].manner.status(503);
    named.call(&Method::GET, 200, 1).await;
    assert!(servers[1].manner.hits() > 60, "{}", servers[1].manner.hits());
}
