//! What programs do: panics (B04), drains (B05), schemas (B13), functions that some lack (B16), limits (B20).

use std::collections::BTreeMap;
use std::time::Duration;

use rustix::process::Signal;
use stent_executor::{ExecutionError, RetryPolicy};

use crate::Result;
use crate::functions::{late, trouble};
use crate::ledger::What;
use crate::run::Outcome;
use crate::run::scene::Scene;

/// B04: whatever panics fails its own task, and the process goes on at full width.
pub(super) async fn panics(scene: &mut Scene) -> Result<Outcome> {
    scene.prepare().await?;
    scene.crew(1, &[]).await?;
    let client = scene.client().await?;
    let mut outcome = Outcome::default();
    let each = scene.size(3, 50);
    let once = RetryPolicy::builder().max_attempts(1).build()?;
    let mut failed = 0;
    for way in ["step", "body", "drop", "any", "encoder"] {
        for number in 0..each {
            let execution = client.dispatch(trouble(number, way.into()).retry(once.clone())).await?;
            match execution.wait("20s").await {
                Err(ExecutionError::Failed(failure)) => {
                    failed += 1;
                    let class = failure.class().to_string();
                    outcome.demand(class == "Panic", || format!("S18: a panic in {way} is a failure of class {class}"));
                }
                other => outcome.wrong.push(format!("S18: a panic in {way}: {other:?}")),
            }
        }
    }
    // Two at once still, in the same process.
    scene.load("W1", scene.size(10, 50), &[])?;
    let (passed, evidence) = scene.common_pass().await?;
    let (mut running, mut widest) = (0_u32, 0);
    for effect in evidence.effects.iter().filter(|effect| effect.key.starts_with("step ")) {
        match effect.what {
            What::Start => running += 1,
            What::End => running = running.saturating_sub(1),
            _ => {}
        }
        widest = widest.max(running);
    }
    outcome.demand(widest >= 2, || "S18: no two slots were in use afterwards".into());
    outcome.count("panics", failed);
    outcome.counts.extend(passed.counts);
    outcome.wrong.extend(passed.wrong);
    Ok(outcome)
}

/// B05: workers are told to end at any moment, every second one twice.
pub(super) async fn drains(scene: &mut Scene) -> Result<Outcome> {
    scene.prepare().await?;
    let arguments = [("grace-ms", "1500".to_owned())];
    scene.crew(3, &arguments).await?;
    scene.load("W1", scene.size(60, 300), &[])?;
    let mut outcome = Outcome::default();
    let rounds = scene.size(5, 20);
    for round in 0..rounds {
        tokio::time::sleep(Duration::from_millis(scene.random.u64(200..900))).await;
        let at = scene.random.usize(..scene.workers.len());
        let told = crate::ledger::boottime();
        let mut pid = 0;
        if let Some(worker) = scene.workers.get_mut(at) {
            pid = worker.id();
            worker.signal(Signal::TERM);
            if round % 2 == 1 {
                tokio::time::sleep(Duration::from_millis(100)).await;
                worker.signal(Signal::TERM);
            }
            let status = worker.wait(Duration::from_secs(20)).await?;
            let fine = matches!(status.code(), Some(0 | 75));
            outcome.demand(fine, || format!("S20: it drained and said {status}"));
        }
        // A task that was claimed before goes on: its first step alone says that it was claimed.
        let late = scene.effects()?.into_iter().filter(|effect| {
            effect.pid == pid && effect.what == What::Start && effect.key == "step 0" && effect.at > told + 500_000_000
        });
        let late = late.count();
        outcome.demand(late == 0, || format!("S20: {late} tasks were begun after SIGTERM"));
        scene.worker(&arguments)?;
        scene.workers.swap_remove(at);
    }
    let (passed, _) = scene.common_pass().await?;
    outcome.counts.extend(passed.counts);
    outcome.wrong.extend(passed.wrong);
    outcome.count("drains", rounds);
    Ok(outcome)
}

