//! What the machine runs out of, or has wrong: disk (P08, Q04), memory (P17), clocks (B15, Q09).

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::kill::{Poison, given_up};
use crate::Result;
use crate::functions::hog;
use crate::run::scene::Scene;
use crate::run::{Kind, Outcome};

/// P08, Q04: the disk is full for a while.
pub(super) async fn full_disk(scene: &mut Scene) -> Result<Outcome> {
    let mebibytes = if scene.kind == Kind::Sqlite { 24 } else { 300 };
    if let Err(reason) = scene.move_to_disk(mebibytes).await? {
        return Ok(Outcome::not_run(reason));
    }
    scene.prepare().await?;
    scene.crew(3, &[]).await?;
    scene.load("W4", scene.size(160, 400), &[("items", "60".into())])?;
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    let filled = scene.disk()?.fill()?;
    tokio::time::sleep(Duration::from_secs(scene.size(5, 15))).await;
    scene.disk()?.empty()?;
    if scene.kind == Kind::Postgres {
        // A server that could not write its log has given up, and is started again by its operator.
        let outage = Instant::now();
        while scene.look().await.is_err() {
            if outage.elapsed() > Duration::from_secs(3) {
                scene.crashes += 1;
                tokio::task::block_in_place(|| scene.server()?.control("restart", "immediate"))?;
                break;
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }
    let (mut outcome, _) = scene.common_pass().await?;
    outcome.count("MiB of filler", filled >> 20);
    let mut refusals = 0;
    for worker in &scene.workers {
        let claims = worker.said().matches("cannot claim tasks").count();
        outcome.demand(claims < 200, || format!("a busy loop: {claims} claims were refused"));
        refusals += worker.said().matches("the disk is full").count();
    }
    outcome.count("refusals", refusals);
    outcome.demand(refusals > 0, || "nobody was told that the disk is full".into());
    Ok(outcome)
}

/// A control group with a limit of memory. Removed when dropped, once its processes are gone.
struct Group(PathBuf);

impl Group {
    fn make(mebibytes: u64) -> Result<Self, String> {
        let name = format!("stent-faults-{}", uuid::Uuid::new_v4().simple());
        let (first, second) = (Path::new("/sys/fs/cgroup/memory"), Path::new("/sys/fs/cgroup"));
        let (hierarchy, limit) = if first.is_dir() { (first, "memory.limit_in_bytes") } else { (second, "memory.max") };
        let group = Self(hierarchy.join(name));
        let made =
            fs::create_dir(&group.0).and_then(|()| fs::write(group.0.join(limit), (mebibytes << 20).to_string()));
        made.map_err(|error| format!("no control group can be made: {error}"))?;
        Ok(group)
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        for _ in 0..100 {
            if fs::remove_dir(&self.0).is_ok() {
                break;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// P17: functions that take more memory than their process may have use up their attempts.
pub(super) async fn memory(scene: &mut Scene) -> Result<Outcome> {
    let group = match Group::make(120) {
        Ok(group) => group,
        Err(reason) => return Ok(Outcome::not_run(reason)),
    };
    scene.prepare().await?;
    let client = scene.client().await?;
    let mut poisons = Vec::new();
    for number in 0..2 {
        poisons.push(client.dispatch(hog(number)).await?.id());
    }
    // Both in one group: what one of them takes may cost the other, so there is but one.
    let alone = vec![("slots", "1".to_owned()), ("group", group.0.display().to_string())];
    let outcome = given_up(scene, Poison { client, poisons, workers: 1, alone }).await;
    scene.workers.clear();
    outcome
}

/// B15: the clocks of half of the workers jump.
pub(super) async fn clocks(scene: &mut Scene) -> Result<Outcome> {
    jumping(scene, 2).await
}

/// Q09: the clock of the host jumps, which all processes of a file share.
pub(super) async fn host_clock(scene: &mut Scene) -> Result<Outcome> {
    jumping(scene, 4).await
}

async fn jumping(scene: &mut Scene, of_four: usize) -> Result<Outcome> {
    let Some(library) = faketime() else { return Ok(Outcome::not_run("libfaketime is not installed")) };
    let file = scene.folder().join("clock");
    fs::write(&file, "+0")?;
    let environment = [
        ("LD_PRELOAD", library.display().to_string()),
        ("FAKETIME_TIMESTAMP_FILE", file.display().to_string()),
        ("FAKETIME_NO_CACHE", "1".into()),
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1".into()),
        ("DONT_FAKE_MONOTONIC", "1".into()),
        ("NO_FAKE_STAT", "1".into()),
    ];
    let environment = environment.map(|(name, value)| (name.to_owned(), value));
    scene.prepare().await?;
    let place = scene.place.clone();
    for at in 0..4 {
        scene.worker_at(&place, &[], if at < of_four { &environment } else { &[] })?;
    }
    scene.ready(0).await?;
    let faked = scene.workers.iter().filter(|worker| worker.has_mapped("faketime")).count();
    let count = scene.size(80, 300);
    scene.load_with("W4", count, &[("items", "60".into())], if of_four == 4 { &environment } else { &[] })?;
    let jumps = scene.size(1, 4);
    for _ in 0..jumps {
        for offset in ["+3600", "-3600", "+0"] {
            tokio::time::sleep(Duration::from_secs(scene.size(2, 5))).await;
            fs::write(&file, offset)?;
        }
    }
    let (mut outcome, _) = scene.common_pass().await?;
    if scene.kind == Kind::Sqlite {
        // A file has no clock but its hosts': by theirs these sleeps were over.
        let all = outcome.wrong.len();
        outcome.wrong.retain(|wrong| !wrong.starts_with("S10"));
        outcome.count("sleeps that a jump ended", all - outcome.wrong.len());
    } else {
        scene.keeps_leases(&mut outcome);
    }
    outcome.demand(faked == of_four, || format!("only {faked} workers had a clock that jumps"));
    outcome.count("jumps", jumps * 3);
    Ok(outcome)
}

fn faketime() -> Option<PathBuf> {
    let folders = fs::read_dir("/usr/lib").ok()?.flatten();
    let mut places = folders.map(|folder| folder.path().join("faketime/libfaketimeMT.so.1"));
    places.find(|place| place.exists())
}
