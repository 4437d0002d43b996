//! What turns write. Entries and children alone, which is nearly every turn, are one statement each, however many turns
//! go together: the statement itself checks the claims, and only if it wrote less than it was given are they looked at.

use serde::Serialize;
use sqlx::sqlite::SqliteConnection;
use stent_core::backend::Hint;
use stent_core::commit::TurnCommit;
use stent_core::error::BackendError;
use stent_core::execution::NewExecution;
use stent_core::id::ExecutionId;
use stent_core::journal::{AbandonedChildren, JournalEntry, TurnWrite};
use stent_core::outcome::OperationOutcome;
use stent_core::payload::Payload;
use stent_core::task::NewChild;
use stent_core::time::Timestamp;

use crate::batch::{Hex, Parcel, Parcels, to_json};
use crate::child::{self, Children};
use crate::control;
use crate::entry::{StoredEntry, outcome};
use crate::error::During;
use crate::row::Columns;
use crate::transaction::Hinted;
use crate::tree::{self, Cancellation};
use crate::{dispatch, take, variables};

pub(crate) const APPEND: &str = include_str!("../sql/journal/append.sql");
pub(crate) const TURNS: &str = include_str!("../sql/journal/turns.sql");
pub(crate) const ABANDONED: &str = include_str!("../sql/journal/abandoned.sql");

/// Turns, with all that can be made ready before they have the database to themselves.
pub(crate) struct Prepared {
    pub(crate) operation: &'static str,
    now: Timestamp,
    /// Without their entries and children, which are packed.
    pub(crate) turns: Vec<TurnWrite>,
    hints: Vec<Hint>,
    entries: Vec<Parcel>,
    children: Vec<Children>,
    /// True if they hold nothing else.
    is_plain: bool,
    claims: String,
}

/// A turn whose claim holds.
pub(crate) struct Held {
    pub(crate) execution: ExecutionId,
    /// Its first entry was there before.
    is_repeat: bool,
    /// The outcome in the take's place, if there is an entry.
    pub(crate) taken: Option<Option<OperationOutcome>>,
    /// What lies in the slot of the take, and when it was sent.
    pub(crate) slot: Option<(Payload, Timestamp)>,
}

#[derive(Serialize)]
pub(crate) struct ClaimedEntry<'a> {
    task: Hex<'a>,
    token: Hex<'a>,
    generation: u32,
    #[serde(flatten)]
    entry: StoredEntry<'a>,
}

#[derive(Serialize)]
struct ClaimedTurn<'a> {
    task: Hex<'a>,
    token: Hex<'a>,
    generation: u32,
    first: Option<u32>,
    take: Option<u32>,
    signal: Option<&'a str>,
}

impl Prepared {
    pub(crate) fn new(operation: &'static str, now: Timestamp, turns: &[TurnWrite]) -> Result<Self, BackendError> {
        let mut entries = Parcels::new(operation);
        for turn in turns {
            for entry in &turn.entries {
                push_entry(operation, &mut entries, turn, entry)?;
            }
        }
        let claims: Vec<_> = turns.iter().map(ClaimedTurn::from).collect();
        Ok(Self {
            operation,
            now,
            entries: entries.finish()?,
            children: child::pack(operation, turns)?,
            is_plain: turns.iter().all(is_plain),
            claims: to_json(operation, &claims)?,
            turns: turns.iter().map(rest).collect(),
            hints: turns.iter().filter_map(hint).collect(),
        })
    }

    /// True if there will be tasks that somebody may claim.
    pub(crate) fn makes_ready(&self) -> bool {
        !self.hints.is_empty()
    }
}

/// What there is beside entries and children.
fn rest(turn: &TurnWrite) -> TurnWrite {
    TurnWrite {
        claim: turn.claim,
        generation: turn.generation,
        entries: Vec::new(),
        children: Vec::new(),
        dispatches: turn.dispatches.clone(),
        cancels: turn.cancels.clone(),
        variables: turn.variables.clone(),
        take: turn.take.clone(),
    }
}

/// Nothing but entries and children, and something of them.
fn is_plain(turn: &TurnWrite) -> bool {
    let is_empty = turn.entries.is_empty() && turn.children.is_empty();
    !is_empty
        && turn.dispatches.is_empty()
        && turn.cancels.is_empty()
        && turn.variables.is_empty()
        && turn.take.is_none()
}

