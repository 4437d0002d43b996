//! ad hoc
use std::time::Instant;
use stent_executor::Stent;
use stent_executor::prelude::*;
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
#[durable]
async fn steps(ctx: Ctx, n: u32) -> Result<u32> {
    let mut s = 0;
    for i in 0..n {
        s += ctx.step("s", move || async move { Ok::<_, Failure>(i) }).await?;
    }
    Ok(s)
}
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn speed() {
    for kind in 0..2 {
        let dir = tempfile::tempdir().unwrap();
        let backend: std::sync::Arc<dyn stent_core::Backend> = if kind == 0 {
            std::sync::Arc::new(MemoryBackend::new())
        } else {
            std::sync::Arc::new(stent_backend_sqlite::SqliteBackend::open(dir.path().join("s.db")).await.unwrap())
        };
        let stent = Stent::with_backend(backend).functions(functions![add, chain, steps]).build().await.unwrap();
        let _w = stent.worker().concurrency(32).start().await.unwrap();
        let t = Instant::now();
        stent.dispatch(chain(500)).await.unwrap().result().await.unwrap();
        println!("chain 500 {:?}", t.elapsed());
        let t = Instant::now();
        stent.dispatch(steps(500)).await.unwrap().result().await.unwrap();
        println!("steps 500 {:?}", t.elapsed());
        let t = Instant::now();
        let e: Vec<_> = stent.dispatch_all((0..200).map(|_| steps(20))).await.unwrap();
        for e in e {
            e.result().await.unwrap();
        }
        println!("200 x 20 steps {:?}", t.elapsed());
        let t = Instant::now();
        let e = stent.dispatch_all((0..5000).map(|a| add(a, 1))).await.unwrap();
        for e in e {
            e.result().await.unwrap();
        }
        println!("5000 adds {:?}", t.elapsed());
    }
}
