//! How a database comes to the newest format: the same way in each of them, with texts of its own.

use sqlx::SqlSafeStr as _;
use sqlx::migrate::{Migration, MigrationType, Migrator};

/// Number, name and text. They are never edited once released.
pub(super) type Text = (i64, &'static str, &'static str);

/// Runs `texts` in their order.
pub(super) fn migrator(texts: &[Text]) -> Migrator {
    let migration = |&(version, description, sql): &Text| {
        Migration::new(version, description.into(), MigrationType::Simple, sql.into_sql_str(), false)
    };
    Migrator::with_migrations(texts.iter().map(migration).collect())
}

/// The numbers of the files in a folder below `migrations/`.
#[cfg(test)]
pub(super) fn numbers_in(folder: &str) -> Vec<i64> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../migrations").join(folder);
    let entries = std::fs::read_dir(folder).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names.iter().map(|name| name[..4].parse().unwrap()).collect()
}
