//! What the loads run. Every function writes down what its code does, and what it is given back.
#![expect(clippy::panic, reason = "to panic is what some of them are for")]

use std::process::Command;
use std::time::Duration;

use stent_executor::Registration;
use stent_executor::prelude::*;

use crate::ledger::{Effect, Ledger, What, boottime};

/// The key of a function that makes no operation: each start of it is an attempt.
pub(crate) const BODY: &str = "body";
/// The signal that waiters wait for.
pub(crate) const SIGNAL: &str = "go";

/// All of them.
pub(crate) fn all() -> Vec<Registration> {
    let mut all = without_late();
    all.extend(functions![late]);
    all.extend(crate::program::functions());
    all
}

/// All that every program has.
pub(crate) fn without_late() -> Vec<Registration> {
    functions![chain, batch, item, listen, nap, poison, hog, bulky, trouble, limited, spawning]
}

/// The attempts that tasks of this function have, by the last part of its name.
pub(crate) fn max_attempts(function: &str) -> u32 {
    match function.rsplit("::").next() {
        // Kills use up attempts of what makes no operation: as many as no row kills.
        Some("chain" | "batch" | "item" | "listen" | "nap" | "limited" | "bulky" | "late" | "changing" | "stuck") => {
            100
        }
        Some("flaky") => 1,
        _ => 3,
    }
}

/// What item `index` of the map of this number gives.
pub(crate) fn item_value(number: u64, index: u64) -> u64 {
    number.wrapping_mul(1_000_003).wrapping_add(index * 7) & 0xffff_ffff
}

/// Steps one after the other, `millis` each. What a step makes is like no other run of it, so that a repeat shows.
#[durable(retry(max_attempts = 100))]
pub(crate) async fn chain(ctx: Ctx, number: u64, steps: u32, millis: u64) -> Result<Vec<String>> {
    let pages = Pages::of(&ctx)?;
    let mut values = Vec::new();
    for step in 0..steps {
        let key = format!("step {step}");
        let code = async || {
            pages.note(What::Start, &key, None)?;
            tokio::time::sleep(Duration::from_millis(millis)).await;
            let value = format!("{number}.{step} {}", uuid::Uuid::new_v4());
            pages.note(What::End, &key, Some(&value))?;
            Ok::<_, Failure>(value)
        };
        let value = ctx.step(&key, code).await?;
        pages.note(What::Given, &key, Some(&value))?;
        values.push(value);
    }
    pages.returns(&values)?;
    Ok(values)
}

/// A map over so many items.
#[durable(retry(max_attempts = 100))]
pub(crate) async fn batch(ctx: Ctx, number: u64, items: u64, chunk: u32) -> Result<Vec<u64>> {
    let results = ctx.map((0..items).map(|index| item(number, index))).chunk(chunk).await?;
    Pages::of(&ctx)?.note(What::Given, "map", Some(&results.len().to_string()))?;
    Ok(results)
}

/// An item of a map.
#[durable(retry(max_attempts = 100))]
pub(crate) async fn item(ctx: Ctx, number: u64, index: u64) -> Result<u64> {
    Pages::of(&ctx)?.note(What::Start, BODY, Some(&index.to_string()))?;
    Ok(item_value(number, index))
}

/// Waits for a signal so often, one after the other.
#[durable(retry(max_attempts = 100))]
pub(crate) async fn listen(ctx: Ctx, number: u64, waits: u32) -> Result<u64> {
    let pages = Pages::of(&ctx)?;
    let mut last = number;
    for wait in 0..waits {
        last = ctx.signal(SIGNAL).await?;
        pages.note(What::Given, &format!("wait {wait}"), Some(&last.to_string()))?;
    }
    pages.returns(&last)?;
    Ok(last)
}

/// Sleeps durably.
#[durable(retry(max_attempts = 100))]
pub(crate) async fn nap(ctx: Ctx, number: u64, millis: u64) -> Result<u64> {
    let pages = Pages::of(&ctx)?;
    pages.note(What::Start, "nap", Some(&millis.to_string()))?;
    ctx.sleep(Duration::from_millis(millis)).await?;
    pages.note(What::Given, "nap", None)?;
    Ok(number)
}

/// Ends its process, in one way or the other.
#[durable]
pub(crate) async fn poison(ctx: Ctx, number: u64, way: String) -> Result<u64> {
    Pages::of(&ctx)?.note(What::Start, BODY, None)?;
    match way.as_str() {
        "abort" => std::process::abort(),
        "overflow" => Ok(deep(number)),
        // SIGSEGV, by a process that may send it.
        _ => {
            let own = std::process::id().to_string();
            // The first one is taken for a fault by the handler that looks for overflows, which lets the next one through.
            for _ in 0..100 {
                Command::new("kill").args(["-SEGV", &own]).status()?;
            }
            Ok(number)
        }
    }
}

