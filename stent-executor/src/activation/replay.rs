//! The replay: through all written turns without waiting and without starting or writing anything (C-R4).

use std::collections::BTreeSet;

use stent_core::Timestamp;
use stent_core::name::FunctionName;
use stent_core::operation::{OperationId, OperationKey, OperationKind};
use stent_core::outcome::OperationOutcome;

use super::Stop;
use super::journal::{Comparison, Divergence};
use super::operation::{Given, Mode, Phase};
use super::turn::{Driver, Own, child_given};

impl Driver {
    /// Runs through the written turns; what the last of them left open goes on live.
    pub(super) async fn replay(&mut self) -> Result<(), Stop> {
        self.open_turn();
        self.poll(Mode::Turn).await;
        if self.recorded.last_turn.is_none() {
            return self.end_turn();
        }
        loop {
            let turn = self.turn();
            self.settle_turn(turn).await?;
            if !self.recorded.is_followed(turn) {
                break;
            }
            if self.returned.is_some() {
                let difference = "the function returned, and more is recorded".to_owned();
                return Err(Divergence { turn, difference }.into());
            }
            let (slot, given, at) = self.next_recorded(turn).await?;
            self.give(slot, given, at).await;
        }
        self.go_live()?;
        self.demand_items().await
    }

    /// Checks what a written turn made.
    async fn settle_turn(&mut self, turn: u32) -> Result<(), Stop> {
        loop {
            self.number();
            self.check(turn).await?;
            self.forget_written(turn);
            self.index(turn);
            self.look_into_maps(turn);
            self.compare_items().await?;
            if !self.activation.shared().has_more() {
                return Ok(());
            }
        }
    }

    /// What a written turn drops or changes was written with it. What the last one drops may have been taken up again by a resume from the journal's end.
    fn forget_written(&mut self, turn: u32) {
        let dropped = {
            let mut shared = self.activation.shared();
            shared.variables.clear();
            shared.notes.clear();
            std::mem::take(&mut shared.dropped)
        };
        for slot in dropped {
            self.maps.remove(&slot);
            let id = self.activation.shared().operations[slot].id.clone();
            let is_open = self.recorded.child(&id).is_some_and(|child| child.ended.is_none());
            if is_open && !self.recorded.is_followed(turn) {
                self.abandon(slot, turn);
            }
        }
    }

    /// Demands that the turn made what it recorded. A function that awaits something outside of its context may still be at it (C-R8).
    async fn check(&mut self, turn: u32) -> Result<(), Stop> {
        let engine = std::sync::Arc::clone(&self.activation.engine);
        let patience = engine.clock.now().after(engine.settings.replay_patience);
        loop {
            let mut comparison = self.compare(turn);
            if !comparison.fits() && self.match_by_todays_types(&comparison) {
                comparison = self.compare(turn);
            }
            if comparison.fits() {
                return Ok(());
            }
            if self.returned.is_some() || !comparison.may_be_incomplete() {
                return Err(comparison.divergence(turn).into());
            }
            tokio::select! {
                biased;
                () = self.activation.wake.notified() => {}
                () = engine.clock.wait_until(patience) => return Err(comparison.divergence(turn).into()),
            }
            self.poll(Mode::Turn).await;
            self.number();
        }
    }

    fn compare(&self, turn: u32) -> Comparison {
        let shared = self.activation.shared();
        let made = shared.operations.iter().rev().take_while(|operation| operation.id.turn == turn);
        let made: BTreeSet<OperationId> = made.map(|operation| operation.id.clone()).collect();
        drop(shared);
        self.recorded.compare(turn, &made)
    }

    /// Operations of functions that were renamed, and calls whose key alone differs: the recorded input is read and printed again by today's types and
    /// name, so that neither an alias nor a field added with a default is a divergence. True if any matched; it goes by its recorded identity
    /// from then on, which is that of its children.
    fn match_by_todays_types(&self, comparison: &Comparison) -> bool {
        let engine = &self.activation.engine;
        let mut matched = false;
        for missing in &comparison.missing {
            let today = OperationId { name: engine.registry.today(&missing.name).into(), ..missing.clone() };
            let today = match missing.kind {
                OperationKind::Map => Some(today),
                OperationKind::Call => self.reprint(missing).map(|key| OperationId { key, ..today }),
                _ => None,
            };
            let mut shared = self.activation.shared();
            let turn = shared.operations.iter_mut().rev().take_while(|operation| operation.id.turn == missing.turn);
            if let Some(operation) = turn.into_iter().find(|operation| Some(&operation.id) == today.as_ref()) {
                operation.id = missing.clone();
                matched = true;
            }
        }
        matched
    }

