//! The way to the upstreams: a pool of connections for each worker, HTTP/1.1 and, to services that offer it, HTTP/2.
//!
//! The gateway calls [`Upstreams::send`] with a finished request. Nothing here reads configuration, and but for what names
//! stand for nothing is shared between workers: a connection lives and dies on the thread that opened it, and each worker
//! judges an upstream's addresses by what it has seen itself.
//!
//! A worker has targets (`target`), a target has addresses (`addresses`, `balance`, `ejection`), an address has connections
//! (`address`, `shared`); `pool` takes a request to one of them, and `retry` does so again.

mod address;
mod addresses;
mod balance;
mod connect;
mod ejection;
mod http1;
mod names;
mod pool;
mod retry;
mod sender;
mod shared;
mod target;
mod tls;

pub(crate) use address::Lease;
pub(crate) use http1::ExchangeError;
pub(crate) use names::{Names, ResolveError};
pub(crate) use pool::{Common, Upstreams};
pub(crate) use retry::RetrySettings;
pub(crate) use tls::TlsClients;

use penstock_model::integration::TlsConfig;
use penstock_model::uri_template::{Scheme, UriTemplate};
use std::hash::{Hash, Hasher};

/// What a connection leads to. Two routes with equal keys share connections.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TargetKey {
    pub(crate) scheme: Scheme,
    pub(crate) authority: http::uri::Authority,
    pub(crate) tls: TlsConfig,
    /// Whether HTTP/2 is spoken where the other side offers it in the TLS handshake.
    pub(crate) http2: bool,
}

/// As little work as tells targets apart: this is done for each request, over names that operators have chosen.
impl Hash for TargetKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        for piece in self.authority.as_str().as_bytes().chunks(8) {
            let mut bytes = [0; 8];
            bytes[..piece.len()].copy_from_slice(piece);
            // Hosts are equal in either case.
            state.write_u64(u64::from_le_bytes(bytes) | 0x2020_2020_2020_2020);
        }
        state.write_u64(u64::from(self.http2) << 1 | u64::from(self.scheme == Scheme::Https));
    }
}

/// The hasher of [`TargetKey`]s.
#[derive(Default)]
struct TargetHasher(u64);

impl Hasher for TargetHasher {
    fn finish(&self) -> u64 {
        // The product's upper bits are the good ones, and the map looks at the lower ones too.
        self.0.rotate_left(26)
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|&byte| self.write_u64(byte.into()));
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = (self.0.rotate_left(5) ^ number).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
}

impl TargetKey {
    /// An upstream that an integration names.
    pub(crate) fn new(uri: &UriTemplate, tls: &TlsConfig) -> Self {
        Self { scheme: uri.scheme, authority: uri.authority.clone(), tls: tls.clone(), http2: false }
    }

    /// Host without the brackets of an IPv6 literal.
    fn host(&self) -> &str {
        let host = self.authority.host();
        host.strip_prefix('[').and_then(|inner| inner.strip_suffix(']')).unwrap_or(host)
    }

    fn port(&self) -> u16 {
        self.authority.port_u16().unwrap_or(self.scheme.default_port())
    }
}
