//! The way to the upstreams: a pool of connections for each worker, HTTP/1.1 and, to services that offer it, HTTP/2.
//!
//! The gateway calls [`Upstreams::send`] with a finished request. Nothing here reads configuration, and nothing is
//! shared between workers: a connection lives and dies on the thread that opened it.

mod connect;
mod http1;
mod pool;
mod sender;
mod shared;
mod tls;

pub(crate) use http1::ExchangeError;
pub(crate) use pool::{Lease, Upstreams};
pub(crate) use tls::TlsClients;

use penstock_model::integration::TlsConfig;
use penstock_model::uri_template::{Scheme, UriTemplate};

/// What a connection leads to. Two routes with equal keys share connections.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct TargetKey {
    pub(crate) scheme: Scheme,
    pub(crate) authority: http::uri::Authority,
    pub(crate) tls: TlsConfig,
    /// Whether HTTP/2 is spoken where the other side offers it in the TLS handshake.
    pub(crate) http2: bool,
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
