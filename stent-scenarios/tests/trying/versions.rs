//! Code that changes under running executions: versions, patches, aliases, fields (C-R4, C-R6, C-R7).

use std::time::Duration;

use stent_core::journal::EntryKind;
use stent_core::task::TaskState;
use stent_executor::prelude::*;
use stent_executor::{ExecutionState, InvalidRegistry, StentError};
use stent_scenarios::{Bench, Gates, on_every_backend, soon};

use crate::scene::{journaled, kill, note, tasks, working};

mod first {
    //! The first version of a function, and what it calls.
    use super::*;

    #[durable(name = "pack", version = "1")]
    pub(crate) async fn pack(ctx: Ctx, line: u32) -> Result<String> {
        note(&ctx, format!("1 packs {line}"));
        ctx.resource::<Gates>()?.pass("pack").await;
        Ok(format!("1: {line}"))
    }

    #[durable(name = "fulfil", version = "1")]
    pub(crate) async fn fulfil(ctx: Ctx) -> Result<Vec<String>> {
        let one = ctx.call(pack(1)).await?;
        ctx.sleep("1m").await?;
        Ok(vec![one, ctx.call(pack(2)).await?])
    }
}

mod second {
    //! The second one, with another journal.
    use super::*;

    #[durable(name = "pack", version = "2")]
    pub(crate) async fn pack(ctx: Ctx, line: u32) -> Result<String> {
        note(&ctx, format!("2 packs {line}"));
        Ok(format!("2: {line}"))
    }

    #[durable(name = "fulfil", version = "2")]
    pub(crate) async fn fulfil(ctx: Ctx) -> Result<Vec<String>> {
        ctx.map([1, 2].map(pack)).await
    }
}

mod unversioned {
    //! One without a version.
    use super::*;

    #[durable(name = "pack")]
    pub(crate) async fn pack(ctx: Ctx, line: u32) -> Result<String> {
        note(&ctx, format!("none packs {line}"));
        Ok(format!("none: {line}"))
    }
}

/// C-R7: old and new code in one worker; each execution stays with the version it began with, its children too.
async fn versions_live_in_one_worker(bench: Bench) {
    let functions = || functions![first::fulfil, first::pack, second::fulfil, second::pack];
    let process = working(&bench, functions()).await;
    let old = process.stent.dispatch(first::fulfil()).await.unwrap();
    let new = process.stent.dispatch(second::fulfil()).await.unwrap();
    bench.gates.open("pack");
    assert_eq!(bench.until("the result", new.result()).await.unwrap(), ["2: 1", "2: 2"]);
    // In the middle of its sleep it comes to another process.
    kill(&bench, process).await;
    let second = working(&bench, functions()).await;
    let old = second.stent.execution::<Vec<String>>(old.id());
    assert_eq!(bench.until("the result", old.result()).await.unwrap(), ["1: 1", "1: 2"]);
    let record = second.stent.backend().execution(old.id()).await.unwrap().unwrap();
    assert_eq!(record.version.as_deref(), Some("1"));
}

/// C-R7: a rolling deploy: each worker takes its own version, and what the other one has waits for that and burns nothing.
async fn versions_live_on_two_workers_side_by_side(bench: Bench) {
    let new = working(&bench, functions![second::fulfil, second::pack]).await;
    let client = bench.process(functions![first::fulfil, first::pack]).await;
    let before = client.stent.dispatch(first::fulfil()).await.unwrap();
    bench.pass(Duration::from_secs(20)).await;
    let waiting = tasks(&bench, before.id()).await.remove(0);
    assert_eq!((waiting.state, waiting.attempt), (TaskState::Pending, 0));
    assert!(bench.ledger.all().is_empty());

    let _old = working(&bench, functions![first::fulfil, first::pack]).await;
    bench.gates.open("pack");
    let after = new.stent.dispatch(second::fulfil()).await.unwrap();
    assert_eq!(bench.until("the result", after.result()).await.unwrap(), ["2: 1", "2: 2"]);
    assert_eq!(bench.until("the result", before.result()).await.unwrap(), ["1: 1", "1: 2"]);
}

/// C-R7: what is pinned to no version goes to the function without one, or else to the newest: the one registered last.
async fn what_is_not_pinned_goes_to_the_newest(bench: Bench) {
    bench.gates.open("pack");
    let client = bench.process(functions![unversioned::pack]).await;
    for (number, (functions, result)) in [
        (functions![first::pack, second::pack], "2: 0"),
        (functions![second::pack, first::pack], "1: 1"),
        (functions![first::pack, unversioned::pack, second::pack], "none: 2"),
    ]
    .into_iter()
    .enumerate()
    {
        let execution = client.stent.dispatch(unversioned::pack(u32::try_from(number).unwrap())).await.unwrap();
        let process = working(&bench, functions).await;
        assert_eq!(bench.until("the result", execution.result()).await.unwrap(), result);
        process.worker().drain().await.unwrap();
    }
}

