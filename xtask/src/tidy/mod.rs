//! `cargo xtask tidy`: the rules of the house that no compiler knows, one a file.
//!
//! A rule reads the [`Tree`] and answers with what breaks it. `fix` lowers the ratchet `long-files.txt`;
//! `release-migrations` adds to `migrations.sha256`.

mod contracts;
mod defects;
mod headers;
mod layers;
mod length;
mod links;
mod migrations;
mod mirrors;
mod sql;
mod tree;
mod words;

use crate::layout;
use crate::{Result, cargo};
use tree::Tree;

/// What breaks a rule: where (`path` or `path:line`), and what to do about it.
#[derive(Debug, PartialEq, Eq)]
struct Problem {
    place: String,
    what: String,
}

impl Problem {
    fn new(place: impl Into<String>, what: impl Into<String>) -> Self {
        Self { place: place.into(), what: what.into() }
    }

    fn at(path: &str, line: usize, what: impl Into<String>) -> Self {
        Self::new(format!("{path}:{line}"), what)
    }
}

/// A rule: its name, the reason for it, and how to find what breaks it.
struct Rule {
    name: &'static str,
    reason: &'static str,
    broken: fn(&Tree) -> Result<Vec<Problem>>,
}

const RULES: [Rule; 10] = [
    Rule { name: "layers", reason: layers::REASON, broken: layers::broken },
    Rule { name: "mirrors", reason: mirrors::REASON, broken: |tree| Ok(mirrors::broken(tree)) },
    Rule { name: "length", reason: length::REASON, broken: |tree| Ok(length::broken(tree)) },
    Rule { name: "headers", reason: headers::REASON, broken: |tree| Ok(headers::broken(tree)) },
    Rule { name: "contracts", reason: contracts::REASON, broken: |tree| Ok(contracts::broken(tree)) },
    Rule { name: "defects", reason: defects::REASON, broken: |tree| Ok(defects::broken(tree)) },
    Rule { name: "migrations", reason: migrations::REASON, broken: |tree| Ok(migrations::broken(tree)) },
    Rule { name: "words", reason: words::REASON, broken: |tree| Ok(words::broken(tree)) },
    Rule { name: "links", reason: links::REASON, broken: |tree| Ok(links::broken(tree)) },
    Rule { name: "sql", reason: sql::REASON, broken: |tree| Ok(sql::broken(tree)) },
];

/// Checks every rule and prints what breaks each, with the rule's reason.
pub(crate) fn run() -> Result {
    let tree = Tree::read(&cargo::root()?)?;
    let mut count = 0;
    for rule in &RULES {
        let problems = (rule.broken)(&tree)?;
        print!("{}", page(rule, &problems));
        count += problems.len();
    }
    match count {
        0 => Ok(()),
        1 => Err("tidy: 1 problem".into()),
        _ => Err(format!("tidy: {count} problems").into()),
    }
}

/// Lowers the ratchet.
pub(crate) fn tighten() -> Result {
    let tree = Tree::read(&cargo::root()?)?;
    tree.replace(length::LIST, &length::lowered(&tree))
}

/// Locks all migrations as they are now.
pub(crate) fn release_migrations() -> Result {
    let tree = Tree::read(&cargo::root()?)?;
    let broken = migrations::broken(&tree);
    if let Some(problem) = broken.first() {
        return Err(format!("{}: {}", problem.place, problem.what).into());
    }
    tree.replace(migrations::LOCK, &migrations::released(&tree))
}

/// What is printed of one rule.
fn page(rule: &Rule, problems: &[Problem]) -> String {
    if problems.is_empty() {
        return format!("{:<10}  ok\n", rule.name);
    }
    let mut text = format!("{:<10}  {} broken\n", rule.name, problems.len());
    text.push_str(&layout::wrap(rule.reason, 2));
    text.push('\n');
    for problem in problems {
        text.push_str(&format!("  {}\n{}\n", problem.place, layout::wrap(&problem.what, 6)));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broken_rule_is_printed_with_its_reason() {
        let rule = Rule { name: "words", reason: "The reason.", broken: |_| Ok(Vec::new()) };
        assert_eq!(page(&rule, &[]), "words       ok\n");
        let text = "words       1 broken\n  The reason.\n  a.rs:3\n      what to do\n";
        assert_eq!(page(&rule, &[Problem::at("a.rs", 3, "what to do")]), text);
    }
}
