//! Journal entries as they are stored: what is asked for by itself in columns, what goes with an entry as JSON, values as encoded.

use serde::{Deserialize, Serialize};
use stent_core::error::BackendError;
use stent_core::failure::Failure;
use stent_core::journal::{EntryBody, EntryKind, JournalEntry, TurnWrite};
use stent_core::operation::OperationId;
use stent_core::outcome::OperationOutcome;
use stent_core::payload::Payload;
use tokio_postgres::Row;
use uuid::Uuid;

use crate::batch::{PARCEL, to_json};
use crate::connection::{Session, Values};
use crate::row::{At, Columns, int};

pub(crate) const APPEND: &str = include_str!("../sql/journal/append.sql");

/// Entries with the claims they are written under, a column each.
#[derive(Default)]
pub(crate) struct Entries<'a> {
    tasks: Vec<Uuid>,
    tokens: Vec<Uuid>,
    generations: Vec<i32>,
    seqs: Vec<i32>,
    turns: Vec<i32>,
    at: Vec<At>,
    kinds: Vec<&'static str>,
    operations: Operations<'a>,
    bodies: Vec<Option<String>>,
    payloads: Vec<Option<&'a [u8]>>,
    /// How large the payloads are together.
    bytes: usize,
}

/// Operations, a column each.
#[derive(Default)]
struct Operations<'a> {
    turns: Vec<Option<i64>>,
    kinds: Vec<Option<&'static str>>,
    names: Vec<Option<&'a str>>,
    keys: Vec<Option<&'a [u8]>>,
    numbers: Vec<Option<i64>>,
}

impl<'a> Operations<'a> {
    fn push(&mut self, operation: Option<&'a OperationId>) {
        self.turns.push(operation.map(|operation| operation.turn.into()));
        self.kinds.push(operation.map(|operation| operation.kind.as_str()));
        self.names.push(operation.map(|operation| &*operation.name));
        self.keys.push(operation.map(|operation| operation.key.as_bytes()));
        self.numbers.push(operation.map(|operation| operation.number.into()));
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

/// The entries of turns, in parcels: one, unless their values are very large.
pub(crate) fn pack<'a>(
    operation: &'static str,
    turns: impl IntoIterator<Item = &'a TurnWrite>,
) -> Result<Vec<Entries<'a>>, BackendError> {
    let (mut parcels, mut entries) = (Vec::new(), Entries::default());
    for turn in turns {
        for entry in &turn.entries {
            entries.push(operation, turn, entry)?;
            if entries.bytes >= PARCEL {
                parcels.push(std::mem::take(&mut entries));
            }
        }
    }
    if !entries.tasks.is_empty() {
        parcels.push(entries);
    }
    Ok(parcels)
}

/// The size of its payload.
pub(crate) fn bytes(entry: &JournalEntry) -> usize {
    match &entry.body {
        EntryBody::Outcome(_, OperationOutcome::Completed(value)) => value.len(),
        EntryBody::Chunk { state: Some(state), .. } => state.len(),
        _ => 0,
    }
}

impl<'a> Entries<'a> {
    fn push(
        &mut self,
        operation: &'static str,
        turn: &'a TurnWrite,
        entry: &'a JournalEntry,
    ) -> Result<(), BackendError> {
        let (body, payload) = split(operation, &entry.body)?;
        self.tasks.push(*turn.claim.task.as_uuid());
        self.tokens.push(*turn.claim.token.as_uuid());
        self.generations.push(int(turn.generation));
        self.seqs.push(int(entry.seq));
        self.turns.push(int(entry.turn));
        self.at.push(At(entry.at));
        self.kinds.push(entry.body.kind().as_str());
        self.operations.push(entry.body.operation());
        self.bodies.push(body);
        self.bytes += payload.map_or(0, Payload::len);
        self.payloads.push(payload.map(Payload::as_bytes));
        Ok(())
    }

    /// Writes them where the claims hold; answers with a row for each that was not there: its task and seq.
    pub(crate) async fn append(&self, session: &Session<'_>) -> Result<Vec<Row>, BackendError> {
        let values: Values<'_> = &[
            &self.tasks,
            &self.tokens,
            &self.generations,
            &self.seqs,
            &self.turns,
            &self.at,
            &self.kinds,
            &self.operations.turns,
            &self.operations.kinds,
            &self.operations.names,
            &self.operations.keys,
            &self.operations.numbers,
            &self.bodies,
            &self.payloads,
        ];
        session.query(APPEND, values).await
    }
}

/// What of an entry goes as JSON, and its value.
fn split<'a>(
    operation: &'static str,
    body: &'a EntryBody,
) -> Result<(Option<String>, Option<&'a Payload>), BackendError> {
    Ok(match body {
        EntryBody::Made(_, made) => (Some(to_json(operation, made)?), None),
        EntryBody::Outcome(_, OperationOutcome::Completed(value)) => (Some(completed(operation)?), Some(value)),
        EntryBody::Outcome(_, OperationOutcome::Failed(failure)) => {
            (Some(to_json(operation, &StoredOutcome::Failed { failure: failure.clone() })?), None)
        }
        EntryBody::Outcome(_, OperationOutcome::Elapsed) => (Some(elapsed(operation)?), None),
        EntryBody::Chunk { closed, state, .. } => {
            (Some(to_json(operation, &StoredChunk { closed: *closed })?), state.as_ref())
        }
        EntryBody::Note(text) => (Some(note(operation, text)?), None),
        EntryBody::Order(_) | EntryBody::Variables => (None, None),
    })
}

/// The body of a note.
pub(crate) fn note(operation: &'static str, text: &str) -> Result<String, BackendError> {
    to_json(operation, &text)
}

/// The body of an outcome whose value stands beside it.
pub(crate) fn completed(operation: &'static str) -> Result<String, BackendError> {
    to_json(operation, &StoredOutcome::Completed)
}

/// The body of the outcome of a wait whose time has passed.
pub(crate) fn elapsed(operation: &'static str) -> Result<String, BackendError> {
    to_json(operation, &StoredOutcome::Elapsed)
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
