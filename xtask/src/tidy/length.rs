//! Length: a file past 400 lines wants splitting along an idea; the list of those that are longer may only shrink.

use super::{Problem, Tree};
use std::collections::BTreeMap;

pub(super) const REASON: &str = "One idea a file: past 400 lines a reader cannot find it any more.";
pub(super) const LIST: &str = "xtask/long-files.txt";

const MOST: usize = 400;

pub(super) fn broken(tree: &Tree) -> Vec<Problem> {
    let long = long(tree);
    let (listed, mut problems) = listed(tree);
    for (path, lines) in &long {
        match listed.get(path) {
            None => {
                problems.push(Problem::new(*path, format!("{lines} lines, at most {MOST}: split it along an idea")))
            }
            Some(was) if lines > was => {
                problems.push(Problem::new(
                    *path,
                    format!("grew from {was} to {lines} lines: split it, it may only shrink"),
                ));
            }
            Some(was) if lines < was => {
                problems.push(Problem::new(
                    LIST,
                    format!("{path} has {lines} lines now, not {was}: `cargo xtask fix` lowers it"),
                ));
            }
            Some(_) => {}
        }
    }
    let gone = listed.keys().filter(|path| !long.contains_key(*path));
    problems.extend(
        gone.map(|path| Problem::new(LIST, format!("{path} is no longer long: `cargo xtask fix` takes it off"))),
    );
    problems
}

/// The list with every entry lowered to what its file has now, and without those that are no longer long.
pub(super) fn lowered(tree: &Tree) -> String {
    let long = long(tree);
    let mut text = String::new();
    for line in tree.text(LIST).lines() {
        match entry(line) {
            Some((path, was)) => {
                if let Some(lines) = long.get(path) {
                    text.push_str(&format!("{path} {}\n", was.min(*lines)));
                }
            }
            None => text.push_str(&format!("{line}\n")),
        }
    }
    text
}

fn long(tree: &Tree) -> BTreeMap<&str, usize> {
    let lengths = tree.rust().map(|file| (file.path.as_str(), file.text.lines().count()));
    lengths.filter(|(_, lines)| *lines > MOST).collect()
}

/// The list, and what in it cannot be read.
fn listed(tree: &Tree) -> (BTreeMap<&str, usize>, Vec<Problem>) {
    let mut listed = BTreeMap::new();
    let mut problems = Vec::new();
    for (number, line) in tree.text(LIST).lines().enumerate() {
        match entry(line) {
            Some((path, lines)) => {
                listed.insert(path, lines);
            }
            None if line.is_empty() || line.starts_with('#') => {}
            None => problems.push(Problem::at(LIST, number + 1, "not `path lines`")),
        }
    }
    (listed, problems)
}

fn entry(line: &str) -> Option<(&str, usize)> {
    let (path, lines) = line.split_once(' ')?;
    (path != "#").then_some((path, lines.trim().parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(list: &str, lines: usize) -> Vec<String> {
        let problems = broken(&tree(list, lines));
        problems.into_iter().map(|problem| problem.place).collect()
    }

    fn tree(list: &str, lines: usize) -> Tree {
        Tree::of(&[("a/src/b.rs", &"\n".repeat(lines)), (LIST, list)])
    }

    #[test]
    fn four_hundred_lines_are_fine_and_one_more_is_not() {
        assert!(places("# Long.\n", 400).is_empty());
        assert_eq!(places("# Long.\n", 401), ["a/src/b.rs"]);
        assert!(places("a/src/b.rs 401\n", 401).is_empty());
    }

    #[test]
    fn a_listed_file_may_only_shrink_and_the_list_with_it() {
        assert_eq!(places("a/src/b.rs 450\n", 451), ["a/src/b.rs"]);
        assert_eq!(places("a/src/b.rs 450\n", 449), [LIST]);
        assert_eq!(places("a/src/b.rs 450\n", 400), [LIST]);
        assert_eq!(places("a/src/gone.rs 450\n", 1), [LIST]);
        assert_eq!(places("a/src/b.rs many\n", 1), [format!("{LIST}:1")]);
    }

    #[test]
    fn fix_lowers_and_never_raises() {
        assert_eq!(lowered(&tree("# Long.\na/src/b.rs 450\n", 449)), "# Long.\na/src/b.rs 449\n");
        assert_eq!(lowered(&tree("# Long.\na/src/b.rs 450\n", 460)), "# Long.\na/src/b.rs 450\n");
        assert_eq!(lowered(&tree("# Long.\na/src/b.rs 450\n", 30)), "# Long.\n");
    }
}
