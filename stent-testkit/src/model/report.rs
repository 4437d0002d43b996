//! How a history is told: a line a call, in which ids have short names; and where two answers differ.

use std::collections::HashMap;
use std::fmt::Write;

use super::run::{Difference, Done};

/// How many characters of a UUID's text.
const UUID: usize = 36;

/// What happened before, and the two answers.
pub(super) fn difference(difference: &Difference) -> String {
    let mut text = String::new();
    let start = difference.before.iter().find_map(|done| match done {
        Done::Call(now, ..) => Some(*now),
        Done::Reopened => None,
    });
    let start = start.unwrap_or(difference.now);
    let seconds = |now: stent_core::Timestamp| {
        let micros = now.as_micros() - start.as_micros();
        format!("{}.{:06} s", micros.div_euclid(1_000_000), micros.rem_euclid(1_000_000))
    };
    for (number, done) in (1..).zip(&difference.before) {
        let _ = match done {
            Done::Call(now, call, answer) => {
                writeln!(text, "{number:>3}  {:>12}  {call:?}\n{:>19}-> {answer:?}", seconds(*now), "")
            }
            Done::Reopened => writeln!(text, "{number:>3}  the store is opened anew"),
        };
    }
    let Difference { now, call, model, other, .. } = difference;
    let _ = writeln!(text, "  >  {:>12}  {call:?}", seconds(*now));
    let (model, other) = (format!("{model:#?}"), format!("{other:#?}"));
    if model == other {
        text += "the answers differ in the bytes of a payload, which is never shown:\n";
        text += &model;
    } else {
        text += &lines(&model, &other);
    }
    short(&text)
}

/// The lines in which two texts differ, with those before and after that hold them.
fn lines(model: &str, other: &str) -> String {
    const AROUND: usize = 4;
    let (one, two): (Vec<&str>, Vec<&str>) = (model.lines().collect(), other.lines().collect());
    let same = one.iter().zip(&two).take_while(|(one, two)| one == two).count();
    let rest = one.iter().rev().zip(two.iter().rev()).take_while(|(one, two)| one == two).count();
    let rest = rest.min(one.len() - same).min(two.len() - same);
    let mut text = String::new();
    let mut push = |mark: &str, lines: &[&str]| {
        for line in lines {
            let _ = writeln!(text, "{mark}{line}");
        }
    };
    push("           ", &one[same.saturating_sub(AROUND)..same]);
    push("model      ", &one[same..one.len() - rest]);
    push("other      ", &two[same..two.len() - rest]);
    push("           ", &one[one.len() - rest..(one.len() - rest + AROUND).min(one.len())]);
    text
}

/// The same with short names of ids, and without what says nothing.
fn short(text: &str) -> String {
    let mut names: HashMap<String, String> = HashMap::new();
    let mut short = String::new();
    let mut rest = text;
    // An id is told as `TaskId(00000000-0000-0000-0000-000000000000)`.
    while let Some(open) =
        rest.find("Id(").map(|at| at + 2).into_iter().chain(rest.find("Token(").map(|at| at + 5)).min()
    {
        let (before, after) = rest.split_at(open + 1);
        let kind_at = before[..open].rfind(|c: char| !c.is_alphanumeric()).map_or(0, |at| at + 1);
        let Some(id) = after.get(..UUID).filter(|_| after[UUID.min(after.len())..].starts_with(')')) else {
            short += before;
            rest = after;
            continue;
        };
        let kind = before[kind_at..].chars().next().unwrap_or('?').to_ascii_lowercase();
        let number = names.len() + 1;
        let name = names.entry(id.to_owned()).or_insert_with(|| format!("{kind}{number}"));
        short += &before[..kind_at];
        short += name;
        rest = &after[UUID + 1..];
    }
    short += rest;
    for nothing in [": None", ": []"] {
        short = without(&short, nothing);
    }
    short
}

/// Without the fields of this value, where they stand in one line with others.
fn without(text: &str, value: &str) -> String {
    let mut kept = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(value) {
        let (before, after) = (&rest[..at], &rest[at + value.len()..]);
        let name = before.rfind(|c: char| !c.is_alphanumeric() && c != '_').map_or(0, |at| at + 1);
        match after.strip_prefix(", ") {
            Some(after) => {
                kept += &before[..name];
                rest = after;
            }
            None => {
                kept += before;
                kept += value;
                rest = after;
            }
        }
    }
    kept + rest
}
