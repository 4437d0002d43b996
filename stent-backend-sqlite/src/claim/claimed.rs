//! What a claim answers: its rows, read, each by itself (S19).

use sqlx::sqlite::SqliteRow;
use stent_core::claim::{Claim, Claimed, ClaimedTask, CorruptClaim};
use stent_core::error::BackendError;
use stent_core::id::{ClaimToken, TaskId};
use stent_core::retry::RetryPolicy;
use stent_core::time::Timestamp;

use super::{CLAIM, order};
use crate::row::Columns;
use crate::transaction::Lasting;

/// What a claim took.
pub(super) struct Taken {
    pub(super) next_due: Option<Timestamp>,
    pub(super) next_deadline: Option<Timestamp>,
    pub(super) rows: Vec<SqliteRow>,
}

impl Taken {
    /// Whether one of them is on its last attempt, or may be: that must not be forgotten (C-Y4).
    pub(super) fn lasting(&self) -> Lasting {
        let mut policies = Policies::default();
        let is_last = |row| {
            let columns = Columns::new(CLAIM, "tasks", "id", row);
            let attempt: u32 = columns.number("attempt")?;
            let most = policies.read(columns)?.max_attempts();
            Ok::<_, BackendError>(columns.optional_number("counts")? != Some(0_i64) && attempt >= most)
        };
        if self.rows.iter().map(is_last).any(|is_last| is_last.unwrap_or(true)) {
            Lasting::Must
        } else {
            Lasting::NeedNot
        }
    }

    /// The tasks in claim order, and those whose rows cannot be read.
    pub(super) fn read(mut self, token: ClaimToken) -> Claimed {
        let mut claimed = Claimed { next_due: self.next_due, next_deadline: self.next_deadline, ..Claimed::default() };
        self.rows.sort_by_cached_key(|row| order(Columns::new(CLAIM, "tasks", "id", row)).ok());
        let mut policies = Policies::default();
        for row in &self.rows {
            let columns = Columns::new(CLAIM, "tasks", "id", row);
            // The schema holds ids to their length.
            let Ok(task) = columns.id("id") else { continue };
            let claim = Claim { task, token };
            match claimed_task(columns, claim, &mut policies) {
                Ok(task) => claimed.tasks.push(task),
                Err(error) => claimed.corrupt.push(CorruptClaim { claim, error }),
            }
        }
        claimed
    }
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
