//! Takes: signals are given to those who wait for them (C-S2, C-S4).

use std::collections::HashSet;

use serde::Serialize;
use sqlx::sqlite::SqliteConnection;
use stent_core::commit::TurnCommit;
use stent_core::error::BackendError;
use stent_core::journal::{EntryBody, JournalEntry, Take, TurnWrite};
use stent_core::outcome::OperationOutcome;
use stent_core::time::Timestamp;

use crate::batch::{Hex, Parcels, to_json};
use crate::control;
use crate::entry;
use crate::error::During;
use crate::row::Columns;
use crate::transaction::Hinted;
use crate::turn::{Held, Prepared, append, push_entry};

pub(crate) const EMPTY_SLOTS: &str = include_str!("../sql/journal/empty_slots.sql");
pub(crate) const TAKE: &str = include_str!("../sql/journal/take.sql");

#[derive(Serialize)]
struct Slot<'a> {
    execution: Hex<'a>,
    name: &'a str,
}

/// Takes signals: empties the slots and journals the values, or that the waits' time is over, and answers with that.
pub(crate) async fn take(
    connection: &mut SqliteConnection,
    prepared: &Prepared,
    held: &[Option<Held>],
    commits: &mut [TurnCommit],
) -> Result<(), BackendError> {
    let mut outcomes = Vec::new();
    let mut emptied = HashSet::new();
    for ((turn, held), commit) in prepared.turns.iter().zip(held).zip(commits) {
        let (Some(held), Some(take)) = (held, &turn.take) else { continue };
        if let Some(taken) = &held.taken {
            *commit = TurnCommit::Applied { taken: taken.clone() };
            continue;
        }
        let slot = (held.execution, &take.name);
        // Of several tasks of the batch that ask for one value the first gets it.
        let sent = held.slot.as_ref().filter(|_| !emptied.contains(&slot));
        let is_late = |at: Timestamp| take.until.is_some_and(|until| at > until);
        let taken = match sent {
            Some((value, sent_at)) if !is_late(*sent_at) => {
                emptied.insert(slot);
                Some(OperationOutcome::Completed(value.clone()))
            }
            None if take.until.is_none_or(|until| take.at < until) => None,
            _ => Some(OperationOutcome::Elapsed),
        };
        outcomes.extend(taken.clone().map(|outcome| (turn, taken_entry(take, outcome))));
        *commit = TurnCommit::Applied { taken };
    }
    if outcomes.is_empty() {
        return Ok(());
    }
    let mut entries = Parcels::new(prepared.operation);
    for (turn, outcome) in &outcomes {
        push_entry(prepared.operation, &mut entries, turn, outcome)?;
    }
    append(connection, prepared.operation, &entries.finish()?).await?;
    if emptied.is_empty() {
        return Ok(());
    }
    let slots: Vec<_> =
        emptied.iter().map(|(execution, name)| Slot { execution: Hex(execution.as_bytes()), name }).collect();
    let slots = to_json(prepared.operation, &slots)?;
    sqlx::query(EMPTY_SLOTS).bind(slots).execute(connection).await.during(prepared.operation)?;
    Ok(())
}

fn taken_entry(take: &Take, outcome: OperationOutcome) -> JournalEntry {
    let body = EntryBody::Outcome(take.operation.clone(), outcome);
    JournalEntry { seq: take.seq, turn: take.turn, at: take.at, body }
}

/// Takes the value of a turn that writes no entries and no children, by one text of statements, a transaction of its own; `None` if there is none that was sent in time.
pub(crate) async fn alone(
    connection: &mut SqliteConnection,
    operation: &'static str,
    turn: &TurnWrite,
    take: &Take,
) -> Result<Option<Hinted<Vec<TurnCommit>>>, BackendError> {
    if !(turn.dispatches.is_empty() && turn.cancels.is_empty() && turn.variables.is_empty()) {
        return Ok(None);
    }
    let rows = sqlx::query(control::statement(TAKE))
        .bind(&turn.claim.task.as_bytes()[..])
        .bind(&turn.claim.token.as_bytes()[..])
        .bind(take.name.as_str())
        .bind(turn.generation)
        .bind(take.seq)
        .bind(take.turn)
        .bind(take.at.as_micros())
        .bind(take.operation.turn)
        .bind(take.operation.kind.as_str())
        .bind(&*take.operation.name)
        .bind(take.operation.key.as_bytes())
        .bind(take.operation.number)
        .bind(take.until.map(Timestamp::as_micros))
        .bind(entry::completed(operation)?)
        .fetch_all(connection)
        .await
        .during(operation)?;
    let Some(row) = rows.first() else { return Ok(None) };
    let value = Columns::new(operation, "journal", "seq", row).payload("payload")?;
    Ok(Some((vec![TurnCommit::Applied { taken: Some(OperationOutcome::Completed(value)) }], Vec::new())))
}
