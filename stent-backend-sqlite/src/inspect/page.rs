//! Pages of rows, where a row that cannot be read hinders no other (S19).

use sqlx::Sqlite;
use sqlx::query::Query;
use sqlx::sqlite::{SqliteArguments, SqliteConnection, SqliteRow};
use stent_core::backend::Page;
use stent_core::error::{BackendError, ErrorKind};
use stent_core::limits;

use crate::error::During;
use crate::row::Columns;

/// A statement with its values, of which the first page's bound and the number of rows are still to be told.
pub(super) type Bound = Query<'static, Sqlite, SqliteArguments>;

/// Rows of one table.
#[derive(Clone, Copy)]
pub(super) struct Rows {
    pub(super) operation: &'static str,
    pub(super) table: &'static str,
    /// The column that names a row.
    pub(super) key: &'static str,
}

impl Rows {
    /// All that the statement finds, but for rows that cannot be read.
    pub(super) async fn all<T>(
        self,
        connection: &mut SqliteConnection,
        query: Bound,
        record: fn(Columns<'_>) -> Result<T, BackendError>,
    ) -> Result<Vec<T>, BackendError> {
        let rows = query.fetch_all(connection).await.during(self.operation)?;
        let mut records = Vec::with_capacity(rows.len());
        for row in &rows {
            records.extend(self.readable(row, record)?);
        }
        Ok(records)
    }

    /// One row, if there is one.
    pub(super) async fn one<T>(
        self,
        connection: &mut SqliteConnection,
        query: Bound,
        record: fn(Columns<'_>) -> Result<T, BackendError>,
    ) -> Result<Option<T>, BackendError> {
        let row = query.fetch_optional(connection).await.during(self.operation)?;
        row.map(|row| record(self.columns(&row))).transpose()
    }

    /// A page: rows that cannot be read are left out, and others take their place, so that only the last page is short.
    pub(super) async fn page<T>(
        self,
        connection: &mut SqliteConnection,
        mut after: Vec<u8>,
        limit: usize,
        query: impl Fn(Vec<u8>, i64) -> Bound,
        record: fn(Columns<'_>) -> Result<T, BackendError>,
    ) -> Result<Vec<T>, BackendError> {
        let mut records = Vec::new();
        while records.len() < limit {
            let left = limit - records.len();
            let query = query(after.clone(), i64::try_from(left).unwrap_or(i64::MAX));
            let rows = query.fetch_all(&mut *connection).await.during(self.operation)?;
            for row in &rows {
                after = self.columns(row).get::<&[u8]>(self.key)?.to_vec();
                records.extend(self.readable(row, record)?);
            }
            if rows.len() < left {
                break;
            }
        }
        Ok(records)
    }

    fn readable<T>(
        self,
        row: &SqliteRow,
        record: fn(Columns<'_>) -> Result<T, BackendError>,
    ) -> Result<Option<T>, BackendError> {
        match record(self.columns(row)) {
            Ok(record) => Ok(Some(record)),
            Err(error) if matches!(error.kind(), ErrorKind::CorruptRow { .. }) => {
                tracing::warn!(%error, "a row is left out");
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    pub(super) fn columns(self, row: &SqliteRow) -> Columns<'_> {
        Columns::new(self.operation, self.table, self.key, row)
    }
}

/// How many rows a page has at most.
pub(super) fn limit_of<K>(page: &Page<K>) -> usize {
    usize::try_from(page.limit.min(limits::PAGE)).unwrap_or(usize::MAX)
}
