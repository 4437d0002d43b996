//! Those who wait: what they ask the store for, and what they are told.

use std::time::Duration;

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Executor as _};
use stent_core::execution::ExecutionState;
use stent_executor::ExecutionError;
use stent_executor::prelude::*;
use stent_scenarios::{Bench, Gates, on_every_backend, soon};

#[durable]
async fn talks(ctx: Ctx) -> Result<u32> {
    for number in 0..20 {
        ctx.progress(format!("part {number}"));
        ctx.step("part", async || Ok::<_, Failure>(number)).await?;
    }
    ctx.resource::<Gates>()?.pass("end").await;
    Ok(7)
}

/// C-T1, C-V2, B29, B74: a wait and a look at the state read the state alone, however much there is to tell, and a wait of one process is one query a poll.
async fn who_waits_asks_for_states_alone(bench: Bench) {
    let worker = bench.process(functions![talks]).await.work(&bench, |worker| worker.concurrency(1)).await;
    let execution = worker.stent.dispatch(talks()).await.unwrap();
    bench.settle().await;
    let client = bench.deaf_process(functions![talks]).await;
    let before = client.plan.count();
    let execution = client.stent.execution::<u32>(execution.id());
    assert_eq!(execution.status().await.unwrap(), ExecutionState::Running);
    assert!(matches!(bench.until("the bound", execution.wait("10s")).await, Err(ExecutionError::Elapsed)));
    let calls = client.plan.calls().split_off(before);
    assert!(calls.iter().all(|call| ["executions", "news"].contains(call)), "{calls:?}");
    // A look at the state, a look before the wait, one as it begins, and one each second of it.
    assert!(calls.len() <= 2 + 1 + 10, "{calls:?}");
    bench.gates.open("end");
    assert_eq!(bench.until("the result", execution.result()).await.unwrap(), 7);
}

#[durable]
async fn quick() -> Result<u32> {
    Ok(7)
}

/// C-X3, B14: who waits for what retention has deleted is told so, also if the wait began before.
async fn a_wait_for_what_was_deleted_ends(bench: Bench) {
    let worker = bench.process(functions![quick]).await;
    let id = worker.stent.dispatch(quick()).await.unwrap().id();
    // It hears of nothing, and looks once a second.
    let late = bench.deaf_process(functions![quick]).await.stent.execution::<u32>(id);
    let waits = tokio::spawn({
        let late = late.clone();
        async move { late.result().await }
    });
    bench.settle().await;
    let worker = worker.work(&bench, |worker| worker.concurrency(1)).await;
    bench.settle().await;
    assert_eq!(worker.stent.execution::<u32>(id).result().await.unwrap(), 7);
    let backend = worker.stent.backend();
    while backend.prune(bench.now(), bench.now().after(Duration::from_secs(1))).await.unwrap().more {}
    let ended = bench.until("the end of the wait", waits).await.unwrap();
    assert!(matches!(ended, Err(ExecutionError::NotFound)), "{ended:?}");
    let again = bench.until("the end of another wait", late.result()).await;
    assert!(matches!(again, Err(ExecutionError::NotFound)), "{again:?}");
}

/// B18: while somebody writes, everybody reads.
#[tokio::test]
async fn reads_do_not_wait_for_a_writer() {
    let bench = Bench::sqlite();
    let stent = bench.stent(functions![quick]).await;
    let execution = stent.dispatch(quick()).await.unwrap();
    let mut writer = SqliteConnectOptions::new().filename(bench.file().unwrap()).connect().await.unwrap();
    writer.execute("BEGIN IMMEDIATE").await.unwrap();
    let state = soon("the state, while the file is locked for writers", execution.status()).await.unwrap();
    assert_eq!(state, ExecutionState::Pending);
    assert_eq!(soon("the tasks", bench.tasks(execution.id())).await.len(), 1);
    writer.execute("ROLLBACK").await.unwrap();
}

on_every_backend![who_waits_asks_for_states_alone, a_wait_for_what_was_deleted_ends];
