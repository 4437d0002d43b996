//! What turns write: entries, children, dispatches, cancellations, variables, takes. They continue the journal as it is.

use stent_core::execution::NewExecution;
use stent_core::journal::{Abandoned, AbandonedChildren, EntryBody, JournalEntry, Made, Take, TurnWrite};
use stent_core::operation::{OperationId, OperationKey, OperationKind};
use stent_core::outcome::OperationOutcome;
use stent_core::task::{NewChild, NewTask};
use stent_core::variable::VariableChange;
use stent_core::{BackendError, ExecutionId, TaskId, Timestamp};

use super::call::Call;
use super::choices::Choices;
use super::history::{Family, Held, History};
use super::journal::Journal;
use super::plan::{self, SIGNALS};
use crate::conformance::builders::{failure, function, payload, secs, signal_name, turn_in, variable};

/// Turns of one to three tasks.
pub(super) async fn write(history: &mut History<'_>, choices: &mut Choices<'_>) -> Result<Call, BackendError> {
    let mut turns = Vec::new();
    for held in history.claims(choices, Family::Any) {
        let mut turn = Turn::begin(history, held).await?;
        for _ in 0..=choices.below(4) {
            turn.make(history, choices);
        }
        turns.push(turn.write);
    }
    Ok(Call::Write(turns))
}

/// A turn's write on its way.
struct Turn {
    journal: Journal,
    now: Timestamp,
    seq: u32,
    turn: u32,
    /// The slots that hold a value.
    filled: Vec<&'static str>,
    write: TurnWrite,
}

impl Turn {
    async fn begin(history: &History<'_>, held: Held) -> Result<Self, BackendError> {
        let journal = Journal::load(history, held).await?;
        let (seq, turn) = (journal.next_seq(), journal.last_turn());
        let filled = history.filled(held.claim.task).await?;
        Ok(Self { seq, turn, filled, now: history.now, write: turn_in(held.claim, held.generation), journal })
    }

    /// Something that a turn makes, tells, drops or takes.
    fn make(&mut self, history: &mut History<'_>, choices: &mut Choices<'_>) {
        self.turn += u32::from(choices.chance(100));
        match choices.below(20) {
            0 => self.step(OperationOutcome::Completed(payload("step"))),
            1..=3 => self.call(history, choices),
            4 | 5 | 18 | 19 => self.map(history, choices),
            6 => drop(self.wait(choices.among(SIGNALS), choices)),
            7 | 8 => self.take(choices),
            9 => self.entry(EntryBody::Note(format!("note {}", self.seq))),
            10 | 11 => self.change(choices),
            12 => self.sleep(choices),
            13 => self.order(choices),
            14 => self.step(OperationOutcome::Failed(failure("Boom").of_item(3))),
            15 => self.chunk(choices),
            16 => self.abandon(history, choices),
            _ => self.others(history, choices),
        }
    }

    fn entry(&mut self, body: EntryBody) {
        self.write.entries.push(JournalEntry { seq: self.seq, turn: self.turn, at: self.now, body });
        self.seq += 1;
    }

    /// An operation of this turn that is not made yet.
    fn operation(&self, kind: OperationKind, name: &str, key: OperationKey) -> OperationId {
        let mut operation = OperationId { turn: self.turn, kind, name: name.into(), key, number: 0 };
        let written = self.write.entries.iter().filter_map(|entry| entry.body.operation().cloned());
        let called = self.write.children.iter().map(|child| child.operation.clone());
        let known: Vec<_> = self.journal.operations().into_iter().chain(written).chain(called).collect();
        while known.contains(&operation) {
            operation.number += 1;
        }
        operation
    }

    fn plain(&self, kind: OperationKind, name: &str) -> OperationId {
        self.operation(kind, name, OperationKey::none())
    }

    fn step(&mut self, outcome: OperationOutcome) {
        let step = self.plain(OperationKind::Step, "step");
        self.entry(EntryBody::Outcome(step, outcome));
    }

    /// A call; its name and key are the child's function and fingerprint.
    fn call(&mut self, history: &mut History<'_>, choices: &mut Choices<'_>) {
        let task = plan::task(history, choices);
        // One that calls itself may have a place of its own limit beside its caller's.
        let itself = history.tasks.iter().find(|one| one.id == self.write.claim.task).filter(|_| choices.chance(90));
        let task = match itself {
            Some(itself) => NewTask { function: itself.function.clone(), ..task },
            None => task,
        };
        let operation = self.operation(OperationKind::Call, &task.function, task.fingerprint.into());
        let id = TaskId::child(self.write.claim.task, self.write.generation, &operation, None);
        let born = choices.chance(15).then(|| payload("known"));
        self.write.children.push(NewChild { id, operation, index: None, task, born });
    }

    /// A new map, or more items of one.
    fn map(&mut self, history: &mut History<'_>, choices: &mut Choices<'_>) {
        let known = choices.one(&self.journal.maps).map(|map| (map.operation.clone(), map.items));
        let more = choices.chance(100);
        let task = plan::task(history, choices);
        let (map, first) = known.filter(|_| more).unwrap_or_else(|| {
            let map = self.plain(OperationKind::Map, &task.function);
            self.entry(EntryBody::Made(map.clone(), Made::Map { chunk: 2 }));
            (map, 0)
        });
        let items = 1 + u32::from(choices.chance(128)) + u32::from(choices.chance(60));
        for index in first..first + items {
            let (claim, generation) = (self.write.claim, self.write.generation);
            let function = function(&map.name);
            self.write.children.push(NewChild {
                id: TaskId::child(claim.task, generation, &map, Some(index)),
                operation: map.clone(),
                index: Some(index),
                task: NewTask { function, ..task.clone() },
                born: choices.chance(25).then(|| payload("")),
            });
        }
    }

