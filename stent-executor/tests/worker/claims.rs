//! What becomes of running code when its claim goes: lost, cancelled, out of time, out of reach (C-Q2, C-X1, C-Y4,
//! C-Q6).

use std::time::Duration;

use crate::bench::{Bench, add, block, elsewhere, hold, soon};
use stent_core::backend::{Claims, Completion, Dispatch, Inspect};
use stent_core::execution::ExecutionState;
use stent_core::retry::{ErrorClass, RetryPolicy};
use stent_core::task::{End, TaskEnd};
use stent_core::worker::ProcessIdentity;
use stent_core::{Payload, WorkerId};
use stent_executor::ExecutionError;
use stent_testkit::faulty::{Fault, Moment};

const LEASE: Duration = Duration::from_secs(10);

/// C-X1
#[tokio::test]
async fn a_cancelled_execution_drops_its_running_code() {
    let mut bench = Bench::new().await;
    let _worker = bench.worker().await;
    let execution = bench.stent.dispatch(hold()).await.unwrap();
    bench.entered().await;
    execution.cancel().await.unwrap();
    bench.left().await;
    assert!(matches!(soon("the end", execution.result()).await, Err(ExecutionError::Cancelled)));
    execution.cancel().await.unwrap();
    assert!(!bench.has_entered());
}

/// C-Q2
#[tokio::test]
async fn code_whose_claim_was_taken_by_another_is_dropped_and_writes_nothing() {
    let mut bench = Bench::new().await;
    let worker = bench.worker().await;
    let execution = bench.stent.dispatch(hold()).await.unwrap();
    bench.entered().await;
    let now = bench.now();
    assert_eq!(bench.memory.lapse(now, worker.id()).await.unwrap(), 1);
    let claims = bench.claim_elsewhere::<hold>(WorkerId::random(), LEASE).await;
    assert_eq!(claims.len(), 1);

    bench.pass(Duration::from_secs(4)).await;
    bench.left().await;
    let end = End::Completed { output: Payload::from(&b"7"[..]), variables: Vec::new(), notes: Vec::new() };
    let _ = bench.memory.complete(bench.now(), &[TaskEnd { claim: claims[0], end }]).await.unwrap();
    assert_eq!(soon("the result", execution.result()).await.unwrap(), 7);
}

/// C-Y4: without its store a worker stops its code at the lease's end, releases when it is back, and uses up no
/// attempt.
#[tokio::test]
async fn code_is_stopped_at_the_end_of_a_lease_that_cannot_be_renewed() {
    let mut bench = Bench::new().await;
    let _worker = bench.worker().await;
    let execution = bench.stent.dispatch(hold()).await.unwrap();
    assert_eq!(bench.entered().await, 1);
    bench.plan.plan(1, Fault::Dies(Moment::Before));
    bench.pass(Duration::from_secs(9)).await;
    bench.left().await;

    bench.plan.repair();
    assert_eq!(bench.entered().await, 1);
    bench.gate.add_permits(1);
    assert_eq!(soon("the result", execution.result()).await.unwrap(), 1);
}

/// C-Q2: the repeat of a claim is given what the first try has taken, whose lease began with that try.
#[tokio::test]
async fn code_whose_claim_was_answered_late_is_stopped_in_time_all_the_same() {
    let mut bench = Bench::new().await;
    let _worker = bench.worker().await;
    bench.plan.settle().await;
    bench.plan.plan(1, Fault::Hangs(Moment::After));
    // Not by the worker's own process, which would make it under a claim.
    let new = bench.stent.prepare(hold()).unwrap();
    let _ = bench.memory.dispatch(bench.now(), std::slice::from_ref(&new)).await.unwrap();
    let root = new.id.root();
    let is_claimed = async {
        while bench.memory.task(root).await.unwrap().is_none_or(|task| task.worker.is_none()) {
            tokio::task::yield_now().await;
        }
    };
    soon("the claim", is_claimed).await;
    // No heartbeat is due yet.
    bench.clock.advance(Duration::from_secs(3));
    bench.plan.repair();
    bench.entered().await;
    let until = bench.memory.task(root).await.unwrap().and_then(|task| task.lease_until).unwrap();

    bench.plan.plan(1, Fault::Dies(Moment::Before));
    bench.pass(Duration::from_secs(6)).await;
    bench.left().await;
    assert!(bench.now() < until, "another worker may have the task by now");

    bench.plan.repair();
    bench.entered().await;
    bench.gate.add_permits(1);
    soon("the result", bench.stent.execution::<u32>(new.id).result()).await.unwrap();
}

/// B17
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn code_that_blocks_every_thread_keeps_no_renewal_back() {
    let mut bench = Bench::new().await;
    let worker = bench.worker().await;
    let execution = bench.stent.dispatch(block()).await.unwrap();
    bench.entered().await;
    let until = bench.now().after(2 * LEASE);
    for _ in 0..20 {
        bench.clock.advance(Duration::from_secs(1));
        std::thread::sleep(Duration::from_millis(10));
    }
    let task = bench.memory.task(execution.id().root()).await.unwrap().unwrap();
    assert_eq!(task.worker, Some(worker.id()));
    assert!(task.lease_until.unwrap() > until, "{task:?}");
    bench.gate.add_permits(1);
    soon("the result", execution.result()).await.unwrap();
}

