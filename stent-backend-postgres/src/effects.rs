//! What an end does besides: notes, dead letter, the waking of the parent, what is open below, shared result and variables.
//!
//! The ends of a batch come first and their effects after, each kind for all of them, so that the outcome is that of
//! the ends one by one, children before parents: what has ended is not cancelled by an end above it, what was only put
//! back or woken is. What is locked last comes last.

use stent_core::error::BackendError;
use stent_core::id::TaskId;
use stent_core::task::{End, Resume};
use stent_core::time::Timestamp;
use uuid::Uuid;

use crate::batch::ids;
use crate::complete::{Applied, is_final};
use crate::connection::Session;
use crate::entry::note;
use crate::row::{At, int};
use crate::tree::{self, Cancellation};
use crate::{memo, variables};

pub(crate) const DEAD_LETTERS: &str = include_str!("../sql/complete/dead_letters.sql");
pub(crate) const NOTES: &str = include_str!("../sql/complete/notes.sql");
pub(crate) const COUNT_ATTEMPTS: &str = include_str!("../sql/complete/count_attempts.sql");
pub(crate) const WAKE: &str = include_str!("../sql/complete/wake.sql");

/// The effects of ends that were applied. A kind that none of them has costs nothing.
pub(crate) async fn complete(
    session: &Session<'_>,
    now: Timestamp,
    applied: &[Applied<'_>],
) -> Result<(), BackendError> {
    write_notes(session, now, applied).await?;
    let dead = ids(tasks(applied, |applied| matches!(applied.end.end, End::Failed { dead_letter: true, .. })));
    if !dead.is_empty() {
        session.execute(DEAD_LETTERS, &[&dead]).await?;
    }
    let ended = ids(tasks(applied, |applied| applied.parent_waits));
    if !ended.is_empty() {
        session.execute(WAKE, &[&ended, &At(now)]).await?;
    }
    reopen(session, now, applied).await?;
    cancel(session, now, applied).await?;
    memo::store(session, now, tasks(applied, |applied| applied.has_memo)).await?;
    change_variables(session, applied).await
}

fn tasks<'a>(applied: &'a [Applied<'_>], which: impl Fn(&Applied<'_>) -> bool) -> impl Iterator<Item = &'a TaskId> {
    applied.iter().filter(move |applied| which(applied)).map(|applied| &applied.end.claim.task)
}

async fn write_notes(session: &Session<'_>, now: Timestamp, applied: &[Applied<'_>]) -> Result<(), BackendError> {
    let (mut tasks, mut numbers, mut turns, mut bodies) = (Vec::<Uuid>::new(), Vec::new(), Vec::new(), Vec::new());
    for applied in applied {
        let End::Completed { notes, .. } = &applied.end.end else { continue };
        for (number, (turn, text)) in (0..).zip(notes) {
            tasks.push(*applied.end.claim.task.as_uuid());
            numbers.push(int(number));
            turns.push(int(*turn));
            bodies.push(note(session.operation(), text)?);
        }
    }
    if !tasks.is_empty() {
        session.execute(NOTES, &[&At(now), &tasks, &numbers, &turns, &bodies]).await?;
    }
    Ok(())
}

/// Cuts the journals of tasks that go on at a point. That is rare, and done one by one. What is left of a journal keeps
/// the next claim from counting the attempt (C-Y4).
async fn reopen(session: &Session<'_>, now: Timestamp, applied: &[Applied<'_>]) -> Result<(), BackendError> {
    let mut resumed = Vec::new();
    for applied in applied {
        let task = applied.end.claim.task;
        match &applied.end.end {
            End::Retry { resume: Resume::At(point), .. } => {
                tree::reopen(session, now, task, point).await?;
                resumed.push(*task.as_uuid());
            }
            End::Retry { resume: Resume::Refused(_), .. } => resumed.push(*task.as_uuid()),
            _ => {}
        }
    }
    if !resumed.is_empty() {
        session.execute(COUNT_ATTEMPTS, &[&resumed]).await?;
    }
    Ok(())
}

async fn cancel(session: &Session<'_>, now: Timestamp, applied: &[Applied<'_>]) -> Result<(), BackendError> {
    let is_restart = |applied: &Applied<'_>| matches!(applied.end.end, End::Retry { resume: Resume::Restart, .. });
    // Restarts first: what is below one is not to be put to the account of an end above it.
    let restarted = tasks(applied, |applied| is_restart(applied) && applied.has_open);
    let below = |task: &TaskId| Cancellation { task: *task, include: false, by: None, turn: None };
    tree::cancel_below(session, now, &restarted.map(below).collect::<Vec<_>>()).await?;
    let restarted: Vec<TaskId> = tasks(applied, is_restart).copied().collect();
    if !restarted.is_empty() {
        tree::restart(session, &restarted).await?;
    }
    let ended = tasks(applied, |applied| is_final(&applied.end.end) && applied.has_open).copied();
    let cancellations: Vec<_> = ended.map(Cancellation::below_end_of).collect();
    tree::cancel_below(session, now, &cancellations).await.map(drop)
}

async fn change_variables(session: &Session<'_>, applied: &[Applied<'_>]) -> Result<(), BackendError> {
    let changes = applied.iter().filter_map(|applied| match &applied.end.end {
        End::Completed { variables, .. } => Some((applied.execution, variables.as_slice())),
        _ => None,
    });
    variables::change(session, &changes.collect::<Vec<_>>()).await
}
