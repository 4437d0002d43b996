//! `worker`: a worker process, at work until it is told to shut down, or its supervisor is gone.

use std::io::Read as _;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use stent_core::Backend;
use stent_core::worker::WorkerState;
use stent_executor::Stent;
use stent_testkit::faulty::FaultyBackend;

use crate::arguments::Arguments;
use crate::ledger::Ledger;
use crate::log::Log;
use crate::place::Place;
use crate::program::Program;
use crate::{Result, fault, functions};

/// Bytes of a payload: the results of a map of 300,000 items fit into one.
const PAYLOAD: usize = 8 << 20;

/// A client of the place, with all functions that are not to be left out.
pub(crate) async fn client(arguments: &Arguments) -> Result<Stent> {
    let place: Place = arguments.needed("dsn")?.parse()?;
    let (pool, migrates) = (arguments.or("pool", 4)?, !arguments.has("no-migrate"));
    let mut backend = place.open(pool, migrates).await?;
    if let Some(plan) = fault::plan()? {
        let faulty: Arc<dyn Backend> = Arc::new(FaultyBackend::new(backend, plan));
        backend = faulty;
    }
    let functions = if arguments.has("without-late") { functions::without_late() } else { functions::all() };
    let stent = Stent::with_backend(backend).functions(functions).payload_limit(PAYLOAD);
    let stent = stent.poll(Duration::from_millis(arguments.or("poll-max-ms", 500)?));
    let stent = stent.resource(arguments.or("program", Program::Original)?);
    let stent = match arguments.text("ledger") {
        Some(ledger) => stent.resource(Ledger::open(Path::new(ledger))?),
        None => stent,
    };
    Ok(stent.build().await?)
}

/// Works until it is told to shut down.
pub(crate) async fn work(arguments: &Arguments) -> Result<ExitCode> {
    Log::listen();
    end_with_supervisor();
    if let Some(group) = arguments.text("group") {
        std::fs::write(Path::new(group).join("cgroup.procs"), std::process::id().to_string())?;
    }
    let stent = client(arguments).await?;
    let worker = stent
        .worker()
        .concurrency(arguments.or("slots", 2)?)
        .lease(Duration::from_millis(arguments.or("lease-ms", 2_000)?))
        .suspend_after(Duration::from_millis(arguments.or("suspend-ms", 1_000)?))
        .drain_grace(Duration::from_millis(arguments.or("grace-ms", 5_000)?))
        // Kills are not the fault of what they hit.
        .max_deliveries(arguments.or("max-deliveries", 100)?);
    let worker = match arguments.or("retention-ms", 0)? {
        0 => worker,
        millis => worker.retention(Some(Duration::from_millis(millis))),
    };
    let worker = worker.start().await?;
    worker.wait_for(WorkerState::Ready).await;
    println!("ready");
    Ok(worker.run_until_shutdown().await.map_or_else(ExitCode::from, |()| ExitCode::SUCCESS))
}

/// Ends this process once its input does: a supervisor that was killed leaves nothing behind.
pub(crate) fn end_with_supervisor() {
    std::thread::spawn(|| {
        let mut nothing = [0_u8; 16];
        while std::io::stdin().read(&mut nothing).is_ok_and(|read| read > 0) {}
        std::process::exit(1);
    });
}
