//! Processes with different code: programs that changed (B12), and one whose code is stuck (B17).

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use stent_core::ExecutionId;
use stent_core::task::TaskState;

use super::kill::overlaps;
use crate::Result;
use crate::functions::BODY;
use crate::ledger::{Effect, What};
use crate::program::{DIVERGING, FITTING, HELD, changing, stuck};
use crate::run::Outcome;
use crate::run::scene::Scene;

/// How long anything may take that has only to be waited for.
const PATIENCE: Duration = Duration::from_secs(60);

/// B12: a worker is killed in the middle, and its place is taken by changed code: what does not fit waits, and has started nothing.
pub(super) async fn changed_code(scene: &mut Scene) -> Result<Outcome> {
    scene.prepare().await?;
    let all = |program: &str| [("program", program.to_owned()), ("slots", "200".to_owned())];
    scene.crew(1, &all("holding")).await?;
    let client = scene.client().await?;
    let each = scene.size(3, 20);
    let mut changes = BTreeMap::new();
    for number in 0..each {
        for change in DIVERGING.into_iter().chain(FITTING) {
            changes.insert(client.dispatch(changing(number, change.into())).await?.id(), change);
        }
    }
    held(scene, changes.len()).await?;
    scene.replace(0, &all("changed")).await?;
    let (begun, mut seen) = (Instant::now(), BTreeMap::new());
    while begun.elapsed() < PATIENCE && seen.len() < changes.len() {
        tokio::time::sleep(Duration::from_millis(50)).await;
        for (id, change) in &changes {
            let Some(task) = client.backend().task(id.root()).await? else { continue };
            let reason = task.reason.unwrap_or_default();
            if reason.starts_with("Nondeterminism: turn ") || task.state == TaskState::Completed {
                seen.insert(*id, (*change, task.state, task.attempt));
            }
        }
    }
    let mut outcome = Outcome::default();
    let unseen = changes.len() - seen.len();
    outcome.demand(unseen == 0, || format!("S4: {unseen} executions neither diverged nor completed"));
    let changed = scene.workers.first().map_or(0, |worker| worker.id());
    let started = |id: &ExecutionId| {
        let effects = scene.effects().unwrap_or_default();
        let by_changed = |effect: &Effect| effect.execution == *id && effect.pid == changed && effect.key != BODY;
        effects.into_iter().find(|effect| effect.what == What::Start && by_changed(effect))
    };
    for (id, (change, state, attempt)) in &seen {
        let fits = FITTING.contains(change);
        let what = || format!("S4: {change}: it is {state}, attempt {attempt}");
        outcome.demand(fits == (*state == TaskState::Completed) && *attempt == 1, what);
        if let Some(effect) = started(id).filter(|_| !fits) {
            outcome.wrong.push(format!("S4: {change}: {} was begun by code that does not fit", effect.key));
        }
    }
    // Code that fits goes on with them.
    scene.replace(0, &all("original")).await?;
    let (passed, _) = scene.common_pass().await?;
    outcome.count("changes", DIVERGING.len() + FITTING.len());
    outcome.counts.extend(passed.counts);
    outcome.wrong.extend(passed.wrong);
    Ok(outcome)
}

/// Waits until so many are in the step that is held.
async fn held(scene: &Scene, count: usize) -> Result {
    let begun = Instant::now();
    while begun.elapsed() < PATIENCE {
        let effects = scene.effects()?;
        if effects.iter().filter(|effect| effect.what == What::Start && effect.key == HELD).count() == count {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Err("not all executions came to the step that is held".into())
}

/// B17: user code blocks every thread of a process; the others do what is to be done.
pub(super) async fn stuck_code(scene: &mut Scene) -> Result<Outcome> {
    scene.prepare().await?;
    scene.crew(1, &[("program", "stuck".into())]).await?;
    let client = scene.client().await?;
    let millis = scene.size(8_000, 20_000);
    for number in 0..2 {
        client.dispatch(stuck(number, millis)).await?;
    }
    let begun = Instant::now();
    while scene.effects()?.len() < 2 && begun.elapsed() < PATIENCE {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    scene.crew(1, &[]).await?;
    scene.load("W1", scene.size(20, 100), &[])?;
    let (mut outcome, evidence) = scene.common_pass().await?;
    let first = scene.workers.first().map_or(0, |worker| worker.id());
    overlaps(&evidence, &[first], &mut outcome);
    let steps = evidence.effects.iter().filter(|effect| effect.key.starts_with("step "));
    let (by_first, by_second): (Vec<_>, Vec<_>) = steps.partition(|effect| effect.pid == first);
    outcome.demand(!by_second.is_empty(), || "L2: the other process did nothing".into());
    let repeated = evidence.effects.iter().filter(|effect| effect.key == "step" && effect.pid != first).count();
    // The heartbeat has a thread of its own: who is stuck keeps its leases.
    outcome.demand(repeated == 0, || format!("C-Q2: {repeated} effects of stuck tasks were taken over"));
    outcome.count("effects of the load in the stuck process", by_first.len());
    outcome.count("effects of the load in the other", by_second.len());
    Ok(outcome)
}
