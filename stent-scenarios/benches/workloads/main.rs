//! What Stent does a second, beside what the database itself does: `cargo xtask bench`.
//!
//! Every workload is run on each database, in turns with the raw floor: hand-written SQL on tables of the same shape, with the same durability and in large
//! batches. Results are checked; nothing is asserted about time. Workers are processes of their own, but where latency is measured.
#![expect(clippy::unwrap_used, reason = "a benchmark ends by it")]

mod arguments;
mod database;
mod fill;
mod floor;
mod full;
mod functions;
mod kills;
mod latency;
mod maps;
mod queue;
mod report;
mod sequences;
mod setup;
mod sleepers;
mod worker;

use std::process::ExitCode;

use arguments::Arguments;
use report::Report;
use setup::Setup;

#[tokio::main]
async fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    if arguments.next().as_deref() == Some(worker::ARGUMENT) {
        worker::work(&arguments.next().unwrap()).await;
        return ExitCode::SUCCESS;
    }
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<(), String> {
    let arguments = Arguments::read(std::env::args().skip(1))?;
    let mut report = Report::default();
    for setup in arguments.setups()? {
        setup.database.check().await?;
        for workload in &arguments.workloads {
            let mut runs = Vec::new();
            for run in 1..=arguments.runs {
                eprintln!("{workload} on {}, run {run} of {}", setup.database, arguments.runs);
                runs.push(measure(workload, &setup).await);
            }
            report.add(workload, setup.database, &runs);
        }
    }
    println!("{report}");
    match arguments.json {
        Some(file) => std::fs::write(&file, report.json()).map_err(|error| format!("{}: {error}", file.display())),
        None => Ok(()),
    }
}

async fn measure(workload: &str, setup: &Setup) -> Vec<report::Row> {
    match workload {
        "W1" => queue::run(setup).await,
        "W2" => sequences::run(setup).await,
        "W3" => maps::run(setup).await,
        "W4" => latency::run(setup).await,
        "W5" => kills::run(setup).await,
        "W6" => sleepers::run(setup).await,
        _ => full::run(setup).await,
    }
}
