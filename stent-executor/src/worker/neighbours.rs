//! The other workers of this machine: the claims of those whose process is gone run out at once (C-Q6).

use std::time::Duration;

use stent_core::BackendError;
use stent_core::worker::{WorkerRecord, WorkerState};

use super::{Shared, process};

/// How often it is seen whether neighbours live, of which the store is not asked.
const LOOK: Duration = Duration::from_secs(1);
/// Looks from one question to the store, who the neighbours are, to the next: an idle worker asks for little (R6).
const LOOKS: u32 = 10;

/// Watches neighbours, for ever.
pub(super) async fn watch(shared: &Shared) {
    shared.contact.announced().await;
    let mut known = Vec::new();
    for round in 0_u32.. {
        let look = async {
            if round.is_multiple_of(LOOKS) {
                known = neighbours(shared).await?;
            }
            lapse_gone(shared, &mut known).await
        };
        match tokio::time::timeout(shared.engine.settings.lease / 3, look).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::debug!(%error, "cannot look for workers that are gone"),
            Err(_) => tracing::debug!("looking for workers that are gone takes too long"),
        }
        shared.engine.clock.idle_until(shared.now().after(LOOK)).await;
    }
}

/// Looks once.
pub(super) async fn survey(shared: &Shared) -> Result<(), BackendError> {
    let mut known = neighbours(shared).await?;
    lapse_gone(shared, &mut known).await
}

/// The workers that have not said that they stopped; those of other machines are never judged to be gone.
async fn neighbours(shared: &Shared) -> Result<Vec<WorkerRecord>, BackendError> {
    let mut workers = shared.engine.backend.workers().await?;
    workers.retain(|worker| worker.id != shared.id && worker.state != WorkerState::Stopped);
    Ok(workers)
}

/// Lets the claims of those run out that are gone, and forgets them.
async fn lapse_gone(shared: &Shared, known: &mut Vec<WorkerRecord>) -> Result<(), BackendError> {
    while let Some(gone) = known.iter().position(|worker| process::is_gone(&shared.process, &worker.process)) {
        let worker = known[gone].id;
        let tasks = shared.engine.backend.lapse(shared.now(), worker).await?;
        known.swap_remove(gone);
        tracing::info!(%worker, tasks, "a worker of this machine is gone; its tasks are free");
        if tasks > 0 {
            shared.nudge.tasks_ready();
        }
    }
    Ok(())
}
