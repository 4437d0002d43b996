//! The figures: medians and spreads of several runs, as a table and as JSON.

use std::fmt;

use serde::Serialize;

use crate::database::Database;

/// One figure of one run.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    pub(crate) metric: String,
    pub(crate) unit: &'static str,
    pub(crate) stent: f64,
    /// What the raw database reaches, if it can be asked the same.
    pub(crate) floor: Option<f64>,
}

/// A figure over all runs. `ratio` is so that more is better: `stent / floor` of rates, `floor / stent` of times.
#[derive(Debug, Serialize)]
struct Figure {
    workload: String,
    backend: String,
    metric: String,
    unit: &'static str,
    stent: f64,
    floor: Option<f64>,
    ratio: Option<f64>,
    runs: usize,
    #[serde(skip)]
    spread: (f64, f64),
}

/// All figures.
#[derive(Debug, Default)]
pub(crate) struct Report(Vec<Figure>);

impl Report {
    /// Takes in the runs of a workload, which have the same rows.
    pub(crate) fn add(&mut self, workload: &str, database: Database, runs: Vec<Vec<Row>>) {
        let Some(first) = runs.first() else { return };
        for (at, row) in first.iter().enumerate() {
            let of = |figure: fn(&Row) -> Option<f64>| -> Vec<f64> {
                let mut figures: Vec<f64> = runs.iter().filter_map(|run| figure(&run[at])).collect();
                figures.sort_by(f64::total_cmp);
                figures
            };
            let (stent, floor) = (of(|row| Some(row.stent)), of(|row| row.floor));
            // Each run has its own floor: the machine is not the same from run to run.
            let ratio =
                of(|row| row.floor.map(|floor| if is_rate(row.unit) { row.stent / floor } else { floor / row.stent }));
            self.0.push(Figure {
                workload: workload.to_owned(),
                backend: database.to_string(),
                metric: row.metric.clone(),
                unit: row.unit,
                stent: median(&stent).unwrap_or(0.0),
                floor: median(&floor),
                ratio: median(&ratio),
                runs: runs.len(),
                spread: (stent.first().copied().unwrap_or(0.0), stent.last().copied().unwrap_or(0.0)),
            });
        }
    }

    /// An array of objects, one a figure.
    pub(crate) fn json(&self) -> String {
        serde_json::to_string_pretty(&self.0).unwrap()
    }
}

fn is_rate(unit: &str) -> bool {
    unit.ends_with("/s")
}

fn median(sorted: &[f64]) -> Option<f64> {
    sorted.get(sorted.len() / 2).copied()
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{:<3} {:<8} {:<26} {:>10} {:>17} {:>10} {:>6}",
            "", "backend", "metric", "stent", "spread", "floor", "ratio"
        )?;
        for figure in &self.0 {
            let optional = |number: Option<f64>| number.map_or_else(String::new, short);
            let spread = format!("{} … {}", short(figure.spread.0), short(figure.spread.1));
            writeln!(
                f,
                "{:<3} {:<8} {:<26} {:>10} {:>17} {:>10} {:>6}",
                figure.workload,
                figure.backend,
                format!("{}, {}", figure.metric, figure.unit),
                short(figure.stent),
                spread,
                optional(figure.floor),
                figure.ratio.map_or_else(String::new, |ratio| format!("{ratio:.2}"))
            )?;
        }
        Ok(())
    }
}

fn short(number: f64) -> String {
    if number >= 100.0 { format!("{number:.0}") } else { format!("{number:.2}") }
}
