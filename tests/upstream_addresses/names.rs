//! Where addresses come from, how long they count, and what is used while nobody knows any better.

use harness::addresses::{NAME, Named, local_servers};
use harness::dns::Reply;
use harness::load::Load;
use harness::wait::until;
use hyper::Method;

const FAILED: &str = r#"penstock_proxy_dns_lookups_total{outcome="failed"}"#;

#[tokio::test(flavor = "multi_thread")]
async fn when_the_addresses_change_traffic_moves_without_a_failed_request() {
    let servers = local_servers(&[2, 3]).await;
    let named = Named::start(servers[0].address.port(), Reply::local(1, &[2]), &[]).await;
    let load = Load::on(&named.world, 8);
    load.go_on(100).await;
    assert_eq!(servers[1].manner.hits(), 0);
    named.dns.set(NAME, Reply::local(1, &[3]));
    until("the new address is used", async || servers[1].manner.hits(), |&hits| hits > 100).await;
    // What is under way ends there, and nothing new begins.
    until("the old one is left", async || servers[0].open(), |&open| open == 0).await;
    let before = servers[0].manner.hits();
    load.go_on(200).await;
    assert_eq!(servers[0].manner.hits(), before);
    load.end().await;
    let shown = named.addresses().await;
    assert_eq!(shown, [(servers[1].address.to_string(), "serving")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_is_asked_for_as_often_as_its_time_to_live_says() {
    let servers = local_servers(&[2]).await;
    let named = Named::start(servers[0].address.port(), Reply::local(600, &[2]), &[]).await;
    named.get(200).await;
    // Once for each kind of address; the name is not one of the search list.
    assert_eq!(named.dns.asked(NAME), 2);
    let short = Named::start(servers[0].address.port(), Reply::local(0, &[2]), &[]).await;
    short.get(1).await;
    until("it is asked for again", async || short.dns.asked(NAME), |&asked| asked >= 6).await;
    short.get(200).await;
    assert!(short.dns.asked(NAME) < 40, "{}: not for each request", short.dns.asked(NAME));
}

#[tokio::test(flavor = "multi_thread")]
async fn aliases_are_followed_and_long_answers_are_fetched_over_tcp() {
    let servers = local_servers(&[2, 3]).await;
    let alias = Reply::Alias(1, "real.test".into());
    let named = Named::start(servers[0].address.port(), alias, &[]).await;
    named.dns.set("real.test", Reply::Long(600, vec![servers[0].address.ip()]));
    named.get(5).await;
    // The shorter of both times counts.
    named.dns.set("real.test", Reply::Long(600, vec![servers[1].address.ip()]));
    until("the new one is used", async || named.get(1).await, |()| servers[1].manner.hits() > 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_no_dns_server_answers_the_last_known_addresses_are_used() {
    let servers = local_servers(&[2, 3]).await;
    let named = Named::start(servers[0].address.port(), Reply::local(1, &[2]), &[]).await;
    named.get(5).await;
    for away in [Reply::Failure, Reply::Silence] {
        let before = named.count(FAILED).await;
        named.dns.set(NAME, away);
        // The first question may have been answered before; the second comes when what is known has expired.
        until("questions fail", async || named.count(FAILED).await, |&failed| failed >= before + 2).await;
        named.get(20).await;
    }
    assert_eq!(servers[0].manner.hits(), 45);
    named.dns.set(NAME, Reply::local(60, &[3]));
    until("the server is believed again", async || named.get(1).await, |()| servers[1].manner.hits() > 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_without_an_address_is_a_504_which_is_kept_shortly() {
    let servers = local_servers(&[2]).await;
    let named = Named::start(servers[0].address.port(), Reply::local(1, &[2]), &[]).await;
    named.dns.unset(NAME);
    let statuses = named.call(&Method::GET, 50, 5).await;
    assert_eq!(statuses, [504; 50]);
    // Each of two kinds, itself and with what the search list of this machine adds, and perhaps once more.
    assert!(named.dns.asked(NAME) <= 6, "{}", named.dns.asked(NAME));
    assert!(named.count(r#"penstock_proxy_failures_total{reason="resolve_failed"}"#).await >= 50);
    named.dns.set(NAME, Reply::local(1, &[2]));
    let status = async || named.call(&Method::GET, 1, 1).await[0];
    until("it has one now", status, |&status| status == 200).await;
    named.dns.unset(NAME);
    until("it is gone again", status, |&status| status == 504).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dns_server_that_is_silent_costs_no_more_than_the_connect_timeout() {
    let named = Named::start(9, Reply::Silence, &[]).await;
    let begun = std::time::Instant::now();
    let statuses = named.call(&Method::GET, 5, 5).await;
    assert_eq!(statuses, [504; 5]);
    assert!(begun.elapsed().as_secs() < 12, "{:?}", begun.elapsed());
}
