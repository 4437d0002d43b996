//! A test does the same thing each time.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};

use stent_executor::prelude::*;
use stent_testkit::local;

#[durable]
async fn visit(ctx: Ctx, place: u32) -> Result<()> {
    let log = ctx.resource::<Log>()?;
    for round in 0..3 {
        let (id, chance) = (ctx.uuid(), ctx.random());
        ctx.step("visit", async || {
            log.0.lock().unwrap().push(format!("{place}.{round} {id} {chance}"));
            Ok::<_, Failure>(())
        })
        .await?;
        ctx.sleep(["1h", "2h", "0s"][(place as usize + round) % 3]).await?;
    }
    Ok(())
}

#[durable]
async fn journey(ctx: Ctx, places: u32) -> Result<()> {
    let _: ((), (), Vec<()>) =
        try_join!(ctx.call(visit(places)), ctx.call(visit(places + 1)), ctx.map((0..places).map(visit)))?;
    Ok(())
}

/// Waits often, and counts its runs.
#[durable]
async fn wait(ctx: Ctx, times: u32) -> Result<()> {
    ctx.resource::<Runs>()?.0.fetch_add(1, Ordering::SeqCst);
    for _ in 0..times {
        ctx.sleep("1d").await?;
    }
    Ok(())
}

#[derive(Default)]
struct Runs(AtomicU32);

#[derive(Default)]
struct Log(Mutex<Vec<String>>);

async fn log() -> Vec<String> {
    let test = local(functions![journey, visit]).resource(Log::default()).start().await.unwrap();
    let journeys = [test.dispatch(journey(7)).await.unwrap(), test.dispatch(journey(11)).await.unwrap()];
    let single = test.dispatch(visit(100)).await.unwrap();
    for journey in journeys {
        journey.result().await.unwrap();
    }
    single.result().await.unwrap();
    let log = test.resource::<Log>().unwrap();
    log.0.lock().unwrap().clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn order_ids_and_chance_are_the_same_in_every_run() {
    let first = log().await;
    assert_eq!(first.len(), 3 * (7 + 2 + 11 + 2 + 1));
    for _ in 0..5 {
        assert_eq!(log().await, first);
    }
}

/// C-R4
#[tokio::test]
async fn a_task_comes_back_by_replay_at_its_first_waits_and_stays_in_memory_at_later_ones() {
    for (waits, replays) in [(10, 10), (100, 64)] {
        let test = local(functions![wait]).resource(Runs::default()).start().await.unwrap();
        test.dispatch(wait(waits)).await.unwrap().result().await.unwrap();
        assert_eq!(test.resource::<Runs>().unwrap().0.load(Ordering::SeqCst), 1 + replays);
    }
}
