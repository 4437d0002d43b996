//! Standing claims: a worker that has looked and found too little stands ready for what its own process makes. Such a task is born under the worker's claim and
//! begins when the write that made it is committed: the claim that would have given it is saved.
//!
//! It is given what that claim would have given: only to a worker that knows of nothing else to take, with a free slot, that has the function and serves queue
//! and tags; nothing of limited functions, whose places are counted over all workers (C-Q1, C-Q3, C-R7).

use std::cmp::Reverse;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use stent_core::claim::{Claim, ClaimFunction, ClaimedTask, FirstClaim};
use stent_core::task::{End, NewTask};
use stent_core::worker::WorkerState;
use stent_core::{ClaimToken, ExecutionId, TaskId, Timestamp};

use super::run::Active;
use super::{Shared, complete, run};
use crate::slots::Slot;

/// The workers of this process.
#[derive(Default)]
pub(crate) struct StandingClaims(Mutex<Vec<Weak<Shared>>>);

impl StandingClaims {
    pub(super) fn register(&self, worker: &Arc<Shared>) {
        let mut workers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        workers.retain(|worker| worker.strong_count() > 0);
        workers.push(Arc::downgrade(worker));
    }

    /// True if the code of this task runs in this process: its end is told here.
    pub(crate) fn runs(&self, task: TaskId) -> bool {
        let workers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        workers.iter().filter_map(Weak::upgrade).any(|worker| worker.leases.runs_task(task))
    }

    /// The place of a task that is about to be made, at a worker that would claim it at once.
    pub(crate) fn place_for(&self, task: TaskId, new: &NewTask) -> Option<Place> {
        let workers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        workers.iter().filter_map(Weak::upgrade).find_map(|worker| Place::at(worker, task, new))
    }
}

/// The places of tasks in the order in which claims would give them: priority (high first), due time, age (C-Q1).
pub(crate) fn in_claim_order<'t>(tasks: impl Iterator<Item = &'t NewTask>) -> Vec<usize> {
    let mut order: Vec<_> = tasks.map(|task| (Reverse(task.priority), task.due)).zip(0..).collect();
    order.sort_unstable();
    order.into_iter().map(|(_, at)| at).collect()
}

/// A slot that is kept for a task while it is being made under a claim. Dropped before it is known what became of that, it sees to it that nobody waits for the
/// lease of a claim that nobody holds.
pub(crate) struct Place {
    task: TaskId,
    claim: FirstClaim,
    state: Mutex<State>,
}

enum State {
    /// Nobody was asked to make the task.
    Kept(Active, Slot),
    /// The store was asked to, once, at this time.
    Asked(Active, Slot, Timestamp),
    /// It was asked again: when the task was made is not known here, nor who has it now.
    Doubtful(Active),
    Gone,
}

impl Place {
    fn at(worker: Arc<Shared>, task: TaskId, new: &NewTask) -> Option<Self> {
        let now = worker.now();
        if !(worker.stands_ready() && new.due <= now && worker.takes(new)) {
            return None;
        }
        let slot = worker.engine.slots.take_for_claim()?;
        let active = Active::begin(&worker);
        // Counted first: who drains either sees it or is seen here.
        if !worker.is_running() {
            return None;
        }
        let claim = FirstClaim { worker: worker.id, token: ClaimToken::random(), lease: worker.engine.settings.lease };
        Some(Self { task, claim, state: Mutex::new(State::Kept(active, slot)) })
    }

    /// The claim under which the task is to be made.
    pub(crate) fn claim(&self) -> FirstClaim {
        self.claim
    }

    /// The store is being asked to make the task, at this time.
    pub(crate) fn ask(&self, now: Timestamp) {
        self.change(|state| match state {
            State::Kept(active, slot) => State::Asked(active, slot, now),
            State::Asked(active, ..) => State::Doubtful(active),
            state => state,
        });
    }

    /// The task was made, a root or a child of this parent one deeper than it: it begins.
    pub(crate) fn begin(&self, new: &NewTask, execution: ExecutionId, parent: Option<(TaskId, u32)>) {
        self.change(|state| match state {
            State::Asked(active, slot, at) if active.worker().now() < at.after(self.claim.lease) => {
                let task = self.claimed(new, execution, parent, at);
                let held = active.worker().leases.hold(&task, at.after(self.claim.lease));
                run::go_on(active, task, slot, held);
                State::Gone
            }
            state => state,
        });
    }

    /// The task was not made by this call; perhaps by one before.
    pub(crate) fn leave(&self) {
        self.change(|state| match state {
            State::Doubtful(active) => State::Doubtful(active),
            _ => State::Gone,
        });
    }

    /// The task as a claim would have given it.
    fn claimed(
        &self,
        new: &NewTask,
        execution: ExecutionId,
        parent: Option<(TaskId, u32)>,
        at: Timestamp,
    ) -> ClaimedTask {
        ClaimedTask {
            claim: Claim { task: self.task, token: self.claim.token },
            execution,
            parent: parent.map(|(parent, _)| parent),
            depth: parent.map_or(0, |(_, depth)| depth + 1),
            function: new.function.clone(),
            version: new.version.clone(),
            input: new.input.clone(),
            fingerprint: new.fingerprint,
            queue: new.queue.clone(),
            retry: new.retry.as_ref().clone(),
            memo: new.memo,
            attempt: 1,
            deliveries: 0,
            generation: 0,
            is_fresh: true,
            journal_started_at: at,
            started_at: at,
            last_failure: None,
            trace: new.trace.clone(),
        }
    }

    fn change(&self, change: impl FnOnce(State) -> State) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        *state = change(std::mem::replace(&mut *state, State::Gone));
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let state = self.state.get_mut().unwrap_or_else(PoisonError::into_inner);
        let active = match std::mem::replace(state, State::Gone) {
            State::Asked(active, ..) | State::Doubtful(active) => active,
            State::Kept(..) | State::Gone => return,
        };
        // Perhaps it was made: then it is given back, with its attempt. If it is being made only now the lease decides.
        let claim = Claim { task: self.task, token: self.claim.token };
        let reason = Some("it was not known in time whether it was made".into());
        active.worker().runtime.clone().spawn(async move {
            complete::end(active.worker(), claim, None, End::Released { until: None, reason }).await;
        });
    }
}

impl Shared {
    /// True if it knows of nothing to claim: what comes now would be taken by its next claim.
    fn stands_ready(&self) -> bool {
        self.is_running()
            && *self.state.borrow() == WorkerState::Ready
            && self.awaits_tasks.load(Ordering::SeqCst)
            && !self.nudge.is_ready()
            && !self.nudge.has_made()
    }

    /// Whether a claim of it would give such a task.
    fn takes(&self, new: &NewTask) -> bool {
        let is_its = |function: &&ClaimFunction| function.name == new.function && function.version == new.version;
        let is_unlimited = |function: &ClaimFunction| function.max_concurrent.is_none();
        new.max_concurrent.is_none()
            && self.functions.iter().find(is_its).is_some_and(is_unlimited)
            && new.queue.as_ref().is_none_or(|queue| self.queues.is_empty() || self.queues.contains(queue))
            && (new.tags.is_empty() || self.tags.is_empty() || new.tags.iter().any(|tag| self.tags.contains(tag)))
    }
}
