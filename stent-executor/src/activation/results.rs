//! The results of a map's items, and how a map that had ended takes them in again.

use std::sync::Arc;

use stent_core::limits;
use stent_core::operation::{OperationId, OperationKind};
use stent_core::outcome::{Ended, Outcome};
use stent_core::retry::ErrorClass;
use stent_core::task::MapItem;
use stent_core::{Failure, Payload};

use super::Stop;
use super::journal::Divergence;
use super::operation::{Ask, Given, Request};
use super::turn::Driver;

impl Driver {
    /// What a map that ended before this activation takes in when it is told of its end, without iterating again (C-M5). Not before: its future
    /// may be where the function does not poll it at this time.
    pub(super) async fn absorb_ended(&mut self, slot: usize, id: &OperationId) -> Result<Given, Stop> {
        let fold = matches!(self.activation.shared().operations[slot].request, Request::Map { fold: true, .. });
        let Some(chunks) = self.recorded.chunks(id).cloned() else { return Ok(Given::Done) };
        if fold {
            let state = chunks.state.map(|state| Ask::Restore { state });
            return Ok(Given::Absorb(state.into_iter().collect()));
        }
        let (engine, task) = (Arc::clone(&self.activation.engine), &self.activation.task);
        let (parent, generation) = (task.claim.task, task.generation);
        let mut asks = Vec::new();
        let mut first = 0;
        while first < chunks.closed {
            let past = first.saturating_add(limits::CHUNK).min(chunks.closed);
            let read = engine.patiently(|| engine.backend.map_items(parent, generation, id, first..past));
            let items = self.work.meanwhile(read).await?;
            let all = usize::try_from(past - first).is_ok_and(|count| items.len() == count);
            let results = ended(&items).filter(|_| all).ok_or_else(|| not_ended(id))?;
            asks.push(Ask::Absorb { first, results });
            first = past;
        }
        Ok(Given::Absorb(asks))
    }
}

pub(super) fn watch_key(slot: usize, first: u32, chunk: u32) -> usize {
    slot * 2 + usize::from((first / chunk.max(1)) % 2 == 1)
}

pub(super) fn completed(ended: &Ended) -> bool {
    matches!(ended.outcome, Outcome::Completed(_))
}

pub(super) fn cancelled() -> Failure {
    Failure::new(ErrorClass::cancelled(), "the item was cancelled")
}

/// The results of items, if all have ended.
pub(super) fn ended(items: &[MapItem]) -> Option<Vec<Result<Payload, Failure>>> {
    items.iter().map(result).collect()
}

pub(super) fn result(item: &MapItem) -> Option<Result<Payload, Failure>> {
    let ended = item.ended.as_ref()?;
    Some(match &ended.outcome {
        Outcome::Completed(value) => Ok(value.clone()),
        Outcome::Failed(failure) => Err(failure.clone().of_item(item.index)),
        Outcome::TimedOut | Outcome::Cancelled => Err(cancelled().of_item(item.index)),
    })
}

pub(super) fn not_ended(id: &OperationId) -> Stop {
    debug_assert_eq!(id.kind, OperationKind::Map);
    let difference = format!("{id} closed a chunk of which an item is open or gone");
    Divergence { turn: id.turn, difference }.into()
}
