//! What is special about PostgreSQL: which databases are taken, and in which state.

#![allow(clippy::unwrap_used, reason = "clippy sees helpers of tests as no tests")]

mod support;

use penstock_control_plane::store::postgres::PostgresStore;
use penstock_control_plane::store::{Store, StoreError};
use support::Program;
use support::postgres::Postgres;
use support::stores::{api, fill};

#[tokio::test]
async fn a_database_of_a_newer_program_or_of_another_edition_is_refused_by_number() {
    let Some(server) = Postgres::shared() else { return };
    let url = server.database();
    PostgresStore::open(&url).await.unwrap().close().await;
    let name = Postgres::name(&url);
    let newer = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
                 VALUES (99, 'from the future', true, '\\x00', 0)";
    server.sql(name, newer);
    let opened = PostgresStore::open(&url).await;
    assert!(matches!(opened, Err(StoreError::NewerFormat { migration: 99 })), "{opened:?}");
    let other = "DELETE FROM _sqlx_migrations WHERE version = 99; \
                 UPDATE _sqlx_migrations SET checksum = '\\x00' WHERE version = 2";
    server.sql(name, other);
    let opened = PostgresStore::open(&url).await;
    assert!(matches!(opened, Err(StoreError::AlteredFormat { migration: 2 })), "{opened:?}");
}

#[tokio::test]
async fn several_may_open_a_new_database_at_once() {
    let Some(server) = Postgres::shared() else { return };
    let url = server.database();
    let opened = tokio::join!(PostgresStore::open(&url), PostgresStore::open(&url), PostgresStore::open(&url));
    fill(&opened.0.unwrap()).await;
    let mut reads = opened.2.unwrap().read().await.unwrap();
    assert_eq!(reads.rest_api(&"a".into()).await.unwrap(), Some(api("a")));
    opened.1.unwrap().close().await;
}

#[tokio::test]
async fn a_database_that_cannot_hold_every_text_is_refused() {
    let Some(server) = Postgres::shared() else { return };
    let url = server.database();
    let name = format!("{}_latin", Postgres::name(&url));
    let create = "ENCODING 'LATIN1' LOCALE_PROVIDER libc LOCALE 'C' TEMPLATE template0";
    server.sql("postgres", &format!("CREATE DATABASE {name} {create}"));
    let opened = PostgresStore::open(&url.replace(Postgres::name(&url), &name)).await;
    assert!(matches!(&opened, Err(StoreError::Unsuitable(text)) if text.contains("LATIN1")), "{opened:?}");
}

#[tokio::test]
async fn who_owns_the_database_needs_no_other_right() {
    let Some(server) = Postgres::shared() else { return };
    let url = server.database();
    let name = format!("{}_owned", Postgres::name(&url));
    let role = format!("{name}_role");
    server.sql("postgres", &format!("CREATE ROLE {role} LOGIN"));
    server.sql("postgres", &format!("CREATE DATABASE {name} OWNER {role}"));
    let url = url.replace(Postgres::name(&url), &name).replace("penstock@", &format!("{role}@"));
    let store = PostgresStore::open(&url).await.unwrap();
    fill(&store).await;
    store.close().await;
    // A second start changes nothing, and may do so.
    PostgresStore::open(&url).await.unwrap();
}

#[test]
fn a_database_that_is_not_there_stops_the_start_with_a_reason_and_no_password() {
    let Some(server) = Postgres::shared() else { return };
    let url = server.database();
    let nowhere = url.replace(Postgres::name(&url), "nowhere").replace("penstock@", "penstock:geheim@");
    for (url, reason) in [(nowhere.as_str(), "\"nowhere\" does not exist"), ("mysql://a:geheim@b/c", "postgres://")] {
        let mut command = Program::command(std::path::Path::new("/nonexistent"));
        let run = command.args(["--store", url]).output().unwrap();
        let said = String::from_utf8(run.stderr).unwrap();
        assert!(!run.status.success());
        assert!(said.contains(reason) && !said.contains("geheim"), "{said}");
    }
}
