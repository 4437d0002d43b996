//! A worker dies at its k-th call of the store, before or after the call took effect, for every k; another one finishes. Outcome and
//! effects are those of an undisturbed run (C-R1, S22). And code that changes while an execution is open (C-R4).
//!
//! A process is a runtime of its own with a handle of its own on the store; it dies with its runtime. Time is a clock that is moved by
//! hand: past the lease of whoever died, or past the delay of a task that found no fitting code.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use stent_backend_sqlite::{SqliteOptions, Synchronous};
use stent_core::backend::{Page, TaskFilter};
use stent_core::journal::EntryBody;
use stent_core::operation::OperationKind;
use stent_core::task::{TaskRecord, TaskState};
use stent_core::{Backend, ExecutionId, TaskId};
use stent_executor::prelude::*;
use stent_executor::{DurableFunction, Registration, Stent, Worker};
use stent_testkit::clock::ManualClock;
use stent_testkit::faulty::{Fault, FaultPlan, FaultyBackend, Moment};
use stent_testkit::memory::{MemoryBackend, MemoryStore};
use tempfile::TempDir;
use tokio::runtime::Runtime;

const LEASE: Duration = Duration::from_secs(10);

/// What has run: per name how often, and whether anything ran that was recorded.
#[derive(Default)]
struct Effects(Mutex<Counts>);

#[derive(Default)]
struct Counts {
    started: BTreeMap<String, u32>,
    repeated: BTreeSet<String>,
}

impl Effects {
    fn of(&self, name: &str) -> u32 {
        self.0.lock().unwrap().started.get(name).copied().unwrap_or(0)
    }

    fn begin(&self, name: &str, is_recorded: bool) {
        let mut counts = self.0.lock().unwrap();
        *counts.started.entry(name.to_owned()).or_default() += 1;
        if is_recorded {
            counts.repeated.insert(name.to_owned());
        }
    }
}

/// A way to the store that no fault is in, to look up what is recorded while code starts.
struct Truth(Arc<dyn Backend>);

/// A child: ends with a number made of its name.
#[durable(retry(max_attempts = 10))]
async fn part(ctx: Ctx, name: String) -> Result<u64> {
    let task = ctx.resource::<Truth>()?.0.task(ctx.task()).await?;
    let has_ended = task.is_none_or(|task| task.state.is_final());
    ctx.resource::<Arc<Effects>>()?.begin(&name, has_ended);
    Ok(u64::from(name.as_bytes()[0]))
}

/// A step's code.
async fn inline(ctx: &Ctx, name: &str) -> Result<u64> {
    let journal = ctx.resource::<Truth>()?.0.load(ctx.task(), 0).await?;
    let is_it = |body: &EntryBody| matches!(body, EntryBody::Outcome(id, _) if *id.name == *name);
    let is_recorded = journal.entries.iter().any(|entry| is_it(&entry.body));
    ctx.resource::<Arc<Effects>>()?.begin(name, is_recorded);
    Ok(u64::from(name.as_bytes()[0]))
}

#[durable(retry(max_attempts = 100))]
async fn sequence(ctx: Ctx) -> Result<Vec<u64>> {
    let a = ctx.call(part("a".into())).await?;
    let b = ctx.step("b", || inline(&ctx, "b")).await?;
    let c = ctx.call(part("c".into())).await?;
    let d = ctx.step("d", || inline(&ctx, "d")).await?;
    let e = ctx.call(part("e".into())).await?;
    Ok(vec![a, b, c, d, e])
}

#[durable(retry(max_attempts = 100))]
async fn joined(ctx: Ctx) -> Result<Vec<u64>> {
    let (a, b, c, d, e) = try_join!(
        ctx.call(part("a".into())),
        ctx.step("b", || inline(&ctx, "b")),
        ctx.call(part("c".into())),
        ctx.step("d", || inline(&ctx, "d")),
        ctx.call(part("e".into())),
    )?;
    Ok(vec![a, b, c, d, e])
}

/// A store that outlives processes.
enum Place {
    Memory(MemoryStore),
    File(TempDir),
}

