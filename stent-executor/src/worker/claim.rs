//! The claim loop: takes as many tasks as there are free slots, when there is reason to look (C-Q1, C-Y4).

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use stent_core::backend::{Hint, WakeUps};
use stent_core::claim::{ClaimRequest, Claimed, ClaimedTask, CorruptClaim};
use stent_core::failure::Origin;
use stent_core::retry::ErrorClass;
use stent_core::task::{End, Resume};
use stent_core::worker::WorkerState;
use stent_core::{ClaimToken, Failure, Timestamp};

use super::{Shared, complete, run};
use crate::backoff::Backoff;
use crate::nudge::earlier;
use crate::pace::Pace;
use crate::slots::Slot;
use crate::telemetry::metrics;

/// How many times as long as a look that found nothing its pause is, when hints ask for the next: hints that come while others take all the tasks must not keep
/// the store busy.
const PAUSE_FACTOR: u32 = 2;
/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_millis(50);
/// So much pausing may be owed: the first to be told of a task looks at once.
const BURST: Duration = Duration::from_millis(20);

/// When to look for tasks.
struct Looks {
    /// There may be more at once.
    again: bool,
    /// Nothing but the time that has passed asks for this one.
    is_poll: bool,
    /// The next task falls due.
    due: Option<Timestamp>,
    looked_at: Timestamp,
    pace: Pace,
}

/// Claims until the worker drains.
pub(super) async fn claim(shared: Arc<Shared>) {
    shared.contact.announced().await;
    let now = shared.now();
    let mut looks = Looks { again: true, is_poll: false, due: None, looked_at: now, pace: Pace::new(BURST) };
    while shared.is_running() {
        tokio::select! {
            biased;
            () = shared.left_running() => return,
            () = looks.wait(&shared) => {}
        }
        // Before the call: a task is never claimed without a place where it starts at once (C-Y4).
        let slots: Vec<_> = std::iter::from_fn(|| shared.engine.slots.take_for_claim()).collect();
        if slots.is_empty() {
            continue;
        }
        let (asked, limit) = (Instant::now(), slots.len());
        shared.nudge.looks();
        let request = request(&shared, limit, looks.is_poll);
        let Some(Answer { asked_first_at, claimed_at, claimed }) = ask(&shared, request).await else { return };
        let pause = shared.engine.clock.pause((asked.elapsed() * PAUSE_FACTOR).min(LONGEST_PAUSE));
        looks.answered(claimed_at, &claimed, limit, pause);
        shared.become_state(WorkerState::Ready);
        shared.nudge.deadline(claimed.next_deadline);
        begin(&shared, claimed, asked_first_at.after(shared.engine.settings.lease), slots);
    }
}

/// Passes the backend's hints on, also while all slots are taken.
pub(super) async fn listen(shared: Arc<Shared>, mut hints: Box<dyn WakeUps>) {
    loop {
        match hints.next().await {
            Hint::TasksReady | Hint::Anything => shared.nudge.tasks_ready(),
            // Cancelled elsewhere, perhaps: the next renewal says so (C-X1).
            Hint::ExecutionEnded(execution) if shared.leases.runs(execution) => shared.nudge.beat(),
            _ => {}
        }
    }
}

impl Looks {
    /// Waits for a reason to look, and then for a free slot.
    async fn wait(&mut self, shared: &Shared) {
        let mut is_hinted = false;
        self.is_poll = false;
        while !self.again {
            let (is_ready, due) = shared.nudge.take_claims();
            self.due = earlier(self.due, due);
            let now = shared.now();
            let poll = self.looked_at.after(shared.engine.settings.poll);
            let has_due = self.due.is_some_and(|due| due <= now);
            if is_ready || has_due || poll <= now {
                is_hinted = is_ready;
                self.is_poll = !is_ready && !has_due;
                // The reason is not forgotten if there is no free slot after all.
                self.again = true;
                break;
            }
            let clock = &shared.engine.clock;
            shared.awaits_tasks.store(true, Ordering::SeqCst);
            tokio::select! {
                () = shared.nudge.claims_changed() => {}
                () = clock.wait_until(self.due.unwrap_or(poll)), if self.due.is_some() => {}
                () = clock.idle_until(poll) => {}
            }
            shared.awaits_tasks.store(false, Ordering::SeqCst);
        }
        // A timer takes a millisecond even for nothing.
        if is_hinted && Instant::now() < self.pace.next() {
            tokio::time::sleep_until(self.pace.next().into()).await;
        }
        shared.engine.slots.wait_claimable().await;
    }

