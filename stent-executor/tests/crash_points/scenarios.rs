//! The workflows that die: chains, joins, maps, waits, retries, and what is shared.

use std::sync::Arc;

use stent_core::ErrorClass;
use stent_core::journal::EntryBody;
use stent_core::name::VariableName;
use stent_executor::prelude::*;

use crate::points::{Scenario, every_crash_point};
use crate::process::{Effects, Place, Truth};

/// Code that ends with a number made of its name.
async fn ends(ctx: &Ctx, name: &str) -> Result<u64> {
    let task = ctx.resource::<Truth>()?.0.task(ctx.task()).await?;
    let has_ended = task.is_none_or(|task| task.state.is_final());
    ctx.resource::<Arc<Effects>>()?.begin(name, has_ended);
    Ok(u64::from(name.as_bytes()[0]))
}

/// A child.
#[durable(retry(max_attempts = 10))]
async fn part(ctx: Ctx, name: String) -> Result<u64> {
    ends(&ctx, &name).await
}

/// A child whose result is shared.
#[durable(retry(max_attempts = 10), cached)]
async fn shared(ctx: Ctx, name: String) -> Result<u64> {
    ends(&ctx, &name).await
}

/// A child that fails when it runs first.
#[durable(retry(max_attempts = 10, initial_delay = "1s", jitter = 0))]
async fn moody(ctx: Ctx, name: String) -> Result<u64> {
    let number = ends(&ctx, &name).await?;
    if ctx.resource::<Arc<Effects>>()?.of(&name) == 1 {
        return Err(Failure::new(ErrorClass::new("Mood")?, "not the first time"));
    }
    Ok(number)
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

/// Five items, two a chunk.
#[durable(retry(max_attempts = 100))]
async fn mapped(ctx: Ctx) -> Result<Vec<u64>> {
    let items = ["a", "b", "c", "d", "e"].map(|name| part(name.to_owned()));
    ctx.map(items).chunk(2).await
}

#[durable(retry(max_attempts = 100))]
async fn signalled(ctx: Ctx) -> Result<Vec<u64>> {
    let a = ctx.step("a", || inline(&ctx, "a")).await?;
    let sent: u64 = ctx.signal("go").await?;
    let b = ctx.step("b", || inline(&ctx, "b")).await?;
    Ok(vec![a, sent, b])
}

#[durable(retry(max_attempts = 100))]
async fn sleeper(ctx: Ctx) -> Result<Vec<u64>> {
    let a = ctx.step("a", || inline(&ctx, "a")).await?;
    ctx.sleep("2s").await?;
    let b = ctx.call(part("b".into())).await?;
    Ok(vec![a, b])
}

#[durable(retry(max_attempts = 100))]
async fn retried(ctx: Ctx) -> Result<Vec<u64>> {
    let a = ctx.call(moody("a".into())).await?;
    let b = ctx.step("b", || inline(&ctx, "b")).await?;
    Ok(vec![a, b])
}

/// What outlives or is seen by others: a shared result, a counter, an execution of its own.
#[durable(retry(max_attempts = 100))]
async fn sharing(ctx: Ctx) -> Result<Vec<u64>> {
    ctx.counter("count")?.add(1)?;
    let a = ctx.call(shared("a".into())).await?;
    ctx.dispatch(part("z".into())).await?;
    ctx.counter("count")?.add(1)?;
    let again = ctx.call(shared("a".into())).await?;
    ctx.counter("count")?.add(1)?;
    Ok(vec![a, again])
}

/// What is in all of them.
const PLAIN: Scenario<'static> = Scenario { runs: &[], steps: &[], tasks: 0, counted: None, replays: 0 };
const CHAIN: Scenario<'static> =
    Scenario { runs: &[("a", 1), ("b", 1), ("c", 1), ("d", 1), ("e", 1)], steps: &["b", "d"], tasks: 4, ..PLAIN };

/// Every wait is one in the store.
const LEAVING: Scenario<'static> = Scenario { replays: 9, ..CHAIN };
const MAPPED: Scenario<'static> = Scenario { steps: &[], tasks: 6, ..CHAIN };
const SIGNALLED: Scenario<'static> =
    Scenario { runs: &[("a", 1), ("b", 1)], steps: &["a", "b"], tasks: 1, replays: 9, ..PLAIN };
const SLEEPER: Scenario<'static> =
    Scenario { runs: &[("a", 1), ("b", 1)], steps: &["a"], tasks: 2, replays: 9, ..PLAIN };
const RETRIED: Scenario<'static> = Scenario { runs: &[("a", 2), ("b", 1)], steps: &["b"], tasks: 2, ..PLAIN };
const SHARING: Scenario<'static> = Scenario { runs: &[("a", 1), ("z", 1)], tasks: 4, counted: Some(3), ..PLAIN };

fn functions() -> Vec<stent_executor::Registration> {
    functions![part, shared, moody, sequence, joined, mapped, signalled, sleeper, retried, sharing]
}

/// C-R1, S22
#[test]
fn a_sequence_survives_every_crash_point_in_memory() {
    every_crash_point(Place::memory, functions, sequence, b"abcde", &CHAIN);
}

/// C-R1, S22
#[test]
fn a_sequence_survives_every_crash_point_in_a_file() {
    every_crash_point(Place::file, functions, sequence, b"abcde", &CHAIN);
}

/// C-R1, C-Q5
#[test]
fn a_sequence_that_leaves_memory_survives_every_crash_point_in_memory() {
    every_crash_point(Place::memory, functions, sequence, b"abcde", &LEAVING);
}

/// C-R1, C-Q5
#[test]
fn a_sequence_that_leaves_memory_survives_every_crash_point_in_a_file() {
    every_crash_point(Place::file, functions, sequence, b"abcde", &LEAVING);
}

/// C-R1, C-R2
#[test]
fn a_join_survives_every_crash_point_in_memory() {
    every_crash_point(Place::memory, functions, joined, b"abcde", &CHAIN);
}

/// C-R1, C-R2
#[test]
fn a_join_survives_every_crash_point_in_a_file() {
    every_crash_point(Place::file, functions, joined, b"abcde", &CHAIN);
}

/// C-M1, C-M5
#[test]
fn a_map_survives_every_crash_point_in_memory() {
    every_crash_point(Place::memory, functions, mapped, b"abcde", &MAPPED);
}

/// C-M1, C-M5
#[test]
fn a_map_survives_every_crash_point_in_a_file() {
    every_crash_point(Place::file, functions, mapped, b"abcde", &MAPPED);
}

/// C-S2, C-S3
#[test]
fn a_signal_survives_every_crash_point_in_memory() {
    every_crash_point(Place::memory, functions, signalled, &[b'a', 7, b'b'], &SIGNALLED);
}

/// C-S2, C-S3
#[test]
fn a_signal_survives_every_crash_point_in_a_file() {
    every_crash_point(Place::file, functions, signalled, &[b'a', 7, b'b'], &SIGNALLED);
}

/// C-Q4, S10
#[test]
fn a_sleep_survives_every_crash_point_in_memory() {
    every_crash_point(Place::memory, functions, sleeper, b"ab", &SLEEPER);
}

/// C-Q4, S10
#[test]
fn a_sleep_survives_every_crash_point_in_a_file() {
    every_crash_point(Place::file, functions, sleeper, b"ab", &SLEEPER);
}

/// C-Y1, C-Y4
#[test]
fn a_retry_survives_every_crash_point_in_memory() {
    every_crash_point(Place::memory, functions, retried, b"ab", &RETRIED);
}

/// C-Y1, C-Y4
#[test]
fn a_retry_survives_every_crash_point_in_a_file() {
    every_crash_point(Place::file, functions, retried, b"ab", &RETRIED);
}

/// C-K2, C-V1, C-Y6
#[test]
fn what_is_shared_survives_every_crash_point_in_memory() {
    every_crash_point(Place::memory, functions, sharing, b"aa", &SHARING);
}

/// C-K2, C-V1, C-Y6
#[test]
fn what_is_shared_survives_every_crash_point_in_a_file() {
    every_crash_point(Place::file, functions, sharing, b"aa", &SHARING);
}

/// The counter that `sharing` counts with.
pub(crate) fn counter() -> VariableName {
    VariableName::new("count").unwrap()
}
