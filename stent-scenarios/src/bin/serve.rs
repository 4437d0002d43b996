//! `serve DIRECTORY LEASE GRACE [POLL [CONCURRENCY]]`: a worker on the database of a directory.

use std::process::ExitCode;

use stent_scenarios::serve::{Orders, Place};

#[tokio::main]
async fn main() -> ExitCode {
    let Some(orders) = orders(std::env::args().skip(1)) else {
        eprintln!("usage: serve DIRECTORY LEASE GRACE [POLL [CONCURRENCY]]");
        return ExitCode::from(2);
    };
    stent_scenarios::serve::serve(orders).await.unwrap_or_else(|failure| {
        eprintln!("{failure}");
        ExitCode::FAILURE
    })
}

fn orders(mut arguments: impl Iterator<Item = String>) -> Option<Orders> {
    let place = Place(arguments.next()?.into());
    let (lease, grace, poll) = (arguments.next()?, arguments.next()?, arguments.next());
    let concurrency = arguments.next().map(|tasks| tasks.parse()).transpose().ok()?;
    let is_all = arguments.next().is_none();
    is_all.then_some(Orders { place, lease, grace, poll, concurrency })
}
