//! What a history knows while it goes on: the time, who claimed what, which calls were made, and what the reference model holds. Choices
//! are made among these.

use std::time::Duration;

use stent_core::backend::{ExecutionFilter, Page, TaskFilter, Watch};
use stent_core::claim::{Claim, FirstClaim};
use stent_core::execution::{ExecutionRecord, NewExecution};
use stent_core::task::{NewChild, TaskRecord, TaskState};
use stent_core::{Backend, BackendError, ClaimToken, ExecutionId, SignalId, TaskId, Timestamp, WorkerId, limits};

use super::call::{Answer, Call};
use super::choices::Choices;
use super::plan::SIGNALS;
use crate::conformance::builders::{TICK, at, secs, signal_name};

/// How many workers there are.
const WORKERS: usize = 3;

/// A claim that was given.
#[derive(Debug, Clone, Copy)]
pub(super) struct Held {
    pub(super) claim: Claim,
    pub(super) worker: WorkerId,
    /// The generation of the task's journal, of which its holder writes.
    pub(super) generation: u32,
}

/// Which tasks are meant in the first place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Family {
    Any,
    /// Those with open children.
    WithOpen,
    /// Those with children that failed.
    WithFailed,
}

/// What is known.
pub(super) struct History<'m> {
    /// Asked for what there is; it answers the history's calls first.
    pub(super) model: &'m dyn Backend,
    pub(super) now: Timestamp,
    /// All executions, by id, that are not being deleted.
    pub(super) executions: Vec<ExecutionRecord>,
    /// All their tasks, by id.
    pub(super) tasks: Vec<TaskRecord>,
    /// Executions that are gone, or never were.
    pub(super) gone: Vec<ExecutionId>,
    /// Calls that changed something, or tried to.
    pub(super) made: Vec<Call>,
    /// The claims that were given.
    pub(super) issued: Vec<Held>,
    ids: u32,
}

impl<'m> History<'m> {
    pub(super) fn new(model: &'m dyn Backend) -> Self {
        Self {
            model,
            now: at(0),
            executions: Vec::new(),
            tasks: Vec::new(),
            gone: vec![ExecutionId::from_bytes([0xee; 16])],
            made: Vec::new(),
            issued: Vec::new(),
            ids: 0,
        }
    }

    /// Looks at what there is.
    pub(super) async fn look(&mut self) -> Result<(), BackendError> {
        let mut executions = self.model.list_executions(&ExecutionFilter::default(), Page::first(limits::PAGE)).await?;
        executions.reverse();
        let before = std::mem::replace(&mut self.executions, executions).into_iter().map(|one| one.id);
        self.gone.extend(before.filter(|id| self.executions.iter().all(|one| one.id != *id)));
        self.tasks = self.model.list_tasks(&TaskFilter::default(), Page::first(limits::PAGE)).await?;
        Ok(())
    }

    /// Lets time pass.
    pub(super) fn go_on(&mut self, choices: &mut Choices<'_>) {
        self.now = self.later(choices.byte());
        if self.live().is_empty() && !self.has_claimable() {
            // Nobody could do anything.
            self.now = self.next_event().unwrap_or(self.now);
        }
    }

    /// Mostly time stands still, or goes on to the very moment at which something falls due or runs out; it may go back.
    fn later(&self, byte: usize) -> Timestamp {
        match byte {
            0..=149 => self.now,
            150..=169 => self.now.after(secs(1)),
            170..=184 => self.now.after(secs(5)),
            185..=229 => self.next_event().unwrap_or(self.now),
            230..=236 => self.next_event().map_or(self.now, |at| at.before(TICK)),
            237..=242 => self.now.after(TICK),
            243..=248 => self.now.after(secs(60)),
            249..=253 => self.now.before(secs(1)),
            _ => self.now.after(secs(3_600)),
        }
    }

    /// Whether a claim could give something.
    pub(super) fn has_claimable(&self) -> bool {
        self.tasks.iter().any(|task| match task.state {
            TaskState::Pending => true,
            TaskState::Scheduled | TaskState::Suspended => task.due.is_some_and(|due| due <= self.now),
            TaskState::Running => task.lease_until <= Some(self.now),
            _ => false,
        })
    }

    fn next_event(&self) -> Option<Timestamp> {
        let of_tasks = self.tasks.iter().flat_map(|task| [task.due, task.lease_until]);
        let of_executions = self.executions.iter().filter(|one| !one.state.is_final()).map(|one| one.deadline);
        of_tasks.chain(of_executions).flatten().filter(|at| *at > self.now).min()
    }

    /// Takes note of an answer of the model.
    pub(super) fn learn(&mut self, call: &Call, answer: &Answer) {
        if let (Call::Claim(request), Answer::Claimed(taken)) = (call, answer) {
            self.issued.extend(taken.tasks.iter().map(|task| Held {
                claim: task.claim,
                worker: request.worker,
                generation: task.generation,
            }));
        }
        self.learn_births(call);
        if call.changes() {
            self.made.push(call.clone());
        }
    }

