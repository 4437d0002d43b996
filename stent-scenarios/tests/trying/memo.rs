//! Memo: shared results, one run for a key, one execution for a dispatch key (C-K1 to C-K3).

use std::time::Duration;

use stent_core::retry::ErrorClass;
use stent_core::task::TaskState;
use stent_executor::prelude::*;
use stent_executor::{Execution, ExecutionState, StentError};
use stent_scenarios::{Bench, Gates, on_every_backend, soon};

use crate::scene::{class, kill, note, tasks, working};

const MICROSECOND: Duration = Duration::from_micros(1);
const HOUR: Duration = Duration::from_secs(3_600);

/// Its number, for an hour.
#[durable(cached(ttl = "1h"))]
async fn hourly(ctx: Ctx, number: u32) -> Result<u32> {
    note(&ctx, format!("hourly {number}"));
    Ok(number)
}

/// Its number, for ever.
#[durable(cached)]
async fn lasting(ctx: Ctx, number: u32) -> Result<u32> {
    note(&ctx, format!("lasting {number}"));
    Ok(number)
}

/// Asks for both as children.
#[durable]
async fn asks(ctx: Ctx) -> Result<(u32, u32)> {
    try_join!(ctx.call(hourly(7)), ctx.call(lasting(7)))
}

/// C-K1, B33, B55: over executions, for calls and dispatches alike, until its time has come by the clock.
async fn a_cached_result_lasts_its_time(bench: Bench) {
    let process = working(&bench, functions![asks, hourly, lasting]).await;
    let stent = &process.stent;
    let ask = async || {
        let (hourly, lasting) = (stent.dispatch(hourly(7)).await.unwrap(), stent.dispatch(lasting(7)).await.unwrap());
        assert_eq!(soon("the result", hourly.result()).await.unwrap(), 7);
        assert_eq!(soon("the result", lasting.result()).await.unwrap(), 7);
        (bench.ledger.count("hourly 7"), bench.ledger.count("lasting 7"))
    };
    let stored_at = bench.now();
    let execution = stent.dispatch(asks()).await.unwrap();
    assert_eq!(soon("the result", execution.result()).await.unwrap(), (7, 7));
    let execution = stent.dispatch(asks()).await.unwrap();
    assert_eq!(bench.until("the result", execution.result()).await.unwrap(), (7, 7));
    assert_eq!(ask().await, (1, 1));
    bench.leap(stored_at.after(HOUR - MICROSECOND).since(bench.now())).await;
    assert_eq!(ask().await, (1, 1));
    bench.leap(MICROSECOND).await;
    assert_eq!(ask().await, (2, 1));
    bench.leap(24 * 365 * HOUR).await;
    assert_eq!(ask().await, (3, 1));
    let other = stent.dispatch(hourly(8)).await.unwrap();
    assert_eq!(soon("the result", other.result()).await.unwrap(), 8);
}

mod of_one_kind {
    //! A function, by name and form of its input.
    use super::*;

    #[derive(serde::Serialize, serde::Deserialize)]
    pub(crate) struct Order {
        pub(crate) id: u64,
        pub(crate) weight: f64,
        pub(crate) lines: Vec<u8>,
    }

    #[durable(name = "priced", cached)]
    pub(crate) async fn priced(order: Order) -> Result<String> {
        Ok(format!("one kind: {}", order.id))
    }
}

mod of_another_kind {
    //! The same function, with its fields in another order and its numbers in another form.
    use super::*;

    #[derive(serde::Serialize, serde::Deserialize)]
    pub(crate) struct Order {
        pub(crate) lines: Vec<u64>,
        pub(crate) weight: u32,
        pub(crate) id: u16,
    }

    #[durable(name = "priced", cached)]
    pub(crate) async fn priced(order: Order) -> Result<String> {
        Ok(format!("another kind: {}", order.id))
    }

    #[durable(name = "priced again", cached)]
    pub(crate) async fn priced_again(order: Order) -> Result<String> {
        Ok(format!("another name: {}", order.id))
    }

