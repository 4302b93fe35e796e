//! The store in one SQLite file: one writing connection, a few reading ones, WAL, every commit flushed to the disk.
//!
//! Opened once by `lib.rs`. A lock file keeps a second process away from the directory: two of them would publish
//! the same versions with different contents.

#[cfg(test)]
mod tests;

use super::migrations::{self, migrator};
use super::rows::{Columns, Rows, Value};
use super::session::Session;
use super::{Reads, Result, Store, StoreError, Watch, Writes};
use async_trait::async_trait;
use sqlx::query::Query;
use sqlx::sqlite::{
    SqliteArguments, SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteRow,
    SqliteSynchronous,
};
use sqlx::{Connection as _, Row as _, Sqlite, Transaction, query};
use std::fs::{self, File, TryLockError};
use std::path::Path;
use std::time::Duration;

/// The database's name in the data directory.
const FILE_NAME: &str = "penstock.db";
/// The lock file's name in the data directory.
const LOCK_NAME: &str = "penstock.lock";
/// Longest wait for SQLite's own locks (a backup may hold one), in milliseconds.
const BUSY_TIMEOUT_MS: u64 = 10_000;
/// Longest wait for a connection, in milliseconds.
const ACQUIRE_TIMEOUT_MS: u64 = 15_000;
/// Reading connections; each is a thread.
const READERS_MAX: u32 = 4;

/// The migrations in their order. They are never edited once released.
const MIGRATIONS: [migrations::Text; 8] = [
    (1, "rest apis", include_str!("../../../../migrations/sqlite/0001_rest_apis.sql")),
    (2, "resources and methods", include_str!("../../../../migrations/sqlite/0002_resources_and_methods.sql")),
    (3, "deployments and stages", include_str!("../../../../migrations/sqlite/0003_deployments_and_stages.sql")),
    (4, "domain names", include_str!("../../../../migrations/sqlite/0004_domain_names.sql")),
    (5, "publication", include_str!("../../../../migrations/sqlite/0005_publication.sql")),
    (6, "canaries", include_str!("../../../../migrations/sqlite/0006_canaries.sql")),
    (7, "audit", include_str!("../../../../migrations/sqlite/0007_audit.sql")),
    (8, "publication changes", include_str!("../../../../migrations/sqlite/0008_publication_changes.sql")),
];

/// See the module.
#[derive(Debug)]
pub struct SqliteStore {
    writer: SqlitePool,
    readers: SqlitePool,
    // Held for as long as the store lives: the lock ends with the file handle, also when the process is killed.
    _lock: File,
}

impl SqliteStore {
    /// Opens the database in `directory`, making both if they are not there, and brings it to the newest format.
    ///
    /// # Errors
    /// Another process has it, it is damaged, or it is of a newer program.
    pub async fn open(directory: &Path) -> Result<Self> {
        let lock = lock(directory)?;
        let options = SqliteConnectOptions::new()
            .filename(directory.join(FILE_NAME))
            .busy_timeout(Duration::from_millis(BUSY_TIMEOUT_MS))
            .foreign_keys(true);
        let writer = pool(1)
            // When SQLite ends a transaction by itself, as on a full disk, sqlx still counts it as open, and every later
            // one would be refused. Such a connection makes room for a new one.
            .before_acquire(|connection, _| Box::pin(std::future::ready(Ok(!connection.is_in_transaction()))))
            .connect_with(
                options
                    .clone()
                    .create_if_missing(true)
                    .journal_mode(SqliteJournalMode::Wal)
                    .synchronous(SqliteSynchronous::Full),
            )
            .await?;
        check(&writer).await?;
        migrator(&MIGRATIONS).run(&writer).await?;
        let readers = pool(READERS_MAX).connect_with(options.read_only(true)).await?;
        Ok(Self { writer, readers, _lock: lock })
    }
}

#[async_trait]
impl Store for SqliteStore {
    async fn read(&self) -> Result<Box<dyn Reads>> {
        Ok(Box::new(Session::new(SqliteRows(self.readers.begin().await?))))
    }

    async fn begin(&self) -> Result<Box<dyn Writes>> {
        Ok(Box::new(Session::new(SqliteRows(self.writer.begin_with("BEGIN IMMEDIATE").await?))))
    }

    fn watch(&self) -> Option<Box<dyn Watch>> {
        // The lock keeps everybody else away.
        None
    }

    async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }
}

#[derive(Debug)]
struct SqliteRows(Transaction<'static, Sqlite>);

#[async_trait]
impl Rows for SqliteRows {
    type Row = SqliteRow;

    async fn fetch(&mut self, sql: &'static str, values: &[Value<'_>]) -> Result<Vec<SqliteRow>> {
        Ok(statement(sql, values).fetch_all(&mut *self.0).await?)
    }

    async fn execute(&mut self, sql: &'static str, values: &[Value<'_>]) -> Result<u64> {
        Ok(statement(sql, values).execute(&mut *self.0).await?.rows_affected())
    }

    async fn announce(&mut self, _version: i64) -> Result<()> {
        Ok(())
    }

    async fn commit(self) -> Result<()> {
        Ok(self.0.commit().await?)
    }
}

impl Columns for SqliteRow {
    fn text(&self, at: usize) -> Result<String> {
        Ok(self.try_get(at)?)
    }

    fn number(&self, at: usize) -> Result<i64> {
        Ok(self.try_get(at)?)
    }

    fn bytes(&self, at: usize) -> Result<Vec<u8>> {
        Ok(self.try_get(at)?)
    }
}

fn statement<'q>(sql: &'static str, values: &[Value<'q>]) -> Query<'q, Sqlite, SqliteArguments> {
    values.iter().fold(query(sql), |statement, value| match *value {
        Value::Text(text) => statement.bind(text),
        Value::Maybe(text) => statement.bind(text),
        Value::Number(number) => statement.bind(number),
        Value::Bytes(bytes) => statement.bind(bytes),
    })
}

fn lock(directory: &Path) -> Result<File> {
    let prepare = || {
        fs::create_dir_all(directory)?;
        File::options().create(true).truncate(false).write(true).open(directory.join(LOCK_NAME))
    };
    let failed = |source| StoreError::Directory { path: directory.to_owned(), source };
    let file = prepare().map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(StoreError::InUse { path: directory.to_owned() }),
        Err(TryLockError::Error(source)) => Err(failed(source)),
    }
}

fn pool(connections: u32) -> SqlitePoolOptions {
    SqlitePoolOptions::new()
        .max_connections(connections)
        .min_connections(1)
        .acquire_timeout(Duration::from_millis(ACQUIRE_TIMEOUT_MS))
        // Connections to a file do not grow stale.
        .idle_timeout(None)
        .max_lifetime(None)
}

/// Looks for damage before anything is built on it: reads every page once, stops at the first finding.
async fn check(pool: &SqlitePool) -> Result<()> {
    let verdict: String = sqlx::query_scalar("PRAGMA quick_check(1)").fetch_one(pool).await?;
    if verdict == "ok" { Ok(()) } else { Err(StoreError::Corrupt { what: verdict, source: None }) }
}
