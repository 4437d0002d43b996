//! Roots as they are stored when executions are dispatched: one statement a batch, one more if some were there already.

use std::sync::Arc;
use std::time::Duration;

use stent_core::backend::Hint;
use stent_core::commit::Dispatched;
use stent_core::error::{BackendError, ErrorKind};
use stent_core::execution::NewExecution;
use stent_core::memo::MemoMode;
use stent_core::payload::Payload;
use stent_core::retry::RetryPolicy;
use stent_core::task::NewTask;
use stent_core::time::Timestamp;
use uuid::Uuid;

use crate::batch::{self, PARCEL};
use crate::connection::{Session, Values};
use crate::row::{At, Columns};

/// A batch of roots, ready to be inserted.
pub(crate) struct NewRoots {
    executions: Vec<NewExecution>,
    /// Their policies as they are stored.
    policies: Vec<Arc<str>>,
}

/// Roots of one statement, a column each.
#[derive(Default)]
struct Rows<'a> {
    ids: Vec<Uuid>,
    dedups: Vec<Option<&'a str>>,
    functions: Vec<&'a str>,
    versions: Vec<&'a str>,
    inputs: Vec<&'a [u8]>,
    fingerprints: Vec<&'a [u8]>,
    queues: Vec<Option<&'a str>>,
    tags: Vec<Option<String>>,
    priorities: Vec<i32>,
    policies: Vec<&'a str>,
    traces: Vec<Option<&'a str>>,
    memo_keys: Vec<Option<&'a [u8]>>,
    memo_modes: Vec<Option<&'static str>>,
    memo_ttls: Vec<Option<i64>>,
    dues: Vec<At>,
    durations: Vec<Option<i64>>,
    deadlines: Vec<Option<At>>,
    results: Vec<Option<&'a [u8]>>,
    first: FirstClaims,
    bytes: usize,
}

impl NewRoots {
    pub(crate) fn pack(executions: &[NewExecution]) -> Self {
        let mut policies = Policies::default();
        let policies = executions.iter().map(|new| policies.text(&new.task.retry)).collect();
        Self { executions: executions.to_vec(), policies }
    }

    /// What is told once they are made.
    pub(crate) fn hints(&self) -> Vec<Hint> {
        let ended = self.executions.iter().filter(|new| new.born.is_some()).map(|new| Hint::ExecutionEnded(new.id));
        let are_ready = self.executions.iter().any(|new| new.born.is_none() && new.task.claim.is_none());
        ended.chain(are_ready.then_some(Hint::TasksReady)).collect()
    }

    /// Whether one statement inserts all of them.
    pub(crate) fn are_one_statement(&self) -> bool {
        self.executions.iter().map(bytes).sum::<usize>() < PARCEL
    }

    /// All of them, in one statement unless their payloads are very large.
    fn rows(&self) -> Vec<Rows<'_>> {
        let mut all = Vec::new();
        let mut rows = Rows::default();
        for (new, policy) in self.executions.iter().zip(&self.policies) {
            rows.push(new, policy);
            if rows.bytes >= PARCEL {
                all.push(std::mem::take(&mut rows));
            }
        }
        if !rows.ids.is_empty() {
            all.push(rows);
        }
        all
    }
}

impl<'a> Rows<'a> {
    fn push(&mut self, new: &'a NewExecution, policy: &'a str) {
        let task = &new.task;
        let (memo_mode, memo_ttl) = memo(task);
        self.ids.push(*new.id.as_uuid());
        self.dedups.push(new.dedup.as_deref());
        self.functions.push(&task.function);
        self.versions.push(task.version.as_deref().unwrap_or_default());
        self.inputs.push(task.input.as_bytes());
        self.fingerprints.push(task.fingerprint.as_bytes());
        self.queues.push(task.queue.as_deref());
        self.tags.push(batch::tags(&task.tags));
        self.priorities.push(task.priority);
        self.policies.push(policy);
        self.traces.push(task.trace.as_deref());
        self.memo_keys.push(task.memo.as_ref().map(|memo| memo.key.as_bytes().as_slice()));
        self.memo_modes.push(memo_mode);
        self.memo_ttls.push(memo_ttl);
        self.dues.push(At(task.due));
        self.durations.push(new.max_duration.map(micros));
        self.deadlines.push(At::some(new.deadline()));
        self.results.push(new.born.as_ref().map(|result| result.as_bytes()));
        self.first.push(task, new.born.as_ref());
        self.bytes += bytes(new);
    }

