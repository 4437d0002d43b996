//! Contracts: every id that is cited is known, and every id has a case once it has had one.
//!
//! A case is an id in the doc comment of a test, or in the conformance suite: in its registry, or in the doc comment of
//! one of its functions. The list of ids says `later` where there is no case yet; that may only turn into `case`.

use super::tree::File;
use super::{Problem, Tree};
use std::collections::{BTreeMap, BTreeSet};

pub(super) const REASON: &str = "A promise is a sentence with an id that a test can break.";
pub(super) const LIST: &str = "xtask/contracts.txt";

/// Whether a test must name the contract.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Need {
    Case,
    Later,
}

pub(super) fn broken(tree: &Tree) -> Vec<Problem> {
    let (listed, mut problems) = listed(tree);
    let cases = cases(tree);
    for (id, (need, line)) in &listed {
        match (need, cases.contains(id)) {
            (Need::Case, false) => problems.push(Problem::at(LIST, *line, format!("{id} has no case any more"))),
            (Need::Later, true) => {
                let what = format!("{id} has a case now: say `case`, or run `cargo xtask fix`");
                problems.push(Problem::at(LIST, *line, what));
            }
            _ => {}
        }
    }
    for file in tree.files.iter().filter(|file| file.path != LIST) {
        for (number, line) in file.lines() {
            let unknown = ids(line).filter(|id| !listed.contains_key(id));
            problems.extend(unknown.map(|id| Problem::at(&file.path, number, format!("{id} is not in {LIST}"))));
        }
    }
    problems
}

/// The list with `case` for every id that has one.
pub(super) fn raised(tree: &Tree) -> String {
    let cases = cases(tree);
    let raise = |line: &str| match entry(line) {
        Some((id, Need::Later)) if cases.contains(id) => line.replacen("later", "case ", 1) + "\n",
        _ => format!("{line}\n"),
    };
    tree.text(LIST).lines().map(raise).collect()
}

/// The list, with the line of each id, and what in it cannot be read.
fn listed(tree: &Tree) -> (BTreeMap<&str, (Need, usize)>, Vec<Problem>) {
    let mut listed = BTreeMap::new();
    let mut problems = Vec::new();
    for (index, line) in tree.text(LIST).lines().enumerate() {
        match entry(line) {
            Some((id, need)) => {
                if listed.insert(id, (need, index + 1)).is_some() {
                    problems.push(Problem::at(LIST, index + 1, format!("{id} is listed twice")));
                }
            }
            None if line.is_empty() || line.starts_with('#') => {}
            None => problems.push(Problem::at(LIST, index + 1, "not `id case|later title`")),
        }
    }
    (listed, problems)
}

fn entry(line: &str) -> Option<(&str, Need)> {
    let mut words = line.split_whitespace();
    let id = words.next().filter(|word| ids(word).next() == Some(word))?;
    let need = match words.next()? {
        "case" => Need::Case,
        "later" => Need::Later,
        _ => return None,
    };
    words.next().map(|_| (id, need))
}

/// Every id that some case names.
fn cases(tree: &Tree) -> BTreeSet<&str> {
    tree.rust().flat_map(cases_of).collect()
}

fn cases_of(file: &File) -> BTreeSet<&str> {
    let suite = file.is_in("conformance") || file.path.ends_with("tests/conformance.rs");
    let tests_from = if suite || file.is_test() { 1 } else { file.tests_from() };
    let mut cases = BTreeSet::new();
    let mut docs = Vec::new();
    let mut is_test = suite;
    for (_, line) in file.lines().skip(tests_from - 1) {
        let line = line.trim_start();
        if line.starts_with("///") {
            docs.extend(ids(line));
        } else if line.starts_with("#[") {
            is_test |= line.contains("test") && !line.starts_with("#[cfg");
        } else if line.starts_with("//") {
            continue;
        } else {
            if is_test && is_function(line) {
                cases.extend(docs.iter().copied());
            }
            docs.clear();
            is_test = suite;
            if suite {
                cases.extend(line.split("//").take(1).flat_map(ids));
            }
        }
    }
    cases
}

fn is_function(line: &str) -> bool {
    line.split_whitespace().any(|word| word == "fn")
}

