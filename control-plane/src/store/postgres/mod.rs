//! The store in a PostgreSQL database, which several control planes may share.
//!
//! Opened once by `process.rs`. Who writes locks the row that holds the version, so of all processes one writes at a
//! time; who reads sees one snapshot. A connection that is lost costs the calls that use it, never the process: the
//! next call gets a new one. What is needed of a database that only speaks PostgreSQL's protocol: `docs/stores.md`.

mod limits;
mod watch;

use self::watch::Listening;
use super::migrations::{self, migrator};
use super::rows::{Columns, Rows, Value};
use super::session::Session;
use super::{Cause, Reads, Result, Store, StoreError, Watch, Writes, sql};
use async_trait::async_trait;
use sqlx::postgres::{PgArguments, PgConnectOptions, PgConnection, PgPool, PgPoolOptions, PgRow};
use sqlx::query::Query;
use sqlx::{Connection as _, Postgres, Row as _, Transaction, query, query_scalar};
use std::fmt;
use std::str::FromStr as _;
use std::time::Duration;
use tokio::time::timeout;

/// Where processes tell each other of versions.
const CHANNEL: &str = "penstock_published";
/// One snapshot for all statements, and no way to write by mistake.
const BEGIN_READING: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
/// Every statement sees what is committed, so behind the lock all of them see the newest. A lock is waited for so long,
/// and a process that holds it and sleeps loses it after so long.
const BEGIN_WRITING: &str = "BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL lock_timeout = '15s'; \
     SET LOCAL idle_in_transaction_session_timeout = '30s'";

/// The migrations in their order. They are never edited once released.
const MIGRATIONS: [migrations::Text; 6] = [
    (1, "rest apis", include_str!("../../../../migrations/postgres/0001_rest_apis.sql")),
    (2, "resources and methods", include_str!("../../../../migrations/postgres/0002_resources_and_methods.sql")),
    (3, "deployments and stages", include_str!("../../../../migrations/postgres/0003_deployments_and_stages.sql")),
    (4, "domain names", include_str!("../../../../migrations/postgres/0004_domain_names.sql")),
    (5, "publication", include_str!("../../../../migrations/postgres/0005_publication.sql")),
    (6, "audit", include_str!("../../../../migrations/postgres/0006_audit.sql")),
];

/// See the module.
pub struct PostgresStore {
    options: PgConnectOptions,
    writer: PgPool,
    readers: PgPool,
    /// Whether the database can tell other processes of a version.
    tells: bool,
}

impl fmt::Debug for PostgresStore {
    /// Without its options, which hold the password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresStore").field("tells", &self.tells).finish_non_exhaustive()
    }
}

impl PostgresStore {
    /// Connects to the database at `url`, and brings it to the newest format.
    ///
    /// # Errors
    /// It cannot be reached, does not let us in, is of a newer program, or cannot hold what we write.
    pub async fn open(url: &str) -> Result<Self> {
        let options = options(url).map_err(StoreError::Address)?.application_name("penstock-control-plane");
        let writer = pool(1).connect_with(options.clone()).await.map_err(unreachable)?;
        let encoding: String = query_scalar("SHOW server_encoding").fetch_one(&writer).await?;
        if encoding != "UTF8" {
            return Err(StoreError::Unsuitable(format!("its encoding is {encoding}, and must be UTF8")));
        }
        within("migrating", limits::MIGRATION_MS_MAX, async { Ok(migrator(&MIGRATIONS).run(&writer).await?) }).await?;
        let tells = can_tell(&writer).await?;
        let readers = pool(limits::READERS_MAX).connect_with(options.clone()).await.map_err(unreachable)?;
        Ok(Self { options, writer, readers, tells })
    }
}

fn options(url: &str) -> std::result::Result<PgConnectOptions, Cause> {
    if !["postgres://", "postgresql://"].iter().any(|scheme| url.starts_with(scheme)) {
        return Err("it must begin with postgres:// (for SQLite, name a directory with --data-dir)".into());
    }
    Ok(PgConnectOptions::from_str(url)?)
}

#[async_trait]
impl Store for PostgresStore {
    async fn read(&self) -> Result<Box<dyn Reads>> {
        Ok(Box::new(Session::new(begin(&self.readers, BEGIN_READING, self.tells).await?)))
    }

    async fn begin(&self) -> Result<Box<dyn Writes>> {
        let mut rows = begin(&self.writer, BEGIN_WRITING, self.tells).await?;
        rows.fetch(sql::LOCK, &[]).await?;
        Ok(Box::new(Session::new(rows)))
    }

    fn watch(&self) -> Option<Box<dyn Watch>> {
        Some(Box::new(Listening::new(self.options.clone(), self.tells)))
    }

    async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }
}

