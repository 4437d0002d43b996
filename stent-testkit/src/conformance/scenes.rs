//! What the cases on journals and waits need besides: families of tasks, ways to lose a claim, resume points, two things at once.

use std::future::Future;

use async_trait::async_trait;
use stent_core::claim::{Claim, ClaimRequest, ClaimedTask};
use stent_core::commit::{Cancelled, TurnCommit};
use stent_core::journal::{EntryBody, LoadedJournal, Made};
use stent_core::operation::OperationId;
use stent_core::outcome::OperationOutcome;
use stent_core::task::{Resume, ResumePoint, TaskState, Wait};
use stent_core::{ExecutionId, Payload, TaskId, Timestamp};

use super::acts::Acts;
use super::builders::{
    ExecutionWith, LEASE, RequestWith, TaskWith, TurnWith, at, call, child, completed, execution, failure, fingerprint,
    has, items, map, payload, request, secs, signal_name, signal_wait, sleeping, turn,
};
use super::store::Trouble;

/// The answer to a turn that was written and took no signal.
pub(super) const WRITTEN: TurnCommit = TurnCommit::Applied { taken: None };

/// The answer to a turn that took this value.
pub(super) fn took(value: &str) -> TurnCommit {
    TurnCommit::Applied { taken: Some(OperationOutcome::Completed(payload(value))) }
}

/// A request for tasks of this function alone.
pub(super) fn only(of: &str) -> ClaimRequest {
    request().functions([has(of)])
}

/// The outcome of an operation that made this value.
pub(super) fn gave(operation: OperationId, value: &str) -> EntryBody {
    EntryBody::Outcome(operation, OperationOutcome::Completed(payload(value)))
}

/// The outcome of an operation that failed with this class.
pub(super) fn broke(operation: OperationId, class: &str) -> EntryBody {
    EntryBody::Outcome(operation, OperationOutcome::Failed(failure(class)))
}

/// A journal without places and times: the turn and body of every entry.
pub(super) fn told(journal: &LoadedJournal) -> Vec<(u32, EntryBody)> {
    journal.entries.iter().map(|entry| (entry.turn, entry.body.clone())).collect()
}

/// Resume before this turn, which was given the failure of an operation that has no child.
pub(super) fn before_turn(turn: u32, operation: OperationId) -> Resume {
    Resume::At(ResumePoint { turn: Some(turn), operation: Some(operation), child: None })
}

/// Resume before this turn, which was given the failure of this child.
pub(super) fn before_child(turn: u32, operation: OperationId, child: TaskId) -> Resume {
    Resume::At(ResumePoint { turn: Some(turn), operation: Some(operation), child: Some(child) })
}

/// Resume at the journal's end.
pub(super) fn at_the_end() -> Resume {
    Resume::At(ResumePoint::default())
}

/// A wait for a value in this slot.
pub(super) fn slot(name: &str) -> Wait {
    Wait::Signal(signal_name(name))
}

/// A wait for a range of a map.
pub(super) fn range(map: &OperationId, items: std::ops::Range<u32>) -> Wait {
    Wait::Map { operation: map.clone(), items, settled: false }
}

/// A wait for a range of a `map_settled`.
pub(super) fn settled_range(map: &OperationId, items: std::ops::Range<u32>) -> Wait {
    Wait::Map { operation: map.clone(), items, settled: true }
}

/// A priority that grows with time, so that what an earlier round of a case left is not claimed first.
pub(super) fn rank(now: Timestamp) -> i32 {
    i32::try_from(now.since(at(0)).as_secs()).unwrap_or(i32::MAX)
}

/// A parent that has made children, which are free to be claimed.
pub(super) struct Family {
    /// The parent's claim.
    pub(super) parent: Claim,
    /// Its execution.
    pub(super) execution: ExecutionId,
    /// The call that made each child; a map's items share one.
    pub(super) operations: Vec<OperationId>,
    /// The children, in the order of their making.
    pub(super) children: Vec<TaskId>,
}

/// How a claim is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Loss {
    /// Its lease ran out and another claimed the task.
    Superseded,
    /// Another claimed the task and completed it.
    EndedByAnother,
    /// A client cancelled the execution.
    Cancelled,
    /// The execution's deadline passed.
    TimedOut,
    /// The task was suspended.
    Suspended,
}

impl Loss {
    /// Every way.
    pub(super) const ALL: [Self; 5] =
        [Self::Superseded, Self::EndedByAnother, Self::Cancelled, Self::TimedOut, Self::Suspended];
}

/// Acts that take several calls.
#[async_trait]
pub(super) trait Scenes: Acts {
    /// Claims the first free task of this function; there must be one.
    async fn take_of(&self, now: Timestamp, function: &str) -> Result<ClaimedTask, Trouble> {
        self.take_with(now, only(function)).await
    }

    /// Starts an execution of `parent`, whatever else is free.
    async fn parent(&self, now: Timestamp) -> Result<ClaimedTask, Trouble> {
        let id = self.create(now, execution("parent").due(now).priority(rank(now))).await?;
        let root = self.take_of(now, "parent").await?;
        if root.execution == id { Ok(root) } else { Err(Trouble::new("another parent was claimed")) }
    }

