//! Maps: children over an iterator, in chunks, at most two of which are in flight (C-M1 to C-M5).
//!
//! The map's future has the iterator, the fold and the type of results; the driver asks it to produce calls and to absorb results, and
//! does everything else. A map's end, good or bad, is an entry of the journal.

use std::collections::VecDeque;
use std::sync::Arc;

use stent_core::backend::Watch;
use stent_core::journal::EntryBody;
use stent_core::limits;
use stent_core::name::FunctionName;
use stent_core::operation::OperationId;
use stent_core::outcome::OperationOutcome;
use stent_core::retry::ErrorClass;
use stent_core::task::{MapItem, NewChild, NewTask};
use stent_core::{Failure, Fingerprint, Payload};

use super::Stop;
use super::journal::Divergence;
use super::operation::{Answer, Ask, Request};
use super::queue::Receipt;
use super::results::{first_failure, have_ended, not_ended, results, watch_key};
use super::turn::{Driver, Happening};
use crate::control::{Rule, breaks};

/// Chunks in flight (C-M2).
const WINDOW: usize = 2;

/// A map that is under way.
#[derive(Debug)]
pub(super) struct MapRun {
    pub(super) id: OperationId,
    pub(super) chunk: u32,
    settled: bool,
    pub(super) stage: Stage,
    /// Items taken from the iterator.
    pub(super) produced: u32,
    exhausted: bool,
    pub(super) open: VecDeque<OpenChunk>,
    /// Its future was asked for something.
    asked: bool,
    /// Items of open chunks that exist, as they were before this activation.
    pub(super) existing: Vec<MapItem>,
    /// Items that exist with another input than the iterator gave: by index, and what it gave.
    pub(super) differing: Vec<(u32, Fingerprint)>,
}

/// How far a map has come. One of a written turn goes through all of these, others run from the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// The items of open chunks are read.
    Looking,
    /// Those that exist are compared with what the iterator gives.
    Comparing,
    /// It goes on when the replay is over.
    Compared,
    /// The results of closed chunks are read, from this index on up to the second.
    Restoring(u32, u32),
    /// The recorded state of a fold is taken in.
    RestoringState,
    Running,
    /// Its outcome is queued.
    Over,
}

#[derive(Debug)]
pub(super) struct OpenChunk {
    pub(super) first: u32,
    pub(super) past: u32,
    /// Its results, once all have ended.
    results: Option<Vec<Result<Payload, Failure>>>,
    pub(super) watched: bool,
}

impl MapRun {
    /// A map of which this many items are in closed chunks.
    pub(super) fn new(id: OperationId, settled: bool, chunk: u32, closed: u32, stage: Stage) -> Self {
        Self {
            id,
            chunk: chunk.clamp(1, limits::CHUNK),
            settled,
            stage,
            produced: closed,
            exhausted: false,
            open: VecDeque::new(),
            asked: false,
            existing: Vec::new(),
            differing: Vec::new(),
        }
    }

    /// True if items exist of which it is not known whether the iterator gives them.
    pub(super) fn has_uncompared(&self) -> bool {
        self.existing.iter().any(|item| item.index >= self.produced)
    }
}

impl Driver {
    /// Begins a map.
    pub(super) fn begin_map(&mut self, slot: usize, chunk: u32) {
        let Some((id, settled, _)) = self.map_made(slot) else { return };
        self.maps.insert(slot, MapRun::new(id, settled, chunk, 0, Stage::Running));
    }

    /// A map, as it was made: its identity, whether it is settled, whether it folds.
    pub(super) fn map_made(&self, slot: usize) -> Option<(OperationId, bool, bool)> {
        let shared = self.activation.shared();
        let operation = &shared.operations[slot];
        match operation.request {
            Request::Map { settled, fold, .. } => Some((operation.id.clone(), settled, fold)),
            _ => None,
        }
    }

    /// Takes every map as far as it can go now.
    pub(super) fn advance_maps(&mut self) -> Result<(), Stop> {
        let slots: Vec<usize> = self.maps.keys().copied().collect();
        for slot in slots {
            let answer = self.activation.shared().operations[slot].answer.take();
            if let Some(answer) = answer {
                if let Some(map) = self.maps.get_mut(&slot) {
                    map.asked = false;
                }
                self.answered(slot, answer)?;
            }
            self.advance(slot);
        }
        Ok(())
    }

