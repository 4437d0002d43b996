//! Pages of rows, where a row that cannot be read hinders no other (S19).

use stent_core::backend::Page;
use stent_core::error::{BackendError, ErrorKind};
use stent_core::limits;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;
use uuid::Uuid;

use crate::connection::{Session, Values};
use crate::row::Columns;

/// What a record is made of a row by.
pub(super) type Read<T> = fn(Columns<'_>) -> Result<T, BackendError>;

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
        session: &Session<'_>,
        sql: &'static str,
        values: Values<'_>,
        record: Read<T>,
    ) -> Result<Vec<T>, BackendError> {
        let rows = session.query(sql, values).await?;
        let mut records = Vec::with_capacity(rows.len());
        for row in &rows {
            records.extend(self.readable(row, record)?);
        }
        Ok(records)
    }

    /// One row, if there is one.
    pub(super) async fn one<T>(
        self,
        session: &Session<'_>,
        sql: &'static str,
        values: Values<'_>,
        record: Read<T>,
    ) -> Result<Option<T>, BackendError> {
        let row = session.query_opt(sql, values).await?;
        row.map(|row| record(self.columns(&row))).transpose()
    }

    /// A page: rows that cannot be read are left out, and others take their place, so that only the last page is short. The statement is told the last row
    /// of the page before, how many rows at most, and then the filter.
    pub(super) async fn page<T>(
        self,
        session: &Session<'_>,
        sql: &'static str,
        filter: Values<'_>,
        (mut after, limit): (Option<Uuid>, usize),
        record: Read<T>,
    ) -> Result<Vec<T>, BackendError> {
        let mut records = Vec::new();
        while records.len() < limit {
            let left = limit - records.len();
            let at_most = i64::try_from(left).unwrap_or(i64::MAX);
            let mut values: Vec<&(dyn ToSql + Sync)> = vec![&after, &at_most];
            values.extend_from_slice(filter);
            let rows = session.query(sql, &values).await?;
            for row in &rows {
                after = Some(self.columns(row).get(self.key)?);
                records.extend(self.readable(row, record)?);
            }
            if rows.len() < left {
                break;
            }
        }
        Ok(records)
    }

    fn readable<T>(self, row: &Row, record: Read<T>) -> Result<Option<T>, BackendError> {
        match record(self.columns(row)) {
            Ok(record) => Ok(Some(record)),
            Err(error) if matches!(error.kind(), ErrorKind::CorruptRow { .. }) => {
                tracing::warn!(%error, "a row is left out");
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    pub(super) fn columns(self, row: &Row) -> Columns<'_> {
        Columns::new(self.operation, self.table, self.key, row)
    }
}

/// How many rows a page has at most.
pub(super) fn limit_of<K>(page: &Page<K>) -> usize {
    usize::try_from(page.limit.min(limits::PAGE)).unwrap_or(usize::MAX)
}
