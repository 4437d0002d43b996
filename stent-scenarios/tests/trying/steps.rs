//! Steps, and what tells operations apart: retries, keys, numbers, limits (C-Y7, C-R1, C-R2, C-R3, C-R10).

use std::io;
use std::pin::pin;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use futures_util::future::try_join_all;
use stent_core::journal::EntryKind;
use stent_core::retry::ErrorClass;
use stent_core::task::TaskState;
use stent_executor::prelude::*;
use stent_executor::{Codec, CodecError, ExecutionState, Page, TaskId};
use stent_scenarios::{Bench, Gates, Stage, on_every_backend, soon, work};

use crate::scene::{class, failure, hold, journaled, kill, note, noted, staged, tasks, working};

const MICROSECOND: Duration = Duration::from_micros(1);
const HOUR: Duration = Duration::from_secs(3_600);

fn broken() -> io::Error {
    io::Error::other("it")
}

/// One step, retried after 10 s and after 20 s.
#[durable(retry(max_attempts = 1))]
async fn ships(ctx: Ctx) -> Result<u32> {
    let policy = RetryPolicy::builder().max_attempts(3).initial_delay("10s").jitter(0.0).build()?;
    ctx.step("ship", || work(&ctx, "ship", "0s")).retry(policy).await?;
    Ok(ctx.attempt())
}

/// C-Y7: by its own policy, in the same activation; only its last outcome is journaled.
async fn a_step_is_retried_by_its_own_policy(bench: Bench) {
    let stage = Stage::on(&bench).await;
    let process = staged(&bench, &stage, functions![ships]).await;
    stage.fail("ship", 2, broken());
    let execution = process.stent.dispatch(ships()).await.unwrap();
    for (runs, delay) in [(1, 10), (2, 20)] {
        bench.sees("it failed", || bench.ledger.count("ship") == runs).await;
        bench.leap(Duration::from_secs(delay) - MICROSECOND).await;
        assert_eq!(bench.ledger.count("ship"), runs);
        bench.leap(MICROSECOND).await;
    }
    assert_eq!(soon("the result", execution.result()).await.unwrap(), 1, "the task's attempt is its own");
    let journal = process.stent.backend().list_journal(execution.id().root(), Page::first(100)).await.unwrap();
    assert_eq!(journal.iter().map(|entry| entry.body.kind()).collect::<Vec<_>>(), [EntryKind::Outcome]);
}

/// Steps by the default policy, and by classes.
#[durable(retry(max_attempts = 1))]
async fn counts(ctx: Ctx, patterns: Option<Vec<String>>) -> Result<u32> {
    let mut runs = 0;
    let step = ctx.step("parse", || {
        runs += 1;
        async { "many".parse::<u32>() }
    });
    let policy = RetryPolicy::builder().initial_delay("1s");
    let step = match patterns {
        Some(patterns) => step.retry(policy.retry_for(patterns).build()?),
        None => step,
    };
    assert_eq!(step.await.unwrap_err().class().as_str(), "ParseIntError");
    Ok(runs)
}

/// C-Y7, C-Y1: three attempts, whatever the class; or the classes told, by the type's name.
async fn a_step_is_retried_by_class(bench: Bench) {
    let process = working(&bench, functions![counts]).await;
    for (patterns, runs) in [(None, 3), (Some("ParseIntError"), 3), (Some("Exception"), 3), (Some("Error"), 1)] {
        let patterns = patterns.map(|pattern| vec![pattern.to_owned()]);
        let execution = process.stent.dispatch(counts(patterns.clone())).await.unwrap();
        assert_eq!(bench.until("the result", execution.result()).await.unwrap(), runs, "{patterns:?}");
    }
}

/// C-Y7: attempts are counted in memory, and begin again after a crash.
async fn a_crash_begins_the_attempts_of_a_step_again(bench: Bench) {
    let stage = Stage::on(&bench).await;
    let first = staged(&bench, &stage, functions![ships]).await;
    stage.fail("ship", 4, broken());
    let execution = first.stent.dispatch(ships().retry(RetryPolicy::default())).await.unwrap().id();
    bench.sees("it failed once", || bench.ledger.count("ship") == 1).await;
    bench.leap(Duration::from_secs(10)).await;
    bench.sees("it failed twice", || bench.ledger.count("ship") == 2).await;
    kill(&bench, first).await;
    let second = staged(&bench, &stage, functions![ships]).await;
    bench.until("the result", second.stent.execution::<u32>(execution).result()).await.unwrap();
    assert_eq!(bench.ledger.count("ship"), 5);
}