    /// Asks for the next thing, or ends the map.
    fn advance(&mut self, slot: usize) {
        let Some(map) = self.maps.get_mut(&slot) else { return };
        if map.asked {
            return;
        }
        if map.stage == Stage::Comparing {
            if map.has_uncompared() {
                let (first, limit) = (map.produced, map.chunk);
                self.ask(slot, Ask::Produce { first, limit });
            } else {
                map.stage = Stage::Compared;
            }
            return;
        }
        if map.stage != Stage::Running {
            return;
        }
        if let Some(results) = map.open.front_mut().and_then(|chunk| chunk.results.take()) {
            let first = map.open.front().map_or(0, |chunk| chunk.first);
            self.ask(slot, Ask::Absorb { first, results });
        } else if !map.exhausted && map.open.len() < WINDOW {
            let (first, limit) = (map.produced, map.chunk);
            self.ask(slot, Ask::Produce { first, limit });
        } else if map.exhausted && map.open.is_empty() {
            map.stage = Stage::Over;
            self.own_outcome(slot, OperationOutcome::Completed(Payload::default()));
        }
    }

    /// Asks the map's future; it answers while the function is polled.
    pub(super) fn ask(&mut self, slot: usize, ask: Ask) {
        if let Some(map) = self.maps.get_mut(&slot) {
            map.asked = true;
        }
        self.activation.shared().operations[slot].ask = Some(ask);
        self.driving = true;
    }

    fn answered(&mut self, slot: usize, answer: Answer) -> Result<(), Stop> {
        match answer {
            Answer::Refused(failure) => {
                if let Some(map) = self.maps.get(&slot).filter(|map| map.stage == Stage::Comparing) {
                    let difference = format!("{}: its items are not those recorded: {failure}", map.id);
                    return Err(Divergence { turn: map.id.turn, difference }.into());
                }
                self.end_map(slot, failure);
                Ok(())
            }
            Answer::Absorbed(state) => {
                self.absorbed(slot, state);
                Ok(())
            }
            Answer::Produced(tasks) => self.produced(slot, tasks),
        }
    }

    fn absorbed(&mut self, slot: usize, state: Option<Payload>) {
        let Some(map) = self.maps.get_mut(&slot) else { return };
        match map.stage {
            Stage::Running => {
                let Some(chunk) = map.open.pop_front() else { return };
                let (turn, now) = (self.activation.shared().turn, self.activation.engine.clock.now());
                let body = EntryBody::Chunk {
                    map: map.id.clone(),
                    closed: chunk.past - u32::from(breaks(Rule::ClosedChunks)),
                    state,
                };
                self.queue.entry(turn, now, body, None);
                self.watcher.remove(watch_key(slot, chunk.first, map.chunk));
            }
            Stage::Restoring(from, closed) => self.restored(slot, from, closed),
            Stage::RestoringState => self.run_map(slot),
            _ => {}
        }
    }

    /// Calls were taken from the iterator: they become the children of a chunk, unless they are already.
    fn produced(&mut self, slot: usize, mut tasks: Vec<NewTask>) -> Result<(), Stop> {
        let activation = Arc::clone(&self.activation);
        let Some(map) = self.maps.get_mut(&slot) else { return Ok(()) };
        let count = u32::try_from(tasks.len()).unwrap_or(u32::MAX);
        map.exhausted = count < map.chunk;
        let (first, past) = (map.produced, map.produced.saturating_add(count));
        if past > limits::MAP_ITEMS {
            let text = format!("a map has at most {} items; split it over child functions", limits::MAP_ITEMS);
            self.end_map(slot, Failure::new(ErrorClass::limit_exceeded(), text));
            return Ok(());
        }
        map.produced = past;
        // The function was renamed since: the items of a map bear the name with which it began.
        if let Some(name) = FunctionName::new(&*map.id.name)
            .ok()
            .filter(|name| tasks.first().is_some_and(|task| task.function != *name))
        {
            tasks.iter_mut().for_each(|task| task.function = name.clone());
        }
        let existing: Vec<&MapItem> =
            map.existing.iter().filter(|item| item.index >= first && (item.index < past || map.exhausted)).collect();
        if !existing.is_empty() {
            if existing.len() != tasks.len() {
                let difference = format!("{}: items {first} to {past} are not as many as recorded", map.id);
                return Err(Divergence { turn: map.id.turn, difference }.into());
            }
            let pairs = existing.iter().zip(&tasks).filter(|(item, task)| item.fingerprint != task.fingerprint);
            map.differing = pairs.map(|(item, task)| (item.index, task.fingerprint)).collect();
        }
        if count == 0 {
            return Ok(());
        }
        map.open.push_back(OpenChunk { first, past, results: None, watched: false });
        if existing.is_empty() {
            let id = map.id.clone();
            let children = (first..past).zip(tasks).map(|(index, task)| NewChild {
                id: activation.child(&id, Some(index)),
                operation: id.clone(),
                index: Some(index),
                task,
                born: None,
            });
            self.queue.chunk(children, Receipt::Chunk(slot, first));
        }
        Ok(())
    }

