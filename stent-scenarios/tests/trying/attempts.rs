//! What uses an attempt up, and what does not: panics, lost workers, drains, outages, divergence (C-Y4).

use std::time::Duration;

use stent_core::TaskId;
use stent_core::journal::EntryKind;
use stent_core::retry::ErrorClass;
use stent_core::task::TaskState;
use stent_executor::prelude::*;
use stent_executor::{Execution, ExecutionState, Stent};
use stent_scenarios::{Bench, Gates, on_every_backend};
use stent_testkit::faulty::{Fault, Moment};

use crate::scene::{class, eventually, failure, hold, journaled, kill, note, noted, quick, tasks, working};

/// Panics in its first two attempts, each in its own way.
#[durable]
async fn panics(ctx: Ctx) -> Result<u32> {
    note(&ctx, format!("panics {}", ctx.attempt()));
    match ctx.attempt() {
        1 => panic!("a text"),
        2 => panic!("a made-up {}", "text"),
        3 => std::panic::panic_any(7),
        attempt => Ok(attempt),
    }
}

/// C-Y4: with its text, retried as any failure; nobody else is harmed (S18).
async fn a_panic_is_a_failure_of_class_panic(bench: Bench) {
    let process = working(&bench, functions![panics, hold]).await;
    for (attempts, text) in [(1, "a text"), (2, "a made-up text"), (3, "a panic without a text")] {
        let policy = quick(attempts).retry_for([ErrorClass::PANIC]).build().unwrap();
        let execution = process.stent.dispatch(panics().retry(policy)).await.unwrap();
        let failure = failure(bench.until("the end", execution.result()).await);
        assert_eq!((failure.class().as_str(), failure.message()), (ErrorClass::PANIC, text));
    }
    let execution = process.stent.dispatch(panics().retry(quick(4).build().unwrap())).await.unwrap();
    assert_eq!(bench.until("the result", execution.result()).await.unwrap(), 4);
    bench.gates.open("it");
    let other = process.stent.dispatch(hold("it".into())).await.unwrap();
    assert_eq!(bench.until("the result", other.result()).await.unwrap(), 1);
}

/// A value that cannot be written down.
#[derive(Debug, serde::Deserialize)]
struct Unwritable;

impl serde::Serialize for Unwritable {
    fn serialize<S: serde::Serializer>(&self, _: S) -> std::result::Result<S::Ok, S::Error> {
        panic!("boom")
    }
}

/// A value that is better not dropped.
struct Explosive;

impl Drop for Explosive {
    fn drop(&mut self) {
        panic!("bang")
    }
}

/// Returns what cannot be written down.
#[durable]
async fn returns() -> Result<Unwritable> {
    Ok(Unwritable)
}

/// Has steps that panic, or return what cannot be written down.
#[durable]
async fn catches(ctx: Ctx) -> Result<Vec<String>> {
    let one = ctx.step("one", async || if ctx.attempt() > 0 { panic!("in a step") } else { Ok::<_, Failure>(()) });
    let two = ctx.step("two", async || Ok::<_, Failure>(Unwritable));
    let (one, two) = (one.retry(RetryPolicy::none()).await, two.retry(RetryPolicy::none()).await);
    Ok(vec![format!("{:?}", one.unwrap_err()), format!("{:?}", two.unwrap_err())])
}

/// Has done its work when it panics.
#[durable]
async fn drops() -> Result<u32> {
    let _explosive = Explosive;
    Ok(7)
}

/// C-Y4, S18: also in steps, in serialisers and in destructors.
async fn a_panic_anywhere_in_user_code_is_contained(bench: Bench) {
    let process = working(&bench, functions![returns, catches, drops]).await;
    let returned = process.stent.dispatch(returns().retry(RetryPolicy::none())).await.unwrap();
    assert_eq!(class(bench.until("the end", returned.result()).await), ErrorClass::PANIC);
    let steps = process.stent.dispatch(catches().retry(RetryPolicy::none())).await.unwrap();
    assert_eq!(bench.until("the result", steps.result()).await.unwrap(), ["Panic: in a step", "Panic: boom"]);
    let dropped = process.stent.dispatch(drops().retry(RetryPolicy::none())).await.unwrap();
    assert_eq!(class(bench.until("the end", dropped.result()).await), ErrorClass::PANIC);
}

