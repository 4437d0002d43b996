//! What must hold of a history: of every written turn in every activation, and of the whole at the end.

use std::collections::BTreeSet;

use stent_core::backend::{Inspect, Journal, Outcomes, Page, ReadVariables, TaskFilter};
use stent_core::journal::EntryBody;
use stent_core::name::VariableName;
use stent_core::operation::OperationKind;
use stent_core::outcome::OperationOutcome;
use stent_core::task::TaskState;
use stent_core::{ExecutionId, TaskId};

use super::process::Done;
use super::world::{Violation, World};
use crate::activation::Phase;
use crate::activation::journal::Recorded;

impl World {
    /// Compares what a process's function saw in written turns with what others saw there (C-R4, C-R6).
    pub(super) async fn settle(&mut self, at: usize) -> Result<(), Violation> {
        let journal = self.store.load(self.execution.root(), self.generation).await.unwrap();
        let Some(last) = Recorded::new(journal).last_turn else { return Ok(()) };
        let trace = std::mem::take(&mut self.processes[at].probe.log().trace);
        for turn in 0..=last {
            let seen = trace.iter().filter(|(of, _)| *of == turn).map(|(_, event)| event.clone());
            let seen: Vec<_> = seen.collect();
            let known = self.canon.entry(turn).or_default();
            if seen.iter().zip(known.iter()).any(|(one, other)| one != other) {
                return Err(format!("turn {turn} was {known:?} and is {seen:?} in another run"));
            }
            if seen.len() > known.len() {
                *known = seen;
            }
        }
        Ok(())
    }

    /// Lets those that are behind come to their end, and checks the whole.
    pub(super) async fn finish(&mut self) -> Result<(), Violation> {
        self.settle(0).await?;
        self.leave_stale_behind().await?;
        let history = self.processes[0].history();
        self.report.operations = u32::try_from(history.len()).unwrap();
        self.check_effects(&history)?;
        self.check_children(&history).await?;
        self.check_outcomes(&history).await?;
        self.check_variables().await
    }

    async fn leave_stale_behind(&mut self) -> Result<(), Violation> {
        for _ in 0..300 {
            let mut at = 0;
            self.processes.retain(|process| {
                at += 1;
                at == 1 || process.is_there()
            });
            if self.processes.len() == 1 {
                break;
            }
            for at in (1..self.processes.len()).rev() {
                while self.processes[at].gate.is_holding() {
                    self.processes[at].gate.release(&mut self.random);
                }
                if self.processes[at].running_steps() > 0 {
                    let result = self.result("Step");
                    self.processes[at].end_step(0, result);
                }
                if self.processes[at].is_woken() {
                    self.poll(at).await?;
                }
            }
            tokio::task::yield_now().await;
            self.clock.advance(std::time::Duration::from_millis(20));
        }
        Ok(())
    }

    /// Every step ever started is part of the history that ended, with what it was made with.
    fn check_effects(&self, history: &[Done]) -> Result<(), Violation> {
        if self.was_changed {
            return Ok(());
        }
        let own = self.started.iter().filter(|(generation, ..)| *generation == self.generation);
        for (_, operation, argument) in own {
            let is_part = |done: &Done| done.id == *operation && done.argument == *argument;
            if !history.iter().any(is_part) {
                let (turn, like) = (operation.turn, history.iter().find(|done| done.id == *operation));
                let like = like.map(|done| done.argument);
                return Err(format!(
                    "{operation} of turn {turn} with {argument} was started outside of the history ({like:?})"
                ));
            }
        }
        Ok(())
    }

    /// So is every child and every execution dispatched.
    async fn check_children(&self, history: &[Done]) -> Result<(), Violation> {
        let root = self.execution.root();
        if self.generation > 0 {
            return Ok(());
        }
        let mut expected = BTreeSet::new();
        for Done { id, argument, .. } in history {
            match id.kind {
                OperationKind::Call => drop(expected.insert(TaskId::child(root, 0, id, None))),
                OperationKind::Map => {
                    let items = self.store.map_items(root, 0, id, 0..u32::MAX).await.unwrap();
                    for item in items {
                        expected.insert(TaskId::child(root, 0, id, Some(item.index)));
                        // A map that has ended is not iterated again, whatever the code says now.
                        if !self.was_changed && item.fingerprint != super::interpret::item(item.index, *argument) {
                            return Err(format!("{id}: item {} has another input", item.index));
                        }
                    }
                }
                OperationKind::Dispatch => drop(expected.insert(ExecutionId::dispatched_by(root, 0, id).root())),
                _ => {}
            }
        }
        let tasks = self.store.list_tasks(&TaskFilter::default(), Page::first(1_000)).await.unwrap();
        match tasks.into_iter().find(|task| task.id != root && !expected.contains(&task.id)) {
            Some(task) => Err(format!("child {} was made outside of the history", task.id)),
            None => Ok(()),
        }
    }

    /// Every recorded outcome belongs to an operation of the history, and a signal that was taken was given.
    async fn check_outcomes(&self, history: &[Done]) -> Result<(), Violation> {
        let journal = self.store.load(self.execution.root(), self.generation).await.unwrap();
        let mut seen = BTreeSet::new();
        for entry in &journal.entries {
            let EntryBody::Outcome(id, outcome) = &entry.body else { continue };
            if !seen.insert(id.clone()) {
                return Err(format!("{id} of turn {} is recorded twice", id.turn));
            }
            let Some(done) = history.iter().find(|done| done.id == *id) else {
                return Err(format!("{id} of turn {} is recorded and was not made", id.turn));
            };
            let is_taken = id.kind == OperationKind::Signal && matches!(outcome, OperationOutcome::Completed(_));
            let fits = if is_taken { done.phase == Phase::Given } else { true };
            if !fits {
                return Err(format!("{id} of turn {} was taken and is {:?}", id.turn, done.phase));
            }
        }
        Ok(())
    }

    /// A counter counts what the history counts, once (C-V1).
    async fn check_variables(&self) -> Result<(), Violation> {
        if self.was_changed || self.generation > 0 || self.report.resumes > 0 {
            return Ok(());
        }
        let variables = self.store.read(self.execution).await.unwrap();
        let counter = variables.counters.get(&VariableName::new("count").unwrap()).copied().unwrap_or(0);
        let counted = self.processes[0].probe.log().counted;
        let task = self.store.task(self.execution.root()).await.unwrap().unwrap();
        // What a failed run had not written is dropped.
        let fits = if task.state == TaskState::Completed { counter == counted } else { counter <= counted };
        if fits { Ok(()) } else { Err(format!("counted {counted} times, the counter is {counter}")) }
    }
}
