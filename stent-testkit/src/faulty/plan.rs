//! Which calls fail and how, and what calls there were.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use stent_core::BackendError;
use stent_core::error::ErrorKind;
use tokio::sync::Notify;

/// Rounds of the runtime without a new call, after which nothing is about to happen.
const QUIET_ROUNDS: u32 = 100;

/// When a call fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// The call does not reach the store: nothing has happened.
    Before,
    /// The store has done it, and the answer is lost.
    After,
}

/// How a call fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// This call fails, later ones do not.
    Once(Moment),
    /// This call fails, and every later one fails before it reaches the store.
    Dies(Moment),
    /// This call and every later one give no answer until the plan is [repaired](FaultPlan::repair), and then fail. This one hangs at
    /// the moment told, later ones before they reach the store.
    Hangs(Moment),
}

/// Which calls fail and how; shared by its clones, and changed while it is in use. Calls are counted from 1, over all methods.
#[derive(Debug, Clone, Default)]
pub struct FaultPlan(Arc<Planned>);

#[derive(Debug, Default)]
struct Planned {
    state: Mutex<State>,
    repaired: Notify,
    observer: OnceLock<fn(&'static str, Moment)>,
}

#[derive(Debug, Default)]
struct State {
    program: Program,
    calls: Vec<&'static str>,
    in_flight: Vec<&'static str>,
}

#[derive(Debug, Clone, Copy, Default)]
enum Program {
    #[default]
    None,
    At(usize, Fault),
    Random {
        seed: u64,
        probability: f64,
    },
}

/// What one call meets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Met {
    Nothing,
    Failure(Moment),
    Hang(Moment),
}

impl FaultPlan {
    /// No call fails; calls are counted.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// The `call`-th call from the plan's beginning (1 = the first) meets this fault.
    #[must_use]
    pub fn at(call: usize, fault: Fault) -> Self {
        let plan = Self::none();
        plan.state().program = Program::At(call, fault);
        plan
    }

    /// Each call fails with this probability (0 to 1), before or after it reaches the store with equal chance. What the n-th call meets
    /// depends on seed and n alone.
    #[must_use]
    pub fn random(seed: u64, probability: f64) -> Self {
        let plan = Self::none();
        plan.state().program = Program::Random { seed, probability };
        plan
    }

    /// Each call from now on fails with this probability, as in [`random`](Self::random); what was planned before is forgotten.
    pub fn plan_random(&self, seed: u64, probability: f64) {
        self.state().program = Program::Random { seed, probability };
    }

    /// Has this called at the beginning of every call and after the store has answered it: for processes that end themselves at a boundary. The first
    /// observer stays.
    pub fn observe(&self, observer: fn(&'static str, Moment)) {
        let _ = self.0.observer.set(observer);
    }

    /// The `ahead`-th call from now on (1 = the next) meets this fault; what was planned before is forgotten.
    pub fn plan(&self, ahead: usize, fault: Fault) {
        let mut state = self.state();
        state.program = Program::At(state.calls.len() + ahead, fault);
    }

    /// No call fails from now on; calls that hang fail now.
    pub fn repair(&self) {
        self.state().program = Program::None;
        self.0.repaired.notify_waiters();
    }

    /// How many calls were made so far, those that failed included.
    #[must_use]
    pub fn count(&self) -> usize {
        self.state().calls.len()
    }

    /// True if no call from now on reaches the store, and so nothing that a process does has any effect there.
    #[must_use]
    pub fn is_dead(&self) -> bool {
        let state = self.state();
        match state.program {
            Program::At(call, Fault::Dies(moment) | Fault::Hangs(moment)) => {
                let next = state.calls.len() + 1;
                call < next || call == next && moment == Moment::Before
            }
            _ => false,
        }
    }

    /// The names of the trait methods that were called so far, those that failed included.
    #[must_use]
    pub fn calls(&self) -> Vec<&'static str> {
        self.state().calls.clone()
    }

