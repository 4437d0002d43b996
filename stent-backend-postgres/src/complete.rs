//! Completion: claims are given up. However many ends go together, each kind of them is one statement, which checks the claims and tells what else
//! there is to do.
//!
//! Ends with open children, and retries that reopen some, concern a tree: each is a transaction of its own, so that the tree can be locked from below.
//! Those of a batch come after the others, the deepest first, so that the outcome is that of the ends one by one, children before parents.
//!
//! The others go together whatever their depths. One statement locks their rows and those of suspended parents, in the order of all transactions; a statement
//! for the ends and one for the parents would each be in order, and both together not. Without the lock on the parents before, which those who suspend
//! themselves wait for, a parent would miss the end.

mod at_once;
mod given;

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use async_trait::async_trait;
use stent_core::backend::{Completion, Hint};
use stent_core::claim::Claim;
use stent_core::commit::{Commit, Suspended};
use stent_core::error::BackendError;
use stent_core::id::{ExecutionId, TaskId};
use stent_core::task::{End, Resume, Suspension, TaskEnd, TaskState};
use stent_core::time::Timestamp;
use tokio_postgres::Row;
use uuid::Uuid;

use crate::PostgresBackend;
use crate::batch::PARCEL;
use crate::connection::{Session, Values};
use crate::effects;
use crate::row::Columns;
use crate::transaction::Hinted;
use crate::tree::{self, Cancellation};
use at_once::{FEW, is_plain, is_root};
use given::{Given, Which};

const COMPLETE: &str = "complete";

/// Ends or suspensions in one transaction: with more, others wait longer than is saved.
pub(crate) const TOGETHER: usize = 1_000;

#[async_trait]
impl Completion for PostgresBackend {
    async fn complete(&self, now: Timestamp, ends: &[TaskEnd]) -> Result<Vec<Commit>, BackendError> {
        let mut commits = Vec::with_capacity(ends.len());
        for parcel in parcels(ends) {
            commits.extend(self.complete_parcel(now, parcel.into()).await?);
        }
        Ok(commits)
    }

    async fn suspend(&self, now: Timestamp, suspensions: &[Suspension]) -> Result<Vec<Suspended>, BackendError> {
        let mut answers = Vec::with_capacity(suspensions.len());
        for together in suspensions.chunks(TOGETHER) {
            answers.extend(self.suspend_together(now, together).await?);
        }
        Ok(answers)
    }
}

impl PostgresBackend {
    async fn complete_parcel(&self, now: Timestamp, ends: Arc<[TaskEnd]>) -> Result<Vec<Commit>, BackendError> {
        let (at_once, others): (Vec<usize>, Vec<usize>) = (0..ends.len()).partition(|place| is_plain(&ends[*place]));
        let (roots, children): (Vec<usize>, Vec<usize>) = at_once.into_iter().partition(|place| is_root(&ends[*place]));
        let mut commits = vec![Commit::Applied; ends.len()];
        let (mut left, few) = (others, children.len() <= FEW);
        left.extend(self.complete_at_once(now, &ends, roots, true).await?);
        if few {
            left.extend(self.complete_at_once(now, &ends, children, false).await?);
        } else {
            left.extend(children);
        }
        if left.is_empty() {
            return Ok(commits);
        }
        left.sort_unstable();
        let together = left.iter().filter_map(|place| ends.get(*place).cloned()).collect();
        for (place, answer) in left.into_iter().zip(self.complete_together(now, together).await?) {
            if let Some(commit) = commits.get_mut(place) {
                *commit = answer;
            }
        }
        Ok(commits)
    }

    async fn complete_together(&self, now: Timestamp, ends: Arc<[TaskEnd]>) -> Result<Vec<Commit>, BackendError> {
        let all = Arc::clone(&ends);
        let answers = self.write_hinting(COMPLETE, move |session| {
            let ends = Arc::clone(&all);
            Box::pin(async move { together(session, now, &ends).await })
        });
        let (mut commits, mut trees) = (Vec::with_capacity(ends.len()), Vec::new());
        for (place, answer) in answers.await?.into_iter().enumerate() {
            commits.push(match answer {
                Answer::Given(commit) => commit,
                Answer::Alone { depth } => {
                    trees.push((Reverse(depth), place));
                    Commit::ClaimLost
                }
            });
        }
        trees.sort_unstable();
        for (_, place) in trees {
            let (Some(end), Some(commit)) = (ends.get(place), commits.get_mut(place)) else { continue };
            let end = Arc::new(end.clone());
            let answer = self.write_hinting(COMPLETE, move |session| {
                let end = Arc::clone(&end);
                Box::pin(async move { alone(session, now, &end).await })
            });
            *commit = answer.await?;
        }
        Ok(commits)
    }
}

