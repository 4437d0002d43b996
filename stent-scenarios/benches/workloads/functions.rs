//! The durable functions that are measured: they do nothing, and some write down that they did.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use stent_executor::Registration;
use stent_executor::prelude::*;

/// Where functions write down what they did: a line an operation, with the process that ran it.
#[derive(Debug, Clone)]
pub(crate) struct Effects(Option<Arc<File>>);

impl Effects {
    /// Nowhere: for functions that have no effects.
    pub(crate) fn none() -> Self {
        Self(None)
    }

    pub(crate) fn in_file(file: &Path) -> Self {
        Self(Some(Arc::new(OpenOptions::new().append(true).create(true).open(file).unwrap())))
    }

    fn note(&self, what: &str) {
        if let Some(file) = &self.0 {
            let mut file: &File = file;
            // One write: lines of several processes do not mix.
            file.write_all(format!("{} {what}\n", std::process::id()).as_bytes()).unwrap();
        }
    }
}

/// All functions.
pub(crate) fn all() -> Vec<Registration> {
    functions![
        nothing,
        ten_steps,
        ten_calls,
        sum,
        fold,
        waits,
        sleeps,
        noted,
        ten_noted_steps,
        ten_noted_calls,
        noted_sum
    ]
}

/// Does nothing.
#[durable(name = "nothing")]
pub(crate) async fn nothing(number: u32) -> Result<u32> {
    Ok(number)
}

/// Ten steps, one after the other.
#[durable(name = "ten steps")]
pub(crate) async fn ten_steps(ctx: Ctx, number: u32) -> Result<u32> {
    let mut sum = number;
    for step in 0..10 {
        sum += ctx.step("nothing", async || Ok::<_, Failure>(step)).await?;
    }
    Ok(sum)
}

/// Ten calls, one after the other.
#[durable(name = "ten calls")]
pub(crate) async fn ten_calls(ctx: Ctx, number: u32) -> Result<u32> {
    let mut sum = number;
    for _ in 0..10 {
        sum += ctx.call(nothing(number)).await?;
    }
    Ok(sum)
}

/// A map over so many items, whose results are kept until they are summed up.
#[durable(name = "sum")]
pub(crate) async fn sum(ctx: Ctx, items: u32, chunk: u32) -> Result<u64> {
    let numbers = ctx.map((0..items).map(nothing)).chunk(chunk).await?;
    Ok(numbers.into_iter().map(u64::from).sum())
}

/// A map over so many items, of which no result is kept.
#[durable(name = "fold")]
pub(crate) async fn fold(ctx: Ctx, items: u32, chunk: u32) -> Result<u64> {
    ctx.map_fold((0..items).map(nothing), 0_u64, |sum, _, number| sum + u64::from(number)).chunk(chunk).await
}

/// Waits for a signal, and says when it goes on.
#[durable(name = "waits")]
pub(crate) async fn waits(ctx: Ctx) -> Result<u32> {
    let number = ctx.signal("go").await?;
    ctx.resource::<Resumed>()?.0.lock().unwrap().replace(Instant::now());
    Ok(number)
}

/// When what waited for a signal went on last.
#[derive(Debug, Default)]
pub(crate) struct Resumed(pub(crate) Mutex<Option<Instant>>);

/// Sleeps for a month.
#[durable(name = "sleeps")]
pub(crate) async fn sleeps(ctx: Ctx, number: u32) -> Result<u32> {
    ctx.sleep("30d").await?;
    Ok(number)
}

/// Writes its task down.
#[durable(name = "noted")]
pub(crate) async fn noted(ctx: Ctx, number: u32) -> Result<u32> {
    ctx.resource::<Effects>()?.note(&ctx.task().to_string());
    Ok(number)
}

/// Ten steps that write down their task and number.
#[durable(name = "ten noted steps")]
pub(crate) async fn ten_noted_steps(ctx: Ctx, number: u32) -> Result<u32> {
    let effects = ctx.resource::<Effects>()?;
    let mut sum = number;
    for step in 0..10 {
        let noted = ctx.step("noted", async || {
            effects.note(&format!("{} {step}", ctx.task()));
            Ok::<_, Failure>(step)
        });
        sum += noted.await?;
    }
    Ok(sum)
}

/// Ten calls that write themselves down.
#[durable(name = "ten noted calls")]
pub(crate) async fn ten_noted_calls(ctx: Ctx, number: u32) -> Result<u32> {
    let mut sum = number;
    for _ in 0..10 {
        sum += ctx.call(noted(number)).await?;
    }
    Ok(sum)
}

/// A map over items that write themselves down.
#[durable(name = "noted sum")]
pub(crate) async fn noted_sum(ctx: Ctx, items: u32, chunk: u32) -> Result<u64> {
    let numbers = ctx.map((0..items).map(noted)).chunk(chunk).await?;
    Ok(numbers.into_iter().map(u64::from).sum())
}