impl Place {
    fn memory() -> Self {
        Self::Memory(MemoryStore::new())
    }

    fn file() -> Self {
        Self::File(TempDir::new().unwrap())
    }

    async fn open(&self) -> Arc<dyn Backend> {
        match self {
            Self::Memory(store) => Arc::new(MemoryBackend::open(store)),
            // What a commit waits for matters to no crash of a process.
            Self::File(directory) => {
                let options = SqliteOptions::new(directory.path().join("stent.db")).synchronous(Synchronous::Normal);
                Arc::new(options.open().await.unwrap())
            }
        }
    }
}

/// One process: its runtime, its client, its way to the store.
struct Process {
    runtime: Runtime,
    stent: Stent,
    truth: Arc<dyn Backend>,
    plan: FaultPlan,
    worker: Option<Worker>,
}

impl Process {
    /// A process without a worker.
    fn open(place: &Place, clock: &ManualClock, effects: &Arc<Effects>, functions: Vec<Registration>) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let plan = FaultPlan::none();
        let (stent, truth) = runtime.block_on(async {
            let truth = place.open().await;
            let stent = Stent::builder(FaultyBackend::new(Arc::clone(&truth), plan.clone()))
                .clock(Arc::new(clock.clone()))
                .functions(functions)
                .resource(Arc::clone(effects))
                .resource(Truth(Arc::clone(&truth)))
                .build();
            (stent.await.unwrap(), truth)
        });
        Self { runtime, stent, truth, plan, worker: None }
    }

    fn work(mut self) -> Self {
        let start = async { self.stent.worker().concurrency(2).lease(LEASE).start().await };
        self.worker = Some(self.runtime.block_on(start).unwrap());
        self
    }

    fn result<T: serde::de::DeserializeOwned>(&self, id: ExecutionId) -> T {
        let execution = self.stent.execution::<T>(id);
        self.runtime.block_on(async { soon("the result", execution.result()).await.unwrap() })
    }

    /// Waits until something is seen in the store.
    fn sees(&self, what: &str, mut condition: impl FnMut(&[TaskRecord]) -> bool) {
        self.runtime.block_on(soon(what, async {
            while !condition(&self.tasks().await) {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        }));
    }

    async fn tasks(&self) -> Vec<TaskRecord> {
        self.truth.list_tasks(&TaskFilter::default(), Page::first(100)).await.unwrap()
    }

    /// Gone, with all that it was at.
    fn die(self) {
        let Self { runtime, worker, .. } = self;
        runtime.shutdown_timeout(Duration::from_secs(5));
        drop(worker);
    }

    fn drain(&self) {
        let worker = self.worker.as_ref().unwrap();
        self.runtime.block_on(soon("drained", worker.drain())).unwrap();
    }
}

async fn soon<T>(what: &str, event: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(20), event).await.unwrap_or_else(|_| panic!("did not happen: {what}"))
}

fn dispatch<F: DurableFunction>(process: &Process, call: Call<F>) -> ExecutionId {
    process.runtime.block_on(async { process.stent.dispatch(call).await.unwrap().id() })
}

/// Runs a workflow whose worker dies at its `k`-th call; false if it had ended before.
fn dies_at<F>(place: &Place, k: usize, moment: Moment, call: Call<F>) -> bool
where
    F: DurableFunction<Output = Vec<u64>>,
{
    let (clock, effects) = (ManualClock::default(), Arc::new(Effects::default()));
    let open = || Process::open(place, &clock, &effects, functions![part, sequence, joined]);
    let first = open();
    let id = dispatch(&first, call);
    first.plan.plan(k, Fault::Dies(moment));
    let before = first.plan.count();
    let first = first.work();
    let ended = first.runtime.block_on(soon("the end, or the fault", async {
        loop {
            let root = first.truth.task(id.root()).await.unwrap().unwrap();
            let has_died = first.plan.count() - before >= k;
            if has_died || root.state.is_final() {
                return !has_died;
            }
            tokio::time::sleep(Duration::from_micros(200)).await;
        }
    }));
    first.die();

    let context = format!("call {k}, {moment:?}");
    clock.advance(LEASE + Duration::from_secs(1));
    let second = open().work();
    assert_eq!(second.result::<Vec<u64>>(id), b"abcde".map(u64::from), "{context}");
    second.runtime.block_on(check(&second, id, &effects, if ended { 1 } else { 2 }, &context));
    second.die();
    !ended
}