    /// Inserts those that are new; answers with how many that were.
    async fn insert(&self, session: &Session<'_>, now: At) -> Result<u64, BackendError> {
        let values: Values<'_> = &[
            &self.ids,
            &self.dedups,
            &self.functions,
            &self.versions,
            &self.inputs,
            &self.fingerprints,
            &self.queues,
            &self.tags,
            &self.priorities,
            &self.policies,
            &self.traces,
            &self.memo_keys,
            &self.memo_modes,
            &self.memo_ttls,
            &self.dues,
            &self.durations,
            &self.deadlines,
            &self.results,
            &now,
            &self.first.workers,
            &self.first.tokens,
            &self.first.leases_until(now),
        ];
        session.execute(include_str!("../sql/dispatch/insert.sql"), values).await
    }
}

/// The claims that tasks are made with, a column each.
#[derive(Default)]
pub(crate) struct FirstClaims {
    pub(crate) workers: Vec<Option<Uuid>>,
    pub(crate) tokens: Vec<Option<Uuid>>,
    leases: Vec<Option<Duration>>,
}

impl FirstClaims {
    /// The next task's, if it has one: what has a result needs none.
    pub(crate) fn push(&mut self, task: &NewTask, born: Option<&Payload>) {
        let claim = task.claim.as_ref().filter(|_| born.is_none());
        self.workers.push(claim.map(|claim| *claim.worker.as_uuid()));
        self.tokens.push(claim.map(|claim| *claim.token.as_uuid()));
        self.leases.push(claim.map(|claim| claim.lease));
    }

    /// When their leases end.
    pub(crate) fn leases_until(&self, now: At) -> Vec<Option<At>> {
        self.leases.iter().map(|lease| lease.map(|lease| At(now.0.after(lease)))).collect()
    }
}

/// The stored form of the policy that was asked for last: the items of a batch mostly share one.
#[derive(Default)]
struct Policies(Option<(Arc<RetryPolicy>, Arc<str>)>);

impl Policies {
    fn text(&mut self, policy: &Arc<RetryPolicy>) -> Arc<str> {
        if let Some((known, text)) = &self.0
            && Arc::ptr_eq(known, policy)
        {
            return Arc::clone(text);
        }
        let text: Arc<str> = policy.encode().into();
        self.0 = Some((Arc::clone(policy), Arc::clone(&text)));
        text
    }
}

/// How a task's result is shared, and how long in microseconds.
pub(crate) fn memo(task: &NewTask) -> (Option<&'static str>, Option<i64>) {
    match task.memo.as_ref().map(|memo| memo.mode) {
        None => (None, None),
        Some(MemoMode::Idempotent) => (Some("idempotent"), None),
        Some(MemoMode::Cached { ttl }) => (Some("cached"), ttl.map(micros)),
    }
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

/// The size of its payloads.
fn bytes(new: &NewExecution) -> usize {
    new.task.input.len() + new.born.as_ref().map_or(0, |result| result.len())
}

/// Inserts the roots that are new; answers per item.
pub(crate) async fn insert(
    session: &Session<'_>,
    now: Timestamp,
    roots: &NewRoots,
) -> Result<Vec<Dispatched>, BackendError> {
    let (all, mut made) = (&roots.executions, 0);
    for rows in roots.rows() {
        made += rows.insert(session, At(now)).await?;
    }
    if u64::try_from(all.len()).is_ok_and(|all| all == made) {
        return Ok(vec![Dispatched::Created; all.len()]);
    }
    let ids: Vec<Uuid> = all.iter().map(|new| *new.id.as_uuid()).collect();
    let dedups: Vec<Option<&str>> = all.iter().map(|new| new.dedup.as_deref()).collect();
    let rows = session.query(include_str!("../sql/dispatch/known.sql"), &[&ids, &dedups]).await?;
    let known = rows.iter().zip(all).map(|(row, new)| {
        let columns = Columns::new(session.operation(), "tasks", "id", row);
        if columns.flag("is_made")? {
            return Ok(Dispatched::Created);
        }
        let Some(bearer) = columns.optional_id("id")? else {
            // Retention has deleted it since; begun again, the transaction makes the execution.
            let text = "an execution was neither made nor was it there";
            return Err(BackendError::new(ErrorKind::Busy, session.operation()).with_message(text));
        };
        let is_same = columns.text("function")? == new.task.function.as_str()
            && columns.fingerprint("fingerprint")? == new.task.fingerprint;
        Ok(if is_same { Dispatched::Existing(bearer) } else { Dispatched::Conflict(bearer) })
    });
    known.collect()
}
