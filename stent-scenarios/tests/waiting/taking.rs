//! What takes a signal and what does not: races, drops, timeouts, crashes (C-S2, C-S4).

use std::time::Duration;

use stent_core::execution::ExecutionState;
use stent_executor::prelude::*;
use stent_scenarios::{Bench, Ledger, on_every_backend, soon};
use stent_testkit::faulty::Fault;

use crate::scene::{LEASE, at_every_call, client, freeze, hold, presence, suspended, thaw_after, waits};
use crate::signals::{collect, heard, send};

const SECOND: Duration = Duration::from_secs(1);

/// Waits for `go` with a timeout, and then without.
#[durable]
async fn impatient(ctx: Ctx, timeout: Duration) -> Result<(Option<u32>, u32)> {
    let first = ctx.signal("go").timeout(timeout).await?;
    let ledger = ctx.resource::<Ledger>()?;
    ledger.note(format!("first {first:?}"));
    ctx.step("between", async || {
        ledger.note("between");
        Ok::<_, Failure>(())
    })
    .await?;
    Ok((first, ctx.signal("go").await?))
}

/// C-S1, C-S2, B36, B38: a second value at any moment of the first one's taking takes its place or is the next; none is given twice or lost.
async fn a_value_sent_while_another_is_taken_replaces_it_or_follows(bench: Bench) {
    at_every_call(&bench, async |bench, moment| {
        let process = bench.process(functions![collect]).await.work(&bench, |worker| worker.lease("1h")).await;
        let id = process.stent.dispatch(collect(2)).await.unwrap().id();
        bench.pass(SECOND).await;
        let client = client(&bench).await;
        let execution = client.execution::<Vec<u32>>(id);
        freeze(&process, moment);
        send(&execution, [1]).await;
        bench.pass(6 * SECOND).await;
        let is_frozen = thaw_after(&process, send(&execution, [2])).await;
        bench.until("a value", bench.sees("a value", || !heard(&bench).is_empty())).await;
        if heard(&bench) == ["got 2"] {
            send(&execution, [3]).await;
        }
        let values = bench.until("the result", execution.result()).await.unwrap();
        assert!(values == [1, 2] || values == [2, 3], "{values:?} at {moment:?}");
        is_frozen
    })
    .await;
}

/// C-S2: what loses takes nothing: its value is there for the next wait of its name.
async fn of_several_names_the_one_that_comes_first_is_taken(bench: Bench) {
    #[durable]
    async fn listens(ctx: Ctx) -> Result<Vec<String>> {
        let mut heard = Vec::new();
        loop {
            select! {
                value = ctx.signal::<u32>("left") => heard.push(format!("left {}", value?)),
                value = ctx.signal::<u32>("right") => heard.push(format!("right {}", value?)),
                value = ctx.signal::<()>("stop") => {
                    value?;
                    return Ok(heard);
                }
            }
        }
    }
    let stent = bench.stent(functions![listens]).await;
    let execution = stent.dispatch(listens()).await.unwrap();
    execution.signal("right", &1).await.unwrap();
    execution.signal("left", &2).await.unwrap();
    let _worker = bench.worker(stent.worker()).await;
    bench.settle().await;
    execution.signal("right", &3).await.unwrap();
    bench.pass(15 * SECOND).await;
    execution.signal("left", &4).await.unwrap();
    bench.pass(SECOND).await;
    execution.signal("stop", &()).await.unwrap();
    let mut heard = bench.until("the result", execution.result()).await.unwrap();
    assert_eq!(heard[2..], ["right 3", "left 4"]);
    heard[..2].sort();
    assert_eq!(heard[..2], ["left 2", "right 1"]);
}

/// C-S2: neither one that lost to a timer, nor one that was dropped by hand, nor one whose function failed.
async fn a_wait_that_was_dropped_takes_nothing(bench: Bench) {
    #[durable]
    async fn drops(ctx: Ctx) -> Result<u32> {
        select! {
            value = ctx.signal::<u32>("go") => bail!("got {}", value?),
            slept = ctx.sleep("5s") => slept?,
        }
        let dropped = ctx.signal::<u32>("go");
        select! {
            value = dropped => bail!("got {}", value?),
            done = ctx.step("quick", async || Ok::<_, Failure>(())) => done?,
        }
        ctx.sleep("1m").await?;
        ctx.signal("go").await
    }
    let stent = bench.stent(functions![drops]).await;
    let _worker = bench.worker(stent.worker()).await;
    let execution = stent.dispatch(drops()).await.unwrap();
    bench.pass(6 * SECOND).await;
    send(&execution, [1]).await;
    bench.pass(30 * SECOND).await;
    assert_eq!(execution.status().await.unwrap(), ExecutionState::Suspended);
    assert_eq!(bench.until("the result", execution.result()).await.unwrap(), 1);
}

