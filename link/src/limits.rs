//! Bounds of what is read, waited for and kept.

/// Largest file of certificates, keys, tokens or identities, in bytes.
pub const FILE_BYTES_MAX: u64 = 1024 * 1024;
/// Between two looks at the files of a running process, in milliseconds.
pub const RELOAD_INTERVAL_MS: u64 = 1_000;
/// Most tokens of one file: the valid one, and those that are on their way out.
pub const TOKENS_MAX: usize = 16;
/// Shortest token, in bytes: a shorter one could be guessed.
pub const TOKEN_BYTES_MIN: usize = 16;
/// Longest token, in bytes: it travels in a header.
pub const TOKEN_BYTES_MAX: usize = 512;
/// Longest wait for the end of a TLS handshake, in milliseconds, on either side.
pub const HANDSHAKE_MS_MAX: u64 = 5_000;
