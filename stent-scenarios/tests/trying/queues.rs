//! Who takes which task, and when: queues, tags, priority, functions, the registry of workers (C-Q1, C-Q2, C-R7).

use std::collections::BTreeSet;
use std::time::Duration;

use stent_core::task::TaskState;
use stent_core::worker::WorkerState;
use stent_executor::prelude::*;
use stent_executor::{Execution, ExecutionState, Stent};
use stent_scenarios::{Bench, Process, on_every_backend, soon};

use crate::limits::limited;
use crate::scene::{eventually, hold, note, quick, tasks, working};

const MICROSECOND: Duration = Duration::from_micros(1);
const HOUR: Duration = Duration::from_secs(3_600);

/// Does its work at once.
#[durable]
async fn job(ctx: Ctx, name: String) -> Result<()> {
    note(&ctx, name);
    Ok(())
}

/// A job's name, and what is told of its call.
type Job = (&'static str, fn(Call<job>) -> Call<job>);

/// Dispatches jobs.
async fn dispatch<const N: usize>(stent: &Stent, jobs: [Job; N]) -> Vec<Execution<()>> {
    stent.dispatch_all(jobs.map(|(name, told)| told(job(name.into())))).await.unwrap()
}

/// What was done, in whichever order.
fn done(bench: &Bench) -> BTreeSet<String> {
    bench.ledger.all().into_iter().collect()
}

/// A worker that is ready, with settings of its own.
async fn worker(
    bench: &Bench,
    change: impl FnOnce(stent_executor::WorkerBuilder) -> stent_executor::WorkerBuilder,
) -> Process {
    bench.process(functions![job, hold]).await.work(bench, |worker| change(worker.lease("1h"))).await
}

fn set<const N: usize>(names: [&str; N]) -> BTreeSet<String> {
    names.map(str::to_owned).into()
}

/// C-Q1
async fn a_worker_with_queues_takes_those_and_tasks_without_one(bench: Bench) {
    let client = bench.process(functions![job]).await;
    let jobs = dispatch(
        &client.stent,
        [
            ("mail", |job| job.queue("mail")),
            ("print", |job| job.queue("print")),
            ("other", |job| job.queue("other")),
            ("none", |job| job),
        ],
    );
    let jobs = jobs.await;
    let some = worker(&bench, |worker| worker.queues(["mail", "print"])).await;
    bench.sees("what it serves is done", || done(&bench).len() == 3).await;
    bench.pass(Duration::from_secs(10)).await;
    assert_eq!(done(&bench), set(["mail", "print", "none"]));
    let left = tasks(&bench, jobs[2].id()).await.remove(0);
    assert_eq!((left.state, left.attempt, left.queue.as_deref()), (TaskState::Pending, 0, Some("other")));
    some.worker().drain().await.unwrap();
    let _any = worker(&bench, |worker| worker).await;
    bench.until("the result", jobs[2].result()).await.unwrap();
}

/// C-Q1, B15, B16: and a sleep needs no tag, since it is no task.
async fn a_worker_with_tags_takes_what_shares_one_and_what_has_none(bench: Bench) {
    #[durable(tags = ["gpu"])]
    async fn naps(ctx: Ctx) -> Result<()> {
        ctx.sleep("1m").await?;
        note(&ctx, "napped");
        Ok(())
    }
    let client = bench.process(functions![job, naps]).await;
    let jobs = dispatch(
        &client.stent,
        [
            ("both", |job| job.tags(["gpu", "big"])),
            ("gpu", |job| job.tags(["gpu"])),
            ("big", |job| job.tags(["big"])),
            ("none", |job| job),
            ("other", |job| job.tags(["gpu"]).queue("other")),
        ],
    );
    let jobs = jobs.await;
    let nap = client.stent.dispatch(naps()).await.unwrap();
    let some = bench.process(functions![job, naps]).await;
    let some = some.work(&bench, |worker| worker.tags(["gpu", "tpu"]).queues(["mine"]).lease("1h")).await;
    bench.until("the result", nap.result()).await.unwrap();
    assert_eq!(done(&bench), set(["both", "gpu", "none", "napped"]));
    for left in [&jobs[2], &jobs[4]] {
        assert_eq!(tasks(&bench, left.id()).await[0].attempt, 0);
    }
    some.worker().drain().await.unwrap();
    let _any = worker(&bench, |worker| worker).await;
    bench.until("the result", jobs[2].result()).await.unwrap();
    bench.until("the result", jobs[4].result()).await.unwrap();
}

/// With options of its own.
#[durable(queue = "slow", tags = ["big"], priority = 9)]
async fn marked() -> Result<()> {
    Ok(())
}

/// Calls and maps it, with and without other options.
#[durable]
async fn calls_marked(ctx: Ctx) -> Result<()> {
    try_join!(ctx.call(marked()), ctx.call(marked().queue("fast").tags(["small"]).priority(-1)))?;
    ctx.map([marked().priority(3)]).await.map(drop)
}

/// C-Q1, B57, B58: a function's options are the defaults of its calls, for executions, children and items alike.
async fn options_of_a_call_take_the_place_of_the_functions(bench: Bench) {
    let process = working(&bench, functions![marked, calls_marked]).await;
    let told = async |execution| {
        let all = tasks(&bench, execution).await.into_iter().filter(|task| task.function.ends_with("::marked"));
        let of = |task: stent_core::task::TaskRecord| {
            (
                task.queue.unwrap().to_string(),
                task.tags.iter().map(ToString::to_string).collect::<Vec<_>>(),
                task.priority,
            )
        };
        all.map(of).collect::<BTreeSet<_>>()
    };
    let usual = ("slow".to_owned(), vec!["big".to_owned()], 9);
    let other = ("fast".to_owned(), vec!["small".to_owned()], -1);
    let (one, two) = (marked(), marked().queue("fast").tags(["small"]).priority(-1));
    for (call, expected) in [(one, &usual), (two, &other)] {
        let execution = process.stent.dispatch(call).await.unwrap();
        assert_eq!(told(execution.id()).await, BTreeSet::from([expected.clone()]));
    }
    let execution = process.stent.dispatch(calls_marked()).await.unwrap();
    bench.until("the result", execution.result()).await.unwrap();
    let item = ("slow".to_owned(), vec!["big".to_owned()], 3);
    assert_eq!(told(execution.id()).await, BTreeSet::from([usual, other, item]));
}

/// C-Q1: priority first, then due time, then age.
async fn tasks_are_taken_by_priority_then_due_time_then_age(bench: Bench) {
    let process = worker(&bench, |worker| worker.concurrency(1)).await;
    let busy = process.stent.dispatch(hold("busy".into()).priority(100)).await.unwrap();
    bench.sees("it is busy", || bench.ledger.count("busy begins 1") == 1).await;
    let jobs: [Job; 8] = [
        ("low", |job| job.priority(-5)),
        ("first", |job| job),
        ("late and high", |job| job.priority(5).delay("2s")),
        ("early and high", |job| job.priority(5).delay("1s")),
        ("second", |job| job),
        ("highest", |job| job.priority(i32::MAX)),
        ("late", |job| job.delay("1s")),
        ("lowest", |job| job.priority(i32::MIN)),
    ];
    let mut executions = Vec::new();
    for one in jobs {
        executions.extend(dispatch(&process.stent, [one]).await);
        bench.clock.advance(MICROSECOND);
    }
    bench.leap(Duration::from_secs(3)).await;
    bench.gates.open("busy");
    bench.until("the result", busy.result()).await.unwrap();
    for execution in &executions {
        bench.until("the result", execution.result()).await.unwrap();
    }
    let order = ["highest", "early and high", "late and high", "first", "second", "late", "low", "lowest"];
    assert_eq!(bench.ledger.all()[2..], order);
}

/// C-Q1: not a microsecond earlier.
async fn a_delayed_task_is_not_taken_before_its_time(bench: Bench) {
    let process = worker(&bench, |worker| worker).await;
    let execution = dispatch(&process.stent, [("late", |job| job.delay("1h"))]).await.remove(0);
    bench.leap(HOUR - MICROSECOND).await;
    assert_eq!(execution.status().await.unwrap(), ExecutionState::Scheduled);
    bench.leap(MICROSECOND).await;
    soon("the result", execution.result()).await.unwrap();
}

/// C-Q1, B15, L4: filters before limits: whatever stands before it, what can run does.
async fn what_a_worker_cannot_take_stands_in_nobodys_way(bench: Bench) {
    #[durable]
    async fn elsewhere() -> Result<()> {
        Ok(())
    }
    let client = bench.process(functions![job, elsewhere]).await;
    let foreign = (0..1_200).map(|number| {
        let call = job(format!("foreign {number}")).priority(100);
        if number % 2 == 0 { call.queue("other") } else { call.tags(["other"]) }
    });
    client.stent.dispatch_all(foreign).await.unwrap();
    client.stent.dispatch_all((0..100).map(|_| elsewhere().priority(100))).await.unwrap();
    client.stent.dispatch_all((0..100).map(|_| job("sleeper".into()).delay("1d"))).await.unwrap();
    let own = dispatch(&client.stent, [("own", |job| job.priority(-1).queue("mine").tags(["mine"]))]).await.remove(0);
    let _worker = worker(&bench, |worker| worker.concurrency(1).queues(["mine"]).tags(["mine"])).await;
    bench.until("the result", own.result()).await.unwrap();
    assert_eq!(bench.ledger.all(), ["own"]);
}

/// C-Q2: whoever asks, a task is taken once.
async fn many_workers_take_every_task_once(bench: Bench) {
    let client = bench.process(functions![job]).await;
    let mut workers = Vec::new();
    for _ in 0..4 {
        workers.push(worker(&bench, |worker| worker.concurrency(5)).await);
    }
    let jobs = client.stent.dispatch_all((0..150).map(|number| job(format!("no {number}")))).await.unwrap();
    for execution in &jobs {
        bench.until("the result", execution.result()).await.unwrap();
        assert_eq!(tasks(&bench, execution.id()).await[0].attempt, 1);
    }
    assert_eq!((bench.ledger.all().len(), done(&bench).len()), (150, 150));
}

/// C-R7, B26: tasks of functions that no worker has stay pending, and burn nothing, until one comes that has them.
async fn functions_that_no_worker_has_wait_for_one(bench: Bench) {
    #[durable(retry(max_attempts = 1))]
    async fn calls_job(ctx: Ctx) -> Result<()> {
        ctx.call(job("child".into())).await
    }
    let client = bench.process(functions![job, calls_job]).await;
    let root = dispatch(&client.stent, [("root", |job| job.retry(quick(1).build().unwrap()))]).await.remove(0);
    let parent = client.stent.dispatch(calls_job()).await.unwrap();
    let parents = bench.process(functions![calls_job]).await.work(&bench, |worker| worker.lease("1h")).await;
    eventually("the child is there", async || tasks(&bench, parent.id()).await.len() == 2).await;
    bench.pass(Duration::from_secs(30)).await;
    let all = tasks(&bench, parent.id()).await;
    let left = [&tasks(&bench, root.id()).await[0], &all[1]].map(|task| (task.state, task.attempt, task.deliveries));
    assert_eq!(left, [(TaskState::Pending, 0, 0); 2]);
    assert!(bench.ledger.all().is_empty() && parents.worker().state() == WorkerState::Ready);
    let _jobs = worker(&bench, |worker| worker).await;
    bench.until("the result", root.result()).await.unwrap();
    bench.until("the result", parent.result()).await.unwrap();
    assert_eq!(done(&bench), set(["root", "child"]));
}

/// C-R7, C-X4: what a worker is and has, for as long as its renewals keep it; and that it has stopped.
async fn the_registry_knows_every_worker(bench: Bench) {
    let first = bench.process(functions![job, limited]).await;
    let first = first.work(&bench, |worker| worker.concurrency(3).queues(["a", "b"]).tags(["x"]).lease("9s")).await;
    let second = worker(&bench, |worker| worker).await;
    let registry = async || {
        let mut workers = second.stent.backend().workers().await.unwrap();
        workers.sort_by_key(|worker| worker.id != first.worker().id());
        workers
    };
    let workers = registry().await;
    assert_eq!(workers.iter().map(|worker| worker.id).collect::<Vec<_>>(), [first.worker().id(), second.worker().id()]);
    eventually("they are known to be ready", async || {
        registry().await.iter().all(|worker| worker.state == WorkerState::Ready)
    })
    .await;
    let record = &registry().await[0];
    assert_eq!((record.state, record.concurrency, record.lease), (WorkerState::Ready, 3, Duration::from_secs(9)));
    let functions: Vec<_> =
        record.functions.iter().map(|function| function.name.rsplit("::").next().unwrap()).collect();
    assert_eq!(functions, ["limited", "job"]);
    assert_eq!(record.functions.iter().map(|function| function.max_concurrent).collect::<Vec<_>>(), [Some(2), None]);
    assert_eq!(record.queues.iter().map(|queue| queue.as_str()).collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!(record.tags.iter().map(|tag| tag.as_str()).collect::<Vec<_>>(), ["x"]);
    assert!(!record.process.host.is_empty() && record.process.pid == std::process::id());
    let seen = record.seen_at;
    bench.pass(Duration::from_secs(4)).await;
    eventually("a renewal keeps it", async || registry().await[0].seen_at > seen).await;
    first.worker().drain().await.unwrap();
    assert_eq!(
        registry().await.iter().map(|w| w.state).collect::<Vec<_>>(),
        [WorkerState::Stopped, WorkerState::Ready]
    );
}

on_every_backend![
    a_worker_with_queues_takes_those_and_tasks_without_one,
    a_worker_with_tags_takes_what_shares_one_and_what_has_none,
    options_of_a_call_take_the_place_of_the_functions,
    tasks_are_taken_by_priority_then_due_time_then_age,
    a_delayed_task_is_not_taken_before_its_time,
    what_a_worker_cannot_take_stands_in_nobodys_way,
    many_workers_take_every_task_once,
    functions_that_no_worker_has_wait_for_one,
    the_registry_knows_every_worker,
];
