//! Bytes without a pattern, made as they are sent, and their hash.

use bytes::Bytes;
use http_body_util::StreamBody;
use hyper::body::Frame;
use sha2::{Digest as _, Sha256};
use std::convert::Infallible;
use std::time::Duration;
use tokio::sync::mpsc;

/// SHA-256 as it is compared.
pub type Sum = [u8; 32];

/// An endless deterministic stream of bytes (xorshift64*): nothing in it repeats, so a lost, doubled or swapped block
/// shows in the hash.
pub struct Noise(u64);

impl Noise {
    /// Different seeds give different streams.
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// The next `length` bytes.
    pub fn take(&mut self, length: usize) -> Bytes {
        let mut out = Vec::with_capacity(length + 8);
        while out.len() < length {
            self.0 ^= self.0 >> 12;
            self.0 ^= self.0 << 25;
            self.0 ^= self.0 >> 27;
            out.extend_from_slice(&self.0.wrapping_mul(0x2545_f491_4f6c_dd1d).to_le_bytes());
        }
        out.truncate(length);
        out.into()
    }
}

/// SHA-256 of bytes at hand.
pub fn sum(bytes: &[u8]) -> Sum {
    Sha256::digest(bytes).into()
}

/// A body of noise, made while it is sent.
pub type NoiseBody = StreamBody<tokio_stream::wrappers::ReceiverStream<Result<Frame<Bytes>, Infallible>>>;

/// `total` bytes of noise in frames of `frame` bytes with a `pause` behind each, and the hash once all were taken.
pub fn noise_body(seed: u64, total: u64, frame: usize, pause: Duration) -> (NoiseBody, tokio::task::JoinHandle<Sum>) {
    let (send, receive) = mpsc::channel(2);
    let hash = tokio::spawn(async move {
        let mut noise = Noise::new(seed);
        let mut hasher = Sha256::new();
        let mut left = total;
        while left > 0 {
            let bytes = noise.take(usize::try_from(left).map_or(frame, |left| left.min(frame)));
            left -= bytes.len() as u64;
            hasher.update(&bytes);
            if send.send(Ok(Frame::data(bytes))).await.is_err() {
                break;
            }
            if !pause.is_zero() {
                tokio::time::sleep(pause).await;
            }
        }
        hasher.finalize().into()
    });
    (StreamBody::new(tokio_stream::wrappers::ReceiverStream::new(receive)), hash)
}

/// Reads a body to its end without keeping it: its length and hash.
///
/// # Errors
/// When the body ends early.
pub async fn drain<B>(mut body: B) -> Result<(u64, Sum), B::Error>
where
    B: hyper::body::Body<Data = Bytes> + Unpin,
{
    use http_body_util::BodyExt as _;
    let mut hasher = Sha256::new();
    let mut length = 0;
    while let Some(frame) = body.frame().await {
        if let Ok(data) = frame?.into_data() {
            length += data.len() as u64;
            hasher.update(&data);
        }
    }
    Ok((length, hasher.finalize().into()))
}
