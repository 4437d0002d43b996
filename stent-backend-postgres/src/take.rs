//! Takes: signals are given to those who wait for them (C-S2, C-S4).

use stent_core::commit::TurnCommit;
use stent_core::error::BackendError;
use stent_core::journal::{Take, TurnWrite};
use stent_core::outcome::OperationOutcome;

use crate::connection::{Session, Values};
use crate::entry;
use crate::row::{At, Columns, int};
use crate::turn::{Slots, takes};

pub(crate) const TAKE: &str = include_str!("../sql/journal/take.sql");

/// Takes signals: empties the slots and journals the values, or that the waits' time is over; answers with that, a take each.
pub(crate) async fn outcomes(
    session: &Session<'_>,
    turns: &[TurnWrite],
) -> Result<Vec<Option<OperationOutcome>>, BackendError> {
    let taken: Vec<_> = takes(turns).collect();
    if taken.is_empty() {
        return Ok(Vec::new());
    }
    let Slots { tasks, tokens, names } = Slots::taken(turns);
    let generations: Vec<_> = taken.iter().map(|(turn, _)| int(turn.generation)).collect();
    let numbers = |of: fn(&Take) -> u32| -> Vec<i32> { taken.iter().map(|(_, take)| int(of(take))).collect() };
    let wide = |of: fn(&Take) -> u32| -> Vec<i64> { taken.iter().map(|(_, take)| of(take).into()).collect() };
    let at: Vec<_> = taken.iter().map(|(_, take)| At(take.at)).collect();
    let until: Vec<_> = taken.iter().map(|(_, take)| At::some(take.until)).collect();
    let kinds: Vec<_> = taken.iter().map(|(_, take)| take.operation.kind.as_str()).collect();
    let op_names: Vec<_> = taken.iter().map(|(_, take)| &*take.operation.name).collect();
    let keys: Vec<_> = taken.iter().map(|(_, take)| take.operation.key.as_bytes()).collect();
    let values: Values<'_> = &[
        &tasks,
        &tokens,
        &names,
        &generations,
        &numbers(|take| take.seq),
        &numbers(|take| take.turn),
        &at,
        &wide(|take| take.operation.turn),
        &kinds,
        &op_names,
        &keys,
        &wide(|take| take.operation.number),
        &until,
        &entry::completed(session.operation())?,
        &entry::elapsed(session.operation())?,
    ];
    let rows = session.query(TAKE, values).await?;
    let mut outcomes = vec![None; taken.len()];
    for row in &rows {
        let columns = Columns::new(session.operation(), "journal", "key", row);
        let outcome = outcomes.get_mut(columns.number::<usize>("key")?);
        if let (Some(outcome), Some(_)) = (outcome, columns.optional_text("body")?) {
            *outcome = Some(entry::outcome(&columns, "body", "payload")?);
        }
    }
    Ok(outcomes)
}

/// Answers turns with what they took; one whose claim is lost has taken nothing.
pub(crate) fn give(turns: &[TurnWrite], outcomes: Vec<Option<OperationOutcome>>, commits: &mut [TurnCommit]) {
    let asking = turns.iter().zip(commits).filter(|(turn, _)| turn.take.is_some());
    for ((_, commit), outcome) in asking.zip(outcomes) {
        if let TurnCommit::Applied { taken } = commit {
            *taken = outcome;
        }
    }
}
