//! Time: it is skipped when nothing can run, and stands still otherwise.

use std::time::{Duration, Instant};

use stent_executor::prelude::*;
use stent_testkit::{TestStent, local, run_local};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

#[durable]
async fn remind(ctx: Ctx, times: u32) -> Result<String> {
    for _ in 0..times {
        ctx.sleep("1d").await?;
    }
    Ok(ctx.now().to_string())
}

#[durable]
async fn hourly(ctx: Ctx, times: u32) -> Result<u32> {
    for round in 0..times {
        ctx.sleep("1h").await?;
        ctx.step("check", async || Ok::<_, Failure>(round)).await?;
    }
    Ok(times)
}

#[tokio::test]
async fn a_month_takes_no_time() {
    let started = Instant::now();
    assert_eq!(run_local(remind(30)).await.unwrap(), "2030-01-31T00:00:00.000000");
    println!("30 sleeps: {:?}", started.elapsed());
    let started = Instant::now();
    assert_eq!(run_local(hourly(24 * 30)).await.unwrap(), 720);
    println!("720 sleeps and steps: {:?}", started.elapsed());
    let started = Instant::now();
    let test = local(functions![hourly]).worker(|worker| worker.suspend_after("10s")).start().await.unwrap();
    let execution = test.dispatch(hourly(24 * 30)).await.unwrap();
    assert_eq!(execution.result().await.unwrap(), 720);
    assert_eq!(test.elapsed(), DAY * 30);
    println!("x: {:?}", started.elapsed());
    let _ = TestStent::builder();
}

#[tokio::test]
async fn probe() {
    let test = local(functions![hourly]).start().await.unwrap();
    let _execution = test.dispatch(hourly(24 * 30)).await.unwrap();
    for _ in 0..12 {
        let started = Instant::now();
        test.skip("20h").await.unwrap();
        println!("{:?}", started.elapsed() / 20);
    }
}