/// C-R7: what is pinned to a version never goes to a function without one.
async fn what_is_pinned_waits_for_its_version(bench: Bench) {
    let client = bench.process(functions![first::pack]).await;
    let execution = client.stent.dispatch(first::pack(7)).await.unwrap();
    let _worker = working(&bench, functions![unversioned::pack, second::pack]).await;
    bench.pass(Duration::from_secs(20)).await;
    assert_eq!(execution.status().await.unwrap(), ExecutionState::Pending);
    assert!(bench.ledger.all().is_empty());
}

/// Two functions of one name and version are refused, with where they stand.
async fn equal_names_and_versions_are_refused(bench: Bench) {
    mod again {
        //! The same name and version once more.
        use super::*;

        #[durable(name = "pack", version = "1")]
        pub(crate) async fn pack() -> Result<()> {
            Ok(())
        }
    }
    let program = bench.program(functions![first::pack, second::pack, again::pack]).await;
    let refused = program.build().await.unwrap_err();
    let StentError::Registry(InvalidRegistry::DuplicateFunction { name, first, second }) = &refused else {
        panic!("{refused}")
    };
    assert_eq!(name, "pack");
    assert!(first.contains("versions.rs:") && second.contains("versions.rs:") && first != second, "{refused}");
    // Twice the same function is no contradiction.
    bench.program(functions![first::pack, first::pack]).await.build().await.unwrap();
}

mod unpatched {
    //! Code before a patch.
    use super::*;

    #[durable(name = "packs")]
    pub(crate) async fn packs(ctx: Ctx) -> Result<Vec<String>> {
        let mut done = Vec::new();
        for round in 1..=3 {
            done.push(ctx.step("old", async || Ok::<_, Failure>(format!("old {round}"))).await?);
            ctx.sleep("1m").await?;
        }
        Ok(done)
    }
}

mod patched {
    //! Code after it: new work in the place of old, where nothing old is recorded.
    use super::*;

    #[durable(name = "packs")]
    pub(crate) async fn packs(ctx: Ctx) -> Result<Vec<String>> {
        let mut done = Vec::new();
        for round in 1..=3 {
            let way = if ctx.patched("faster packing") { "new" } else { "old" };
            done.push(ctx.step(way, async || Ok::<_, Failure>(format!("{way} {round}"))).await?);
            ctx.sleep("1m").await?;
        }
        Ok(done)
    }
}

/// C-R6: in a written turn a patch is what that turn recorded; in a new one it is on. Replays take the same way.
async fn a_patch_keeps_what_is_written_and_changes_what_is_not(bench: Bench) {
    let before = working(&bench, functions![unpatched::packs]).await;
    let old = before.stent.dispatch(unpatched::packs()).await.unwrap().id();
    // It is past the second step, in the second sleep.
    bench.until("it is there", journaled(&bench, old.root(), EntryKind::Made, 2)).await;
    kill(&bench, before).await;

    let during = working(&bench, functions![patched::packs]).await;
    let new = during.stent.dispatch(patched::packs()).await.unwrap().id();
    bench.pass(Duration::from_secs(35)).await;
    kill(&bench, during).await;

    let after = working(&bench, functions![patched::packs]).await;
    let old = bench.until("the result", after.stent.execution::<Vec<String>>(old).result()).await.unwrap();
    let new = bench.until("the result", after.stent.execution::<Vec<String>>(new).result()).await.unwrap();
    assert_eq!(
        (old, new),
        (
            vec!["old 1".into(), "old 2".into(), "new 3".into()],
            vec!["new 1".to_owned(), "new 2".into(), "new 3".into()]
        )
    );
}

mod before_the_move {
    //! A program before its functions were renamed and their types grew.
    use super::*;

    #[derive(serde::Serialize, serde::Deserialize)]
    pub(crate) struct Parcel {
        pub(crate) weight: u32,
    }

    #[durable(name = "shop::weigh")]
    pub(crate) async fn weigh(ctx: Ctx, parcel: Parcel) -> Result<u32> {
        note(&ctx, "weigh");
        Ok(parcel.weight)
    }

