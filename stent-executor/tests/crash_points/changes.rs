//! Code that changes while an execution is open.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use stent_core::task::{TaskRecord, TaskState};
use stent_core::{ExecutionId, TaskId};
use stent_executor::prelude::*;
use stent_testkit::clock::ManualClock;

use crate::process::{Effects, Place, Process, dispatch};

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

#[durable(name = "bulk")]
async fn bulk(ctx: Ctx) -> Result<u64> {
    Ok(ctx.map((0..3).map(|id| pay(Order { id }))).await?.into_iter().sum())
}

#[durable(name = "bulk")]
async fn bulk_wrapped(ctx: Ctx) -> Result<u64> {
    let orders = (0..3).map(|id| WrappedOrder { id, gift_wrap: false });
    Ok(ctx.map(orders.map(pay_wrapped)).await?.into_iter().sum())
}

#[durable(name = "bulk")]
async fn bulk_gifts(ctx: Ctx) -> Result<u64> {
    let orders = (0..3).map(|id| WrappedOrder { id, gift_wrap: id == 2 });
    Ok(ctx.map(orders.map(pay_wrapped)).await?.into_iter().sum())
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

/// C-R4, C-M5: the items of an open map are compared as calls are.
fn a_field_added_to_the_items_of_an_open_map_is_no_divergence_and_another_value_is(place: &Place) {
    let (clock, effects) = (ManualClock::default(), Arc::new(Effects::default()));
    let process = Process::open(place, &clock, &effects, functions![bulk]).work();
    let id = dispatch(&process, bulk());
    process.sees("items that nobody can run", |tasks| tasks.len() == 4);
    process.drain();
    process.die();

    let process = Process::open(place, &clock, &effects, functions![bulk_gifts, pay_wrapped]).work();
    process.sees("the divergence", |tasks| root(tasks, id.root()).reason.is_some());
    let tasks = process.runtime.block_on(process.tasks());
    let reason = root(&tasks, id.root()).reason.clone().unwrap();
    assert!(reason.starts_with("Nondeterminism: turn 0: map pay: item 2 is not the one recorded"), "{reason}");
    process.drain();
    process.die();

    clock.advance(Duration::from_secs(2));
    let process = Process::open(place, &clock, &effects, functions![bulk_wrapped, pay_wrapped]).work();
    assert_eq!(process.result::<u64>(id), 3);
    assert_eq!(effects.of("pay"), 3);
    process.die();
}

#[test]
fn the_items_of_an_open_map_are_compared_by_todays_types_in_memory() {
    a_field_added_to_the_items_of_an_open_map_is_no_divergence_and_another_value_is(&Place::memory());
}

#[test]
fn the_items_of_an_open_map_are_compared_by_todays_types_in_a_file() {
    a_field_added_to_the_items_of_an_open_map_is_no_divergence_and_another_value_is(&Place::file());
}