/// Waits until a run of [`hold`] has begun.
async fn begun(bench: &Bench, name: &str, attempt: u32) {
    let effect = format!("{name} begins {attempt}");
    bench.sees(&effect, || bench.ledger.count(&effect) > 0).await;
}

/// C-Y4, B5: a worker that dies uses the attempt up; when all are, it fails without running.
async fn a_lost_worker_uses_an_attempt_up(bench: Bench) {
    let client = bench.process(functions![hold]).await;
    let call = hold("it".into()).retry(quick(2).build().unwrap());
    let execution = client.stent.dispatch(call).await.unwrap();
    for attempt in 1..=2 {
        let process = working(&bench, functions![hold]).await;
        begun(&bench, "it", attempt).await;
        kill(&bench, process).await;
    }
    bench.gates.open("it");
    let process = working(&bench, functions![hold]).await;
    assert_eq!(class(bench.until("the end", execution.result()).await), ErrorClass::WORKER_LOST);
    let runs = ["it begins 1", "it left", "it begins 2", "it left"];
    assert_eq!(bench.ledger.all(), runs);
    let letter = process.stent.dead_letter(execution.id().root()).await.unwrap();
    assert_eq!((letter.failure.class().as_str(), letter.attempts), (ErrorClass::WORKER_LOST, 3));
}

/// C-Y4
async fn one_attempt_is_at_most_once(bench: Bench) {
    let first = working(&bench, functions![hold]).await;
    let execution = first.stent.dispatch(hold("it".into()).retry(RetryPolicy::none())).await.unwrap().id();
    begun(&bench, "it", 1).await;
    kill(&bench, first).await;
    bench.gates.open("it");
    let second = working(&bench, functions![hold]).await;
    let execution = second.stent.execution::<u32>(execution);
    assert_eq!(class(bench.until("the end", execution.result()).await), ErrorClass::WORKER_LOST);
    assert_eq!(bench.ledger.all(), ["it begins 1", "it left"]);
}

/// Fails, and then holds.
#[durable]
async fn fails_first(ctx: Ctx) -> Result<u32> {
    if ctx.attempt() == 1 {
        bail!("the disk is full");
    }
    note(&ctx, "holds");
    ctx.resource::<Gates>()?.pass("never").await;
    Ok(1)
}

/// C-Y4: who is lost after a failure does not hide it.
async fn a_lost_worker_tells_of_the_failure_before(bench: Bench) {
    let first = working(&bench, functions![fails_first]).await;
    let execution = first.stent.dispatch(fails_first().retry(quick(2).build().unwrap())).await.unwrap().id();
    bench.sees("the second attempt", || bench.ledger.count("holds") == 1).await;
    kill(&bench, first).await;
    let second = working(&bench, functions![fails_first]).await;
    let failure = failure(bench.until("the end", second.stent.execution::<u32>(execution).result()).await);
    assert_eq!(failure.class().as_str(), ErrorClass::WORKER_LOST);
    assert!(failure.message().contains("the disk is full"), "{failure}");
}

/// Makes a step, and holds; then another, and holds again.
#[durable]
async fn deadly(ctx: Ctx) -> Result<u32> {
    for part in ["one", "two"] {
        ctx.step(part, || noted(&ctx, part)).await?;
        note(&ctx, format!("holds after {part}"));
        ctx.resource::<Gates>()?.pass(part).await;
    }
    Ok(ctx.attempt())
}

/// A worker that gives a task up after two claims in a row that ran out without a new entry.
async fn impatient(bench: &Bench) -> stent_scenarios::Process {
    let process = bench.process(functions![deadly]).await;
    process.work(bench, |worker| worker.concurrency(1).lease("1h").max_deliveries(2)).await
}

