//! Many that wait, and what ended and is deleted meanwhile: B09, B18.

use std::time::{Duration, Instant};

use futures_util::future::join_all;

use crate::Result;
use crate::functions::listen;
use crate::history::{self, Answer, Call};
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
    scene.load("W4", scene.size(120, 600), &[("items", "100".into())])?;
    let mut kills = 0;
    while scene.is_loaded() {
        scene.load("prune", 1, &[])?;
        let pause = scene.random.u64(300..900);
        tokio::time::sleep(Duration::from_millis(pause)).await;
        if let Some(mut pruner) = scene.loads.pop() {
            pruner.kill().await?;
        }
        scene.histories.pop();
        kills += 1;
        if kills % 5 == 0 {
            let at = scene.random.usize(..scene.workers.len());
            scene.replace(at, &[]).await?;
        }
    }
    let mut outcome = Outcome::default();
    scene.finish(&mut outcome).await?;
    outcome.count("kills of retention", kills);
    let lost = scene.watched(&mut outcome);
    outcome.demand(lost.is_empty(), || format!("S6: {lost:?}"));
    // What was dispatched ended for its client: none of it was deleted before.
    let mut waits = 0;
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
    let mut look = scene.look().await?;
    let (mut rows, tables) = (u64::MAX, ["tasks", "journal", "signals"]);
    while rows > 0 && begun.elapsed() < Duration::from_secs(30) {
        tokio::time::sleep(Duration::from_millis(100)).await;
        let now = client.clock().now();
        let steps = (0..4).map(|_| client.backend().prune(now, now));
        for step in join_all(steps).await {
            step?;
        }
        rows = 0;
        for table in tables {
            let count = format!("SELECT CAST(count(*) AS TEXT) FROM {table}");
            rows += look.number(&count, &count).await?;
        }
    }
    outcome.demand(rows == 0, || format!("R5: {rows} rows stay for ever"));
    Ok(outcome)
}
