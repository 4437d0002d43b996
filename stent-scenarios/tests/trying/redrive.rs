//! The way back from a failure: a redrive goes on with what failed, or is refused with why (C-Y5).

use std::time::Duration;

use futures_util::future::join_all;
use stent_core::backend::Maintenance;
use stent_core::task::TaskState;
use stent_executor::prelude::*;
use stent_executor::{
    Execution, ExecutionError, ExecutionId, ExecutionState, RedriveTarget, RefusedRedrive, StentError,
};
use stent_scenarios::{Bench, Ledger, Stage, on_every_backend, work};

use crate::dead_letters::{broken, leaf, middle, task_of, top};
use crate::scene::{dead_letters, hold, staged, tasks};

const HOUR: Duration = Duration::from_secs(3_600);

/// C-Y5, B49: of the execution or of its dead letter, it goes on with what failed, and what completed does not run again.
async fn a_redrive_goes_on_with_what_failed(bench: Bench) {
    for of_letter in [false, true] {
        let bench = bench.another();
        let stage = Stage::on(&bench).await;
        let process = staged(&bench, &stage, functions![top, middle, leaf]).await;
        stage.fail("leaf", 3, broken());
        let execution = process.stent.dispatch(top()).await.unwrap();
        bench.until("the end", execution.result()).await.unwrap_err();
        let target = if of_letter {
            RedriveTarget::DeadLetter(task_of(&bench, execution.id(), "leaf").await)
        } else {
            RedriveTarget::Execution(execution.id())
        };
        process.stent.redrive(target).await.unwrap();
        assert!(dead_letters(&bench).await.is_empty(), "a dead letter that is redriven is gone");
        // It fails once more, and has the attempts for it: they are fresh.
        assert_eq!(bench.until("the result", execution.result()).await.unwrap(), 2);
        assert_eq!(bench.ledger.all(), ["first", "before", "leaf", "leaf", "leaf", "leaf", "last"]);
        assert_eq!(tasks(&bench, execution.id()).await.len(), 3);
    }
}

/// C-Y3, C-Y5: what was open when the function's own code failed is there again, and given to the code that was mended.
async fn what_was_open_when_code_failed_goes_on(bench: Bench) {
    #[durable(retry(max_attempts = 1))]
    async fn has_a_bug(ctx: Ctx, over_a_map: bool) -> Result<u32> {
        let bug = async { if ctx.resource::<Ledger>()?.count("mended") == 0 { bail!("a bug") } else { Ok(()) } };
        let (sum, ()) = if over_a_map {
            let items = async { Ok(ctx.map(["child".to_owned()].map(hold)).await?.into_iter().sum()) };
            try_join!(items, bug)?
        } else {
            try_join!(ctx.call(hold("child".into())), bug)?
        };
        Ok(sum)
    }
    for over_a_map in [false, true] {
        let bench = bench.another();
        let process = bench.process(functions![has_a_bug, hold]).await;
        let process = process.work(&bench, |worker| worker.lease("1h")).await;
        let execution = process.stent.dispatch(has_a_bug(over_a_map)).await.unwrap();
        bench.until("the end", execution.result()).await.unwrap_err();
        assert!(tasks(&bench, execution.id()).await[1..].iter().all(|task| task.state == TaskState::Cancelled));
        bench.ledger.note("mended");
        bench.gates.open("child");
        execution.redrive().await.unwrap();
        assert_eq!(bench.until("the result", execution.result()).await.unwrap(), 1);
        let states: Vec<_> = tasks(&bench, execution.id()).await.into_iter().map(|task| task.state).collect();
        assert_eq!(states, vec![TaskState::Completed; states.len()]);
    }
}

