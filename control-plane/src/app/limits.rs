//! Bounds of what one control plane keeps and does at once. Those of single objects are in the model.

/// Most APIs.
pub const REST_APIS_MAX: u64 = 100_000;
/// Most stages over all APIs. A manifest lists each, and it travels as one message of about 100 bytes for each.
pub const STAGES_MAX: u64 = 20_000;
/// Most domain names.
pub const DOMAIN_NAMES_MAX: u64 = 20_000;
/// Most base path mappings over all domains. They travel in the manifest too.
pub const BASE_PATH_MAPPINGS_MAX: u64 = 20_000;
/// Most deployments of one API that were asked for; the automatic ones are counted apart.
pub const DEPLOYMENTS_PER_API_MAX: u64 = 1_000;
/// Automatic deployments of one API that are kept when no stage uses them: so far one can roll back.
pub const SPARE_DEPLOYMENTS_MAX: usize = 20;
/// Most changes that wait for their turn.
pub const WRITERS_WAITING_MAX: usize = 256;
/// Longest wait of a change for its turn, in milliseconds.
pub const WRITE_WAIT_MS_MAX: u64 = 30_000;
/// Longest wait for this process's own writers before a look at what others wrote, in milliseconds.
pub const FOLLOW_WAIT_MS_MAX: u64 = 100;
/// Backups that are made at the same time: each holds one of the connections that read.
pub const BACKUPS_AT_ONCE_MAX: usize = 2;
/// Objects that a backup reads at once.
pub const BACKUP_PAGE: u32 = 100;
/// Largest piece of a backup on its way to who asked for it, in bytes.
pub const BACKUP_PIECE_BYTES: usize = 256 * 1024;
/// Versions that a restore leaves out behind the backup's own: what was published between the backup and the loss of the
/// database is above its version, and nodes that saw it take nothing older.
pub const RESTORED_VERSIONS_SKIPPED: u64 = 1_000_000;
/// Random identifiers tried until one is free.
pub const ID_ATTEMPTS_MAX: usize = 16;
/// Length of an API's identifier, in characters.
pub const REST_API_ID_CHARS: usize = 10;
/// Length of the identifiers of resources and deployments, in characters.
pub const CHILD_ID_CHARS: usize = 6;
/// Objects in one page of a list when the caller names no number.
pub const PAGE_SIZE_DEFAULT: u32 = 100;
/// Most objects in one page of a list.
pub const PAGE_SIZE_MAX: u32 = 500;
/// Entries of the audit log that are kept; the oldest go.
pub const AUDIT_ENTRIES_MAX: u32 = 10_000;
/// Largest entry of the audit log, in bytes of JSON.
pub const AUDIT_ENTRY_BYTES_MAX: usize = 256 * 1024;
/// Bytes of objects in one entry, before and after together; further objects are only named.
pub const AUDIT_BODIES_BYTES_MAX: usize = 64 * 1024;
/// Bytes of kinds and keys in one entry; further objects are only counted.
pub const AUDIT_KEYS_BYTES_MAX: usize = 16 * 1024;