/// C-Y7: while it waits for its next attempt it holds no slot, and stays in memory.
async fn a_step_that_waits_for_its_retry_holds_no_slot(bench: Bench) {
    let stage = Stage::on(&bench).await;
    let process = staged(&bench, &stage, functions![counts, waits_long, hold]).await;
    stage.fail("ship", 1, broken());
    let execution = process.stent.dispatch(waits_long()).await.unwrap();
    bench.sees("it failed", || bench.ledger.count("ship") == 1).await;
    bench.gates.open("other");
    let other = process.stent.dispatch(hold("other".into())).await.unwrap();
    assert_eq!(soon("the result", other.result()).await.unwrap(), 1);
    bench.leap(HOUR - MICROSECOND).await;
    assert_eq!(execution.status().await.unwrap(), ExecutionState::Running);
    assert_eq!(tasks(&bench, execution.id()).await[0].worker, Some(process.worker().id()));
    bench.leap(MICROSECOND).await;
    soon("the result", execution.result()).await.unwrap();
    assert_eq!(bench.ledger.count("ship"), 2);
}

#[durable]
async fn waits_long(ctx: Ctx) -> Result<()> {
    let policy = RetryPolicy::builder().initial_delay("1h").max_delay("1h").jitter(0.0).build()?;
    ctx.step("ship", || work(&ctx, "ship", "0s")).retry(policy).await
}

/// Handles a step's failure, and holds.
#[durable]
async fn recovers(ctx: Ctx) -> Result<String> {
    let failed = ctx.step("ship", || work(&ctx, "ship", "0s")).retry(RetryPolicy::none()).await.unwrap_err();
    note(&ctx, format!("{failed:?}"));
    ctx.resource::<Gates>()?.pass("go").await;
    Ok(failed.message().to_owned())
}

/// C-R1, S3: a failure is an outcome, too: a replay gives it again, whole, and runs nothing.
async fn a_failed_step_stays_failed_in_every_replay(bench: Bench) {
    let stage = Stage::on(&bench).await;
    let first = staged(&bench, &stage, functions![recovers]).await;
    stage.fail("ship", 1, broken());
    let execution = first.stent.dispatch(recovers()).await.unwrap().id();
    bench.sees("it holds", || bench.ledger.count("Error: it") == 1).await;
    kill(&bench, first).await;
    bench.gates.open("go");
    let second = staged(&bench, &stage, functions![recovers]).await;
    let result = bench.until("the result", second.stent.execution::<String>(execution).result()).await;
    assert_eq!(result.unwrap(), "it");
    assert_eq!(bench.ledger.all(), ["ship", "Error: it", "Error: it"]);
}

/// Makes steps of one name in one turn, with these keys; then holds.
#[durable(retry(max_attempts = 1))]
async fn alike(ctx: Ctx, keys: Vec<Option<String>>) -> Result<Vec<String>> {
    let ctx = &ctx;
    let steps = keys.into_iter().enumerate().map(|(number, key)| {
        let step = ctx.step("same", move || async move {
            note(ctx, format!("step {number}"));
            Ok::<_, Failure>(number.to_string())
        });
        let step = match key {
            Some(key) => step.key(key),
            None => step,
        };
        async move { step.await.unwrap_or_else(|failure| failure.class().to_string()) }
    });
    let results = futures_util::future::join_all(steps).await;
    note(ctx, results.join(" "));
    ctx.resource::<Gates>()?.pass("go").await;
    Ok(results)
}

/// C-R3: without keys the second is refused; on every run, and before its code runs.
async fn equal_steps_of_one_turn_need_keys(bench: Bench) {
    let key = |key: &str| Some(key.to_owned());
    let (second, third) = (ErrorClass::AMBIGUOUS_STEP, ErrorClass::AMBIGUOUS_STEP);
    for (keys, expected, ran) in [
        (vec![None, None, None], vec!["0", second, third], vec!["step 0"]),
        (vec![key("a"), key("b"), None], vec!["0", "1", "2"], vec!["step 0", "step 1", "step 2"]),
        (vec![key("a"), None, key("a")], vec!["0", "1", third], vec!["step 0", "step 1"]),
    ] {
        let bench = bench.another();
        let first = working(&bench, functions![alike]).await;
        let execution = first.stent.dispatch(alike(keys.clone())).await.unwrap().id();
        let told = expected.join(" ");
        bench.sees("it holds", || bench.ledger.count(&told) == 1).await;
        kill(&bench, first).await;
        bench.gates.open("go");
        let second = working(&bench, functions![alike]).await;
        let result = bench.until("the result", second.stent.execution::<Vec<String>>(execution).result()).await;
        assert_eq!(result.unwrap(), expected, "{keys:?}");
        let ran: Vec<_> = ran.into_iter().chain([told.as_str(), told.as_str()]).collect();
        assert_eq!(bench.ledger.all(), ran, "{keys:?}");
    }
}

