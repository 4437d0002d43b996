//! `load`: a client process that dispatches, signals, cancels and waits, and writes all of it down.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use fastrand::Rng;
use futures_util::StreamExt as _;
use futures_util::stream;
use stent_core::ExecutionId;
use stent_core::backend::{ExecutionFilter, Page, RedriveTarget};
use stent_core::execution::ExecutionState;
use stent_executor::prelude::*;
use stent_executor::{DurableFunction, ExecutionError, Stent, StentError};

use crate::arguments::Arguments;
use crate::functions::{SIGNAL, batch, bulky, chain, limited, listen, nap};
use crate::history::{Answer, Call as Asked, History, judged};
use crate::log::Log;
use crate::{Result, worker};

/// Executions that one client has open.
const WIDTH: usize = 24;
/// How long what ended is kept by retention.
const KEPT: Duration = Duration::from_secs(2);
/// The most that one of its transactions may take (R5).
const LONGEST: Duration = Duration::from_secs(5);
/// Bytes of a payload that is large for a slow link.
const BULK: usize = 8_192;
/// Repeats of a dispatch of which nobody knows, under its key.
const REPEATS: u32 = 200;

/// What one client does.
struct Client {
    stent: Stent,
    history: History,
    steps_millis: u64,
    items: u64,
    chunk: u32,
    waits: u32,
}

/// The kinds of executions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Chain,
    Batch,
    Listen,
    Nap,
    Limited,
    Bulky,
    /// A chain of one short step that is cancelled at any moment.
    Cancelled,
}

/// Runs a load to its end.
pub(crate) async fn load(arguments: &Arguments) -> Result {
    Log::listen();
    worker::end_with_supervisor();
    let client = Client {
        stent: worker::client(arguments).await?,
        history: History::open(Path::new(arguments.needed("history")?))?,
        steps_millis: arguments.or("step-ms", 0)?,
        items: arguments.or("items", 200)?,
        chunk: arguments.or("chunk", 50)?,
        waits: arguments.or("waits", 5)?,
    };
    let kind = arguments.needed("kind")?;
    match kind {
        "flood" => return client.flood_one(arguments).await,
        "redrive" => return client.redrive_all().await,
        "dispatch" => return client.dispatch_all(arguments).await,
        "wake" => return client.wake_all().await,
        "prune" => return client.prune_all().await,
        _ => {}
    }
    let (count, seed) = (arguments.or("n", 10)?, arguments.or("seed", 1)?);
    let gap = Duration::from_millis(arguments.or("gap-ms", 0)?);
    let mut random = Rng::with_seed(seed);
    let mut plan = Vec::new();
    for number in 0..count {
        plan.push((seed.wrapping_mul(1_000_000).wrapping_add(number), draw(kind, &mut random)?, random.fork()));
    }
    let client = Arc::new(client);
    let runs = plan.into_iter().map(|(number, kind, random)| {
        let client = Arc::clone(&client);
        async move {
            tokio::time::sleep(gap).await;
            // A task of its own, so that what waits hinders nothing else.
            tokio::spawn(async move { client.run(number, kind, random).await }).await
        }
    });
    let mut runs = stream::iter(runs).buffer_unordered(arguments.or("width", WIDTH)?);
    while let Some(ended) = runs.next().await {
        ended??;
    }
    Ok(())
}

fn draw(load: &str, random: &mut Rng) -> Result<Kind> {
    Ok(match load {
        "W1" => Kind::Chain,
        "W2" => Kind::Batch,
        "W3" => Kind::Listen,
        "W4" => match random.u64(0..100) {
            0..64 => Kind::Chain,
            64..67 => Kind::Batch,
            67..80 => Kind::Listen,
            _ => Kind::Nap,
        },
        "limited" => Kind::Limited,
        "bulky" => Kind::Bulky,
        "cancelled" => Kind::Cancelled,
        _ => {
            return Err(format!(
                "--kind {load}: expected W1 to W4, limited, bulky, cancelled, flood, dispatch, redrive, wake or prune"
            )
            .into());
        }
    })
}

impl Client {
    /// One execution from its dispatch to its end.
    async fn run(&self, number: u64, kind: Kind, mut random: Rng) -> Result {
        let millis = if self.steps_millis > 0 { self.steps_millis } else { random.u64(10..50) };
        // Under a key, or not: only then a dispatch may be repeated.
        let keyed = random.u64(..100) < 50;
        let execution = match kind {
            Kind::Chain => self.dispatch(number, keyed, || chain(number, 5, millis)).await?,
            Kind::Batch => self.dispatch(number, keyed, || batch(number, self.items, self.chunk)).await?,
            Kind::Listen => self.dispatch(number, keyed, || listen(number, self.waits)).await?,
            Kind::Nap => {
                let millis = random.u64(200..2_000);
                self.dispatch(number, keyed, || nap(number, millis)).await?
            }
            Kind::Limited => self.dispatch(number, keyed, || limited(number, millis)).await?,
            Kind::Bulky => {
                let payload = || "0123456789abcdef".repeat(BULK / 16);
                self.dispatch(number, keyed, || bulky(number, payload())).await?
            }
            Kind::Cancelled => self.dispatch(number, keyed, || chain(number, 1, 5)).await?,
        };
        let Some(execution) = execution else { return Ok(()) };
        let is_cancelled = match kind {
            Kind::Cancelled => true,
            Kind::Limited | Kind::Bulky => false,
            _ => self.steps_millis == 0 && random.u64(..100) < 10,
        };
        if is_cancelled {
            let most = if kind == Kind::Cancelled { 40 } else { 300 };
            tokio::time::sleep(Duration::from_millis(random.u64(0..most))).await;
            let cancel = async { answered(self.stent.cancel(execution).await.map(|()| None)) };
            self.history.record(Asked::Cancel { execution }, cancel).await?;
        }
        if kind == Kind::Listen {
            self.flood(execution, random).await?;
        }
        let wait = async {
            match self.stent.execution::<serde_json::Value>(execution).result().await {
                Ok(value) => Answer::Ok { execution: None, value: Some(value.to_string()) },
                Err(ExecutionError::Backend(error)) => Answer::Unknown { text: error.to_string() },
                Err(error) => Answer::Error { text: error.to_string(), state: Some(state(&error).into()) },
            }
        };
        self.history.record(Asked::Wait { execution }, wait).await.map(drop)
    }

