//! Processes that are killed, stopped and made to crash: B01, B02, B03, B06, B10, Q05.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use stent_core::ExecutionId;
use stent_core::backend::{ExecutionFilter, Page};
use stent_core::execution::ExecutionState;
use stent_core::task::TaskState;
use stent_executor::{Stent, StentError};

use crate::check::Evidence;
use crate::functions::{batch, poison};
use crate::ledger::What;
use crate::run::scene::Scene;
use crate::run::{Kind, Outcome};
use crate::{Result, fault};

/// B01: every few seconds a random worker is killed, and another one started.
pub(super) async fn random_workers(scene: &mut Scene) -> Result<Outcome> {
    scene.prepare().await?;
    scene.crew(4, &[]).await?;
    let (rounds, count, items) = scene.size((6, 160, 200), (25, 600, 2_000));
    scene.load("W4", count, &[("items", items.to_string())])?;
    let mut killed = Vec::new();
    for _ in 0..rounds {
        let (low, high) = scene.size((700, 1_500), (2_000, 4_000));
        tokio::time::sleep(Duration::from_millis(scene.random.u64(low..high))).await;
        let at = scene.random.usize(..scene.workers.len());
        killed.extend(scene.workers.get(at).map(|worker| worker.id()));
        scene.replace(at, &[]).await?;
    }
    let (mut outcome, evidence) = scene.common_pass().await?;
    outcome.count("kills", killed.len());
    overlaps(&evidence, &killed, &mut outcome);
    Ok(outcome)
}

/// Two runs of one step overlap only if the process of the first was killed, or stopped for longer than its lease.
pub(super) fn overlaps(evidence: &Evidence, excused: &[u32], outcome: &mut Outcome) {
    let mut running = BTreeMap::new();
    for effect in &evidence.effects {
        let key = (effect.task, effect.key.clone());
        match effect.what {
            What::Start if effect.key.starts_with("step") => {
                if let Some(first) = running.insert(key, effect.pid) {
                    let what = format!("S3: {} of task {} ran twice at once", effect.key, effect.task);
                    outcome.demand(excused.contains(&first), || what);
                }
            }
            What::End => drop(running.remove(&key)),
            _ => {}
        }
    }
}

/// B02: a worker that is in the middle of a step is stopped for longer than its lease, and goes on.
pub(super) async fn stopped(scene: &mut Scene) -> Result<Outcome> {
    scene.prepare().await?;
    scene.crew(4, &[]).await?;
    let (rounds, count) = scene.size((2, 14), (10, 100));
    scene.load("W1", count, &[("step-ms", "1000".into())])?;
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    let mut stopped = Vec::new();
    for _ in 0..rounds {
        let Some(at) = scene.mid_step()? else { break };
        let Some(worker) = scene.workers.get_mut(at) else { break };
        stopped.push((at, worker.id()));
        worker.signal(Signal::STOP);
        tokio::time::sleep(Duration::from_secs(5)).await;
        if let Some(worker) = scene.workers.get_mut(at) {
            worker.signal(Signal::CONT);
        }
        tokio::time::sleep(Duration::from_millis(700)).await;
    }
    let (mut outcome, evidence) = scene.common_pass().await?;
    let pids: Vec<u32> = stopped.iter().map(|(_, pid)| *pid).collect();
    overlaps(&evidence, &pids, &mut outcome);
    let told = |at: &usize| {
        scene.workers.get(*at).is_some_and(|worker| {
            let said = worker.said();
            said.contains("claim") || said.contains("lease")
        })
    };
    let learned = stopped.iter().filter(|(at, _)| told(at)).count();
    outcome.count("stops", stopped.len());
    outcome.count("that learned of a lost claim", learned);
    outcome.demand(!stopped.is_empty(), || "no worker was in the middle of a step".into());
    outcome.demand(learned > 0, || "no stopped worker was told that its claim is gone".into());
    Ok(outcome)
}

/// B03: functions that take their process with them use up their attempts, and end in dead letters.
pub(super) async fn poisoned(scene: &mut Scene) -> Result<Outcome> {
    scene.prepare().await?;
    let client = scene.client().await?;
    let mut poisons = Vec::new();
    for (number, way) in (0..).zip(["abort", "segv", "overflow"]) {
        poisons.push(client.dispatch(poison(number, way.into())).await?.id());
    }
    // One slot each: no poison is lost with the process of another, before it began.
    let alone = vec![("slots", "1".to_owned())];
    given_up(scene, Poison { client, poisons, workers: 2, alone }).await
}

