//! Tasks that begin as they are made: a worker that has nothing else takes what its own process makes, and no claim is asked for (C-Q1, C-Y4).

use std::time::Duration;

use stent_core::backend::{Claims, Inspect, Page, TaskFilter};
use stent_core::task::{TaskRecord, TaskState};
use stent_core::worker::WorkerState;
use stent_core::{TaskId, WorkerId};
use stent_executor::{Execution, ExecutionError};
use stent_testkit::faulty::{Fault, Moment};

use crate::bench::{Bench, add, adds, hold, holds, soon};

/// How often a method was called.
fn count(bench: &Bench, method: &str) -> usize {
    bench.plan.calls().iter().filter(|call| **call == method).count()
}

async fn look(bench: &Bench, task: TaskId) -> TaskRecord {
    bench.memory.task(task).await.unwrap().unwrap()
}

/// A worker that has looked and found nothing.
async fn idle(bench: &Bench) -> stent_executor::Worker {
    let worker = bench.worker().await;
    soon("everything is at rest", bench.plan.settle()).await;
    assert!(worker.is_idle());
    worker
}

async fn result<T: serde::de::DeserializeOwned>(execution: &Execution<T>) -> T {
    soon("the result", execution.result()).await.unwrap()
}

/// C-Y4: the first attempt counts with the birth, and no claim is asked for.
#[tokio::test]
async fn an_idle_worker_begins_what_is_dispatched_without_a_claim() {
    let bench = Bench::new().await;
    let worker = idle(&bench).await;
    let before = count(&bench, "claim");
    for number in 0..10 {
        let execution = bench.stent.dispatch(add(number, 1)).await.unwrap();
        assert_eq!(result(&execution).await, number + 1);
        let record = look(&bench, execution.id().root()).await;
        assert_eq!((record.attempt, record.state), (1, TaskState::Completed));
        soon("everything is at rest", bench.plan.settle()).await;
    }
    assert_eq!(count(&bench, "claim"), before);
    drop(worker);
}

/// Whoever waits for what runs here is told by it, and asks nobody.
#[tokio::test]
async fn nobody_is_asked_for_what_runs_here() {
    let mut bench = Bench::new().await;
    let worker = idle(&bench).await;
    let execution = bench.stent.dispatch(hold()).await.unwrap();
    assert_eq!(bench.entered().await, 1);
    let ends = async {
        soon("everything is at rest", bench.plan.settle()).await;
        assert_eq!(count(&bench, "executions"), 0);
        bench.gate.add_permits(1);
    };
    let (result, ()) = tokio::join!(execution.result(), ends);
    assert_eq!(result.unwrap(), 1);
    drop(worker);
}

/// C-R5: so is a child, once the turn that makes it is written.
#[tokio::test]
async fn an_idle_worker_begins_the_children_of_its_tasks() {
    let bench = Bench::new().await;
    let worker = idle(&bench).await;
    let before = count(&bench, "claim");
    let execution = bench.stent.dispatch(adds(3)).await.unwrap();
    assert_eq!(result(&execution).await, 6);
    let tasks = bench.memory.list_tasks(&TaskFilter::default(), Page::first(10)).await.unwrap();
    assert_eq!(tasks.iter().map(|task| task.attempt).collect::<Vec<_>>(), [1; 4]);
    assert_eq!(count(&bench, "claim"), before);
    drop(worker);
}

/// C-Q1: with all slots taken what is made waits its turn, by priority.
#[tokio::test]
async fn a_busy_worker_takes_what_waits_in_order() {
    let mut bench = Bench::new().await;
    let worker = idle(&bench).await;
    let held = [bench.stent.dispatch(hold()).await.unwrap(), bench.stent.dispatch(hold()).await.unwrap()];
    for _ in &held {
        assert_eq!(bench.entered().await, 1);
    }
    let low = bench.stent.dispatch(hold().priority(-1)).await.unwrap();
    let high = bench.stent.dispatch(hold().priority(1)).await.unwrap();
    assert_eq!(look(&bench, low.id().root()).await.state, TaskState::Pending);
    bench.gate.add_permits(1);
    assert_eq!(bench.entered().await, 1);
    assert_eq!(look(&bench, high.id().root()).await.state, TaskState::Running);
    assert_eq!(look(&bench, low.id().root()).await.state, TaskState::Pending);
    bench.gate.add_permits(10);
    for execution in held.iter().chain([&low, &high]) {
        assert_eq!(result(execution).await, 1);
    }
    drop(worker);
}

/// C-Q1, C-R7: it is not a worker's whose queues or functions it is not of.
#[tokio::test]
async fn what_a_worker_does_not_serve_is_not_begun_by_it() {
    let bench = Bench::new().await;
    let worker = bench.stent.worker().queues(["mail"]).tags(["gpu"]).start().await.unwrap();
    soon("ready", worker.wait_for(WorkerState::Ready)).await;
    soon("everything is at rest", bench.plan.settle()).await;
    let other_queue = bench.stent.dispatch(add(1, 1).queue("files")).await.unwrap();
    let other_tag = bench.stent.dispatch(add(1, 1).tags(["cpu"])).await.unwrap();
    for execution in [&other_queue, &other_tag] {
        assert_eq!(look(&bench, execution.id().root()).await.state, TaskState::Pending);
    }
    let both = bench.stent.dispatch(add(1, 1).queue("mail").tags(["gpu", "cpu"])).await.unwrap();
    assert_eq!(result(&both).await, 2);
    drop(worker);
}

