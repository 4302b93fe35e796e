//! [`Dns`]: one question for the addresses of a name: the machine's own list of hosts first, then DNS servers.

use super::kept::Heard;
use crate::limits::{DNS_HOSTS_TTL_MS, DNS_RETRANSMITS_MAX, DNS_SERVER_TIMEOUT_MS};
use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolverConfig, ResolverOpts};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::op::{Query, ResponseCode};
use hickory_resolver::proto::rr::{Name, RecordType};
use hickory_resolver::system_conf::read_system_conf;
use hickory_resolver::{Hosts, Resolver, TokioResolver};
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

const HOSTS_FILE: &str = "/etc/hosts";
const RESOLVER_FILE: &str = "/etc/resolv.conf";

/// Where names are looked up. Follows changes of the machine's files.
pub(super) struct Dns {
    /// Asked instead of the machine's own servers, unless empty.
    servers: Vec<SocketAddr>,
    read: Mutex<Option<Arc<Read>>>,
}

/// What the machine's files said.
struct Read {
    hosts: Hosts,
    /// `None`: there is no server to ask.
    resolver: Option<TokioResolver>,
    search: Vec<Name>,
    ndots: usize,
    files: [Option<(SystemTime, u64)>; 2],
}

/// What one of the two kinds of addresses came to.
enum Part {
    Addresses(Vec<IpAddr>, Duration),
    None,
    Failed,
}

impl Dns {
    pub(super) fn new(servers: Vec<SocketAddr>) -> Self {
        Self { servers, read: Mutex::default() }
    }

    /// Asks for the addresses of a host, of both kinds.
    pub(super) async fn look_up(&self, host: &str) -> Heard {
        let Ok(name) = Name::from_ascii(host) else { return Heard::Nothing };
        let read = self.read();
        let listed = read.listed(&name);
        if !listed.is_empty() {
            return Heard::Addresses(reachable(listed), Duration::from_millis(DNS_HOSTS_TTL_MS));
        }
        let Some(resolver) = &read.resolver else { return Heard::Failed };
        // Nothing is kept there: how long an answer counts is decided here.
        resolver.clear_cache();
        let mut has_failed = false;
        for name in candidates(name, &read.search, read.ndots) {
            match ask_both(resolver, name).await {
                Heard::Addresses(addresses, ttl) => return Heard::Addresses(reachable(addresses), ttl),
                Heard::Nothing => {}
                Heard::Failed => has_failed = true,
            }
        }
        // A name of the search list that is not there says nothing of one before that nobody could answer for.
        if has_failed { Heard::Failed } else { Heard::Nothing }
    }

    /// What the files say now.
    fn read(&self) -> Arc<Read> {
        let files = [HOSTS_FILE, RESOLVER_FILE].map(|path| {
            let file = std::fs::metadata(path).ok()?;
            Some((file.modified().ok()?, file.len()))
        });
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        match &*read {
            Some(before) if before.files == files => Arc::clone(before),
            _ => {
                let now = Arc::new(Read::anew(&self.servers, files));
                *read = Some(Arc::clone(&now));
                now
            }
        }
    }
}

impl Read {
    fn anew(servers: &[SocketAddr], files: [Option<(SystemTime, u64)>; 2]) -> Self {
        let (config, mut options) = read_system_conf().unwrap_or_else(|error| {
            if servers.is_empty() {
                tracing::warn!(%error, file = RESOLVER_FILE, "no DNS server is known");
            }
            (ResolverConfig::default(), ResolverOpts::default())
        });
        let ndots = options.ndots;
        // The machine's own domain counts as the first of the list.
        let (domain, mut search, own) = config.into_parts();
        if let Some(domain) = domain.filter(|domain| !search.contains(domain)) {
            search.insert(0, domain);
        }
        let servers = if servers.is_empty() { own } else { servers.iter().map(name_server).collect() };
        options.timeout = options.timeout.min(Duration::from_millis(DNS_SERVER_TIMEOUT_MS));
        options.attempts = options.attempts.min(DNS_RETRANSMITS_MAX);
        options.cache_size = 0;
        let resolver = (!servers.is_empty()).then(|| {
            let config = ResolverConfig::from_parts(None, Vec::new(), servers);
            let provider = TokioRuntimeProvider::default();
            Resolver::builder_with_config(config, provider).with_options(options).build()
        });
        let resolver = resolver.transpose().unwrap_or_else(|error| {
            tracing::warn!(%error, "names cannot be looked up");
            None
        });
        let hosts = Hosts::from_system().unwrap_or_default();
        Self { hosts, resolver, search, ndots, files }
    }

    /// The addresses that the machine's own list has for the name.
    fn listed(&self, name: &Name) -> Vec<IpAddr> {
        [RecordType::A, RecordType::AAAA]
            .into_iter()
            .filter_map(|kind| self.hosts.lookup_static_host(&Query::query(name.clone(), kind)))
            .flat_map(|found| found.answers().iter().filter_map(|record| record.data.ip_addr()).collect::<Vec<_>>())
            .collect()
    }
}

