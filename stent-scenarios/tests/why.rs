//! Stuck work explains itself: for any execution or task the library says why it is not running.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by it")]

use std::time::Duration;

use stent_core::worker::WorkerState;
use stent_executor::prelude::*;
use stent_executor::{Explanation, NoWorker, Stent, StentError, Why};
use stent_scenarios::{Bench, Ledger, on_every_backend, soon};
use stent_testkit::faulty::{Fault, Moment};

#[durable(name = "approve")]
async fn approve(ctx: Ctx) -> Result<bool> {
    ctx.signal("approval").timeout("7d").await.map(|answer| answer.unwrap_or(false))
}

#[durable(name = "order")]
async fn order(ctx: Ctx) -> Result<bool> {
    ctx.sleep("1h").await?;
    ctx.call(approve()).await
}

#[durable(name = "order")]
async fn order_without_sleep(ctx: Ctx) -> Result<bool> {
    ctx.call(approve()).await
}

#[durable(name = "flaky", retry(initial_delay = "1m", jitter = 0.0))]
async fn flaky() -> Result<()> {
    Err(std::io::Error::other("the line is down"))?
}

#[durable(name = "narrow", max_concurrent = 1)]
async fn narrow(ctx: Ctx) -> Result<()> {
    ctx.signal("go").await
}

#[durable(name = "busy")]
async fn busy(ctx: Ctx) -> Result<()> {
    ctx.resource::<Ledger>()?.note("busy");
    std::future::pending().await
}

#[durable(name = "pinned", version = "2")]
async fn pinned() -> Result<()> {
    Ok(())
}

#[durable(name = "pinned", version = "1")]
async fn pinned_before() -> Result<()> {
    Ok(())
}

async fn one(stent: &Stent, id: stent_core::ExecutionId) -> Explanation {
    stent.why(id).await.unwrap().remove(0)
}

/// C-Q4, C-S2
async fn a_waiting_task_says_for_what_and_since_when(bench: Bench) {
    let stent = bench.stent(functions![order, approve]).await;
    let _worker = bench.worker(stent.worker()).await;
    let begun = bench.now();
    let execution = stent.dispatch(order()).await.unwrap();
    bench.pass(Duration::from_secs(11)).await;
    let sleeping = one(&stent, execution.id()).await;
    let until = begun.after(Duration::from_secs(3_600));
    assert_eq!(sleeping.why, Why::Waiting { signals: vec![], until: Some(until), children: 0 });
    assert_eq!(sleeping.to_string(), format!("order {} sleeps until {until}", execution.id()));

    bench.leap(Duration::from_secs(3_600)).await;
    bench.pass(Duration::from_secs(12)).await;
    let why = execution.why().await.unwrap();
    let [parent, child] = &why[..] else { panic!("a parent and its child: {why:?}") };
    assert_eq!(parent.why, Why::Waiting { signals: vec![], until: None, children: 1 });
    let Why::Waiting { signals, until: Some(_), children: 0 } = &child.why else { panic!("{child}") };
    let [(name, since)] = &signals[..] else { panic!("{child}") };
    assert!(&**name == "approval" && *since >= until, "{child}");
    assert!(child.to_string().contains(&format!("waits for signal approval since {since}, until ")), "{child}");
    assert_eq!(stent.why_task(child.task).await.unwrap(), *child);
}

/// C-R7, C-Q1
async fn a_task_that_no_worker_may_take_says_what_they_lack(bench: Bench) {
    let client = bench.stent(functions![flaky, pinned, approve]).await;
    let id = client.dispatch(flaky()).await.unwrap().id();
    assert_eq!(one(&client, id).await.why, Why::NoWorker(NoWorker::Live));
    let program = bench.stent(functions![pinned_before, approve]).await;
    let _worker = bench.worker(program.worker().queues(["mail"]).tags(["eu"])).await;
    assert_eq!(one(&client, id).await.why, Why::NoWorker(NoWorker::Function { live: 1 }));

    let id = client.dispatch(pinned()).await.unwrap().id();
    let why = one(&client, id).await;
    assert!(matches!(&why.why, Why::NoWorker(NoWorker::Version { needed: Some(two), .. }) if &**two == "2"), "{why}");
    let id = client.dispatch(approve().queue("gpu")).await.unwrap().id();
    assert!(one(&client, id).await.to_string().ends_with("serves queue gpu"));
    let id = client.dispatch(approve().tags(["us"])).await.unwrap().id();
    assert!(matches!(one(&client, id).await.why, Why::NoWorker(NoWorker::Tags(_))));
}