/// What became of an end among others.
enum Answer {
    /// It is answered.
    Given(Commit),
    /// Its claim holds, but it is a transaction of its own.
    Alone { depth: u32 },
}

/// An end that was applied, and what it told about the task.
pub(crate) struct Applied<'a> {
    pub(crate) end: &'a TaskEnd,
    pub(crate) execution: ExecutionId,
    pub(crate) is_root: bool,
    /// Its parent is suspended, and locked.
    pub(crate) parent_waits: bool,
    /// There are open children. All that is open below is locked, but for what is made there meanwhile.
    pub(crate) has_open: bool,
    /// Its result is shared.
    pub(crate) has_memo: bool,
    /// Its function has a limit: the place that it held is free for another.
    pub(crate) is_limited: bool,
}

/// Ends in one transaction, but for those that want one of their own.
async fn together(
    session: &Session<'_>,
    now: Timestamp,
    ends: &[TaskEnd],
) -> Result<Hinted<Vec<Answer>>, BackendError> {
    let tried: Vec<_> = ends.iter().filter(|end| !reopens(&end.end)).collect();
    let mut applied = Vec::new();
    if !tried.is_empty() {
        let (tasks, mut tokens) = claims(tried.iter().map(|end| &end.claim));
        // A claim's tasks share one: each task is compared with few.
        tokens.sort_unstable();
        tokens.dedup();
        let (parents, own): (Values<'_>, Values<'_>) = (&[&tasks], &[&tasks, &tokens]);
        let given = Given::new(session, &tried)?;
        // What a lock protects is read by a later statement than the one that took it.
        let (_, _, rows) = tokio::try_join!(
            biased;
            session.execute(include_str!("../sql/complete/parents.sql"), parents),
            session.execute(include_str!("../sql/complete/own.sql"), own),
            given.apply(session, now, Which::Closed),
        )?;
        applied = read(session, &tried, &rows)?;
    }
    let done: HashSet<TaskId> = applied.iter().map(|applied| applied.end.claim.task).collect();
    let mut answers: Vec<_> = ends.iter().map(|_| Answer::Given(Commit::Applied)).collect();
    if applied.len() < ends.len() {
        let claims: Vec<_> = ends.iter().map(|end| end.claim).collect();
        for ((answer, end), found) in answers.iter_mut().zip(ends).zip(states(session, &claims).await?) {
            if !done.contains(&end.claim.task) {
                *answer = judge(found, &end.end);
            }
        }
    }
    effects::complete(session, now, &applied).await?;
    Ok((answers, hints(&applied)))
}

/// One end, with the tree below it.
async fn alone(session: &Session<'_>, now: Timestamp, end: &TaskEnd) -> Result<Hinted<Commit>, BackendError> {
    let (ends, below) = ([end], [Cancellation::below_end_of(end.claim.task)]);
    let (tasks, tokens) = claims([&end.claim]);
    let (parents, own): (Values<'_>, Values<'_>) = (&[&tasks], &[&tasks, &tokens]);
    let given = Given::new(session, &ends)?;
    let (_, (), _, rows) = tokio::try_join!(
        biased;
        session.execute(include_str!("../sql/complete/parents.sql"), parents),
        // Before the task itself, which is above.
        tree::lock(session, &below),
        session.execute(include_str!("../sql/complete/own.sql"), own),
        given.apply(session, now, Which::All),
    )?;
    let applied = read(session, &ends, &rows)?;
    if applied.is_empty() {
        let found = states(session, &[end.claim]).await?.into_iter().next().flatten();
        let is_repeat = found.is_some_and(|(state, _)| is_repeat(state, &end.end));
        return Ok((if is_repeat { Commit::Applied } else { Commit::ClaimLost }, Vec::new()));
    }
    effects::complete(session, now, &applied).await?;
    Ok((Commit::Applied, hints(&applied)))
}

