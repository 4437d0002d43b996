//! What such programs do. Each writes down what it does, and most say which process it is in.

use std::time::Duration;

use stent_executor::prelude::*;

use super::Place;

/// How long a piece of work takes that is to take a moment.
const MOMENT: Duration = Duration::from_millis(10);

/// Runs until its place has a file of this name.
#[durable]
pub async fn work(ctx: Ctx, name: String) -> Result<String> {
    let place = ctx.resource::<Place>()?;
    place.note(&format!("{name} began"));
    while !place.is_open(&name) {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    place.note(&format!("{name} ended"));
    Ok(name)
}

/// Waits for a signal.
#[durable]
pub async fn listen(ctx: Ctx) -> Result<u32> {
    ctx.resource::<Place>()?.note("listening");
    ctx.signal("go").await
}

/// Does nothing.
#[durable]
pub async fn nothing(number: u64) -> Result<u64> {
    Ok(number)
}

/// An item of a map; what it gives tells which it was.
#[durable]
pub async fn item(ctx: Ctx, index: u64) -> Result<u64> {
    ctx.resource::<Place>()?.note(&format!("item {index} {}", std::process::id()));
    Ok(index * 7 + 1)
}

/// A map over so many of them, in chunks of so many.
#[durable]
pub async fn items(ctx: Ctx, count: u64, chunk: u32) -> Result<Vec<u64>> {
    ctx.map((0..count).map(item)).chunk(chunk).await
}

/// A moment's work of which at most three are done at once.
#[durable(max_concurrent = 3)]
pub async fn limited(ctx: Ctx, number: u32) -> Result<u32> {
    let place = ctx.resource::<Place>()?;
    place.note(&format!("began {number} {}", std::process::id()));
    tokio::time::sleep(MOMENT).await;
    place.note(&format!("ended {number} {}", std::process::id()));
    Ok(number)
}

/// A step, a call, and another step, each a moment's work. What was given to it is recorded, and written down as such.
#[durable]
pub async fn chain(ctx: Ctx, number: u32) -> Result<u32> {
    let place = ctx.resource::<Place>()?;
    let given = |what: &str| place.note(&format!("given {number}.{what}"));
    let first = ctx.step("first", || piece(&place, number, "first")).await?;
    given("first");
    let second = ctx.call(link(number)).await?;
    given("link");
    let third = ctx.step("third", || piece(&place, number, "third")).await?;
    given("third");
    Ok(first + second + third)
}

/// The call of a chain. It makes no operation, so that each of its claims is an attempt.
#[durable]
pub async fn link(ctx: Ctx, number: u32) -> Result<u32> {
    piece(&*ctx.resource::<Place>()?, number, "link").await
}

async fn piece(place: &Place, number: u32, what: &str) -> Result<u32> {
    place.note(&format!("began {number}.{what} {}", std::process::id()));
    tokio::time::sleep(MOMENT).await;
    Ok(number)
}

/// A step that takes so many milliseconds.
#[durable]
pub async fn long(ctx: Ctx, millis: u64) -> Result<u64> {
    let place = ctx.resource::<Place>()?;
    let slept = ctx.step("long", async || {
        place.note("step began");
        tokio::time::sleep(Duration::from_millis(millis)).await;
        place.note("step ended");
        Ok::<_, Failure>(millis)
    });
    slept.await
}

/// Code without operations that holds its thread until its process may end it; answers with the process.
#[durable]
pub async fn whole(ctx: Ctx) -> Result<u32> {
    Ok(hold(&*ctx.resource::<Place>()?, "whole"))
}

/// The same in a second step.
#[durable]
pub async fn halves(ctx: Ctx) -> Result<u32> {
    let place = ctx.resource::<Place>()?;
    ctx.step("first", async || {
        place.note("first began");
        Ok::<_, Failure>(())
    })
    .await?;
    place.note("first given");
    ctx.step("second", async || Ok::<_, Failure>(hold(&place, "second"))).await
}

/// Holds the thread, as code does that a stopped process was in the middle of: what it was about to write it writes when it goes on.
fn hold(place: &Place, what: &str) -> u32 {
    let process = std::process::id();
    place.note(&format!("{what} began {process}"));
    while !place.is_open(&process.to_string()) {
        std::thread::sleep(Duration::from_millis(1));
    }
    place.note(&format!("{what} ended {process}"));
    process
}