/// Each operation is recorded once, ran at most this often, and never when it was recorded.
async fn check(process: &Process, id: ExecutionId, effects: &Effects, runs: u32, context: &str) {
    let journal = process.truth.load(id.root(), 0).await.unwrap();
    let steps = journal.entries.iter().filter_map(|entry| match &entry.body {
        EntryBody::Outcome(id, _) if id.kind == OperationKind::Step => Some(id.name.to_string()),
        _ => None,
    });
    let mut steps: Vec<_> = steps.collect();
    steps.sort();
    assert_eq!(steps, ["b", "d"], "{context}");
    let tasks = process.tasks().await;
    assert_eq!(tasks.len(), 4, "{context}");
    assert!(tasks.iter().all(|task| task.state == TaskState::Completed), "{context}");
    for name in ["a", "b", "c", "d", "e"] {
        let started = effects.of(name);
        assert!((1..=runs).contains(&started), "{context}: {name} ran {started} times");
    }
    let repeated = &effects.0.lock().unwrap().repeated;
    assert!(repeated.is_empty(), "{context}: ran again though recorded: {repeated:?}");
}

/// Every crash point of a workflow, until a run is undisturbed.
fn every_crash_point<F>(place: fn() -> Place, call: fn() -> Call<F>)
where
    F: DurableFunction<Output = Vec<u64>>,
{
    for moment in [Moment::Before, Moment::After] {
        let points = (1..1_000).take_while(|k| dies_at(&place(), *k, moment, call())).count();
        // Announcements, claims, ends and what the root writes: fewer calls cannot be.
        assert!(points > 8, "only {points} crash points");
        println!("{points} crash points {moment:?}");
    }
}

#[test]
fn a_sequence_survives_every_crash_point_in_memory() {
    every_crash_point(Place::memory, sequence);
}

#[test]
fn a_join_survives_every_crash_point_in_memory() {
    every_crash_point(Place::memory, joined);
}

#[test]
fn a_sequence_survives_every_crash_point_in_a_file() {
    every_crash_point(Place::file, sequence);
}

#[test]
fn a_join_survives_every_crash_point_in_a_file() {
    every_crash_point(Place::file, joined);
}

/// What an order was, and what it is after a field was added.
#[derive(Debug, Serialize, Deserialize)]
struct Order {
    id: u64,
}

#[derive(Debug, Serialize, Deserialize)]
struct WrappedOrder {
    id: u64,
    #[serde(default)]
    gift_wrap: bool,
}

fn ran(ctx: &Ctx, name: &str) -> Result<()> {
    ctx.resource::<Arc<Effects>>()?.begin(name, false);
    Ok(())
}

#[durable(name = "pay")]
async fn pay(ctx: Ctx, order: Order) -> Result<u64> {
    ran(&ctx, "pay")?;
    Ok(order.id)
}

#[durable(name = "pay")]
async fn pay_wrapped(ctx: Ctx, order: WrappedOrder) -> Result<u64> {
    ran(&ctx, "pay")?;
    Ok(order.id + u64::from(order.gift_wrap))
}

#[durable(name = "ship")]
async fn ship(ctx: Ctx, id: u64) -> Result<u64> {
    ran(&ctx, "ship")?;
    Ok(id * 10)
}

#[durable(name = "flow")]
async fn flow(ctx: Ctx) -> Result<u64> {
    let paid = ctx.call(pay(Order { id: 7 })).await?;
    let shipped = ctx.call(ship(7)).await?;
    ctx.step("note", async || ran(&ctx, "note")).await?;
    Ok(paid + shipped)
}

