//! A page of a listing: a table for people, records for programs, and how both go on.

use serde_json::{Value, json};

use crate::answer::Answer;
use crate::print;

/// Answers with what was found of `name`, at most `limit` rows. Each record has its key as `id`: that of a full page's last row is where the next page begins.
pub(super) fn page<R>(
    name: &str,
    headings: &[&str],
    found: &[R],
    limit: u32,
    row: impl Fn(&R) -> Vec<String>,
    record: impl Fn(&R) -> Value,
) -> Answer {
    let records: Vec<Value> = found.iter().map(record).collect();
    let is_full = u32::try_from(found.len()).is_ok_and(|found| found >= limit);
    let next = records.last().filter(|_| is_full).and_then(|record| record["id"].as_str().map(str::to_owned));
    let mut text = match found {
        [] => format!("no {}\n", name.replace('_', " ")),
        found => print::table(headings, &found.iter().map(row).collect::<Vec<_>>()),
    };
    if let Some(next) = &next {
        text += &format!("more: --after {next}\n");
    }
    Answer::new(json!({ name: records, "next": next }), text)
}
