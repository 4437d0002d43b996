//! ad hoc
use std::collections::BTreeMap;
use std::time::Instant;
use stent_executor::Stent;
use stent_executor::prelude::*;
use stent_testkit::faulty::{FaultPlan, FaultyBackend};
use stent_testkit::memory::MemoryBackend;
#[durable]
async fn add(a: u32, b: u32) -> Result<u32> {
    Ok(a + b)
}
#[durable]
async fn chain(ctx: Ctx, n: u32) -> Result<u32> {
    let mut s = 0;
    for i in 0..n {
        s = ctx.call(add(s, i)).await?;
    }
    Ok(s)
}
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn speed() {
    let plan = FaultPlan::none();
    let stent = Stent::with_backend(std::sync::Arc::new(FaultyBackend::new(
        std::sync::Arc::new(MemoryBackend::new()),
        plan.clone(),
    )))
    .functions(functions![add, chain])
    .build()
    .await
    .unwrap();
    let _w = stent.worker().concurrency(32).start().await.unwrap();
    let before = plan.count();
    let t = Instant::now();
    stent.dispatch(chain(100)).await.unwrap().result().await.unwrap();
    println!("chain 100 {:?}", t.elapsed());
    let mut counts = BTreeMap::new();
    for c in &plan.calls()[before..] {
        *counts.entry(*c).or_insert(0) += 1;
    }
    println!("{counts:?}");
    println!("{:?}", &plan.calls()[before..before + 40]);
}