    /// Starts an execution of `parent` whose first turn calls each of these functions.
    async fn family(&self, now: Timestamp, functions: &[&str]) -> Result<Family, Trouble> {
        let root = self.parent(now).await?;
        let operations: Vec<_> = functions.iter().map(|function| call(0, function)).collect();
        let children = self.call_all(now, root.claim, &operations).await?;
        Ok(Family { parent: root.claim, execution: root.execution, operations, children })
    }

    /// Writes a turn that makes these calls.
    async fn call_all(&self, now: Timestamp, parent: Claim, calls: &[OperationId]) -> Result<Vec<TaskId>, Trouble> {
        let children: Vec<_> = calls.iter().map(|call| child(parent.task, call.clone()).due(now)).collect();
        let ids = children.iter().map(|child| child.id).collect();
        self.note_down(now, turn(parent).children(children)).await?;
        Ok(ids)
    }

    /// Starts an execution of `parent` whose first turn maps over so many items.
    async fn mapping(&self, now: Timestamp, count: u32) -> Result<Family, Trouble> {
        let root = self.parent(now).await?;
        let operation = map(0, "item");
        let made = items(root.claim.task, &operation, 0..count);
        let children = made.iter().map(|item| item.id).collect();
        let write = turn(root.claim).made(0, operation.clone(), Made::Map { chunk: count }).children(made);
        self.note_down(now, write).await?;
        Ok(Family { parent: root.claim, execution: root.execution, operations: vec![operation], children })
    }

    /// Claims all items of a map, in the order of their indexes.
    async fn take_items(&self, now: Timestamp) -> Result<Vec<Claim>, Trouble> {
        Ok(self.take(now, only("item")).await?.into_iter().map(|item| item.claim).collect())
    }

    /// Starts an execution of `f` whose claim was then lost in this way. It has a deadline 100 seconds after `now`.
    async fn lost(&self, now: Timestamp, loss: Loss) -> Result<ClaimedTask, Trouble> {
        let new = execution("f").due(now).priority(rank(now)).max_duration(secs(100));
        let task = self.start(now, new).await?;
        self.lose(now, &task, loss).await?;
        Ok(task)
    }

    /// Makes a task that was claimed at `now` lose its claim.
    async fn lose(&self, now: Timestamp, task: &ClaimedTask, loss: Loss) -> Result<(), Trouble> {
        match loss {
            Loss::Superseded => {
                self.take_of(now.after(LEASE), &task.function).await?;
            }
            Loss::EndedByAnother => {
                let other = self.take_of(now.after(LEASE), &task.function).await?;
                self.end(now.after(LEASE), completed(other.claim, "another's")).await?;
            }
            Loss::Cancelled => {
                let answer = self.cancel(now, task.execution).await?;
                assert_eq!(answer, Cancelled::Done);
            }
            Loss::TimedOut => {
                let expired = self.expire(now.after(secs(100)), 1_000).await?;
                assert!(expired.contains(&task.execution), "C-T3: the deadline has passed");
            }
            Loss::Suspended => self.rest(now, sleeping(task.claim, now.after(secs(60)))).await?,
        }
        Ok(())
    }

    /// The states of tasks.
    async fn states(&self, tasks: &[TaskId]) -> Result<Vec<TaskState>, Trouble> {
        let mut states = Vec::new();
        for task in tasks {
            states.push(self.state(*task).await?);
        }
        Ok(states)
    }

    /// A value in a slot, taken by a running task and journaled at this place.
    async fn take_signal(
        &self,
        now: Timestamp,
        claim: Claim,
        seq: u32,
        name: &str,
    ) -> Result<Option<Payload>, Trouble> {
        match self.write_one(now, turn(claim).take(seq, 0, signal_wait(0, name))).await? {
            TurnCommit::Applied { taken: None } => Ok(None),
            TurnCommit::Applied { taken: Some(OperationOutcome::Completed(value)) } => Ok(Some(value)),
            TurnCommit::Applied { taken: Some(other) } => {
                Err(Trouble::new(format!("a take without a time gave {other:?}")))
            }
            TurnCommit::ClaimLost => Err(Trouble::new("the claim holds, but its take was answered `ClaimLost`")),
        }
    }

    /// The value stored under a memo key.
    async fn known(&self, now: Timestamp, key: &str) -> Result<Option<Payload>, Trouble> {
        super::acts::one(self.recall(now, &[fingerprint(key)]).await?)
    }
}

impl<T: Acts + ?Sized> Scenes for T {}

/// Two things at once, each on a thread of its own as far as there are any.
pub(super) async fn at_once<A, B>(
    one: impl Future<Output = Result<A, Trouble>> + Send + 'static,
    other: impl Future<Output = Result<B, Trouble>> + Send + 'static,
) -> Result<(A, B), Trouble>
where
    A: Send + 'static,
    B: Send + 'static,
{
    let (one, other) = (tokio::spawn(one), tokio::spawn(other));
    let joined = |error: tokio::task::JoinError| Trouble::new(format!("a racing call panicked: {error}"));
    Ok((one.await.map_err(joined)??, other.await.map_err(joined)??))
}
