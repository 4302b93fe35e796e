//! [`TargetKey`]: what connections to an upstream are told apart by.

use crate::integration::TlsConfig;
use crate::uri_template::Scheme;
use http::uri::Authority;
use std::hash::{Hash, Hasher};

/// What a connection leads to. Two routes with equal keys share connections.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetKey {
    /// Clear text or TLS.
    pub scheme: Scheme,
    /// Host and optional port.
    pub authority: Authority,
    /// How its certificate is checked.
    pub tls: TlsConfig,
    /// Whether HTTP/2 is spoken where the other side offers it in the TLS handshake.
    pub http2: bool,
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

impl TargetKey {
    /// Host without the brackets of an IPv6 literal.
    pub fn host(&self) -> &str {
        let host = self.authority.host();
        host.strip_prefix('[').and_then(|inner| inner.strip_suffix(']')).unwrap_or(host)
    }

    /// Port, of the scheme where the authority names none.
    pub fn port(&self) -> u16 {
        self.authority.port_u16().unwrap_or(self.scheme.default_port())
    }
}
