//! The way to the upstreams: a pool of connections for each worker, HTTP/1.1, and HTTP/2 to services and, where that is
//! chosen, to others that take it.
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
mod http2;
mod names;
mod pool;
mod request;
mod retry;
mod sender;
mod shared;
mod target;
mod tls;

pub(crate) use address::Lease;
pub(crate) use http1::ExchangeError;
pub(crate) use http2::UpstreamBody;
pub(crate) use names::{Names, ResolveError};
pub(crate) use penstock_model::table::TargetKey;
pub(crate) use pool::{Common, Upstreams};
pub(crate) use request::UpstreamRequest;
pub(crate) use retry::RetrySettings;
pub(crate) use tls::TlsClients;

use std::hash::Hasher;

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
