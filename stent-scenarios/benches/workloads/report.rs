//! The figures: medians and spreads of several runs, as a table and as JSON.

use std::fmt;
use std::time::Duration;

use serde::Serialize;

use crate::database::Database;

/// One figure of one run.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    metric: String,
    unit: &'static str,
    stent: f64,
    /// What the raw database reaches, or what is held to be enough where that cannot be asked.
    floor: Option<f64>,
}

impl Row {
    pub(crate) fn new(metric: impl Into<String>, unit: &'static str, stent: f64) -> Self {
        Self { metric: metric.into(), unit, stent, floor: None }
    }

    pub(crate) fn floor(self, floor: f64) -> Self {
        Self { floor: Some(floor), ..self }
    }

    /// More is better: `stent / floor` of rates, `floor / stent` of times and sizes.
    fn ratio(&self) -> Option<f64> {
        self.floor.map(|floor| if self.unit.ends_with("/s") { self.stent / floor } else { floor / self.stent })
    }
}

/// So many in this time.
pub(crate) fn per_second(count: u32, time: Duration) -> f64 {
    f64::from(count) / time.as_secs_f64()
}

/// A figure over all runs: medians.
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
    pub(crate) fn add(&mut self, workload: &str, database: Database, runs: &[Vec<Row>]) {
        let Some(first) = runs.first() else { return };
        for (at, row) in first.iter().enumerate() {
            let of = |figure: fn(&Row) -> Option<f64>| -> Vec<f64> {
                let mut figures: Vec<f64> = runs.iter().filter_map(|run| figure(&run[at])).collect();
                figures.sort_by(f64::total_cmp);
                figures
            };
            let stent = of(|row| Some(row.stent));
            self.0.push(Figure {
                workload: workload.to_owned(),
                backend: database.to_string(),
                metric: row.metric.clone(),
                unit: row.unit,
                stent: median(&stent).unwrap_or(0.0),
                floor: median(&of(|row| row.floor)),
                // Each run has its own floor: the machine is not the same from run to run.
                ratio: median(&of(Row::ratio)),
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

/// The middle one, or the mean of the two in the middle.
pub(crate) fn median(sorted: &[f64]) -> Option<f64> {
    let (lower, upper) = (sorted.get(sorted.len().checked_sub(1)? / 2)?, sorted.get(sorted.len() / 2)?);
    Some(f64::midpoint(*lower, *upper))
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        line(f, ["", "backend", "metric", "stent", "spread", "floor", "ratio"])?;
        for figure in &self.0 {
            let (metric, stent) = (format!("{}, {}", figure.metric, figure.unit), short(figure.stent));
            let spread = format!("{} … {}", short(figure.spread.0), short(figure.spread.1));
            let floor = figure.floor.map_or_else(String::new, short);
            let ratio = figure.ratio.map_or_else(String::new, |ratio| format!("{ratio:.2}"));
            line(f, [&figure.workload, &figure.backend, &metric, &stent, &spread, &floor, &ratio])?;
        }
        Ok(())
    }
}

/// A line of at most 100 columns.
fn line(
    f: &mut fmt::Formatter<'_>,
    [workload, backend, metric, stent, spread, floor, ratio]: [&str; 7],
) -> fmt::Result {
    writeln!(f, "{workload:<4} {backend:<8} {metric:<35} {stent:>8} {spread:>19} {floor:>8} {ratio:>6}")
}

/// Three digits at least.
fn short(number: f64) -> String {
    match number {
        _ if number >= 100.0 => format!("{number:.0}"),
        _ if number >= 10.0 => format!("{number:.1}"),
        _ => format!("{number:.2}"),
    }
}