    #[durable(name = "priced", version = "2", cached)]
    pub(crate) async fn priced_anew(order: Order) -> Result<String> {
        Ok(format!("another version: {}", order.id))
    }
}

/// C-K1, B34: name, version and canonical input make the key; the order of fields and the form of numbers do not.
async fn the_key_is_name_version_and_canonical_input(bench: Bench) {
    use of_another_kind::{priced, priced_again, priced_anew};
    let first = working(&bench, functions![of_one_kind::priced]).await;
    let order = of_one_kind::Order { id: 7, weight: 2.0, lines: vec![1, 2] };
    let execution = first.stent.dispatch(of_one_kind::priced(order)).await.unwrap();
    assert_eq!(soon("the result", execution.result()).await.unwrap(), "one kind: 7");
    first.worker().drain().await.unwrap();

    let second = working(&bench, functions![priced, priced_again, priced_anew]).await;
    let order = |id, weight, lines| of_another_kind::Order { id, weight, lines };
    for (call, result) in [
        (order(7, 2, vec![1, 2]), "one kind: 7"),
        (order(7, 3, vec![1, 2]), "another kind: 7"),
        (order(7, 2, vec![2, 1]), "another kind: 7"),
        (order(8, 2, vec![1, 2]), "another kind: 8"),
    ] {
        let execution = second.stent.dispatch(priced(call)).await.unwrap();
        assert_eq!(soon("the result", execution.result()).await.unwrap(), result);
    }
    let named = second.stent.dispatch(priced_again(order(7, 2, vec![1, 2]))).await.unwrap();
    assert_eq!(soon("the result", named.result()).await.unwrap(), "another name: 7");
    let versioned = second.stent.dispatch(priced_anew(order(7, 2, vec![1, 2]))).await.unwrap();
    assert_eq!(soon("the result", versioned.result()).await.unwrap(), "another version: 7");
}

#[durable(cached, key = user)]
async fn makes(ctx: Ctx, user: String, attempt: u32) -> Result<String> {
    note(&ctx, format!("makes {user}"));
    Ok(format!("made {user} at {attempt}"))
}

#[durable(idempotent, key = user)]
async fn mails(ctx: Ctx, user: String, attempt: u32) -> Result<String> {
    note(&ctx, format!("mails {user}"));
    Ok(format!("mailed {user} at {attempt}"))
}

/// C-K1, B34: `key` replaces the input, and nothing else: another function with the same key is another key.
async fn a_key_of_its_own_replaces_the_input_alone(bench: Bench) {
    let process = working(&bench, functions![makes, mails]).await;
    let (ada, eve) = ("ada".to_owned(), "eve".to_owned());
    let made = async |user: &String, attempt| {
        let execution = process.stent.dispatch(makes(user.clone(), attempt)).await.unwrap();
        soon("the result", execution.result()).await.unwrap()
    };
    assert_eq!(made(&ada, 1).await, "made ada at 1");
    assert_eq!(made(&ada, 2).await, "made ada at 1");
    assert_eq!(made(&eve, 2).await, "made eve at 2");
    let mailed = process.stent.dispatch(mails(ada.clone(), 3)).await.unwrap();
    assert_eq!(soon("the result", mailed.result()).await.unwrap(), "mailed ada at 3");
    assert_eq!(bench.ledger.all(), ["makes ada", "makes eve", "mails ada"]);
}

#[durable(cached)]
async fn unit(ctx: Ctx) -> Result<()> {
    note(&ctx, "unit");
    Ok(())
}

#[durable(idempotent)]
async fn nothing(ctx: Ctx) -> Result<Option<u32>> {
    note(&ctx, "nothing");
    Ok(None)
}

/// C-K1: a stored unit or null is a hit.
async fn nothing_is_a_result_like_any_other(bench: Bench) {
    let process = working(&bench, functions![unit, nothing]).await;
    for _ in 0..3 {
        let unit = process.stent.dispatch(unit()).await.unwrap();
        soon("the result", unit.result()).await.unwrap();
        let nothing = process.stent.dispatch(nothing()).await.unwrap();
        assert_eq!(soon("the result", nothing.result()).await.unwrap(), None);
    }
    assert_eq!(bench.ledger.all(), ["unit", "nothing"]);
}

