//! Signals: the latest value wins, every wait has its own, and senders are told (C-S1 to C-S3).

use std::time::Duration;

use stent_core::commit::Sent;
use stent_core::execution::ExecutionState;
use stent_core::signal::SignalSend;
use stent_core::{ExecutionId, SignalId};
use stent_executor::StentError;
use stent_executor::prelude::*;
use stent_scenarios::{Bench, Ledger, on_every_backend, soon};
use stent_testkit::faulty::{Fault, Moment};

use crate::log::Log;
use crate::scene::{Execution, LEASE, client, hold, sleeps, suspended, waits};

const SECOND: Duration = Duration::from_secs(1);

/// Waits for so many values of `go`, one after the other.
#[durable]
pub(crate) async fn collect(ctx: Ctx, count: usize) -> Result<Vec<u32>> {
    let mut values = Vec::new();
    while values.len() < count {
        let value = ctx.signal("go").await?;
        ctx.resource::<Ledger>()?.note(format!("got {value}"));
        values.push(value);
    }
    Ok(values)
}

pub(crate) async fn send<T>(execution: &Execution<T>, values: impl IntoIterator<Item = u32>) {
    for value in values {
        execution.signal("go", &value).await.unwrap();
    }
}

/// What was written down, replays left out.
pub(crate) fn heard(bench: &Bench) -> Vec<String> {
    let mut heard = Vec::new();
    for line in bench.ledger.all() {
        if !heard.contains(&line) {
            heard.push(line);
        }
    }
    heard
}

/// C-S1, C-S2: what nobody has taken is overwritten; before the wait or during it is the same.
async fn the_latest_value_wins_before_the_wait(bench: Bench) {
    let stent = bench.stent(functions![collect]).await;
    let execution = stent.dispatch(collect(2)).await.unwrap();
    send(&execution, [1, 2, 3]).await;
    let _worker = bench.worker(stent.worker()).await;
    bench.pass(30 * SECOND).await;
    assert_eq!(heard(&bench), ["got 3"], "and only once");
    send(&execution, [4]).await;
    assert_eq!(soon("the result", execution.result()).await.unwrap(), [3, 4]);
}

/// C-S1, C-S2, B38: also if the first value has woken the task already.
async fn the_latest_value_wins_while_the_task_is_suspended(bench: Bench) {
    let first = bench.process(functions![collect]).await.work(&bench, |worker| worker).await;
    let client = client(&bench).await;
    let id = first.stent.dispatch(collect(2)).await.unwrap().id();
    let execution = client.execution::<Vec<u32>>(id);
    suspended(&bench, &execution).await;
    first.die(&bench).await;
    send(&execution, [1]).await;
    assert_eq!(execution.status().await.unwrap(), ExecutionState::Running, "it is awake, and nobody has it");
    send(&execution, [2]).await;
    let _second = bench.process(functions![collect]).await.work(&bench, |worker| worker).await;
    bench.until("a value", bench.sees("a value", || !heard(&bench).is_empty())).await;
    assert_eq!(heard(&bench), ["got 2"]);
    send(&execution, [3]).await;
    assert_eq!(bench.until("the result", execution.result()).await.unwrap(), [2, 3]);
}

/// C-S1: who has set the logs to debug sees it; what was sent is in none of them.
async fn an_overwrite_is_logged_with_execution_and_name(bench: Bench) {
    let stent = bench.stent(functions![collect]).await;
    let execution = stent.dispatch(collect(1)).await.unwrap();
    let (log, _listening) = Log::listen();
    send(&execution, [123_456]).await;
    execution.signal("other", &1).await.unwrap();
    assert_eq!(log.with("DEBUG").len(), 0, "{:?}", log.with(""));
    send(&execution, [654_321]).await;
    let lines = log.with("DEBUG");
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].contains(&format!("execution={}", execution.id())) && lines[0].contains("signal=go"), "{lines:?}");
    assert!(log.with("123456").is_empty() && log.with("654321").is_empty());
}

/// C-S2, B39: every wait takes a value of its own.
async fn a_second_wait_waits_for_a_new_value(bench: Bench) {
    let stent = bench.stent(functions![collect]).await;
    let _worker = bench.worker(stent.worker()).await;
    let execution = stent.dispatch(collect(3)).await.unwrap();
    for value in 1..=3 {
        // In memory the first time, suspended the others.
        bench.pass(if value == 1 { SECOND } else { 15 * SECOND }).await;
        assert_eq!(heard(&bench).len(), value - 1);
        send(&execution, [u32::try_from(value).unwrap()]).await;
    }
    assert_eq!(bench.until("the result", execution.result()).await.unwrap(), [1, 2, 3]);
}

/// C-S2, B40: first made, first served, over a crash, too; the order of polls does not matter.
async fn waits_on_one_name_are_served_in_the_order_they_were_made(bench: Bench) {
    #[durable]
    async fn three(ctx: Ctx) -> Result<(u32, u32, u32)> {
        let (first, second) = (ctx.signal("go"), ctx.signal("go"));
        let third = async {
            ctx.sleep("1s").await?;
            ctx.signal("go").await
        };
        let (third, second, first) = try_join!(third, second, first)?;
        Ok((first, second, third))
    }
    let first = bench.process(functions![three]).await.work(&bench, |worker| worker).await;
    let id = first.stent.dispatch(three()).await.unwrap().id();
    bench.pass(2 * SECOND).await;
    send(&first.stent.execution::<()>(id), [1]).await;
    bench.settle().await;
    first.die(&bench).await;
    bench.leap(LEASE).await;
    let second = bench.process(functions![three]).await.work(&bench, |worker| worker).await;
    let execution = second.stent.execution::<(u32, u32, u32)>(id);
    for value in [2, 3] {
        bench.pass(SECOND).await;
        send(&execution, [value]).await;
    }
    assert_eq!(bench.until("the result", execution.result()).await.unwrap(), (1, 2, 3));
}