/// C-X4
async fn workers_that_drain_or_are_gone_do_not_count(bench: Bench) {
    let stent = bench.stent(functions![flaky]).await;
    let worker = bench.worker(stent.worker()).await;
    worker.drain().await.unwrap();
    soon("stopped", worker.wait_for(WorkerState::Stopped)).await;
    let id = stent.dispatch(flaky()).await.unwrap().id();
    assert_eq!(one(&stent, id).await.why, Why::NoWorker(NoWorker::Live));
}

/// C-Y1
async fn a_task_that_is_retried_says_when_and_after_what(bench: Bench) {
    let stent = bench.stent(functions![flaky]).await;
    let _worker = bench.worker(stent.worker()).await;
    let begun = bench.now();
    let delayed = stent.dispatch(flaky().delay("5m")).await.unwrap();
    let due = begun.after(Duration::from_secs(300));
    assert_eq!(one(&stent, delayed.id()).await.why, Why::Scheduled { until: due });
    let execution = stent.dispatch(flaky()).await.unwrap();
    bench.settle().await;
    let why = one(&stent, execution.id()).await;
    let Why::Retrying { at, attempt: 1, failure } = &why.why else { panic!("{why}") };
    assert_eq!(*at, begun.after(Duration::from_secs(60)));
    assert!(failure.message().contains("the line is down"));
    bench.pass(Duration::from_secs(200)).await;
    let ended = one(&stent, execution.id()).await;
    assert!(matches!(&ended.why, Why::Ended { failure: Some(_), .. }), "{ended}");
}

/// C-R4
async fn a_divergence_says_both_sides(bench: Bench) {
    let before = bench.stent(functions![order]).await;
    let worker = bench.worker(before.worker()).await;
    let execution = before.dispatch(order()).await.unwrap();
    bench.settle().await;
    worker.drain().await.unwrap();
    let after = bench.stent(functions![order_without_sleep]).await;
    let _worker = bench.worker(after.worker()).await;
    bench.leap(Duration::from_secs(3_601)).await;
    let why = one(&after, execution.id()).await;
    let Why::Diverged { difference, .. } = &why.why else { panic!("{why}") };
    assert!(difference.contains("recorded sleep") && difference.contains("made call approve"), "{difference}");
}

/// C-Q3
async fn a_task_that_waits_for_a_place_says_so(bench: Bench) {
    let stent = bench.stent(functions![narrow]).await;
    let _worker = bench.worker(stent.worker()).await;
    stent.dispatch(narrow()).await.unwrap();
    bench.settle().await;
    let second = stent.dispatch(narrow()).await.unwrap();
    bench.settle().await;
    assert_eq!(one(&stent, second.id()).await.why, Why::LimitReached { max_concurrent: 1, held: 1 });
}

async fn a_running_task_says_where_and_a_lost_one_that_it_is_lost(bench: Bench) {
    let stent = bench.stent(functions![busy]).await;
    let worker = bench.worker(stent.worker().concurrency(1)).await;
    let first = stent.dispatch(busy()).await.unwrap();
    bench.settle().await;
    let second = stent.dispatch(busy()).await.unwrap();
    bench.settle().await;
    let (running, ready) = (one(&stent, first.id()).await, one(&stent, second.id()).await);
    assert_eq!(running.why, Why::Running { worker: worker.id(), attempt: 1 });
    assert_eq!(ready.why, Why::Ready { since: bench.now(), workers: 1 });
    // From now on the worker reaches nothing any more.
    bench.plan.plan(1, Fault::Dies(Moment::Before));
    bench.leap(Duration::from_secs(60)).await;
    bench.plan.repair();
    let lost = one(&stent, first.id()).await;
    assert!(matches!(lost.why, Why::Lost { worker: other, .. } if other == worker.id()), "{lost}");
}

async fn what_is_unknown_is_not_found(bench: Bench) {
    let stent = bench.stent(functions![busy]).await;
    let id = stent_core::ExecutionId::new(bench.now());
    assert!(matches!(stent.why(id).await, Err(StentError::NotFound { .. })));
    assert!(matches!(stent.why_task(id.root()).await, Err(StentError::NotFound { .. })));
}

on_every_backend![
    a_waiting_task_says_for_what_and_since_when,
    a_task_that_no_worker_may_take_says_what_they_lack,
    workers_that_drain_or_are_gone_do_not_count,
    a_task_that_is_retried_says_when_and_after_what,
    a_divergence_says_both_sides,
    a_task_that_waits_for_a_place_says_so,
    a_running_task_says_where_and_a_lost_one_that_it_is_lost,
    what_is_unknown_is_not_found,
];
