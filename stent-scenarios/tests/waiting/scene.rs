//! Functions that several of these tests use, and what is asked of a store.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use stent_core::backend::{Page, TaskFilter};
use stent_core::execution::ExecutionState;
use stent_core::task::{TaskRecord, TaskState};
use stent_core::{ExecutionId, Failure};
use stent_executor::Stent;
use stent_executor::prelude::*;
pub(crate) use stent_executor::{Execution, ExecutionError};
use stent_scenarios::{Bench, Gates, Ledger, Process};
use stent_testkit::faulty::{Fault, Moment};

/// How long a claim holds by default.
pub(crate) const LEASE: Duration = Duration::from_secs(10);

/// Runs until the gate of its name is open, and writes down when it begins, ends and is dropped.
#[durable]
pub(crate) async fn hold(ctx: Ctx, name: String) -> Result<String> {
    let _presence = Presence::new(&ctx, &name)?;
    ctx.resource::<Gates>()?.pass(&name).await;
    ctx.resource::<Ledger>()?.note(format!("{name} ended"));
    Ok(name)
}

/// Written down from its making to its drop: the memory that a function's run takes.
pub(crate) struct Presence(Arc<Ledger>, String);

impl Presence {
    pub(crate) fn new(ctx: &Ctx, name: &str) -> Result<Self> {
        let ledger = ctx.resource::<Ledger>()?;
        ledger.note(format!("{name} began"));
        Ok(Self(ledger, name.to_owned()))
    }
}

impl Drop for Presence {
    fn drop(&mut self) {
        self.0.note(format!("{} left", self.1));
    }
}

/// How often a [`Presence`] of this name was made and dropped.
pub(crate) fn presence(bench: &Bench, name: &str) -> (usize, usize) {
    (bench.ledger.count(&format!("{name} began")), bench.ledger.count(&format!("{name} left")))
}

/// Waits until the code of this name runs, which has not run before.
pub(crate) async fn runs(bench: &Bench, name: &str) {
    bench.sees(&format!("{name} runs"), || presence(bench, name) == (1, 0)).await;
}

/// Waits until the code of this name has been dropped, which ran once.
pub(crate) async fn left(bench: &Bench, name: &str) {
    bench.sees(&format!("{name} has left"), || presence(bench, name) == (1, 1)).await;
}

/// Sleeps; gives 7.
#[durable]
pub(crate) async fn sleeps(ctx: Ctx, time: String) -> Result<u32> {
    ctx.sleep(time).await?;
    Ok(7)
}

/// Waits for a number sent as `go`.
#[durable]
pub(crate) async fn waits(ctx: Ctx) -> Result<u32> {
    let _presence = Presence::new(&ctx, "waits")?;
    let value = ctx.signal("go").await?;
    ctx.resource::<Ledger>()?.note(format!("got {value}"));
    Ok(value)
}

/// Calls [`hold`], and waits for nothing else.
#[durable]
pub(crate) async fn calls(ctx: Ctx, name: String) -> Result<String> {
    ctx.call(hold(name)).await
}

/// The tasks of an execution, the root first, then by depth.
pub(crate) async fn tasks(stent: &Stent, execution: ExecutionId) -> Vec<TaskRecord> {
    let filter = TaskFilter { execution: Some(execution), ..TaskFilter::default() };
    let mut tasks = stent.backend().list_tasks(&filter, Page::first(1_000)).await.unwrap();
    tasks.sort_by_key(|task| task.depth);
    tasks
}

/// The states of its tasks, the root's first, then by depth.
pub(crate) async fn states(stent: &Stent, execution: ExecutionId) -> Vec<TaskState> {
    tasks(stent, execution).await.into_iter().map(|task| task.state).collect()
}

/// Lets time pass until an execution is suspended.
pub(crate) async fn suspended<T>(bench: &Bench, execution: &Execution<T>) {
    for _ in 0..30 {
        if execution.status().await.unwrap() == ExecutionState::Suspended {
            return;
        }
        bench.pass(Duration::from_secs(1)).await;
    }
    panic!("it is {} and not suspended", execution.status().await.unwrap());
}

/// The class of the failure that an execution failed with.
pub(crate) fn class<T: std::fmt::Debug>(ended: Result<T, ExecutionError>) -> String {
    let error = ended.unwrap_err();
    error.failure().map(Failure::class).unwrap_or_else(|| panic!("{error}")).to_string()
}

/// A client of the store that is another process's, without a worker.
pub(crate) async fn client(bench: &Bench) -> Stent {
    bench.program(Vec::new()).await.allow_remote(true).build().await.unwrap()
}

/// Freezes a process from its `call`-th call on (1 = the next), which by then has reached the store or not.
pub(crate) fn freeze(process: &Process, (call, moment): (usize, Moment)) {
    process.plan.plan(call, Fault::Hangs(moment));
}

/// Lets something happen of which a frozen process hears nothing before it goes on. False if it was not frozen: it came to fewer calls.
pub(crate) async fn thaw_after(process: &Process, meanwhile: impl Future<Output = ()>) -> bool {
    let is_frozen = process.plan.in_flight() > 0;
    meanwhile.await;
    process.plan.repair();
    is_frozen
}

/// Runs a scene once for every call that its process makes and for both moments of it, until it says that there was no such call.
pub(crate) async fn at_every_call(bench: &Bench, scene: impl AsyncFn(Bench, (usize, Moment)) -> bool) {
    for moment in [Moment::Before, Moment::After] {
        let mut call = 1;
        while scene(bench.another(), (call, moment)).await {
            call += 1;
            assert!(call < 100, "the scene has no end");
        }
        assert!(call > 1, "nothing happens in the scene");
    }
}
