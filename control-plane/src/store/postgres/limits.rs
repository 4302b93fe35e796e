//! Bounds of what one process does in a PostgreSQL database.

/// Connections that read. Besides there is one that writes and one that listens.
pub(super) const READERS_MAX: u32 = 5;
/// Longest wait for a connection, in milliseconds: a restart of the database is bridged, a loss is told.
pub(super) const ACQUIRE_MS_MAX: u64 = 5_000;
/// Longest wait for the answer to one statement, in milliseconds. Waiting for a lock is part of it.
pub(super) const STATEMENT_MS_MAX: u64 = 30_000;
/// Longest wait of an idle connection for the proof that it is alive, in milliseconds; then a new one is made.
pub(super) const PING_MS_MAX: u64 = 1_000;
/// Longest wait for the migrations, in milliseconds: another process may be running them.
pub(super) const MIGRATION_MS_MAX: u64 = 300_000;
/// Longest time between two looks at the published version, in milliseconds. What nobody tells us takes so long.
pub(super) const POLL_MS: u64 = 1_000;
/// Longest wait until the listening connection is there, in milliseconds.
pub(super) const LISTEN_MS_MAX: u64 = 2_000;
/// Versions in a row that were seen before they were told: then the listening connection is made anew.
pub(super) const MISSES_MAX: u32 = 3;
