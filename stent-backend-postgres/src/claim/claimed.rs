//! What a claim answers: its rows, read, each by itself (S19).

use std::cmp::Reverse;

use stent_core::claim::{Claim, Claimed, ClaimedTask, CorruptClaim};
use stent_core::error::BackendError;
use stent_core::id::{ClaimToken, TaskId};
use stent_core::retry::RetryPolicy;
use stent_core::time::Timestamp;
use tokio_postgres::Row;
use uuid::Uuid;

use super::{CLAIM, Peek};
use crate::row::Columns;

/// The tasks in claim order, and those whose rows cannot be read; and whether one of them is on its last attempt, or may be: that must not be forgotten
/// (C-Y4).
pub(super) fn read(token: ClaimToken, mut rows: Vec<Row>, peek: &Peek) -> (Claimed, Option<TaskId>) {
    let mut claimed = Claimed { next_due: peek.next_due, next_deadline: peek.next_deadline, ..Claimed::default() };
    let mut last = None;
    rows.sort_by_cached_key(|row| order(Columns::new(CLAIM, "tasks", "id", row)).ok());
    let mut policies = Policies::default();
    for row in &rows {
        let columns = Columns::new(CLAIM, "tasks", "id", row);
        let Ok(task) = columns.id("id") else { continue };
        let claim = Claim { task, token };
        match claimed_task(columns, claim, &mut policies) {
            Ok(task) => {
                if columns.flag("counts").unwrap_or(true) && task.attempt >= task.retry.max_attempts() {
                    last = Some(claim.task);
                }
                claimed.tasks.push(task);
            }
            Err(error) => {
                last = Some(claim.task);
                claimed.corrupt.push(CorruptClaim { claim, error });
            }
        }
    }
    (claimed, last)
}

/// Priority (high first), due time, id.
pub(super) type Order = (Reverse<i32>, Option<Timestamp>, Uuid);

pub(super) fn order(columns: Columns<'_>) -> Result<Order, BackendError> {
    Ok((Reverse(columns.number("priority")?), columns.optional_time("due")?, columns.get("id")?))
}

/// The policy that was read last: mostly the next one is the same.
#[derive(Default)]
struct Policies<'r>(Option<(&'r str, RetryPolicy)>);

impl<'r> Policies<'r> {
    fn read(&mut self, columns: Columns<'r>) -> Result<RetryPolicy, BackendError> {
        let text = columns.text("retry")?;
        if let Some((_, policy)) = self.0.as_ref().filter(|(known, _)| *known == text) {
            return Ok(policy.clone());
        }
        let policy = columns.retry("retry")?;
        self.0 = Some((text, policy.clone()));
        Ok(policy)
    }
}

fn claimed_task<'r>(
    columns: Columns<'r>,
    claim: Claim,
    policies: &mut Policies<'r>,
) -> Result<ClaimedTask, BackendError> {
    Ok(ClaimedTask {
        claim,
        execution: columns.id("execution")?,
        parent: columns.optional_id::<TaskId>("parent")?,
        depth: columns.number("depth")?,
        function: columns.name("function")?,
        version: columns.version("version")?,
        input: columns.payload("input")?,
        fingerprint: columns.fingerprint("fingerprint")?,
        queue: columns.optional_name("queue")?,
        retry: policies.read(columns)?,
        memo: columns.memo()?,
        attempt: columns.number("attempt")?,
        deliveries: columns.number("deliveries")?,
        generation: columns.number("generation")?,
        is_fresh: columns.flag("is_fresh")?,
        journal_started_at: columns.time("journal_from")?,
        started_at: columns.time("started_at")?,
        last_failure: columns.optional_failure("failure")?,
        trace: columns.optional_text("trace")?.map(Into::into),
    })
}