/// Needs more stack than there is.
#[expect(unconditional_recursion, reason = "to overflow the stack is what it is for")]
fn deep(number: u64) -> u64 {
    let room = [number; 512];
    deep(number.wrapping_add(std::hint::black_box(room)[7])).wrapping_add(1)
}

/// Takes half a gigabyte of memory, which its process may not have.
#[durable]
pub(crate) async fn hog(ctx: Ctx, number: u64) -> Result<u64> {
    Pages::of(&ctx)?.note(What::Start, BODY, None)?;
    let memory = vec![1_u8; 500 << 20];
    let sum: u64 = memory.iter().map(|byte| u64::from(*byte)).sum();
    Ok(number + std::hint::black_box(sum))
}

/// Hands its payload on from step to step.
#[durable(retry(max_attempts = 100))]
pub(crate) async fn bulky(ctx: Ctx, number: u64, payload: String) -> Result<u64> {
    let (pages, mut length) = (Pages::of(&ctx)?, 0);
    for key in ["step 0", "step 1"] {
        let code = async || {
            pages.note(What::Start, key, None)?;
            pages.note(What::End, key, None)?;
            Ok::<_, Failure>(payload.clone())
        };
        length = ctx.step(key, code).await?.len();
        pages.note(What::Given, key, None)?;
    }
    Ok(number + u64::try_from(length)?)
}

/// Panics, in one way or the other (S18).
#[durable]
pub(crate) async fn trouble(ctx: Ctx, number: u64, way: String) -> Result<Faulty> {
    let pages = Pages::of(&ctx)?;
    pages.note(What::Start, if way == "step" { "first" } else { BODY }, None)?;
    match way.as_str() {
        "step" => {
            ctx.step("panics", async || {
                if number < u64::MAX { std::panic::panic_any("in a step") } else { Ok::<_, Failure>(()) }
            })
            .await?;
        }
        "drop" => drop(Dropped),
        "any" => std::panic::panic_any(42),
        "body" => std::panic::panic_any(String::from("in the function")),
        _ => return Ok(Faulty { serializes: false }),
    }
    Ok(Faulty { serializes: true })
}

struct Dropped;

impl Drop for Dropped {
    fn drop(&mut self) {
        std::panic::panic_any("in a drop");
    }
}

/// A result that may panic when it is encoded.
#[derive(Debug, serde::Deserialize)]
pub(crate) struct Faulty {
    serializes: bool,
}

impl serde::Serialize for Faulty {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.serializes { serializer.serialize_unit() } else { std::panic::panic_any("in an encoder") }
    }
}

/// At most three at once (S14).
#[durable(max_concurrent = 3, retry(max_attempts = 100))]
pub(crate) async fn limited(ctx: Ctx, number: u64, millis: u64) -> Result<u64> {
    let pages = Pages::of(&ctx)?;
    pages.note(What::Start, BODY, None)?;
    tokio::time::sleep(Duration::from_millis(millis)).await;
    pages.note(What::End, BODY, None)?;
    Ok(number)
}

/// A function that only some workers have.
#[durable(retry(max_attempts = 100))]
pub(crate) async fn late(ctx: Ctx, number: u64) -> Result<u64> {
    Pages::of(&ctx)?.note(What::Start, BODY, None)?;
    Ok(number)
}

/// A step that starts a process which outlives this one; gives the files that it has open.
#[durable]
pub(crate) async fn spawning(ctx: Ctx, number: u64) -> Result<Vec<String>> {
    let _ = number;
    let files = ctx.step("spawn", async || {
        let mut child = Command::new("sleep").arg("5").spawn()?;
        let files = std::fs::read_dir(format!("/proc/{}/fd", child.id()))?;
        let files = files.flatten().filter_map(|file| std::fs::read_link(file.path()).ok());
        let files: Vec<String> = files.map(|file| file.display().to_string()).collect();
        std::thread::spawn(move || child.wait());
        Ok::<_, Failure>(files)
    });
    files.await
}

/// A task's page of the ledger.
pub(crate) struct Pages {
    ledger: std::sync::Arc<Ledger>,
    blank: Effect,
}

impl Pages {
    pub(crate) fn of(ctx: &Ctx) -> Result<Self> {
        let blank = Effect {
            what: What::Start,
            execution: ctx.execution(),
            task: ctx.task(),
            key: String::new(),
            value: None,
            attempt: ctx.attempt(),
            pid: std::process::id(),
            at: 0,
        };
        Ok(Self { ledger: ctx.resource::<Ledger>()?, blank })
    }

    pub(crate) fn note(&self, what: What, key: &str, value: Option<&str>) -> Result<()> {
        let value = value.map(str::to_owned);
        self.ledger.note(&Effect { what, key: key.into(), value, at: boottime(), ..self.blank.clone() })?;
        Ok(())
    }

    fn returns(&self, value: &impl serde::Serialize) -> Result<()> {
        self.note(What::Return, "", Some(&serde_json::to_string(value)?))
    }
}
