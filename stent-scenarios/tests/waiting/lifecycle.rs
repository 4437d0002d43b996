//! A worker's life: its states, its drain, its stop (C-X4).

use std::future::Future;
use std::time::Duration;

use stent_core::execution::ExecutionState;
use stent_core::task::TaskState;
use stent_core::worker::WorkerState;
use stent_executor::Unfinished;
use stent_executor::prelude::*;
use stent_scenarios::{Bench, Process, on_every_backend, soon};
use stent_testkit::faulty::{Fault, Moment};

use crate::scene::{ExecutionError, calls, client, hold, left, presence, runs, sleeps, states, tasks, waits};

const SECOND: Duration = Duration::from_secs(1);

/// The functions of these tests, at work with leases that nobody waits for.
async fn process(bench: &Bench) -> Process {
    bench.process(functions![hold, calls, waits, sleeps]).await.work(bench, |worker| worker.lease("1h")).await
}

/// Two things that happen at the same time, or a test that says that they did not.
async fn soon_both<A, B>(drain: impl Future<Output = A>, meanwhile: impl Future<Output = B>) -> (A, B) {
    soon("it drains", async { tokio::join!(drain, meanwhile) }).await
}

/// C-X4: each can be awaited, also when it is past; whoever reads the store sees them, too.
async fn the_states_of_a_worker_are_seen_in_their_order(bench: Bench) {
    let process = bench.process(functions![hold]).await.work(&bench, |worker| worker).await;
    process.stent.dispatch(hold("it".into())).await.unwrap();
    runs(&bench, "it").await;
    let worker = process.worker();
    let announced = async |state| {
        while process.stent.backend().workers().await.unwrap()[0].state != state {
            bench.pass(SECOND).await;
        }
    };
    assert_eq!(worker.state(), WorkerState::Ready);
    soon("it is announced", announced(WorkerState::Ready)).await;
    assert_eq!(soon("starting is past", worker.wait_for(WorkerState::Starting)).await, WorkerState::Ready);

    let (drained, ()) = soon_both(worker.drain(), async {
        assert_eq!(soon("draining", worker.wait_for(WorkerState::Draining)).await, WorkerState::Draining);
        soon("it is announced", announced(WorkerState::Draining)).await;
        bench.gates.open("it");
    })
    .await;
    assert_eq!(drained, Ok(()));
    assert_eq!(worker.state(), WorkerState::Stopped);
    assert_eq!(process.stent.backend().workers().await.unwrap()[0].state, WorkerState::Stopped);
    for state in WorkerState::ALL {
        assert_eq!(soon("it is past", worker.wait_for(state)).await, WorkerState::Stopped);
    }
}

/// C-X4, B63: not before it has looked for work, however long the store gives no answer, and whichever it gave before.
async fn a_worker_is_ready_once_it_has_reached_the_store(bench: Bench) {
    for call in 1.. {
        let bench = bench.another();
        let process = bench.process(functions![hold]).await;
        let execution = process.stent.dispatch(hold("it".into())).await.unwrap();
        let before = process.plan.count();
        process.plan.plan(call, Fault::Dies(Moment::Before));
        let worker = process.stent.worker().start().await.unwrap();
        bench.sees("its store fails", || process.plan.count() >= before + call).await;
        bench.pass(60 * SECOND).await;
        if process.plan.calls()[before..before + call - 1].contains(&"claim") {
            assert!(call > 2, "it asks for more than work");
            return;
        }
        assert_eq!(worker.state(), WorkerState::Starting);
        assert_eq!(execution_state(&bench, &execution).await, ExecutionState::Pending);
        process.plan.repair();
        soon("ready", worker.wait_for(WorkerState::Ready)).await;
        runs(&bench, "it").await;
    }
}

async fn execution_state<T>(bench: &Bench, execution: &stent_executor::Execution<T>) -> ExecutionState {
    client(bench).await.execution::<T>(execution.id()).status().await.unwrap()
}

