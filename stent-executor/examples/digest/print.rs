//! The report as it is printed: text of 80 columns, or JSON.

use std::fmt::Write;
use std::time::Duration;

use stent_core::ExecutionId;

use crate::progress::{Progress, rate};
use crate::report::Report;

const COLUMNS: usize = 80;

/// What is said of this run of the program, beside the report.
pub(crate) struct Run {
    pub(crate) execution: ExecutionId,
    /// What was done before, if it went on with a job.
    pub(crate) resumed: Option<Progress>,
    pub(crate) time: Duration,
}

impl Run {
    /// Files of this run alone, a second.
    fn rate(&self, report: &Report) -> f64 {
        let before = self.resumed.map_or(0, |before| before.done);
        rate(u64::try_from(report.files).unwrap_or(0).saturating_sub(before), self.time)
    }
}

/// The report as text.
pub(crate) fn text(report: &Report, run: &Run) -> String {
    let mut text = format!("{}\n", shorten(&report.directory, COLUMNS));
    let mut line = |name: &str, value: String| {
        let _ = writeln!(text, "  {name:<12} {value}");
    };
    line("files", count(report.files));
    line("bytes", bytes(report.bytes));
    line("time", format!("{:.1} s, {:.1} files/s", run.time.as_secs_f64(), run.rate(report)));
    if let Some(before) = &run.resumed {
        line("resumed", format!("{}; {:.1} s since the job began", before.words(), report.seconds));
    }
    let identical = &report.identical;
    if identical.groups > 0 {
        let (files, groups, wasted) = (count(identical.files), count(identical.groups), bytes(identical.wasted));
        line("identical", format!("{files} files in {groups} groups; {wasted} of them could be spared"));
    }
    if report.unreadable.count > 0 {
        line("unreadable", count(report.unreadable.count));
    }
    line("digest", report.sha256.to_string());
    line("job", run.execution.to_string());
    if let Some(peak) = peak_memory() {
        line("memory", format!("{} at most", bytes(peak)));
    }
    lists(report, &mut text);
    text
}

fn lists(report: &Report, text: &mut String) {
    let mut line = |name: &str, indent: usize| {
        let _ = writeln!(text, "{:indent$}{}", "", shorten(name, COLUMNS - indent));
    };
    if !report.identical.largest.is_empty() {
        line("\nidentical files", 0);
    }
    for group in &report.identical.largest {
        line(&format!("{} times {}", count(group.files), bytes(group.bytes)), 2);
        group.names.iter().for_each(|name| line(name, 4));
        if group.files > group.names.len() {
            line(&format!("… and {} more", count(group.files - group.names.len())), 4);
        }
    }
    if report.identical.groups > report.identical.largest.len() {
        line(&format!("… and {} smaller groups", count(report.identical.groups - report.identical.largest.len())), 2);
    }
    if report.unreadable.count > 0 {
        line("\nunreadable files", 0);
    }
    for (name, reason) in &report.unreadable.first {
        let room = (COLUMNS - 4).saturating_sub(reason.chars().count()).max(20);
        line(&format!("{}: {reason}", shorten(name, room)), 2);
    }
    if report.unreadable.count > report.unreadable.first.len() {
        line(&format!("… and {} more", count(report.unreadable.count - report.unreadable.first.len())), 2);
    }
}

/// The report as JSON.
pub(crate) fn json(report: &Report, run: &Run) -> String {
    let mut json = serde_json::json!(report);
    json["execution"] = run.execution.to_string().into();
    json["resumed"] = run.resumed.is_some().into();
    json["done_before"] = run.resumed.map_or(0, |before| before.done).into();
    json["run_seconds"] = run.time.as_secs_f64().into();
    json["files_per_second"] = run.rate(report).into();
    json["peak_memory_bytes"] = peak_memory().into();
    format!("{json:#}\n")
}

/// The most memory that this process has held, where the system tells.
fn peak_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kibibytes: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kibibytes * 1024)
}

fn count(count: usize) -> String {
    number(u64::try_from(count).unwrap_or(u64::MAX))
}

/// `1234567` as `1,234,567`.
pub(crate) fn number(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A size with the unit that fits: `1.2 MB`.
pub(crate) fn bytes(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["kB", "MB", "GB", "TB"];
    if bytes < 1_000 {
        return format!("{bytes} B");
    }
    // Tenths of the unit, in whole numbers.
    let (mut tenths, mut unit) = (bytes / 100, 0);
    while tenths >= 10_000 && unit + 1 < UNITS.len() {
        (tenths, unit) = (tenths / 1_000, unit + 1);
    }
    format!("{}.{} {}", tenths / 10, tenths % 10, UNITS[unit])
}

/// A text of at most so many characters: a longer one lacks its middle.
fn shorten(text: &str, most: usize) -> String {
    let length = text.chars().count();
    if length <= most {
        return text.to_owned();
    }
    let (head, tail) = ((most - 1) / 3, most - 1 - (most - 1) / 3);
    text.chars().take(head).chain(['…']).chain(text.chars().skip(length - tail)).collect()
}
