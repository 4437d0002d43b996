//! What is between a worker and its server: P05, P06, P09.

use std::time::{Duration, Instant};

use futures_util::future::join_all;

use super::kill::overlaps;
use crate::Result;
use crate::place::Place;
use crate::run::Outcome;
use crate::run::proxy::{Mode, Proxy};
use crate::run::scene::Scene;

/// The place behind a proxy.
fn behind(scene: &Scene, proxy: &Proxy) -> Result<Place> {
    let Place::Postgres { url, schema } = &scene.place else { return Err("the row needs a server".into()) };
    let port = scene.server()?.port().to_string();
    Ok(Place::Postgres { url: url.replace(&port, &proxy.port.to_string()), schema: schema.clone() })
}

/// P05: connections are reset all the time.
pub(super) async fn resets(scene: &mut Scene) -> Result<Outcome> {
    scene.prepare().await?;
    let proxy = Proxy::start(scene.server()?.port()).await?;
    let place = behind(scene, &proxy)?;
    for _ in 0..4 {
        scene.worker_at(&place, &[], &[])?;
    }
    for worker in &mut scene.workers {
        worker.ready().await?;
    }
    scene.load("W4", scene.size(60, 400), &[("items", "100".into())])?;
    let (begun, mut resets) = (Instant::now(), 0);
    while begun.elapsed() < Duration::from_secs(scene.size(6, 60)) {
        tokio::time::sleep(Duration::from_millis(1_500)).await;
        proxy.set(Mode::Rst);
        tokio::time::sleep(Duration::from_millis(50)).await;
        proxy.set(Mode::Pass);
        resets += 1;
    }
    let (mut outcome, _) = scene.common_pass().await?;
    outcome.count("resets", resets);
    Ok(outcome)
}

/// P06: one worker's packets go nowhere for longer than its lease.
pub(super) async fn blackhole(scene: &mut Scene) -> Result<Outcome> {
    scene.prepare().await?;
    let proxy = Proxy::start(scene.server()?.port()).await?;
    let place = behind(scene, &proxy)?;
    let at = scene.worker_at(&place, &[], &[])?;
    if let Some(worker) = scene.workers.get_mut(at) {
        worker.ready().await?;
    }
    scene.crew(2, &[]).await?;
    scene.load("W1", scene.size(8, 40), &[("step-ms", "1000".into())])?;
    tokio::time::sleep(Duration::from_millis(2_500)).await;
    proxy.set(Mode::Blackhole);
    let cut = crate::ledger::boottime();
    tokio::time::sleep(Duration::from_secs(scene.size(7, 20))).await;
    proxy.set(Mode::Pass);
    let passed = crate::ledger::boottime();
    let (mut outcome, evidence) = scene.common_pass().await?;
    let pid = scene.workers.get(at).map_or(0, |worker| worker.id());
    overlaps(&evidence, &[pid], &mut outcome);
    // L6: its lease is over 2 s after its last renewal; a step that it began before may end.
    let late = evidence
        .effects
        .iter()
        .filter(|effect| effect.pid == pid && effect.at > cut + 3_500_000_000 && effect.at < passed);
    let late = late.count();
    outcome.demand(late == 0, || format!("L6: its code did {late} things after its lease"));
    outcome.count("ms cut off", (passed - cut) / 1_000_000);
    Ok(outcome)
}

/// P09: workers with one connection each, and many callers.
pub(super) async fn small_pool(scene: &mut Scene) -> Result<Outcome> {
    scene.prepare().await?;
    scene.crew(2, &[("pool", "1".into()), ("slots", "8".into())]).await?;
    let client = scene.client().await?;
    scene.load("W1", scene.size(60, 300), &[])?;
    let (mut asked, mut refused) = (0_u64, 0_u64);
    while scene.is_loaded() {
        let callers = (0..200).map(|_| scene.open_executions(&**client.backend()));
        let answers = join_all(callers).await;
        asked += 200;
        refused += u64::try_from(answers.iter().filter(|answer| answer.is_err()).count())?;
    }
    let (mut outcome, _) = scene.common_pass().await?;
    for worker in &scene.workers {
        // Those that were cancelled are gone, too.
        outcome.demand(!worker.said().contains("why=L"), || "L2: a lease was lost".into());
    }
    outcome.count("questions", asked);
    outcome.count("refused", refused);
    Ok(outcome)
}
