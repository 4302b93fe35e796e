//! [`Session`]: the store's traits over one transaction of whichever database.

mod reads;
mod writes;

use super::rows::{Columns as _, Rows, Value};
use super::{Cause, Result, StoreError};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// One transaction; rolled back when it is dropped.
#[derive(Debug)]
pub(super) struct Session<R> {
    rows: R,
    /// A statement failed. PostgreSQL then forgets the whole transaction and calls its commit a success.
    is_broken: bool,
}

impl<R: Rows> Session<R> {
    pub(super) fn new(rows: R) -> Self {
        Self { rows, is_broken: false }
    }

    async fn fetch(&mut self, sql: &'static str, values: &[Value<'_>]) -> Result<Vec<R::Row>> {
        let rows = self.rows.fetch(sql, values).await;
        self.is_broken |= rows.is_err();
        rows
    }

    async fn execute(&mut self, sql: &'static str, values: &[Value<'_>]) -> Result<u64> {
        let touched = self.rows.execute(sql, values).await;
        self.is_broken |= touched.is_err();
        touched
    }

    /// Runs a statement that must touch its row.
    async fn touch(&mut self, sql: &'static str, values: &[Value<'_>]) -> Result<()> {
        match self.execute(sql, values).await? {
            0 => Err(StoreError::Stale),
            _ => Ok(()),
        }
    }

    /// The one row that there is.
    async fn row(&mut self, sql: &'static str, values: &[Value<'_>]) -> Result<R::Row> {
        let missing = || StoreError::Corrupt { what: format!("no answer to {sql}"), source: None };
        self.fetch(sql, values).await?.pop().ok_or_else(missing)
    }

    /// The object that may be there.
    async fn one<T>(&mut self, what: &'static str, sql: &'static str, values: &[Value<'_>]) -> Result<Option<T>>
    where
        T: DeserializeOwned,
    {
        let rows = self.fetch(sql, values).await?;
        rows.first().map(|row| decode(what, &row.text(0)?)).transpose()
    }

    /// All objects that are there.
    async fn list<T>(&mut self, what: &'static str, sql: &'static str, values: &[Value<'_>]) -> Result<Vec<T>>
    where
        T: DeserializeOwned,
    {
        let rows = self.fetch(sql, values).await?;
        rows.iter().map(|row| decode(what, &row.text(0)?)).collect()
    }
}

fn decode<T: DeserializeOwned>(what: &str, body: &str) -> Result<T> {
    serde_json::from_str(body)
        .map_err(|error| StoreError::Corrupt { what: what.to_owned(), source: Some(Cause::from(error)) })
}

/// An object as its column holds it.
pub(super) fn encode<T: Serialize>(object: &T) -> Result<String> {
    serde_json::to_string(object).map_err(StoreError::Encode)
}
