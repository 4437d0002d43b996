//! What is printed of rows, and written as JSON.

use std::time::Duration;

use serde_json::json;

use super::{Kind, Outcome};
use crate::Result;
use crate::rows::Row;

/// What came of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Passed,
    Failed,
    NotRun,
}

impl Verdict {
    fn as_str(self) -> &'static str {
        match self {
            Self::Passed => "pass",
            Self::Failed => "FAIL",
            Self::NotRun => "not run",
        }
    }
}

/// One row on one database.
#[derive(Debug)]
pub(super) struct Line {
    id: &'static str,
    title: &'static str,
    backend: &'static str,
    seed: u64,
    size: &'static str,
    time: Duration,
    pub(super) verdict: Verdict,
    outcome: Outcome,
}

/// Violations that are printed of one row.
const SHOWN: usize = 20;

impl Line {
    pub(super) fn of(row: &Row, kind: Kind, seed: u64, is_long: bool, time: Duration, outcome: Outcome) -> Self {
        let verdict = match (&outcome.not_run, outcome.wrong.is_empty()) {
            (Some(_), _) => Verdict::NotRun,
            (None, true) => Verdict::Passed,
            (None, false) => Verdict::Failed,
        };
        let size = if is_long { "long" } else { "short" };
        Self { id: row.id, title: row.title, backend: kind.as_str(), seed, size, time, verdict, outcome }
    }

    pub(super) fn print(&self) {
        let counts = self.outcome.counts.iter().map(|(what, number)| format!("{number} {what}"));
        if !self.outcome.counts.is_empty() {
            println!("   {}", counts.collect::<Vec<_>>().join(", "));
        }
        self.outcome.wrong.iter().take(SHOWN).for_each(|wrong| println!("   ! {wrong}"));
        if self.outcome.wrong.len() > SHOWN {
            println!("   ! and {} more", self.outcome.wrong.len() - SHOWN);
        }
        let reason = self.outcome.not_run.as_deref().map(|reason| format!(": {reason}")).unwrap_or_default();
        println!("   {}{reason}, seed {}, {:.1} s", self.verdict.as_str(), self.seed, self.time.as_secs_f64());
    }
}

/// All rows, in 80 columns.
pub(super) fn table(lines: &[Line]) -> String {
    let head = ["row", "backend", "what", "seed", "size", "time", "verdict"];
    let mut text = row(head.map(str::to_owned));
    text += &row([
        "-".repeat(4),
        "-".repeat(8),
        "-".repeat(29),
        "-".repeat(8),
        "-".repeat(5),
        "-".repeat(7),
        "-".repeat(7),
    ]);
    for line in lines {
        let title: String = line.title.chars().take(29).collect();
        let (seed, time) = (line.seed.to_string(), format!("{:.1} s", line.time.as_secs_f64()));
        let cells = [line.id, line.backend, &title, &seed, line.size, &time, line.verdict.as_str()];
        text += &row(cells.map(str::to_owned));
    }
    let count = |verdict| lines.iter().filter(|line| line.verdict == verdict).count();
    let wrong: usize = lines.iter().map(|line| line.outcome.wrong.len()).sum();
    let (passed, failed, not_run) = (count(Verdict::Passed), count(Verdict::Failed), count(Verdict::NotRun));
    text += &format!("{passed} passed, {failed} failed, {not_run} not run; {wrong} violations\n");
    for line in lines {
        if let Some(reason) = &line.outcome.not_run {
            text += &format!("not run: {} {}: {reason}\n", line.id, line.backend);
        }
    }
    text
}

fn row([id, backend, what, seed, size, time, verdict]: [String; 7]) -> String {
    let line = format!("{id:<4} {backend:<8} {what:<29} {seed:>8} {size:<5} {time:>8} {verdict}");
    line.trim_end().to_owned() + "\n"
}

/// All rows, for programs.
pub(super) fn json(lines: &[Line]) -> Result<String> {
    let rows = lines.iter().map(|line| {
        let counts: serde_json::Map<_, _> =
            line.outcome.counts.iter().map(|(what, number)| ((*what).to_owned(), json!(number))).collect();
        json!({
            "row": line.id, "title": line.title, "backend": line.backend, "seed": line.seed, "size": line.size,
            "seconds": line.time.as_secs_f64(), "verdict": line.verdict.as_str(), "counts": counts,
            "wrong": line.outcome.wrong, "reason": line.outcome.not_run,
        })
    });
    Ok(serde_json::to_string_pretty(&rows.collect::<Vec<_>>())?)
}