/// C-X4: its code goes on, with its claim renewed, as long as the grace lasts; nothing else is begun.
async fn a_drain_lets_running_code_finish_and_takes_no_more(bench: Bench) {
    let process = bench.process(functions![hold]).await;
    let process = process.work(&bench, |worker| worker.lease("10s").drain_grace("1h")).await;
    let running = process.stent.dispatch(hold("first".into())).await.unwrap();
    runs(&bench, "first").await;
    let (drained, late) = soon_both(process.worker().drain(), async {
        process.worker().wait_for(WorkerState::Draining).await;
        let late = process.stent.dispatch(hold("second".into())).await.unwrap();
        bench.pass(10 * 60 * SECOND).await;
        assert_eq!((presence(&bench, "first"), presence(&bench, "second")), ((1, 0), (0, 0)));
        bench.gates.open("first");
        late
    })
    .await;
    assert_eq!(drained, Ok(()));
    assert_eq!(soon("the result", running.result()).await.unwrap(), "first");
    // A claim that was under way when the drain began is given back, attempt and all.
    let late = tasks(&process.stent, late.id()).await.remove(0);
    assert_eq!((late.state, late.attempt, late.worker), (TaskState::Pending, 0, None));
}

/// C-X4, C-Y4, B13: what did not finish is somebody else's at once, not after its lease, and has used up no attempt.
async fn what_does_not_finish_in_the_grace_goes_on_elsewhere_at_once(bench: Bench) {
    let first = process(&bench).await;
    let execution = first.stent.dispatch(hold("it".into())).await.unwrap();
    runs(&bench, "it").await;
    let second = process(&bench).await;
    let (drained, ()) = soon_both(first.worker().drain(), async {
        bench.pass(30 * SECOND - Duration::from_micros(1)).await;
        assert_eq!(presence(&bench, "it"), (1, 0));
        bench.pass(Duration::from_micros(1)).await;
    })
    .await;
    assert_eq!(drained, Err(Unfinished { tasks: 1 }));
    bench.until("the other has it", bench.sees("the other has it", || presence(&bench, "it") == (2, 1))).await;
    let task = tasks(&second.stent, execution.id()).await.remove(0);
    assert_eq!((task.attempt, task.worker), (1, Some(second.worker().id())));
    bench.gates.open("it");
    assert_eq!(soon("the result", second.stent.execution::<String>(execution.id()).result()).await.unwrap(), "it");
}

/// C-X4, C-Q4, B13: a drain waits for nothing that waits itself, be it for a child that it would have to run.
async fn what_only_waits_is_suspended_by_a_drain_at_once(bench: Bench) {
    let process = bench.process(functions![hold, calls, waits, sleeps]).await;
    let process = process.work(&bench, |worker| worker.concurrency(1)).await;
    let client = client(&bench).await;
    let waiting = [
        process.stent.dispatch(waits()).await.unwrap().id(),
        process.stent.dispatch(sleeps("30d".into())).await.unwrap().id(),
    ];
    bench.settle().await;
    let parent = process.stent.dispatch(calls("child".into())).await.unwrap().id();
    bench.settle().await;
    let begun = bench.now();
    let (drained, ()) = soon_both(process.worker().drain(), async {
        process.worker().wait_for(WorkerState::Draining).await;
        bench.gates.open("child");
    })
    .await;
    assert_eq!((drained, bench.now()), (Ok(()), begun), "no time passed");
    for id in waiting {
        assert_eq!(states(&client, id).await, [TaskState::Suspended]);
    }
    // Its child has finished, so that it goes on with whoever comes next.
    let next = bench.process(functions![hold, calls]).await.work(&bench, |worker| worker).await;
    assert_eq!(bench.until("the result", next.stent.execution::<String>(parent).result()).await.unwrap(), "child");
    assert_eq!(bench.ledger.count("child ended"), 1);
}

/// C-X4: a child that waits for a place is left to others.
async fn a_drain_does_not_wait_for_children_that_have_not_begun(bench: Bench) {
    let first = bench.process(functions![calls]).await.work(&bench, |worker| worker).await;
    let execution = first.stent.dispatch(calls("child".into())).await.unwrap().id();
    soon("the child is made", async {
        while states(&first.stent, execution).await.len() < 2 {
            bench.settle().await;
        }
    })
    .await;
    assert_eq!(soon("drained", first.worker().drain()).await, Ok(()));
    assert_eq!(states(&first.stent, execution).await, [TaskState::Suspended, TaskState::Pending]);
}