    #[durable(name = "shop::send")]
    pub(crate) async fn send(ctx: Ctx, parcel: Parcel) -> Result<u32> {
        let one = ctx.call(weigh(Parcel { weight: parcel.weight })).await?;
        let all: u32 = ctx.map([1, 2].map(|weight| weigh(Parcel { weight }))).await?.into_iter().sum();
        ctx.sleep("1m").await?;
        Ok(one + all)
    }
}

mod after_the_move {
    //! The same afterwards: aliases keep the old names, and the new field has a default.
    use super::*;

    #[derive(serde::Serialize, serde::Deserialize)]
    pub(crate) struct Parcel {
        pub(crate) weight: u32,
        #[serde(default)]
        pub(crate) fragile: bool,
    }

    #[durable(name = "store::weigh", alias = "shop::weigh")]
    pub(crate) async fn weigh(ctx: Ctx, parcel: Parcel) -> Result<u32> {
        note(&ctx, "weigh again");
        Ok(parcel.weight + u32::from(parcel.fragile))
    }

    #[durable(name = "store::send", alias = ["shop::send", "shop::post"])]
    pub(crate) async fn send(ctx: Ctx, parcel: Parcel) -> Result<u32> {
        let one = ctx.call(weigh(Parcel { weight: parcel.weight, fragile: false })).await?;
        let all: u32 = ctx.map([1, 2].map(|weight| weigh(Parcel { weight, fragile: false }))).await?.into_iter().sum();
        ctx.sleep("1m").await?;
        Ok(one + all + 100)
    }
}

/// C-R4, C-R7: an alias takes the tasks of the old name, and neither a name nor a field with a default is a divergence.
async fn renamed_functions_and_grown_types_go_on(bench: Bench) {
    use after_the_move::Parcel;
    let before = working(&bench, functions![before_the_move::send, before_the_move::weigh]).await;
    let running =
        before.stent.dispatch(before_the_move::send(before_the_move::Parcel { weight: 7 })).await.unwrap().id();
    // It is past its map, in its sleep.
    journaled(&bench, running.root(), EntryKind::Made, 2).await;
    kill(&bench, before).await;
    let client = bench.process(functions![before_the_move::send]).await;
    let waiting = client.stent.dispatch(before_the_move::send(before_the_move::Parcel { weight: 8 })).await.unwrap();

    let after = working(&bench, functions![after_the_move::send, after_the_move::weigh]).await;
    let running = after.stent.execution::<u32>(running);
    assert_eq!(bench.until("the result", running.result()).await.unwrap(), 110);
    assert_eq!((bench.ledger.count("weigh"), bench.ledger.count("weigh again")), (3, 3));
    assert_eq!(bench.until("the result", waiting.result()).await.unwrap(), 111);
    let new = after.stent.dispatch(after_the_move::send(Parcel { weight: 9, fragile: true })).await.unwrap();
    assert_eq!(bench.until("the result", new.result()).await.unwrap(), 112);
    assert_eq!(tasks(&bench, running.id()).await.len(), 4, "nothing was made anew");
}

mod longer {
    //! A sleep whose length was changed.
    use super::*;

    #[durable(name = "naps")]
    pub(crate) async fn naps(ctx: Ctx) -> Result<String> {
        ctx.sleep("10h").await?;
        Ok("rested".into())
    }
}

mod shorter {
    //! The sleep with which it began.
    use super::*;

    #[durable(name = "naps")]
    pub(crate) async fn naps(ctx: Ctx) -> Result<String> {
        ctx.sleep("1m").await?;
        Ok("tired".into())
    }
}

/// C-R2: sleeps have no key: the recorded time stands.
async fn a_recorded_sleep_stands(bench: Bench) {
    let before = working(&bench, functions![shorter::naps]).await;
    let execution = before.stent.dispatch(shorter::naps()).await.unwrap().id();
    journaled(&bench, execution.root(), EntryKind::Made, 1).await;
    kill(&bench, before).await;
    let after = working(&bench, functions![longer::naps]).await;
    bench.leap(Duration::from_secs(60)).await;
    let execution = after.stent.execution::<String>(execution);
    assert_eq!(soon("the result", execution.result()).await.unwrap(), "rested");
}

on_every_backend![
    versions_live_in_one_worker,
    versions_live_on_two_workers_side_by_side,
    what_is_not_pinned_goes_to_the_newest,
    what_is_pinned_waits_for_its_version,
    equal_names_and_versions_are_refused,
    a_patch_keeps_what_is_written_and_changes_what_is_not,
    renamed_functions_and_grown_types_go_on,
    a_recorded_sleep_stands,
];