/// Executions that take their process with them, and who runs them.
pub(super) struct Poison {
    pub(super) client: Stent,
    pub(super) poisons: Vec<ExecutionId>,
    pub(super) workers: usize,
    pub(super) alone: Vec<(&'static str, String)>,
}

/// Runs them beside others by workers that are started again: each has its attempts, and ends in a dead letter.
pub(super) async fn given_up(scene: &mut Scene, poison: Poison) -> Result<Outcome> {
    let Poison { client, poisons, workers, alone } = poison;
    for _ in 0..workers {
        scene.worker(&alone)?;
    }
    scene.load("W1", scene.size(20, 100), &[])?;
    let mut restarts = 0;
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(90) {
        let open = scene.open_executions(&**client.backend()).await?;
        if open == 0 && !scene.is_loaded() {
            break;
        }
        for at in 0..scene.workers.len() {
            let has_ended = match scene.workers.get_mut(at) {
                Some(worker) => worker.ended()?.is_some(),
                None => false,
            };
            if has_ended {
                restarts += 1;
                scene.replace(at, &alone).await?;
            }
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let (mut outcome, evidence) = scene.common_pass().await?;
    outcome.count("restarts", restarts);
    let most = 3 * poisons.len();
    outcome.demand(restarts <= most, || format!("{restarts} workers died of {most} attempts"));
    for id in poisons {
        let starts = evidence.effects.iter().filter(|effect| effect.execution == id).count();
        let state = evidence.tasks.get(&id.root()).map(|root| root.state);
        outcome.demand(starts == 3 && state == Some(TaskState::Failed), || {
            format!("S11: poison {id}: {starts} starts, and it is {state:?}")
        });
        let letter = client.backend().dead_letter(id.root()).await?;
        let class = letter.map(|letter| letter.failure.class().to_string());
        outcome.demand(class.as_deref() == Some("WorkerLost"), || format!("S12: the dead letter of {id}: {class:?}"));
    }
    Ok(outcome)
}

/// The calls of a worker, at whose boundaries it crashes.
const OF_WORKERS: [&str; 8] = ["claim", "renew", "load", "write", "complete", "suspend", "map_items", "news"];
/// Those of a client.
const OF_CLIENTS: [&str; 4] = ["dispatch", "cancel", "send", "executions"];

/// B06: a crash before and after every call of the backend.
pub(super) async fn at_every_boundary(scene: &mut Scene) -> Result<Outcome> {
    scene.prepare().await?;
    let mut missed = Vec::new();
    let (mut hit, times) = (0, scene.size(1, 2));
    for (methods, of_client) in [(&OF_WORKERS[..], false), (&OF_CLIENTS[..], true)] {
        for method in methods {
            for moment in ["before", "after"] {
                for time in 1..=times {
                    let boundary = format!("{method}:{moment}:{time}");
                    match crash(scene, &boundary, of_client).await? {
                        true => hit += 1,
                        false => missed.push(boundary),
                    }
                }
            }
        }
    }
    // For what the last crashes have left.
    scene.crew(1, &[]).await?;
    let (mut outcome, _) = scene.common_pass().await?;
    outcome.count("crashes", hit);
    outcome.demand(missed.is_empty(), || format!("boundaries that no process came to: {missed:?}"));
    Ok(outcome)
}

/// A small load in which one process crashes at the boundary, and whose work others finish; false if it never came there.
async fn crash(scene: &mut Scene, boundary: &str, of_client: bool) -> Result<bool> {
    let environment = [(fault::VARIABLE.to_owned(), boundary.to_owned())];
    let none = [];
    let (worker, load) = if of_client { (&none[..], &environment[..]) } else { (&environment[..], &none[..]) };
    let place = scene.place.clone();
    let waits = [("items", "60".to_owned()), ("chunk", "20".to_owned()), ("waits", "3".to_owned())];
    let quick = [("suspend-ms", "0".to_owned()), ("lease-ms", "600".to_owned())];
    let at = scene.worker_at(&place, &quick, worker)?;
    let kind = match boundary.split(':').next() {
        Some("send") => "W3",
        Some("cancel") => "cancelled",
        Some("map_items") => "W2",
        _ => "W4",
    };
    scene.load_with(kind, 12, &waits, load)?;
    // What the mix of 12 may leave out.
    scene.load("W2", 1, &waits)?;
    scene.load("W3", 1, &waits)?;
    let faulty = scene.loads.len().saturating_sub(3);
    let begun = Instant::now();
    let mut has_crashed = false;
    while begun.elapsed() < Duration::from_secs(20) && !has_crashed && scene.is_loaded() {
        let ended = match of_client {
            true => scene.loads.get_mut(faulty).map(|load| load.ended()).transpose()?.flatten(),
            false => scene.workers.get_mut(at).map(|worker| worker.ended()).transpose()?.flatten(),
        };
        has_crashed = ended.is_some_and(|status| !status.success());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let crashed = if of_client { scene.loads.get_mut(faulty) } else { scene.workers.get_mut(at) };
    if let (true, Some(process)) = (has_crashed, crashed) {
        process.is_doomed = true;
    }
    let clean = scene.worker(&quick)?;
    while scene.is_loaded() && begun.elapsed() < Duration::from_secs(60) {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    if of_client && has_crashed {
        cancel_waiting(scene).await?;
    }
    for worker in [at, clean] {
        if let Some(worker) = scene.workers.get_mut(worker) {
            worker.kill().await?;
        }
    }
    Ok(has_crashed)
}

/// Cancels those whose sender is gone.
async fn cancel_waiting(scene: &Scene) -> Result {
    let client = scene.client().await?;
    let open = ExecutionState::ALL.into_iter().filter(|state| !state.is_final()).collect();
    let filter = ExecutionFilter { states: open, ..ExecutionFilter::default() };
    for execution in client.backend().list_executions(&filter, Page::first(1_000)).await? {
        if execution.function.to_string().ends_with("::listen") {
            match client.cancel(execution.id).await {
                Ok(()) | Err(StentError::AlreadyFinal { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
    Ok(())
}

/// About what an item writes down.
const LINE: u64 = 186;

/// B10: the worker of a large map's parent is killed twice.
pub(super) async fn large_map(scene: &mut Scene) -> Result<Outcome> {
    scene.place.open(2, true).await?;
    let slots = [("slots", "8".to_owned())];
    scene.crew(4, &slots).await?;
    let items = match scene.kind {
        Kind::Postgres => scene.size(10_000, 300_000),
        Kind::Sqlite => scene.size(6_000, 100_000),
    };
    let client = scene.client().await?;
    let execution = client.dispatch(batch(7, items, 1_000)).await?;
    let begun = Instant::now();
    let mut kills = 0;
    for percent in [30, 70] {
        loop {
            let done = std::fs::metadata(scene.ledger()).map_or(0, |file| file.len() / LINE);
            if done * 100 >= items * percent || begun.elapsed() > Duration::from_secs(600) {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let holder = client.backend().task(execution.id().root()).await?.and_then(|task| task.worker);
        let workers = client.backend().workers().await?;
        let pid = workers.iter().find(|worker| Some(worker.id) == holder).map(|worker| worker.process.pid);
        let at = scene.workers.iter().position(|worker| Some(worker.id()) == pid).unwrap_or(0);
        scene.replace(at, &slots).await?;
        kills += 1;
    }
    let result = tokio::time::timeout(Duration::from_secs(600), execution.result()).await;
    let mut outcome = Outcome::default();
    outcome
        .demand(matches!(result, Ok(Ok(_))), || format!("the map's result: {:?}", result.map(|result| result.err())));
    outcome.count("items a second", u128::from(items) * 1_000 / begun.elapsed().as_millis().max(1));
    scene.dismiss(&mut outcome).await?;
    let evidence = scene.judged(&mut outcome).await?;
    let mut starts: BTreeMap<_, u32> = BTreeMap::new();
    for effect in evidence.effects.iter().filter(|effect| effect.what == What::Start) {
        *starts.entry(effect.task).or_default() += 1;
    }
    let most = starts.values().max().copied().unwrap_or(0);
    outcome.count("kills", kills);
    outcome.count("starts at most an item", most);
    outcome.demand(most <= 2, || format!("S13: an item was started {most} times"));
    Ok(outcome)
}

/// Q05: one process is killed all the time, in the middle of whatever it writes.
pub(super) async fn all_the_time(scene: &mut Scene) -> Result<Outcome> {
    scene.prepare().await?;
    scene.crew(1, &[]).await?;
    let kills = scene.size(20, 150);
    scene.load("W1", scene.size(40, 400), &[])?;
    let mut checks = 0;
    for kill in 1..=kills {
        tokio::time::sleep(Duration::from_millis(200)).await;
        scene.replace(0, &[]).await?;
        if let Some(worker) = scene.workers.get_mut(0) {
            worker.ready().await?;
        }
        if kill % 25 == 0 || kill == kills {
            let said = scene.look().await?.rows("PRAGMA integrity_check", "SELECT 'ok'").await?;
            if said != [[Some("ok".to_owned())]] {
                return Err(format!("after {kill} kills the file is damaged: {said:?}").into());
            }
            checks += 1;
        }
    }
    let (mut outcome, _) = scene.common_pass().await?;
    outcome.count("kills", kills);
    outcome.count("integrity checks", checks);
    Ok(outcome)
}