/// B13: many processes start on an empty database at once; a schema that is newer is refused, and left as it is.
pub(super) async fn migrations(scene: &mut Scene) -> Result<Outcome> {
    for _ in 0..8 {
        scene.worker(&[])?;
    }
    let mut outcome = Outcome::default();
    for worker in &mut scene.workers {
        let ready = worker.ready().await?;
        outcome.demand(ready, || format!("S21: a process did not start: {}", worker.last_words()));
    }
    scene.dismiss(&mut outcome).await?;
    let mut look = scene.look().await?;
    let (sqlite, postgres) = ("PRAGMA user_version", "SELECT version FROM schema_version");
    let version = look.number(sqlite, postgres).await?;
    let rows = look.rows(sqlite, postgres).await?.len();
    outcome.count("version", version);
    outcome.demand(rows == 1 && version > 0, || format!("S21: {rows} versions, the first is {version}"));
    let newer = version + 1;
    look.run(&format!("PRAGMA user_version = {newer}"), "UPDATE schema_version SET version = version + 1").await?;
    let at = scene.worker(&[])?;
    if let Some(worker) = scene.workers.get_mut(at) {
        let status = worker.wait(Duration::from_secs(20)).await?;
        worker.is_doomed = true;
        let said = worker.last_words();
        let names = said.contains(&newer.to_string()) && said.contains(&version.to_string());
        outcome.demand(!status.success() && names, || format!("S21: on a newer schema: {status}: {said}"));
    }
    let after = look.number(sqlite, postgres).await?;
    outcome.demand(after == newer, || format!("S21: the version was changed to {after}"));
    Ok(outcome)
}

/// B16: a worker that lacks a function neither takes its tasks nor is hindered by them.
pub(super) async fn unknown_function(scene: &mut Scene) -> Result<Outcome> {
    scene.prepare().await?;
    scene.crew(1, &[("without-late", String::new())]).await?;
    let client = scene.client().await?;
    let count = scene.size(40, 200);
    for number in 0..count {
        client.dispatch(late(1_000_000 + number).priority(10)).await?;
    }
    scene.load("W1", scene.size(20, 100), &[])?;
    tokio::time::sleep(Duration::from_secs(scene.size(4, 20))).await;
    let mut outcome = Outcome::default();
    let begun = scene.effects()?;
    outcome.demand(begun.iter().any(|effect| effect.key == "step 4"), || "L4: what it has was not run".into());
    outcome.demand(begun.iter().all(|effect| effect.key != crate::functions::BODY), || {
        "C-R7: it ran what it lacks".into()
    });
    scene.worker(&[])?;
    let (passed, evidence) = scene.common_pass().await?;
    let late = evidence.tasks.values().filter(|task| task.function.ends_with("late"));
    outcome.demand(late.clone().all(|task| task.attempt == 1), || "S11: attempts were used up".into());
    outcome.counts.extend(passed.counts);
    outcome.wrong.extend(passed.wrong);
    Ok(outcome)
}

/// B20: at most three at once, whoever dies.
pub(super) async fn limits(scene: &mut Scene) -> Result<Outcome> {
    scene.prepare().await?;
    scene.crew(4, &[]).await?;
    scene.load("limited", scene.size(60, 400), &[("step-ms", "100".into())])?;
    let held = "SELECT CAST(count(*) AS TEXT) FROM tasks WHERE place AND function LIKE '%limited'";
    let mut look = scene.look().await?;
    let (rounds, mut most, mut killed) = (scene.size(3, 15), 0, Vec::new());
    for _ in 0..rounds {
        for _ in 0..scene.size(15, 40) {
            most = most.max(look.number(held, held).await?);
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let at = scene.random.usize(..scene.workers.len());
        killed.extend(scene.workers.get(at).map(|worker| (worker.id(), crate::ledger::boottime())));
        scene.replace(at, &[]).await?;
    }
    let (mut outcome, evidence) = scene.common_pass().await?;
    let mut running = BTreeMap::new();
    let mut widest = 0;
    for effect in evidence.effects.iter().filter(|effect| effect.key == crate::functions::BODY) {
        match effect.what {
            What::Start => drop(running.insert(effect.task, effect.pid)),
            _ => drop(running.remove(&effect.task)),
        }
        // Those of killed processes run no more, and their places are held until their leases end.
        let is_dead = |pid: u32| killed.iter().any(|(killed, at)| *killed == pid && *at <= effect.at);
        widest = widest.max(running.values().filter(|pid| !is_dead(**pid)).count());
    }
    outcome.count("places held at most", most);
    outcome.count("at once at most", widest);
    outcome.demand(most <= 3 && widest <= 3, || format!("S14: {most} places, {widest} at once, of 3"));
    outcome.demand(most > 0 && widest > 1, || "the limit was not tried".into());
    Ok(outcome)
}