    /// How many calls were made and have not been answered yet.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.state().in_flight.len()
    }

    /// The trait methods of the calls that have not been answered yet.
    #[must_use]
    pub fn unanswered(&self) -> Vec<&'static str> {
        self.state().in_flight.clone()
    }

    /// Waits until nothing happens any more without time passing: no call is in flight, and the tasks of this runtime have nothing to do.
    /// For a runtime of one thread, where whatever can run has run after some rounds.
    pub async fn settle(&self) {
        let (mut calls, mut quiet) = (self.count(), 0);
        while quiet < QUIET_ROUNDS {
            tokio::task::yield_now().await;
            if self.in_flight() > 0 {
                // The store's own threads have to get on.
                tokio::time::sleep(Duration::from_micros(100)).await;
                quiet = 0;
            } else if self.count() == calls {
                quiet += 1;
            } else {
                (calls, quiet) = (self.count(), 0);
            }
        }
    }

    /// Counts a call and tells what it meets.
    fn meet(&self, name: &'static str) -> Met {
        let mut state = self.state();
        state.calls.push(name);
        let number = state.calls.len();
        match state.program {
            Program::At(call, Fault::Once(moment)) if call == number => Met::Failure(moment),
            Program::At(call, Fault::Dies(moment)) if call == number => Met::Failure(moment),
            Program::At(call, Fault::Hangs(moment)) if call == number => Met::Hang(moment),
            Program::At(call, Fault::Dies(_)) if call < number => Met::Failure(Moment::Before),
            Program::At(call, Fault::Hangs(_)) if call < number => Met::Hang(Moment::Before),
            Program::Random { seed, probability } => draw(seed, number, probability),
            Program::None | Program::At(..) => Met::Nothing,
        }
    }

    pub(super) async fn around<T>(
        &self,
        name: &'static str,
        call: impl Future<Output = Result<T, BackendError>> + Send,
    ) -> Result<T, BackendError> {
        // Made before the fault is drawn, so that no repair is missed between the two.
        let repaired = self.0.repaired.notified();
        let met = self.meet(name);
        let _in_flight = InFlight::begin(self, name);
        let call = async {
            self.observed(name, Moment::Before);
            let answer = call.await;
            self.observed(name, Moment::After);
            answer
        };
        match met {
            Met::Nothing => return call.await,
            Met::Failure(Moment::After) | Met::Hang(Moment::After) => drop(call.await?),
            Met::Failure(Moment::Before) | Met::Hang(Moment::Before) => {}
        }
        if let Met::Hang(_) = met {
            repaired.await;
        }
        Err(BackendError::new(ErrorKind::Unavailable, name).with_message("a planned fault"))
    }

    fn observed(&self, name: &'static str, moment: Moment) {
        if let Some(observer) = self.0.observer.get() {
            observer(name, moment);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A call that has not been answered; it is answered, or its caller has given up, when this is dropped.
struct InFlight<'a> {
    plan: &'a FaultPlan,
    method: &'static str,
}

impl<'a> InFlight<'a> {
    fn begin(plan: &'a FaultPlan, method: &'static str) -> Self {
        plan.state().in_flight.push(method);
        Self { plan, method }
    }
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        let mut state = self.plan.state();
        if let Some(at) = state.in_flight.iter().position(|method| *method == self.method) {
            state.in_flight.swap_remove(at);
        }
    }
}

/// The `number`-th value of the generator SplitMix64 (Steele, Lea, Flood, "Fast Splittable Pseudorandom Number Generators", 2014).
fn draw(seed: u64, number: usize, probability: f64) -> Met {
    let number = u64::try_from(number).unwrap_or(u64::MAX);
    let mut bits = seed.wrapping_add(number.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^= bits >> 31;
    let moment = if bits & 1 == 0 { Moment::Before } else { Moment::After };
    let high = u32::try_from(bits >> 32).unwrap_or(u32::MAX);
    if f64::from(high) < probability * (f64::from(u32::MAX) + 1.0) { Met::Failure(moment) } else { Met::Nothing }
}