/// Makes a step while another of its name is open, a turn later.
#[durable(retry(max_attempts = 1))]
async fn overlaps(ctx: Ctx) -> Result<(u32, u32)> {
    let mut slow = pin!(ctx.step("same", async || {
        ctx.resource::<Gates>()?.pass("slow").await;
        Ok::<_, Failure>(1)
    }));
    select! {
        _ = &mut slow => bail!("the gate is open"),
        quick = ctx.step("quick", async || Ok::<_, Failure>(())) => quick?,
    }
    let second = ctx.step("same", || noted(&ctx, "second"));
    second.await?;
    Ok((slow.await?, 2))
}

/// C-R3: those that merely overlap are told apart by their turns.
async fn steps_that_overlap_need_no_keys(bench: Bench) {
    let first = working(&bench, functions![overlaps]).await;
    let execution = first.stent.dispatch(overlaps()).await.unwrap().id();
    journaled(&bench, execution.root(), EntryKind::Outcome, 2).await;
    kill(&bench, first).await;
    bench.gates.open("slow");
    let second = working(&bench, functions![overlaps]).await;
    let result = bench.until("the result", second.stent.execution::<(u32, u32)>(execution).result()).await;
    assert_eq!(result.unwrap(), (1, 2));
    assert_eq!(bench.ledger.all(), ["second"]);
}

/// Its own id.
#[durable]
async fn which(ctx: Ctx) -> Result<TaskId> {
    note(&ctx, "which");
    Ok(ctx.task())
}

mod polls_the_second_first {
    //! Equal calls, polled in another order than they were made in.
    use super::*;

    #[durable(name = "twins")]
    pub(crate) async fn twins(ctx: Ctx) -> Result<[TaskId; 2]> {
        let (first, second) = (ctx.call(which()), ctx.call(which()));
        let (second, first) = try_join!(second, first)?;
        note(&ctx, format!("{first} {second}"));
        ctx.resource::<Gates>()?.pass("go").await;
        Ok([first, second])
    }
}

mod polls_the_first_first {
    //! The same, polled in the order of their making.
    use super::*;

    #[durable(name = "twins")]
    pub(crate) async fn twins(ctx: Ctx) -> Result<[TaskId; 2]> {
        let (first, second) = (ctx.call(which()), ctx.call(which()));
        let (first, second) = try_join!(first, second)?;
        note(&ctx, format!("{first} {second}"));
        Ok([first, second])
    }
}

/// C-R2: equals are numbered as their futures were created; in which order they are polled does not matter.
async fn equal_calls_are_told_apart_by_the_order_of_their_making(bench: Bench) {
    let first = working(&bench, functions![polls_the_second_first::twins, which]).await;
    let execution = first.stent.dispatch(polls_the_second_first::twins()).await.unwrap();
    bench.sees("it holds", || bench.ledger.all().len() == 3).await;
    let children = tasks(&bench, execution.id()).await;
    kill(&bench, first).await;
    let second = working(&bench, functions![polls_the_first_first::twins, which]).await;
    let execution = second.stent.execution::<[TaskId; 2]>(execution.id());
    let [one, other] = bench.until("the result", execution.result()).await.unwrap();
    assert_ne!(one, other);
    assert!([one, other].iter().all(|twin| children.iter().any(|child| child.id == *twin)));
    let told = bench.ledger.all();
    assert_eq!((told.len(), &told[2]), (4, &told[3]), "each got what it had got: {told:?}");
}

/// Seals the same value in another way each time.
struct Salted(AtomicU8);

impl Codec for Salted {
    fn seal(&self, mut json: Vec<u8>) -> std::result::Result<Vec<u8>, CodecError> {
        let salt = self.0.fetch_add(1, Ordering::SeqCst);
        json.iter_mut().for_each(|byte| *byte ^= salt);
        json.push(salt);
        Ok(json)
    }

    fn open(&self, stored: &[u8]) -> std::result::Result<Vec<u8>, CodecError> {
        let (salt, sealed) = stored.split_last().ok_or_else(|| CodecError::Codec("nothing".into()))?;
        Ok(sealed.iter().map(|byte| byte ^ salt).collect())
    }
}

/// Calls, and maps, and shares.
#[durable]
async fn sealed(ctx: Ctx) -> Result<Vec<u32>> {
    let mut all = vec![ctx.call(tenfold(1)).await?];
    all.extend(ctx.map([1, 2, 1].map(tenfold)).chunk(2).await?);
    note(&ctx, format!("{all:?}"));
    ctx.resource::<Gates>()?.pass("go").await;
    Ok(all)
}

