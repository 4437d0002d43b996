//! Waiting: in memory for a while, and then in the store (C-Q4, C-Q5).

use std::sync::Arc;
use std::time::Duration;

use stent_core::Timestamp;
use stent_core::commit::Suspended;
use stent_core::operation::OperationKind;
use stent_core::task::{Suspension, Wait};
use stent_core::time::Clock;

use tokio::sync::watch;

use super::journal::Divergence;
use super::operation::Phase;
use super::turn::Driver;
use super::{Left, Stop};

impl Driver {
    /// Waits for the next thing to come. A function that only waits for durable things leaves memory after a while; one that only waits
    /// holds no place of running code.
    pub(super) async fn wait(&mut self) -> Result<Option<Left>, Stop> {
        let engine = Arc::clone(&self.activation.engine);
        let (runs, leaves) = self.what_remains();
        if !runs {
            self.place = None;
        }
        let timer = self.next_timer();
        let since = engine.clock.now();
        let leave = if leaves { since.after(engine.settings.suspend_after) } else { Timestamp::MAX };
        let resident = leaves.then(|| engine.residents.enter());
        let over_full = async {
            match &resident {
                Some(resident) => resident.leave().await,
                None => std::future::pending().await,
            }
        };
        let mut draining = self.draining.clone();
        let clock = Arc::clone(&engine.clock);
        tokio::select! {
            biased;
            event = self.next_event() => return event.map(|()| None),
            () = until(&*clock, timer) => {}
            () = clock.wait_until(leave), if leaves => return self.suspend().await,
            () = over_full => return self.suspend().await,
            () = drained(&mut draining), if leaves => return self.suspend().await,
        }
        self.timers_due(engine.clock.now());
        Ok(None)
    }

    /// Whether its own code may still run, and whether it may leave memory.
    fn what_remains(&self) -> (bool, bool) {
        let shared = self.activation.shared();
        let durable = |slot: &usize| {
            let operation = &shared.operations[*slot];
            operation.id.kind.is_recorded_when_made() && operation.phase == Phase::Outstanding
        };
        // With nothing open it awaits something outside of its context, which only its own running can bring about.
        let runs = !self.running.is_empty() || shared.open.is_empty();
        let leaves = !runs
            && self.work.is_empty()
            && self.queue.is_idle()
            && self.own.is_empty()
            && self.ready.is_empty()
            && self.signalled.is_empty()
            && self.overdue.is_empty()
            && !self.taking
            && !self.driving
            && self.maps_rest()
            && shared.open.iter().all(durable);
        (runs, leaves)
    }

    /// The next timer of something that is still awaited.
    fn next_timer(&mut self) -> Option<Timestamp> {
        let shared = self.activation.shared();
        while let Some((at, slot)) = self.timers.first().copied() {
            if shared.open.contains(&slot) {
                return Some(at);
            }
            self.timers.pop_first();
        }
        None
    }

    async fn suspend(&mut self) -> Result<Option<Left>, Stop> {
        let suspension =
            Suspension { claim: self.activation.task.claim, until: self.next_timer(), waits: self.waits() };
        match self.activation.engine.suspensions.submit(suspension).await? {
            Suspended::Yes => Ok(Some(Left::Suspended)),
            Suspended::ClaimLost => Err(Stop::Lost),
            Suspended::Awake => {
                self.check_cancelled()?;
                self.look_again();
                self.next_event_or_timer().await?;
                Ok(None)
            }
        }
    }

    /// Refuses to wait for what was cancelled while its claim holds: nothing would ever come.
    fn check_cancelled(&self) -> Result<(), Stop> {
        let shared = self.activation.shared();
        match self.cancelled.iter().find(|slot| shared.open.contains(slot)) {
            Some(slot) => {
                let id = &shared.operations[*slot].id;
                Err(Divergence { turn: id.turn, difference: format!("{id} was cancelled, and is awaited") }.into())
            }
            None => Ok(()),
        }
    }

    /// What wakes it, besides its timer.
    fn waits(&self) -> Vec<Wait> {
        let shared = self.activation.shared();
        let mut waits = Vec::new();
        for slot in &shared.open {
            let operation = &shared.operations[*slot];
            match operation.id.kind {
                OperationKind::Call => waits.push(Wait::Child(self.activation.child(&operation.id, None))),
                OperationKind::Signal => waits.extend(operation.signal_name().map(Wait::Signal)),
                OperationKind::Map => {
                    let Some((id, settled, chunks)) = self.open_chunks(*slot) else { continue };
                    waits.extend(chunks.into_iter().map(|items| Wait::Map { operation: id.clone(), items, settled }));
                }
                _ => {}
            }
        }
        waits.dedup();
        waits
    }

    /// The store says that a wait is over, and the news of it have not come yet.
    fn look_again(&self) {
        self.activation.engine.news.poke();
    }

    /// Waits for the news that the refused suspension foretold, and no longer than a poll.
    async fn next_event_or_timer(&mut self) -> Result<(), Stop> {
        let engine = Arc::clone(&self.activation.engine);
        let timer = self.next_timer().unwrap_or(Timestamp::MAX).min(engine.clock.now().after(Duration::from_secs(1)));
        tokio::select! {
            biased;
            event = self.next_event() => event?,
            () = engine.clock.wait_until(timer) => {}
        }
        self.timers_due(engine.clock.now());
        Ok(())
    }
}

/// Ready when the worker drains; never if it has gone, since then the claim ends this.
pub(super) async fn drained(draining: &mut watch::Receiver<bool>) {
    if draining.wait_for(|draining| *draining).await.is_err() {
        std::future::pending().await
    }
}

async fn until(clock: &dyn Clock, timer: Option<Timestamp>) {
    match timer {
        Some(at) => clock.wait_until(at).await,
        None => std::future::pending().await,
    }
}
