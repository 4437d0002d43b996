//! How a worker stops: no new claims, a grace for what runs, then releases (C-X4).

use std::sync::Arc;
use std::time::Duration;

use stent_core::worker::WorkerState;
use tokio::task::JoinSet;
use tracing::Instrument;

use super::heartbeat::Heartbeat;
use super::{Shared, claim, maintain};
use crate::error::Unfinished;
use crate::telemetry;

/// How long a worker that has stopped its code waits for its releases to be written, at most; leases end by themselves
/// otherwise.
const RELEASES: Duration = Duration::from_secs(5);

/// How far a worker's stop has come; it never goes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Phase {
    Running,
    /// Running tasks have the grace to finish.
    Draining,
    /// There is no grace.
    Stopping,
}

/// Starts the parts of a worker, and what stops them.
pub(super) fn start(shared: &Arc<Shared>, heartbeat: Heartbeat) {
    let span = telemetry::worker(shared.id);
    tokio::spawn(supervise(Arc::clone(shared), heartbeat).instrument(span));
}

/// Says that the worker has stopped, also if its supervision ended in any other way.
struct Stopping(Arc<Shared>);

impl Drop for Stopping {
    fn drop(&mut self) {
        self.0.become_state(WorkerState::Stopped);
        self.0.stopped.send_if_modified(|stopped| stopped.replace(stopped.unwrap_or(Ok(()))).is_none());
    }
}

async fn supervise(shared: Arc<Shared>, heartbeat: Heartbeat) {
    let _stopping = Stopping(Arc::clone(&shared));
    let mut maintenance = JoinSet::new();
    // Before the first look, so that nothing falls between.
    if let Some(hints) = shared.engine.backend.wake_ups() {
        maintenance.spawn(claim::listen(Arc::clone(&shared), hints).in_current_span());
    }
    maintenance.spawn(maintain::deadlines(Arc::clone(&shared)).in_current_span());
    maintenance.spawn(maintain::retention(Arc::clone(&shared)).in_current_span());
    let mut claiming = JoinSet::new();
    claiming.spawn(claim::claim(Arc::clone(&shared)).in_current_span());
    tokio::select! {
        biased;
        () = shared.left_running() => {}
        // The loop ends with a drain, too, and may be seen first.
        ended = claiming.join_next() => if shared.is_running() {
            tracing::error!(?ended, "the claim loop ended by itself; the worker stops");
            shared.enter(Phase::Stopping);
        }
    }

    shared.become_state(WorkerState::Draining);
    shared.draining.send_replace(true);
    let grace_end = shared.now().after(shared.engine.settings.drain_grace);
    let mut phase = shared.phase.subscribe();
    tokio::select! {
        biased;
        // What a claim on its way brings is released at once.
        () = async { claiming.join_next().await; idle(&shared).await } => {}
        _ = phase.wait_for(|phase| *phase == Phase::Stopping) => {}
        () = shared.engine.clock.wait_until(grace_end) => {}
    }
    let tasks = shared.leases.stop();
    if tokio::time::timeout(RELEASES, async {
        claiming.join_next().await;
        idle(&shared).await
    })
    .await
    .is_err()
    {
        tracing::warn!("the store did not take all releases in time; leases end by themselves");
    }
    drop((claiming, maintenance));
    heartbeat.stop().await;
    shared.stopped.send_replace(Some(if tasks == 0 { Ok(()) } else { Err(Unfinished { tasks }) }));
}

/// Waits until the ends of all claimed tasks are known.
async fn idle(shared: &Shared) {
    // The sender is in `shared`.
    let _ = shared.active.subscribe().wait_for(|active| *active == 0).await;
}
