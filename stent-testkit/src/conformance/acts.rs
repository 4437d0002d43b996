//! What most cases do on their way: dispatch one, claim one, end it, look at it.

use async_trait::async_trait;
use stent_core::Backend;
use stent_core::claim::{ClaimRequest, ClaimedTask};
use stent_core::commit::{Commit, Dispatched, Suspended, TurnCommit};
use stent_core::execution::{ExecutionState, ExecutionStatus, NewExecution};
use stent_core::journal::{LoadedJournal, TurnWrite};
use stent_core::outcome::{Ended, Outcome};
use stent_core::task::{Suspension, TaskEnd, TaskRecord, TaskState};
use stent_core::{ExecutionId, TaskId, Timestamp};

use super::builders::{RequestWith, request};
use super::store::Trouble;

/// One of each, with the answer that a story expects demanded on the way. What a case is about it calls by the traits
/// themselves.
#[async_trait]
pub(super) trait Acts: Backend {
    /// Dispatches one execution, which must be created.
    async fn create(&self, now: Timestamp, execution: NewExecution) -> Result<ExecutionId, Trouble> {
        self.create_all(now, std::slice::from_ref(&execution)).await?;
        Ok(execution.id)
    }

    /// Dispatches executions, which must all be created.
    async fn create_all(&self, now: Timestamp, executions: &[NewExecution]) -> Result<(), Trouble> {
        let answers = self.dispatch(now, executions).await?;
        let expected = vec![Dispatched::Created; executions.len()];
        if answers == expected { Ok(()) } else { Err(Trouble::new(format!("not all were created: {answers:?}"))) }
    }

    /// Claims what this request gives; no row may be corrupt.
    async fn take(&self, now: Timestamp, request: ClaimRequest) -> Result<Vec<ClaimedTask>, Trouble> {
        let claimed = self.claim(now, &request).await?;
        if claimed.corrupt.is_empty() {
            Ok(claimed.tasks)
        } else {
            Err(Trouble::new(format!("rows cannot be read: {:?}", claimed.corrupt)))
        }
    }

    /// Claims everything that is free.
    async fn take_all(&self, now: Timestamp) -> Result<Vec<ClaimedTask>, Trouble> {
        self.take(now, request()).await
    }

    /// Claims the first task in claim order; one must be free.
    async fn take_one(&self, now: Timestamp) -> Result<ClaimedTask, Trouble> {
        self.take_with(now, request()).await
    }

    /// Claims the first task that this request gives; there must be one.
    async fn take_with(&self, now: Timestamp, request: ClaimRequest) -> Result<ClaimedTask, Trouble> {
        let task = self.take(now, request.limit(1)).await?.pop();
        task.ok_or_else(|| Trouble::new("a task is free, but the claim gave none"))
    }

    /// Dispatches an execution and claims its root, which must be the first in claim order.
    async fn start(&self, now: Timestamp, execution: NewExecution) -> Result<ClaimedTask, Trouble> {
        let id = self.create(now, execution).await?;
        let task = self.take_one(now).await?;
        if task.execution == id { Ok(task) } else { Err(Trouble::new("another execution's task was claimed")) }
    }

    /// Ends one claim.
    async fn finish(&self, now: Timestamp, end: TaskEnd) -> Result<Commit, Trouble> {
        one(self.complete(now, &[end]).await?)
    }

    /// Ends one claim, which must hold.
    async fn end(&self, now: Timestamp, end: TaskEnd) -> Result<(), Trouble> {
        match self.finish(now, end).await? {
            Commit::Applied => Ok(()),
            Commit::ClaimLost => Err(Trouble::new("the claim holds, but its end was answered `ClaimLost`")),
        }
    }

    /// Suspends one task.
    async fn doze(&self, now: Timestamp, suspension: Suspension) -> Result<Suspended, Trouble> {
        one(self.suspend(now, &[suspension]).await?)
    }

    /// Suspends one task, which must fall asleep.
    async fn rest(&self, now: Timestamp, suspension: Suspension) -> Result<(), Trouble> {
        match self.doze(now, suspension).await? {
            Suspended::Yes => Ok(()),
            other => {
                Err(Trouble::new(format!("the task has nothing to wake it, but its suspension was answered {other:?}")))
            }
        }
    }

    /// Writes one turn.
    async fn write_one(&self, now: Timestamp, turn: TurnWrite) -> Result<TurnCommit, Trouble> {
        one(self.write(now, &[turn]).await?)
    }

    /// Writes one turn, whose claim must hold.
    async fn note_down(&self, now: Timestamp, turn: TurnWrite) -> Result<(), Trouble> {
        match self.write_one(now, turn).await? {
            TurnCommit::Applied { .. } => Ok(()),
            TurnCommit::ClaimLost => Err(Trouble::new("the claim holds, but its write was answered `ClaimLost`")),
        }
    }

    /// A task's record, which must exist.
    async fn look(&self, task: TaskId) -> Result<TaskRecord, Trouble> {
        self.task(task).await?.ok_or_else(|| Trouble::new(format!("{task:?} does not exist")))
    }

    /// A task's state.
    async fn state(&self, task: TaskId) -> Result<TaskState, Trouble> {
        Ok(self.look(task).await?.state)
    }

    /// An execution's state; it must exist.
    async fn shown(&self, execution: ExecutionId) -> Result<ExecutionState, Trouble> {
        let record = self.execution(execution).await?;
        record.map(|record| record.state).ok_or_else(|| Trouble::new(format!("{execution:?} does not exist")))
    }

    /// What a waiting client learns about an execution.
    async fn status(&self, execution: ExecutionId) -> Result<ExecutionStatus, Trouble> {
        one(self.executions(&[execution]).await?)
    }

    /// How a task ended, if it has.
    async fn ended(&self, task: TaskId) -> Result<Option<Ended>, Trouble> {
        one(self.tasks(&[task]).await?)
    }

    /// The outcome of a task that must have ended.
    async fn outcome(&self, task: TaskId) -> Result<Outcome, Trouble> {
        let ended = self.ended(task).await?;
        ended.map(|ended| ended.outcome).ok_or_else(|| Trouble::new(format!("{task:?} has not ended")))
    }

    /// The journal of generation 0.
    async fn journal(&self, task: TaskId) -> Result<LoadedJournal, Trouble> {
        Ok(self.load(task, 0).await?)
    }
}

impl<T: Backend + ?Sized> Acts for T {}

/// The only answer of a batch of one.
pub(super) fn one<A>(mut answers: Vec<A>) -> Result<A, Trouble> {
    match answers.len() {
        1 => answers.pop().ok_or_else(|| Trouble::new("no answer")),
        other => Err(Trouble::new(format!("a batch of one item had {other} answers"))),
    }
}
