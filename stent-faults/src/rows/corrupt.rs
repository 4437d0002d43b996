//! Rows that cannot be read: B11.

use std::collections::BTreeMap;
use std::time::Duration;

use stent_core::TaskId;
use stent_core::backend::{ExecutionFilter, Page};
use stent_core::task::TaskState;

use crate::Result;
use crate::functions::trouble;
use crate::run::Outcome;
use crate::run::scene::Scene;

/// What is done to a row: on SQLite, on PostgreSQL.
const DAMAGES: [(&str, &str); 5] = [
    ("UPDATE tasks SET input = x'00ff' WHERE id = ?1", "UPDATE tasks SET input = '\\x00ff' WHERE id = $1::text::uuid"),
    (
        "UPDATE tasks SET input = CAST('[1,\"st' AS BLOB) WHERE id = ?1",
        "UPDATE tasks SET input = '[1,\"st' WHERE id = $1::text::uuid",
    ),
    ("UPDATE tasks SET input = x'' WHERE id = ?1", "UPDATE tasks SET input = '' WHERE id = $1::text::uuid"),
    (
        "UPDATE tasks SET input = CAST('{\"a\":1}' AS BLOB) WHERE id = ?1",
        "UPDATE tasks SET input = '{\"a\":1}' WHERE id = $1::text::uuid",
    ),
    ("UPDATE tasks SET retry = 'none' WHERE id = ?1", "UPDATE tasks SET retry = 'none' WHERE id = $1::text::uuid"),
];

/// B11: rows that cannot be read end, or stay, by themselves, and hinder nobody.
pub(super) async fn rows(scene: &mut Scene) -> Result<Outcome> {
    scene.prepare().await?;
    let client = scene.client().await?;
    let mut bad: Vec<TaskId> = Vec::new();
    let mut look = scene.look().await?;
    for (number, (sqlite, postgres)) in (0..).zip(DAMAGES.iter().cycle().take(scene.size(5, 20))) {
        let id = client.dispatch(trouble(number, "none".into())).await?.id().root();
        look.change(sqlite, postgres, id).await?;
        bad.push(id);
    }
    scene.crew(2, &[]).await?;
    scene.load("W1", scene.size(20, 100), &[])?;
    let mut outcome = Outcome::default();
    for _ in 0..600 {
        if !scene.is_loaded() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    outcome.demand(!scene.is_loaded(), || "S19: the good ones do not end".into());
    // A hot loop would show by then.
    tokio::time::sleep(Duration::from_secs(scene.size(3, 15))).await;
    let listed = client.backend().list_executions(&ExecutionFilter::default(), Page::first(1_000)).await;
    outcome.demand(listed.is_ok(), || format!("S19: executions cannot be listed: {:?}", listed.err()));
    scene.dismiss(&mut outcome).await?;
    let evidence = scene.judged(&mut outcome).await?;
    let mut claims: BTreeMap<TaskId, u32> = BTreeMap::new();
    let running = evidence.edges.iter().flatten().filter(|edge| edge.is == TaskState::Running);
    running.for_each(|edge| *claims.entry(edge.task).or_default() += 1);
    for id in &bad {
        let claims = claims.get(id).copied().unwrap_or(0);
        outcome.demand(claims <= 5, || format!("S19: the damaged task {id} was claimed {claims} times"));
    }
    let state = |id: &TaskId| evidence.tasks.get(id).map(|task| task.state);
    outcome.count("damaged", bad.len());
    outcome.count("of which failed", bad.iter().filter(|id| state(id) == Some(TaskState::Failed)).count());
    Ok(outcome)
}
