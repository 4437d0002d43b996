//! Journal entries as they are stored: what is asked for by itself in columns, what goes with an entry as JSON, values
//! as encoded.

use serde::{Deserialize, Serialize};
use stent_core::error::BackendError;
use stent_core::failure::Failure;
use stent_core::journal::{EntryBody, EntryKind, JournalEntry};
use stent_core::operation::OperationId;
use stent_core::outcome::OperationOutcome;

use crate::batch::{Blobs, Hex, Part, to_json};
use crate::row::Columns;

/// An entry as a statement reads it from JSON.
#[derive(Serialize)]
pub(crate) struct StoredEntry<'a> {
    seq: u32,
    turn: u32,
    at: i64,
    kind: &'static str,
    #[serde(flatten)]
    operation: Option<StoredOperation<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<String>,
    #[serde(flatten)]
    payload: Option<Part>,
}

/// An operation in the columns of an entry.
#[derive(Serialize)]
struct StoredOperation<'a> {
    op_turn: u32,
    op_kind: &'static str,
    op_name: &'a str,
    op_key: Hex<'a>,
    op_number: u32,
}

impl<'a> From<&'a OperationId> for StoredOperation<'a> {
    fn from(operation: &'a OperationId) -> Self {
        Self {
            op_turn: operation.turn,
            op_kind: operation.kind.as_str(),
            op_name: &operation.name,
            op_key: Hex(operation.key.as_bytes()),
            op_number: operation.number,
        }
    }
}

/// How an operation ended, without its value.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "ended")]
enum StoredOutcome {
    Completed,
    Failed { failure: Failure },
    Elapsed,
}

/// How far a map came, without the state of its fold.
#[derive(Serialize, Deserialize)]
struct StoredChunk {
    closed: u32,
}

impl<'a> StoredEntry<'a> {
    /// The entry to be written; its value goes to the batch's others.
    pub(crate) fn new(
        operation: &'static str,
        entry: &'a JournalEntry,
        payloads: &mut Blobs,
    ) -> Result<Self, BackendError> {
        let (body, payload) = match &entry.body {
            EntryBody::Made(_, made) => (Some(to_json(operation, made)?), None),
            EntryBody::Outcome(_, outcome) => {
                let (stored, payload) = match outcome {
                    OperationOutcome::Completed(value) => (StoredOutcome::Completed, Some(value)),
                    OperationOutcome::Failed(failure) => (StoredOutcome::Failed { failure: failure.clone() }, None),
                    OperationOutcome::Elapsed => (StoredOutcome::Elapsed, None),
                };
                (Some(to_json(operation, &stored)?), payload)
            }
            EntryBody::Chunk { closed, state, .. } => {
                (Some(to_json(operation, &StoredChunk { closed: *closed })?), state.as_ref())
            }
            EntryBody::Note(text) => (Some(note(operation, text)?), None),
            EntryBody::Order(_) | EntryBody::Variables => (None, None),
        };
        Ok(Self {
            seq: entry.seq,
            turn: entry.turn,
            at: entry.at.as_micros(),
            kind: entry.body.kind().as_str(),
            operation: entry.body.operation().map(StoredOperation::from),
            body,
            payload: payload.map(|payload| payloads.push(payload.as_bytes())),
        })
    }
}

/// The body of an outcome with a value.
pub(crate) fn completed(operation: &'static str) -> Result<String, BackendError> {
    to_json(operation, &StoredOutcome::Completed)
}

/// The body of a note.
pub(crate) fn note(operation: &'static str, text: &str) -> Result<String, BackendError> {
    to_json(operation, &text)
}

/// The entry of a row of the journal.
pub(crate) fn entry(columns: &Columns<'_>) -> Result<JournalEntry, BackendError> {
    Ok(JournalEntry {
        seq: columns.number("seq")?,
        turn: columns.number("turn")?,
        at: columns.time("at")?,
        body: body(columns)?,
    })
}

fn body(columns: &Columns<'_>) -> Result<EntryBody, BackendError> {
    Ok(match columns.parsed("kind", EntryKind::parse)? {
        EntryKind::Made => EntryBody::Made(columns.operation()?, columns.json("body")?),
        EntryKind::Outcome => EntryBody::Outcome(columns.operation()?, outcome(columns, "body", "payload")?),
        EntryKind::Order => EntryBody::Order(columns.operation()?),
        EntryKind::Chunk => EntryBody::Chunk {
            map: columns.operation()?,
            closed: columns.json::<StoredChunk>("body")?.closed,
            state: columns.optional_payload("payload")?,
        },
        EntryKind::Note => EntryBody::Note(columns.json("body")?),
        EntryKind::Variables => EntryBody::Variables,
    })
}

/// The outcome in these columns.
pub(crate) fn outcome(
    columns: &Columns<'_>,
    body: &'static str,
    payload: &'static str,
) -> Result<OperationOutcome, BackendError> {
    Ok(match columns.json(body)? {
        StoredOutcome::Completed => OperationOutcome::Completed(columns.payload(payload)?),
        StoredOutcome::Failed { failure } => OperationOutcome::Failed(failure),
        StoredOutcome::Elapsed => OperationOutcome::Elapsed,
    })
}
