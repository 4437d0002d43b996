//! What Stent does a second, beside what the database itself does: `cargo xtask bench [-- WORKLOAD …] [--runs N] [--json FILE]`.
//!
//! Every workload is run on each database, in turns with the raw floor: hand-written SQL on a table of the same shape, with the same durability and the same
//! batch sizes. Nothing is asserted about time.
#![expect(clippy::unwrap_used, reason = "a benchmark ends by it")]

mod database;
mod floor;
mod functions;
mod measure;
mod report;

use database::Database;
use report::{Report, Row};

/// The workloads, by name.
const WORKLOADS: [&str; 4] = ["W1", "W2", "W3", "W4"];

/// What was asked for.
struct Arguments {
    workloads: Vec<String>,
    runs: usize,
    json: Option<String>,
}

impl Arguments {
    fn read() -> Result<Self, String> {
        let mut asked = Self { workloads: Vec::new(), runs: 3, json: None };
        let mut arguments = std::env::args().skip(1);
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                // What `cargo bench` adds.
                "--bench" => {}
                "--runs" => {
                    let runs = arguments.next().and_then(|runs| runs.parse().ok()).filter(|runs| *runs > 0);
                    asked.runs = runs.ok_or("--runs needs a number")?;
                }
                "--json" => asked.json = Some(arguments.next().ok_or("--json needs a file")?),
                workload if WORKLOADS.contains(&workload) => asked.workloads.push(workload.to_owned()),
                other => return Err(format!("unknown: {other}; the workloads are {}", WORKLOADS.join(", "))),
            }
        }
        if asked.workloads.is_empty() {
            asked.workloads = WORKLOADS.map(str::to_owned).to_vec();
        }
        Ok(asked)
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments = Arguments::read()?;
    let mut report = Report::default();
    for database in Database::all() {
        for workload in &arguments.workloads {
            let mut runs: Vec<Vec<Row>> = Vec::new();
            for run in 1..=arguments.runs {
                eprintln!("{workload} on {database}, run {run} of {}", arguments.runs);
                runs.push(match workload.as_str() {
                    "W1" => measure::queue(database).await,
                    "W2" => measure::sequences(database).await,
                    "W3" => measure::maps(database).await,
                    _ => measure::latency(database).await,
                });
            }
            report.add(workload, database, runs);
        }
    }
    println!("{report}");
    if let Some(file) = arguments.json {
        std::fs::write(file, report.json())?;
    }
    Ok(())
}
