//! A map whose worker is killed twice before it is through (C-M1, C-R1, C-Q6).

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use stent_scenarios::serve::functions::items;
use stent_scenarios::{Probe, soon};

use crate::site::{Program, Site, is_long};

/// Items of a chunk.
const CHUNK: u32 = 1_000;
/// Journal rows that are not chunks: the map and its end, and a few.
const REST: i64 = 10;
/// Longer than any test waits: who goes on before has seen that the process is gone (C-Q6).
const LEASE: &str = "1h";
/// Items at once: a commit has many of them, and a chunk takes several.
const CONCURRENCY: usize = 300;
/// Between two looks, each of which reads all items.
const MOMENT: Duration = Duration::from_millis(50);

const COMPLETED: &str = "map_index IS NOT NULL AND state = 'completed'";
const RUNNING: &str = "map_index IS NOT NULL AND state = 'running'";

/// What was in the database when a process had been killed, and before the next one came.
struct Kill {
    process: u32,
    completed: BTreeSet<u64>,
    running: BTreeSet<u64>,
}

impl Kill {
    async fn of(program: Program, probe: &mut Probe) -> Self {
        let process = program.id();
        drop(program);
        // What it had sent is done by the server all the same.
        let there = format!("SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'serve-{process}%'");
        while probe.number_of("SELECT 0", &there).await > 0 {
            tokio::time::sleep(MOMENT).await;
        }
        Self { process, completed: indexes(probe, COMPLETED).await, running: indexes(probe, RUNNING).await }
    }
}

/// C-M1, C-R1, C-Q6, on a file.
#[tokio::test]
async fn a_map_killed_twice_on_sqlite_completes_in_order_and_repeats_nothing_that_was_completed() {
    kill_twice(Site::on_sqlite().await).await;
}

/// C-M1, C-R1, C-Q6, on a server.
#[tokio::test]
async fn a_map_killed_twice_on_postgresql_completes_in_order_and_repeats_nothing_that_was_completed() {
    kill_twice(Site::new().await).await;
}

async fn kill_twice(site: Site) {
    let count: u64 = if is_long() { 300_000 } else { 30_000 };
    let mut probe = site.probe().await;
    let (begun, mut kills) = (Instant::now(), Vec::new());
    let mut program = site.wide_program(LEASE, CONCURRENCY);
    let execution = site.stent.dispatch(items(count, CHUNK)).await.unwrap();
    for percent in [31, 72] {
        completed(&mut probe, count * percent / 100).await;
        soon("some are running", async {
            while number(&mut probe, RUNNING).await == 0 {
                tokio::time::sleep(MOMENT / 10).await;
            }
        })
        .await;
        let kill = Kill::of(program, &mut probe).await;
        println!(
            "killed {:?} after the start, with {} items completed and {} running",
            begun.elapsed(),
            kill.completed.len(),
            kill.running.len()
        );
        assert!(kill.completed.len() < usize::try_from(count).unwrap(), "it was killed in the middle");
        kills.push(kill);
        program = site.wide_program(LEASE, CONCURRENCY);
    }
    completed(&mut probe, count).await;
    let results = soon("the result", execution.result()).await.unwrap();
    println!("{count} items in {:?}", begun.elapsed());

    assert_eq!(results.len(), usize::try_from(count).unwrap());
    let wrong = (0..count).zip(&results).find(|(index, result)| **result != index * 7 + 1);
    assert_eq!(wrong, None, "an item, and what stands in its place");
    let last = program.id();
    drop(program);
    ran(&site, &kills, last, count);
    rows(&mut probe, count).await;
}

/// Waits until so many items have completed. However long that takes, some do all the while.
async fn completed(probe: &mut Probe, least: u64) {
    let mut seen = 0;
    while seen < i64::try_from(least).unwrap() {
        let before = seen;
        seen = soon("another item completes", async {
            loop {
                let now = number(probe, COMPLETED).await;
                if now > before {
                    return now;
                }
                tokio::time::sleep(MOMENT).await;
            }
        })
        .await;
    }
}

/// Who ran which item, by what the items wrote down themselves.
fn ran(site: &Site, kills: &[Kill], last: u32, count: u64) {
    let mut order: Vec<u32> = kills.iter().map(|kill| kill.process).collect();
    order.push(last);
    // Processes by their places in the order in which they lived.
    let mut runs: Vec<Vec<usize>> = vec![Vec::new(); usize::try_from(count).unwrap()];
    for effect in site.place.effects() {
        let words: Vec<&str> = effect.split(' ').collect();
        let (index, process): (usize, u32) = (words[1].parse().unwrap(), words[2].parse().unwrap());
        runs[index].push(order.iter().position(|known| *known == process).unwrap());
    }
    let runs = || (0_u64..).zip(&runs);
    assert_eq!(runs().find(|(_, runs)| runs.is_empty()), None, "an item that no process ran");
    let twice_in_one = runs().find(|(_, runs)| runs.windows(2).any(|two| two[0] >= two[1]));
    assert_eq!(twice_in_one, None, "an item that one process ran twice");
    for (place, kill) in kills.iter().enumerate() {
        let late = runs().filter(|(_, runs)| runs.iter().any(|process| *process > place));
        let late: BTreeSet<u64> = late.map(|(index, _)| index).collect();
        assert_eq!(kill.completed.intersection(&late).next(), None, "an item that was completed and ran again");
        let early = runs().filter(|(_, runs)| runs.iter().any(|process| *process <= place));
        let again: BTreeSet<u64> = early.map(|(index, _)| index).filter(|index| late.contains(index)).collect();
        println!("{} items ran again after kill {}", again.len(), place + 1);
        assert_eq!(again.difference(&kill.running).next(), None, "an item that ran again and had not been running");
    }
}

/// What the database holds at the end.
async fn rows(probe: &mut Probe, count: u64) {
    let count = i64::try_from(count).unwrap();
    assert_eq!(number(probe, COMPLETED).await, count, "items completed");
    assert_eq!(probe.number("SELECT count(*) FROM tasks").await, count + 1, "the items, and their parent");
    let chunks = probe.number("SELECT count(*) FROM journal WHERE kind = 'chunk'").await;
    assert_eq!(chunks, count / i64::from(CHUNK), "chunks, each closed once");
    let journal = probe.number("SELECT count(*) FROM journal").await;
    assert!(journal <= chunks + REST, "{journal} journal rows for {chunks} chunks");
}

async fn number(probe: &mut Probe, which: &str) -> i64 {
    probe.number(&format!("SELECT count(*) FROM tasks WHERE {which}")).await
}

/// The items that are so.
async fn indexes(probe: &mut Probe, which: &str) -> BTreeSet<u64> {
    let sql = format!("SELECT CAST(map_index AS text) FROM tasks WHERE {which}");
    probe.texts_of(&sql, &sql).await.iter().map(|index| index.parse().unwrap()).collect()
}