/// Fails in its first two runs, whoever makes them.
#[durable(cached, retry(max_attempts = 1))]
async fn fickle(ctx: Ctx) -> Result<usize> {
    note(&ctx, "fickle");
    let runs = ctx.resource::<stent_scenarios::Ledger>()?.count("fickle");
    if runs < 3 { bail!("run {runs}") } else { Ok(runs) }
}

/// C-K2: what fails stores nothing.
async fn a_failure_is_not_shared(bench: Bench) {
    let process = working(&bench, functions![fickle]).await;
    let run = async || {
        let execution = process.stent.dispatch(fickle()).await.unwrap();
        soon("the end", execution.result()).await.ok()
    };
    assert_eq!([run().await, run().await, run().await, run().await], [None, None, Some(3), Some(3)]);
}

/// Runs until the gate of its caller is open; gives the caller's name.
#[durable(cached, key = "one")]
async fn races(ctx: Ctx, caller: String) -> Result<String> {
    note(&ctx, caller.clone());
    ctx.resource::<Gates>()?.pass(&caller).await;
    Ok(caller)
}

/// C-K2: cached functions may run side by side, and the first stored result wins.
async fn the_first_stored_result_wins(bench: Bench) {
    let (one, other) = (working(&bench, functions![races]).await, working(&bench, functions![races]).await);
    let first = one.stent.dispatch(races("first".into())).await.unwrap();
    let second = other.stent.dispatch(races("second".into())).await.unwrap();
    bench.until("both run", bench.sees("both run", || bench.ledger.all().len() == 2)).await;
    bench.gates.open("second");
    assert_eq!(bench.until("the result", second.result()).await.unwrap(), "second");
    bench.gates.open("first");
    assert_eq!(bench.until("the result", first.result()).await.unwrap(), "first", "its own run, its own result");
    let third = one.stent.dispatch(races("third".into())).await.unwrap();
    assert_eq!(soon("the result", third.result()).await.unwrap(), "second");
    assert_eq!(bench.ledger.all().len(), 2);
}

/// Runs until its gate is open, once for its key.
#[durable(idempotent, key = "one", retry(max_attempts = 1))]
async fn once(ctx: Ctx, caller: String, fails: bool) -> Result<String> {
    note(&ctx, format!("once {caller}"));
    ctx.resource::<Gates>()?.pass(&caller).await;
    if fails { bail!("{caller} failed") } else { Ok(caller) }
}

/// Calls [`once`].
#[durable(retry(max_attempts = 1))]
async fn calls_once(ctx: Ctx, caller: String) -> Result<String> {
    ctx.call(once(caller, false)).await
}

/// Waits until the run of this caller has begun.
async fn runs(bench: &Bench, caller: &str) {
    let effect = format!("once {caller}");
    bench.until(&effect, bench.sees(&effect, || bench.ledger.count(&effect) == 1)).await;
}

/// C-K2, B32, S15: one run for concurrent callers, over executions, tasks and workers; the others wait, and use no attempt up.
async fn an_idempotent_function_runs_once_for_all_callers(bench: Bench) {
    let (one, other) = (
        bench
            .process(functions![calls_once, once])
            .await
            .work(&bench, |worker| worker.concurrency(9).lease("1h"))
            .await,
        bench
            .process(functions![calls_once, once])
            .await
            .work(&bench, |worker| worker.concurrency(9).lease("1h"))
            .await,
    );
    let owner = one.stent.dispatch(once("owner".into(), false)).await.unwrap();
    runs(&bench, "owner").await;
    let mut callers: Vec<Execution<String>> = Vec::new();
    for (number, stent) in [&one.stent, &other.stent].repeat(4).into_iter().enumerate() {
        let name = format!("no {number}");
        callers.push(match number % 3 {
            0 => stent.dispatch(calls_once(name)).await.unwrap(),
            _ => stent.dispatch(once(name, false)).await.unwrap(),
        });
    }
    bench.pass(Duration::from_secs(12)).await;
    assert_eq!(bench.ledger.all(), ["once owner"]);
    bench.gates.open("owner");
    for caller in &callers {
        assert_eq!(bench.until("the result", caller.result()).await.unwrap(), "owner");
        assert!(tasks(&bench, caller.id()).await.iter().all(|task| task.attempt <= 1));
    }
    assert_eq!(bench.until("the result", owner.result()).await.unwrap(), "owner");
    let later = other.stent.dispatch(once("later".into(), true)).await.unwrap();
    assert_eq!(soon("the result", later.result()).await.unwrap(), "owner");
    bench.leap(24 * 365 * HOUR).await;
    let much_later = other.stent.dispatch(calls_once("much later".into())).await.unwrap();
    assert_eq!(bench.until("the result", much_later.result()).await.unwrap(), "owner", "for ever");
    assert_eq!(bench.ledger.all(), ["once owner"]);
}