/// A server that is asked over UDP, and over TCP where an answer is too long for that.
fn name_server(address: &SocketAddr) -> NameServerConfig {
    let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()].map(|mut connection| {
        connection.port = address.port();
        connection
    });
    NameServerConfig::new(address.ip(), true, connections.into())
}

/// The names that a host may stand for, in the order in which they are tried (resolv.conf(5), `search` and `ndots`).
fn candidates(name: Name, search: &[Name], ndots: usize) -> Vec<Name> {
    let mut itself = name.clone();
    itself.set_fqdn(true);
    if name.is_fqdn() {
        return vec![itself];
    }
    let dots = usize::from(name.num_labels()).saturating_sub(1);
    let mut all: Vec<Name> = search.iter().filter_map(|domain| name.clone().append_domain(domain).ok()).collect();
    let at = if dots >= ndots { 0 } else { all.len() };
    all.insert(at, itself);
    all
}

async fn ask_both(resolver: &TokioResolver, name: Name) -> Heard {
    let ask = async |kind| part(resolver.lookup(name.clone(), kind).await);
    let (four, six) = tokio::join!(ask(RecordType::A), ask(RecordType::AAAA));
    match (four, six) {
        (Part::Addresses(mut addresses, ttl), Part::Addresses(more, other_ttl)) => {
            addresses.extend(more);
            Heard::Addresses(addresses, ttl.min(other_ttl))
        }
        (Part::Addresses(addresses, ttl), _) | (_, Part::Addresses(addresses, ttl)) => Heard::Addresses(addresses, ttl),
        (Part::None, Part::None) => Heard::Nothing,
        (Part::Failed, _) | (_, Part::Failed) => Heard::Failed,
    }
}

fn part(answer: Result<hickory_resolver::lookup::Lookup, NetError>) -> Part {
    match answer {
        Ok(found) => {
            let addresses: Vec<_> = found.answers().iter().filter_map(|record| record.data.ip_addr()).collect();
            // The shortest of all that led there, aliases included.
            match found.answers().iter().map(|record| record.ttl).min() {
                Some(seconds) if !addresses.is_empty() => {
                    Part::Addresses(addresses, Duration::from_secs(seconds.into()))
                }
                _ => Part::None,
            }
        }
        Err(NetError::Dns(DnsError::NoRecordsFound(none)))
            if matches!(none.response_code, ResponseCode::NoError | ResponseCode::NXDomain) =>
        {
            Part::None
        }
        Err(error) => {
            tracing::debug!(%error, "a DNS question was not answered");
            Part::Failed
        }
    }
}

/// Those that this machine has a route to, or all where it has none (RFC 6724 section 6, rule 1): many names have IPv6
/// addresses, and many machines have no IPv6.
fn reachable(addresses: Vec<IpAddr>) -> Vec<IpAddr> {
    let (reachable, unreachable): (Vec<_>, Vec<_>) = addresses.into_iter().partition(|&address| has_route(address));
    if reachable.is_empty() { unreachable } else { reachable }
}

/// Asks the kernel, which sends nothing for it.
fn has_route(address: IpAddr) -> bool {
    let any: IpAddr = match address {
        IpAddr::V4(_) => std::net::Ipv4Addr::UNSPECIFIED.into(),
        IpAddr::V6(_) => std::net::Ipv6Addr::UNSPECIFIED.into(),
    };
    // Which port does not matter: the address decides.
    UdpSocket::bind((any, 0)).and_then(|socket| socket.connect((address, 53))).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> Name {
        Name::from_ascii(text).expect("a name")
    }

    fn tried(host: &str, search: &[&str], ndots: usize) -> Vec<String> {
        let search: Vec<Name> = search.iter().map(|domain| name(domain)).collect();
        candidates(name(host), &search, ndots).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn search_lists_are_gone_through_as_the_manual_says() {
        let search = ["a.test", "b.test"];
        assert_eq!(tried("db", &search, 1), ["db.a.test.", "db.b.test.", "db."]);
        assert_eq!(tried("db.x", &search, 1), ["db.x.", "db.x.a.test.", "db.x.b.test."]);
        assert_eq!(tried("db.x", &search, 5), ["db.x.a.test.", "db.x.b.test.", "db.x."]);
        assert_eq!(tried("db.x.", &search, 5), ["db.x."]);
        assert_eq!(tried("image_resizer", &[], 1), ["image_resizer."]);
    }

    #[test]
    fn an_address_without_a_route_is_left_out_while_there_is_another() {
        let here: IpAddr = [127, 0, 0, 1].into();
        // Documentation addresses have a route where everything has one; the unspecified network has none.
        let nowhere: IpAddr = [255, 255, 255, 255].into();
        assert_eq!(reachable(vec![here]), [here]);
        assert_eq!(reachable(vec![nowhere, here]), [here]);
        assert_eq!(reachable(vec![nowhere]), [nowhere]);
    }
}
