//! A worker's life: starting, ready, draining, stopped (C-X4).

use std::time::Duration;

use crate::bench::{Bench, add, hold, soon};
use stent_core::backend::Inspect;
use stent_core::execution::ExecutionState;
use stent_core::worker::WorkerState;
use stent_executor::{StentError, Unfinished, Worker};
use stent_testkit::faulty::{Fault, Moment};

#[tokio::test]
async fn a_ready_worker_runs_what_is_dispatched() {
    let bench = Bench::new().await;
    let worker = bench.worker().await;
    let execution = bench.stent.dispatch(add(2, 3)).await.unwrap();
    assert_eq!(soon("the result", execution.result()).await.unwrap(), 5);
    assert_eq!(execution.status().await.unwrap(), ExecutionState::Completed);
    assert_eq!(worker.drain().await, Ok(()));
}

#[tokio::test]
async fn many_executions_share_few_slots() {
    let bench = Bench::new().await;
    let _worker = bench.worker().await;
    let executions = bench.stent.dispatch_all((0..200).map(|a| add(a, 1))).await.unwrap();
    for (a, execution) in (0..200).zip(executions) {
        assert_eq!(soon("the result", execution.result()).await.unwrap(), a + 1);
    }
}

/// C-X4
#[tokio::test]
async fn a_draining_worker_lets_running_code_finish_and_claims_no_more() {
    let mut bench = Bench::new().await;
    let worker = bench.worker().await;
    let running = bench.stent.dispatch(hold()).await.unwrap();
    bench.entered().await;

    let drain = async {
        let drained = worker.drain().await;
        assert_eq!(worker.state(), WorkerState::Stopped);
        drained
    };
    let after = async {
        soon("draining", worker.wait_for(WorkerState::Draining)).await;
        let late = bench.stent.dispatch(hold()).await.unwrap();
        bench.gate.add_permits(1);
        late
    };
    let (drained, late) = soon("drained", async { tokio::join!(drain, after) }).await;
    assert_eq!(drained, Ok(()));
    assert_eq!(soon("the result", running.result()).await.unwrap(), 1);
    assert_eq!(late.status().await.unwrap(), ExecutionState::Pending);
    assert!(!bench.has_entered());
    let records = bench.memory.workers().await.unwrap();
    assert_eq!(
        records.iter().map(|record| (record.id, record.state)).collect::<Vec<_>>(),
        [(worker.id(), WorkerState::Stopped)]
    );
}

/// C-X4, C-Y4
#[tokio::test]
async fn after_the_grace_tasks_are_released_and_go_on_elsewhere_without_an_attempt_used_up() {
    let mut bench = Bench::new().await;
    let worker = bench.worker().await;
    let execution = bench.stent.dispatch(hold()).await.unwrap();
    assert_eq!(bench.entered().await, 1);
    let drain = tokio::spawn(async move { worker.drain().await });
    bench.pass(Duration::from_secs(31)).await;
    assert_eq!(soon("drained", drain).await.unwrap(), Err(Unfinished { tasks: 1 }));
    bench.left().await;

    let _other = bench.worker().await;
    assert_eq!(bench.entered().await, 1);
    bench.gate.add_permits(1);
    assert_eq!(soon("the result", execution.result()).await.unwrap(), 1);
}

/// C-X4
#[tokio::test]
async fn a_stop_cuts_the_grace_of_a_drain_short() {
    let mut bench = Bench::new().await;
    let worker = bench.worker().await;
    let execution = bench.stent.dispatch(hold()).await.unwrap();
    bench.entered().await;
    let (drained, stopped) = soon("stopped", async {
        tokio::join!(worker.drain(), async {
            worker.wait_for(WorkerState::Draining).await;
            worker.stop().await
        })
    })
    .await;
    assert_eq!((drained, stopped), (Err(Unfinished { tasks: 1 }), Err(Unfinished { tasks: 1 })));
    bench.left().await;
    // It has begun, and is free at once.
    assert_eq!(execution.status().await.unwrap(), ExecutionState::Running);
    let _other = bench.worker().await;
    bench.entered().await;
}

#[tokio::test]
async fn a_worker_that_is_dropped_stops_and_lets_its_tasks_go() {
    let mut bench = Bench::new().await;
    let worker = bench.worker().await;
    let _execution = bench.stent.dispatch(hold()).await.unwrap();
    bench.entered().await;
    drop(worker);
    bench.left().await;
    let _other = bench.worker().await;
    assert_eq!(bench.entered().await, 1);
}

