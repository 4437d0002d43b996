//! Rows: columns become types of the domain, or the row is corrupt and says where. A row that cannot be read concerns nobody else.

use std::error::Error;
use std::time::Duration;

use serde::de::DeserializeOwned;
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
use tokio_postgres::Row;
use tokio_postgres::types::private::BytesMut;
use tokio_postgres::types::{FromSql, IsNull, ToSql, Type, accepts, to_sql_checked};
use uuid::Uuid;

/// Microseconds from 1970 to 2000, from which PostgreSQL counts.
const FROM_1970: i64 = 946_684_800_000_000;

/// A time as PostgreSQL has it: `timestamp`, without a zone.
#[derive(Debug, Clone, Copy)]
pub(crate) struct At(pub(crate) Timestamp);

impl At {
    /// Of a time that may be missing.
    pub(crate) fn some(at: Option<Timestamp>) -> Option<Self> {
        at.map(Self)
    }
}

impl ToSql for At {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        let micros = self.0.as_micros().saturating_sub(FROM_1970);
        out.extend_from_slice(&micros.to_be_bytes());
        Ok(IsNull::No)
    }

    accepts!(TIMESTAMP);
    to_sql_checked!();
}

impl<'r> FromSql<'r> for At {
    fn from_sql(_: &Type, raw: &'r [u8]) -> Result<Self, Box<dyn Error + Sync + Send>> {
        let micros = i64::from_be_bytes(raw.try_into()?);
        let at = micros.checked_add(FROM_1970).map(Timestamp::from_micros);
        at.filter(|at| *at <= Timestamp::MAX).map(Self).ok_or_else(|| "no time of ours".into())
    }

    accepts!(TIMESTAMP);
}

/// A whole number of any width.
struct Whole(i64);

impl<'r> FromSql<'r> for Whole {
    fn from_sql(of: &Type, raw: &'r [u8]) -> Result<Self, Box<dyn Error + Sync + Send>> {
        Ok(Self(match *of {
            Type::INT2 => i16::from_sql(of, raw)?.into(),
            Type::INT4 => i32::from_sql(of, raw)?.into(),
            _ => i64::from_sql(of, raw)?,
        }))
    }

    accepts!(INT2, INT4, INT8);
}

/// A number as an `integer` has it. Those of the domain are far below its bound.
pub(crate) fn int(number: u32) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}

/// Reads the columns of one row, by name.
#[derive(Clone, Copy)]
pub(crate) struct Columns<'r> {
    row: &'r Row,
    operation: &'static str,
    table: &'static str,
    key: &'static str,
}

/// An identifier of 16 bytes.
pub(crate) trait Id: Sized {
    fn of(id: Uuid) -> Self;
}

macro_rules! ids {
    ($($id:ty),*) => {$(
        impl Id for $id {
            fn of(id: Uuid) -> Self {
                Self::from_uuid(id)
            }
        }
    )*};
}

ids!(ExecutionId, TaskId, WorkerId, ClaimToken);

impl<'r> Columns<'r> {
    /// The columns of a row of this table; `key` is the column that names it in an error.
    pub(crate) fn new(operation: &'static str, table: &'static str, key: &'static str, row: &'r Row) -> Self {
        Self { row, operation, table, key }
    }

    /// The row cannot be read, because of this column.
    pub(crate) fn corrupt(&self, column: &'static str) -> BackendError {
        let kind = ErrorKind::CorruptRow { table: self.table, row: self.key(), column };
        BackendError::new(kind, self.operation)
    }

    fn key(&self) -> String {
        if let Ok(id) = self.row.try_get::<_, Uuid>(self.key) {
            return id.to_string();
        }
        self.row.try_get(self.key).unwrap_or_else(|_| "?".into())
    }

    /// The column as PostgreSQL has it.
    pub(crate) fn get<T: FromSql<'r>>(&self, column: &'static str) -> Result<T, BackendError> {
        self.row.try_get(column).map_err(|_| self.corrupt(column))
    }

    /// A number within the bounds of its type.
    pub(crate) fn number<T: TryFrom<i64>>(&self, column: &'static str) -> Result<T, BackendError> {
        self.optional_number(column)?.ok_or_else(|| self.corrupt(column))
    }

    pub(crate) fn optional_number<T: TryFrom<i64>>(&self, column: &'static str) -> Result<Option<T>, BackendError> {
        let number: Option<Whole> = self.get(column)?;
        number.map(|Whole(number)| T::try_from(number).map_err(|_| self.corrupt(column))).transpose()
    }

    pub(crate) fn flag(&self, column: &'static str) -> Result<bool, BackendError> {
        self.get(column)
    }

    pub(crate) fn time(&self, column: &'static str) -> Result<Timestamp, BackendError> {
        self.optional_time(column)?.ok_or_else(|| self.corrupt(column))
    }

    pub(crate) fn optional_time(&self, column: &'static str) -> Result<Option<Timestamp>, BackendError> {
        Ok(self.get::<Option<At>>(column)?.map(|At(at)| at))
    }

    /// A time, if it can be read: of rows that an answer about others is put together from.
    pub(crate) fn readable_time(&self, column: &'static str) -> Option<Timestamp> {
        self.optional_time(column).ok().flatten()
    }

    pub(crate) fn id<T: Id>(&self, column: &'static str) -> Result<T, BackendError> {
        self.optional_id(column)?.ok_or_else(|| self.corrupt(column))
    }

    pub(crate) fn optional_id<T: Id>(&self, column: &'static str) -> Result<Option<T>, BackendError> {
        Ok(self.get::<Option<Uuid>>(column)?.map(T::of))
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

    /// A value that is stored as JSON text.
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
        let tags: Option<Vec<&str>> = self.get(column)?;
        let tags = tags.unwrap_or_default().into_iter();
        tags.map(|tag| Tag::try_from(tag).map_err(|_| self.corrupt(column))).collect()
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
            key: OperationKey::from_bytes(self.get::<Option<&[u8]>>("op_key")?.unwrap_or_default()),
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