/// C-X4: no grace at all, by `stop`, by a drop, and in the middle of a drain.
async fn a_stop_lets_everything_go_at_once(bench: Bench) {
    for how in ["stop", "drop", "drain, then stop"] {
        let bench = bench.another();
        let mut first = process(&bench).await;
        let execution = first.stent.dispatch(hold("it".into())).await.unwrap();
        runs(&bench, "it").await;
        let unfinished = Err(Unfinished { tasks: 1 });
        match how {
            "stop" => assert_eq!(first.worker().stop().await, unfinished),
            "drop" => drop(first.take_worker()),
            _ => {
                let (drained, stopped) = soon_both(first.worker().drain(), async {
                    first.worker().wait_for(WorkerState::Draining).await;
                    bench.settle().await;
                    assert_eq!(presence(&bench, "it"), (1, 0));
                    first.worker().stop().await
                })
                .await;
                assert_eq!((drained, stopped), (unfinished, unfinished));
            }
        }
        left(&bench, "it").await;
        let second = process(&bench).await;
        bench.sees("the other has it", || presence(&bench, "it") == (2, 1)).await;
        bench.gates.open("it");
        let result = soon("the result", second.stent.execution::<String>(execution.id()).result()).await;
        assert_eq!(result.unwrap(), "it", "{how}");
    }
}

/// C-X4: whoever asks gets the same answer, as often as they ask; a stop after the end changes nothing of it.
async fn all_who_drain_get_one_answer(bench: Bench) {
    let process = process(&bench).await;
    process.stent.dispatch(hold("it".into())).await.unwrap();
    runs(&bench, "it").await;
    let worker = process.worker();
    let both = async { tokio::join!(worker.drain(), worker.drain()) };
    let ((one, other), ()) = soon_both(both, bench.pass(31 * SECOND)).await;
    let unfinished = Err(Unfinished { tasks: 1 });
    assert_eq!((one, other), (unfinished, unfinished));
    assert_eq!((worker.stop().await, worker.drain().await), (unfinished, unfinished));
    assert_eq!(worker.run_until_shutdown().await, unfinished);
}

/// C-X4: also if the store is gone. Nothing is lost: leases end by themselves.
async fn a_drain_ends_whatever_the_store_does(bench: Bench) {
    let process = bench.process(functions![hold]).await.work(&bench, |worker| worker.drain_grace("5s")).await;
    let execution = process.stent.dispatch(hold("it".into())).await.unwrap();
    runs(&bench, "it").await;
    process.plan.plan(1, Fault::Dies(Moment::Before));
    let (drained, ()) = soon_both(process.worker().drain(), bench.pass(5 * SECOND)).await;
    assert_eq!(drained, Err(Unfinished { tasks: 1 }));
    assert_eq!(presence(&bench, "it"), (1, 1));
    let second = bench.process(functions![hold]).await.work(&bench, |worker| worker).await;
    bench.gates.open("it");
    let execution = second.stent.execution::<String>(execution.id());
    assert_eq!(bench.until("the result", execution.result()).await.unwrap(), "it");
}

/// C-X4, C-T3: a worker that drains is alive: it ends what has run out of time.
async fn a_draining_worker_applies_deadlines(bench: Bench) {
    let process = bench.process(functions![hold]).await.work(&bench, |worker| worker.drain_grace("1h")).await;
    process.stent.dispatch(hold("it".into())).await.unwrap();
    runs(&bench, "it").await;
    let client = client(&bench).await;
    let (drained, ()) = soon_both(process.worker().drain(), async {
        process.worker().wait_for(WorkerState::Draining).await;
        let late = client.dispatch(sleeps("1h".into()).max_duration("20s")).await.unwrap();
        bench.pass(21 * SECOND).await;
        let ended = soon("the end", late.result()).await;
        assert!(matches!(ended, Err(ExecutionError::TimedOut)), "{ended:?}");
        bench.gates.open("it");
    })
    .await;
    assert_eq!(drained, Ok(()));
}

on_every_backend![
    the_states_of_a_worker_are_seen_in_their_order,
    a_worker_is_ready_once_it_has_reached_the_store,
    a_drain_lets_running_code_finish_and_takes_no_more,
    what_does_not_finish_in_the_grace_goes_on_elsewhere_at_once,
    what_only_waits_is_suspended_by_a_drain_at_once,
    a_drain_does_not_wait_for_children_that_have_not_begun,
    a_stop_lets_everything_go_at_once,
    all_who_drain_get_one_answer,
    a_drain_ends_whatever_the_store_does,
    a_draining_worker_applies_deadlines,
];