/// C-S3: before and after its value was taken, and after another send.
async fn a_send_that_is_repeated_does_nothing(bench: Bench) {
    let stent = bench.stent(functions![collect]).await;
    let _worker = bench.worker(stent.worker()).await;
    let execution = stent.dispatch(collect(2)).await.unwrap();
    let send = SignalSend {
        id: SignalId::random(),
        execution: execution.id(),
        name: stent_core::name::SignalName::new("go").unwrap(),
        value: b"1".to_vec().into(),
    };
    let repeat = async || stent.backend().send(bench.now(), &send).await.unwrap();
    assert_eq!(repeat().await, Sent::Stored { overwrote: false });
    bench.settle().await;
    assert_eq!(repeat().await, Sent::Stored { overwrote: false });
    bench.pass(2 * SECOND).await;
    assert_eq!(heard(&bench), ["got 1"]);
    execution.signal("go", &2).await.unwrap();
    assert_eq!(repeat().await, Sent::Stored { overwrote: false });
    assert_eq!(bench.until("the result", execution.result()).await.unwrap(), [1, 2]);
}

/// C-S3: the client repeats a send whose answer was lost, and it acts once.
async fn a_send_whose_answer_is_lost_acts_once(bench: Bench) {
    for moment in [Moment::Before, Moment::After] {
        let bench = bench.another();
        let process = bench.process(functions![collect]).await.work(&bench, |worker| worker).await;
        let sender = bench.process(functions![collect]).await;
        let execution = sender.stent.dispatch(collect(2)).await.unwrap();
        bench.pass(SECOND).await;
        sender.plan.plan(1, Fault::Once(moment));
        send(&execution, [1]).await;
        assert_eq!(sender.plan.calls().iter().filter(|call| **call == "send").count(), 2);
        bench.pass(15 * SECOND).await;
        assert_eq!(heard(&bench), ["got 1"]);
        assert_eq!(execution.status().await.unwrap(), ExecutionState::Suspended, "{moment:?}");
        send(&execution, [2]).await;
        assert_eq!(bench.until("the result", execution.result()).await.unwrap(), [1, 2]);
        process.worker().drain().await.unwrap();
    }
}

/// C-S3, B42: the error says which it is.
async fn unknown_and_finished_executions_take_no_signal(bench: Bench) {
    let stent = bench.stent(functions![sleeps, hold]).await;
    let _worker = bench.worker(stent.worker()).await;
    let unknown = stent.execution::<()>(ExecutionId::new(bench.now()));
    let error = unknown.signal("go", &1).await.unwrap_err();
    assert!(
        matches!(&error, StentError::NotFound { kind: "execution", id } if *id == unknown.id().to_string()),
        "{error}"
    );

    let completed = stent.dispatch(sleeps("0s".into())).await.unwrap().id();
    let timed_out = stent.dispatch(hold("a".into()).max_duration("1s")).await.unwrap().id();
    let cancelled = stent.dispatch(hold("b".into())).await.unwrap().id();
    stent.cancel(cancelled).await.unwrap();
    bench.pass(2 * SECOND).await;
    for (id, ended) in [
        (completed, ExecutionState::Completed),
        (timed_out, ExecutionState::TimedOut),
        (cancelled, ExecutionState::Cancelled),
    ] {
        match stent.signal(id, "go", &1).await.unwrap_err() {
            StentError::AlreadyFinal { execution, state } => assert_eq!((execution, state), (id, ended)),
            other => panic!("{other}"),
        }
    }
}

/// C-S2: it is the wait's, and its failure: the next one has to do with the next value.
async fn a_value_of_another_type_is_taken_and_fails_the_wait(bench: Bench) {
    #[durable]
    async fn tolerates(ctx: Ctx) -> Result<(String, u32)> {
        let refused = ctx.signal::<u32>("go").await.unwrap_err();
        Ok((refused.class().to_string(), ctx.signal("go").await?))
    }
    let stent = bench.stent(functions![tolerates]).await;
    let _worker = bench.worker(stent.worker()).await;
    let execution = stent.dispatch(tolerates()).await.unwrap();
    execution.signal("go", "a text").await.unwrap();
    bench.pass(SECOND).await;
    send(&execution, [7]).await;
    assert_eq!(bench.until("the result", execution.result()).await.unwrap(), ("CorruptRow".to_owned(), 7));
}

/// C-S3: a value may be sent before the start, and while the task waits for a retry.
async fn an_execution_that_has_not_begun_takes_signals(bench: Bench) {
    let stent = bench.stent(functions![waits]).await;
    let _worker = bench.worker(stent.worker()).await;
    let execution = stent.dispatch(waits().delay("1h")).await.unwrap();
    send(&execution, [5]).await;
    bench.leap(3_600 * SECOND).await;
    assert_eq!(bench.until("the result", execution.result()).await.unwrap(), 5);
}

on_every_backend![
    the_latest_value_wins_before_the_wait,
    the_latest_value_wins_while_the_task_is_suspended,
    an_overwrite_is_logged_with_execution_and_name,
    a_second_wait_waits_for_a_new_value,
    waits_on_one_name_are_served_in_the_order_they_were_made,
    a_send_that_is_repeated_does_nothing,
    a_send_whose_answer_is_lost_acts_once,
    unknown_and_finished_executions_take_no_signal,
    a_value_of_another_type_is_taken_and_fails_the_wait,
    an_execution_that_has_not_begun_takes_signals,
];
