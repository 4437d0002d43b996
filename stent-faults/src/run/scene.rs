//! A row's database, files and processes; and the pass that is common to most rows.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use fastrand::Rng;
use rustix::process::Signal;
use stent_core::backend::ExecutionFilter;
use stent_core::execution::ExecutionState;
use stent_core::{Backend, ExecutionId};
use stent_executor::Stent;
use tempfile::TempDir;

use super::cluster::Cluster;
use super::disk::Disk;
use super::process::Process;
use super::{Kind, Outcome};
use crate::check::witness::Sampler;
use crate::check::{Evidence, gather, judge};
use crate::history::{Answer, Call};
use crate::ledger::{Effect, What};
use crate::place::{Look, Place, Way, connect};
use crate::{Result, functions, ledger};

/// How long nothing may happen, once all faults are removed, while executions are open.
const AFTERWARDS: Duration = Duration::from_secs(30);
/// The most that a worker may hold in memory, in MiB.
const MEMORY: u64 = 300;

/// The server that tests are lent.
#[derive(Debug, Clone)]
pub(crate) struct Lent(pub(super) String);

impl Lent {
    pub(crate) fn from_environment() -> Option<Self> {
        std::env::var("STENT_TEST_POSTGRES_URL").ok().filter(|url| !url.is_empty()).map(Self)
    }
}

/// A database with an audit, a ledger, histories, and processes. All of it ends with it.
pub(crate) struct Scene {
    pub(crate) kind: Kind,
    pub(crate) is_long: bool,
    pub(crate) random: Rng,
    pub(crate) place: Place,
    pub(crate) workers: Vec<Process>,
    pub(crate) loads: Vec<Process>,
    /// Histories of clients.
    pub(crate) histories: Vec<PathBuf>,
    sampler: Option<Sampler>,
    started: u32,
    /// How often its server crashed.
    pub(crate) crashes: u32,
    pub(super) lent: Option<Lent>,
    // Stopped before its folder goes.
    pub(crate) cluster: Option<Cluster>,
    pub(super) disk: Option<Disk>,
    folder: TempDir,
}