/// C-S4: in memory and suspended; a later value is the next wait's.
async fn a_wait_that_times_out_yields_nothing_and_takes_nothing(bench: Bench) {
    for timeout in [5, 50] {
        let bench = bench.another();
        let stent = bench.stent(functions![impatient]).await;
        let _worker = bench.worker(stent.worker()).await;
        let execution = stent.dispatch(impatient(timeout * SECOND)).await.unwrap();
        bench.pass(timeout * SECOND - Duration::from_micros(1)).await;
        assert!(heard(&bench).is_empty());
        bench.pass(Duration::from_micros(1)).await;
        assert_eq!(heard(&bench), ["first None", "between"]);
        bench.pass(15 * SECOND).await;
        send(&execution, [7]).await;
        assert_eq!(bench.until("the result", execution.result()).await.unwrap(), (None, 7));
    }
}

/// C-S4, C-T1: `None` and zero wait for ever; what is no duration is refused.
async fn a_wait_without_a_bound_outlasts_any_time(bench: Bench) {
    #[durable]
    async fn bounds(ctx: Ctx) -> Result<(Option<u32>, Option<u32>, Vec<String>)> {
        let none = ctx.signal("go").timeout(None).await?;
        let zero = ctx.signal("go").timeout("0s").await?;
        let mut refused = Vec::new();
        for failure in [
            ctx.signal::<u32>("go").timeout(-time::Duration::SECOND).await.unwrap_err(),
            ctx.signal::<u32>("go").timeout(Duration::MAX).await.unwrap_err(),
            ctx.signal::<u32>("go").timeout("soon").await.unwrap_err(),
        ] {
            refused.push(failure.class().to_string());
        }
        Ok((none, zero, refused))
    }
    let stent = bench.stent(functions![bounds]).await;
    let _worker = bench.worker(stent.worker()).await;
    let execution = stent.dispatch(bounds()).await.unwrap();
    for value in [1, 2] {
        suspended(&bench, &execution).await;
        bench.leap(24 * 3_600 * SECOND).await;
        assert_eq!(execution.status().await.unwrap(), ExecutionState::Suspended);
        send(&execution, [value]).await;
        bench.settle().await;
    }
    let (none, zero, refused) = bench.until("the result", execution.result()).await.unwrap();
    assert_eq!((none, zero), (Some(1), Some(2)));
    assert_eq!(refused, ["InvalidCall"; 3]);
}

/// C-S4: a timeout is journaled before it is given: a process that dies at any call after it changes nothing of it.
async fn a_timeout_stays_one_whoever_crashes_when(bench: Bench) {
    at_every_call(&bench, async |bench, (call, moment)| {
        let first = bench.process(functions![impatient]).await.work(&bench, |worker| worker).await;
        let id = first.stent.dispatch(impatient(5 * SECOND)).await.unwrap().id();
        bench.pass(4 * SECOND).await;
        let until = first.plan.count() + call;
        first.plan.plan(call, Fault::Dies(moment));
        bench.pass(8 * SECOND).await;
        let is_dead = first.plan.count() >= until;
        first.die(&bench).await;
        bench.leap(LEASE).await;
        let second = bench.process(functions![impatient]).await.work(&bench, |worker| worker).await;
        bench.until("the timeout", bench.sees("the timeout", || heard(&bench).contains(&"first None".into()))).await;
        let execution = second.stent.execution::<(Option<u32>, u32)>(id);
        send(&execution, [7]).await;
        assert_eq!(bench.until("the result", execution.result()).await.unwrap(), (None, 7), "{call} {moment:?}");
        is_dead
    })
    .await;
}

