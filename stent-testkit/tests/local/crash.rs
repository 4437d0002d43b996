//! Crashes: what was recorded is kept, and all else runs again.

use std::sync::Mutex;

use stent_executor::prelude::*;
use stent_testkit::{TestStent, local};
use tokio::sync::{Semaphore, mpsc};

/// What the functions did, and where they wait for the test.
struct World {
    log: Mutex<Vec<String>>,
    entered: mpsc::UnboundedSender<()>,
    gate: Semaphore,
}

impl World {
    fn log(&self, line: impl Into<String>) {
        self.log.lock().unwrap().push(line.into());
    }

    fn lines(&self) -> Vec<String> {
        self.log.lock().unwrap().clone()
    }
}

#[durable]
async fn pay(ctx: Ctx) -> Result<String> {
    let world = ctx.resource::<World>()?;
    let receipt = ctx.step("charge", async || {
        world.log("charged");
        Ok::<_, Failure>("receipt".to_owned())
    });
    let receipt = receipt.await?;
    ctx.sleep("3d").await?;
    ctx.step("mail", async || {
        world.log("mailing");
        world.entered.send(())?;
        world.gate.acquire().await?.forget();
        world.log("mailed");
        Ok::<_, Failure>(())
    })
    .await?;
    Ok(receipt)
}

/// Tells its attempt and waits.
#[durable]
async fn count(ctx: Ctx) -> Result<u32> {
    let world = ctx.resource::<World>()?;
    world.entered.send(())?;
    world.gate.acquire().await?.forget();
    Ok(ctx.attempt())
}

#[durable(retry(max_attempts = 1))]
async fn once(ctx: Ctx) -> Result<()> {
    let world = ctx.resource::<World>()?;
    world.log("once");
    world.entered.send(())?;
    world.gate.acquire().await?.forget();
    Ok(())
}

async fn test() -> (TestStent, mpsc::UnboundedReceiver<()>) {
    let (entered, has_entered) = mpsc::unbounded_channel();
    let world = World { log: Mutex::default(), entered, gate: Semaphore::new(0) };
    (local(functions![count, once, pay]).resource(world).start().await.unwrap(), has_entered)
}

/// C-R1
#[tokio::test]
async fn a_step_that_a_crash_cut_short_runs_again_and_a_recorded_one_does_not() {
    let (test, mut entered) = test().await;
    let world = test.resource::<World>().unwrap();
    let execution = test.dispatch(pay()).await.unwrap();
    test.skip("2d").await.unwrap();
    test.crash().await.unwrap();
    tokio::select! {
        result = execution.result() => panic!("it ended before it could be killed: {result:?}"),
        _ = entered.recv() => test.crash().await.unwrap(),
    }
    test.until(entered.recv()).await.unwrap().unwrap();
    world.gate.add_permits(1);
    assert_eq!(execution.result().await.unwrap(), "receipt");
    assert_eq!(world.lines(), ["charged", "mailing", "mailing", "mailed"]);
}

#[tokio::test]
async fn a_result_that_is_awaited_meanwhile_comes_from_the_worker_after_the_crash() {
    let (test, mut entered) = test().await;
    let world = test.resource::<World>().unwrap();
    let execution = test.dispatch(pay()).await.unwrap();
    let crash = async {
        entered.recv().await.unwrap();
        test.crash().await.unwrap();
        world.gate.add_permits(1);
    };
    let (result, ()) = tokio::join!(execution.result(), crash);
    assert_eq!(result.unwrap(), "receipt");
    assert_eq!(world.lines(), ["charged", "mailing", "mailing", "mailed"]);
}

/// C-Y4
#[tokio::test]
async fn a_crash_before_anything_was_recorded_uses_up_an_attempt() {
    let (test, mut entered) = test().await;
    let world = test.resource::<World>().unwrap();
    let execution = test.dispatch(count()).await.unwrap();
    for _ in 0..2 {
        test.until(entered.recv()).await.unwrap().unwrap();
        test.crash().await.unwrap();
    }
    world.gate.add_permits(1);
    assert_eq!(execution.result().await.unwrap(), 3);

    let execution = test.dispatch(once()).await.unwrap();
    entered.recv().await.unwrap();
    test.until(entered.recv()).await.unwrap().unwrap();
    test.crash().await.unwrap();
    let error = execution.result().await.unwrap_err();
    assert_eq!(error.failure().unwrap().class().to_string(), "WorkerLost");
    assert_eq!(world.lines(), ["once"]);
}
