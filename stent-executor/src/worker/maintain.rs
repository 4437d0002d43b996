//! Maintenance that any living worker does: deadlines (C-T3) and retention (C-X3).

use std::sync::Arc;
use std::time::Duration;

use stent_core::Timestamp;

use super::Shared;
use crate::backoff::{Backoff, random_unit};
use crate::nudge::earlier;

/// Executions that one transaction times out.
const EXPIRED_AT_ONCE: u32 = 100;
/// How long the claim loop, from which deadlines are learned, may be silent.
const SILENCE: Duration = Duration::from_secs(1);
/// Between two rounds of retention.
const RETENTION_INTERVAL: Duration = Duration::from_secs(60 * 60);
/// How long after its start a worker begins with retention, at the latest.
const RETENTION_START: Duration = Duration::from_secs(60);
/// How many times as long as a step of retention the pause after it is, so that it leaves the store to others.
const RETENTION_PAUSE: u32 = 4;

/// Times out executions whose deadline has passed: when the first is due, and every second while no claim is made.
pub(super) async fn deadlines(shared: Arc<Shared>) {
    // It listens from the start: a worker that claims is one that knows of deadlines.
    let clock = &shared.engine.clock;
    let (mut next, mut expired_at) = (None, Timestamp::EPOCH);
    loop {
        let now = clock.now();
        next = earlier(next, shared.nudge.take_deadline(now));
        // A deadline that was looked at and is still there is looked at again after a second, not at once.
        let is_new = now >= expired_at.after(SILENCE) || next.is_some_and(|deadline| deadline > expired_at);
        let is_due = next.is_some_and(|deadline| deadline <= now);
        // With all slots taken, or in a drain, nobody claims, and so nobody learns of new deadlines.
        let is_deaf = shared.engine.slots.claimable() == 0 || !shared.is_running();
        if is_new && (is_due || is_deaf) {
            // Nothing is asked of the store before the first contact.
            shared.contact.announced().await;
            next = next.filter(|deadline| *deadline > now);
            expired_at = now;
            expire(&shared, now).await;
            if is_due {
                // The next look for tasks tells of the next deadline.
                shared.nudge.tasks_ready();
            }
        }
        let (tick, ahead) = (now.after(SILENCE), next.filter(|deadline| *deadline > now));
        tokio::select! {
            () = clock.wait_until(ahead.unwrap_or(tick)), if ahead.is_some() => {}
            () = clock.idle_until(tick) => {}
            () = shared.nudge.deadline_changed() => {}
        }
    }
}

async fn expire(shared: &Shared, now: Timestamp) {
    let mut backoff = Backoff::default();
    loop {
        match shared.engine.backend.expire(now, EXPIRED_AT_ONCE).await {
            Ok(expired) => {
                for execution in &expired {
                    tracing::info!(%execution, "the execution's deadline passed");
                }
                if !expired.is_empty() {
                    shared.engine.news.poke();
                    shared.nudges.cancelled();
                }
                if expired.len() < EXPIRED_AT_ONCE as usize {
                    return;
                }
            }
            Err(error) => {
                tracing::warn!(%error, "cannot time out executions; trying again");
                backoff.wait().await;
            }
        }
    }
}

/// Deletes what ended long ago, a step at a time.
pub(super) async fn retention(shared: Arc<Shared>) {
    let Some(keep) = shared.engine.settings.retention else { return };
    let clock = &shared.engine.clock;
    let mut next = clock.now().after(RETENTION_START.mul_f64(random_unit()));
    loop {
        clock.idle_until(next).await;
        prune(&shared, keep).await;
        // Spread, so that workers that started together do not prune together.
        next = clock.now().after(RETENTION_INTERVAL.mul_f64(0.75 + random_unit() / 2.0));
    }
}

async fn prune(shared: &Shared, keep: Duration) {
    let mut rows = 0;
    loop {
        let (now, started) = (shared.now(), std::time::Instant::now());
        match shared.engine.backend.prune(now, now.before(keep)).await {
            Ok(pruned) => {
                rows += pruned.rows;
                if !pruned.more {
                    break;
                }
            }
            Err(error) => {
                tracing::warn!(%error, "cannot delete what ended long ago; trying again later");
                break;
            }
        }
        tokio::time::sleep(started.elapsed() * RETENTION_PAUSE).await;
    }
    if rows > 0 {
        tracing::info!(rows, "deleted what ended long ago");
    }
}
