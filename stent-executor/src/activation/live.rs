//! The live loop: what turns make is written and then started, and outcomes are given one by one (C-R5).
//!
//! ```text
//! a turn ends:   queue what it made; send the queue as one write (one write in flight; what gathers goes out together)
//! a step ends:   queue its outcome; give nothing until it is committed and given
//! child, timer:  if others are outstanding, or it might have elapsed, queue `order`; give
//! signal:        only when the queue is empty and all is given: take and journal in one transaction, give next
//! start a step:  when no queued `order` is uncommitted
//! ```

use std::sync::Arc;

use stent_core::Failure;
use stent_core::backend::Watch;
use stent_core::journal::{EntryBody, Made};
use stent_core::operation::{OperationId, OperationKind};
use stent_core::outcome::OperationOutcome;
use stent_core::retry::ErrorClass;

use super::operation::{Given, Mode, Phase, Request, StepEvent};
use super::poll::StepWake;
use super::queue::{self, Receipt, Written};
use super::turn::{Driver, Happening, Own};
use super::{Left, Stop};
use crate::context::read_payload;
use crate::control::{Rule, breaks};

impl Driver {
    pub(super) async fn live(&mut self) -> Result<Left, Stop> {
        loop {
            self.collect();
            if let Some(returned) = self.returned.take() {
                return self.finish(returned).await;
            }
            self.advance_maps()?;
            self.start_steps();
            if self.driving || self.activation.wake.take_steps() {
                self.drive_steps().await;
                // What the function did meanwhile belongs to this turn. A step that wakes itself keeps nothing else from going on.
                if self.activation.shared().has_more() {
                    self.end_turn()?;
                }
                self.take_what_came()?;
                tokio::task::yield_now().await;
                self.collect();
                if self.returned.is_some() {
                    continue;
                }
                self.advance_maps()?;
                // What has come may have been the write that they waited for.
                self.start_steps();
            }
            self.send();
            self.start_reads();
            if self.give_next().await? || self.take_signal() {
                continue;
            }
            if self.activation.wake.take_foreign() {
                self.report_foreign_await()?;
                // The same turn goes on: its outcome was not one that the journal knows.
                self.poll(Mode::Turn).await;
                self.end_turn()?;
                continue;
            }
            if self.driving {
                continue;
            }
            if let Some(left) = self.wait().await? {
                return Ok(left);
            }
        }
    }

    /// Something outside of the context woke the function. Before its first operation that is how code without a journal runs; after it, it runs again
    /// in every replay (C-R8).
    fn report_foreign_await(&self) -> Result<(), Stop> {
        let (activation, engine) = (&self.activation, &self.activation.engine);
        if activation.shared().operations.is_empty() {
            return Ok(());
        }
        let function = &activation.known.name;
        if engine.settings.strict {
            let text = format!(
                "{function} awaited something outside of its context after its first operation; put it into a step: ctx.step(name, code)"
            );
            return Err(Stop::Failed(Failure::new(ErrorClass::foreign_await(), text)));
        }
        if engine.foreign_awaits.is_news(function) {
            tracing::warn!(
                %function,
                task = %activation.task.claim.task,
                "the function awaits something outside of its context, which runs again in every replay; put it into a step"
            );
        }
        Ok(())
    }

    /// Takes in what the function did while it was polled: drops, steps' ends, answers of maps.
    pub(super) fn collect(&mut self) {
        let (mut dropped, steps) = {
            let mut shared = self.activation.shared();
            (std::mem::take(&mut shared.dropped), std::mem::take(&mut shared.steps))
        };
        if matches!(self.returned, Some(Err(_))) {
            // What a failure drops is cancelled by the end that it leads to: a resume has it again (C-Y3).
            dropped.clear();
        }
        for slot in dropped {
            self.unwatch(slot);
            self.running.remove(&slot);
            self.maps.remove(&slot);
            self.own.retain(|own| own.slot != slot);
            self.ready.retain(|(ready, ..)| *ready != slot);
            self.to_start.retain(|start| *start != slot);
            self.to_read.retain(|read| *read != slot);
            self.abandon(slot, self.turn());
        }
        for event in steps {
            match event {
                StepEvent::Ended(slot, _) | StepEvent::RetryAt(slot, _) if !self.is_open(slot) => {}
                StepEvent::Ended(slot, outcome) => self.own_outcome(slot, outcome),
                StepEvent::RetryAt(slot, at) => {
                    self.running.remove(&slot);
                    self.activation.shared().operations[slot].phase = Phase::Retrying;
                    self.timers.insert((at, slot));
                }
            }
        }
    }

    fn is_open(&self, slot: usize) -> bool {
        self.activation.shared().open.contains(&slot)
    }

    /// Starts steps, unless an `order` entry before them is uncommitted: that fences stale workers, too.
    fn start_steps(&mut self) {
        while !self.queue.holds_steps() || breaks(Rule::StartAfterOrder) {
            let Some(slot) = self.to_start.pop_front() else { return };
            self.running.insert(slot);
            let mut shared = self.activation.shared();
            let operation = &mut shared.operations[slot];
            operation.phase = Phase::Running;
            operation.step = Some(Arc::new(StepWake::new(Arc::clone(&self.activation.wake))));
            self.driving = true;
        }
    }

    /// Reads variables of the execution, once all that this task changed is written; the outcome is an entry like a step's.
    fn start_reads(&mut self) {
        while self.queue.is_idle() {
            let Some(slot) = self.to_read.pop_front() else { return };
            let request = match &self.activation.shared().operations[slot].request {
                Request::Read(request) => request.clone(),
                _ => continue,
            };
            self.running.insert(slot);
            self.activation.shared().operations[slot].phase = Phase::Running;
            let engine = Arc::clone(&self.activation.engine);
            let execution = self.activation.task.execution;
            self.work.push(Box::pin(async move {
                let variables = engine.patiently(|| engine.backend.read(execution)).await;
                let value = variables.map(|variables| read_payload(&request, &variables));
                Happening::Read(slot, value.map(OperationOutcome::Completed))
            }));
        }
    }

