//! Which address a request gets.

use harness::addresses::{Named, local_servers, servers};
use harness::dns::Reply;
use harness::upstream::whole;
use hyper::Method;
use std::net::{Ipv4Addr, Ipv6Addr};

#[tokio::test(flavor = "multi_thread")]
async fn requests_spread_over_all_addresses() {
    let servers = local_servers(&[2, 3, 4]).await;
    let named = Named::start(servers[0].address.port(), Reply::local(60, &[2, 3, 4]), &[]).await;
    let statuses = named.call(&Method::GET, 600, 8).await;
    assert!(statuses.iter().all(|&status| status == 200));
    let hits: Vec<_> = servers.iter().map(|server| server.manner.hits()).collect();
    assert!(hits.iter().all(|hits| (120..=280).contains(hits)), "{hits:?}");
    assert!(servers.iter().all(|server| server.open() <= 8), "connections are used again");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_address_gets_less() {
    let servers = local_servers(&[2, 3, 4]).await;
    servers[1].manner.pause_ms(300);
    let named = Named::start(servers[0].address.port(), Reply::local(60, &[2, 3, 4]), &[]).await;
    named.call(&Method::GET, 900, 12).await;
    let hits: Vec<_> = servers.iter().map(|server| server.manner.hits()).collect();
    assert!(hits[1] > 0 && hits[1] * 3 < hits[0].min(hits[2]), "{hits:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_refuses_costs_no_request() {
    let servers = local_servers(&[2, 3]).await;
    // Nobody listens at two of the four.
    let named = Named::start(servers[0].address.port(), Reply::local(60, &[2, 3, 8, 9]), &[]).await;
    named.get(50).await;
    let posts = named.call(&Method::POST, 50, 4).await;
    assert!(posts.iter().all(|&status| status == 200), "nothing of them was sent before: {posts:?}");
    assert_eq!(servers.iter().map(|server| server.manner.hits()).sum::<usize>(), 100);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_does_not_answer_the_handshake_costs_time_and_no_request() {
    let servers = local_servers(&[2]).await;
    // No machine has it (RFC 5737), so nobody refuses.
    let nowhere = Ipv4Addr::new(203, 0, 113, 1).into();
    let here = Ipv4Addr::new(127, 0, 0, 2).into();
    let named = Named::start(servers[0].address.port(), Reply::Addresses(60, vec![here, nowhere]), &[]).await;
    let statuses = named.call(&Method::GET, 8, 8).await;
    assert_eq!(statuses, [200; 8]);
}

#[tokio::test(flavor = "multi_thread")]
async fn both_kinds_of_addresses_are_used() {
    if std::net::TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).is_err() {
        eprintln!("this machine has no IPv6: not tried");
        return;
    }
    let both = [Ipv4Addr::new(127, 0, 0, 2).into(), Ipv6Addr::LOCALHOST.into()];
    let servers = servers(&both).await;
    let named = Named::start(servers[0].address.port(), Reply::Addresses(60, both.to_vec()), &[]).await;
    named.get(60).await;
    assert!(servers.iter().all(|server| server.manner.hits() >= 10));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_nobody_reads_to_its_end_is_no_request_under_way() {
    let servers = local_servers(&[2, 3]).await;
    let named = Named::start(servers[0].address.port(), Reply::local(60, &[2, 3]), &[]).await;
    // Whoever leaves must not make an address look busy for ever: all later requests would avoid it.
    for _ in 0..40 {
        let mut connection = harness::client::Connection::open(named.world.proxy()).await;
        let request = hyper::Request::get("/x").header("host", "any").body(whole("")).unwrap();
        drop(connection.send(request).await.unwrap());
    }
    let before: Vec<_> = servers.iter().map(|server| server.manner.hits()).collect();
    named.get(60).await;
    for (server, before) in servers.iter().zip(before) {
        assert!(server.manner.hits() - before >= 12, "{} of 60", server.manner.hits() - before);
    }
}