/// C-S2, B37: a process that dies at any call while it takes a value loses none, and none is given twice.
async fn a_crash_while_a_value_is_taken_loses_nothing(bench: Bench) {
    at_every_call(&bench, async |bench, (call, moment)| {
        let first = bench.process(functions![collect]).await.work(&bench, |worker| worker).await;
        let id = first.stent.dispatch(collect(2)).await.unwrap().id();
        bench.pass(SECOND).await;
        let client = client(&bench).await;
        let until = first.plan.count() + call;
        first.plan.plan(call, Fault::Dies(moment));
        send(&client.execution::<()>(id), [1]).await;
        bench.pass(4 * SECOND).await;
        let is_dead = first.plan.count() >= until;
        first.die(&bench).await;
        bench.leap(LEASE).await;
        let second = bench.process(functions![collect]).await.work(&bench, |worker| worker).await;
        bench.pass(2 * SECOND).await;
        let execution = second.stent.execution::<Vec<u32>>(id);
        send(&execution, [2]).await;
        assert_eq!(bench.until("the result", execution.result()).await.unwrap(), [1, 2], "{call} {moment:?}");
        is_dead
    })
    .await;
}

/// C-S2: several tasks of one execution wait for one name: each value goes to one of them, whether they are in memory or not.
async fn tasks_of_an_execution_compete_for_a_value(bench: Bench) {
    #[durable]
    async fn compete(ctx: Ctx) -> Result<Vec<u32>> {
        let (one, other) = try_join!(ctx.call(waits()), ctx.call(waits()))?;
        Ok(vec![one, other])
    }
    for suspend_after in ["1h", "0s"] {
        let bench = bench.another();
        let functions = || functions![compete, waits];
        let first = bench.process(functions()).await.work(&bench, |worker| worker.suspend_after(suspend_after)).await;
        let _second = bench.process(functions()).await.work(&bench, |worker| worker.suspend_after(suspend_after)).await;
        let execution = first.stent.dispatch(compete()).await.unwrap();
        bench.pass(SECOND).await;
        assert!(presence(&bench, "waits").0 >= 2);
        send(&execution, [1]).await;
        bench.pass(20 * SECOND).await;
        assert_eq!(bench.ledger.count("got 1"), 1);
        send(&execution, [2]).await;
        let mut values = bench.until("the result", execution.result()).await.unwrap();
        values.sort_unstable();
        assert_eq!(values, [1, 2]);
    }
}

/// C-S2: a value that came while the function waited for something else opens a turn of its own, after all that came before.
async fn a_value_is_given_after_all_earlier_outcomes(bench: Bench) {
    #[durable]
    async fn order(ctx: Ctx) -> Result<Vec<String>> {
        let order = std::sync::Mutex::new(Vec::new());
        let note = |what: String| order.lock().unwrap().push(what);
        try_join!(
            async {
                note(format!("signal {}", ctx.signal::<u32>("go").await?));
                Ok(())
            },
            async {
                note(ctx.call(hold("child".into())).await?);
                Ok::<_, Failure>(())
            },
        )?;
        Ok(order.into_inner().unwrap())
    }
    let first = bench.process(functions![order, hold]).await.work(&bench, |worker| worker).await;
    let id = first.stent.dispatch(order()).await.unwrap().id();
    bench.pass(SECOND).await;
    bench.gates.open("child");
    bench.settle().await;
    send(&first.stent.execution::<()>(id), [1]).await;
    let expected = soon("the result", first.stent.execution::<Vec<String>>(id).result()).await.unwrap();
    assert_eq!(expected, ["child", "signal 1"]);
}

/// C-S4: a value that was sent in time is given, though nobody looked in time; also to the second of two waits.
async fn a_value_sent_in_time_is_given_however_late(bench: Bench) {
    let first = bench.process(functions![impatient]).await.work(&bench, |worker| worker).await;
    let id = first.stent.dispatch(impatient(30 * SECOND)).await.unwrap().id();
    let client = client(&bench).await;
    suspended(&bench, &client.execution::<()>(id)).await;
    first.die(&bench).await;
    send(&client.execution::<()>(id), [1]).await;
    bench.leap(60 * SECOND).await;
    let second = bench.process(functions![impatient]).await.work(&bench, |worker| worker).await;
    bench.pass(SECOND).await;
    let execution = second.stent.execution::<(Option<u32>, u32)>(id);
    send(&execution, [2]).await;
    assert_eq!(bench.until("the result", execution.result()).await.unwrap(), (Some(1), 2));
}