impl<'a> From<&'a TurnWrite> for ClaimedTurn<'a> {
    fn from(turn: &'a TurnWrite) -> Self {
        Self {
            task: Hex(turn.claim.task.as_bytes()),
            token: Hex(turn.claim.token.as_bytes()),
            generation: turn.generation,
            first: turn.entries.first().map(|entry| entry.seq),
            take: turn.take.as_ref().map(|take| take.seq),
            signal: turn.take.as_ref().map(|take| take.name.as_str()),
        }
    }
}

pub(crate) fn push_entry<'a>(
    operation: &'static str,
    entries: &mut Parcels<ClaimedEntry<'a>>,
    turn: &'a TurnWrite,
    entry: &'a JournalEntry,
) -> Result<(), BackendError> {
    let entry = StoredEntry::new(operation, entry, entries.payloads())?;
    let (task, token) = (Hex(turn.claim.task.as_bytes()), Hex(turn.claim.token.as_bytes()));
    entries.push(ClaimedEntry { task, token, generation: turn.generation, entry })
}

/// Writes turns by one statement, or one take by one text of statements, a transaction of its own; `None` if there is more to write, or a claim does not hold, or
/// there was nothing to take.
pub(crate) async fn write_alone(
    connection: &mut SqliteConnection,
    prepared: &Prepared,
) -> Result<Option<Hinted<Vec<TurnCommit>>>, BackendError> {
    let is_bare = prepared.entries.is_empty() && prepared.children.is_empty();
    if let [turn] = &prepared.turns[..]
        && let Some(take) = turn.take.as_ref().filter(|_| is_bare)
    {
        return take::alone(connection, prepared.operation, turn, take).await;
    }
    let is_one = prepared.entries.len() + prepared.children.len() == 1;
    if !(prepared.is_plain && is_one && insert(connection, prepared).await?) {
        return Ok(None);
    }
    Ok(Some((vec![TurnCommit::Applied { taken: None }; prepared.turns.len()], Vec::new())))
}

/// Writes turns; answers per turn.
pub(crate) async fn write(
    connection: &mut SqliteConnection,
    prepared: &Prepared,
) -> Result<Hinted<Vec<TurnCommit>>, BackendError> {
    let applied = TurnCommit::Applied { taken: None };
    let hints = prepared.hints.clone();
    if prepared.is_plain && insert(connection, prepared).await? {
        return Ok((vec![applied; prepared.turns.len()], hints));
    }
    // Of plain turns this reads no more than it did before they were written: the claims.
    let held = held(connection, prepared).await?;
    let mut commits: Vec<_> =
        held.iter().map(|held| if held.is_some() { applied.clone() } else { TurnCommit::ClaimLost }).collect();
    if !prepared.is_plain && held.iter().any(Option::is_some) {
        insert(connection, prepared).await?;
        dispatch(connection, prepared, &held).await?;
        change_variables(connection, prepared, &held).await?;
        take::take(connection, prepared, &held, &mut commits).await?;
        // Last, as if they had been written last: what a turn of the batch made below a task that another one abandons
        // is cancelled, too.
        cancel(connection, prepared, &held).await?;
    }
    Ok((commits, hints))
}

fn hint(turn: &TurnWrite) -> Option<Hint> {
    // What is cancelled gives its place to another.
    let is_free = |child: &NewChild| child.born.is_none() && child.task.claim.is_none();
    let readies = turn.children.iter().any(is_free) || !turn.dispatches.is_empty() || !turn.cancels.is_empty();
    readies.then_some(Hint::TasksReady)
}

/// Writes entries and children of the turns whose claims hold. True if that were all of them.
async fn insert(connection: &mut SqliteConnection, prepared: &Prepared) -> Result<bool, BackendError> {
    let mut is_all = append(connection, prepared.operation, &prepared.entries).await?;
    for children in &prepared.children {
        is_all &= children.insert(&mut *connection, prepared.operation, prepared.now).await?;
    }
    Ok(is_all)
}

pub(crate) async fn append(
    connection: &mut SqliteConnection,
    operation: &'static str,
    entries: &[Parcel],
) -> Result<bool, BackendError> {
    let mut is_all = true;
    for entries in entries {
        let written = sqlx::query(control::statement(APPEND))
            .bind(entries.json.clone())
            .bind(entries.bytes.clone())
            .execute(&mut *connection)
            .await
            .during(operation)?;
        is_all &= written.rows_affected() == entries.items;
    }
    Ok(is_all)
}

