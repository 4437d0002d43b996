//! The key of an idempotent task: one task runs for it, and the others wait for its result (C-K2).

use stent_core::backend::Watch;
use stent_core::claim::ClaimedTask;
use stent_core::commit::Reserved;
use stent_core::error::BackendError;
use stent_core::memo::MemoMode;
use stent_core::retry::ErrorClass;
use stent_core::task::{End, Resume};
use stent_core::{Failure, TaskId};
use tokio::sync::watch;

use super::Left;
use super::suspend::drained;
use crate::engine::Engine;
use crate::registry::Known;
use crate::slots::Slot;

/// Reserves the key of an idempotent task. With the place to run in if this task may run; otherwise with how it is left.
pub(super) async fn reserve(
    engine: &Engine,
    task: &ClaimedTask,
    known: &Known,
    slot: Slot,
    mut draining: watch::Receiver<bool>,
) -> Result<Result<Slot, Left>, BackendError> {
    let Some(memo) = task.memo.filter(|memo| memo.mode == MemoMode::Idempotent) else { return Ok(Ok(slot)) };
    let mut slot = Some(slot);
    let leave = engine.clock.now().after(engine.settings.suspend_after);
    loop {
        let reserved = engine.patiently(|| engine.backend.reserve(engine.clock.now(), task.claim, memo.key)).await?;
        return Ok(Err(match reserved {
            Reserved::Yours => match slot {
                Some(slot) => return Ok(Ok(slot)),
                None => return Ok(Ok(engine.slots.acquire_turn().await)),
            },
            Reserved::ClaimLost => Left::Lost,
            Reserved::Value(output) => Left::End(End::Completed { output, variables: Vec::new(), notes: Vec::new() }),
            Reserved::Held { is_ancestor: true, by } => {
                let text = format!("its key is held by {by}, which waits for it");
                let failure = Failure::new(ErrorClass::invalid_call(), text);
                Left::End(End::Failed { failure, dead_letter: true, resume: Resume::Restart })
            }
            // A place of a limited function may be what the holder waits for.
            Reserved::Held { by, .. } if known.max_concurrent.is_some() => held(engine, by),
            Reserved::Held { by, .. } => {
                slot = None;
                let resident = engine.residents.enter();
                let mut watcher = engine.news.watcher();
                watcher.add(0, Watch::Task(by), false);
                tokio::select! {
                    biased;
                    _ended = watcher.next() => continue,
                    () = engine.clock.wait_until(leave) => held(engine, by),
                    () = resident.leave() => held(engine, by),
                    () = drained(&mut draining) => held(engine, by),
                }
            }
        }));
    }
}

/// Leaves memory, and asks again later. A release uses up no attempt, which a suspension without a journal would at the next claim.
fn held(engine: &Engine, by: TaskId) -> Left {
    Left::End(End::Released {
        until: Some(engine.clock.now().after(engine.settings.held_retry)),
        reason: Some(format!("its key is held by {by}")),
    })
}
