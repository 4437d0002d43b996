//! Timeouts: bounds of waits, and deadlines of executions (C-T1 to C-T3).

use std::time::Duration;

use stent_executor::prelude::*;
use stent_scenarios::{Bench, on_every_backend};

#[durable]
async fn sleeps(ctx: Ctx, time: String) -> Result<u32> {
    ctx.sleep(time.as_str()).await?;
    Ok(7)
}

/// C-T1: zero and none wait for ever.
async fn a_wait_without_a_bound_outlasts_any_time(bench: Bench) {
    let stent = bench.stent(functions![sleeps]).await;
    let _worker = bench.worker(stent.worker().concurrency(1)).await;
    let execution = stent.dispatch(sleeps("2h".into())).await.unwrap();
    assert_eq!(bench.until("the result", execution.wait(Duration::ZERO)).await.unwrap(), 7);
}

on_every_backend![a_wait_without_a_bound_outlasts_any_time];