/// C-Q2, C-Y4: if the answer of the dispatch was lost nobody knows who has the task: it goes back, with its attempt, and runs once.
#[tokio::test]
async fn a_dispatch_whose_answer_was_lost_begins_once_and_uses_up_no_attempt() {
    for moment in [Moment::Before, Moment::After] {
        let mut bench = Bench::new().await;
        let worker = idle(&bench).await;
        bench.plan.plan(1, Fault::Once(moment));
        let execution = soon("the dispatch", bench.stent.dispatch(hold())).await.unwrap();
        assert_eq!(bench.entered().await, 1, "{moment:?}");
        bench.gate.add_permits(1);
        assert_eq!(result(&execution).await, 1);
        assert_eq!(look(&bench, execution.id().root()).await.attempt, 1);
        assert!(!bench.has_entered());
        drop(worker);
    }
}

/// C-K3: an execution that is there already is not begun again.
#[tokio::test]
async fn a_dedup_key_that_is_borne_begins_nothing() {
    let mut bench = Bench::new().await;
    let worker = idle(&bench).await;
    let first = bench.stent.dispatch(hold().dedup("key")).await.unwrap();
    assert_eq!(bench.entered().await, 1);
    let second = bench.stent.dispatch(hold().dedup("key")).await.unwrap();
    assert_eq!(first.id(), second.id());
    soon("everything is at rest", bench.plan.settle()).await;
    assert!(!bench.has_entered());
    // The slot that was kept for it is free again.
    let other = bench.stent.dispatch(hold()).await.unwrap();
    assert_eq!(bench.entered().await, 1);
    bench.gate.add_permits(2);
    assert_eq!((result(&second).await, result(&other).await), (1, 1));
    drop(worker);
}

/// C-X4: a worker that stops begins nothing more; what was made for it goes on elsewhere.
#[tokio::test]
async fn a_worker_that_drains_begins_nothing() {
    let bench = Bench::new().await;
    let worker = idle(&bench).await;
    worker.drain().await.unwrap();
    let execution = bench.stent.dispatch(hold()).await.unwrap();
    assert_eq!(look(&bench, execution.id().root()).await.state, TaskState::Pending);
    let claims = bench.claim_elsewhere::<hold>(WorkerId::random(), Duration::from_secs(10)).await;
    assert_eq!(claims.len(), 1);
}

/// C-X1: what another has ended is known to who waits for it, though it ran here: without time passing.
#[tokio::test]
async fn a_client_learns_of_a_cancel_of_what_runs_here() {
    let mut bench = Bench::new().await;
    let worker = idle(&bench).await;
    let execution = bench.stent.dispatch(hold()).await.unwrap();
    assert_eq!(bench.entered().await, 1);
    execution.cancel().await.unwrap();
    assert!(matches!(soon("the end", execution.result()).await, Err(ExecutionError::Cancelled)));
    drop(worker);
}

/// C-Y4: the worker's own runtime runs it, whoever dispatches.
#[test]
fn what_another_runtime_dispatches_outlives_it() {
    let ours = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let (mut bench, worker) = ours.block_on(async {
        let bench = Bench::new().await;
        let worker = bench.worker().await;
        while !worker.is_idle() {
            tokio::task::yield_now().await;
        }
        (bench, worker)
    });
    let theirs = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let execution = theirs.block_on(bench.stent.dispatch(hold())).unwrap();
    drop(theirs);
    ours.block_on(async {
        assert_eq!(bench.entered().await, 1);
        assert!(!bench.has_left());
        bench.gate.add_permits(1);
        assert_eq!(result(&execution).await, 1);
        drop(worker);
    });
}

/// C-Y4: a turn whose answer was lost, and whose task another has taken meanwhile, leaves no child in nobody's hands.
#[tokio::test]
async fn children_of_a_turn_that_is_found_lost_go_back_with_their_attempts() {
    let mut bench = Bench::new().await;
    let worker = idle(&bench).await;
    // The dispatch, and the write of the turn: its answer is lost, and so is all that follows.
    bench.plan.plan(2, Fault::Dies(Moment::After));
    let execution = bench.stent.dispatch(holds()).await.unwrap();
    soon("the turn is written", async {
        while count(&bench, "write") == 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    let now = bench.now();
    assert_eq!(bench.memory.lapse(now, worker.id()).await.unwrap(), 2);
    let taken = bench.claim_elsewhere::<holds>(WorkerId::random(), Duration::from_secs(3_600)).await;
    assert_eq!(taken.len(), 1);
    bench.plan.repair();
    assert_eq!(bench.entered().await, 1, "the child's first attempt");
    bench.gate.add_permits(1);
    bench.left().await;
    let _ = execution;
}