    fn answered(&mut self, at: Timestamp, claimed: &Claimed, limit: usize, pause: Duration) {
        let found = claimed.tasks.len() + claimed.corrupt.len();
        self.again = found >= limit;
        self.due = claimed.next_due;
        self.looked_at = at;
        if found == 0 {
            self.pace.owe(pause);
        }
    }
}

fn request(shared: &Shared, limit: usize, is_poll: bool) -> ClaimRequest {
    ClaimRequest {
        worker: shared.id,
        token: ClaimToken::random(),
        lease: shared.engine.settings.lease,
        limit: u32::try_from(limit).unwrap_or(u32::MAX),
        functions: Arc::clone(&shared.functions),
        queues: Arc::clone(&shared.queues),
        tags: Arc::clone(&shared.tags),
        take_expired: true,
        is_poll,
    }
}

/// What a claim was answered.
struct Answer {
    /// Since when its leases may run: an answer may tell of tasks that an earlier try has claimed.
    asked_first_at: Timestamp,
    claimed_at: Timestamp,
    claimed: Claimed,
}

/// Asks until there is an answer, with the same token: if an answer was lost, the next has the same tasks. `None` once
/// the worker is to claim no more and the store does not answer.
async fn ask(shared: &Shared, mut request: ClaimRequest) -> Option<Answer> {
    let mut backoff = Backoff::default();
    let asked_first_at = shared.now();
    loop {
        let now = shared.now();
        request.take_expired = shared.contact.may_take_expired(now) && !shared.leases.is_late(now);
        match shared.engine.backend.claim(now, &request).await {
            Ok(claimed) => {
                shared.contact.made(now);
                return Some(Answer { asked_first_at, claimed_at: now, claimed });
            }
            Err(error) => {
                metrics::store_error("claim");
                tracing::warn!(%error, "cannot claim tasks; trying again");
                if error.is_transient() {
                    shared.contact.lost();
                }
            }
        }
        tokio::select! {
            biased;
            () = shared.left_running() => return None,
            () = backoff.wait() => {}
        }
    }
}

/// Starts what was claimed, and ends what cannot be read.
fn begin(shared: &Arc<Shared>, claimed: Claimed, until: Timestamp, slots: Vec<Slot>) {
    for corrupt in claimed.corrupt {
        tokio::spawn(refuse(Arc::clone(shared), corrupt));
    }
    for (task, slot) in claimed.tasks.into_iter().zip(slots) {
        let held = shared.leases.hold(&task, until);
        run::spawn(shared, task, slot, held);
    }
}

/// Ends a task whose row cannot be read (S19).
async fn refuse(shared: Arc<Shared>, corrupt: CorruptClaim) {
    let CorruptClaim { claim, error } = corrupt;
    tracing::error!(task = %claim.task, %error, "the task cannot be read and is given up");
    let failure = Failure::new(ErrorClass::corrupt_row(), error.to_string());
    let resume = Resume::Refused("its row cannot be read".into());
    complete::end(&shared, claim, None, End::Failed { failure, dead_letter: true, resume }).await;
}

/// The failure of a task whose workers were lost (C-Y4).
pub(super) fn worker_lost(task: &ClaimedTask, text: &str) -> Failure {
    let last =
        task.last_failure.as_ref().map(|failure| format!("; the failure before was: {failure}")).unwrap_or_default();
    let mut failure = Failure::new(ErrorClass::worker_lost(), format!("{text}{last}"));
    failure.begin_at(Origin::new(task.claim.task, task.function.clone()));
    failure
}