    /// Dispatches, and again under the key as long as nobody knows; `None` if nobody ever will.
    async fn dispatch<F: DurableFunction>(
        &self,
        number: u64,
        keyed: bool,
        call: impl Fn() -> Call<F>,
    ) -> Result<Option<ExecutionId>> {
        for _ in 0..REPEATS {
            let call = if keyed { call().dedup(format!("number {number}")) } else { call() };
            let work = async { answered(self.stent.dispatch(call).await.map(|execution| Some(execution.id()))) };
            match self.history.record(Asked::Dispatch { number }, work).await? {
                Answer::Ok { execution, .. } => return Ok(execution),
                Answer::Unknown { .. } if keyed => tokio::time::sleep(Duration::from_millis(50)).await,
                Answer::Unknown { .. } | Answer::Error { .. } => return Ok(None),
            }
        }
        Ok(None)
    }

    /// Sends so many values, which no other client sends, to one execution.
    async fn flood_one(&self, arguments: &Arguments) -> Result {
        let execution: ExecutionId = arguments.needed("execution")?.parse()?;
        let (count, seed): (u64, u64) = (arguments.or("n", 10)?, arguments.or("seed", 1)?);
        for value in seed * 1_000_000..seed * 1_000_000 + count {
            let work = async { answered(self.stent.signal(execution, SIGNAL, &value).await.map(|()| None)) };
            self.history.record(Asked::Signal { execution, value }, work).await?;
        }
        Ok(())
    }

    /// Takes up every execution that failed.
    async fn redrive_all(&self) -> Result {
        let failed = ExecutionFilter { states: vec![ExecutionState::Failed], ..ExecutionFilter::default() };
        for execution in self.stent.backend().list_executions(&failed, Page::first(1_000)).await? {
            let execution = execution.id;
            let work = async { answered(self.stent.redrive(RedriveTarget::Execution(execution)).await.map(|()| None)) };
            self.history.record(Asked::Redrive { execution }, work).await?;
        }
        Ok(())
    }

    /// Dispatches so many executions, and waits for none.
    async fn dispatch_all(&self, arguments: &Arguments) -> Result {
        let (count, seed): (u64, u64) = (arguments.or("n", 10)?, arguments.or("seed", 1)?);
        let from = seed.wrapping_mul(1_000_000);
        let calls = (from..from + count).map(|number| self.dispatch(number, false, move || chain(number, 1, 0)));
        let mut calls = stream::iter(calls).buffer_unordered(WIDTH);
        while let Some(dispatched) = calls.next().await {
            dispatched?;
        }
        Ok(())
    }

    /// Sends a signal to every execution that is open.
    async fn wake_all(&self) -> Result {
        let states = ExecutionState::ALL.into_iter().filter(|state| !state.is_final()).collect();
        let open = ExecutionFilter { states, ..ExecutionFilter::default() };
        let (mut page, mut all) = (Page::first(1_000), Vec::new());
        loop {
            let some = self.stent.backend().list_executions(&open, page).await?;
            let Some(last) = some.last() else { break };
            page = Page { after: Some(last.id), limit: 1_000 };
            all.extend(some.into_iter().map(|execution| execution.id));
        }
        let sends = all.into_iter().map(|execution| {
            let work = async move { answered(self.stent.signal(execution, SIGNAL, &1_u64).await.map(|()| None)) };
            self.history.record(Asked::Signal { execution, value: 1 }, work)
        });
        let mut sends = stream::iter(sends).buffer_unordered(WIDTH);
        while let Some(sent) = sends.next().await {
            sent?;
        }
        Ok(())
    }

    /// Deletes what ended two seconds ago, all the time, until it is killed.
    async fn prune_all(&self) -> Result {
        loop {
            let now = self.stent.clock().now();
            let begun = Instant::now();
            self.stent.backend().prune(now, now.before(KEPT)).await?;
            if begun.elapsed() > LONGEST {
                return Err(format!("R5: a step of retention took {:?}", begun.elapsed()).into());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Sends 1, 2, 3 … until the execution has ended.
    async fn flood(&self, execution: ExecutionId, mut random: Rng) -> Result {
        for value in 1.. {
            let work = async { answered(self.stent.signal(execution, SIGNAL, &value).await.map(|()| None)) };
            if let Answer::Error { .. } = self.history.record(Asked::Signal { execution, value }, work).await? {
                break;
            }
            tokio::time::sleep(Duration::from_millis(random.u64(0..60))).await;
        }
        Ok(())
    }
}

/// What is written down of an answer.
pub(crate) fn answered(answer: Result<Option<ExecutionId>, StentError>) -> Answer {
    match answer {
        Ok(execution) => Answer::Ok { execution, value: None },
        Err(error) => judged(&error),
    }
}

fn state(error: &ExecutionError) -> &'static str {
    match error {
        ExecutionError::Failed(_) => "failed",
        ExecutionError::TimedOut => "timed_out",
        ExecutionError::Cancelled => "cancelled",
        _ => "unknown",
    }
}
