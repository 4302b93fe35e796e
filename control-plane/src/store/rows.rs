//! What a database does for a session: it runs one of our statements and hands its rows out.
//!
//! Everything above this is written once, for all of them.

use super::Result;
use async_trait::async_trait;

/// A value in a statement.
#[derive(Clone, Copy, Debug)]
pub(super) enum Value<'a> {
    Text(&'a str),
    Maybe(Option<&'a str>),
    Number(i64),
    Bytes(&'a [u8]),
}

impl<'a> From<&'a str> for Value<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(text)
    }
}

impl<'a> From<&'a String> for Value<'a> {
    fn from(text: &'a String) -> Self {
        Self::Text(text)
    }
}

impl<'a> From<Option<&'a str>> for Value<'a> {
    fn from(text: Option<&'a str>) -> Self {
        Self::Maybe(text)
    }
}

impl From<i64> for Value<'_> {
    fn from(number: i64) -> Self {
        Self::Number(number)
    }
}

impl From<u32> for Value<'_> {
    fn from(number: u32) -> Self {
        Self::Number(number.into())
    }
}

impl From<bool> for Value<'_> {
    /// 1 or 0: not every database has a type for it.
    fn from(yes: bool) -> Self {
        Self::Number(yes.into())
    }
}

impl<'a> From<&'a [u8]> for Value<'a> {
    fn from(bytes: &'a [u8]) -> Self {
        Self::Bytes(bytes)
    }
}

/// One transaction of a database; rolled back when it is dropped.
#[async_trait]
pub(super) trait Rows: Send {
    /// What it answers with.
    type Row: Columns + Send;

    /// Runs a statement that reads, to its end.
    async fn fetch(&mut self, sql: &'static str, values: &[Value<'_>]) -> Result<Vec<Self::Row>>;

    /// Runs a statement that writes; answers how many rows it touched.
    async fn execute(&mut self, sql: &'static str, values: &[Value<'_>]) -> Result<u64>;

    /// Tells other processes of a version as soon as the transaction is committed.
    async fn announce(&mut self, version: i64) -> Result<()>;

    /// Makes everything durable.
    async fn commit(self) -> Result<()>;
}

/// One row, its columns by their place.
pub(super) trait Columns {
    fn text(&self, at: usize) -> Result<String>;
    fn number(&self, at: usize) -> Result<i64>;
    fn bytes(&self, at: usize) -> Result<Vec<u8>>;
}
