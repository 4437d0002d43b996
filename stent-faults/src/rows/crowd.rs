//! Many that wait, and what ended and is deleted meanwhile: B09, B18; and many that tell each other: P13.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use stent_core::backend::ExecutionFilter;

use crate::Result;
use crate::functions::listen;
use crate::history::{self, Answer, Call};
use crate::place::{Place, Way};
use crate::run::Outcome;
use crate::run::scene::Scene;

/// Executions of one batch.
const BATCH: u64 = 1_000;

/// B09: thousands wait for a signal. Who works beside them is hardly slower, and all of them end when it comes.
pub(super) async fn waiting(scene: &mut Scene) -> Result<Outcome> {
    scene.prepare().await?;
    scene.crew(2, &[("pool", "2".into())]).await?;
    let client = scene.client().await?;
    let alone = timed(scene).await?;
    let idle = memory(scene);
    let crowd = scene.size(2_000, 10_000);
    for batch in 0..crowd / BATCH {
        let calls = (0..BATCH).map(|at| listen(batch * BATCH + at, 1));
        client.dispatch_all(calls).await?;
    }
    let mut look = scene.look().await?;
    let waiting = "SELECT CAST(count(*) AS TEXT) FROM tasks WHERE parent IS NULL AND state = 'suspended'";
    let begun = Instant::now();
    while look.number(waiting, waiting).await? < crowd {
        if begun.elapsed() > Duration::from_secs(120) {
            return Err("R1: not all that wait are suspended".into());
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let grown = memory(scene).saturating_sub(idle);
    let beside = timed(scene).await?;
    scene.load("wake", 1, &[])?;
    let (mut outcome, _) = scene.common_pass().await?;
    outcome.count("that waited", crowd);
    outcome.count("MiB more with them", grown);
    outcome.demand(grown <= 100, || format!("R1: a worker holds {grown} MiB for those that wait"));
    outcome.count("ms of work alone", alone.as_millis());
    outcome.count("ms of work beside them", beside.as_millis());
    // 1.3 times on a machine that does nothing else.
    outcome.demand(beside <= alone * 2, || format!("L4: {beside:?} of work beside those that wait, {alone:?} without"));
    Ok(outcome)
}

/// How long a load takes.
async fn timed(scene: &mut Scene) -> Result<Duration> {
    let begun = Instant::now();
    scene.load("W1", scene.size(60, 200), &[("step-ms", "20".into())])?;
    while scene.is_loaded() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(begun.elapsed())
}

/// MiB of the largest worker.
fn memory(scene: &Scene) -> u64 {
    scene.workers.iter().map(|worker| worker.memory()).max().unwrap_or(0)
}

/// B18: what ended is deleted all the time, by processes that are killed, beside workers that are killed.
pub(super) async fn retention(scene: &mut Scene) -> Result<Outcome> {
    scene.prepare().await?;
    scene.crew(3, &[]).await?;
    scene.load("W4", scene.size(300, 1_000), &[("items", "100".into())])?;
    let (mut outcome, mut kills) = (Outcome::default(), 0);
    while scene.is_loaded() {
        scene.load("prune", 1, &[])?;
        let pause = scene.random.u64(300..900);
        tokio::time::sleep(Duration::from_millis(pause)).await;
        if let Some(mut pruner) = scene.loads.pop() {
            let ended = pruner.ended()?;
            outcome.demand(ended.is_none(), || format!("R5: retention ended: {}", pruner.last_words()));
            pruner.kill().await?;
        }
        scene.histories.pop();
        kills += 1;
        if kills % 5 == 0 {
            let at = scene.random.usize(..scene.workers.len());
            scene.replace(at, &[]).await?;
        }
    }
    scene.finish(&mut outcome).await?;
    outcome.count("kills of retention", kills);
    let lost = scene.watched(&mut outcome);
    outcome.demand(lost.is_empty(), || format!("S6: {lost:?}"));
    // What was dispatched ended for its client: none of it was deleted before.
    let mut waits = 0_u64;
    for history in &scene.histories {
        for recorded in history::read(history)? {
            if let Call::Wait { execution } = recorded.call {
                waits += 1;
                let ended = match &recorded.answer {
                    Answer::Ok { .. } => true,
                    Answer::Error { state, .. } => state.as_deref() == Some("cancelled"),
                    Answer::Unknown { .. } => false,
                };
                outcome.demand(ended, || format!("execution {execution}: a client was told {:?}", recorded.answer));
            }
        }
    }
    outcome.count("clients that were told an end", waits);
    // With all of it old, nothing stays.
    let (client, begun) = (scene.client().await?, Instant::now());
    let stay = client.backend().count_executions(&ExecutionFilter::default()).await?;
    outcome.count("executions that were not deleted meanwhile", stay);
    outcome.demand(stay < waits, || "R5: nothing was deleted under load".into());
    let mut look = scene.look().await?;
    let left = "SELECT CAST((SELECT count(*) FROM tasks) + (SELECT count(*) FROM journal) + (SELECT count(*) FROM signals) AS TEXT)";
    let mut rows = u64::MAX;
    while rows > 0 && begun.elapsed() < Duration::from_secs(30) {
        tokio::time::sleep(Duration::from_millis(100)).await;
        let now = client.clock().now();
        let steps = (0..4).map(|_| client.backend().prune(now, now));
        for step in join_all(steps).await {
            step?;
        }
        rows = look.number(left, left).await?;
    }
    outcome.demand(rows == 0, || format!("R5: {rows} rows stay for ever"));
    Ok(outcome)
}

/// P13: eight clients dispatch, and tell each other so. They are hardly slower than eight that tell nobody, and none waits for the lock of notifications.
pub(super) async fn notifications(scene: &mut Scene) -> Result<Outcome> {
    scene.prepare().await?;
    let mut times = [Duration::ZERO; 2];
    let mut waits = 0;
    // In turns, for what else the machine does.
    for round in 0..scene.size(6, 10) {
        let way = if round % 2 == 0 { Way::Quiet } else { Way::Direct };
        if let Place::Postgres { way: current, .. } = &mut scene.place {
            *current = way;
        }
        let begun = Instant::now();
        for _ in 0..8 {
            scene.load("dispatch", scene.size(1_000, 10_000), &[])?;
        }
        waits += locked(scene).await?;
        if let Some(time) = times.get_mut(round % 2) {
            *time += begun.elapsed();
        }
    }
    let mut outcome = Outcome::default();
    for load in &mut scene.loads {
        let fine = load.ended()?.is_some_and(|status| status.success());
        outcome.demand(fine, || format!("a client: {}", load.last_words()));
    }
    // Nobody runs them: that they are there is what counts.
    scene.judged(&mut outcome).await?;
    outcome.count("ms with nobody told", times[0].as_millis());
    outcome.count("ms with eight told", times[1].as_millis());
    outcome.count("waits for the lock of notifications", waits);
    outcome.demand(waits == 0, || format!("R6: {waits} samples saw a write wait for the lock of notifications"));
    // 85 % on a machine that does nothing else.
    let most = times[0].mul_f64(scene.size(1.5, 1.0 / 0.85));
    outcome.demand(times[1] <= most, || format!("R6: {:?} with hints, {:?} without", times[1], times[0]));
    Ok(outcome)
}

/// Until all loads are over: how often what dispatches was seen to wait for the lock that notifying takes.
async fn locked(scene: &mut Scene) -> Result<u64> {
    let mut look = scene.look().await?;
    let sample = "SELECT count(*) FROM pg_locks JOIN pg_stat_activity USING (pid)
                  WHERE locktype = 'object' AND pg_locks.database = 0 AND NOT granted AND query NOT LIKE '%pg_notify%'";
    let mut waits = 0;
    while scene.is_loaded() {
        waits += look.number(sample, sample).await?;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Ok(waits)
}
