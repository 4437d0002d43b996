//! How a history is told: a line a call, in which ids have short names; and where two answers differ.

use std::collections::HashMap;
use std::fmt::Write;

use stent_core::RetryPolicy;

use super::run::{Difference, Done, Failed};

/// How many characters of a UUID's text.
const UUID: usize = 36;

/// What was done, and why it does not go on.
pub(super) fn report(done: &[Done], failed: &Failed) -> String {
    let mut text = String::new();
    for (number, done) in (1..).zip(done) {
        let _ = match done {
            Done::Call(now, call, Some(answer)) => writeln!(text, "{number:>3}  {now}  {call:?}\n     -> {answer:?}"),
            Done::Call(now, call, None) => writeln!(text, "  >  {now}  {call:?}"),
            Done::Reopened => writeln!(text, "{number:>3}  the store is opened anew"),
        };
    }
    text += &match failed {
        Failed::Differs(difference) => differing(difference),
        Failed::Broken(why) => why.clone(),
    };
    plain(&short(&text))
}

fn differing(Difference { model, other }: &Difference) -> String {
    let (model, other) = (format!("{model:#?}"), format!("{other:#?}"));
    if model == other {
        return format!("the answers differ in the bytes of a payload, which are never shown:\n{model}");
    }
    lines(&model, &other)
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

/// The same with short names of ids, by what each was told as first: `e1` of an execution, `t2` of a task.
fn short(text: &str) -> String {
    let mut names: HashMap<&str, String> = HashMap::new();
    let mut short = String::new();
    let mut rest = text;
    // An id is told as `TaskId(00000000-0000-0000-0000-000000000000)`.
    while let Some(open) = rest.find('(') {
        let (before, after) = rest.split_at(open + 1);
        let kind = before.rfind(|c: char| !c.is_alphanumeric() && c != '(').map_or(0, |at| at + 1);
        let word = &before[kind..open];
        let id = after.get(..UUID).filter(|_| after[UUID..].starts_with(')'));
        match id.filter(|_| word.ends_with("Id") || word.ends_with("Token")) {
            Some(id) => {
                let number = names.len() + 1;
                let letter = word.chars().next().unwrap_or('?').to_ascii_lowercase();
                short += &before[..kind];
                short += names.entry(id).or_insert_with(|| format!("{letter}{number}"));
                rest = &after[UUID + 1..];
            }
            None => {
                short += before;
                rest = after;
            }
        }
    }
    short + rest
}

/// The same without what says nothing.
fn plain(text: &str) -> String {
    let policy = format!(": {:?}", RetryPolicy::default());
    let mut plain = text.replace("\\0", "").replace("2026-01-01T", "");
    for nothing in [&*policy, ": None", ": []", ": \"\""] {
        plain = without(&plain, nothing);
    }
    plain
}

/// Without the fields of this value that stand in one line with others.
fn without(text: &str, value: &str) -> String {
    let mut kept = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(value) {
        let (before, after) = (&rest[..at], &rest[at + value.len()..]);
        let field = before.rfind(|c: char| !c.is_alphanumeric() && c != '_').map_or(0, |at| at + 1);
        kept += &before[..field];
        rest = after;
        if let Some(after) = after.strip_prefix(", ") {
            rest = after;
        } else if after.starts_with(" }") && kept.ends_with(", ") {
            kept.truncate(kept.len() - 2);
        } else {
            kept += &before[field..];
            kept += value;
        }
    }
    kept + rest
}
