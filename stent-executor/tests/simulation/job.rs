//! What is run: a job whose operations follow from a number, and what it must come to.

use std::time::Duration;

use fastrand::Rng;
use stent_core::ErrorClass;
use stent_core::journal::EntryBody;
use stent_core::task::TaskState;
use stent_executor::prelude::*;

use crate::history::Ledger;

/// What a job does.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Operation {
    Step,
    Call,
    /// A child that fails at its first attempt.
    Moody,
    Sleep(u64),
    /// A wait for a signal that ends by itself.
    Signal(u64),
    Map(u32),
    /// A step, a call and a wait for a signal at once.
    Join(u64),
    /// A step, a call, a sleep and a wait for a signal against each other; a step that bears the winner's name follows, so that another winner is not the same code.
    Race(u64),
    Count,
}

/// What an operation must come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Expected {
    Exactly(u64),
    /// A value that was sent, or 0; and this added to it.
    Signal(u64),
    /// One of so many numbers from this one on.
    From(u64, u64),
}

/// The operations of a job.
pub(crate) fn operations(job: u64) -> Vec<Operation> {
    let mut random = Rng::with_seed(job);
    let count = random.usize(2..7);
    let draw = |_| match random.u32(0..10) {
        0 => Operation::Step,
        1 => Operation::Call,
        2 => Operation::Moody,
        3 => Operation::Sleep(random.u64(1..20_000)),
        4 => Operation::Signal(random.u64(1..20_000)),
        5 => Operation::Map(random.u32(1..8)),
        6 => Operation::Join(random.u64(1..20_000)),
        7 | 8 => Operation::Race(random.u64(1..5_000)),
        _ => Operation::Count,
    };
    (0..count).map(draw).collect()
}

/// What they come to.
pub(crate) fn expected(job: u64) -> Vec<Expected> {
    let of = |(place, operation): (u64, Operation)| match operation {
        Operation::Step | Operation::Call | Operation::Moody => Expected::Exactly(place),
        Operation::Sleep(_) | Operation::Count => Expected::Exactly(0),
        Operation::Signal(_) => Expected::Signal(0),
        Operation::Map(items) => Expected::Exactly((0..u64::from(items)).map(|item| place * 100 + item).sum()),
        Operation::Join(_) => Expected::Signal(2 * place),
        Operation::Race(_) => Expected::From(place, 4),
    };
    (0..).zip(operations(job)).map(of).collect()
}

/// How often a job counts.
pub(crate) fn counts(job: u64) -> i64 {
    let counts = operations(job).into_iter().filter(|operation| matches!(operation, Operation::Count));
    i64::try_from(counts.count()).unwrap()
}

/// Many attempts: which of them fail is up to the faults.
#[durable(retry(max_attempts = 1_000, initial_delay = "1s", jitter = 0))]
pub(crate) async fn job(ctx: Ctx, job: u64) -> Result<Vec<u64>> {
    let mut results = Vec::new();
    for (place, operation) in (0..).zip(operations(job)) {
        results.push(run(&ctx, place, operation).await?);
    }
    Ok(results)
}

async fn run(ctx: &Ctx, place: u64, operation: Operation) -> Result<u64> {
    let step = || ctx.step(step_name(place), move || inline(ctx, step_name(place), place));
    Ok(match operation {
        Operation::Step => step().await?,
        Operation::Call => ctx.call(part(place)).await?,
        Operation::Moody => ctx.call(moody(place)).await?,
        Operation::Sleep(time) => {
            ctx.sleep(Duration::from_millis(time)).await?;
            0
        }
        Operation::Signal(time) => {
            ctx.signal::<u64>("go").timeout(Duration::from_millis(time)).await?.unwrap_or_default()
        }
        Operation::Map(items) => {
            let items = (0..u64::from(items)).map(|item| part(place * 100 + item));
            ctx.map(items).chunk(2).await?.into_iter().sum()
        }
        Operation::Join(time) => {
            let signal = ctx.signal::<u64>("go").timeout(Duration::from_millis(time));
            let (step, call, signal) = try_join!(step(), ctx.call(part(place)), signal)?;
            step + call + signal.unwrap_or_default()
        }
        Operation::Race(time) => {
            let time = Duration::from_millis(time);
            let winner = tokio::select! {
                // The order of outcomes decides, not chance.
                biased;
                step = step() => step.map(|_| 0),
                call = ctx.call(part(place)) => call.map(|_| 1),
                sleep = ctx.sleep(time) => sleep.map(|()| 2),
                signal = ctx.signal::<u64>("go").timeout(time) => signal.map(|_| 3),
            }?;
            let name = format!("after-{place}-{winner}");
            ctx.step(&name, || inline(ctx, name.clone(), place + winner)).await?
        }
        Operation::Count => {
            ctx.counter("count")?.add(1)?;
            0
        }
    })
}

pub(crate) fn step_name(place: u64) -> String {
    format!("step-{place}")
}

/// A step's code, which takes a while.
async fn inline(ctx: &Ctx, name: String, result: u64) -> Result<u64> {
    let ledger = ctx.resource::<Ledger>()?;
    let journal = ledger.truth.load(ctx.task(), 0).await?;
    let is_it = |body: &EntryBody| matches!(body, EntryBody::Outcome(id, _) if *id.name == *name);
    let is_recorded = journal.entries.iter().any(|entry| is_it(&entry.body));
    ledger.began(ctx.task(), &name, is_recorded).await;
    tokio::time::sleep(Duration::from_millis(result % 3)).await;
    Ok(result)
}

#[durable(retry(max_attempts = 1_000, initial_delay = "1s", jitter = 0))]
async fn part(ctx: Ctx, place: u64) -> Result<u64> {
    began(&ctx).await?;
    tokio::task::yield_now().await;
    Ok(place)
}

#[durable(retry(max_attempts = 1_000, initial_delay = "1s", jitter = 0))]
async fn moody(ctx: Ctx, place: u64) -> Result<u64> {
    began(&ctx).await?;
    if ctx.attempt() == 1 {
        return Err(Failure::new(ErrorClass::new("Mood")?, "not the first time"));
    }
    Ok(place)
}

/// A child's code begins.
async fn began(ctx: &Ctx) -> Result<()> {
    let ledger = ctx.resource::<Ledger>()?;
    let task = ledger.truth.task(ctx.task()).await?;
    // One that was cancelled may be begun by who does not know of it yet.
    let is_recorded = task.is_none_or(|task| matches!(task.state, TaskState::Completed | TaskState::Failed));
    ledger.began(ctx.task(), "code", is_recorded).await;
    Ok(())
}

/// The functions of every process.
pub(crate) fn functions() -> Vec<stent_executor::Registration> {
    functions![job, part, moody]
}