/// The contract ids in a line: `C-`, a capital, a number.
fn ids(line: &str) -> impl Iterator<Item = &str> {
    line.match_indices("C-").filter_map(move |(at, _)| {
        let rest = &line[at + 2..];
        let digits = rest.get(1..)?.bytes().take_while(u8::is_ascii_digit).count();
        let apart = !line[..at].ends_with(|before: char| before.is_alphanumeric() || before == '-');
        let fits = apart && digits > 0 && rest.starts_with(|letter: char| letter.is_ascii_uppercase());
        fits.then(|| &line[at..at + 3 + digits])
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const LISTED: &str = "# Ids.\nC-T1   later  Bounds\nC-R10  case   Journals\n";
    const CASE: (&str, &str) =
        ("a/tests/journal.rs", "//! Tests.\n/// C-R10 It is bounded.\n#[test]\nfn bounded() {\n}\n");

    fn whats(files: &[(&str, &str)]) -> Vec<String> {
        let problems = broken(&Tree::of(files));
        problems.into_iter().map(|problem| problem.what).collect()
    }

    #[test]
    fn ids_are_found_among_other_text() {
        let found = |line| ids(line).collect::<Vec<_>>();
        assert_eq!(found("(C-Y3, C-R10): UTC-X1 C-t1 C- C-É1 C-Q and C-Q2's"), ["C-Y3", "C-R10", "C-Q2"]);
    }

    #[test]
    fn a_listed_case_that_exists_is_fine() {
        assert!(whats(&[(LIST, LISTED), CASE]).is_empty());
    }

    #[test]
    fn a_case_that_went_away_is_broken() {
        assert_eq!(whats(&[(LIST, LISTED)]), ["C-R10 has no case any more"]);
        let no_test = CASE.1.replace("#[test]\n", "");
        assert_eq!(whats(&[(LIST, LISTED), (CASE.0, &no_test)]).len(), 1);
    }

    #[test]
    fn a_case_of_what_was_for_later_turns_the_ratchet() {
        let test = "//! Code.\n/// C-T1 in code is no case.\nfn a() {}\n#[cfg(test)]\nmod tests {\n\
                    /// C-T1 Bounds.\n#[tokio::test]\nasync fn bounds() {}\n}\n";
        let files = [(LIST, LISTED), CASE, ("a/src/b.rs", test)];
        assert_eq!(whats(&files), ["C-T1 has a case now: say `case`, or run `cargo xtask fix`"]);
        assert_eq!(raised(&Tree::of(&files)), LISTED.replace("later ", "case  "));
        let code = test.split("#[cfg").next().unwrap();
        assert!(whats(&[(LIST, LISTED), CASE, ("a/src/b.rs", code)]).is_empty());
    }

    #[test]
    fn the_registry_of_the_suite_names_cases() {
        let list = LISTED.replace("later", "case ");
        let registry = "//! C-T1 here is no case.\ncase(\"wait\", &[\"C-T1\"], bounds),\n";
        assert!(whats(&[(LIST, &list), CASE, ("k/src/conformance/mod.rs", registry)]).is_empty());
        let docs = "//! Waits.\n/// C-T1 Bounds.\npub(crate) async fn bounds(store: &Store) {\n}\n";
        assert!(whats(&[(LIST, &list), CASE, ("k/src/conformance/wait.rs", docs)]).is_empty());
        assert_eq!(whats(&[(LIST, &list), CASE, ("k/src/conformance/wait.rs", "//! C-T1\n")]).len(), 1);
    }

    #[test]
    fn an_unknown_id_is_broken_wherever_it_is_cited() {
        let id = ["C", "Z9"].join("-");
        let page = format!("See C-T1 and {id}.");
        assert_eq!(whats(&[(LIST, LISTED), CASE, ("README.md", &page)]), [format!("{id} is not in {LIST}")]);
    }

    #[test]
    fn a_list_that_cannot_be_read_is_broken() {
        assert_eq!(whats(&[(LIST, "C-T1 soon Bounds\n")]).len(), 1);
        assert_eq!(whats(&[(LIST, "C-T1 later A\nC-T1 later B\n")]), ["C-T1 is listed twice"]);
    }
}
