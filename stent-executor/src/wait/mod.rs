//! Waiting: all waits of a process in one query, asked when a hint comes, when a wait begins, and every poll interval
//! (C-Q5).
//!
//! `News` is told of what ends in this process, hears of the rest by hints, and finds what hints have missed by
//! polling.

#[cfg(test)]
mod tests;
mod watches;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use stent_core::backend::{Hint, WakeUps, Watch};
use stent_core::name::SignalName;
use stent_core::outcome::Ended;
use stent_core::{Backend, Clock, ExecutionId, TaskId};
use tokio::sync::{Notify, mpsc};

use crate::backoff::Backoff;
use crate::pace::Pace;
use watches::{Fired, Look, Watched, Watches};

/// The shortest pause that a query owes, if hints ask for the next.
const PAUSE: Duration = Duration::from_millis(1);
/// How many times as long as a query its pause is: in the long run a fifth of the time goes to looking.
const PAUSE_FACTOR: u32 = 4;
/// So much pausing may be owed: who is seldom hinted at is answered at once.
const BURST: Duration = Duration::from_millis(20);

/// What a process waits for. One task asks for all of it, as long as there is any.
#[derive(Clone)]
pub(crate) struct News {
    handle: Arc<Handle>,
}

/// The waits of one activation or client call. Dropped, it waits for nothing.
pub(crate) struct Watcher {
    handle: Arc<Handle>,
    ids: HashMap<usize, u64>,
    sender: mpsc::UnboundedSender<Fired>,
    fired: mpsc::UnboundedReceiver<Fired>,
}

/// A wait is over.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Event {
    /// The key under which it was added.
    pub(crate) key: usize,
    /// The outcome, if this process made it.
    pub(crate) ended: Option<Ended>,
}

/// The last of these stops the poller, which holds only what is inside.
struct Handle(Arc<Shared>);

struct Shared {
    backend: Arc<dyn Backend>,
    clock: Arc<dyn Clock>,
    poll: Duration,
    watches: Mutex<Watches>,
    /// Something was added, asked for or closed.
    changed: Notify,
}

impl News {
    pub(crate) fn new(backend: Arc<dyn Backend>, clock: Arc<dyn Clock>, poll: Duration) -> Self {
        let shared = Shared { backend, clock, poll, watches: Mutex::default(), changed: Notify::new() };
        Self { handle: Arc::new(Handle(Arc::new(shared))) }
    }

    /// A new watcher, with nothing to watch.
    pub(crate) fn watcher(&self) -> Watcher {
        let (sender, fired) = mpsc::unbounded_channel();
        Watcher { handle: Arc::clone(&self.handle), ids: HashMap::new(), sender, fired }
    }

    /// Tells those who wait for a task how it ended: its end was committed by this process.
    pub(crate) fn task_ended(&self, task: TaskId, ended: &Ended) {
        self.handle.0.watches().task_ended(task, ended);
    }

    /// Tells those who wait for an execution how it ended: its end was committed by this process.
    pub(crate) fn execution_ended(&self, execution: ExecutionId, ended: &Ended) {
        self.handle.0.watches().execution_ended(execution, ended);
    }

    /// Tells those who wait for an execution that it may have ended elsewhere: it does not run here any more.
    pub(crate) fn execution_doubted(&self, execution: ExecutionId) {
        self.handle.0.watches().execution_doubted(execution);
    }

    /// Tells those who wait for a signal that there is a value: this process sent it.
    pub(crate) fn signalled(&self, execution: ExecutionId, name: &SignalName) {
        self.handle.0.watches().signalled(execution, name);
    }

    /// True if there is nothing to look at before a hint or the next poll.
    pub(crate) fn is_idle(&self) -> bool {
        !matches!(self.handle.0.watches().look(), Look::Now | Look::Soon)
    }

    /// Looks at everything soon: this process wrote something that hints may not tell of.
    pub(crate) fn poke(&self) {
        self.handle.0.hinted(Hint::Anything);
    }
}

impl Watcher {
    /// Begins to wait, in the place of what was waited for under this key. `fresh`: it cannot be over yet, so that a
    /// first look is not needed; only true if the watch is added before what could end it is written.
    pub(crate) fn add(&mut self, key: usize, watch: Watch, fresh: bool) {
        self.remove(key);
        let shared = &self.handle.0;
        let mut watches = shared.watches();
        let is_first = watches.is_empty();
        let id = watches.add(Watched { key, watch, is_new: !fresh, sender: self.sender.clone() });
        self.ids.insert(key, id);
        let starts = watches.starts_polling();
        drop(watches);
        if starts {
            start(shared);
        } else if !fresh || is_first {
            // A poller that had nothing to wait for does not look at the clock.
            shared.changed.notify_one();
        }
    }