/// C-Y5: it may fail again, and again be redriven.
async fn a_redrive_that_fails_leaves_one_dead_letter_again(bench: Bench) {
    let stage = Stage::on(&bench).await;
    let process = staged(&bench, &stage, functions![top, middle, leaf]).await;
    stage.fail("leaf", 6, broken());
    let execution = process.stent.dispatch(top()).await.unwrap();
    for round in 1..=3 {
        bench.until("the end", execution.result()).await.unwrap_err();
        let letters = dead_letters(&bench).await;
        assert_eq!((letters.len(), letters[0].attempts, letters[0].at), (1, 2, bench.now()));
        assert_eq!(bench.ledger.count("leaf"), 2 * round);
        bench.leap(HOUR).await;
        execution.redrive().await.unwrap();
    }
    assert_eq!(bench.until("the result", execution.result()).await.unwrap(), 1);
}

/// C-Y5, S12: once, however many ask.
async fn of_many_redrives_at_once_one_is_done(bench: Bench) {
    let stage = Stage::on(&bench).await;
    let process = staged(&bench, &stage, functions![top, middle, leaf]).await;
    let other = bench.process(functions![top]).await;
    stage.fail("leaf", 2, broken());
    let execution = process.stent.dispatch(top()).await.unwrap();
    bench.until("the end", execution.result()).await.unwrap_err();
    let letter = RedriveTarget::DeadLetter(task_of(&bench, execution.id(), "leaf").await);
    let targets = [RedriveTarget::Execution(execution.id()), letter].repeat(3);
    let answers = targets.into_iter().enumerate().map(|(number, target)| {
        let stent = if number % 2 == 0 { &process.stent } else { &other.stent };
        stent.redrive(target)
    });
    let (done, refused): (Vec<_>, Vec<_>) = join_all(answers).await.into_iter().partition(Result::is_ok);
    assert_eq!((done.len(), refused.len()), (1, 5));
    assert!(refused.into_iter().all(|refused| matches!(refused, Err(StentError::Redrive(_)))));
    assert_eq!(bench.until("the result", execution.result()).await.unwrap(), 1);
    assert_eq!(bench.ledger.count("leaf"), 3);
}

/// C-Y5: what has not failed is refused, with what it is.
async fn what_has_not_failed_is_not_redriven(bench: Bench) {
    let stage = Stage::on(&bench).await;
    let process = staged(&bench, &stage, functions![hold, leaf]).await;
    let refused = async |execution: &Execution<u32>| match execution.redrive().await.unwrap_err() {
        StentError::Redrive(reason) => reason,
        other => panic!("{other}"),
    };
    let unknown = process.stent.execution::<u32>(ExecutionId::new(bench.now()));
    assert_eq!(refused(&unknown).await, RefusedRedrive::Unknown);
    let no_letter = process.stent.redrive(RedriveTarget::DeadLetter(unknown.id().root())).await.unwrap_err();
    assert!(matches!(no_letter, StentError::Redrive(RefusedRedrive::Unknown)), "{no_letter}");

    let running = process.stent.dispatch(hold("it".into())).await.unwrap();
    bench.sees("it runs", || bench.ledger.count("it begins 1") == 1).await;
    let pending = process.stent.dispatch(hold("it".into())).await.unwrap();
    let scheduled = process.stent.dispatch(hold("it".into()).delay("1d")).await.unwrap();
    assert_eq!(refused(&running).await, RefusedRedrive::State(ExecutionState::Running));
    assert_eq!(refused(&pending).await, RefusedRedrive::State(ExecutionState::Pending));
    assert_eq!(refused(&scheduled).await, RefusedRedrive::State(ExecutionState::Scheduled));
    scheduled.cancel().await.unwrap();
    assert_eq!(refused(&scheduled).await, RefusedRedrive::State(ExecutionState::Cancelled));
    bench.gates.open("it");
    bench.until("the result", pending.result()).await.unwrap();
    assert_eq!(refused(&pending).await, RefusedRedrive::State(ExecutionState::Completed));

    stage.fail("leaf", 9, broken());
    let failed = process.stent.dispatch(leaf()).await.unwrap();
    bench.until("the end", failed.result()).await.unwrap_err();
    process.stent.discard_dead_letter(failed.id().root()).await.unwrap();
    let discarded = process.stent.redrive(RedriveTarget::DeadLetter(failed.id().root())).await.unwrap_err();
    assert!(matches!(discarded, StentError::Redrive(RefusedRedrive::Unknown)), "{discarded}");
    assert_eq!(failed.status().await.unwrap(), ExecutionState::Failed);
}

