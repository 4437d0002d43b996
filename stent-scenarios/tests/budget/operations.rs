//! What operations cost: steps, outcomes that were given while others were outstanding, maps.

use stent_scenarios::{Bench, on_every_database};

use crate::functions::{
    calls_at_once, maps, sleeps_at_once, steps, steps_after_a_call, steps_after_a_call_that_may_elapse,
    steps_after_one_of_two_calls,
};
use crate::scene::{SECOND, Scene};

async fn a_step_is_an_entry_and_reads_nothing(bench: Bench) {
    let mut scene = Scene::open(bench).await;
    scene.process.stent.dispatch(steps(10)).await.unwrap();
    scene.bench.settle().await;
    let calls = scene.process.plan.calls();
    assert!(!calls.contains(&"load") && !calls.contains(&"read"), "{calls:?}");
    let rows = "journal insert 10, tasks insert 1, tasks update 1";
    scene.costs("ten steps", rows, "complete 1, dispatch 1, write 10").await;
}

async fn steps_of_many_share_a_write(bench: Bench) {
    let mut scene = Scene::open(bench).await;
    scene.process.stent.dispatch_all((0..50).map(|_| steps(1))).await.unwrap();
    let rows = "journal insert 50, tasks insert 50, tasks update 100";
    scene.costs("50 steps of as many", rows, "complete 1, dispatch 1, write 1").await;
}

/// C-R5: before a step its order is written.
async fn an_outcome_given_while_others_are_outstanding_is_an_entry(bench: Bench) {
    let mut scene = Scene::open(bench).await;
    scene.process.stent.dispatch(steps_after_one_of_two_calls("a".into(), "b".into())).await.unwrap();
    scene.forget().await;
    scene.bench.gates.open("a");
    scene.costs("a call; its order, and a step", "journal insert 2, tasks update 1", "complete 1, write 2").await;
    scene.bench.gates.open("b");
    scene.costs("the only one that was left", "tasks update 2", "complete 2").await;
}

/// C-R5: what is given is written when it is given, also where nothing follows yet.
async fn an_outcome_that_nothing_follows_is_an_entry_unless_it_is_the_last(bench: Bench) {
    let mut scene = Scene::open(bench).await;
    let stent = scene.process.stent.clone();
    stent.dispatch(sleeps_at_once()).await.unwrap();
    scene.forget().await;
    for number in 1..3 {
        scene.bench.pass(SECOND).await;
        scene.costs(&format!("timer {number}"), "journal insert 1", "write 1").await;
    }
    scene.bench.pass(SECOND).await;
    scene.costs("the last timer", "tasks update 1", "complete 1").await;

    stent.dispatch(calls_at_once(3)).await.unwrap();
    scene.costs("three calls", "tasks insert 4", "dispatch 1, write 1").await;
    for number in 0..2 {
        scene.bench.gates.open(&number.to_string());
        scene.costs(&format!("call {number}"), "journal insert 1, tasks update 1", "complete 1, write 1").await;
    }
    scene.bench.gates.open("2");
    scene.costs("the last call", "tasks update 2", "complete 2").await;
}

/// C-R5: its outcome is the only one that could be given.
async fn the_outcome_of_the_only_operation_is_no_entry(bench: Bench) {
    let mut scene = Scene::open(bench).await;
    scene.process.stent.dispatch(steps_after_a_call("it".into())).await.unwrap();
    scene.forget().await;
    scene.bench.gates.open("it");
    scene.costs("the call, and a step", "journal insert 1, tasks update 2", "complete 2, write 1").await;
}

/// C-R9: it has two outcomes to choose from, so that its order is written though nothing else is outstanding.
async fn a_call_that_may_elapse_is_an_entry_more(bench: Bench) {
    let mut scene = Scene::open(bench).await;
    scene.process.stent.dispatch(steps_after_a_call_that_may_elapse("it".into())).await.unwrap();
    scene.forget().await;
    scene.bench.gates.open("it");
    let rows = "journal insert 2, tasks update 2";
    scene.costs("the call, its order and a step", rows, "complete 2, write 2").await;
}

/// C-M4
async fn a_map_is_a_row_an_item_and_an_entry_a_chunk(bench: Bench) {
    let mut scene = Scene::open(bench).await;
    scene.process.stent.dispatch(maps(100)).await.unwrap();
    // The parent and 100 items, all born under claims; the map, ten chunks and the end.
    scene.costs_rows("a map of 100", "journal insert 12, tasks insert 101, tasks update 101").await;
}

on_every_database![
    a_step_is_an_entry_and_reads_nothing,
    steps_of_many_share_a_write,
    an_outcome_given_while_others_are_outstanding_is_an_entry,
    an_outcome_that_nothing_follows_is_an_entry_unless_it_is_the_last,
    the_outcome_of_the_only_operation_is_no_entry,
    a_call_that_may_elapse_is_an_entry_more,
    a_map_is_a_row_an_item_and_an_entry_a_chunk,
];
