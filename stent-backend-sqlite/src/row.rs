//! Rows: columns become types of the domain, or the row is corrupt and says where. A row that cannot be read concerns nobody else.

use std::future::poll_fn;
use std::task::Poll;
use std::thread;
use std::time::Duration;

use serde::de::DeserializeOwned;
use sqlx::query::Query;
use sqlx::sqlite::{SqliteArguments, SqliteConnection, SqliteRow};
use sqlx::{Decode, Row, Sqlite, Type};
use stent_core::error::{BackendError, ErrorKind};
use stent_core::failure::Failure;
use stent_core::id::{ClaimToken, ExecutionId, TaskId, WorkerId};
use stent_core::memo::{Memo, MemoMode};
use stent_core::name::Tag;
use stent_core::operation::{OperationId, OperationKey, OperationKind};
use stent_core::payload::{Fingerprint, Payload};
use stent_core::retry::RetryPolicy;
use stent_core::task::TaskState;
use stent_core::time::Timestamp;

/// All rows of a query of the writer's that may find many.
///
/// Each row that the connection's thread has ready wakes whoever waits for it, and a thread is slower to wake than a row to read. So this
/// one looks away for a moment, in which many get ready. The writer's thread has nothing else to do.
pub(crate) async fn fetch_many(
    connection: &mut SqliteConnection,
    query: Query<'_, Sqlite, SqliteArguments>,
) -> Result<Vec<SqliteRow>, sqlx::Error> {
    const MOMENT: Duration = Duration::from_micros(50);
    const FEW: usize = 8;
    let mut rows = Vec::new();
    let mut found = query.fetch(connection);
    poll_fn(|context| {
        loop {
            match found.as_mut().poll_next(context) {
                Poll::Ready(Some(row)) => rows.push(row?),
                Poll::Ready(None) => return Poll::Ready(Ok(())),
                // It may be all.
                Poll::Pending if rows.len() < FEW => return Poll::Pending,
                Poll::Pending => thread::sleep(MOMENT),
            }
        }
    })
    .await
    .map(|()| rows)
}

/// Reads the columns of one row, by name.
#[derive(Clone, Copy)]
pub(crate) struct Columns<'r> {
    row: &'r SqliteRow,
    operation: &'static str,
    table: &'static str,
    key: &'static str,
}

/// An identifier of 16 bytes.
pub(crate) trait Id: Sized {
    fn of(bytes: [u8; 16]) -> Self;
}

macro_rules! ids {
    ($($id:ty),*) => {$(
        impl Id for $id {
            fn of(bytes: [u8; 16]) -> Self {
                Self::from_bytes(bytes)
            }
        }
    )*};
}

ids!(ExecutionId, TaskId, WorkerId, ClaimToken);

impl<'r> Columns<'r> {
    /// The columns of a row of this table; `key` is the column that names it in an error.
    pub(crate) fn new(operation: &'static str, table: &'static str, key: &'static str, row: &'r SqliteRow) -> Self {
        Self { row, operation, table, key }
    }

    /// The row cannot be read, because of this column.
    pub(crate) fn corrupt(&self, column: &'static str) -> BackendError {
        let kind = ErrorKind::CorruptRow { table: self.table, row: self.key(), column };
        BackendError::new(kind, self.operation)
    }

    fn key(&self) -> String {
        let bytes: Option<&[u8]> = self.row.try_get(self.key).ok();
        if let Some(id) = bytes.and_then(|bytes| <[u8; 16]>::try_from(bytes).ok()) {
            return TaskId::from_bytes(id).to_string();
        }
        let text: Option<String> = self.row.try_get(self.key).ok();
        text.unwrap_or_else(|| "?".into())
    }

