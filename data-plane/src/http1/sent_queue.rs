//! How much of what was sent on a connection the kernel still holds: not acknowledged, or not even on its way. Asked by the
//! kernel's own interface for such questions (sock_diag(7)), about one connection: no list is read.

use rustix::fd::OwnedFd;
use rustix::net::netlink::SOCK_DIAG;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, recv, send, socket_with};
use std::net::{IpAddr, SocketAddr};
use tokio::net::TcpStream;

/// `SOCK_DIAG_BY_FAMILY`, the kind of question and answer.
const BY_FAMILY: u16 = 20;
/// `NLM_F_REQUEST`.
const IS_REQUEST: u16 = 1;
/// `IPPROTO_TCP`.
const TCP: u8 = 6;
/// `AF_INET` and `AF_INET6`.
const FAMILIES: (u8, u8) = (2, 10);
/// Every state of a connection.
const ANY_STATE: u32 = u32::MAX;
/// `INET_DIAG_NOCOOKIE`: the addresses say which connection.
const NO_COOKIE: u32 = u32::MAX;
/// Of a netlink message's header, in bytes.
const HEADER_BYTES: usize = 16;
/// Of a question without its header, in bytes (`struct inet_diag_req_v2`).
const QUESTION_BYTES: usize = 56;
/// Where in an answer the bytes stand that were sent and not acknowledged: behind header, states (4), addresses (48), timer (4)
/// and the other direction (4), in `struct inet_diag_msg`.
const QUEUED_AT: usize = HEADER_BYTES + 60;
/// Largest answer, in bytes.
const ANSWER_BYTES: usize = 1024;

thread_local! {
    /// To the kernel. `None`: it does not answer such questions here.
    static ASKING: Option<OwnedFd> = open();
}

fn open() -> Option<OwnedFd> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    match socket_with(AddressFamily::NETLINK, SocketType::RAW, flags, Some(SOCK_DIAG)) {
        Ok(socket) => Some(socket),
        Err(error) => {
            tracing::warn!(%error, "the kernel does not tell what receivers take: HTTP/1.1 clients need not keep a rate");
            None
        }
    }
}

/// Bytes that the kernel holds for a connection's other side. `None`: it does not tell.
pub(super) fn bytes(stream: &TcpStream) -> Option<u64> {
    let question = question(stream.local_addr().ok()?, stream.peer_addr().ok()?)?;
    ASKING.with(|socket| {
        let socket = socket.as_ref()?;
        // The kernel answers within the call. What an earlier question left there would be taken for the answer to this one.
        let mut answer = [0; ANSWER_BYTES];
        while recv(socket, &mut answer[..], RecvFlags::DONTWAIT).is_ok() {}
        send(socket, &question, SendFlags::DONTWAIT).ok()?;
        let (read, _) = recv(socket, &mut answer[..], RecvFlags::DONTWAIT).ok()?;
        queued(answer.get(..read)?)
    })
}

fn question(from: SocketAddr, to: SocketAddr) -> Option<[u8; HEADER_BYTES + QUESTION_BYTES]> {
    // A listener for both protocols has IPv4 connections as IPv6 ones.
    let family = if from.is_ipv4() { FAMILIES.0 } else { FAMILIES.1 };
    let length = u32::try_from(HEADER_BYTES + QUESTION_BYTES).ok()?;
    let mut bytes = Vec::with_capacity(HEADER_BYTES + QUESTION_BYTES);
    bytes.extend_from_slice(&length.to_ne_bytes());
    bytes.extend_from_slice(&BY_FAMILY.to_ne_bytes());
    bytes.extend_from_slice(&IS_REQUEST.to_ne_bytes());
    // Number and port: one question at a time, by whoever the kernel finds out.
    bytes.extend_from_slice(&[0; 8]);
    bytes.extend_from_slice(&[family, TCP, 0, 0]);
    bytes.extend_from_slice(&ANY_STATE.to_ne_bytes());
    bytes.extend_from_slice(&from.port().to_be_bytes());
    bytes.extend_from_slice(&to.port().to_be_bytes());
    for address in [from.ip(), to.ip()] {
        let mut space = [0; 16];
        match address {
            IpAddr::V4(address) => space[..4].copy_from_slice(&address.octets()),
            IpAddr::V6(address) => space = address.octets(),
        }
        bytes.extend_from_slice(&space);
    }
    let interface = match from {
        SocketAddr::V4(_) => 0,
        SocketAddr::V6(address) => address.scope_id(),
    };
    bytes.extend_from_slice(&interface.to_ne_bytes());
    bytes.extend_from_slice(&NO_COOKIE.to_ne_bytes());
    bytes.extend_from_slice(&NO_COOKIE.to_ne_bytes());
    bytes.try_into().ok()
}

fn queued(answer: &[u8]) -> Option<u64> {
    let kind = u16::from_ne_bytes(answer.get(4..6)?.try_into().ok()?);
    let queued = u32::from_ne_bytes(answer.get(QUEUED_AT..QUEUED_AT + 4)?.try_into().ok()?);
    (kind == BY_FAMILY).then(|| queued.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::AsyncReadExt as _;
    use tokio::net::TcpListener;

    #[tokio::test]
    async fn the_kernel_tells_how_much_waits_in_either_family() {
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let Ok(listener) = TcpListener::bind(address).await else { continue };
            let to = listener.local_addr().expect("it is bound");
            let (client, accepted) = tokio::join!(TcpStream::connect(to), listener.accept());
            let (mut client, (server, _)) = (client.expect("it listens"), accepted.expect("one has come"));
            let Some(0) = bytes(&server) else {
                panic!("{address}: nothing was sent, and it says {:?}", bytes(&server))
            };
            let mut sent = 0;
            server.writable().await.expect("it is open");
            while let Ok(written) = server.try_write(&[7; 65_536]) {
                sent += written as u64;
            }
            let full = bytes(&server).expect("it tells");
            assert!(full > 0 && full <= sent, "{address}: {full} of {sent}");
            let mut taken = vec![0; usize::try_from(sent).expect("it fits") / 2];
            client.read_exact(&mut taken).await.expect("it is there");
            let left = bytes(&server).expect("it tells");
            assert!(left < full, "{address}: {left} of {full}");
        }
    }

    #[test]
    fn what_is_no_answer_tells_nothing() {
        assert_eq!(queued(&[]), None);
        assert_eq!(queued(&[0; ANSWER_BYTES]), None);
    }
}
