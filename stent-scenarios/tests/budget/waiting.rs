//! What waiting costs.

use stent_scenarios::{Bench, on_every_database};

use crate::functions::{calls, listens, nothing, sleeps};
use crate::scene::{SECOND, Scene};

async fn a_sleep_is_an_entry_and_its_suspension_and_waking_are_a_change_each(bench: Bench) {
    let mut scene = Scene::open(bench).await;
    let stent = scene.process.stent.clone();
    stent.dispatch(sleeps()).await.unwrap();
    let rows = "journal insert 1, tasks insert 1";
    scene.costs("dispatched, begun and asleep", rows, "dispatch 1, write 1").await;
    scene.bench.pass(11 * SECOND).await;
    scene.costs("suspended", "tasks update 1", "suspend 1").await;
    scene.bench.pass(3_000 * SECOND).await;
    scene.costs("asleep", "", "").await;
    scene.bench.pass(600 * SECOND).await;
    scene.costs("woken, claimed and completed", "tasks update 3", "complete 1").await;
}

async fn suspensions_of_many_share_a_call(bench: Bench) {
    let mut scene = Scene::open(bench).await;
    scene.process.stent.dispatch_all((0..50).map(|_| sleeps())).await.unwrap();
    let rows = "journal insert 50, tasks insert 50, tasks update 50";
    scene.costs("50 asleep", rows, "dispatch 1, write 1").await;
    scene.bench.pass(11 * SECOND).await;
    scene.costs("50 suspended", "tasks update 50", "suspend 1").await;
    scene.bench.pass(3_600 * SECOND).await;
    scene.costs_rows("50 woken, claimed and completed", "tasks update 150").await;
}

/// On PostgreSQL a wait makes the slot in which it meets its senders, and the slot stays.
async fn a_wait_for_a_signal_is_an_entry_and_a_value_given_is_another(bench: Bench) {
    let mut scene = Scene::open(bench).await;
    let stent = scene.process.stent.clone();
    let waits = scene.on("journal insert 1, tasks insert 1", "journal insert 1, signals insert 1, tasks insert 1");
    let given = scene.on(
        "journal insert 1, signal_sends insert 1, signals delete 1, signals insert 1, tasks update",
        "journal insert 1, signal_sends insert 1, signals update 2, tasks update",
    );
    let execution = stent.dispatch(listens()).await.unwrap();
    scene.costs("dispatched, begun and waiting", waits, "dispatch 1, write 1").await;
    execution.signal("go", &1).await.unwrap();
    scene.costs("sent, given and completed", &format!("{given} 1"), "complete 1, send 1, write 1").await;

    let execution = stent.dispatch(listens()).await.unwrap();
    scene.forget().await;
    scene.bench.pass(11 * SECOND).await;
    scene.costs("suspended, and what it waits for", "tasks update 1, waits insert 1", "suspend 1").await;
    execution.signal("go", &1).await.unwrap();
    let rows = format!("{given} 3");
    scene.costs("sent, woken, claimed, given and completed", &rows, "complete 1, send 1, write 1").await;
}

/// C-Q4: however many wait, in memory or out of it, nothing is written, and their process asks no more than an idle one may: once a second.
async fn waiting_costs_nothing(bench: Bench) {
    for suspend_after in ["0s", "1h"] {
        let mut scene = Scene::with(bench.another(), |worker| worker.lease("1h").suspend_after(suspend_after)).await;
        let stent = scene.process.stent.clone();
        stent.dispatch_all((0..30).map(|_| sleeps())).await.unwrap();
        stent.dispatch_all((0..30).map(|_| listens())).await.unwrap();
        stent.dispatch_all((0..30).map(|_| calls("it".into()))).await.unwrap();
        scene.bench.pass(60 * SECOND).await;
        scene.forget().await;
        scene.bench.pass(600 * SECOND).await;
        let calls = scene.calls();
        assert!(calls.values().sum::<usize>() <= 600, "suspended after {suspend_after}: {calls:?}");
        scene.costs("ten minutes of waiting", "", "").await;
    }
}

/// R6: with all that it does by default.
async fn an_idle_worker_asks_once_a_second_and_writes_its_announcements_alone(bench: Bench) {
    let mut scene = Scene::with(bench, |worker| worker).await;
    scene.process.stent.dispatch(nothing(0)).await.unwrap();
    scene.bench.pass(10 * SECOND).await;
    scene.forget().await;
    let announced = scene.books.announced;
    scene.bench.pass(60 * SECOND).await;
    let calls = scene.calls();
    assert!(calls.values().sum::<usize>() <= 60, "{calls:?}");
    scene.costs("a minute of nothing", "", "").await;
    let announced = scene.books.announced - announced;
    assert!((1..=20).contains(&announced), "every third of a lease: {announced}");
}

on_every_database![
    a_sleep_is_an_entry_and_its_suspension_and_waking_are_a_change_each,
    suspensions_of_many_share_a_call,
    a_wait_for_a_signal_is_an_entry_and_a_value_given_is_another,
    waiting_costs_nothing,
    an_idle_worker_asks_once_a_second_and_writes_its_announcements_alone,
];