    /// The column as SQLite has it.
    pub(crate) fn get<T: Decode<'r, Sqlite> + Type<Sqlite>>(&self, column: &'static str) -> Result<T, BackendError> {
        self.row.try_get(column).map_err(|_| self.corrupt(column))
    }

    /// A number within the bounds of its type.
    pub(crate) fn number<T: TryFrom<i64>>(&self, column: &'static str) -> Result<T, BackendError> {
        self.optional_number(column)?.ok_or_else(|| self.corrupt(column))
    }

    pub(crate) fn optional_number<T: TryFrom<i64>>(&self, column: &'static str) -> Result<Option<T>, BackendError> {
        let number: Option<i64> = self.get(column)?;
        number.map(|number| T::try_from(number).map_err(|_| self.corrupt(column))).transpose()
    }

    /// A flag: 0 or 1.
    pub(crate) fn flag(&self, column: &'static str) -> Result<bool, BackendError> {
        Ok(self.number::<i64>(column)? != 0)
    }

    pub(crate) fn time(&self, column: &'static str) -> Result<Timestamp, BackendError> {
        self.optional_time(column)?.ok_or_else(|| self.corrupt(column))
    }

    pub(crate) fn optional_time(&self, column: &'static str) -> Result<Option<Timestamp>, BackendError> {
        let micros: Option<i64> = self.get(column)?;
        let at = micros.map(Timestamp::from_micros);
        if at.is_some_and(|at| at > Timestamp::MAX) { Err(self.corrupt(column)) } else { Ok(at) }
    }

    /// A time, if it can be read: of rows that an answer about others is put together from.
    pub(crate) fn readable_time(&self, column: &'static str) -> Option<Timestamp> {
        self.optional_time(column).ok().flatten()
    }

    pub(crate) fn id<T: Id>(&self, column: &'static str) -> Result<T, BackendError> {
        self.optional_id(column)?.ok_or_else(|| self.corrupt(column))
    }

    pub(crate) fn optional_id<T: Id>(&self, column: &'static str) -> Result<Option<T>, BackendError> {
        let bytes: Option<&[u8]> = self.get(column)?;
        bytes.map(|bytes| bytes.try_into().map(T::of).map_err(|_| self.corrupt(column))).transpose()
    }

    pub(crate) fn fingerprint(&self, column: &'static str) -> Result<Fingerprint, BackendError> {
        let bytes: &[u8] = self.get(column)?;
        bytes.try_into().map(Fingerprint::from_bytes).map_err(|_| self.corrupt(column))
    }

    pub(crate) fn payload(&self, column: &'static str) -> Result<Payload, BackendError> {
        self.get::<&[u8]>(column).map(Payload::from)
    }

    pub(crate) fn optional_payload(&self, column: &'static str) -> Result<Option<Payload>, BackendError> {
        Ok(self.get::<Option<&[u8]>>(column)?.map(Payload::from))
    }

    pub(crate) fn text(&self, column: &'static str) -> Result<&'r str, BackendError> {
        self.get(column)
    }

    pub(crate) fn optional_text(&self, column: &'static str) -> Result<Option<&'r str>, BackendError> {
        self.get(column)
    }

    /// A checked name.
    pub(crate) fn name<T: TryFrom<&'r str>>(&self, column: &'static str) -> Result<T, BackendError> {
        self.optional_name(column)?.ok_or_else(|| self.corrupt(column))
    }

    pub(crate) fn optional_name<T: TryFrom<&'r str>>(&self, column: &'static str) -> Result<Option<T>, BackendError> {
        let text = self.optional_text(column)?;
        text.map(|text| T::try_from(text).map_err(|_| self.corrupt(column))).transpose()
    }

    /// The version of a task; the empty text is none.
    pub(crate) fn version<T: TryFrom<&'r str>>(&self, column: &'static str) -> Result<Option<T>, BackendError> {
        match self.text(column)? {
            "" => Ok(None),
            text => T::try_from(text).map(Some).map_err(|_| self.corrupt(column)),
        }
    }

    pub(crate) fn parsed<T>(&self, column: &'static str, parse: fn(&str) -> Option<T>) -> Result<T, BackendError> {
        parse(self.text(column)?).ok_or_else(|| self.corrupt(column))
    }

    pub(crate) fn state(&self, column: &'static str) -> Result<TaskState, BackendError> {
        self.parsed(column, TaskState::parse)
    }

    /// A value that is stored as JSON.
    pub(crate) fn json<T: DeserializeOwned>(&self, column: &'static str) -> Result<T, BackendError> {
        self.optional_json(column)?.ok_or_else(|| self.corrupt(column))
    }

    pub(crate) fn optional_json<T: DeserializeOwned>(&self, column: &'static str) -> Result<Option<T>, BackendError> {
        let text = self.optional_text(column)?;
        text.map(|text| serde_json::from_str(text).map_err(|_| self.corrupt(column))).transpose()
    }

    pub(crate) fn retry(&self, column: &'static str) -> Result<RetryPolicy, BackendError> {
        RetryPolicy::decode(self.text(column)?).map_err(|_| self.corrupt(column))
    }

    pub(crate) fn failure(&self, column: &'static str) -> Result<Failure, BackendError> {
        self.json(column)
    }

    pub(crate) fn optional_failure(&self, column: &'static str) -> Result<Option<Failure>, BackendError> {
        self.optional_json(column)
    }

    pub(crate) fn tags(&self, column: &'static str) -> Result<Vec<Tag>, BackendError> {
        Ok(self.optional_json(column)?.unwrap_or_default())
    }

    /// The memo of a task, of its three columns.
    pub(crate) fn memo(&self) -> Result<Option<Memo>, BackendError> {
        let mode = match self.optional_text("memo_mode")? {
            None => return Ok(None),
            Some("idempotent") => MemoMode::Idempotent,
            Some("cached") => {
                let ttl = self.optional_number("memo_ttl")?.map(Duration::from_micros);
                MemoMode::Cached { ttl }
            }
            Some(_) => return Err(self.corrupt("memo_mode")),
        };
        Ok(Some(Memo { key: self.fingerprint("memo_key")?, mode }))
    }

    /// The operation that a journal entry is about, of its five columns.
    pub(crate) fn operation(&self) -> Result<OperationId, BackendError> {
        Ok(OperationId {
            turn: self.number("op_turn")?,
            kind: self.parsed("op_kind", OperationKind::parse)?,
            name: self.text("op_name")?.into(),
            key: OperationKey::from_bytes(self.get("op_key")?),
            number: self.number("op_number")?,
        })
    }

    /// The call or map that made a child: its name is the child's function, a call's key the child's fingerprint.
    pub(crate) fn made_by(&self) -> Result<OperationId, BackendError> {
        let kind = self.parsed("made_kind", OperationKind::parse)?;
        let key = match kind {
            OperationKind::Call => self.fingerprint("fingerprint")?.into(),
            _ => OperationKey::none(),
        };
        let (turn, number) = (self.number("made_turn")?, self.number("made_number")?);
        Ok(OperationId { turn, kind, name: self.text("function")?.into(), key, number })
    }
}
