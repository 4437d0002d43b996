//! Maps that a written turn made and that have not ended: the items of their open chunks are compared with what the code gives before anything is
//! started or written (C-R4, C-M5), and what closed chunks gave is taken in when the replay is over.

use stent_core::journal::Made;
use stent_core::name::FunctionName;
use stent_core::operation::OperationKind;

use super::Stop;
use super::journal::Divergence;
use super::map::{MapRun, Stage};
use super::operation::{Ask, Mode};
use super::turn::Driver;

impl Driver {
    /// Has the open maps of this turn look for the items that exist. Their futures are polled when they are made, so that this is the time to compare.
    pub(super) fn look_into_maps(&mut self, turn: u32) {
        let made: Vec<usize> = {
            let shared = self.activation.shared();
            let made = shared.open.iter().rev().copied().take_while(|slot| shared.operations[*slot].id.turn == turn);
            let is_open_map = |slot: &usize| {
                let id = &shared.operations[*slot].id;
                id.kind == OperationKind::Map && self.recorded.outcome(id).is_none()
            };
            made.filter(is_open_map).filter(|slot| !self.maps.contains_key(slot)).collect()
        };
        for slot in made {
            let Some((id, settled, _)) = self.map_made(slot) else { continue };
            let chunk = match self.recorded.detail(&id) {
                Some(Made::Map { chunk }) => chunk,
                _ => self.activation.engine.settings.chunk,
            };
            let closed = self.recorded.chunks(&id).map_or(0, |chunks| chunks.closed);
            let map = MapRun::new(id, settled, chunk, closed, Stage::Looking);
            // The chunk after the window too: none of its items may exist.
            let past = closed.saturating_add(map.chunk.saturating_mul(3));
            self.maps.insert(slot, map);
            self.read_range(slot, closed, past);
        }
    }

    /// Compares the items of open maps as far as the function polls them. A map that it does not poll at this time is compared when it is polled.
    pub(super) async fn compare_items(&mut self) -> Result<(), Stop> {
        while let Some(read) = self.work.next().await {
            self.happened(read)?;
        }
        loop {
            self.advance_maps()?;
            self.compare_by_todays_types().await?;
            if !self.driving || self.returned.is_some() {
                return Ok(());
            }
            self.drive_steps().await;
            let shared = self.activation.shared();
            if !self.maps.keys().any(|slot| shared.operations[*slot].answer.is_some()) {
                return Ok(());
            }
        }
    }

    /// Items whose inputs differ are compared again with the recorded ones, read and printed by today's types, so that a field added with a default is no
    /// divergence (C-R4).
    async fn compare_by_todays_types(&mut self) -> Result<(), Stop> {
        let activation = std::sync::Arc::clone(&self.activation);
        let engine = &activation.engine;
        for map in self.maps.values_mut() {
            let differing = std::mem::take(&mut map.differing);
            if differing.is_empty() {
                continue;
            }
            let known = FunctionName::new(&*map.id.name).ok().and_then(|name| engine.registry.find(&name, None));
            let items: Vec<_> = differing.iter().map(|(index, _)| activation.child(&map.id, Some(*index))).collect();
            let payloads = engine.patiently(|| engine.backend.payloads(&items)).await?;
            for ((index, given), recorded) in differing.iter().zip(payloads) {
                let today = known
                    .zip(recorded)
                    .and_then(|(known, recorded)| known.reprint(&*engine.codec, &recorded.input).ok());
                if today != Some(*given) {
                    let difference = format!("{}: item {index} is not the one recorded", map.id);
                    return Err(Divergence { turn: map.id.turn, difference }.into());
                }
            }
        }
        Ok(())
    }

    /// Demands that all items that exist are compared before anything is started or written. Items bear the turn of their map alone, so that they may have
    /// been asked for after outcomes that are left in the stream: those are given first, and what their turns make waits in the queue. Code that does not
    /// poll a map then is other code, unless it awaits something outside of its context first (C-R8).
    pub(super) async fn demand_items(&mut self) -> Result<(), Stop> {
        let engine = std::sync::Arc::clone(&self.activation.engine);
        let patience = engine.clock.now().after(engine.settings.replay_patience);
        while self.returned.is_none()
            && let Some(map) = self.maps.values().find(|map| map.has_uncompared())
        {
            let turn = self.turn();
            let difference = format!("{} recorded items, and is not polled", map.id);
            if self.own.front().is_some_and(|own| own.committed) {
                self.give_next().await?;
            } else {
                tokio::select! {
                    biased;
                    () = self.activation.wake.notified() => {}
                    () = engine.clock.wait_until(patience) => return Err(Divergence { turn, difference }.into()),
                }
                self.poll(Mode::Turn).await;
                self.end_turn()?;
            }
            self.collect();
            self.compare_items().await?;
        }
        let compared = self.maps.iter().filter(|(_, map)| map.stage == Stage::Compared).map(|(slot, _)| *slot);
        for slot in compared.collect::<Vec<_>>() {
            self.restore_map(slot);
        }
        Ok(())
    }

    /// Goes on with a map whose items are compared: first it takes in what its closed chunks gave.
    fn restore_map(&mut self, slot: usize) {
        let Some((id, _, fold)) = self.map_made(slot) else { return };
        let Some(map) = self.maps.get_mut(&slot) else { return };
        map.existing = Vec::new();
        let Some(chunks) = self.recorded.chunks(&id).cloned() else { return self.run_map(slot) };
        match chunks.state.filter(|_| fold) {
            Some(state) => {
                map.stage = Stage::RestoringState;
                self.ask(slot, Ask::Restore { state });
            }
            None if fold => self.run_map(slot),
            None => self.restore_from(slot, 0, chunks.closed),
        }
    }

    /// The results of closed chunks up to this index were taken in.
    pub(super) fn restored(&mut self, slot: usize, from: u32, closed: u32) {
        let Some(map) = self.maps.get(&slot) else { return };
        self.restore_from(slot, from.saturating_add(map.chunk).min(closed), closed);
    }

    fn restore_from(&mut self, slot: usize, from: u32, closed: u32) {
        let Some(map) = self.maps.get_mut(&slot) else { return };
        if from == closed {
            return self.run_map(slot);
        }
        map.stage = Stage::Restoring(from, closed);
        let past = from.saturating_add(map.chunk).min(closed);
        self.read_range(slot, from, past);
    }

    /// From now on the map is like one that was begun in this activation.
    pub(super) fn run_map(&mut self, slot: usize) {
        let Some(map) = self.maps.get_mut(&slot) else { return };
        map.stage = Stage::Running;
        let chunks: Vec<u32> = map.open.iter().map(|chunk| chunk.first).collect();
        for first in chunks {
            self.watch_chunk(slot, first, false);
        }
    }
}
