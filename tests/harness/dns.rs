//! A DNS server whose answers a test changes while it runs: over UDP, and over TCP for what does not fit (RFC 1035).

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::task::JoinHandle;

const A: u16 = 1;
const CNAME: u16 = 5;
const AAAA: u16 = 28;
const NO_ERROR: u8 = 0;
const SERVER_FAILURE: u8 = 2;
const NO_SUCH_NAME: u8 = 3;
/// Attempts to find a port that is free for both protocols.
const PORTS_TRIED: usize = 100;

/// What the server says to questions for one name.
#[derive(Clone, Debug)]
pub enum Reply {
    /// These addresses, of the kind that is asked for, with this time to live in seconds.
    Addresses(u32, Vec<IpAddr>),
    /// The same, but over UDP only that it does not fit.
    Long(u32, Vec<IpAddr>),
    /// That the name stands for another one, with this time to live in seconds; and what there is to that one.
    Alias(u32, String),
    /// `SERVFAIL`.
    Failure,
    /// Nothing at all.
    Silence,
}

impl Reply {
    /// Addresses of the loopback network by their last numbers, with this time to live in seconds.
    pub fn local(ttl_s: u32, last: &[u8]) -> Self {
        Self::Addresses(ttl_s, last.iter().map(|&last| [127, 0, 0, last].into()).collect())
    }
}

/// A server that runs until it is dropped. To what nobody has set it says that there is no such name.
pub struct DnsServer {
    /// Where it listens, with both protocols.
    pub address: SocketAddr,
    zone: Arc<Zone>,
    tasks: [JoinHandle<()>; 2],
}

#[derive(Default)]
struct Zone {
    replies: Mutex<HashMap<String, Reply>>,
    asked: Mutex<HashMap<String, usize>>,
}

impl Drop for DnsServer {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

impl DnsServer {
    /// Listens on a port of the loopback address.
    pub async fn start() -> Self {
        let (udp, tcp) = bind().await;
        let address = udp.local_addr().unwrap();
        let zone = Arc::<Zone>::default();
        let (for_udp, for_tcp) = (Arc::clone(&zone), Arc::clone(&zone));
        let udp = tokio::spawn(async move {
            let mut question = [0; 1_500];
            while let Ok((length, from)) = udp.recv_from(&mut question).await {
                if let Some(answer) = for_udp.answer(&question[..length], true) {
                    let _ = udp.send_to(&answer, from).await;
                }
            }
        });
        let tcp = tokio::spawn(async move {
            while let Ok((stream, _)) = tcp.accept().await {
                tokio::spawn(over_tcp(stream, Arc::clone(&for_tcp)));
            }
        });
        Self { address, zone, tasks: [udp, tcp] }
    }

    /// Says this of a name from now on.
    pub fn set(&self, name: &str, reply: Reply) {
        self.zone.replies.lock().unwrap().insert(name.to_owned(), reply);
    }

    /// Says from now on that there is no such name.
    pub fn unset(&self, name: &str) {
        self.zone.replies.lock().unwrap().remove(name);
    }

    /// How often it was asked for a name, by whatever protocol, for whatever kind of address.
    pub fn asked(&self, name: &str) -> usize {
        self.zone.asked.lock().unwrap().get(name).copied().unwrap_or(0)
    }
}

async fn bind() -> (UdpSocket, TcpListener) {
    for _ in 0..PORTS_TRIED {
        let udp = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        if let Ok(tcp) = TcpListener::bind(udp.local_addr().unwrap()).await {
            return (udp, tcp);
        }
    }
    panic!("no port is free for both protocols");
}

async fn over_tcp(mut stream: TcpStream, zone: Arc<Zone>) {
    while let Ok(length) = stream.read_u16().await {
        let mut question = vec![0; length.into()];
        if stream.read_exact(&mut question).await.is_err() {
            return;
        }
        let Some(answer) = zone.answer(&question, false) else { continue };
        let mut framed = u16::try_from(answer.len()).unwrap().to_be_bytes().to_vec();
        framed.extend(answer);
        if stream.write_all(&framed).await.is_err() {
            return;
        }
    }
}

impl Zone {
    /// The answer to a question, as it goes over the wire; `None`: silence.
    fn answer(&self, message: &[u8], is_udp: bool) -> Option<Vec<u8>> {
        let (name, kind, end) = question(message)?;
        *self.asked.lock().unwrap().entry(name.clone()).or_default() += 1;
        let replies = self.replies.lock().unwrap();
        let (mut records, mut count, mut asked) = (Vec::new(), 0, name);
        let (code, is_cut) = loop {
            match replies.get(&asked) {
                None => break (NO_SUCH_NAME, false),
                Some(Reply::Failure) => break (SERVER_FAILURE, false),
                Some(Reply::Silence) => return None,
                Some(Reply::Long(..)) if is_udp => break (NO_ERROR, true),
                Some(Reply::Alias(ttl, other)) => {
                    record(&mut records, &asked, CNAME, *ttl, &encoded(other));
                    count += 1;
                    asked.clone_from(other);
                }
                Some(Reply::Addresses(ttl, addresses) | Reply::Long(ttl, addresses)) => {
                    for address in addresses {
                        match address {
                            IpAddr::V4(four) if kind == A => record(&mut records, &asked, A, *ttl, &four.octets()),
                            IpAddr::V6(six) if kind == AAAA => record(&mut records, &asked, AAAA, *ttl, &six.octets()),
                            IpAddr::V4(_) | IpAddr::V6(_) => continue,
                        }
                        count += 1;
                    }
                    break (NO_ERROR, false);
                }
            }
        };
        // An answer to a query, recursion available, perhaps cut; one question, and no records but answers.
        let mut answer = message[..2].to_vec();
        answer.extend([0x81 | u8::from(is_cut) << 1, 0x80 | code, 0, 1]);
        answer.extend(u16::to_be_bytes(if is_cut { 0 } else { count }));
        answer.extend([0; 4]);
        answer.extend(&message[12..end]);
        if !is_cut {
            answer.extend(records);
        }
        Some(answer)
    }
}

/// The name that is asked for in lower case, the kind, and where the question ends.
fn question(message: &[u8]) -> Option<(String, u16, usize)> {
    let (mut name, mut at) = (String::new(), 12);
    loop {
        let length = usize::from(*message.get(at)?);
        at += 1;
        if length == 0 {
            break;
        }
        if !name.is_empty() {
            name.push('.');
        }
        name.push_str(std::str::from_utf8(message.get(at..at + length)?).ok()?);
        at += length;
    }
    let kind = u16::from_be_bytes(message.get(at..at + 2)?.try_into().ok()?);
    Some((name.to_lowercase(), kind, at + 4))
}

fn encoded(name: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    for label in name.split('.') {
        bytes.push(u8::try_from(label.len()).unwrap());
        bytes.extend(label.as_bytes());
    }
    bytes.push(0);
    bytes
}

fn record(records: &mut Vec<u8>, name: &str, kind: u16, ttl_s: u32, data: &[u8]) {
    records.extend(encoded(name));
    records.extend(kind.to_be_bytes());
    records.extend([0, 1]);
    records.extend(ttl_s.to_be_bytes());
    records.extend(u16::try_from(data.len()).unwrap().to_be_bytes());
    records.extend(data);
}