/// C-Y4: a replay is no attempt; but one that kills its worker again and again before it writes anything is given up.
async fn a_replay_that_kills_its_workers_is_given_up(bench: Bench) {
    let client = bench.process(functions![deadly]).await;
    let execution = client.stent.dispatch(deadly().retry(RetryPolicy::none())).await.unwrap();
    for run in 1..=3 {
        let process = impatient(&bench).await;
        bench.sees("it holds", || bench.ledger.count("holds after one") == run).await;
        kill(&bench, process).await;
    }
    let process = impatient(&bench).await;
    let failure = failure(bench.until("the end", execution.result()).await);
    assert_eq!(failure.class().as_str(), ErrorClass::WORKER_LOST);
    assert_eq!((bench.ledger.count("one"), bench.ledger.count("holds after one")), (1, 3));
    let letter = process.stent.dead_letter(execution.id().root()).await.unwrap();
    assert_eq!((letter.failure, letter.attempts), (failure, 1));
}

/// C-Y4: whoever wrote something begins a new count.
async fn a_replay_that_gets_on_is_never_given_up(bench: Bench) {
    let client = bench.process(functions![deadly]).await;
    let execution = client.stent.dispatch(deadly().retry(RetryPolicy::none())).await.unwrap();
    let holds = async |part: &str, times| {
        let effect = format!("holds after {part}");
        bench.sees(&effect, || bench.ledger.count(&effect) == times).await;
    };
    for run in 1..=2 {
        let process = impatient(&bench).await;
        holds("one", run).await;
        kill(&bench, process).await;
    }
    // One more without a new entry, and it would be given up.
    let process = impatient(&bench).await;
    holds("one", 3).await;
    bench.gates.open("one");
    holds("two", 1).await;
    kill(&bench, process).await;
    let process = impatient(&bench).await;
    holds("two", 2).await;
    kill(&bench, process).await;
    let _process = impatient(&bench).await;
    holds("two", 3).await;
    bench.gates.open("two");
    assert_eq!(bench.until("the result", execution.result()).await.unwrap(), 1);
    assert_eq!((bench.ledger.count("one"), bench.ledger.count("two")), (1, 1));
}

/// The attempts of a task.
async fn attempt(stent: &Stent, task: TaskId) -> u32 {
    stent.backend().task(task).await.unwrap().unwrap().attempt
}

/// C-Y4: workers that stop give the attempt back.
async fn a_worker_that_stops_uses_no_attempt_up(bench: Bench) {
    let client = bench.process(functions![hold]).await;
    let execution = client.stent.dispatch(hold("it".into()).retry(RetryPolicy::none())).await.unwrap();
    for run in 1..=3 {
        let process = working(&bench, functions![hold]).await;
        bench.sees("it holds", || bench.ledger.count("it begins 1") == run).await;
        assert_eq!(process.worker().stop().await.unwrap_err().tasks, 1);
        assert_eq!(attempt(&client.stent, execution.id().root()).await, 0);
    }
    bench.gates.open("it");
    let _process = working(&bench, functions![hold]).await;
    assert_eq!(bench.until("the result", execution.result()).await.unwrap(), 1);
}

/// C-Y4: a worker without its store stops its code at the lease's end, and releases when it is back.
async fn an_outage_uses_no_attempt_up(bench: Bench) {
    let process = bench.process(functions![hold]).await.work(&bench, |worker| worker.concurrency(1).lease("10s")).await;
    let execution = process.stent.dispatch(hold("it".into()).retry(RetryPolicy::none())).await.unwrap();
    begun(&bench, "it", 1).await;
    for outage in 1..=2 {
        let calls = process.plan.count();
        process.plan.plan(1, Fault::Dies(Moment::Before));
        bench.pass(Duration::from_secs(4)).await;
        bench.sees("a renewal fails", || process.plan.calls()[calls..].contains(&"renew")).await;
        bench.pass(Duration::from_secs(5)).await;
        bench.sees("the code is stopped", || bench.ledger.count("it left") == outage).await;
        process.plan.repair();
        bench.sees("it begins again", || bench.ledger.count("it begins 1") > outage).await;
    }
    bench.gates.open("it");
    assert_eq!(bench.until("the result", execution.result()).await.unwrap(), 1);
}

