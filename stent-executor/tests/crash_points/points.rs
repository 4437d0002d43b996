//! Every crash point of a workflow.

use std::sync::Arc;
use std::time::Duration;

use stent_core::ExecutionId;
use stent_core::journal::EntryBody;
use stent_core::operation::OperationKind;
use stent_core::task::TaskState;
use stent_executor::DurableFunction;
use stent_executor::prelude::*;
use stent_testkit::clock::ManualClock;
use stent_testkit::faulty::{Fault, Moment};

use crate::process::{Effects, LEASE, Place, Process, Truth, dispatch, soon};

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