/// The ends that were applied, in the order in which they were given.
fn read<'a>(session: &Session<'_>, ends: &[&'a TaskEnd], rows: &[Row]) -> Result<Vec<Applied<'a>>, BackendError> {
    let places: HashMap<TaskId, usize> = ends.iter().map(|end| end.claim.task).zip(0..).collect();
    let mut applied = Vec::with_capacity(rows.len());
    for row in rows {
        let columns = Columns::new(session.operation(), "tasks", "id", row);
        let Some(&place) = places.get(&columns.id("id")?) else { continue };
        let Some(end) = ends.get(place) else { continue };
        let told = Applied {
            end,
            execution: columns.id("execution")?,
            is_root: columns.flag("is_root")?,
            parent_waits: columns.flag("parent_waits")?,
            has_open: columns.flag("has_open")?,
            has_memo: columns.flag("has_memo")?,
            is_limited: columns.flag("is_limited")?,
        };
        applied.push((place, told));
    }
    applied.sort_unstable_by_key(|(place, _)| *place);
    Ok(applied.into_iter().map(|(_, told)| told).collect())
}

/// The states and depths of tasks that nobody has claimed since these claims; `None` for the others.
pub(crate) async fn states(
    session: &Session<'_>,
    given: &[Claim],
) -> Result<Vec<Option<(TaskState, u32)>>, BackendError> {
    let (tasks, tokens) = claims(given);
    let rows = session.query(include_str!("../sql/complete/repeats.sql"), &[&tasks, &tokens]).await?;
    let mut states = vec![None; given.len()];
    for row in &rows {
        let columns = Columns::new(session.operation(), "tasks", "key", row);
        if let Some(state) = states.get_mut(columns.number::<usize>("key")?) {
            *state = Some((columns.state("state")?, columns.number("depth")?));
        }
    }
    Ok(states)
}

/// Tasks and tokens of claims, an array each.
pub(crate) fn claims<'a>(claims: impl IntoIterator<Item = &'a Claim>) -> (Vec<Uuid>, Vec<Uuid>) {
    claims.into_iter().map(|claim| (*claim.task.as_uuid(), *claim.token.as_uuid())).unzip()
}

/// What is to be said of an end that was not applied among others.
fn judge(found: Option<(TaskState, u32)>, end: &End) -> Answer {
    match found {
        Some((TaskState::Running, depth)) => Answer::Alone { depth },
        Some((state, _)) if is_repeat(state, end) => Answer::Given(Commit::Applied),
        _ => Answer::Given(Commit::ClaimLost),
    }
}

/// Whether a task in this state, whose last claim is the end's, has been ended so before.
fn is_repeat(state: TaskState, end: &End) -> bool {
    match end {
        End::Completed { .. } => state == TaskState::Completed,
        End::Failed { .. } => state == TaskState::Failed,
        End::Retry { .. } | End::Released { .. } => matches!(state, TaskState::Pending | TaskState::Scheduled),
    }
}

/// Whether it opens again what is below.
fn reopens(end: &End) -> bool {
    matches!(end, End::Retry { resume: Resume::At(_), .. })
}

/// Whether the task has ended with this.
pub(crate) fn is_final(end: &End) -> bool {
    matches!(end, End::Completed { .. } | End::Failed { .. })
}

fn hints(applied: &[Applied<'_>]) -> Vec<Hint> {
    let mut hints = Vec::new();
    for applied in applied {
        hints.push(if is_final(&applied.end.end) { Hint::TasksEnded } else { Hint::TasksReady });
        // A place that is free, of the task or of what was cancelled below it, is one that another waits for.
        if applied.parent_waits || applied.is_limited || applied.has_open {
            hints.push(Hint::TasksReady);
        }
        if applied.is_root {
            hints.push(Hint::ExecutionEnded(applied.execution));
        }
    }
    hints
}

/// Ends that go together: all of them, unless they are many or their results very large.
fn parcels(ends: &[TaskEnd]) -> Vec<&[TaskEnd]> {
    let (mut parcels, mut rest, mut bytes) = (Vec::new(), ends, 0);
    let mut place = 0;
    while let Some(end) = rest.get(place) {
        place += 1;
        if let End::Completed { output, .. } = &end.end {
            bytes += output.as_bytes().len();
        }
        if bytes >= PARCEL || place == TOGETHER || place == rest.len() {
            let (parcel, others) = rest.split_at(place);
            parcels.push(parcel);
            (rest, place, bytes) = (others, 0, 0);
        }
    }
    parcels
}