#[durable(idempotent)]
async fn tenfold(ctx: Ctx, number: u32) -> Result<u32> {
    note(&ctx, format!("tenfold {number}"));
    Ok(number * 10)
}

/// C-R2, C-K1: keys are taken before the codec, so that one that never gives the same bytes twice is as good as any.
async fn keys_are_taken_before_the_codec(bench: Bench) {
    let start = async |salt| {
        let program = bench.process_with(functions![sealed, tenfold], |p| p.codec(Salted(AtomicU8::new(salt))), true);
        program.await.work(&bench, |worker| worker.concurrency(1).lease("1h")).await
    };
    let first = start(1).await;
    let execution = first.stent.dispatch(sealed().dedup("key")).await.unwrap();
    assert_eq!(first.stent.dispatch(sealed().dedup("key")).await.unwrap().id(), execution.id());
    let told = "[10, 10, 20, 10]";
    bench.until("it holds", bench.sees("it holds", || bench.ledger.count(told) == 1)).await;
    kill(&bench, first).await;
    bench.gates.open("go");
    let second = start(100).await;
    let execution = second.stent.execution::<Vec<u32>>(execution.id());
    assert_eq!(bench.until("the result", execution.result()).await.unwrap(), [10, 10, 20, 10]);
    assert_eq!(bench.ledger.all(), ["tenfold 1", "tenfold 2", told, told]);
}

/// Makes so many entries in its journal.
#[durable(retry(max_attempts = 1))]
async fn writes(ctx: Ctx, entries: u32) -> Result<u32> {
    (0..entries).for_each(|number| ctx.progress(number.to_string()));
    ctx.step("after", || noted(&ctx, "after")).await?;
    Ok(entries)
}

/// C-R10: nothing of what is too much is written.
async fn a_journal_is_bounded(bench: Bench) {
    let process = working(&bench, functions![writes]).await;
    let long = process.stent.dispatch(writes(49_999)).await.unwrap();
    assert_eq!(soon("the result", long.result()).await.unwrap(), 49_999);
    let longer = process.stent.dispatch(writes(50_000)).await.unwrap();
    let failed = failure(soon("the end", longer.result()).await);
    assert_eq!(failed.class().as_str(), ErrorClass::LIMIT_EXCEEDED);
    assert!(failed.message().contains("50000 entries; split the work"), "{failed}");
    let longest = process.stent.dispatch(writes(50_001)).await.unwrap();
    assert_eq!(class(soon("the end", longest.result()).await), ErrorClass::LIMIT_EXCEEDED);
    assert!(longest.progress(Page::first(1)).await.unwrap().is_empty());
    let other = process.stent.dispatch(writes(1)).await.unwrap();
    assert_eq!(soon("the result", other.result()).await.unwrap(), 1, "nobody else is harmed");
}

/// Has so many calls open at once.
#[durable(retry(max_attempts = 1))]
async fn calls(ctx: Ctx, children: u32) -> Result<usize> {
    let calls = (0..children).map(|number| ctx.call(hold(format!("no {number}")).delay("1d")));
    select! {
        held = try_join_all(calls) => Ok(held?.len()),
        _ = ctx.sleep("1s") => Ok(0),
    }
}

/// C-R10: refused before any of them is made; a map has no such limit.
async fn open_calls_are_bounded(bench: Bench) {
    let process = working(&bench, functions![calls, hold]).await;
    let many = process.stent.dispatch(calls(10_001)).await.unwrap();
    let failed = failure(soon("the end", many.result()).await);
    assert_eq!(failed.class().as_str(), ErrorClass::LIMIT_EXCEEDED);
    assert!(failed.message().contains("10001 calls are open, 10000 are allowed"), "{failed}");
    assert_eq!(tasks(&bench, many.id()).await.len(), 1);
    let fewer = process.stent.dispatch(calls(10_000)).await.unwrap();
    assert_eq!(bench.until("the result", fewer.result()).await.unwrap(), 0);
    let all = tasks(&bench, fewer.id()).await;
    assert!(all.len() == 1_000 && all[1..].iter().all(|task| task.state == TaskState::Cancelled));
}

on_every_backend![
    a_step_is_retried_by_its_own_policy,
    a_step_is_retried_by_class,
    a_crash_begins_the_attempts_of_a_step_again,
    a_step_that_waits_for_its_retry_holds_no_slot,
    a_failed_step_stays_failed_in_every_replay,
    equal_steps_of_one_turn_need_keys,
    steps_that_overlap_need_no_keys,
    equal_calls_are_told_apart_by_the_order_of_their_making,
    keys_are_taken_before_the_codec,
    a_journal_is_bounded,
    open_calls_are_bounded,
];
