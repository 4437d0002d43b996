//! Migrations: numbered without gaps, and unchanged once released.

use super::{Problem, Tree};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};

pub(super) const REASON: &str = "A database has run the released migrations: what they say is its history. \
     A change is a new one.";

/// The released migrations in the format of `sha256sum`.
pub(super) const LOCK: &str = "xtask/migrations.sha256";

pub(super) fn broken(tree: &Tree) -> Vec<Problem> {
    let files = migrations(tree);
    let mut problems = misnumbered(files.keys().copied());
    for (number, line) in tree.text(LOCK).lines().enumerate() {
        match entry(line) {
            Some((hash, path)) => match files.get(path) {
                None => problems.push(Problem::new(path, "released, and gone: put it back")),
                Some(text) if sha256(text) != hash => {
                    problems.push(Problem::new(path, "released, and changed: put it back and add a migration"));
                }
                Some(_) => {}
            },
            None if line.is_empty() || line.starts_with('#') => {}
            None => problems.push(Problem::at(LOCK, number + 1, "not `sha256  path`")),
        }
    }
    problems
}

/// The lock with all that it lacks.
pub(super) fn released(tree: &Tree) -> String {
    let mut text = tree.text(LOCK).to_owned();
    let locked: BTreeSet<&str> = tree.text(LOCK).lines().filter_map(entry).map(|(_, path)| path).collect();
    for (path, content) in migrations(tree) {
        if !locked.contains(path) {
            text.push_str(&format!("{}  {path}\n", sha256(content)));
        }
    }
    text
}

/// The texts of `<crate>/migrations/*.sql` by path.
fn migrations(tree: &Tree) -> BTreeMap<&str, &str> {
    let of_folder = |path: &str| path.rsplit('/').nth(1) == Some("migrations") && path.ends_with(".sql");
    let files = tree.files.iter().filter(|file| of_folder(&file.path));
    files.map(|file| (file.path.as_str(), file.text.as_str())).collect()
}

/// Those of `paths`, in order, that do not go on counting 0001, 0002 … in their folder.
fn misnumbered<'a>(paths: impl Iterator<Item = &'a str>) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut last = ("", 0_u32);
    for path in paths {
        let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
        let next = if last.0 == folder { last.1 + 1 } else { 1 };
        if !name.starts_with(&format!("{next:04}_")) {
            problems.push(Problem::new(path, format!("its name should begin with {next:04}_")));
        }
        last = (folder, next);
    }
    problems
}

fn entry(line: &str) -> Option<(&str, &str)> {
    let (hash, path) = line.split_once("  ")?;
    (hash.len() == 64).then_some((hash, path))
}

fn sha256(text: &str) -> String {
    Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: (&str, &str) = ("b/migrations/0001_tasks.sql", "abc");
    const SECOND: (&str, &str) = ("b/migrations/0002_signals.sql", "");

    fn places(files: &[(&str, &str)]) -> Vec<String> {
        let problems = broken(&Tree::of(files));
        problems.into_iter().map(|problem| problem.place).collect()
    }

    #[test]
    fn a_release_locks_what_was_not() {
        let lock = released(&Tree::of(&[(LOCK, "# Released.\n"), FIRST]));
        let hash = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(lock, format!("# Released.\n{hash}  {}\n", FIRST.0));
        assert!(released(&Tree::of(&[(LOCK, &lock), FIRST, SECOND])).starts_with(&lock));
        assert_eq!(released(&Tree::of(&[(LOCK, &lock), FIRST])), lock);
    }

    #[test]
    fn a_released_migration_may_not_change_or_go() {
        let lock = released(&Tree::of(&[FIRST]));
        assert!(places(&[(LOCK, &lock), FIRST, SECOND]).is_empty());
        assert_eq!(places(&[(LOCK, &lock), (FIRST.0, "abd")]), [FIRST.0]);
        assert_eq!(places(&[(LOCK, &lock)]), [FIRST.0]);
        assert_eq!(places(&[(LOCK, "abc 1\n")]), [format!("{LOCK}:1")]);
    }

    #[test]
    fn numbers_have_no_gaps_and_no_twins() {
        assert!(places(&[FIRST, SECOND, ("c/migrations/0001_tasks.sql", "")]).is_empty());
        assert_eq!(places(&[FIRST, ("b/migrations/0001_zoo.sql", "")]), ["b/migrations/0001_zoo.sql"]);
        assert_eq!(places(&[FIRST, ("b/migrations/0003_zoo.sql", "")]), ["b/migrations/0003_zoo.sql"]);
        assert_eq!(places(&[("b/migrations/tasks.sql", "")]), ["b/migrations/tasks.sql"]);
    }
}