mod old {
    //! The code with which an execution began.
    use super::*;

    #[durable(name = "changed")]
    pub(crate) async fn changed(ctx: Ctx) -> Result<u32> {
        ctx.step("one", || noted(&ctx, "one")).await?;
        ctx.sleep("1m").await?;
        Ok(ctx.attempt())
    }
}

mod new {
    //! Code that does not fit it.
    use super::*;

    #[durable(name = "changed")]
    pub(crate) async fn changed(ctx: Ctx) -> Result<u32> {
        ctx.sleep("5m").await?;
        ctx.step("another", || noted(&ctx, "another")).await?;
        Ok(ctx.attempt())
    }
}

/// C-Y4, C-R4: code that does not fit waits for code that does.
async fn divergence_uses_no_attempt_up(bench: Bench) {
    let first = working(&bench, functions![old::changed]).await;
    let execution = first.stent.dispatch(old::changed().retry(RetryPolicy::none())).await.unwrap();
    journaled(&bench, execution.id().root(), EntryKind::Made, 1).await;
    assert_eq!(first.worker().drain().await, Ok(()));
    bench.leap(Duration::from_secs(60)).await;

    let second = working(&bench, functions![new::changed]).await;
    bench.pass(Duration::from_secs(20)).await;
    let put_off = async || tasks(&bench, execution.id()).await[0].state == TaskState::Scheduled;
    eventually("it is put off", put_off).await;
    let task = tasks(&bench, execution.id()).await.remove(0);
    assert_eq!(task.attempt, 1);
    assert!(task.reason.unwrap().contains(ErrorClass::NONDETERMINISM));
    assert_eq!(execution.status().await.unwrap(), ExecutionState::Running);
    second.worker().drain().await.unwrap();

    let _third = working(&bench, functions![old::changed]).await;
    assert_eq!(bench.until("the result", execution.result()).await.unwrap(), 1);
    assert_eq!(bench.ledger.all(), ["one"]);
}

/// C-Y4: so that a worker that dies uses up no attempt of what it never began.
async fn a_worker_claims_no_more_than_it_can_start(bench: Bench) {
    let process = bench.process(functions![hold]).await.work(&bench, |worker| worker.concurrency(2)).await;
    let executions = process.stent.dispatch_all((0..5).map(|number| hold(format!("no {number}")))).await.unwrap();
    bench.sees("two run", || bench.ledger.all().len() == 2).await;
    bench.pass(Duration::from_secs(6)).await;
    let mut seen = Vec::new();
    for execution in &executions {
        let task = process.stent.backend().task(execution.id().root()).await.unwrap().unwrap();
        seen.push((task.state, task.attempt));
    }
    seen.sort_unstable();
    let (running, pending) = ((TaskState::Running, 1), (TaskState::Pending, 0));
    assert_eq!(seen, [pending, pending, pending, running, running]);
    (0..5).for_each(|number| bench.gates.open(&format!("no {number}")));
    for execution in executions {
        let execution: Execution<u32> = execution;
        assert_eq!(bench.until("the result", execution.result()).await.unwrap(), 1);
    }
}

on_every_backend![
    a_panic_is_a_failure_of_class_panic,
    a_panic_anywhere_in_user_code_is_contained,
    a_lost_worker_uses_an_attempt_up,
    one_attempt_is_at_most_once,
    a_lost_worker_tells_of_the_failure_before,
    a_replay_that_kills_its_workers_is_given_up,
    a_replay_that_gets_on_is_never_given_up,
    a_worker_that_stops_uses_no_attempt_up,
    an_outage_uses_no_attempt_up,
    divergence_uses_no_attempt_up,
    a_worker_claims_no_more_than_it_can_start,
];