/// C-K2: an owner that fails, is cancelled or times out stores nothing, and one of the waiting runs.
async fn an_owner_that_ends_without_a_result_gives_the_key_up(bench: Bench) {
    for how in [ExecutionState::Failed, ExecutionState::Cancelled, ExecutionState::TimedOut] {
        let bench = bench.another();
        let process = bench.process(functions![once]).await;
        let process = process.work(&bench, |worker| worker.concurrency(4).lease("1h")).await;
        let call = once("owner".into(), true);
        let call = if how == ExecutionState::TimedOut { call.max_duration("20s") } else { call };
        let owner = process.stent.dispatch(call).await.unwrap();
        runs(&bench, "owner").await;
        let waiting = [once("a".into(), false), once("b".into(), false)];
        let waiting = process.stent.dispatch_all(waiting).await.unwrap();
        bench.pass(Duration::from_secs(6)).await;
        assert_eq!(bench.ledger.all(), ["once owner"]);
        match how {
            ExecutionState::Failed => bench.gates.open("owner"),
            ExecutionState::Cancelled => owner.cancel().await.unwrap(),
            _ => bench.pass(Duration::from_secs(20)).await,
        }
        bench.until("the end", owner.result()).await.unwrap_err();
        assert_eq!(owner.status().await.unwrap(), how);
        ["a", "b"].iter().for_each(|gate| bench.gates.open(gate));
        let first = bench.until("the result", waiting[0].result()).await.unwrap();
        assert_eq!(bench.until("the result", waiting[1].result()).await.unwrap(), first);
        assert_eq!(bench.ledger.all().len(), 2, "one of the waiting ran: {:?}", bench.ledger.all());
    }
}

/// C-K2: a reservation lasts while its owner is open: a lost worker gives nothing up, and its task goes on itself.
async fn an_owner_whose_worker_is_lost_keeps_its_key(bench: Bench) {
    let first = working(&bench, functions![once]).await;
    let policy = RetryPolicy::builder().max_attempts(2).build().unwrap();
    let owner = first.stent.dispatch(once("owner".into(), false).retry(policy)).await.unwrap().id();
    runs(&bench, "owner").await;
    kill(&bench, first).await;
    let second = bench.process(functions![once]).await;
    let second = second.work(&bench, |worker| worker.concurrency(2).lease("1h")).await;
    bench.until("it runs", bench.sees("it runs", || bench.ledger.count("once owner") == 2)).await;
    let other = second.stent.dispatch(once("other".into(), false)).await.unwrap();
    bench.pass(Duration::from_secs(6)).await;
    bench.gates.open("owner");
    for execution in [owner, other.id()] {
        let execution = second.stent.execution::<String>(execution);
        assert_eq!(bench.until("the result", execution.result()).await.unwrap(), "owner");
    }
    assert_eq!(bench.ledger.all(), ["once owner", "once owner"]);
}

/// Asks for its own result, through another function.
#[durable(idempotent, retry(max_attempts = 1))]
async fn asks_itself(ctx: Ctx, number: u32) -> Result<u32> {
    ctx.call(passes_on(number)).await
}

