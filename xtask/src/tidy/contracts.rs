//! Contracts: every id has a case, and every id that is cited is known.
//!
//! A case is an id in the doc comment of a test, or in the conformance suite: in its registry, or in the doc comment of
//! one of its functions. A test of the scenarios is a function of a bench.

use super::tree::File;
use super::{Problem, Tree};
use std::collections::{BTreeMap, BTreeSet};

pub(super) const REASON: &str = "A promise is a sentence with an id that a test can break.";
const LIST: &str = "xtask/contracts.txt";

pub(super) fn broken(tree: &Tree) -> Vec<Problem> {
    let (listed, mut problems) = listed(tree);
    let cases = cases(tree);
    for (id, line) in listed.iter().filter(|(id, _)| !cases.contains(*id)) {
        problems.push(Problem::at(LIST, *line, format!("{id} has no case: name it in the doc comment of a test")));
    }
    for file in tree.files.iter().filter(|file| file.path != LIST) {
        for (number, line) in file.lines() {
            let unknown = ids(line).filter(|id| !listed.contains_key(id));
            problems.extend(unknown.map(|id| Problem::at(&file.path, number, format!("{id} is not in {LIST}"))));
        }
    }
    problems
}

/// The list, with the line of each id, and what in it cannot be read.
fn listed(tree: &Tree) -> (BTreeMap<&str, usize>, Vec<Problem>) {
    let mut listed = BTreeMap::new();
    let mut problems = Vec::new();
    for (index, line) in tree.text(LIST).lines().enumerate() {
        match entry(line) {
            Some(id) => {
                if listed.insert(id, index + 1).is_some() {
                    problems.push(Problem::at(LIST, index + 1, format!("{id} is listed twice")));
                }
            }
            None if line.is_empty() || line.starts_with('#') => {}
            None => problems.push(Problem::at(LIST, index + 1, "not `id title`")),
        }
    }
    (listed, problems)
}

fn entry(line: &str) -> Option<&str> {
    let mut words = line.split_whitespace();
    let id = words.next().filter(|word| ids(word).next() == Some(word))?;
    words.next().map(|_| id)
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
            if is_function(line) && (is_test || (line.contains("bench: Bench)") || line.contains("bench: Bench,"))) {
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

    const LISTED: &str = "# Ids.\nC-R10  Journals\n";
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
    fn a_listed_id_with_a_case_is_fine() {
        assert!(whats(&[(LIST, LISTED), CASE]).is_empty());
    }

    #[test]
    fn an_id_without_a_case_is_broken() {
        assert_eq!(whats(&[(LIST, LISTED)]), ["C-R10 has no case: name it in the doc comment of a test"]);
        let no_test = CASE.1.replace("#[test]\n", "");
        assert_eq!(whats(&[(LIST, LISTED), (CASE.0, &no_test)]).len(), 1);
        let code = "//! Code.\n/// C-R10 in code is no case.\nfn a() {}\n";
        assert_eq!(whats(&[(LIST, LISTED), ("a/src/b.rs", code)]).len(), 1);
    }

    #[test]
    fn the_tests_of_a_module_and_those_of_a_bench_are_cases() {
        let module =
            "//! Code.\n#[cfg(test)]\nmod tests {\n/// C-R10 Bounds.\n#[tokio::test]\nasync fn bounds() {}\n}\n";
        assert!(whats(&[(LIST, LISTED), ("a/src/b.rs", module)]).is_empty());
        let bench = "//! Tests.\n/// C-R10\nasync fn it_is_bounded(bench: Bench) {\n}\n";
        assert!(whats(&[(LIST, LISTED), ("s/tests/bounds.rs", bench)]).is_empty());
    }

    #[test]
    fn the_registry_of_the_suite_names_cases() {
        let list = "C-T1   Bounds\nC-R10  Journals\n";
        let registry = "//! C-T1 here is no case.\ncase(\"wait\", &[\"C-T1\"], bounds),\n";
        assert!(whats(&[(LIST, list), CASE, ("k/src/conformance/mod.rs", registry)]).is_empty());
        let docs = "//! Waits.\n/// C-T1 Bounds.\npub(crate) async fn bounds(store: &Store) {\n}\n";
        assert!(whats(&[(LIST, list), CASE, ("k/src/conformance/wait.rs", docs)]).is_empty());
        assert_eq!(whats(&[(LIST, list), CASE, ("k/src/conformance/wait.rs", "//! C-T1\n")]).len(), 1);
    }

    #[test]
    fn an_unknown_id_is_broken_wherever_it_is_cited() {
        let id = ["C", "Z9"].join("-");
        let page = format!("See C-R10 and {id}.");
        assert_eq!(whats(&[(LIST, LISTED), CASE, ("README.md", &page)]), [format!("{id} is not in {LIST}")]);
    }

    #[test]
    fn a_list_that_cannot_be_read_is_broken() {
        assert_eq!(whats(&[(LIST, "Bounds C-R10\n"), CASE]).len(), 2);
        assert_eq!(whats(&[(LIST, "C-R10 A\nC-R10 B\n"), CASE]), ["C-R10 is listed twice"]);
    }
}
