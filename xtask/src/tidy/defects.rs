//! Defects: the page on what went wrong in the original names tests that exist, and leaves no defect out.

use super::tree::File;
use super::{Problem, Tree};
use std::collections::BTreeSet;

pub(super) const REASON: &str = "A defect that no test holds off comes back.";
const PAGE: &str = "features/010-defects-of-the-original.md";

/// The defects are B1 to this one.
const LAST: usize = 74;

pub(super) fn broken(tree: &Tree) -> Vec<Problem> {
    let page = tree.text(PAGE);
    if page.is_empty() {
        return Vec::new();
    }
    let tests: BTreeSet<&str> = tree.rust().flat_map(tests_of).collect();
    let mut problems = Vec::new();
    let mut seen = BTreeSet::new();
    for (index, line) in page.lines().enumerate() {
        let Some((number, holds)) = row(line) else { continue };
        if !seen.insert(number) || !(1..=LAST).contains(&number) {
            problems.push(Problem::at(PAGE, index + 1, format!("B{number} is listed twice, or is no defect")));
        }
        let named: Vec<_> = names(holds).collect();
        let unknown = named.iter().filter(|name| !tests.contains(*name));
        problems.extend(unknown.map(|name| Problem::at(PAGE, index + 1, format!("there is no test `{name}`"))));
        if named.is_empty() && !["does not apply", "later"].iter().any(|excuse| holds.starts_with(excuse)) {
            let what =
                format!("B{number} names no test: name one, or begin with `does not apply` or `later` and say why");
            problems.push(Problem::at(PAGE, index + 1, what));
        }
    }
    let missing = (1..=LAST).filter(|number| !seen.contains(number));
    problems.extend(missing.map(|number| Problem::new(PAGE, format!("B{number} has no row"))));
    problems
}

/// The number and the last cell of a row of the table.
fn row(line: &str) -> Option<(usize, &str)> {
    let cells: Vec<_> = line.strip_prefix('|')?.strip_suffix('|')?.split('|').map(str::trim).collect();
    let [defect, _, holds] = *cells else { return None };
    Some((defect.strip_prefix('B')?.parse().ok()?, holds))
}

/// The names of tests in a cell: code that could be the name of a function.
fn names(cell: &str) -> impl Iterator<Item = &str> {
    let is_name =
        |code: &&str| code.contains('_') && code.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_'));
    cell.split('`').skip(1).step_by(2).filter(is_name)
}

/// The names of the functions in a file's tests.
fn tests_of(file: &File) -> impl Iterator<Item = &str> {
    let from = if file.is_test() || file.is_in("conformance") { 1 } else { file.tests_from() };
    file.lines().skip(from - 1).filter_map(|(_, line)| {
        let (before, after) = line.split_once("fn ")?;
        let is_code = !before.trim_start().starts_with("//");
        after.split_once('(').map(|(name, _)| name).filter(|_| is_code)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TESTS: (&str, &str) =
        ("a/tests/b.rs", "//! Tests.\n#[test]\nfn a_thing_is_so() {}\nasync fn another_is(bench: Bench) {}\n");

    fn whats(rows: &[&str]) -> Vec<String> {
        let page: String = rows.iter().map(|row| format!("{row}\n")).collect();
        let rest: String = (1..=LAST)
            .filter(|number| !rows.iter().any(|row| row.starts_with(&format!("| B{number} "))))
            .map(|number| format!("| B{number} | x | `a_thing_is_so` |\n"))
            .collect();
        let problems = broken(&Tree::of(&[TESTS, (PAGE, &(page + &rest))]));
        problems.into_iter().map(|problem| problem.what).collect()
    }

    #[test]
    fn rows_with_tests_or_a_reason_are_fine() {
        let rows = [
            "| B1 | It holds. | `a_thing_is_so`, `another_is`, of `Worker` |",
            "| B2 | It holds. | does not apply: nothing of the kind is there |",
            "| B3 | It holds. | later, with the `command_line` |",
        ];
        assert_eq!(whats(&rows), ["there is no test `command_line`"]);
        assert!(whats(&rows[..2]).is_empty());
        assert!(broken(&Tree::of(&[TESTS])).is_empty(), "without the page there is nothing to check");
    }

    #[test]
    fn tests_that_are_gone_and_rows_without_any_are_broken() {
        assert_eq!(whats(&["| B1 | It holds. | `that_is_gone` |"]), ["there is no test `that_is_gone`"]);
        assert_eq!(whats(&["| B1 | It holds. | `Worker` sees to it |"]).len(), 1);
        assert_eq!(whats(&["| B1 | x | `a_thing_is_so` |", "| B1 | x | `a_thing_is_so` |"]).len(), 1);
        let only = "| B1 | x | `a_thing_is_so` |\n";
        assert_eq!(broken(&Tree::of(&[TESTS, (PAGE, only)])).len(), LAST - 1);
    }

    #[test]
    fn a_function_that_is_no_test_holds_nothing() {
        let code = (
            "a/src/b.rs",
            "//! Code.\nfn a_thing_is_so() {}\n// fn in_a_comment() {}\n#[cfg(test)]\nmod tests {\nfn in_the_tests() {}\n}\n",
        );
        let tree = Tree::of(&[code]);
        let names: Vec<_> = tree.rust().flat_map(tests_of).collect();
        assert_eq!(names, ["in_the_tests"]);
    }
}
