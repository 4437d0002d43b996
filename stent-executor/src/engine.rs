//! What the activations of one worker share.

use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use stent_core::commit::{Suspended, TurnCommit};
use stent_core::journal::TurnWrite;
use stent_core::outcome::Ended;
use stent_core::task::{NewChild, Suspension};
use stent_core::{Backend, BackendError, Clock, ExecutionId, TaskId, Timestamp};

use crate::activation::{Divergences, ForeignAwaits, Residents};
use crate::batch::{BatchLimits, Batched, Batcher};
use crate::codec::Codec;
use crate::nudge::Nudges;
use crate::registry::Registry;
use crate::settings::Settings;
use crate::slots::Slots;
use crate::stent::Program;
use crate::telemetry::Traces;
use crate::wait::News;
use crate::worker::{Place, StandingClaims, in_claim_order};

/// Rows that one transaction of turns may write, so that nobody's renewal waits behind it for long.
const TURN_ROWS: usize = 5_000;

/// What the activations of one worker share.
pub(crate) struct Engine {
    pub(crate) backend: Arc<dyn Backend>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) codec: Arc<dyn Codec>,
    pub(crate) registry: Arc<Registry>,
    pub(crate) settings: Settings,
    pub(crate) turns: Batcher<TurnWrite, TurnCommit, Births>,
    pub(crate) suspensions: Batcher<Suspension, Suspended>,
    /// The ends of tasks; `None` for those that are open.
    pub(crate) outcomes: Batcher<TaskId, Option<Ended>>,
    pub(crate) news: News,
    pub(crate) slots: Slots,
    pub(crate) standing: Arc<StandingClaims>,
    pub(crate) resources: Resources,
    pub(crate) traces: Traces,
    /// Activations that only wait and are in memory.
    pub(crate) residents: Residents,
    /// Tasks whose code did not fit their journal.
    pub(crate) divergences: Divergences,
    /// Functions that were found to await something outside of their context.
    pub(crate) foreign_awaits: ForeignAwaits,
}

impl Engine {
    pub(crate) fn new(program: &Program, settings: Settings) -> Self {
        let Program { backend, clock, codec, registry, nudges, news, resources, standing, traces, .. } = program;
        let lane = || Lane {
            backend: Arc::clone(backend),
            clock: Arc::clone(clock),
            nudges: Arc::clone(nudges),
            standing: Arc::clone(standing),
        };
        let limits = |items, weight| BatchLimits { items, weight, patience: None };
        Self {
            turns: Batcher::new(limits(500, TURN_ROWS), Turns(lane())),
            suspensions: Batcher::new(limits(500, 500), Suspensions(lane())),
            outcomes: Batcher::new(limits(1_000, 1_000), Outcomes(Arc::clone(backend))),
            slots: Slots::new(settings.concurrency),
            standing: Arc::clone(standing),
            residents: Residents::new(settings.max_resident),
            divergences: Divergences::default(),
            foreign_awaits: ForeignAwaits::default(),
            backend: Arc::clone(backend),
            clock: Arc::clone(clock),
            codec: Arc::clone(codec),
            registry: Arc::clone(registry),
            news: news.clone(),
            resources: resources.clone(),
            traces: traces.clone(),
            settings,
        }
    }
}

/// What batched writes go by.
struct Lane {
    backend: Arc<dyn Backend>,
    clock: Arc<dyn Clock>,
    nudges: Arc<Nudges>,
    standing: Arc<StandingClaims>,
}

struct Turns(Lane);

#[async_trait]
impl Batched for Turns {
    type Item = TurnWrite;
    type Answer = TurnCommit;
    type Key = TaskId;
    type Beside = Births;

    fn key(&self, turn: &TurnWrite) -> TaskId {
        turn.claim.task
    }

    fn weight(&self, turn: &TurnWrite) -> usize {
        1 + turn.entries.len() + turn.children.len() + turn.dispatches.len()
    }

    fn prepare(&self, turns: &mut [TurnWrite], births: &mut [Births]) {
        for (turn, births) in turns.iter_mut().zip(births) {
            births.find(&self.0.standing, turn);
        }
    }

