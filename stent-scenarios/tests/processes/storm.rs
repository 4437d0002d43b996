//! A server that throws its clients out and is restarted, under load (C-Y4).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use stent_executor::{Execution, Stent, StentError};
use stent_scenarios::serve::functions::chain;
use stent_scenarios::soon;
use tokio_postgres::NoTls;

use crate::cluster::Cluster;
use crate::site::{Site, is_long};

/// How often all connections of the workers are ended.
const EVERY: Duration = Duration::from_millis(300);
const WORKERS: usize = 4;

/// C-Y4, S5: whatever becomes of their connections, workers lose nothing that was accepted, use up no attempt, repeat nothing that was recorded, and go on by
/// themselves.
#[tokio::test(flavor = "multi_thread")]
async fn workers_outlast_a_server_that_throws_them_out() {
    let cluster = Cluster::start("").await;
    let site = Site::on_cluster(&cluster).await;
    let mut programs = site.programs(WORKERS, "5s");
    let ended = Arc::new(AtomicBool::new(false));
    let load = tokio::spawn(load(site.stent.clone(), Arc::clone(&ended)));

    let (time, restarts) = if is_long() { (Duration::from_secs(60), 3) } else { (Duration::from_secs(6), 1) };
    let (begun, mut thrown, mut restarted) = (Instant::now(), 0, 0);
    while begun.elapsed() < time {
        tokio::time::sleep(EVERY).await;
        thrown += throw_out(&cluster).await;
        if restarted < restarts && begun.elapsed() > time * (restarted + 1) / (restarts + 1) {
            restarted += 1;
            tokio::task::block_in_place(|| cluster.restart());
        }
    }
    ended.store(true, Ordering::SeqCst);
    let accepted = soon("the load ends", load).await.unwrap();
    let count = accepted.len();
    println!("{count} executions accepted; {thrown} connections ended, {restarted} restarts");
    assert!(thrown > 20 && count > 20, "there was a storm, and load");
    for (number, execution) in accepted {
        assert_eq!(soon("the result", execution.result()).await.unwrap(), 3 * number);
    }
    println!("all done {:?} after the storm began", begun.elapsed());
    programs.iter_mut().for_each(|program| assert!(program.is_alive(), "a worker ended"));
    holds(&site, count).await;
    at_work(&site).await;
}

/// Dispatches until told otherwise; what was accepted, by number. A dispatch of which nobody knows is repeated under its key until it is known.
async fn load(stent: Stent, ended: Arc<AtomicBool>) -> Vec<(u32, Execution<u32>)> {
    let mut accepted = Vec::new();
    for number in 0.. {
        if ended.load(Ordering::SeqCst) {
            break;
        }
        let execution = loop {
            match stent.dispatch(chain(number).dedup(format!("chain {number}"))).await {
                Ok(execution) => break execution,
                Err(StentError::Backend(error)) if error.is_transient() => {}
                Err(error) => panic!("{error}"),
            }
        };
        accepted.push((number, execution));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    accepted
}

/// Ends all connections of the workers; how many that were.
async fn throw_out(cluster: &Cluster) -> i64 {
    let (client, connection) = tokio_postgres::connect(&cluster.url(), NoTls).await.unwrap();
    tokio::spawn(connection);
    let own = format!("serve-{}", std::process::id());
    let terminate = "
        SELECT count(*) FILTER (WHERE pg_terminate_backend(pid)) FROM pg_stat_activity
        WHERE application_name LIKE 'serve-%' AND application_name NOT LIKE $1 || '%'";
    client.query_one(terminate, &[&own]).await.unwrap().get(0)
}

/// What must hold when all is done.
async fn holds(site: &Site, count: usize) {
    let client = site.client().await;
    let row = client
        .query_one(
            "SELECT count(*) FILTER (WHERE state <> 'completed'), count(*) FILTER (WHERE attempt <> 1), count(*) FILTER (WHERE parent IS NULL),
                    count(*), (SELECT count(*) FROM dead_letters) FROM tasks",
            &[],
        )
        .await
        .unwrap();
    let row: Vec<i64> = (0..5).map(|column| row.get(column)).collect();
    let count = i64::try_from(count).unwrap();
    assert_eq!(row, [0, 0, count, 2 * count, 0], "not completed, attempts burnt, executions, tasks, dead letters");

    // What a function was given was recorded before: from then on it is begun by nobody.
    let mut given = BTreeMap::new();
    for (at, effect) in site.place.effects().iter().enumerate() {
        let mut words = effect.split(' ');
        match (words.next(), words.next()) {
            (Some("given"), Some(piece)) => drop(given.entry(piece.to_owned()).or_insert(at)),
            (Some("began"), Some(piece)) => {
                assert!(!given.contains_key(piece), "{piece} began again after it was recorded")
            }
            _ => {}
        }
    }
    assert_eq!(given.len(), 3 * usize::try_from(count).unwrap());
}

/// All workers are known to be at work: none needs a restart.
async fn at_work(site: &Site) {
    soon("all workers have renewed", async {
        let client = site.client().await;
        let query = "SELECT count(*) FROM workers WHERE state = 'ready' AND seen_at > timezone('UTC', clock_timestamp()) - interval '4 s'";
        while client.query_one(query, &[]).await.unwrap().get::<_, i64>(0) < i64::try_from(WORKERS).unwrap() {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    })
    .await;
}