#[durable(retry(max_attempts = 1))]
async fn passes_on(ctx: Ctx, number: u32) -> Result<u32> {
    ctx.call(asks_itself(if number > 10 { number - 1 } else { number })).await
}

/// C-K2: waiting for an ancestor would never end.
async fn a_key_held_by_an_ancestor_is_an_error(bench: Bench) {
    let process = working(&bench, functions![asks_itself, passes_on]).await;
    let execution = process.stent.dispatch(asks_itself(12)).await.unwrap();
    assert_eq!(class(bench.until("the end", execution.result()).await), ErrorClass::INVALID_CALL);
    // 12, 11 and 10 had keys of their own; the second 10 would wait for the first.
    assert_eq!(tasks(&bench, execution.id()).await.len(), 7);
}

/// Maps over keys that come again.
#[durable]
async fn maps(ctx: Ctx) -> Result<Vec<u32>> {
    ctx.map([1, 2, 1, 3, 2, 1].map(single)).chunk(3).await
}

#[durable(idempotent)]
async fn single(ctx: Ctx, number: u32) -> Result<u32> {
    note(&ctx, format!("single {number}"));
    Ok(number * 10)
}

/// C-K1, C-K2, B32: the same key three times in a map is one run.
async fn items_of_a_map_share_too(bench: Bench) {
    let process = bench.process(functions![maps, single]).await;
    let process = process.work(&bench, |worker| worker.concurrency(9).lease("1h")).await;
    let execution = process.stent.dispatch(maps()).await.unwrap();
    assert_eq!(bench.until("the result", execution.result()).await.unwrap(), [10, 20, 10, 30, 20, 10]);
    let mut effects = bench.ledger.all();
    effects.sort();
    assert_eq!(effects, ["single 1", "single 2", "single 3"]);
    assert!(tasks(&bench, execution.id()).await.iter().all(|task| task.state == TaskState::Completed));
}

/// C-K3, B33: whoever dispatches, from whichever process, at once or later, also when it has ended.
async fn one_execution_bears_a_dedup_key(bench: Bench) {
    let (one, other) = (bench.process(functions![hourly, lasting]).await, bench.process(functions![hourly]).await);
    let dispatches = [&one.stent, &other.stent].repeat(4);
    let dispatches = dispatches.into_iter().map(|stent| stent.dispatch(hourly(7).dedup("order 7")));
    let executions = futures_util::future::join_all(dispatches).await;
    let ids: Vec<_> = executions.into_iter().map(|execution| execution.unwrap().id()).collect();
    assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");

    let worker = working(&bench, functions![hourly]).await;
    assert_eq!(bench.until("the result", worker.stent.execution::<u32>(ids[0]).result()).await.unwrap(), 7);
    bench.leap(2 * HOUR).await;
    let again = one.stent.dispatch(hourly(7).dedup("order 7").priority(9)).await.unwrap();
    assert_eq!((again.id(), soon("the result", again.result()).await.unwrap()), (ids[0], 7));
    assert_eq!(bench.ledger.count("hourly 7"), 1);

    let input = one.stent.dispatch(hourly(8).dedup("order 7")).await.unwrap_err();
    let function = one.stent.dispatch(lasting(7).dedup("order 7")).await.unwrap_err();
    for conflict in [input, function] {
        assert!(matches!(conflict, StentError::KeyConflict { existing } if existing == ids[0]), "{conflict}");
    }
    let free = one.stent.dispatch(hourly(8).dedup("order 8")).await.unwrap();
    assert_ne!(free.id(), ids[0]);
}

on_every_backend![
    a_cached_result_lasts_its_time,
    the_key_is_name_version_and_canonical_input,
    a_key_of_its_own_replaces_the_input_alone,
    nothing_is_a_result_like_any_other,
    a_failure_is_not_shared,
    the_first_stored_result_wins,
    an_idempotent_function_runs_once_for_all_callers,
    an_owner_that_ends_without_a_result_gives_the_key_up,
    an_owner_whose_worker_is_lost_keeps_its_key,
    a_key_held_by_an_ancestor_is_an_error,
    items_of_a_map_share_too,
    one_execution_bears_a_dedup_key,
];