    /// A wait for a signal.
    fn wait(&mut self, name: &str, choices: &mut Choices<'_>) -> OperationId {
        let wait = self.plain(OperationKind::Signal, name);
        let until = choices.chance(60).then(|| self.now.after(secs(5)));
        self.entry(EntryBody::Made(wait.clone(), Made::Signal { until }));
        wait
    }

    /// Takes a signal for a wait; at most one a write.
    fn take(&mut self, choices: &mut Choices<'_>) {
        let mut waits = self.journal.waits();
        if choices.chance(200) {
            // One with something to take, if there is one.
            waits.sort_by_key(|wait| !self.filled.contains(&wait.name.as_ref()));
            waits.truncate(1);
        }
        let known = choices.one(&waits).cloned();
        let name = *self.filled.first().unwrap_or(&choices.among(SIGNALS));
        let operation = known.unwrap_or_else(|| self.wait(name, choices));
        if self.write.take.is_none() {
            let (seq, turn, at) = (self.seq, self.turn, self.now);
            let until = choices.chance(128).then(|| self.now.after(secs(3)).before(secs(choices.below(7) as u64)));
            let name = signal_name(&operation.name);
            self.write.take = Some(Take { name, seq, turn, at, operation, until });
            self.seq += 1;
        }
    }

    fn change(&mut self, choices: &mut Choices<'_>) {
        self.entry(EntryBody::Variables);
        self.write.variables.extend(changes(choices));
    }

    fn sleep(&mut self, choices: &mut Choices<'_>) {
        let sleep = self.plain(OperationKind::Sleep, "");
        let until = self.now.after(secs([5, 60][choices.below(2)]));
        self.entry(EntryBody::Made(sleep, Made::Sleep { until }));
    }

    /// An outcome that lives elsewhere opens a turn.
    fn order(&mut self, choices: &mut Choices<'_>) {
        if let Some(given) = choices.one(&self.journal.operations()).cloned() {
            self.turn += 1;
            self.entry(EntryBody::Order(given));
        }
    }

    fn chunk(&mut self, choices: &mut Choices<'_>) {
        let state = choices.chance(128).then(|| payload("state"));
        if let Some(map) = choices.one(&self.journal.maps) {
            let (map, closed) = (map.operation.clone(), map.items);
            self.entry(EntryBody::Chunk { map, closed, state });
        }
    }

    /// Drops a call or a map, or what is not this task's to drop.
    fn abandon(&mut self, history: &History<'_>, choices: &mut Choices<'_>) {
        let maps: Vec<_> = self.journal.maps.iter().map(|map| map.operation.clone()).collect();
        let calls = self.journal.open_calls();
        let other = AbandonedChildren::Child(history.task(choices));
        let children = match choices.below(8) {
            0..=3 => choices.one(&calls).map(|child| AbandonedChildren::Child(*child)),
            4..=6 => choices.one(&maps).map(|map| AbandonedChildren::Map(map.clone())),
            _ => None,
        };
        let children = children.unwrap_or(other);
        if choices.chance(60) {
            // Dropped twice: the first one counts.
            self.write.cancels.push(Abandoned { turn: self.turn, children: children.clone() });
            self.turn += 1;
        }
        self.write.cancels.push(Abandoned { turn: self.turn, children });
    }

    fn others(&mut self, history: &mut History<'_>, choices: &mut Choices<'_>) {
        match choices.below(4) {
            0 => {
                let patch = self.plain(OperationKind::Patch, "p");
                self.entry(EntryBody::Made(patch, Made::Patch));
            }
            1 => {
                if let Some(wait) = choices.one(&self.journal.waits()).cloned() {
                    self.entry(EntryBody::Outcome(wait, OperationOutcome::Elapsed));
                }
            }
            _ => self.dispatch(history, choices),
        }
    }

    /// An execution of its own, whose id is that of the operation.
    fn dispatch(&mut self, history: &mut History<'_>, choices: &mut Choices<'_>) {
        let new = plan::execution(history, choices);
        let operation = self.plain(OperationKind::Dispatch, &new.task.function);
        let id = ExecutionId::dispatched_by(self.write.claim.task, self.write.generation, &operation);
        self.entry(EntryBody::Made(operation, Made::Dispatch { execution: id }));
        self.write.dispatches.push(NewExecution { id, ..new });
    }
}

/// Changes of counters and values.
pub(super) fn changes(choices: &mut Choices<'_>) -> Vec<VariableChange> {
    let name = |choices: &mut Choices<'_>| variable(choices.among(["v", "w"]));
    let change = |choices: &mut Choices<'_>| match choices.below(5) {
        0 => VariableChange::Add(name(choices), 3),
        1 => VariableChange::InitCounter(name(choices), 10),
        2 => VariableChange::Add(name(choices), i64::MAX),
        3 => VariableChange::Set(name(choices), payload(choices.among(["", "set"]))),
        _ => VariableChange::InitValue(name(choices), payload("first")),
    };
    (0..=choices.below(3)).map(|_| change(choices)).collect()
}