    /// The key that a recorded call would have today.
    fn reprint(&self, recorded: &OperationId) -> Option<OperationKey> {
        let engine = &self.activation.engine;
        let child = self.recorded.child(recorded)?;
        let known = engine.registry.find(&FunctionName::new(&*recorded.name).ok()?, None)?;
        known.reprint(&*engine.codec, &child.input).ok().map(OperationKey::from)
    }

    /// Notes the slots of what the turn made.
    fn index(&mut self, turn: u32) {
        let shared = self.activation.shared();
        let made = shared.operations.iter().enumerate().rev().take_while(|(_, operation)| operation.id.turn == turn);
        self.slots.extend(made.map(|(slot, operation)| (operation.id.clone(), slot)));
    }

    /// The outcome that opened the turn after this one: of the only operation awaited, or else the next of the stream.
    async fn next_recorded(&mut self, turn: u32) -> Result<(usize, Given, Timestamp), Stop> {
        let slot = {
            let shared = self.activation.shared();
            let slots = &self.slots;
            let slot_of = |operation: &OperationId| slots.get(operation).copied();
            let dropped = |slot: usize| shared.operations[slot].phase == Phase::Dropped;
            let stream = &mut self.recorded.stream;
            while stream.front().is_some_and(|item| slot_of(&item.operation).is_some_and(dropped)) {
                stream.pop_front();
            }
            let next = stream.front().and_then(|item| slot_of(&item.operation));
            let only = (shared.open.len() == 1).then(|| shared.open.first().copied()).flatten();
            let given = only.or(next.filter(|slot| shared.open.contains(slot)));
            if given == next {
                stream.pop_front();
            }
            given
        };
        let Some(slot) = slot else {
            let difference = "the outcome that was given next is not awaited".to_owned();
            return Err(Divergence { turn, difference }.into());
        };
        self.recorded_outcome(slot, turn).await
    }

    async fn recorded_outcome(&mut self, slot: usize, turn: u32) -> Result<(usize, Given, Timestamp), Stop> {
        let id = self.activation.shared().operations[slot].id.clone();
        if let Some((outcome, at)) = self.recorded.outcome(&id).cloned() {
            if id.kind == OperationKind::Map && matches!(outcome, OperationOutcome::Completed(_)) {
                return Ok((slot, self.absorb_ended(slot, &id).await?, at));
            }
            return Ok((slot, outcome.into(), at));
        }
        let ended = self.recorded.child_end(&id).cloned();
        if let Some((given, at)) = ended.and_then(|ended| Some((child_given(ended.outcome)?, ended.at))) {
            return Ok((slot, given, at));
        }
        if let Some(stent_core::journal::Made::Sleep { until }) = self.recorded.detail(&id) {
            return Ok((slot, Given::Done, until));
        }
        Err(Divergence { turn, difference: format!("{id} is awaited, and has no recorded outcome") }.into())
    }

    /// Outcomes left in the stream are given first; what else is open is watched, timed or started.
    fn go_live(&mut self) -> Result<(), Stop> {
        if self.returned.is_some() {
            return Ok(());
        }
        let turn = self.turn();
        self.activation.engine.divergences.forget(self.activation.task.claim.task);
        for item in std::mem::take(&mut self.recorded.stream) {
            if item.is_order {
                continue;
            }
            let slot = self.slots.get(&item.operation).copied();
            let (Some(slot), Some((outcome, at))) = (slot, self.recorded.outcome(&item.operation).cloned()) else {
                let difference = format!("{} has an outcome, and was never made", item.operation);
                return Err(Divergence { turn, difference }.into());
            };
            let mut shared = self.activation.shared();
            if !shared.open.contains(&slot) {
                continue;
            }
            shared.operations[slot].phase = Phase::Ended;
            drop(shared);
            // A resume may have taken up again what this outcome had cancelled.
            let is_early = match item.operation.kind {
                OperationKind::Call => self.recorded.child(&item.operation).is_some_and(|child| child.ended.is_none()),
                OperationKind::Map => matches!(outcome, OperationOutcome::Failed(_)),
                _ => false,
            };
            self.own.push_back(Own { slot, outcome, at, committed: true });
            if is_early {
                self.ended_early.push(slot);
            }
        }
        self.slots = std::collections::HashMap::new();
        let open: Vec<(usize, OperationId)> = {
            let shared = self.activation.shared();
            let waiting = shared.open.iter().filter(|slot| shared.operations[**slot].phase == Phase::Outstanding);
            waiting.map(|slot| (*slot, shared.operations[*slot].id.clone())).collect()
        };
        for (slot, id) in open {
            self.go_on(slot, &id);
        }
        Ok(())
    }
}
