//! Not one byte of a payload changes, and memory does not depend on its size.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use harness::payload::{Noise, Sum, drain, noise_body};
use harness::upstream::{Upstream, hex};
use harness::world::document;
use harness::{World, client, memory, sized};
use http_body_util::{BodyExt as _, Full};
use hyper::Request;
use std::net::SocketAddr;
use std::time::Duration;

const MIB: u64 = 1024 * 1024;

async fn bulk_world() -> (World, Upstream) {
    let world = World::start(1).await;
    let upstream = Upstream::bulk().await;
    let uri = format!("http://{}/{{path}}", upstream.address);
    world.register(&document("bulk", &[("ANY", "/{path+}", uri)])).await;
    (world, upstream)
}

async fn upload(proxy: SocketAddr, seed: u64, total: u64, frame: usize, pause: Duration) -> (String, Sum) {
    let (body, hash) = noise_body(seed, total, frame, pause);
    let request = Request::post("/up").header("host", "any").body(body).unwrap();
    let answer = client::call(proxy, request).await.unwrap();
    (answer.text().to_owned(), hash.await.unwrap())
}

async fn download(proxy: SocketAddr, seed: u64, total: u64, frame: usize, pause_us: u64) -> (u64, Sum) {
    let path = format!("/noise/{seed}/{total}/{frame}/{pause_us}");
    let request = Request::get(path).header("host", "any").body(http_body_util::Empty::new()).unwrap();
    let response = client::Connection::open(proxy).await.send(request).await.unwrap();
    drain(response.into_body()).await.unwrap()
}

fn expected(seed: u64, total: u64, frame: usize) -> Sum {
    use sha2::Digest as _;
    let (mut noise, mut hasher, mut left) = (Noise::new(seed), sha2::Sha256::new(), total);
    while left > 0 {
        let bytes = noise.take(usize::try_from(left).unwrap().min(frame));
        left -= bytes.len() as u64;
        hasher.update(&bytes);
    }
    hasher.finalize().into()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_body_each_way_at_the_same_time_arrives_whole_in_flat_memory() {
    let (world, _upstream) = bulk_world().await;
    let total = sized(48 * MIB, 1024 * MIB);
    let frame = 65_521;
    let pid = world.proxies[0].pid();
    // One small exchange first, so that "idle" has everything that is made once.
    upload(world.proxy(), 1, 1000, 100, Duration::ZERO).await;
    let idle = memory::resident_bytes(pid);
    let watch = memory::Watch::start(pid);
    let proxy = world.proxy();
    let (up, down) = tokio::join!(upload(proxy, 7, total, frame, Duration::ZERO), download(proxy, 8, total, frame, 0));
    let most = watch.stop();
    assert_eq!(up.0, format!("{total} {}", hex(&up.1)));
    assert_eq!(up.1, expected(7, total, frame));
    assert_eq!(down, (total, expected(8, total, frame)));
    println!("memory: idle {} KiB, most {} KiB", idle / 1024, most / 1024);
    assert!(most <= idle + 32 * MIB, "idle {idle}, most {most}");
}

#[tokio::test(flavor = "multi_thread")]
async fn many_slow_transfers_arrive_whole_in_bounded_memory() {
    let (world, _upstream) = bulk_world().await;
    let total = sized(MIB / 2, 8 * MIB);
    let (frame, pause) = (16_384, Duration::from_millis(10));
    let pid = world.proxies[0].pid();
    upload(world.proxy(), 1, 1000, 100, Duration::ZERO).await;
    let idle = memory::resident_bytes(pid);
    let watch = memory::Watch::start(pid);
    let proxy = world.proxy();
    let transfers: Vec<_> = (0..200)
        .map(|seed| {
            tokio::spawn(async move {
                if seed % 2 == 0 {
                    let (answer, hash) = upload(proxy, seed, total, frame, pause).await;
                    assert_eq!(answer, format!("{total} {}", hex(&hash)));
                } else {
                    let got = download(proxy, seed, total, frame, 10_000).await;
                    assert_eq!(got, (total, expected(seed, total, frame)));
                }
            })
        })
        .collect();
    for transfer in transfers {
        transfer.await.unwrap();
    }
    let most = watch.stop();
    println!("memory: idle {} KiB, most {} KiB", idle / 1024, most / 1024);
    assert!(most <= idle + 64 * MIB, "idle {idle}, most {most}");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_content_type_changes_a_byte() {
    let world = World::start(1).await;
    let upstream = Upstream::echo().await;
    world.register(&document("echo", &[("POST", "/echo", format!("http://{}/", upstream.address))])).await;
    // Every byte value, text that is not UTF-8, and something that looks like base64.
    let bodies = [(0..=255).collect::<Vec<u8>>(), b"\xff\xfe\x00caf\xe9".to_vec(), b"aGVsbG8=".to_vec(), Vec::new()];
    let kinds =
        ["image/jpeg", "application/json", "text/plain; charset=latin1", "application/x-unheard-of", "nonsense"];
    for body in bodies {
        for kind in kinds {
            let answer = client::post(world.proxy(), "any", "/echo", kind, body.clone()).await;
            assert_eq!((answer.status.as_u16(), answer.header("content-type")), (200, kind));
            assert_eq!(answer.body, body, "{kind}");
        }
        let request = Request::post("/echo").header("host", "any").body(Full::new(body.clone().into())).unwrap();
        assert_eq!(client::call(world.proxy(), request).await.unwrap().body, body, "without a content type");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn http2_clients_get_the_same_bytes() {
    let (world, _upstream) = bulk_world().await;
    let stream = tokio::net::TcpStream::connect(world.proxy()).await.unwrap();
    let executor = hyper_util::rt::TokioExecutor::new();
    let io = hyper_util::rt::TokioIo::new(stream);
    let (sender, connection) = hyper::client::conn::http2::handshake(executor, io).await.unwrap();
    tokio::spawn(connection);
    let total = sized(4 * MIB, 64 * MIB);
    let exchanges: Vec<_> = (0..8)
        .map(|seed| {
            let mut sender = sender.clone();
            tokio::spawn(async move {
                let (body, hash) = noise_body(seed, total, 50_000, Duration::ZERO);
                let request = Request::post("http://any/up").body(body).unwrap();
                let response = sender.send_request(request).await.unwrap();
                let text = response.into_body().collect().await.unwrap().to_bytes();
                assert_eq!(text, format!("{total} {}", hex(&hash.await.unwrap())));
            })
        })
        .collect();
    for exchange in exchanges {
        exchange.await.unwrap();
    }
}
