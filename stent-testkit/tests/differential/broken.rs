//! The reference model with one rule broken: calls are changed on their way to it, or their answers on the way back.

use std::ops::Range;
use std::time::Duration;

use async_trait::async_trait;
use stent_core::backend::{
    Claims, Completion, DeadLetterFilter, Dispatch, ExecutionFilter, HasWakeUps, Inspect, Journal, Maintenance, Memos,
    Outcomes, Page, ProgressCursor, ProgressEntry, Pruned, ReadVariables, RedriveTarget, Signals, TaskCount,
    TaskFilter, Watch,
};
use stent_core::claim::{Claim, ClaimRequest, Claimed, Renewal};
use stent_core::commit::{Cancelled, Commit, Dispatched, Redriven, Reserved, Sent, Suspended, TurnCommit};
use stent_core::dead_letter::DeadLetter;
use stent_core::execution::{ExecutionRecord, ExecutionStatus, NewExecution};
use stent_core::journal::{JournalEntry, LoadedJournal, TurnWrite};
use stent_core::operation::OperationId;
use stent_core::outcome::Ended;
use stent_core::signal::SignalSend;
use stent_core::task::{End, MapItem, Resume, ResumePoint, Suspension, TaskEnd, TaskPayloads, TaskRecord, Wait};
use stent_core::variable::Variables;
use stent_core::worker::{LimitRecord, QueueRecord, WorkerRecord};
use stent_core::{BackendError, ExecutionId, Fingerprint, Payload, TaskId, Timestamp, WorkerId};
use stent_testkit::memory::MemoryBackend;

