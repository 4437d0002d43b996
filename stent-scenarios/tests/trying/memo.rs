//! Memo: results that are shared, and one execution for a dispatch key (C-K1 to C-K3).

use std::time::Duration;

use stent_executor::StentError;
use stent_executor::prelude::*;
use stent_scenarios::{Bench, Gates, on_every_backend, soon};

use crate::scene::{note, working};

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

/// C-K1, C-Q5: a shared result that is known is given at once, and not at the next look.
async fn a_hit_is_given_without_time_passing(bench: Bench) {
    let process = working(&bench, functions![asks, hourly, lasting]).await;
    for _ in 0..30 {
        let execution = process.stent.dispatch(asks()).await.unwrap();
        assert_eq!(soon("the result", execution.result()).await.unwrap(), (7, 7));
    }
    assert_eq!(bench.ledger.all().len(), 2);
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
    a_hit_is_given_without_time_passing,
    a_cached_result_lasts_its_time,
    the_key_is_name_version_and_canonical_input,
    a_key_of_its_own_replaces_the_input_alone,
    nothing_is_a_result_like_any_other,
    a_failure_is_not_shared,
    the_first_stored_result_wins,
    one_execution_bears_a_dedup_key,
];