    /// Takes note of the claims that tasks are made with. Those of tasks that were not made after all are stale, as others are.
    fn learn_births(&mut self, call: &Call) {
        let (roots, children): (&[NewExecution], Vec<&NewChild>) = match call {
            Call::Dispatch(roots) => (roots, Vec::new()),
            Call::Write(turns) => (&[], turns.iter().flat_map(|turn| &turn.children).collect()),
            _ => return,
        };
        let roots = roots.iter().map(|new| (new.id.root(), &new.task));
        for (task, new) in roots.chain(children.into_iter().map(|new| (new.id, &new.task))) {
            let Some(FirstClaim { worker, token, .. }) = new.claim else { continue };
            // A repeat comes perhaps after others have claimed it.
            if self.issued.iter().all(|held| held.claim.task != task) {
                self.issued.push(Held { claim: Claim { task, token }, worker, generation: 0 });
            }
        }
    }

    /// The claims that hold.
    pub(super) fn live(&self) -> Vec<Held> {
        let running = self.tasks.iter().filter(|task| task.state == TaskState::Running);
        let last = |task: &TaskRecord| self.issued.iter().rev().find(|held| held.claim.task == task.id).copied();
        running.filter_map(last).collect()
    }

    /// Claims of one to three different tasks, mostly of one. Mostly they hold, and mostly they are of the family, if there are such.
    pub(super) fn claims(&self, choices: &mut Choices<'_>, family: Family) -> Vec<Held> {
        let mut claims: Vec<Held> = Vec::new();
        let live = self.live();
        let of_family: Vec<Held> = live.iter().filter(|held| self.fits(held.claim.task, family)).copied().collect();
        for _ in 0..=[0, 0, 0, 0, 0, 1, 1, 2][choices.below(8)] {
            let held = match choices.byte() {
                ..=179 if !of_family.is_empty() => choices.one(&of_family).copied(),
                ..=235 => choices.one(&live).copied(),
                236..=250 => choices.one(&self.issued).copied(),
                _ => choices.one(&self.tasks).map(|task| Held {
                    claim: Claim { task: task.id, token: ClaimToken::from_bytes([0xcc; 16]) },
                    worker: worker(0),
                    generation: task.generation,
                }),
            };
            claims.extend(held.filter(|held| claims.iter().all(|other| other.claim.task != held.claim.task)));
        }
        claims
    }

    /// The slots of a task's execution that hold a value.
    pub(super) async fn filled(&self, task: TaskId) -> Result<Vec<&'static str>, BackendError> {
        let Some(execution) = self.tasks.iter().find(|one| one.id == task).map(|one| one.execution) else {
            return Ok(Vec::new());
        };
        let watches = SIGNALS.map(|name| Watch::Signal(execution, signal_name(name)));
        let news = self.model.news(&watches).await?;
        Ok(SIGNALS.into_iter().zip(news).filter(|(_, is_filled)| *is_filled).map(|(name, _)| name).collect())
    }

    fn fits(&self, task: TaskId, family: Family) -> bool {
        let mut children = self.tasks.iter().filter(|child| child.parent == Some(task)).map(|child| child.state);
        match family {
            Family::Any => true,
            Family::WithOpen => children.any(|state| !state.is_final()),
            Family::WithFailed => children.any(|state| state == TaskState::Failed),
        }
    }

    /// An execution, mostly one of those that there are.
    pub(super) fn execution(&self, choices: &mut Choices<'_>) -> ExecutionId {
        let open: Vec<ExecutionId> =
            self.executions.iter().filter(|one| !one.state.is_final()).map(|one| one.id).collect();
        let picked = match choices.byte() {
            ..=199 => choices.one(&open).copied(),
            200..=239 => choices.one(&self.executions).map(|one| one.id),
            _ => choices.one(&self.gone).copied(),
        };
        picked.or_else(|| self.gone.first().copied()).unwrap_or(ExecutionId::from_bytes([0xee; 16]))
    }

    /// A task, mostly one of those that there are.
    pub(super) fn task(&self, choices: &mut Choices<'_>) -> TaskId {
        let unknown = choices.chance(12);
        let picked = choices.one(&self.tasks).filter(|_| !unknown);
        picked.map_or(TaskId::from_bytes([0xdd; 16]), |task| task.id)
    }

    pub(super) fn next_execution(&mut self) -> ExecutionId {
        ExecutionId::from_bytes(self.next_id(0x80))
    }

    pub(super) fn next_token(&mut self) -> ClaimToken {
        ClaimToken::from_bytes(self.next_id(0xc0))
    }

    pub(super) fn next_signal(&mut self) -> SignalId {
        SignalId::from_bytes(self.next_id(0x50))
    }

    /// A number that was not given before.
    pub(super) fn next_number(&mut self) -> u32 {
        self.ids += 1;
        self.ids
    }

    /// Greater than all of its kind before.
    fn next_id(&mut self, kind: u8) -> [u8; 16] {
        let mut bytes = [0; 16];
        bytes[0] = kind;
        bytes[12..].copy_from_slice(&self.next_number().to_be_bytes());
        bytes
    }

    /// Now, or a little before or after.
    pub(super) fn about_now(&self, choices: &mut Choices<'_>) -> Timestamp {
        let by = |seconds: u64| self.now.after(Duration::from_secs(seconds));
        match choices.below(12) {
            0..=5 => self.now,
            6 | 7 => by(5),
            8 => by(1),
            9 => by(60),
            10 => self.now.before(secs(5)),
            _ => self.now.before(TICK),
        }
    }
}

/// One of the workers.
pub(super) fn worker(number: usize) -> WorkerId {
    let mut bytes = [0; 16];
    bytes[0] = 0x33;
    bytes[15] = u8::try_from(number % WORKERS).unwrap_or(0);
    WorkerId::from_bytes(bytes)
}