macro_rules! rules {
    ($($(#[$doc:meta])* $rule:ident,)*) => {
        /// A rule that can be broken.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum Rule {
            $($(#[$doc])* $rule,)*
        }

        impl Rule {
            pub(crate) const ALL: &[Self] = &[$(Self::$rule),*];
        }
    };
}

rules! {
    /// S5: two handles see one store.
    AStoreOutlivesItsHandles,
    /// C-K3
    AnotherInputIsAConflict,
    /// C-T3
    DeadlinesCountFromTheScheduledStart,
    /// C-Q1
    TagsAreAsked,
    /// C-Y4
    ExpiredClaimsAreLeftToTheirHolders,
    /// C-R9
    AbandonedChildrenAreCancelled,
    /// C-Q5
    SuspendedTasksWaitForSignals,
    /// C-Q4
    AFailedItemWakes,
    /// C-Y3
    ARestartBeginsANewJournal,
    /// C-Y5
    ARedriveBeginsAtItsPoint,
    /// C-Y5
    DeadLettersAreStored,
    /// C-V1
    LastNotesAreAppended,
    /// C-S1
    TheLatestValueWins,
    /// C-S4
    WaitsEndInTime,
    /// C-K2
    AHeldKeyIsHeld,
    /// C-X3
    RetentionSparesWhatEndedAtItsTime,
    /// A backend that panics is told by the history that makes it.
    NoCallPanics,
}

/// The model without a rule.
pub(crate) struct Broken {
    inner: MemoryBackend,
    rule: Rule,
}

impl Broken {
    pub(crate) fn new(inner: MemoryBackend, rule: Rule) -> Self {
        Self { inner, rule }
    }

    fn dispatched(&self, now: Timestamp, executions: &[NewExecution]) -> Vec<NewExecution> {
        let mut executions = executions.to_vec();
        if self.rule == Rule::DeadlinesCountFromTheScheduledStart {
            for new in &mut executions {
                let waits = new.task.due.since(now);
                new.max_duration = new.max_duration.map(|duration| duration.saturating_sub(waits));
            }
        }
        executions
    }

    fn asked(&self, request: &ClaimRequest) -> ClaimRequest {
        let mut request = request.clone();
        match self.rule {
            Rule::TagsAreAsked => request.tags = [].into(),
            Rule::ExpiredClaimsAreLeftToTheirHolders => request.take_expired = true,
            _ => {}
        }
        request
    }

    fn written(&self, turns: &[TurnWrite]) -> Vec<TurnWrite> {
        let mut turns = turns.to_vec();
        if self.rule == Rule::AbandonedChildrenAreCancelled {
            turns.iter_mut().for_each(|turn| turn.cancels.clear());
        }
        if self.rule == Rule::WaitsEndInTime {
            turns.iter_mut().flat_map(|turn| &mut turn.take).for_each(|take| take.until = None);
        }
        turns
    }

    fn given_up(&self, ends: &[TaskEnd]) -> Vec<TaskEnd> {
        let mut ends = ends.to_vec();
        for TaskEnd { end, .. } in &mut ends {
            match (self.rule, end) {
                (Rule::ARestartBeginsANewJournal, End::Retry { resume: resume @ Resume::Restart, .. })
                | (Rule::ARedriveBeginsAtItsPoint, End::Failed { resume: resume @ Resume::At(_), .. }) => {
                    *resume = Resume::At(ResumePoint::default());
                }
                (Rule::DeadLettersAreStored, End::Failed { dead_letter, .. }) => *dead_letter = false,
                (Rule::LastNotesAreAppended, End::Completed { notes, .. }) => notes.clear(),
                _ => {}
            }
        }
        ends
    }

    fn suspended(&self, suspensions: &[Suspension]) -> Vec<Suspension> {
        let mut suspensions = suspensions.to_vec();
        for wait in suspensions.iter_mut().flat_map(|suspension| &mut suspension.waits) {
            match (self.rule, &mut *wait) {
                (Rule::AFailedItemWakes, Wait::Map { settled, .. }) => *settled = true,
                (Rule::SuspendedTasksWaitForSignals, Wait::Signal(_)) => {
                    *wait = Wait::Child(TaskId::from_bytes([0; 16]));
                }
                _ => {}
            }
        }
        suspensions
    }

    /// A value that would take another's place is answered for and dropped.
    async fn is_dropped(&self, send: &SignalSend) -> Result<bool, BackendError> {
        let slot = [Watch::Signal(send.execution, send.name.clone())];
        Ok(self.rule == Rule::TheLatestValueWins && self.inner.news(&slot).await? == [true])
    }
}

impl HasWakeUps for Broken {}

macro_rules! answer {
    ($passed_on:expr;) => {
        $passed_on
    };
    ($passed_on:expr; $own:expr) => {
        $own
    };
}

/// A trait: methods pass the call on, but for those with an answer of their own.
macro_rules! role {
    ($role:ident {
        $(fn $method:ident(&self $(, $argument:ident: $type:ty)*) -> $answer:ty $(= |$this:ident| $own:expr)?;)*
    }) => {
        #[async_trait]
        impl $role for Broken {$(
            async fn $method(&self $(, $argument: $type)*) -> Result<$answer, BackendError> {
                $(let $this = self;)?
                answer!(self.inner.$method($($argument),*).await; $($own)?)
            }
        )*}
    };
}

role!(Dispatch {
    fn dispatch(&self, now: Timestamp, executions: &[NewExecution]) -> Vec<Dispatched> = |this| {
        let answers = this.inner.dispatch(now, &this.dispatched(now, executions)).await?;
        let answer = |answer| match answer {
            Dispatched::Conflict(id) if this.rule == Rule::AnotherInputIsAConflict => Dispatched::Existing(id),
            answer => answer,
        };
        Ok(answers.into_iter().map(answer).collect())
    };
    fn cancel(&self, now: Timestamp, execution: ExecutionId) -> Cancelled;
    fn redrive(&self, now: Timestamp, target: RedriveTarget) -> Redriven;
    fn expire(&self, now: Timestamp, limit: u32) -> Vec<ExecutionId>;
});

role!(Claims {
    fn claim(&self, now: Timestamp, request: &ClaimRequest) -> Claimed = |this| {
        this.inner.claim(now, &this.asked(request)).await
    };
    fn renew(&self, now: Timestamp, worker: &WorkerRecord, claims: &[Claim]) -> Vec<Renewal>;
    fn lapse(&self, now: Timestamp, worker: WorkerId) -> u32 = |this| {
        assert!(this.rule != Rule::NoCallPanics, "a worker is gone");
        this.inner.lapse(now, worker).await
    };
});

role!(Journal {
    fn load(&self, task: TaskId, generation: u32) -> LoadedJournal;
    fn write(&self, now: Timestamp, turns: &[TurnWrite]) -> Vec<TurnCommit> = |this| {
        this.inner.write(now, &this.written(turns)).await
    };
});

role!(Completion {
    fn complete(&self, now: Timestamp, ends: &[TaskEnd]) -> Vec<Commit> = |this| {
        this.inner.complete(now, &this.given_up(ends)).await
    };
    fn suspend(&self, now: Timestamp, suspensions: &[Suspension]) -> Vec<Suspended> = |this| {
        this.inner.suspend(now, &this.suspended(suspensions)).await
    };
});

role!(Outcomes {
    fn tasks(&self, tasks: &[TaskId]) -> Vec<Option<Ended>>;
    fn map_items(&self, parent: TaskId, generation: u32, operation: &OperationId, items: Range<u32>) -> Vec<MapItem>;
    fn executions(&self, executions: &[ExecutionId]) -> Vec<ExecutionStatus>;
    fn news(&self, watches: &[Watch]) -> Vec<bool>;
});

role!(Signals {
    fn send(&self, now: Timestamp, send: &SignalSend) -> Sent = |this| {
        match this.is_dropped(send).await? {
            true => Ok(Sent::Stored { overwrote: true }),
            false => this.inner.send(now, send).await,
        }
    };
});

role!(Memos {
    fn recall(&self, now: Timestamp, keys: &[Fingerprint]) -> Vec<Option<Payload>>;
    fn reserve(&self, now: Timestamp, claim: Claim, key: Fingerprint) -> Reserved = |this| {
        match this.inner.reserve(now, claim, key).await? {
            Reserved::Held { .. } if this.rule == Rule::AHeldKeyIsHeld => Ok(Reserved::Yours),
            answer => Ok(answer),
        }
    };
});

role!(ReadVariables {
    fn read(&self, execution: ExecutionId) -> Variables;
});

role!(Inspect {
    fn list_executions(&self, filter: &ExecutionFilter, page: Page<ExecutionId>) -> Vec<ExecutionRecord>;
    fn count_executions(&self, filter: &ExecutionFilter) -> u64;
    fn count_ended(&self, span: Range<Timestamp>) -> Vec<TaskCount>;
    fn execution(&self, id: ExecutionId) -> Option<ExecutionRecord>;
    fn list_tasks(&self, filter: &TaskFilter, page: Page<TaskId>) -> Vec<TaskRecord>;
    fn count_tasks(&self, filter: &TaskFilter) -> u64;
    fn count_children(&self, parent: TaskId) -> Vec<TaskCount>;
    fn task(&self, id: TaskId) -> Option<TaskRecord>;
    fn payloads(&self, tasks: &[TaskId]) -> Vec<Option<TaskPayloads>>;
    fn waits(&self, task: TaskId) -> Vec<Wait>;
    fn list_journal(&self, task: TaskId, page: Page<u32>) -> Vec<JournalEntry>;
    fn list_progress(&self, execution: ExecutionId, page: Page<ProgressCursor>) -> Vec<ProgressEntry>;
    fn list_dead_letters(&self, filter: &DeadLetterFilter, page: Page<TaskId>) -> Vec<DeadLetter>;
    fn count_dead_letters(&self, filter: &DeadLetterFilter) -> u64;
    fn dead_letter(&self, task: TaskId) -> Option<DeadLetter>;
    fn queues(&self, now: Timestamp) -> Vec<QueueRecord>;
    fn workers(&self) -> Vec<WorkerRecord>;
    fn limits(&self) -> Vec<LimitRecord>;
});

role!(Maintenance {
    fn migrate(&self) -> ();
    fn schema_version(&self) -> u32;
    fn ping(&self) -> Option<Timestamp>;
    fn prune(&self, now: Timestamp, before: Timestamp) -> Pruned = |this| {
        let spares = this.rule != Rule::RetentionSparesWhatEndedAtItsTime;
        let eager = before.after(Duration::from_micros(1));
        this.inner.prune(now, if spares { before } else { eager }).await
    };
    fn discard_dead_letter(&self, task: TaskId) -> bool;
});
