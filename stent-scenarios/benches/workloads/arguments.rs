//! What was asked for.

use std::path::PathBuf;

use crate::database::Database;
use crate::setup::Setup;

/// The workloads, by name.
const WORKLOADS: [&str; 7] = ["W1", "W2", "W3", "W4", "W5", "W6", "full"];
/// Tasks at once: the most that a small machine gains by.
const CONCURRENCY: usize = 500;

/// What was asked for.
pub(crate) struct Arguments {
    pub(crate) workloads: Vec<String>,
    pub(crate) runs: usize,
    pub(crate) json: Option<PathBuf>,
    backend: Option<String>,
    concurrency: usize,
    is_long: bool,
    profile: Option<PathBuf>,
}

impl Arguments {
    pub(crate) fn read(mut given: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut asked = Self {
            workloads: Vec::new(),
            runs: 3,
            json: None,
            backend: None,
            concurrency: CONCURRENCY,
            is_long: true,
            profile: None,
        };
        while let Some(argument) = given.next() {
            let mut value = || given.next().ok_or_else(|| format!("{argument} needs a value"));
            match argument.as_str() {
                // What `cargo bench` adds.
                "--bench" => {}
                "--runs" => asked.runs = number(&argument, &value()?)?,
                "--concurrency" => asked.concurrency = number(&argument, &value()?)?,
                "--backend" => asked.backend = Some(value()?),
                "--json" => asked.json = Some(value()?.into()),
                "--profile" => asked.profile = Some(value()?.into()),
                "--short" => asked.is_long = false,
                workload if WORKLOADS.contains(&workload) => asked.workloads.push(workload.to_owned()),
                other => return Err(format!("unknown: {other}; the workloads are {}", WORKLOADS.join(", "))),
            }
        }
        if asked.workloads.is_empty() {
            asked.workloads = WORKLOADS.map(str::to_owned).to_vec();
        }
        Ok(asked)
    }

    /// One for each database that is to be measured.
    pub(crate) fn setups(&self) -> Result<Vec<Setup>, String> {
        let is_asked = |database: &Database| self.backend.as_ref().is_none_or(|name| *name == database.to_string());
        let asked: Vec<Database> = Database::all().into_iter().filter(is_asked).collect();
        match &self.backend {
            Some(name) if asked.is_empty() => {
                Err(format!("there is no {name} here: `cargo xtask bench` starts what is missing"))
            }
            _ => Ok(asked.into_iter().map(|database| self.setup(database)).collect()),
        }
    }

    fn setup(&self, database: Database) -> Setup {
        let (concurrency, is_long, profile) = (self.concurrency, self.is_long, self.profile.clone());
        Setup { database, concurrency, is_long, profile }
    }
}

fn number(argument: &str, value: &str) -> Result<usize, String> {
    value.parse().ok().filter(|number| *number > 0).ok_or_else(|| format!("{argument} needs a number above zero"))
}
