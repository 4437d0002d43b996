//! A PostgreSQL server that goes away, comes back, and refuses: P01, P02, P03, P04, P10, P12, P15, P16.

use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tokio_postgres::Client;

use crate::Result;
use crate::place::connect;
use crate::run::Outcome;
use crate::run::scene::Scene;

async fn loaded(scene: &mut Scene, short: u64, long: u64) -> Result {
    scene.prepare().await?;
    scene.crew(4, &[]).await?;
    let (count, items) = (scene.size(short, long), scene.size(100, 2_000));
    scene.load("W4", count, &[("items", items.to_string())])
}

/// A connection to the server, which may be recovering yet.
async fn reached(scene: &Scene) -> Result<Client> {
    let (url, begun) = (scene.server()?.url(), Instant::now());
    loop {
        match connect(&url, "public").await {
            Err(_) if begun.elapsed() < Duration::from_secs(30) => tokio::time::sleep(Duration::from_millis(100)).await,
            connected => return connected,
        }
    }
}

/// What every row here demands besides: no worker's restart, no error of a broken transaction.
async fn ended_well(scene: &mut Scene, what: &'static str, faults: u64) -> Result<Outcome> {
    let (mut outcome, _) = scene.common_pass().await?;
    outcome.count(what, faults);
    for worker in &scene.workers {
        outcome.demand(!worker.said().contains("25P02"), || "25P02 in a worker's log".into());
    }
    Ok(outcome)
}

/// P01: the server is restarted, and throws its clients out.
pub(super) async fn restarts(scene: &mut Scene) -> Result<Outcome> {
    loaded(scene, 60, 500).await?;
    let (rounds, pause) = scene.size((2, 2), (3, 15));
    for _ in 0..rounds {
        tokio::time::sleep(Duration::from_secs(pause)).await;
        tokio::task::block_in_place(|| scene.server()?.control("restart", "fast"))?;
    }
    ended_well(scene, "restarts", rounds).await
}

/// P02: the server crashes, and recovers.
pub(super) async fn crashes(scene: &mut Scene) -> Result<Outcome> {
    loaded(scene, 80, 500).await?;
    let rounds = scene.size(3, 5);
    for _ in 0..rounds {
        tokio::time::sleep(Duration::from_millis(scene.random.u64(800..2_000))).await;
        tokio::task::block_in_place(|| scene.server()?.control("stop", "immediate"))?;
        scene.crashes += 1;
        let most = scene.size(1_500, 4_000);
        tokio::time::sleep(Duration::from_millis(scene.random.u64(0..most))).await;
        tokio::task::block_in_place(|| scene.server()?.control("start", "fast"))?;
    }
    ended_well(scene, "crashes of the server", rounds).await
}

/// P03: one process of the server is killed, which makes it recover as a whole.
pub(super) async fn killed_backends(scene: &mut Scene) -> Result<Outcome> {
    loaded(scene, 60, 400).await?;
    let rounds = scene.size(2, 5);
    for _ in 0..rounds {
        tokio::time::sleep(Duration::from_millis(scene.random.u64(1_000..2_000))).await;
        let client = reached(scene).await?;
        let pids = "SELECT pid FROM pg_stat_activity WHERE application_name LIKE 'faults-%'";
        let pids: Vec<i32> = client.query(pids, &[]).await?.iter().map(|row| row.get(0)).collect();
        // Of a server that is this row's own.
        if let Some(pid) = scene.random.choice(pids).and_then(Pid::from_raw) {
            kill_process(pid, Signal::KILL)?;
            scene.crashes += 1;
        }
    }
    ended_well(scene, "killed backends", rounds).await
}

/// P04: connections are ended all the time.
pub(super) async fn terminated(scene: &mut Scene) -> Result<Outcome> {
    loaded(scene, 60, 400).await?;
    let time = Duration::from_secs(scene.size(8, 60));
    let client = connect(&scene.server()?.url(), "public").await?;
    let (begun, mut count) = (Instant::now(), 0);
    while begun.elapsed() < time {
        tokio::time::sleep(Duration::from_millis(300)).await;
        let one = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                   WHERE application_name LIKE 'faults-%' ORDER BY random() LIMIT 1";
        count += u64::try_from(client.query(one, &[]).await?.len())?;
    }
    ended_well(scene, "ended connections", count).await
}

