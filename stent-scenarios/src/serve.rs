//! A program that is a process of its own: a worker at work until it is told to shut down. Its database is a file of its directory, or on a
//! PostgreSQL server.

pub mod functions;
mod log;
mod place;

use std::process::ExitCode;
use std::sync::Arc;

use stent_core::worker::WorkerState;
use stent_executor::prelude::*;
use stent_executor::{Registration, Stent};

pub use functions::{listen, work};
pub use place::Place;

/// Bytes of a payload: the results of a map of 300,000 items fit into one.
const PAYLOAD: usize = 8 << 20;

/// What such a program is told.
#[derive(Debug, Clone)]
pub struct Orders {
    /// Where it works.
    pub place: Place,
    /// How long claims hold.
    pub lease: String,
    /// How long running work may take when the program is told to shut down.
    pub grace: String,
    /// How often it looks for what no hint told of; `None`: as usual.
    pub poll: Option<String>,
    /// How much it does at once; `None`: as usual.
    pub concurrency: Option<usize>,
}

/// All that such a program can do.
#[must_use]
pub fn all() -> Vec<Registration> {
    use functions::{chain, halves, item, items, limited, link, long, nothing, whole};
    functions![work, listen, nothing, item, items, limited, chain, link, long, whole, halves]
}

/// Works until it is told to shut down, and prints the states of its worker as they come. What it tells of itself is in its place's `log`.
///
/// # Errors
/// That the store cannot be opened or a setting breaks its rule.
pub async fn serve(orders: Orders) -> Result<ExitCode> {
    let Orders { place, lease, grace, poll, concurrency } = orders;
    log::Log::write_to(&place);
    let stent = Stent::with_backend(place.backend().await?).functions(all()).resource(place).payload_limit(PAYLOAD);
    let stent = stent.build().await?;
    let worker = stent.worker().lease(lease.as_str()).drain_grace(grace.as_str());
    let worker = match &poll {
        Some(poll) => worker.poll(poll.as_str()),
        None => worker,
    };
    let worker = match concurrency {
        Some(concurrency) => worker.concurrency(concurrency),
        None => worker,
    };
    let worker = Arc::new(worker.start().await?);
    let states = tokio::spawn({
        let worker = Arc::clone(&worker);
        async move {
            for state in [WorkerState::Ready, WorkerState::Draining, WorkerState::Stopped] {
                println!("{}", worker.wait_for(state).await);
            }
        }
    });
    let code = worker.run_until_shutdown().await.map_or_else(ExitCode::from, |()| ExitCode::SUCCESS);
    states.await?;
    Ok(code)
}