    /// Watches an open chunk whose children exist.
    pub(super) fn watch_chunk(&mut self, slot: usize, first: u32, fresh: bool) {
        let task = &self.activation.task;
        let Some(map) = self.maps.get_mut(&slot) else { return };
        let Some(chunk) = map.open.iter_mut().find(|chunk| chunk.first == first) else { return };
        chunk.watched = true;
        let watch = Watch::Map {
            parent: task.claim.task,
            generation: task.generation,
            operation: map.id.clone(),
            items: chunk.first..chunk.past,
            settled: map.settled,
        };
        self.watcher.add(watch_key(slot, first, map.chunk), watch, fresh);
    }

    /// True if every map only waits for its children.
    pub(super) fn maps_rest(&self) -> bool {
        let waits =
            |map: &MapRun| !map.asked && map.stage == Stage::Running && map.open.iter().all(|chunk| chunk.watched);
        self.maps.values().all(waits)
    }

    /// The open chunks of a map whose children exist: first index, and the index past the last.
    pub(super) fn open_chunks(&self, slot: usize) -> Option<(OperationId, bool, Vec<std::ops::Range<u32>>)> {
        let map = self.maps.get(&slot)?;
        let watched = map.open.iter().filter(|chunk| chunk.watched && chunk.results.is_none());
        Some((map.id.clone(), map.settled, watched.map(|chunk| chunk.first..chunk.past).collect()))
    }

    /// A watched chunk is over: its results are read.
    pub(super) fn chunk_over(&self, slot: usize, parity: usize) {
        let Some(map) = self.maps.get(&slot) else { return };
        let chunk = map.open.iter().find(|chunk| watch_key(slot, chunk.first, map.chunk) % 2 == parity);
        if let Some(chunk) = chunk {
            self.read_range(slot, chunk.first, chunk.past);
        }
    }

    pub(super) fn read_range(&self, slot: usize, first: u32, past: u32) {
        let Some(map) = self.maps.get(&slot) else { return };
        let (engine, id) = (Arc::clone(&self.activation.engine), map.id.clone());
        let (parent, generation) = (self.activation.task.claim.task, self.activation.task.generation);
        self.work.push(Box::pin(async move {
            let items = engine.patiently(|| engine.backend.map_items(parent, generation, &id, first..past)).await;
            Happening::MapItems(slot, first, items)
        }));
    }

    /// Items of a map were read.
    pub(super) fn map_items(&mut self, slot: usize, first: u32, items: Vec<MapItem>) -> Result<(), Stop> {
        let Some(map) = self.maps.get_mut(&slot) else { return Ok(()) };
        match map.stage {
            Stage::Restoring(..) => {
                let all = usize::try_from(map.chunk.min(to_restore(map.stage))).is_ok_and(|count| items.len() == count);
                let results = results(&items).filter(|_| all).ok_or_else(|| not_ended(&map.id))?;
                self.ask(slot, Ask::Absorb { first, results });
            }
            Stage::Looking => {
                map.existing = items;
                map.stage = Stage::Comparing;
            }
            Stage::Running => {
                if let Some(failure) = first_failure(&items).filter(|_| !map.settled) {
                    self.end_map(slot, failure);
                    return Ok(());
                }
                let Some(chunk) = map.open.iter_mut().find(|chunk| chunk.first == first) else { return Ok(()) };
                let all = usize::try_from(chunk.past - chunk.first).is_ok_and(|count| items.len() == count);
                match results(&items).filter(|_| all) {
                    Some(results) => chunk.results = Some(results),
                    None if have_ended(&items) => drop(self.cancelled.insert(slot)),
                    None => self.watch_chunk(slot, first, false),
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Ends a map with a failure, and its open items with it (C-M3): a resume from before the turn that the failure opens takes them up again (C-Y3).
    fn end_map(&mut self, slot: usize, failure: Failure) {
        self.end_early(slot, OperationOutcome::Failed(failure));
        self.maps.remove(&slot);
    }
}

/// Items of closed chunks whose results are still to be read.
fn to_restore(stage: Stage) -> u32 {
    match stage {
        Stage::Restoring(from, closed) => closed - from,
        _ => 0,
    }
}