#[durable(name = "flow")]
async fn flow_swapped(ctx: Ctx) -> Result<u64> {
    let shipped = ctx.call(ship(7)).await?;
    let paid = ctx.call(pay(Order { id: 7 })).await?;
    ctx.step("note", async || ran(&ctx, "note")).await?;
    Ok(paid + shipped)
}

#[durable(name = "flow")]
async fn flow_wrapped(ctx: Ctx) -> Result<u64> {
    let paid = ctx.call(pay_wrapped(WrappedOrder { id: 7, gift_wrap: false })).await?;
    let shipped = ctx.call(ship(7)).await?;
    ctx.step("note", async || ran(&ctx, "note")).await?;
    Ok(paid + shipped)
}

/// An execution of `flow` that has paid, and waits for a shipment that nobody can make yet.
fn half_done(place: &Place, clock: &ManualClock, effects: &Arc<Effects>) -> ExecutionId {
    let process = Process::open(place, clock, effects, functions![flow, pay]).work();
    let id = dispatch(&process, flow());
    process.sees("paid and not shipped", |tasks| {
        let state = |name: &str| tasks.iter().find(|task| &*task.function == name).map(|task| task.state);
        state("pay") == Some(TaskState::Completed) && state("ship") == Some(TaskState::Pending)
    });
    process.drain();
    process.die();
    id
}

fn root(tasks: &[TaskRecord], id: TaskId) -> &TaskRecord {
    tasks.iter().find(|task| task.id == id).unwrap()
}

/// C-R4
fn calls_that_changed_places_are_told_and_harm_nothing(place: &Place) {
    let (clock, effects) = (ManualClock::default(), Arc::new(Effects::default()));
    let id = half_done(place, &clock, &effects);

    let process = Process::open(place, &clock, &effects, functions![flow_swapped, pay, ship]).work();
    process.sees("the divergence", |tasks| root(tasks, id.root()).reason.is_some());
    let tasks = process.runtime.block_on(process.tasks());
    let task = root(&tasks, id.root());
    let reason = task.reason.clone().unwrap();
    assert!(reason.starts_with("Nondeterminism: turn 0: recorded call pay"), "{reason}");
    assert!(reason.contains("made call ship"), "{reason}");
    assert_eq!((task.state, task.failure.as_ref()), (TaskState::Scheduled, None));
    assert_eq!(tasks.len(), 3);
    assert_eq!(["pay", "ship", "note"].map(|name| effects.of(name)), [1, 1, 0]);
    process.drain();
    process.die();

    clock.advance(Duration::from_secs(2));
    let process = Process::open(place, &clock, &effects, functions![flow, pay, ship]).work();
    assert_eq!(process.result::<u64>(id), 77);
    assert_eq!(["pay", "ship", "note"].map(|name| effects.of(name)), [1, 1, 1]);
    process.die();
}

#[test]
fn calls_that_changed_places_are_told_and_harm_nothing_in_memory() {
    calls_that_changed_places_are_told_and_harm_nothing(&Place::memory());
}

#[test]
fn calls_that_changed_places_are_told_and_harm_nothing_in_a_file() {
    calls_that_changed_places_are_told_and_harm_nothing(&Place::file());
}

/// C-R4
fn a_field_added_with_a_default_is_no_divergence(place: &Place) {
    let (clock, effects) = (ManualClock::default(), Arc::new(Effects::default()));
    let id = half_done(place, &clock, &effects);
    let process = Process::open(place, &clock, &effects, functions![flow_wrapped, pay_wrapped, ship]).work();
    assert_eq!(process.result::<u64>(id), 77);
    assert_eq!(["pay", "ship", "note"].map(|name| effects.of(name)), [1, 1, 1]);
    assert_eq!(process.runtime.block_on(process.tasks()).len(), 3);
    process.die();
}

#[test]
fn a_field_added_with_a_default_is_no_divergence_in_memory() {
    a_field_added_with_a_default_is_no_divergence(&Place::memory());
}

#[test]
fn a_field_added_with_a_default_is_no_divergence_in_a_file() {
    a_field_added_with_a_default_is_no_divergence(&Place::file());
}