/// C-Y4
#[tokio::test]
async fn an_outage_while_code_ends_loses_nothing_and_uses_up_no_attempt() {
    for moment in [Moment::Before, Moment::After] {
        let mut bench = Bench::new().await;
        let _worker = bench.worker().await;
        let execution = bench.stent.dispatch(hold().retry(RetryPolicy::none())).await.unwrap();
        bench.entered().await;
        bench.plan.plan(1, Fault::Dies(moment));
        bench.gate.add_permits(1);
        bench.left().await;
        bench.plan.repair();
        assert_eq!(soon("the result", execution.result()).await.unwrap(), 1);
        assert!(!bench.has_entered());
    }
}

/// C-Y4: a claim whose answer was lost is repeated with its token.
#[tokio::test]
async fn a_claim_whose_answer_is_lost_is_not_lost() {
    for ahead in 1..=4 {
        let mut bench = Bench::new().await;
        let _worker = bench.worker().await;
        bench.plan.plan(ahead, Fault::Once(Moment::After));
        let execution = bench.stent.dispatch(hold()).await.unwrap();
        assert_eq!(bench.entered().await, 1);
        bench.gate.add_permits(1);
        assert_eq!(soon("the result", execution.result()).await.unwrap(), 1);
        assert!(!bench.has_entered());
    }
}

/// C-Y4
#[tokio::test]
async fn a_task_whose_workers_were_lost_in_every_attempt_fails_without_running() {
    let mut bench = Bench::new().await;
    let policy = RetryPolicy::builder().max_attempts(2).build().unwrap();
    let execution = bench.stent.dispatch(hold().retry(policy)).await.unwrap();
    for _ in 0..2 {
        assert_eq!(bench.claim_elsewhere::<hold>(WorkerId::random(), LEASE).await.len(), 1);
        bench.clock.advance(LEASE);
    }
    let _worker = bench.worker().await;
    let error = soon("the end", execution.result()).await.unwrap_err();
    let failure = error.failure().unwrap();
    assert_eq!(failure.class().as_str(), ErrorClass::WORKER_LOST);
    assert_eq!(failure.record().origin.as_ref().unwrap().task, execution.id().root());
    assert!(!bench.has_entered());
    assert_eq!(bench.stent.dead_letter(execution.id().root()).await.unwrap().failure.class(), failure.class());
}

/// C-Q6
#[cfg(target_os = "linux")]
#[tokio::test]
async fn the_tasks_of_a_killed_process_of_this_machine_go_on_at_once() {
    let mut bench = Bench::new().await;
    let neighbour = {
        let worker = bench.worker().await;
        worker.drain().await.unwrap();
        bench.memory.workers().await.unwrap().remove(0).process
    };
    let gone = WorkerId::random();
    bench.announce_elsewhere(gone, ProcessIdentity { started: neighbour.started + 1, ..neighbour }).await;
    let execution = bench.stent.dispatch(hold()).await.unwrap();
    assert_eq!(bench.claim_elsewhere::<hold>(gone, Duration::from_secs(3_600)).await.len(), 1);

    let _worker = bench.worker().await;
    assert_eq!(bench.entered().await, 2);
    bench.gate.add_permits(1);
    assert_eq!(soon("the result", execution.result()).await.unwrap(), 2);
}

/// C-T3
#[tokio::test]
async fn past_its_deadline_an_execution_is_timed_out_and_its_code_dropped() {
    let mut bench = Bench::new().await;
    let _worker = bench.worker().await;
    let running = bench.stent.dispatch(hold().max_duration("5s")).await.unwrap();
    bench.entered().await;
    let delayed = bench.stent.dispatch(add(1, 1).delay("1h").max_duration("5s")).await.unwrap();
    bench.pass(Duration::from_secs(6)).await;
    bench.left().await;
    assert!(matches!(soon("the end", running.result()).await, Err(ExecutionError::TimedOut)));
    assert_eq!(delayed.status().await.unwrap(), ExecutionState::Scheduled);
}

/// C-T3: also if nobody has a free slot to look for work.
#[tokio::test]
async fn a_worker_without_a_free_slot_times_out_executions_too() {
    let mut bench = Bench::new().await;
    let _worker = bench.worker().await;
    for _ in 0..2 {
        bench.stent.dispatch(hold()).await.unwrap();
        bench.entered().await;
    }
    // Dispatched by another process: nobody here is told of its deadline.
    let other = stent_executor::Stent::builder(bench.memory.clone())
        .functions(stent_executor::functions![hold])
        .clock(std::sync::Arc::new(bench.clock.clone()))
        .build()
        .await
        .unwrap();
    let waiting = other.dispatch(hold().max_duration("5s")).await.unwrap();
    bench.pass(Duration::from_secs(7)).await;
    assert!(matches!(soon("the end", waiting.result()).await, Err(ExecutionError::TimedOut)));
}

/// C-R7
#[tokio::test]
async fn tasks_of_functions_that_a_worker_lacks_stay_as_they_are() {
    let bench = Bench::new().await;
    let other = stent_executor::Stent::builder(bench.memory.clone())
        .allow_remote(true)
        .clock(std::sync::Arc::new(bench.clock.clone()))
        .build()
        .await
        .unwrap();
    let foreign = other.dispatch(elsewhere()).await.unwrap();
    let _worker = bench.worker().await;
    let known = bench.stent.dispatch(add(1, 1)).await.unwrap();
    soon("the result", known.result()).await.unwrap();
    let task = bench.memory.task(foreign.id().root()).await.unwrap().unwrap();
    assert_eq!((task.attempt, foreign.status().await.unwrap()), (0, ExecutionState::Pending));
}