/// What is to be known of the turns whose claims hold; `None` for the others.
async fn held(connection: &mut SqliteConnection, prepared: &Prepared) -> Result<Vec<Option<Held>>, BackendError> {
    let operation = prepared.operation;
    let rows = sqlx::query(TURNS).bind(prepared.claims.clone()).fetch_all(connection).await.during(operation)?;
    let mut held: Vec<_> = prepared.turns.iter().map(|_| None).collect();
    for row in &rows {
        let columns = Columns::new(operation, "journal", "key", row);
        let is_outcome = columns.optional_text("taken_body")?.is_some();
        let taken = is_outcome.then(|| outcome(&columns, "taken_body", "taken")).transpose()?;
        let sent_at = columns.optional_time("sent_at")?;
        let turn = Held {
            execution: columns.id("execution")?,
            is_repeat: columns.flag("is_repeat")?,
            taken: columns.flag("is_taken")?.then_some(taken),
            slot: columns.optional_payload("slot")?.zip(sent_at),
        };
        if let Some(place) = held.get_mut(columns.number::<usize>("key")?) {
            *place = Some(turn);
        }
    }
    Ok(held)
}

/// The turns whose claims hold.
fn holding<'a>(prepared: &'a Prepared, held: &'a [Option<Held>]) -> impl Iterator<Item = (&'a TurnWrite, &'a Held)> {
    prepared.turns.iter().zip(held).filter_map(|(turn, held)| Some((turn, held.as_ref()?)))
}

async fn dispatch(
    connection: &mut SqliteConnection,
    prepared: &Prepared,
    held: &[Option<Held>],
) -> Result<(), BackendError> {
    let executions: Vec<NewExecution> =
        holding(prepared, held).flat_map(|(turn, _)| turn.dispatches.iter().cloned()).collect();
    if !executions.is_empty() {
        // Whether a dedup key is borne already is no matter of the turn.
        let _ = dispatch::insert(connection, prepared.operation, prepared.now, &executions).await?;
    }
    Ok(())
}

async fn change_variables(
    connection: &mut SqliteConnection,
    prepared: &Prepared,
    held: &[Option<Held>],
) -> Result<(), BackendError> {
    let new = holding(prepared, held).filter(|(_, held)| !held.is_repeat);
    let changes: Vec<_> = new.map(|(turn, held)| (held.execution, turn.variables.as_slice())).collect();
    variables::change(connection, prepared.operation, &changes).await
}

#[derive(Serialize)]
struct Gone<'a> {
    task: Hex<'a>,
    child: Option<Hex<'a>>,
    generation: u32,
    op_turn: Option<u32>,
    op_name: Option<&'a str>,
    op_number: Option<u32>,
}

/// Cancels what turns abandoned, with all below it.
async fn cancel(
    connection: &mut SqliteConnection,
    prepared: &Prepared,
    held: &[Option<Held>],
) -> Result<(), BackendError> {
    let mut gone = Vec::new();
    let mut accounts = Vec::new();
    for (turn, _) in holding(prepared, held) {
        for abandoned in &turn.cancels {
            let (child, map) = match &abandoned.children {
                AbandonedChildren::Child(child) => (Some(Hex(child.as_bytes())), None),
                AbandonedChildren::Map(map) => (None, Some(map)),
            };
            gone.push(Gone {
                task: Hex(turn.claim.task.as_bytes()),
                child,
                generation: turn.generation,
                op_turn: map.map(|map| map.turn),
                op_name: map.map(|map| &*map.name),
                op_number: map.map(|map| map.number),
            });
            accounts.push((turn.claim.task, abandoned.turn));
        }
    }
    if gone.is_empty() {
        return Ok(());
    }
    let gone = to_json(prepared.operation, &gone)?;
    let rows = sqlx::query(ABANDONED).bind(gone).fetch_all(&mut *connection).await.during(prepared.operation)?;
    let mut cancellations = Vec::new();
    for row in &rows {
        let columns = Columns::new(prepared.operation, "tasks", "id", row);
        if let Some(&(by, turn)) = accounts.get(columns.number::<usize>("key")?) {
            let task = columns.id("id")?;
            cancellations.push(Cancellation { task, include: true, by: Some(by), turn: Some(turn) });
        }
    }
    if !cancellations.is_empty() {
        tree::cancel_below(connection, prepared.operation, prepared.now, &cancellations).await?;
    }
    Ok(())
}