    /// Stops waiting; an event of it that is on its way is not delivered.
    pub(crate) fn remove(&mut self, key: usize) {
        if let Some(id) = self.ids.remove(&key) {
            self.handle.0.watches().remove(id);
        }
    }

    /// The next wait that is over; it is not waited for any more. Never ready while there is nothing to wait for. May
    /// be dropped at any point without losing an event.
    pub(crate) async fn next(&mut self) -> Event {
        loop {
            match self.fired.recv().await {
                Some(Fired { id, key, ended }) if self.ids.get(&key) == Some(&id) => {
                    self.ids.remove(&key);
                    return Event { key, ended };
                }
                Some(_) => {}
                // Not while `self.sender` is there.
                None => std::future::pending().await,
            }
        }
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        let mut watches = self.handle.0.watches();
        self.ids.values().for_each(|id| watches.remove(*id));
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.0.watches().close();
        self.0.changed.notify_one();
    }
}

impl Shared {
    fn watches(&self) -> MutexGuard<'_, Watches> {
        self.watches.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn hinted(&self, hint: Hint) {
        if self.watches().hinted(hint) {
            self.changed.notify_one();
        }
    }
}

/// Starts the poller. Its hints begin before anything is looked at, so that nothing falls between.
fn start(shared: &Arc<Shared>) {
    let poller = Poller {
        hints: shared.backend.wake_ups(),
        polled_at: shared.clock.now(),
        pace: Pace::new(BURST),
        backoff: Backoff::default(),
        shared: Arc::clone(shared),
    };
    tokio::spawn(poller.run());
}

/// The one task that asks.
struct Poller {
    shared: Arc<Shared>,
    hints: Option<Box<dyn WakeUps>>,
    polled_at: stent_core::Timestamp,
    pace: Pace,
    backoff: Backoff,
}

impl Drop for Poller {
    /// Also when its runtime goes away: the next watch starts another.
    fn drop(&mut self) {
        self.shared.watches().stopped_polling();
    }
}

impl Poller {
    async fn run(mut self) {
        loop {
            let look = self.shared.watches().look();
            let look = match look {
                Look::Closed => return,
                Look::Now => Some(false),
                Look::Soon if Instant::now() >= self.pace.next() => Some(false),
                look => self.wait(look).await.then_some(true),
            };
            if let Some(everything) = look {
                self.ask(everything).await;
            }
        }
    }

    /// Waits for a reason to look again; true if the poll interval is over.
    async fn wait(&mut self, look: Look) -> bool {
        let shared = &self.shared;
        let poll = shared.clock.idle_until(self.polled_at.after(shared.poll));
        tokio::select! {
            biased;
            () = shared.changed.notified() => false,
            hint = next_hint(&mut self.hints) => {
                shared.hinted(hint);
                false
            }
            () = tokio::time::sleep_until(self.pace.next().into()), if matches!(look, Look::Soon) => false,
            () = poll, if !matches!(look, Look::Nothing) => true,
        }
    }

    async fn ask(&mut self, everything: bool) {
        let (ids, watches) = self.shared.watches().asked(everything);
        if watches.is_empty() {
            return;
        }
        let started = Instant::now();
        let answer = self.shared.backend.news(&watches).await;
        self.pace.owe(self.shared.clock.pause(PAUSE.max(started.elapsed() * PAUSE_FACTOR)));
        match answer {
            Ok(over) => {
                self.backoff = Backoff::default();
                if everything {
                    self.polled_at = self.shared.clock.now();
                }
                let over = ids.iter().zip(over).filter(|(_, over)| *over);
                over.for_each(|(id, _)| self.shared.watches().fire(*id, None));
            }
            Err(error) => {
                tracing::warn!(%error, "cannot ask what has ended; asking again");
                self.shared.watches().hinted(Hint::Anything);
                self.backoff.wait().await;
            }
        }
    }
}

async fn next_hint(hints: &mut Option<Box<dyn WakeUps>>) -> Hint {
    match hints {
        Some(hints) => hints.next().await,
        None => std::future::pending().await,
    }
}
