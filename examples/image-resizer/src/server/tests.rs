//! What needs a look inside: a process whose cores are all busy. The rest is tested from outside, in `tests/`.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::*;
use crate::admission::Room;

const A_BOUND: Duration = Duration::from_secs(20);

async fn upload(address: SocketAddr, picture: &[u8]) -> String {
    let exchange = async {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let head = format!(
            "POST /upload HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
            picture.len()
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        stream.write_all(picture).await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        String::from_utf8_lossy(&answer).into_owned()
    };
    timeout(A_BOUND, exchange).await.expect("an answer in time")
}

fn a_png() -> Vec<u8> {
    let mut png = io::Cursor::new(Vec::new());
    image::DynamicImage::new(4, 4, image::ColorType::Rgb8).write_to(&mut png, image::ImageFormat::Png).unwrap();
    png.into_inner()
}

/// A server with these places, its address, and what to drop to stop it.
async fn serving(admission: Admission) -> (SocketAddr, oneshot::Sender<()>, JoinHandle<()>) {
    let listen = SocketAddr::from(([127, 0, 0, 1], 0));
    let bound = bind_with(Settings { listen }, admission).await.unwrap();
    let address = bound.local_addr();
    let (stop, stopped) = oneshot::channel::<()>();
    let task = tokio::spawn(bound.run(async {
        let _ = stopped.await;
    }));
    (address, stop, task)
}

#[tokio::test]
async fn a_full_server_says_503_and_serves_again_when_a_core_is_free() {
    let admission = Admission::new(1, 1_000_000, Duration::from_millis(20));
    let (address, stop, serving) = serving(admission.clone()).await;

    let busy = admission.core().await.unwrap();
    let refused = upload(address, &a_png()).await;
    assert!(refused.starts_with("HTTP/1.1 503 "), "{refused}");
    assert!(refused.contains("\r\nretry-after: 1\r\n") && refused.contains(r#""error":"busy""#), "{refused}");

    drop(busy);
    let served = upload(address, &a_png()).await;
    assert!(served.starts_with("HTTP/1.1 200 "), "{served}");

    drop(stop);
    timeout(A_BOUND, serving).await.expect("a stop in time").unwrap();
}

#[tokio::test]
async fn bodies_share_their_room_and_give_it_back() {
    let picture = a_png();
    let admission = Admission::new(1, picture.len(), Duration::from_millis(20));
    let (address, stop, serving) = serving(admission.clone()).await;

    // Twice the same picture in a row: the second one needs the room that the first one took.
    for _ in 0..2 {
        let served = upload(address, &picture).await;
        assert!(served.starts_with("HTTP/1.1 200 "), "{served}");
    }
    let mut taken = Room::default();
    admission.widen(&mut taken, 1).await.unwrap();
    let refused = upload(address, &picture).await;
    assert!(refused.starts_with("HTTP/1.1 503 "), "{refused}");

    drop(stop);
    timeout(A_BOUND, serving).await.expect("a stop in time").unwrap();
}

#[tokio::test]
async fn a_taken_address_is_an_error_and_not_a_silence() {
    let first = bind(Settings { listen: SocketAddr::from(([127, 0, 0, 1], 0)) }).await.unwrap();
    let error = bind(Settings { listen: first.local_addr() }).await.unwrap_err();
    assert_eq!(error.address, first.local_addr());
    assert_eq!(error.source.kind(), io::ErrorKind::AddrInUse);
}