impl Scene {
    /// An empty one.
    pub(crate) async fn open(
        kind: Kind,
        lent: Option<&Lent>,
        seed: u64,
        is_long: bool,
        keeps: bool,
        own_server: Option<&str>,
    ) -> Result<Self> {
        let mut folder = tempfile::Builder::new().prefix("stent-faults-").tempdir()?;
        folder.disable_cleanup(keeps);
        if keeps {
            println!("   {}", folder.path().display());
        }
        let mut cluster = None;
        let place = match (kind, lent) {
            (Kind::Postgres, Some(lent)) => {
                if let Some(settings) = own_server {
                    // The server's user has to get there.
                    use std::os::unix::fs::PermissionsExt as _;
                    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755))?;
                    cluster = Some(Cluster::start(&lent.0, &folder.path().join("cluster"), settings).await?);
                }
                let url = cluster.as_ref().map_or_else(|| lent.0.clone(), Cluster::url);
                let schema = format!("faults_{}", uuid::Uuid::new_v4().simple());
                Place::Postgres { url, schema, way: Way::Direct }
            }
            _ => Place::Sqlite(folder.path().join("s.db")),
        };
        Ok(Self {
            kind,
            is_long,
            random: Rng::with_seed(seed),
            place,
            workers: Vec::new(),
            loads: Vec::new(),
            histories: Vec::new(),
            sampler: None,
            started: 0,
            crashes: 0,
            lent: lent.cloned(),
            cluster,
            disk: None,
            folder,
        })
    }

    /// The size that is run, and that of `--long`.
    pub(crate) fn size<T>(&self, short: T, long: T) -> T {
        if self.is_long { long } else { short }
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The server of its own.
    pub(crate) fn server(&self) -> Result<&Cluster> {
        self.cluster.as_ref().ok_or_else(|| "the row has no server of its own".into())
    }

    /// Makes the schema and its audit, and begins to watch S6.
    pub(crate) async fn prepare(&mut self) -> Result {
        self.place.open(2, true).await?;
        self.look().await?.run(gather::AUDIT_SQLITE, gather::AUDIT_POSTGRES).await?;
        self.sampler = Some(Sampler::start(self.place.clone()));
        Ok(())
    }

    /// A look from the side.
    pub(crate) async fn look(&self) -> Result<Look> {
        self.place.look().await
    }

    /// A client in this process.
    pub(crate) async fn client(&self) -> Result<Stent> {
        let backend = self.place.open(4, true).await?;
        Ok(Stent::with_backend(backend).functions(functions::all()).poll("500ms").build().await?)
    }

    /// Starts a worker with these arguments besides the usual ones; where it is among the workers.
    pub(crate) fn worker(&mut self, arguments: &[(&str, String)]) -> Result<usize> {
        let place = self.place.clone();
        self.worker_at(&place, arguments, &[])
    }

    /// The same with a way of its own to the database, and an environment.
    pub(crate) fn worker_at(
        &mut self,
        place: &Place,
        arguments: &[(&str, String)],
        environment: &[(String, String)],
    ) -> Result<usize> {
        let ledger = self.ledger().display().to_string();
        let mut words = vec!["worker".to_owned(), "--dsn".into(), place.to_string(), "--ledger".into(), ledger];
        words.extend(spelled(arguments));
        self.started += 1;
        let log = self.folder().join(format!("worker-{}.log", self.started));
        self.workers.push(Process::start(&log, &words, environment)?);
        Ok(self.workers.len() - 1)
    }

    /// Starts so many workers, and waits until they are ready.
    pub(crate) async fn crew(&mut self, count: usize, arguments: &[(&str, String)]) -> Result {
        let from = self.workers.len();
        for _ in 0..count {
            self.worker(arguments)?;
        }
        self.ready(from).await
    }

    /// Waits until the workers from this place on are ready: those before may have met their end.
    pub(crate) async fn ready(&mut self, from: usize) -> Result {
        for worker in self.workers.iter_mut().skip(from) {
            if !worker.ready().await? {
                return Err(format!("a worker ended before it was ready: {}", worker.last_words()).into());
            }
        }
        Ok(())
    }

    /// Demands that no worker lost a lease; claims of what was cancelled are gone, too.
    pub(crate) fn keeps_leases(&self, outcome: &mut Outcome) {
        for worker in &self.workers {
            outcome.demand(!worker.said().contains("why=L"), || "L2: a lease was lost".into());
        }
    }

    /// Kills a worker and starts another one in its place.
    pub(crate) async fn replace(&mut self, at: usize, arguments: &[(&str, String)]) -> Result {
        if let Some(worker) = self.workers.get_mut(at) {
            worker.kill().await?;
        }
        self.worker(arguments)?;
        // The last, which is the new one, takes the place.
        self.workers.swap_remove(at);
        Ok(())
    }

    /// Starts a client with so many executions of a load.
    pub(crate) fn load(&mut self, kind: &str, count: u64, arguments: &[(&str, String)]) -> Result {
        self.load_with(kind, count, arguments, &[])
    }

    /// The same with an environment.
    pub(crate) fn load_with(
        &mut self,
        kind: &str,
        count: u64,
        arguments: &[(&str, String)],
        environment: &[(String, String)],
    ) -> Result {
        self.started += 1;
        let history = self.folder().join(format!("history-{}", self.started));
        // Numbers of several clients do not meet.
        let seed = self.random.u64(1..1 << 24);
        let mut words = vec!["load".to_owned(), "--dsn".into(), self.place.to_string()];
        words.extend(["--history".into(), history.display().to_string(), "--kind".into(), kind.into()]);
        words.extend(["--n".into(), count.to_string(), "--seed".into(), seed.to_string()]);
        words.extend(spelled(arguments));
        let log = self.folder().join(format!("load-{}.log", self.started));
        self.histories.push(history);
        self.loads.push(Process::start(&log, &words, environment)?);
        Ok(())
    }

    /// True as long as a client is at it.
    pub(crate) fn is_loaded(&mut self) -> bool {
        self.loads.iter_mut().any(|load| matches!(load.ended(), Ok(None)))
    }

    pub(crate) fn ledger(&self) -> PathBuf {
        self.folder().join("ledger")
    }

    /// What user code has done so far.
    pub(crate) fn effects(&self) -> Result<Vec<Effect>> {
        ledger::read(&self.ledger())
    }

    /// The place among the workers of one that is in the middle of a step now.
    pub(crate) fn mid_step(&mut self) -> Result<Option<usize>> {
        let mut open = std::collections::BTreeMap::new();
        for effect in self.effects()? {
            match effect.what {
                What::Start => drop(open.insert((effect.task, effect.key), effect.pid)),
                _ => drop(open.remove(&(effect.task, effect.key))),
            }
        }
        let mut busy = Vec::new();
        for (at, worker) in self.workers.iter_mut().enumerate() {
            if worker.ended()?.is_none() && open.values().any(|pid| *pid == worker.id()) {
                busy.push(at);
            }
        }
        Ok(self.random.choice(busy))
    }

    /// The database, which may be recovering yet.
    pub(crate) async fn backend(&self) -> Result<Arc<dyn Backend>> {
        let begun = Instant::now();
        loop {
            match self.place.open(2, false).await {
                Err(error) if error.is_transient() && begun.elapsed() < AFTERWARDS => {
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
                opened => return Ok(opened?),
            }
        }
    }

    /// How many executions have not ended.
    pub(crate) async fn open_executions(&self, backend: &dyn Backend) -> Result<u64> {
        let states = ExecutionState::ALL.into_iter().filter(|state| !state.is_final()).collect();
        Ok(backend.count_executions(&ExecutionFilter { states, ..ExecutionFilter::default() }).await?)
    }

    /// CP: with all faults gone everything ends, and nothing is violated. Ends the processes.
    pub(crate) async fn common_pass(&mut self) -> Result<(Outcome, Evidence)> {
        let mut outcome = Outcome::default();
        self.finish(&mut outcome).await?;
        let evidence = self.judged(&mut outcome).await?;
        Ok((outcome, evidence))
    }

    /// Waits for clients and executions, then ends the workers.
    pub(crate) async fn finish(&mut self, outcome: &mut Outcome) -> Result {
        let begun = Instant::now();
        let backend = self.backend().await?;
        let (mut open, mut done, mut moved) = (u64::MAX, 0, Instant::now());
        // A machine that does much else is slow: what does not move at all is what is wrong.
        while moved.elapsed() < AFTERWARDS && (open > 0 || self.is_loaded()) {
            let seen = (open, done);
            open = self.open_executions(&*backend).await.unwrap_or(u64::MAX);
            done = std::fs::metadata(self.ledger()).map_or(0, |ledger| ledger.len());
            if (open, done) != seen {
                moved = Instant::now();
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        outcome.count("ms until all had ended", begun.elapsed().as_millis());
        outcome.demand(open == 0, || format!("L1: {open} executions are open, and nothing moved for {AFTERWARDS:?}"));
        for load in &mut self.loads {
            let ended = load.ended()?;
            let fine = load.is_doomed || ended.is_some_and(|status| status.success());
            outcome.demand(fine, || format!("a client: {ended:?}: {}", load.last_words()));
        }
        self.dismiss(outcome).await
    }

    /// Ends the workers, as a deploy does, and demands that only those were gone that were killed.
    pub(crate) async fn dismiss(&mut self, outcome: &mut Outcome) -> Result {
        let mut peak = 0;
        for worker in &mut self.workers {
            let ended = worker.ended()?;
            if worker.is_doomed {
                continue;
            }
            outcome.demand(ended.is_none(), || format!("a worker ended: {ended:?}: {}", worker.last_words()));
            peak = peak.max(worker.peak_memory());
            worker.signal(Signal::TERM);
        }
        for worker in self.workers.iter_mut().filter(|worker| !worker.is_doomed) {
            let status = worker.wait(AFTERWARDS).await?;
            let fine = matches!(status.code(), Some(0 | 75));
            outcome.demand(fine, || format!("a worker drained and said {status}: {}", worker.last_words()));
            worker.is_doomed = true;
        }
        outcome.count("MiB at most a worker", peak);
        outcome.demand(peak < MEMORY, || format!("a worker held {peak} MiB"));
        Ok(())
    }

    /// Ends the watch over S6: what it saw that nobody would have woken.
    pub(crate) fn watched(&mut self, outcome: &mut Outcome) -> Vec<(ExecutionId, String)> {
        let Some(sampler) = self.sampler.take() else { return Vec::new() };
        let (samples, lost) = sampler.found();
        outcome.count("samples of S6", samples);
        lost
    }

    /// Gathers and judges all that there is.
    pub(crate) async fn judged(&mut self, outcome: &mut Outcome) -> Result<Evidence> {
        let mut evidence = gather::gather(&self.place, &self.ledger(), &self.histories).await?;
        evidence.limbo.extend(self.watched(outcome));
        evidence.crashes = self.crashes;
        outcome.count("executions", evidence.tasks.values().filter(|task| task.parent.is_none()).count());
        outcome.count("tasks", evidence.tasks.len());
        outcome.count("effects", evidence.effects.len());
        outcome.count("calls", evidence.calls.len());
        let unknown = evidence.calls.iter().filter(|call| matches!(call.answer, Answer::Unknown { .. }));
        outcome.count("unknown", unknown.count());
        outcome.wrong.extend(judge(&evidence).iter().map(ToString::to_string));
        for call in &evidence.calls {
            if let (Call::Wait { execution }, Answer::Error { text, state }) = (&call.call, &call.answer) {
                // The functions of loads never fail: whatever does is trouble that reached user code.
                let fine = state.as_deref() == Some("cancelled");
                outcome.demand(fine, || format!("execution {execution}: a client was told: {text}"));
            }
        }
        if let Some(cluster) = &self.cluster {
            let log = cluster.log();
            let deadlocks = log.matches("deadlock detected").count();
            outcome.demand(deadlocks == 0, || format!("{deadlocks} deadlocks in the server's log"));
        }
        Ok(evidence)
    }

    /// Takes the schema away, if the server stays.
    pub(crate) async fn close(&mut self) {
        self.workers.clear();
        self.loads.clear();
        self.sampler = None;
        if let (Place::Postgres { schema, .. }, None, Some(lent)) = (&self.place, &self.cluster, &self.lent) {
            let drop = format!("DROP SCHEMA IF EXISTS {schema} CASCADE");
            if let Ok(client) = connect(&lent.0, "public").await {
                let _ = client.batch_execute(&drop).await;
            }
        }
    }
}

/// Arguments as words; a switch has no value.
fn spelled<'a>(arguments: &'a [(&str, String)]) -> impl Iterator<Item = String> + 'a {
    let words = arguments.iter().flat_map(|(name, value)| [format!("--{name}"), value.clone()]);
    words.filter(|word| !word.is_empty())
}