/// C-Y5, C-X3: not while retention deletes it. A thousand rows go in a step, so that it takes more than one.
async fn what_is_being_deleted_is_not_redriven(bench: Bench) {
    #[durable(retry(max_attempts = 1))]
    async fn wide(ctx: Ctx) -> Result<()> {
        (0..1_500).for_each(|number| ctx.progress(format!("at {number}")));
        ctx.sleep("1s").await?;
        bail!("it")
    }
    let process = bench.process(functions![wide]).await.work(&bench, |worker| worker.concurrency(1)).await;
    let execution = process.stent.dispatch(wide()).await.unwrap();
    bench.until("the end", execution.result()).await.unwrap_err();
    process.worker().drain().await.unwrap();
    let (now, backend) = (bench.now(), bench.backend().await);
    let backend: &dyn Maintenance = &*backend;
    assert!(backend.prune(now.after(HOUR), now.after(HOUR)).await.unwrap().more);
    let refused = execution.redrive().await.unwrap_err();
    assert!(matches!(refused, StentError::Redrive(RefusedRedrive::Deleting)), "{refused}");
}

/// Fails, and sleeps once it does not.
#[durable(retry(max_attempts = 1))]
async fn lasts(ctx: Ctx, time: String) -> Result<u32> {
    ctx.step("work", || work(&ctx, "work", "0s")).retry(RetryPolicy::none()).await?;
    ctx.sleep(time).await?;
    Ok(ctx.attempt())
}

/// C-Y5, B51: the whole time again, from the redrive on, and not more.
async fn a_redrive_has_a_fresh_deadline_budget(bench: Bench) {
    let stage = Stage::on(&bench).await;
    let process = staged(&bench, &stage, functions![lasts]).await;
    for (time, ended) in [("59s", ExecutionState::Completed), ("61s", ExecutionState::TimedOut)] {
        stage.fail("work", 1, broken());
        let execution = process.stent.dispatch(lasts(time.into()).max_duration("1m")).await.unwrap();
        bench.until("the end", execution.result()).await.unwrap_err();
        bench.leap(HOUR).await;
        execution.redrive().await.unwrap();
        let record = process.stent.backend().execution(execution.id()).await.unwrap().unwrap();
        assert_eq!(record.deadline, Some(bench.now().after(Duration::from_secs(60))));
        let result = bench.until("the end", execution.result()).await;
        assert_eq!((execution.status().await.unwrap(), result.is_ok()), (ended, time == "59s"));
    }
}

/// C-Y5, C-T3: what ran out of time goes on where it was, with what the deadline had cancelled.
async fn a_timed_out_execution_goes_on_where_it_was(bench: Bench) {
    #[durable]
    async fn outer(ctx: Ctx) -> Result<u32> {
        ctx.call(lasts("10m".into())).await
    }
    let stage = Stage::on(&bench).await;
    let process = staged(&bench, &stage, functions![outer, lasts]).await;
    let execution = process.stent.dispatch(outer().max_duration("1m")).await.unwrap();
    assert!(matches!(bench.until("the end", execution.result()).await, Err(ExecutionError::TimedOut)));
    bench.leap(HOUR).await;
    execution.redrive().await.unwrap();
    // The sleep ended long ago: its time was recorded once.
    assert_eq!(bench.until("the result", execution.result()).await.unwrap(), 1);
    assert_eq!(bench.ledger.all(), ["work"]);
    let states: Vec<_> = tasks(&bench, execution.id()).await.iter().map(|task| task.state).collect();
    assert_eq!(states, [TaskState::Completed; 2]);
}

on_every_backend![
    what_was_open_when_code_failed_goes_on,
    a_redrive_goes_on_with_what_failed,
    a_redrive_that_fails_leaves_one_dead_letter_again,
    of_many_redrives_at_once_one_is_done,
    what_has_not_failed_is_not_redriven,
    what_is_being_deleted_is_not_redriven,
    a_redrive_has_a_fresh_deadline_budget,
    a_timed_out_execution_goes_on_where_it_was,
];
