//! The heartbeat: renews all claims in one call, from a thread and runtime of its own, so that no user code can be in
//! its way.

use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::FusedFuture;
use stent_core::error::ErrorKind;
use stent_core::worker::{WorkerRecord, WorkerState};
use stent_core::{BackendError, Timestamp};
use tokio::sync::{oneshot, watch};
use tracing::Instrument;

use super::{Shared, neighbours};
use crate::backoff::Backoff;
use crate::telemetry::metrics;
use crate::{stent, telemetry};

/// How long a worker that stops tries to say so; others learn it by its lease otherwise.
const FAREWELL: Duration = Duration::from_secs(5);

/// A running heartbeat. Dropped, it stops; nobody waits for it then.
pub(super) struct Heartbeat {
    stop: watch::Sender<bool>,
    ended: oneshot::Receiver<()>,
}

impl Heartbeat {
    /// Stops it, and waits until it has said that the worker has stopped.
    pub(super) async fn stop(self) {
        self.stop.send_replace(true);
        // An error means that its thread is gone.
        let _ = self.ended.await;
    }
}

/// Starts the heartbeat of a worker.
pub(super) fn start(shared: &Arc<Shared>) -> io::Result<Heartbeat> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (stop, stopping) = watch::channel(false);
    let (told, ended) = oneshot::channel();
    let shared = Arc::clone(shared);
    thread::Builder::new().name("stent-heartbeat".into()).spawn(move || {
        let span = telemetry::worker(shared.id);
        runtime.block_on(beat(&shared, stopping).instrument(span));
        // What a driver may have left on this runtime must not keep the thread.
        runtime.shutdown_background();
        let _ = told.send(());
    })?;
    Ok(Heartbeat { stop, ended })
}

async fn beat(shared: &Shared, mut stopping: watch::Receiver<bool>) {
    let mut renewing = pin!(renewals(shared, stopping.clone()).fuse());
    tokio::select! {
        // Also if the sender is dropped.
        _ = stopping.wait_for(|stop| *stop) => {}
        () = &mut renewing => {}
        () = fences(shared) => {}
        () = neighbours::watch(shared) => {}
    }
    if !renewing.is_terminated() {
        // Given up, a renewal that is under way could be written after the farewell, and the worker would seem to drain until its lease is over.
        let _ = tokio::time::timeout(FAREWELL, renewing).await;
    }
    let now = shared.now();
    let record = WorkerRecord { state: WorkerState::Stopped, ..shared.record(now) };
    let farewell = tokio::time::timeout(FAREWELL, shared.engine.backend.renew(now, &record, &[])).await;
    if !matches!(farewell, Ok(Ok(_))) {
        tracing::warn!("the worker could not say that it stopped");
    }
}

/// Renews every third of a lease, and when asked to, until it is to stop.
async fn renewals(shared: &Shared, mut stopping: watch::Receiver<bool>) {
    let lease = shared.engine.settings.lease;
    // Before the first claim, so that a program that was killed and started again goes on at once (C-Q6).
    let mut backoff = Backoff::default();
    while let Err(error) = neighbours::survey(shared).await {
        tracing::warn!(%error, "cannot look for workers that are gone");
        if !error.is_transient() {
            break;
        }
        backoff.wait().await;
    }
    let mut has_clock = true;
    for round in 0_u32.. {
        let renewed_at = renew(shared).await;
        shared.contact.announce();
        // Within a lease clocks do not drift apart, and an idle worker asks for little (R6).
        if has_clock && round.is_multiple_of(2) {
            // Claims are renewed in time whatever this does.
            let follows = stent::follow(&*shared.engine.backend, &*shared.engine.clock);
            match tokio::time::timeout(lease / 3, follows).await {
                Ok(Ok(follows)) => has_clock = follows,
                Ok(Err(error)) => tracing::debug!(%error, "cannot ask for the store's time"),
                Err(_) => tracing::debug!("asking for the store's time takes too long"),
            }
        }
        tokio::select! {
            () = shared.engine.clock.idle_until(renewed_at.after(lease / 3)) => {}
            () = shared.nudge.beat_asked() => {}
            _ = stopping.wait_for(|stop| *stop) => return,
        }
    }
}

/// Renews all claims, however often that takes; answers with the time from which they hold.
async fn renew(shared: &Shared) -> Timestamp {
    let lease = shared.engine.settings.lease;
    let mut backoff = Backoff::default();
    loop {
        let now = shared.now();
        let (claims, record) = (shared.leases.claims(), shared.record(now));
        shared.contact.asked();
        let call = shared.engine.backend.renew(now, &record, &claims);
        // A call that hangs on a dead connection may go through on another.
        let answer = tokio::time::timeout(lease * 2 / 3, call).await.unwrap_or_else(|_| Err(hung()));
        match answer {
            Ok(answers) => {
                shared.contact.made(now);
                shared.leases.renewed(&claims, &answers, now.after(lease));
                shared.contact.renewed();
                return now;
            }
            Err(error) => {
                metrics::store_error("renew");
                tracing::warn!(%error, claims = claims.len(), "cannot renew claims; trying again");
                shared.contact.lost();
                backoff.wait().await;
            }
        }
    }
}

fn hung() -> BackendError {
    BackendError::new(ErrorKind::Unavailable, "renew").with_message("the store did not answer in time")
}

/// Stops code whose lease is nearly over, also while no renewal is answered.
async fn fences(shared: &Shared) {
    let lease = shared.engine.settings.lease;
    // The code stops before another worker may begin.
    let margin = lease / 10;
    loop {
        let Some(end) = shared.leases.next_end() else {
            shared.leases.added().await;
            continue;
        };
        shared.engine.clock.idle_until(end.before(margin)).await;
        if !shared.contact.is_silent(margin) {
            // No renewal was refused or is late: the clock was set, or the machine slept. One quick try is allowed.
            let renewal = shared.contact.next_renewal();
            shared.nudge.beat();
            let _ = tokio::time::timeout(lease / 4, renewal).await;
        }
        shared.leases.fence(end);
    }
}
