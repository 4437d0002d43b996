//! What this process did that its own workers should know at once, without a hint and before the next poll.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use stent_core::Timestamp;
use tokio::sync::Notify;

/// The workers of this process.
#[derive(Debug)]
pub(crate) struct Nudges {
    has_hints: bool,
    workers: Mutex<Vec<Weak<Nudge>>>,
}

/// What one worker was told since it last looked.
#[derive(Debug, Default)]
pub(crate) struct Nudge {
    told: Mutex<Told>,
    claims: Notify,
    deadlines: Notify,
    beat: Notify,
}

#[derive(Debug, Default)]
struct Told {
    ready: bool,
    /// This process has made tasks that are free, or is about to.
    made: bool,
    due: Option<Timestamp>,
    deadline: Option<Timestamp>,
}

impl Nudges {
    pub(crate) fn new(has_hints: bool) -> Self {
        Self { has_hints, workers: Mutex::default() }
    }

    /// True if the backend tells of what happens; then it tells of this process's own writes, too.
    pub(crate) fn has_hints(&self) -> bool {
        self.has_hints
    }

    /// A worker's own; told as long as the worker keeps it.
    pub(crate) fn register(&self) -> Arc<Nudge> {
        let nudge = Arc::new(Nudge::default());
        let mut workers = self.workers.lock().unwrap_or_else(PoisonError::into_inner);
        workers.retain(|worker| worker.strong_count() > 0);
        workers.push(Arc::downgrade(&nudge));
        nudge
    }

    /// Tasks may be free to claim, and no hint will say so.
    pub(crate) fn tasks_ready(&self) {
        if !self.has_hints {
            self.each(Nudge::tasks_ready);
        }
    }

    /// Tasks are about to be made that are free to claim: until the next look nothing goes before them.
    pub(crate) fn making(&self) {
        self.each(|nudge| nudge.told().made = true);
    }

    /// A task falls due then.
    pub(crate) fn due(&self, at: Timestamp) {
        self.each(|nudge| nudge.due(at));
    }

    /// A deadline passes then.
    pub(crate) fn deadline(&self, at: Timestamp) {
        self.each(|nudge| nudge.deadline(Some(at)));
    }

    /// Tasks were cancelled, whose code may run here.
    pub(crate) fn cancelled(&self) {
        self.each(Nudge::beat);
    }

    fn each(&self, tell: impl Fn(&Nudge)) {
        let workers = self.workers.lock().unwrap_or_else(PoisonError::into_inner);
        workers.iter().filter_map(Weak::upgrade).for_each(|nudge| tell(&nudge));
    }
}

impl Nudge {
    /// Tasks may be free to claim.
    pub(crate) fn tasks_ready(&self) {
        self.told().ready = true;
        self.claims.notify_one();
    }

    /// A task falls due then.
    pub(crate) fn due(&self, at: Timestamp) {
        let mut told = self.told();
        told.due = earlier(told.due, Some(at));
        self.claims.notify_one();
    }

    /// The next deadline that is known of.
    pub(crate) fn deadline(&self, at: Option<Timestamp>) {
        let mut told = self.told();
        let before = told.deadline;
        told.deadline = earlier(before, at);
        if told.deadline != before {
            self.deadlines.notify_one();
        }
    }

    /// A claim may have been lost or cancelled.
    pub(crate) fn beat(&self) {
        self.beat.notify_one();
    }

    /// A look begins, which sees what was made.
    pub(crate) fn looks(&self) {
        self.told().made = false;
    }

    /// True if this process has made tasks that no look has seen yet.
    pub(crate) fn has_made(&self) -> bool {
        self.told().made
    }

    /// True if tasks may be free to claim, and nobody has looked since that was told.
    pub(crate) fn is_ready(&self) -> bool {
        self.told().ready
    }

    /// Since the last time: whether tasks may be free to claim, and when the next one falls due.
    pub(crate) fn take_claims(&self) -> (bool, Option<Timestamp>) {
        let mut told = self.told();
        (std::mem::take(&mut told.ready), told.due.take())
    }

    /// The next deadline, which is forgotten if it has come.
    pub(crate) fn take_deadline(&self, now: Timestamp) -> Option<Timestamp> {
        let mut told = self.told();
        let deadline = told.deadline;
        told.deadline = deadline.filter(|at| *at > now);
        deadline
    }

    pub(crate) async fn claims_changed(&self) {
        self.claims.notified().await;
    }

    pub(crate) async fn deadline_changed(&self) {
        self.deadlines.notified().await;
    }

    pub(crate) async fn beat_asked(&self) {
        self.beat.notified().await;
    }

    fn told(&self) -> MutexGuard<'_, Told> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The earlier of two times, where there are any.
pub(crate) fn earlier(one: Option<Timestamp>, other: Option<Timestamp>) -> Option<Timestamp> {
    one.into_iter().chain(other).min()
}
