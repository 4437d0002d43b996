//! Clients that race and flood: B07, B08, B19, P14, Q01.

use std::time::{Duration, Instant};

use stent_executor::ExecutionError;

use crate::Result;
use crate::functions::listen;
use crate::history::{Answer, Call, Recorded};
use crate::program::flaky;
use crate::run::Outcome;
use crate::run::scene::Scene;

/// B07: short executions are cancelled at any moment of their lives, many of them as they end.
pub(super) async fn cancel_races(scene: &mut Scene) -> Result<Outcome> {
    scene.prepare().await?;
    scene.crew(2, &[("slots", "4".into())]).await?;
    let count = scene.size(60, 400);
    for _ in 0..4 {
        scene.load("cancelled", count, &[])?;
    }
    let (mut outcome, evidence) = scene.common_pass().await?;
    let cancelled = evidence.tasks.values().filter(|task| task.state.as_str() == "cancelled").count();
    let completed = evidence.tasks.values().filter(|task| task.state.as_str() == "completed").count();
    outcome.count("cancelled", cancelled);
    outcome.count("completed", completed);
    outcome.demand(cancelled > 0 && completed > 0, || "there was no race".into());
    Ok(outcome)
}

/// B08: several processes send to one wait after the other of one execution, whose worker is killed twice.
pub(super) async fn signal_flood(scene: &mut Scene) -> Result<Outcome> {
    scene.prepare().await?;
    scene.crew(1, &[]).await?;
    let client = scene.client().await?;
    // More waits than values: at the end the last value was given, and the next wait waits.
    let execution = client.dispatch(listen(1, 1_000_000)).await?.id();
    let count = scene.size(150, 2_500);
    for _ in 0..4 {
        scene.load("flood", count, &[("execution", execution.to_string())])?;
    }
    for _ in 0..2 {
        tokio::time::sleep(Duration::from_millis(scene.random.u64(500..1_500))).await;
        scene.replace(0, &[]).await?;
    }
    let begun = Instant::now();
    while scene.is_loaded() && begun.elapsed() < Duration::from_secs(120) {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let mut outcome = Outcome::default();
    for load in &mut scene.loads {
        let ended = load.ended()?;
        outcome.demand(ended.is_some_and(|status| status.success()), || format!("a sender: {ended:?}"));
    }
    // L1: what was sent last is taken soon.
    let pending = "SELECT CAST(count(*) AS TEXT) FROM signals WHERE value IS NOT NULL";
    let begun = Instant::now();
    let mut look = scene.look().await?;
    while look.number(pending, pending).await? > 0 && begun.elapsed() < Duration::from_secs(15) {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let left = look.number(pending, pending).await?;
    outcome.demand(left == 0, || format!("L1: {left} values are taken by nobody"));
    tokio::time::sleep(Duration::from_millis(200)).await;
    scene.dismiss(&mut outcome).await?;
    let evidence = scene.judged(&mut outcome).await?;
    let given = evidence.effects.iter().filter(|effect| effect.key.starts_with("wait")).count();
    outcome.count("values given, replays included", given);
    outcome.demand(given > 10, || format!("only {given} values were given"));
    Ok(outcome)
}

/// B19: many processes redrive the same failed executions at once, half of them are killed; each is taken up once.
pub(super) async fn redrives(scene: &mut Scene) -> Result<Outcome> {
    scene.prepare().await?;
    scene.crew(1, &[("program", "failing".into())]).await?;
    let client = scene.client().await?;
    let mut failed = Vec::new();
    for number in 0..scene.size(40, 200) {
        failed.push(client.dispatch(flaky(number)).await?.id());
    }
    for id in &failed {
        let execution = client.execution::<u64>(*id);
        if !matches!(execution.wait("60s").await, Err(ExecutionError::Failed(_))) {
            return Err("an execution that was told to fail did not".into());
        }
    }
    let mut outcome = Outcome::default();
    scene.dismiss(&mut outcome).await?;
    let before = scene.loads.len();
    for _ in 0..8 {
        scene.load("redrive", 0, &[])?;
    }
    // In the middle of it.
    let letters = "SELECT CAST(count(*) AS TEXT) FROM dead_letters";
    let (mut look, begun, all) = (scene.look().await?, Instant::now(), u64::try_from(failed.len())?);
    while look.number(letters, letters).await? + all / 8 > all && begun.elapsed() < Duration::from_secs(30) {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    for load in scene.loads.iter_mut().skip(before).step_by(2) {
        load.kill().await?;
    }
    for load in scene.loads.iter_mut().skip(before).filter(|load| !load.is_doomed) {
        load.wait(Duration::from_secs(60)).await?;
    }
    scene.crew(2, &[]).await?;
    let (passed, evidence) = scene.common_pass().await?;
    let mut done = 0;
    for id in &failed {
        let of = |call: &&Recorded| call.call == Call::Redrive { execution: *id };
        let answers = evidence.calls.iter().filter(of);
        let done_here = answers.filter(|call| matches!(call.answer, Answer::Ok { .. })).count();
        let starts = evidence.effects.iter().filter(|effect| effect.execution == *id).count();
        outcome.demand(done_here <= 1, || format!("S12: {id} was redriven {done_here} times"));
        outcome.demand(starts == 2, || format!("S12: {id} was started {starts} times, not once and once more"));
        done += done_here;
    }
    let left = look.number(letters, letters).await?;
    outcome.demand(left == 0, || format!("S12: {left} dead letters of executions that completed"));
    outcome.count("redriven, and answered so", done);
    outcome.counts.extend(passed.counts);
    outcome.wrong.extend(passed.wrong);
    Ok(outcome)
}

/// P14: cancels, ends, signals and maps meet at the same executions; the server must see no deadlock.
pub(super) async fn lock_order(scene: &mut Scene) -> Result<Outcome> {
    scene.prepare().await?;
    scene.crew(4, &[("slots", "4".into()), ("suspend-ms", "0".into())]).await?;
    let count = scene.size(30, 200);
    for kind in ["W4", "W4", "W2", "cancelled"] {
        scene.load(kind, count, &[("items", "40".into()), ("chunk", "10".into())])?;
    }
    Ok(scene.common_pass().await?.0)
}

/// Q01: many processes write one file.
pub(super) async fn busy_file(scene: &mut Scene) -> Result<Outcome> {
    scene.prepare().await?;
    let (workers, loads, count) = scene.size((6, 3, 25), (12, 6, 100));
    scene.crew(workers, &[]).await?;
    for _ in 0..loads {
        scene.load("W4", count, &[("items", "100".into())])?;
    }
    let (mut outcome, evidence) = scene.common_pass().await?;
    for call in &evidence.calls {
        let text = format!("{:?}", call.answer);
        outcome.demand(!text.contains("locked") && !text.contains("another writer"), || {
            format!("a caller was told {text}")
        });
    }
    let by = |pid: u32| evidence.effects.iter().filter(|effect| effect.pid == pid).count();
    let least = scene.workers.iter().map(|worker| by(worker.id())).min().unwrap_or(0);
    let share = least * 1_000 / evidence.effects.len().max(1);
    outcome.count("per mille of the effects by the least busy process", share);
    outcome.demand(share >= 10, || format!("a process was starved: {share} per mille of the effects"));
    Ok(outcome)
}
