//! S6: at every commit each open execution has something that will move it. One statement a database, asked all the time.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use stent_core::ExecutionId;
use tokio::task::JoinHandle;

use crate::Result;
use crate::place::{Look, Place};

/// How often it is asked.
const EVERY: Duration = Duration::from_millis(100);
/// How long an execution may look lost: what is read is read at different moments of other processes.
const PATIENCE: Duration = Duration::from_secs(2);

/// What is open and has nothing to wake it: suspended without a timer, an open child or a signal that is awaited; suspended though the signal is there;
/// below an execution that is gone or has ended.
macro_rules! limbo {
    ($execution:literal) => {
        concat!(
            "SELECT ",
            $execution,
            ", 'task ' || function || ' is suspended and nothing wakes it' FROM tasks t
             WHERE state = 'suspended' AND due IS NULL
               AND NOT EXISTS (SELECT 1 FROM waits w WHERE w.task = t.id AND w.signal IS NOT NULL)
               AND NOT EXISTS (SELECT 1 FROM tasks c WHERE c.parent = t.id AND c.ended_at IS NULL)
             UNION ALL
             SELECT ",
            $execution,
            ", 'task ' || function || ' is suspended and its signal is there' FROM tasks t
             WHERE state = 'suspended' AND EXISTS (
                 SELECT 1 FROM waits w JOIN signals s ON s.execution = t.execution AND s.name = w.signal
                 WHERE w.task = t.id AND s.value IS NOT NULL)
             UNION ALL
             SELECT ",
            $execution,
            ", 'task ' || function || ' is ' || state || ' below an execution that ended' FROM tasks t
             WHERE parent IS NOT NULL AND ended_at IS NULL
               AND NOT EXISTS (SELECT 1 FROM tasks r WHERE r.id = t.execution AND r.ended_at IS NULL)
             UNION ALL
             SELECT ",
            $execution,
            ", 'task ' || function || ' is scheduled for no time' FROM tasks t
             WHERE state = 'scheduled' AND due IS NULL"
        )
    };
}

const SQLITE: &str = limbo!("lower(hex(t.execution))");
const POSTGRES: &str = limbo!("t.execution::text");

/// The executions that nothing moves, and why.
pub(crate) async fn limbo(look: &mut Look) -> Result<Vec<(ExecutionId, String)>> {
    let rows = look.rows(SQLITE, POSTGRES).await?;
    let mut lost = Vec::new();
    for row in rows {
        let mut cells = row.into_iter().flatten();
        if let (Some(execution), Some(what)) = (cells.next(), cells.next()) {
            lost.push((execution.parse()?, what));
        }
    }
    Ok(lost)
}

/// Asks all the time until it is dropped.
#[derive(Debug)]
pub(crate) struct Sampler {
    found: Arc<Mutex<Found>>,
    task: JoinHandle<()>,
}

#[derive(Debug, Default)]
struct Found {
    samples: u64,
    lost: Vec<(ExecutionId, String)>,
}

impl Sampler {
    /// Begins to ask.
    pub(crate) fn start(place: Place) -> Self {
        let found = Arc::<Mutex<Found>>::default();
        let task = tokio::spawn(sample(place, Arc::clone(&found)));
        Self { found, task }
    }

    /// How often it asked, and what was lost for too long.
    pub(crate) fn found(&self) -> (u64, Vec<(ExecutionId, String)>) {
        let found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        (found.samples, found.lost.clone())
    }
}

impl Drop for Sampler {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn sample(place: Place, found: Arc<Mutex<Found>>) {
    let mut look = None;
    let mut since: BTreeMap<(ExecutionId, String), Instant> = BTreeMap::new();
    loop {
        tokio::time::sleep(EVERY).await;
        let connected = match look.take() {
            Some(look) => Ok(look),
            None => place.look().await,
        };
        // Outages are what rows are about.
        let Ok(mut connected) = connected else { continue };
        let Ok(lost) = limbo(&mut connected).await else {
            since.clear();
            continue;
        };
        look = Some(connected);
        since.retain(|known, _| lost.contains(known));
        let mut found = found.lock().unwrap_or_else(PoisonError::into_inner);
        found.samples += 1;
        for known in lost {
            let first = *since.entry(known.clone()).or_insert_with(Instant::now);
            if first.elapsed() > PATIENCE && !found.lost.contains(&known) {
                found.lost.push(known);
            }
        }
    }
}
