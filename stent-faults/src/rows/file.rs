//! A SQLite file that others use, too: Q02, Q03, Q10, Q11.

use std::time::Duration;

use stent_core::backend::ExecutionFilter;

use crate::Result;
use crate::check::witness;
use crate::functions::spawning;
use crate::place::Place;
use crate::run::Outcome;
use crate::run::scene::Scene;

/// Q02: another program holds the file for longer than the busy timeout.
pub(super) async fn foreign_writer(scene: &mut Scene) -> Result<Outcome> {
    scene.prepare().await?;
    scene.crew(3, &[]).await?;
    scene.load("W1", scene.size(40, 300), &[])?;
    let mut look = scene.look().await?;
    let rounds = scene.size(1, 8);
    for _ in 0..rounds {
        tokio::time::sleep(Duration::from_secs(1)).await;
        look.run("BEGIN IMMEDIATE", "").await?;
        tokio::time::sleep(Duration::from_secs(7)).await;
        look.run("ROLLBACK", "").await?;
    }
    let (mut outcome, _) = scene.common_pass().await?;
    outcome.count("holds of 7 s", rounds);
    Ok(outcome)
}

/// Q03: another program reads for long; the log may grow, and goes back afterwards.
pub(super) async fn pinned_reader(scene: &mut Scene) -> Result<Outcome> {
    scene.prepare().await?;
    scene.crew(3, &[]).await?;
    let mut look = scene.look().await?;
    look.run("BEGIN; SELECT count(*) FROM tasks;", "").await?;
    scene.load("W1", scene.size(60, 1_000), &[])?;
    tokio::time::sleep(Duration::from_secs(scene.size(5, 90))).await;
    let log = scene.folder().join("s.db-wal");
    let size = |log: &std::path::Path| std::fs::metadata(log).map_or(0, |file| file.len());
    let grown = size(&log);
    look.run("ROLLBACK", "").await?;
    let (mut outcome, _) = scene.common_pass().await?;
    outcome.count("KiB of log under the reader", grown / 1_024);
    outcome.count("KiB afterwards", size(&log) / 1_024);
    outcome.demand(size(&log) <= 64 << 20, || "R5: the log is larger than 64 MiB".into());
    Ok(outcome)
}

/// Q10: what user code starts has none of the database's files open.
pub(super) async fn inherited(scene: &mut Scene) -> Result<Outcome> {
    scene.prepare().await?;
    scene.crew(1, &[]).await?;
    let client = scene.client().await?;
    let files = client.dispatch(spawning(1)).await?.wait("20s").await?;
    let (mut outcome, _) = scene.common_pass().await?;
    let ours = files.iter().filter(|file| file.contains("s.db")).count();
    outcome.count("files that the child had", files.len());
    outcome.demand(ours == 0, || format!("the child has files of the database: {files:?}"));
    Ok(outcome)
}

/// Q11: a copy that is made under load is whole, and its work goes on.
pub(super) async fn backup(scene: &mut Scene) -> Result<Outcome> {
    scene.prepare().await?;
    scene.crew(3, &[]).await?;
    scene.load("W4", scene.size(60, 400), &[("items", "60".into())])?;
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    let copy = scene.folder().join("copy.db");
    scene.look().await?.run(&format!("VACUUM INTO '{}'", copy.display()), "").await?;
    let (mut outcome, _) = scene.common_pass().await?;
    let place = Place::Sqlite(copy);
    let mut look = place.look().await?;
    let said = look.rows("PRAGMA integrity_check", "").await?;
    outcome.demand(said == [[Some("ok".to_owned())]], || format!("the copy is damaged: {said:?}"));
    let lost = witness::limbo(&mut look).await?;
    outcome.demand(lost.is_empty(), || format!("S6: in the copy: {lost:?}"));
    // Its code runs again from there, with a ledger that nobody judges.
    let elsewhere = scene.folder().join("other").display().to_string();
    scene.worker_at(&place, &[("ledger", elsewhere)], &[])?;
    let backend = place.open(2, false).await?;
    let mut open = u64::MAX;
    for _ in 0..300 {
        // Waiters of the copy are sent nothing more.
        open = scene.open_executions(&*backend).await?;
        let waiting = "SELECT CAST(count(*) AS TEXT) FROM tasks WHERE parent IS NULL AND ended_at IS NULL AND function LIKE '%listen'";
        if open == look.number(waiting, waiting).await? {
            open = 0;
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    outcome.demand(open == 0, || format!("{open} executions of the copy do not end"));
    outcome.count("executions of the copy", backend.count_executions(&ExecutionFilter::default()).await?);
    scene.dismiss(&mut outcome).await?;
    Ok(outcome)
}
