//! Limits over processes (C-Q3).

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use stent_scenarios::serve::functions::limited;

use crate::site::{Site, is_long};

/// What `limited` says.
const PLACES: i64 = 3;
const PROCESSES: usize = 8;

/// C-Q3: however many processes claim a function's tasks, no more than it allows are held at any moment, by the store and by what they do themselves; and all
/// places are used.
#[tokio::test]
async fn eight_processes_never_hold_more_than_a_functions_places() {
    let site = Site::new().await;
    let tasks = if is_long() { 10_000 } else { 800 };
    let programs = site.programs(PROCESSES, "10s");
    let ended = Arc::new(AtomicBool::new(false));
    let sampler = tokio::spawn(sample(site.client().await, Arc::clone(&ended)));
    for chunk in (0..tasks).collect::<Vec<_>>().chunks(1_000) {
        site.stent.dispatch_all(chunk.iter().map(|number| limited(*number))).await.unwrap();
    }
    let client = site.client().await;
    let open = "SELECT count(*) FROM tasks WHERE ended_at IS NULL";
    while client.query_one(open, &[]).await.unwrap().get::<_, i64>(0) > 0 {
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    ended.store(true, Ordering::SeqCst);

    let (samples, held, running) = sampler.await.unwrap();
    assert!(held <= PLACES && running <= PLACES, "{held} places held and {running} tasks run at one moment");
    let (most, began, processes) = ledger(&site);
    println!(
        "{tasks} tasks; of {samples} samples at most {held} held; by the ledger at most {most} at once, {processes} processes"
    );
    assert_eq!((most, held), (PLACES, PLACES), "at once, by the ledger and by the store");
    assert_eq!(began, usize::try_from(tasks).unwrap(), "each ran once");
    assert!(processes > 1, "{processes} processes did it all");
    drop(programs);
}

/// How many samples there were, and the most places held and tasks running in one.
async fn sample(client: tokio_postgres::Client, ended: Arc<AtomicBool>) -> (u32, i64, i64) {
    let now = client.prepare("SELECT count(*) FILTER (WHERE place), count(*) FILTER (WHERE state = 'running') FROM tasks WHERE place OR state = 'running'");
    let (now, mut most) = (now.await.unwrap(), (0, 0, 0));
    while !ended.load(Ordering::SeqCst) {
        let row = client.query_one(&now, &[]).await.unwrap();
        most = (most.0 + 1, row.get::<_, i64>(0).max(most.1), row.get::<_, i64>(1).max(most.2));
        tokio::time::sleep(std::time::Duration::from_millis(1)).await;
    }
    most
}

/// What the tasks wrote down: the most that were at it at once, how many began, and in how many processes.
fn ledger(site: &Site) -> (i64, usize, usize) {
    let (mut now, mut most, mut began, mut processes) = (0, 0, 0, BTreeSet::new());
    for effect in site.place.effects() {
        let mut words = effect.split(' ');
        match words.next() {
            Some("began") => (now, began) = (now + 1, began + 1),
            _ => now -= 1,
        }
        most = now.max(most);
        processes.extend(words.next_back().map(str::to_owned));
    }
    (most, began, processes.len())
}
