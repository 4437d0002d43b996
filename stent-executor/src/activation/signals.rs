//! Signals: values are taken for waits, and waits end whose time is over (C-S2, C-S4).

use std::sync::Arc;

use stent_core::Timestamp;
use stent_core::backend::Watch;
use stent_core::commit::TurnCommit;
use stent_core::journal::Take;
use stent_core::operation::OperationKind;
use stent_core::outcome::OperationOutcome;

use super::Stop;
use super::operation::Phase;
use super::turn::{Driver, Happening};
use crate::control::{Rule, breaks};

impl Driver {
    /// Takes a signal for its oldest wait, or ends a wait, once all that is known has been given and written (C-S2). False if there is nothing to do.
    pub(super) fn take_signal(&mut self) -> bool {
        let is_quiet = self.queue.is_idle() || breaks(Rule::TakeLast);
        if self.taking || !self.own.is_empty() || !is_quiet {
            return false;
        }
        while let Some(slot) = self.overdue.pop_front() {
            match self.oldest_wait(slot) {
                Some(oldest) if oldest == slot => self.take(slot),
                // A value would be the older wait's.
                Some(_) => self.own_outcome(slot, OperationOutcome::Elapsed),
                None => continue,
            }
            return true;
        }
        while let Some(slot) = self.signalled.pop_front() {
            let Some(oldest) = self.oldest_wait(slot) else { continue };
            self.take(oldest);
            if oldest != slot {
                self.watch_signal(slot);
            }
            return true;
        }
        false
    }

    /// True if the time of a wait was over before this.
    pub(super) fn ended_before(&self, at: Timestamp) -> bool {
        let shared = self.activation.shared();
        let is_open = |slot: &&usize| shared.open.contains(slot);
        let mut over = self.overdue.iter().filter(is_open).filter_map(|slot| shared.operations[*slot].until);
        over.any(|until| until < at)
    }

    /// The first made of the waits for the same name as this one, which may be itself; `None` if this one waits no more.
    fn oldest_wait(&self, slot: usize) -> Option<usize> {
        let shared = self.activation.shared();
        let name = &shared.operations[slot].id.name;
        let waits = |slot: &usize| {
            let operation = &shared.operations[*slot];
            let is_of_name = operation.id.kind == OperationKind::Signal && operation.id.name == *name;
            is_of_name && operation.phase == Phase::Outstanding
        };
        let waiting: Vec<usize> = shared.open.iter().copied().filter(waits).collect();
        let made = |slot: &usize| (shared.operations[*slot].id.turn, shared.operations[*slot].created);
        waiting.iter().copied().min_by_key(made).filter(|_| waiting.contains(&slot))
    }

    /// Takes what is in the slot of a wait, if it was sent in time; the store ends the wait if its time is over and nothing was.
    fn take(&mut self, slot: usize) {
        let (engine, task) = (Arc::clone(&self.activation.engine), &self.activation.task);
        let at = engine.clock.now();
        let take = {
            let shared = self.activation.shared();
            let operation = &shared.operations[slot];
            let Some(name) = operation.signal_name() else { return };
            let (operation, until) = (operation.id.clone(), operation.until);
            Take { name, seq: self.queue.next_seq(), turn: shared.turn, at, operation, until }
        };
        let write = self.queue.send_take(task.claim, task.generation, take);
        self.taking = true;
        self.work.push(Box::pin(async move {
            let taken = match engine.turns.submit(write).await {
                Ok(TurnCommit::Applied { taken }) => Ok(taken),
                Ok(TurnCommit::ClaimLost) => Err(Stop::Lost),
                Err(error) => Err(Stop::Trouble(error)),
            };
            Happening::Taken(slot, at, taken)
        }));
    }

    pub(super) fn watch_signal(&mut self, slot: usize) {
        let name = self.activation.shared().operations[slot].signal_name();
        if let Some(name) = name {
            self.watch(slot, Watch::Signal(self.activation.task.execution, name), false);
        }
    }
}