/// P15: a table is locked as a whole.
pub(super) async fn locked_table(scene: &mut Scene) -> Result<Outcome> {
    loaded(scene, 40, 200).await?;
    tokio::time::sleep(Duration::from_millis(800)).await;
    let crate::place::Place::Postgres { url, schema, .. } = scene.place.clone() else { return Ok(Outcome::default()) };
    let client = connect(&url, &schema).await?;
    let seconds = scene.size(4, 10);
    client.batch_execute("BEGIN; LOCK TABLE tasks IN ACCESS EXCLUSIVE MODE").await?;
    tokio::time::sleep(Duration::from_secs(seconds)).await;
    client.batch_execute("COMMIT").await?;
    ended_well(scene, "seconds locked", seconds).await
}

/// P16: the database accepts no writes for a while.
pub(super) async fn read_only(scene: &mut Scene) -> Result<Outcome> {
    loaded(scene, 40, 200).await?;
    tokio::time::sleep(Duration::from_millis(800)).await;
    let client = connect(&scene.server()?.url(), "public").await?;
    let seconds = scene.size(3, 10);
    client.batch_execute("ALTER SYSTEM SET default_transaction_read_only = on").await?;
    client.batch_execute("SELECT pg_reload_conf()").await?;
    tokio::time::sleep(Duration::from_secs(seconds)).await;
    client.batch_execute("SET default_transaction_read_only = off").await?;
    client.batch_execute("ALTER SYSTEM RESET default_transaction_read_only").await?;
    client.batch_execute("SELECT pg_reload_conf()").await?;
    ended_well(scene, "seconds read-only", seconds).await
}

/// P10: others have all connections that the server gives out.
pub(super) async fn no_connections(scene: &mut Scene) -> Result<Outcome> {
    loaded(scene, 60, 200).await?;
    tokio::time::sleep(Duration::from_millis(800)).await;
    let url = scene.server()?.url();
    let first = connect(&url, "public").await?;
    let (mut held, mut ended, begun) = (Vec::new(), 0, Instant::now());
    let time = Duration::from_secs(scene.size(5, 20));
    while begun.elapsed() < time {
        // What a worker has is ended, and taken before the worker comes back.
        let one = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'faults-%'";
        ended += u64::try_from(first.query(one, &[]).await?.len())?;
        while let Ok(client) = connect(&url, "public").await {
            held.push(client);
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let taken = held.len();
    drop(held);
    let mut outcome = ended_well(scene, "connections of workers ended", ended).await?;
    outcome.count("connections held", taken);
    let told = scene.workers.iter().filter(|worker| worker.said().contains("cannot be reached")).count();
    outcome.count("workers that were refused", told);
    outcome.demand(told > 0, || "every worker had its connections".into());
    Ok(outcome)
}

/// P12: a snapshot is kept, so that dead rows stay. What is done a second at the end is at least a fifth of that at the beginning.
pub(super) async fn pinned_snapshot(scene: &mut Scene) -> Result<Outcome> {
    scene.prepare().await?;
    let client = connect(&scene.server()?.url(), "public").await?;
    client.batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM pg_class").await?;
    scene.crew(4, &[("slots", "8".into())]).await?;
    scene.load("W1", scene.size(1_500, 9_000), &[("step-ms", "1".into()), ("width", "64".into())])?;
    while scene.is_loaded() {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    client.batch_execute("COMMIT").await?;
    let (mut outcome, evidence) = scene.common_pass().await?;
    let times: Vec<u64> = evidence.effects.iter().map(|effect| effect.at).collect();
    let fifth = times.len() / 5;
    let taken = |from: usize| Some(times.get(from + fifth - 1)?.saturating_sub(*times.get(from)?));
    let (first, last) = (taken(0).unwrap_or(0), taken(times.len() - fifth).unwrap_or(u64::MAX));
    outcome.count("ms of the first fifth", first / 1_000_000);
    outcome.count("ms of the last fifth", last / 1_000_000);
    outcome.demand(last <= first.saturating_mul(5), || "five times as slow at the end".into());
    Ok(outcome)
}
