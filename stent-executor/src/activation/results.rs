//! The results of a map's items, and how a map that had ended takes them in again.

use std::sync::Arc;

use stent_core::limits;
use stent_core::operation::{OperationId, OperationKind};
use stent_core::outcome::{Ended, Outcome};
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
            let results = results(&items).filter(|_| all).ok_or_else(|| not_ended(id))?;
            asks.push(Ask::Absorb { first, results });
            first = past;
        }
        Ok(Given::Absorb(asks))
    }
}

pub(super) fn watch_key(slot: usize, first: u32, chunk: u32) -> usize {
    slot * 2 + usize::from((first / chunk.max(1)) % 2 == 1)
}

/// The results of items, if all have one: those of an open map are cancelled like [children of calls](super::turn::child_given).
pub(super) fn results(items: &[MapItem]) -> Option<Vec<Result<Payload, Failure>>> {
    let result = |item: &MapItem| match &item.ended.as_ref()?.outcome {
        Outcome::Completed(value) => Some(Ok(value.clone())),
        Outcome::Failed(failure) => Some(Err(failure.clone().of_item(item.index))),
        Outcome::TimedOut | Outcome::Cancelled => None,
    };
    items.iter().map(result).collect()
}

/// True if all items have ended.
pub(super) fn have_ended(items: &[MapItem]) -> bool {
    items.iter().all(|item| item.ended.is_some())
}

/// The failure of the item that failed first.
pub(super) fn first_failure(items: &[MapItem]) -> Option<Failure> {
    let failed = items.iter().filter_map(|item| match item.ended.as_ref()? {
        Ended { outcome: Outcome::Failed(failure), at } => Some((*at, item.index, failure)),
        _ => None,
    });
    let (_, index, failure) = failed.min_by_key(|(at, index, _)| (*at, *index))?;
    Some(failure.clone().of_item(index))
}

pub(super) fn not_ended(id: &OperationId) -> Stop {
    debug_assert_eq!(id.kind, OperationKind::Map);
    let difference = format!("{id} closed a chunk of which an item is open or gone");
    Divergence { turn: id.turn, difference }.into()
}
