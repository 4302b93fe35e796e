//! What a connection costs: memory per connection is a promise.

use tokio::net::TcpStream;

use super::super::{FramingGuard, FramingLimits, GuardedIo};

#[test]
fn a_held_head_grows_to_its_limit_and_not_beyond() {
    let limits = FramingLimits::default();
    let mut guard = FramingGuard::new(limits);
    assert_eq!(guard.room_bytes(), None, "nothing is held");
    let start = b"GET / HTTP/1.1\r\nA: ";
    assert_eq!(guard.feed(start), 0);
    let room = guard.room_bytes().unwrap();
    assert_eq!(room, limits.head.head_bytes_max - start.len());

    guard.feed_held(&vec![b'a'; room - 1]);
    assert_eq!((guard.room_bytes(), guard.refusal()), (Some(1), None));
    guard.feed_held(b"a");
    assert!(guard.refusal().is_some());
}

#[test]
fn nothing_is_held_of_a_body_and_nothing_after_a_head_has_passed() {
    let mut guard = FramingGuard::new(FramingLimits::default());
    guard.feed(b"POST / HTTP/1.1\r\nHost: a\r\n");
    guard.feed(b"Content-Length: 1000000\r\n\r\nbegin");
    let released = guard.released().len();
    guard.delivered(released);
    assert_eq!(guard.room_bytes(), None);
    assert_eq!(guard.feed(&[0; 1000]), 1000, "a body passes where it is");
}

#[test]
fn the_state_of_a_connection_is_small() {
    assert!(size_of::<GuardedIo<TcpStream>>() - size_of::<TcpStream>() <= 320);
}