    /// Polls the steps that were woken and the maps that were asked, through the function that holds them.
    pub(super) async fn drive_steps(&mut self) {
        self.driving = false;
        let wakers = {
            let mut shared = self.activation.shared();
            let woken = |slot: &usize| {
                let operation = &shared.operations[*slot];
                operation.step.as_ref().is_some_and(|step| step.is_woken()) || operation.ask.is_some()
            };
            let slots: Vec<usize> = self.running.iter().chain(self.maps.keys()).copied().filter(woken).collect();
            shared.drive(&slots)
        };
        if wakers.is_empty() {
            return;
        }
        self.activation.wake.wake(wakers);
        self.poll(Mode::Drive).await;
    }

    /// Sends what is queued, if no write is in flight.
    pub(super) fn send(&mut self) {
        if !self.queue.is_waiting() || !self.queue.may_send() {
            return;
        }
        self.abandon_ended_early();
        let task = &self.activation.task;
        let (write, receipts) = self.queue.send(task.claim, task.generation);
        let above = (task.execution, task.depth);
        let engine = Arc::clone(&self.activation.engine);
        self.work.push(Box::pin(async move {
            Happening::Written(Written { commit: queue::send(engine, write, above).await, receipts })
        }));
    }

    /// Gives the next outcome, if one may be given, and ends the turn that it opened.
    pub(super) async fn give_next(&mut self) -> Result<bool, Stop> {
        if self.taking || self.own.front().is_some_and(|own| !own.committed) {
            return Ok(false);
        }
        let (slot, given, at) = if let Some(Own { slot, outcome, at, .. }) = self.own.pop_front() {
            let id = self.activation.shared().operations[slot].id.clone();
            if id.kind == OperationKind::Map && matches!(outcome, OperationOutcome::Completed(_)) {
                let given = match self.maps.remove(&slot) {
                    Some(_) => Given::Done,
                    None => self.absorb_ended(slot, &id).await?,
                };
                (slot, given, at)
            } else {
                (slot, outcome.into(), at)
            }
        } else if self.ready.front().is_some_and(|(.., at)| self.ended_before(*at)) {
            // A wait was over before: whether a value was sent in time is asked first.
            return Ok(false);
        } else if let Some((slot, given, at)) = self.ready.pop_front() {
            let shared = self.activation.shared();
            // A call that may elapse has two outcomes to choose from: the entry keeps a stale worker from acting on the other one.
            let may_elapse = matches!(shared.operations[slot].request, Request::Call { timeout: Some(_), .. });
            let is_certain = shared.open.len() == 1 && !may_elapse || breaks(Rule::Order);
            if !is_certain {
                let (turn, id) = (shared.turn + 1, shared.operations[slot].id.clone());
                drop(shared);
                let now = self.activation.engine.clock.now();
                self.queue.entry(turn, now, EntryBody::Order(id), Some(Receipt::Order));
            }
            (slot, given, at)
        } else {
            return Ok(false);
        };
        self.unwatch(slot);
        self.give(slot, given, at).await;
        self.end_turn()?;
        Ok(true)
    }

    /// Goes on with an operation of a written turn that is still open.
    pub(super) fn go_on(&mut self, slot: usize, id: &OperationId) {
        match id.kind {
            OperationKind::Step if id.number > 0 => self.ambiguous(slot, id),
            OperationKind::Step => self.to_start.push_back(slot),
            OperationKind::Read => self.to_read.push_back(slot),
            OperationKind::Call => {
                let timeout = match self.activation.shared().operations[slot].request {
                    Request::Call { timeout, .. } => timeout,
                    _ => None,
                };
                let since = self.recorded.child(id).map(|child| child.since);
                let until = since.zip(timeout).map(|(since, timeout)| since.after(timeout));
                self.timers.extend(until.map(|until| (until, slot)));
                match self.recorded.child_end(id) {
                    Some(ended) => self.child_ended(slot, ended.clone()),
                    None => self.watch(slot, Watch::Task(self.activation.child(id, None)), false),
                }
            }
            OperationKind::Signal if self.activation.shared().open.len() == 1 => {
                self.recorded_until(slot);
                // Most likely a value is what woke it: asking whether there is one would be one question more than taking it.
                self.signalled.push_back(slot);
            }
            OperationKind::Sleep | OperationKind::Signal => self.recorded_now(slot),
            // Maps go on once their items are compared.
            OperationKind::Map | OperationKind::Dispatch | OperationKind::Patch => {}
            _ => {}
        }
    }

    /// An operation is recorded: its wait begins.
    pub(super) fn recorded_now(&mut self, slot: usize) {
        let Some(kind) = self.recorded_until(slot) else { return };
        let until = self.activation.shared().operations[slot].until;
        self.timers.extend(until.map(|until| (until, slot)));
        if kind == OperationKind::Signal {
            self.watch_signal(slot);
        }
    }

    /// Tells an operation until when it waits, as its record says; `None` if it is awaited no more.
    fn recorded_until(&self, slot: usize) -> Option<OperationKind> {
        let mut shared = self.activation.shared();
        if !shared.open.contains(&slot) {
            return None;
        }
        let operation = &mut shared.operations[slot];
        match self.recorded.detail(&operation.id) {
            Some(Made::Sleep { until }) => operation.until = Some(until),
            Some(Made::Signal { until }) => operation.until = until,
            _ => {}
        }
        Some(operation.id.kind)
    }
}