#[derive(Debug)]
struct PostgresRows {
    tx: Transaction<'static, Postgres>,
    tells: bool,
}

#[async_trait]
impl Rows for PostgresRows {
    type Row = PgRow;

    async fn fetch(&mut self, sql: &'static str, values: &[Value<'_>]) -> Result<Vec<PgRow>> {
        let rows = statement(sql, values).fetch_all(&mut *self.tx);
        within(sql, limits::STATEMENT_MS_MAX, async { Ok(rows.await?) }).await
    }

    async fn execute(&mut self, sql: &'static str, values: &[Value<'_>]) -> Result<u64> {
        let done = statement(sql, values).execute(&mut *self.tx);
        within(sql, limits::STATEMENT_MS_MAX, async { Ok(done.await?.rows_affected()) }).await
    }

    async fn announce(&mut self, version: i64) -> Result<()> {
        if self.tells {
            self.execute(sql::NOTIFY, &[CHANNEL.into(), (&version.to_string()).into()]).await?;
        }
        Ok(())
    }

    async fn commit(self) -> Result<()> {
        match within("COMMIT", limits::STATEMENT_MS_MAX, async { Ok(self.tx.commit().await?) }).await {
            Err(StoreError::Unreachable(cause)) => Err(StoreError::Uncertain(cause)),
            ended => ended,
        }
    }
}

impl Columns for PgRow {
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

fn statement<'q>(sql: &'static str, values: &[Value<'q>]) -> Query<'q, Postgres, PgArguments> {
    values.iter().fold(query(sql), |statement, value| match *value {
        Value::Text(text) => statement.bind(text),
        Value::Maybe(text) => statement.bind(text),
        Value::Number(number) => statement.bind(number),
        Value::Bytes(bytes) => statement.bind(bytes),
    })
}

async fn begin(pool: &PgPool, statement: &'static str, tells: bool) -> Result<PostgresRows> {
    let begun = Box::pin(pool.begin_with(statement));
    let tx = within(statement, limits::STATEMENT_MS_MAX, async { begun.await.map_err(unreachable) }).await?;
    Ok(PostgresRows { tx, tells })
}

/// Bounds what a database that fell silent would never end.
async fn within<T>(doing: &str, limit_ms: u64, work: impl Future<Output = Result<T>>) -> Result<T> {
    let Ok(done) = timeout(Duration::from_millis(limit_ms), work).await else {
        return Err(StoreError::silent(doing, limit_ms));
    };
    done
}

/// No connection within the bound: here it is not that others hold them, or not for long.
fn unreachable(error: sqlx::Error) -> StoreError {
    match error {
        sqlx::Error::PoolTimedOut => StoreError::silent("connecting", limits::ACQUIRE_MS_MAX),
        other => other.into(),
    }
}

fn pool(connections: u32) -> PgPoolOptions {
    PgPoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(Duration::from_millis(limits::ACQUIRE_MS_MAX))
        // Instead of a test without a bound: a connection whose other end vanished never answers.
        .test_before_acquire(false)
        .before_acquire(|connection, _| Box::pin(async move { Ok(answers(connection).await.is_ok()) }))
        .after_release(|connection, _| Box::pin(async move { answers(connection).await.map(|()| true) }))
}

/// Whether a connection lives. Also sends what waits to be sent: the end of a transaction that was dropped.
async fn answers(connection: &mut PgConnection) -> std::result::Result<(), sqlx::Error> {
    let limit = Duration::from_millis(limits::PING_MS_MAX);
    timeout(limit, connection.ping())
        .await
        .unwrap_or_else(|_| Err(std::io::Error::from(std::io::ErrorKind::TimedOut).into()))
}

/// Whether the database has `NOTIFY`: not all that speak the protocol do.
async fn can_tell(pool: &PgPool) -> Result<bool> {
    match query(sql::NOTIFY).bind(CHANNEL).bind("").execute(pool).await {
        Ok(_) => Ok(true),
        Err(sqlx::Error::Database(refusal)) => {
            tracing::warn!(%refusal, poll_ms = limits::POLL_MS, "the database cannot notify: versions are polled for");
            Ok(false)
        }
        Err(other) => Err(other.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_migrations_are_all_there_and_in_order() {
        assert_eq!(migrations::numbers_in("postgres"), MIGRATIONS.map(|(number, _, _)| number));
    }

    #[test]
    fn an_address_that_is_none_is_refused_and_not_shown() {
        for url in ["sqlite://secret", "secret", "postgres://u:secret@[::"] {
            let refused = options(url).expect_err("it must be refused").to_string();
            assert!(!refused.contains("secret"), "{refused}");
        }
        assert!(options("postgresql://u@h/d?sslmode=verify-full").is_ok());
    }
}