    async fn call(&self, turns: &[TurnWrite], births: &[Births]) -> Result<Vec<TurnCommit>, BackendError> {
        let now = self.0.clock.now();
        births.iter().for_each(|births| births.ask(now));
        let is_free = |child: &NewChild| child.task.claim.is_none() && child.born.is_none();
        let has_free = turns.iter().any(|turn| turn.children.iter().any(is_free) || !turn.dispatches.is_empty());
        if has_free {
            self.0.nudges.making();
        }
        let commits = self.0.backend.write(now, turns).await?;
        if has_free {
            self.0.nudges.tasks_ready();
        }
        for ((turn, births), commit) in turns.iter().zip(births).zip(&commits) {
            births.answered(turn, *commit != TurnCommit::ClaimLost);
        }
        // What was abandoned may run here (C-R9).
        if turns.iter().any(|turn| !turn.cancels.is_empty()) {
            self.0.nudges.cancelled();
        }
        let made = turns.iter().flat_map(|turn| &turn.dispatches);
        made.filter_map(|execution| execution.deadline()).for_each(|deadline| self.0.nudges.deadline(deadline));
        Ok(commits)
    }
}

/// Children of a turn that begin as soon as they are made.
#[derive(Default)]
pub(crate) struct Births {
    /// Of which execution, and how far from its root, their parent is.
    above: Option<(ExecutionId, u32)>,
    /// Which of the turn's children, and its place.
    places: Vec<(usize, Place)>,
}

impl Births {
    /// Of children of a task of this execution and depth.
    pub(crate) fn of(execution: ExecutionId, depth: u32) -> Self {
        Self { above: Some((execution, depth)), places: Vec::new() }
    }

    /// Finds places for children, as far as there are, and has them made under the claims of these.
    fn find(&mut self, standing: &StandingClaims, turn: &mut TurnWrite) {
        for at in in_claim_order(turn.children.iter().map(|child| &child.task)) {
            let Some(child) = turn.children.get_mut(at).filter(|child| child.born.is_none()) else { continue };
            let place = standing.place_for(child.id, &child.task);
            child.task.claim = place.as_ref().map(Place::claim);
            self.places.extend(place.map(|place| (at, place)));
        }
    }

    fn ask(&self, now: Timestamp) {
        self.places.iter().for_each(|(_, place)| place.ask(now));
    }

    fn answered(&self, turn: &TurnWrite, is_applied: bool) {
        for (at, place) in &self.places {
            match (self.above, turn.children.get(*at)) {
                (Some((execution, depth)), Some(child)) if is_applied => {
                    place.begin(&child.task, execution, Some((turn.claim.task, depth)));
                }
                _ => place.leave(),
            }
        }
    }
}

struct Suspensions(Lane);

#[async_trait]
impl Batched for Suspensions {
    type Item = Suspension;
    type Answer = Suspended;
    type Key = TaskId;
    type Beside = ();

    fn key(&self, suspension: &Suspension) -> TaskId {
        suspension.claim.task
    }

    async fn call(&self, suspensions: &[Suspension], _: &[()]) -> Result<Vec<Suspended>, BackendError> {
        let answers = self.0.backend.suspend(self.0.clock.now(), suspensions).await?;
        for (suspension, answer) in suspensions.iter().zip(&answers) {
            if let (Suspended::Yes, Some(until)) = (answer, suspension.until) {
                self.0.nudges.due(until);
            }
        }
        Ok(answers)
    }
}

struct Outcomes(Arc<dyn Backend>);

#[async_trait]
impl Batched for Outcomes {
    type Item = TaskId;
    type Answer = Option<Ended>;
    type Key = TaskId;
    type Beside = ();

    fn key(&self, task: &TaskId) -> TaskId {
        *task
    }

    async fn call(&self, tasks: &[TaskId], _: &[()]) -> Result<Vec<Option<Ended>>, BackendError> {
        self.0.tasks(tasks).await
    }
}

/// What functions get by type from the program that runs them.
#[derive(Clone, Default)]
pub(crate) struct Resources(HashMap<TypeId, Arc<dyn Any + Send + Sync>>);

impl Resources {
    /// Adds a value, in the place of another of its type.
    pub(crate) fn insert<T: Send + Sync + 'static>(&mut self, value: T) {
        self.0.insert(TypeId::of::<T>(), Arc::new(value));
    }

    /// The value of this type.
    pub(crate) fn get<T: Send + Sync + 'static>(&self) -> Option<Arc<T>> {
        self.0.get(&TypeId::of::<T>()).and_then(|value| Arc::clone(value).downcast().ok())
    }
}

impl fmt::Debug for Resources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Resources({})", self.0.len())
    }
}
