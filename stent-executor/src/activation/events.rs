//! What comes to a waiting driver: answers of the store, news of watched waits, timers, wakes.

use std::sync::Arc;

use stent_core::backend::Watch;
use stent_core::commit::TurnCommit;
use stent_core::operation::{OperationId, OperationKind};
use stent_core::outcome::{Ended, OperationOutcome};
use stent_core::{TaskId, Timestamp};

use super::Stop;
use super::operation::{Given, Phase};
use super::queue::{Receipt, Written};
use super::turn::{Driver, Happening, Own, child_given};
use crate::wait::Event;

impl Driver {
    /// Something came back from the store.
    pub(super) fn happened(&mut self, happening: Happening) -> Result<(), Stop> {
        match happening {
            Happening::Written(written) => self.written(written),
            Happening::Taken(slot, at, taken) => {
                let taken = taken?;
                self.taking = false;
                self.queue.take_came_back(taken.is_some());
                match taken {
                    // Outcomes queued meanwhile have later places in the stream.
                    Some(outcome) if self.activation.shared().open.contains(&slot) => {
                        self.activation.shared().operations[slot].phase = Phase::Ended;
                        self.own.push_front(Own { slot, outcome, at, committed: true });
                    }
                    Some(_) => {}
                    None if self.awaited(slot).is_some() => {
                        let until = self.activation.shared().operations[slot].until;
                        self.timers.extend(until.map(|until| (until, slot)));
                        self.watch_signal(slot);
                    }
                    None => {}
                }
                Ok(())
            }
            Happening::ChildEnded(slot, ended) => {
                match ended? {
                    Some(ended) if self.awaited(slot).is_some() => self.child_ended(slot, ended),
                    Some(_) => {}
                    None => self.watch_child(slot),
                }
                Ok(())
            }
            Happening::MapItems(slot, first, items) => self.map_items(slot, first, items?),
            Happening::Read(slot, outcome) => {
                if self.running.contains(&slot) {
                    self.own_outcome(slot, outcome?);
                }
                Ok(())
            }
        }
    }

    fn written(&mut self, Written { commit, receipts }: Written) -> Result<(), Stop> {
        if commit? == TurnCommit::ClaimLost {
            return Err(Stop::Lost);
        }
        self.queue.came_back(&receipts);
        for receipt in receipts {
            match receipt {
                Receipt::Recorded(slot) => self.recorded_now(slot),
                Receipt::Outcome(slot) => {
                    if let Some(own) = self.own.iter_mut().find(|own| own.slot == slot) {
                        own.committed = true;
                    }
                }
                Receipt::Order => {}
                Receipt::Born(slot) => self.watch_child(slot),
                Receipt::Chunk(slot, first) => self.watch_chunk(slot, first, false),
            }
        }
        Ok(())
    }

    /// A watched wait is over.
    pub(super) fn news(&mut self, Event { key, ended }: Event) {
        let slot = key / 2;
        let id = {
            let shared = self.activation.shared();
            if !shared.open.contains(&slot) || shared.operations[slot].phase == Phase::Ended {
                return;
            }
            shared.operations[slot].id.clone()
        };
        match (id.kind, ended) {
            (OperationKind::Call, Some(ended)) => self.child_ended(slot, ended),
            (OperationKind::Call, None) => self.fetch_child(slot, self.activation.child(&id, None)),
            (OperationKind::Signal, _) => self.signalled.push_back(slot),
            (OperationKind::Map, _) => self.chunk_over(slot, key % 2),
            _ => {}
        }
    }

    pub(super) fn child_ended(&mut self, slot: usize, ended: Ended) {
        match child_given(ended.outcome) {
            Some(given) => self.ready.push_back((slot, given, ended.at)),
            None => drop(self.cancelled.insert(slot)),
        }
    }

    /// The identity of an operation whose outcome is awaited and has not come.
    fn awaited(&self, slot: usize) -> Option<OperationId> {
        let shared = self.activation.shared();
        let is_awaited = shared.open.contains(&slot) && shared.operations[slot].phase == Phase::Outstanding;
        is_awaited.then(|| shared.operations[slot].id.clone())
    }

    /// Watches the child of a call, if its outcome is awaited.
    fn watch_child(&mut self, slot: usize) {
        if let Some(id) = self.awaited(slot) {
            self.watch(slot, Watch::Task(self.activation.child(&id, None)), false);
        }
    }

    fn fetch_child(&self, slot: usize, child: TaskId) {
        let engine = Arc::clone(&self.activation.engine);
        self.work.push(Box::pin(async move { Happening::ChildEnded(slot, engine.outcomes.submit(child).await) }));
    }

    /// Timers that have come: sleeps end, retries of steps begin, timeouts elapse.
    pub(super) fn timers_due(&mut self, now: Timestamp) {
        while let Some((at, slot)) = self.timers.first().copied().filter(|(at, _)| *at <= now) {
            self.timers.pop_first();
            let (kind, phase) = {
                let shared = self.activation.shared();
                (shared.operations[slot].id.kind, shared.operations[slot].phase)
            };
            match (kind, phase) {
                (OperationKind::Sleep, Phase::Outstanding) => self.ready.push_back((slot, Given::Done, at)),
                (OperationKind::Step, Phase::Retrying) => {
                    self.activation.shared().operations[slot].phase = Phase::Running;
                    self.running.insert(slot);
                    let step = self.activation.shared().operations[slot].step.clone();
                    if let Some(step) = step {
                        std::task::Wake::wake(step);
                    }
                }
                (OperationKind::Call, Phase::Outstanding) if !self.ready.iter().any(|(ready, ..)| *ready == slot) => {
                    self.end_early(slot, OperationOutcome::Elapsed);
                }
                // Whether a value was sent in time the store knows.
                (OperationKind::Signal, Phase::Outstanding) => self.overdue.push_back(slot),
                _ => {}
            }
        }
    }

    /// Takes in what has come from the store and the clock, without waiting.
    pub(super) fn take_what_came(&mut self) -> Result<(), Stop> {
        while let Some(happening) = self.work.now() {
            self.happened(happening)?;
        }
        self.timers_due(self.activation.engine.clock.now());
        Ok(())
    }

    /// One thing that comes: from the store, the function, the watches.
    pub(super) async fn next_event(&mut self) -> Result<(), Stop> {
        tokio::select! {
            biased;
            Some(happening) = self.work.next(), if !self.work.is_empty() => self.happened(happening),
            () = self.activation.wake.notified() => Ok(()),
            event = self.watcher.next() => {
                self.news(event);
                Ok(())
            }
        }
    }
}