/// C-X3
#[tokio::test]
async fn what_ended_long_ago_is_deleted_and_what_is_open_is_not() {
    let bench = Bench::new().await;
    let _worker = bench.worker().await;
    let open = bench.stent.dispatch(add(1, 1).delay("365d")).await.unwrap();
    let ended = bench.stent.dispatch(add(1, 1)).await.unwrap();
    soon("the result", ended.result()).await.unwrap();
    bench.clock.advance(Duration::from_secs(6 * 24 * 60 * 60));
    bench.pass(Duration::from_secs(2)).await;
    assert_eq!(ended.status().await.unwrap(), ExecutionState::Completed);
    bench.clock.advance(Duration::from_secs(2 * 24 * 60 * 60));
    soon("deleted", async {
        while ended.status().await.is_ok() {
            bench.pass(Duration::from_secs(1)).await;
        }
    })
    .await;
    assert_eq!(open.status().await.unwrap(), ExecutionState::Scheduled);
}

#[tokio::test]
async fn settings_that_break_a_rule_are_refused_before_anything_runs() {
    let bench = Bench::new().await;
    let field = |refused: Result<_, StentError>| match refused.map(|_: stent_executor::Worker| ()) {
        Err(StentError::InvalidConfig { field, .. }) => field,
        other => panic!("{other:?}"),
    };
    let worker = || bench.stent.worker();
    assert_eq!(field(worker().concurrency(0).start().await), "concurrency");
    assert_eq!(field(worker().concurrency(10_001).start().await), "concurrency");
    assert_eq!(field(worker().lease("99ms").start().await), "lease");
    assert_eq!(field(worker().lease("soon").start().await), "lease");
    assert_eq!(field(worker().poll("0s").start().await), "poll");
    assert_eq!(field(worker().chunk(0).start().await), "chunk");
    assert_eq!(field(worker().chunk(10_001).start().await), "chunk");
    assert!(matches!(worker().queues([""]).start().await, Err(StentError::Name(_))));
    assert!(bench.memory.workers().await.unwrap().is_empty());
}

/// C-X4: given up, a renewal under way could reach the store after the farewell.
#[tokio::test]
async fn a_farewell_comes_after_the_renewal_under_way() {
    let bench = Bench::new().await;
    let worker = bench.worker().await;
    let id = worker.id();
    soon("everything is at rest", bench.plan.settle()).await;
    bench.plan.plan(1, Fault::Hangs(Moment::Before));
    bench.clock.advance(Duration::from_millis(3_400));
    let renewals = |calls: Vec<&str>| calls.iter().filter(|call| **call == "renew").count();
    let moment = || tokio::time::sleep(Duration::from_millis(1));
    soon("a renewal hangs", async {
        while renewals(bench.plan.unanswered()) == 0 {
            moment().await;
        }
    })
    .await;
    let asked = renewals(bench.plan.calls());
    let stopping = tokio::spawn(async move { worker.stop().await });
    // The worker's thread cannot be seen to do nothing; one that gives the renewal up makes the next call at once.
    for _ in 0..100 {
        moment().await;
    }
    assert_eq!(renewals(bench.plan.calls()), asked);
    bench.plan.repair();
    assert_eq!(soon("it stops", stopping).await.unwrap(), Ok(()));
    let workers = bench.stent.backend().workers().await.unwrap();
    assert_eq!(workers.iter().find(|worker| worker.id == id).unwrap().state, WorkerState::Stopped);
}

/// C-X4: what probes ask, in every part of a worker's life.
#[tokio::test]
async fn health_follows_the_life_of_a_worker_and_the_contact_with_its_store() {
    let mut bench = Bench::new().await;
    let worker = bench.stent.worker().lease("9s").start().await.unwrap();
    let fit = |worker: &Worker| (worker.health().is_live(), worker.health().is_ready());
    if worker.state() == WorkerState::Starting {
        assert_eq!(fit(&worker), (true, false), "it has not looked for tasks yet");
    }
    soon("ready", worker.wait_for(WorkerState::Ready)).await;
    assert_eq!(fit(&worker), (true, true));

    bench.plan.plan(1, Fault::Dies(Moment::Before));
    let becomes = async |expected: (bool, bool)| {
        soon("its health", async {
            while fit(&worker) != expected {
                bench.clock.advance(Duration::from_millis(500));
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        })
        .await;
    };
    becomes((true, false)).await;
    bench.plan.repair();
    becomes((true, true)).await;

    bench.stent.dispatch(hold()).await.unwrap();
    bench.entered().await;
    let (drained, ()) = tokio::join!(worker.drain(), async {
        soon("draining", worker.wait_for(WorkerState::Draining)).await;
        assert_eq!(fit(&worker), (true, false), "it finishes, and takes nothing more");
        bench.gate.add_permits(1);
    });
    assert_eq!((drained, fit(&worker)), (Ok(()), (false, false)));
}
