//! W5: a worker that is killed in the middle of W2 and W3, and another one that takes over.

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::time::{Duration, Instant};

use crate::database::{Probe, Store};
use crate::functions::{noted_sum, ten_noted_calls, ten_noted_steps};
use crate::report::Row;
use crate::sequences::{OPERATIONS, Operation, SEQUENCES};
use crate::setup::{Setup, client};
use crate::worker::{Orders, WorkerProcess};

/// Items of the map, and of a chunk.
const ITEMS: u32 = 100_000;
const CHUNK: u32 = 1_000;
/// What is held to be soon, in seconds: the lease, and one more.
const SOON: f64 = 11.0;
const MOMENT: Duration = Duration::from_millis(5);
/// Bytes of a line about an effect, at least.
const LINE: u64 = 40;

/// What is interrupted.
#[derive(Clone, Copy)]
enum Work {
    Sequences(Operation),
    Map,
}

/// An operation: its task, and which of its steps.
type Done = (String, u32);

pub(crate) async fn run(setup: &Setup) -> Vec<Row> {
    let mut rows = Vec::new();
    for (what, work) in
        [("steps", Work::Sequences(Operation::Step)), ("calls", Work::Sequences(Operation::Call)), ("map", Work::Map)]
    {
        eprintln!("  {what}");
        rows.extend(interrupt(setup, what, work).await);
    }
    rows
}

async fn interrupt(setup: &Setup, what: &str, work: Work) -> Vec<Row> {
    let store = setup.database.store().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("effects");
    let orders = Orders::new(setup, &store.place).effects(file.clone());
    let mut first = WorkerProcess::open(setup, &orders, "W5").await;
    let mut second = WorkerProcess::open(setup, &orders, "W5").await;
    let mut probe = store.place.probe().await;
    let all = dispatch(&store, work).await;
    first.begin().await;
    while size(&file) < LINE * u64::from(all) / 3 {
        tokio::time::sleep(MOMENT).await;
    }
    let killed_id = first.id();
    first.kill().await;
    let killed = Instant::now();
    let written = size(&file);
    let completed = completed(&mut probe, work).await;
    let lost = Lost::of(&mut probe).await;
    second.begin().await;
    let (mut next, mut taken_over) = (None, None);
    while next.is_none() || taken_over.is_none() {
        tokio::time::sleep(MOMENT).await;
        if size(&file) > written {
            next.get_or_insert_with(|| killed.elapsed());
        }
        if taken_over.is_none() && lost.held(&mut probe).await < lost.count {
            taken_over = Some(killed.elapsed());
        }
    }
    probe.idle().await;
    let whole = killed.elapsed();
    let effects = effects(&file);
    assert_eq!(effects.keys().count(), usize::try_from(all).unwrap(), "every operation ran");
    let repeated = |done: &&Done| effects[*done].iter().any(|process| *process != killed_id);
    assert_eq!(completed.iter().find(repeated), None, "nothing that was completed ran again");
    let twice = effects.values().filter(|processes| processes.len() > 1).count();
    second.stop().await;
    store.close().await;
    let seconds = |time: Option<Duration>| time.unwrap_or_default().as_secs_f64();
    vec![
        Row::new(format!("{what}, kill to completion"), "s", seconds(next)).floor(SOON),
        Row::new(format!("{what}, kill to takeover"), "s", seconds(taken_over)).floor(SOON),
        Row::new(format!("{what}, kill to all done"), "s", whole.as_secs_f64()),
        Row::new(format!("{what}, run twice"), "ops", f64::from(u32::try_from(twice).unwrap())),
        Row::new(format!("{what}, completed run twice"), "ops", 0.0),
    ]
}

/// Dispatches it; gives how many operations it has.
async fn dispatch(store: &Store, work: Work) -> u32 {
    let stent = client(&store.place).await;
    match work {
        Work::Sequences(Operation::Step) => {
            drop(stent.dispatch_all((0..SEQUENCES).map(ten_noted_steps)).await.unwrap());
            SEQUENCES * OPERATIONS
        }
        Work::Sequences(Operation::Call) => {
            drop(stent.dispatch_all((0..SEQUENCES).map(ten_noted_calls)).await.unwrap());
            SEQUENCES * OPERATIONS
        }
        Work::Map => {
            stent.dispatch(noted_sum(ITEMS, CHUNK)).await.unwrap();
            ITEMS
        }
    }
}

/// Operations whose outcome is in the store.
async fn completed(probe: &mut Probe, work: Work) -> HashSet<Done> {
    if let Work::Sequences(Operation::Step) = work {
        // One after the other, so that their number says which.
        let on_sqlite = "SELECT hex(task) || ' ' || count(*) FROM journal WHERE kind = 'outcome' GROUP BY task";
        let on_postgres = "SELECT task || ' ' || count(*) FROM journal WHERE kind = 'outcome' GROUP BY task";
        let lines = probe.texts_of(on_sqlite, on_postgres).await;
        let lines = lines.iter().map(|line| line.split_once(' ').unwrap());
        let done = |(task, count): (&str, &str)| {
            let task = plain(task);
            (0..count.parse::<u32>().unwrap()).map(move |step| (task.clone(), step)).collect::<Vec<_>>()
        };
        return lines.flat_map(done).collect();
    }
    let on_sqlite = "SELECT hex(id) FROM tasks WHERE parent IS NOT NULL AND state = 'completed'";
    let on_postgres = "SELECT id::text FROM tasks WHERE parent IS NOT NULL AND state = 'completed'";
    probe.texts_of(on_sqlite, on_postgres).await.iter().map(|task| (plain(task), 0)).collect()
}

/// What the killed worker holds.
struct Lost {
    count: i64,
    on_sqlite: String,
    on_postgres: String,
}

impl Lost {
    async fn of(probe: &mut Probe) -> Self {
        let on_sqlite = "SELECT hex(worker) FROM tasks INDEXED BY tasks_running WHERE state = 'running' LIMIT 1";
        let on_postgres = "SELECT worker::text FROM tasks WHERE state = 'running' LIMIT 1";
        let workers = probe.texts_of(on_sqlite, on_postgres).await;
        let worker = workers.first().unwrap();
        let mut lost = Self {
            count: 0,
            on_sqlite: format!("SELECT count(*) FROM tasks WHERE state = 'running' AND worker = x'{worker}'"),
            on_postgres: format!("SELECT count(*) FROM tasks WHERE state = 'running' AND worker = '{worker}'"),
        };
        lost.count = lost.held(probe).await;
        lost
    }

    async fn held(&self, probe: &mut Probe) -> i64 {
        probe.number_of(&self.on_sqlite, &self.on_postgres).await
    }
}

/// Which processes ran an operation.
fn effects(file: &Path) -> HashMap<Done, Vec<u32>> {
    let mut effects: HashMap<Done, Vec<u32>> = HashMap::new();
    for line in std::fs::read_to_string(file).unwrap().lines() {
        let words: Vec<&str> = line.split(' ').collect();
        let step = words.get(2).map_or(0, |step| step.parse().unwrap());
        effects.entry((plain(words[1]), step)).or_default().push(words[0].parse().unwrap());
    }
    effects
}

/// An id as all write it.
fn plain(id: &str) -> String {
    id.replace('-', "").to_lowercase()
}

fn size(file: &Path) -> u64 {
    file.metadata().map_or(0, |file| file.len())
}