/// C-S4: a value that was sent too late is the next wait's, though nobody gave the timeout before.
async fn a_value_sent_too_late_is_the_next_waits(bench: Bench) {
    for _ in 0..5 {
        let bench = bench.another();
        let first = bench.process(functions![impatient]).await.work(&bench, |worker| worker).await;
        let id = first.stent.dispatch(impatient(5 * SECOND)).await.unwrap().id();
        bench.pass(SECOND).await;
        first.die(&bench).await;
        bench.leap(60 * SECOND).await;
        send(&client(&bench).await.execution::<()>(id), [7]).await;
        let second = bench.process(functions![impatient]).await.work(&bench, |worker| worker).await;
        let execution = second.stent.execution::<(Option<u32>, u32)>(id);
        assert_eq!(bench.until("the result", execution.result()).await.unwrap(), (None, 7));
    }
}

/// C-S2, C-S4: of two waits for one name the older one gets the value, and the younger one ends in its time.
async fn a_wait_that_ends_takes_nothing_from_an_older_one(bench: Bench) {
    #[durable]
    async fn both(ctx: Ctx) -> Result<(u32, Option<u32>)> {
        let (older, younger) = (ctx.signal("go"), ctx.signal("go").timeout("30s"));
        let (older, younger) = join!(older, younger);
        Ok((older?, younger?))
    }
    for looks_in_time in [true, false] {
        let bench = bench.another();
        let first = bench.process(functions![both]).await.work(&bench, |worker| worker).await;
        let id = first.stent.dispatch(both()).await.unwrap().id();
        suspended(&bench, &first.stent.execution::<()>(id)).await;
        if !looks_in_time {
            first.die(&bench).await;
        }
        send(&client(&bench).await.execution::<()>(id), [1]).await;
        bench.leap(60 * SECOND).await;
        let second = bench.process(functions![both]).await.work(&bench, |worker| worker).await;
        let execution = second.stent.execution::<(u32, Option<u32>)>(id);
        assert_eq!(bench.until("the result", execution.result()).await.unwrap(), (1, None), "{looks_in_time}");
    }
}

/// C-S4: of a wait and a sleep the one whose time came first wins, however late somebody looks; so does a value that was sent in time.
async fn a_late_look_gives_what_was_over_first(bench: Bench) {
    #[durable]
    async fn races(ctx: Ctx) -> Result<String> {
        Ok(select! {
            value = ctx.signal::<u32>("go").timeout("1h") => format!("{:?}", value?),
            slept = ctx.sleep("1d") => format!("slept {:?}", slept?),
        })
    }
    for (values, expected) in [(vec![], "None"), (vec![7], "Some(7)")] {
        let bench = bench.another();
        let first = bench.process(functions![races]).await.work(&bench, |worker| worker).await;
        let id = first.stent.dispatch(races()).await.unwrap().id();
        suspended(&bench, &first.stent.execution::<()>(id)).await;
        first.die(&bench).await;
        send(&client(&bench).await.execution::<()>(id), values).await;
        bench.leap(48 * 3_600 * SECOND).await;
        let second = bench.process(functions![races]).await.work(&bench, |worker| worker).await;
        let execution = second.stent.execution::<String>(id);
        assert_eq!(bench.until("the result", execution.result()).await.unwrap(), expected);
    }
}

on_every_backend![
    a_late_look_gives_what_was_over_first,
    a_value_sent_in_time_is_given_however_late,
    a_value_sent_too_late_is_the_next_waits,
    a_wait_that_ends_takes_nothing_from_an_older_one,
    a_value_sent_while_another_is_taken_replaces_it_or_follows,
    of_several_names_the_one_that_comes_first_is_taken,
    a_wait_that_was_dropped_takes_nothing,
    a_wait_that_times_out_yields_nothing_and_takes_nothing,
    a_wait_without_a_bound_outlasts_any_time,
    a_timeout_stays_one_whoever_crashes_when,
    a_crash_while_a_value_is_taken_loses_nothing,
    tasks_of_an_execution_compete_for_a_value,
    a_value_is_given_after_all_earlier_outcomes,
];
