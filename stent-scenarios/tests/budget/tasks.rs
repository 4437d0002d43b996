//! What executions cost: dispatch, claim, completion.

use stent_scenarios::{Bench, on_every_database};

use crate::functions::{calls, hold, nothing};
use crate::scene::{SECOND, Scene};

async fn a_dispatch_is_a_row_and_a_batch_of_them_a_call(bench: Bench) {
    let mut scene = Scene::without_worker(bench).await;
    let stent = scene.process.stent.clone();
    scene.forget().await;
    stent.dispatch(nothing(0)).await.unwrap();
    scene.costs("one", "tasks insert 1", "dispatch 1").await;
    stent.dispatch_all((0..100).map(nothing)).await.unwrap();
    scene.costs("a hundred", "tasks insert 100", "dispatch 1").await;
    stent.dispatch(nothing(0).dedup("key")).await.unwrap();
    scene.costs("one with a key", "tasks insert 1", "dispatch 1").await;
    stent.dispatch(nothing(0).dedup("key")).await.unwrap();
    scene.costs("its repeat", "", "dispatch 1").await;
}

/// What one idle worker's own process makes is made under its claim.
async fn what_is_born_under_a_claim_costs_no_claim(bench: Bench) {
    let mut scene = Scene::open(bench).await;
    scene.process.stent.dispatch(hold("one".into())).await.unwrap();
    scene.costs("dispatched and begun", "tasks insert 1", "dispatch 1").await;
    scene.bench.gates.open("one");
    scene.costs("completed", "tasks update 1", "complete 1").await;
}

async fn a_claim_and_a_completion_are_a_change_each_and_batches_of_them_a_call(bench: Bench) {
    let mut scene = Scene::open(bench).await;
    let stent = scene.process.stent.clone();
    stent.dispatch_all((0..50).map(|_| hold("all".into()))).await.unwrap();
    scene.costs("50 dispatched and claimed", "tasks insert 50, tasks update 50", "dispatch 1").await;
    let claims = "SELECT count(DISTINCT token) FROM tasks WHERE state = 'running'";
    assert_eq!(scene.bench.probe().await.number(claims).await, 1, "they were claimed together");
    scene.bench.gates.open("all");
    scene.costs("50 completed", "tasks update 50", "complete 1").await;
}

/// A parent in memory is told by its own process, and nothing is written about it.
async fn a_call_is_a_row_and_a_change(bench: Bench) {
    let mut scene = Scene::open(bench).await;
    let stent = scene.process.stent.clone();
    stent.dispatch(calls("it".into())).await.unwrap();
    scene.costs("the parent, and the call begun", "tasks insert 2", "dispatch 1, write 1").await;
    scene.bench.gates.open("it");
    scene.costs("the call completed, and its parent", "tasks update 2", "complete 2").await;
}

async fn a_completion_is_one_more_change_if_the_parent_is_suspended(bench: Bench) {
    let mut scene = Scene::open(bench).await;
    let stent = scene.process.stent.clone();
    stent.dispatch(calls("it".into())).await.unwrap();
    scene.forget().await;
    scene.bench.pass(11 * SECOND).await;
    scene.costs("the parent suspended", "tasks update 1", "suspend 1").await;
    scene.bench.gates.open("it");
    scene.costs("the call completed; the parent woken, claimed and completed", "tasks update 4", "complete 2").await;
}

on_every_database![
    a_dispatch_is_a_row_and_a_batch_of_them_a_call,
    what_is_born_under_a_claim_costs_no_claim,
    a_claim_and_a_completion_are_a_change_each_and_batches_of_them_a_call,
    a_call_is_a_row_and_a_change,
    a_completion_is_one_more_change_if_the_parent_is_suspended,
];
