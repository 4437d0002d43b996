//! Mirrors: the two SQL backends have the same source files and the same migrations.

use super::{Problem, Tree};
use std::collections::BTreeSet;

pub(super) const REASON: &str = "Who knows one backend knows both: same files, same migration numbers and \
     names. What differs is in the statements.";

const SIBLINGS: [&str; 2] = ["stent-backend-sqlite", "stent-backend-postgres"];
const FOLDERS: [&str; 2] = ["src/", "migrations/"];
/// What only one of the databases has: SQLite one writer, which groups what waits for it; PostgreSQL a network, hints that cross it, and claims that meet.
const ALONE: [&str; 11] = [
    "src/transaction/group.rs",
    "src/transaction/job.rs",
    "src/transaction/tests.rs",
    "src/tls.rs",
    "src/pipeline.rs",
    "src/listen.rs",
    "src/listen/notice.rs",
    "src/claim/limited.rs",
    "src/complete/at_once.rs",
    "src/complete/given.rs",
    "src/claim/unlimited.rs",
];

pub(super) fn broken(tree: &Tree) -> Vec<Problem> {
    let [one, other] = SIBLINGS.map(|sibling| mirrored(tree, sibling));
    if one.is_empty() || other.is_empty() {
        return Vec::new();
    }
    let lacks = |path: &&str, has: &str, lacks: &str| {
        Problem::new(
            format!("{has}/{path}"),
            format!("{lacks} has no {path}: mirror it, or fold it into a file both have"),
        )
    };
    let [one_name, other_name] = SIBLINGS;
    let alone = one.difference(&other).map(|path| lacks(path, one_name, other_name));
    alone.chain(other.difference(&one).map(|path| lacks(path, other_name, one_name))).collect()
}

/// The files of a crate that its sibling must have too, by their paths within it.
fn mirrored<'a>(tree: &'a Tree, sibling: &str) -> BTreeSet<&'a str> {
    let within = |path: &'a str| path.strip_prefix(sibling)?.strip_prefix('/');
    let paths = tree.files.iter().filter_map(|file| within(&file.path));
    let paths = paths.filter(|path| FOLDERS.iter().any(|folder| path.starts_with(folder)));
    paths.filter(|path| !ALONE.contains(path)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SQLITE: [(&str, &str); 3] = [
        ("stent-backend-sqlite/src/claim.rs", ""),
        ("stent-backend-sqlite/migrations/0001_tasks.sql", ""),
        ("stent-backend-sqlite/sql/claim/promote.sql", ""),
    ];

    #[test]
    fn a_backend_alone_has_nothing_to_mirror() {
        assert!(broken(&Tree::of(&SQLITE)).is_empty());
    }

    #[test]
    fn equal_siblings_are_fine_and_statements_may_differ() {
        let mut files = SQLITE.to_vec();
        files.push(("stent-backend-postgres/src/claim.rs", ""));
        files.push(("stent-backend-postgres/migrations/0001_tasks.sql", ""));
        files.push(("stent-backend-postgres/tests/deadlocks.rs", ""));
        assert!(broken(&Tree::of(&files)).is_empty());
    }

    #[test]
    fn a_file_or_migration_of_one_alone_is_broken() {
        let mut files = SQLITE.to_vec();
        files.push(("stent-backend-postgres/src/claims.rs", ""));
        files.push(("stent-backend-postgres/migrations/0001_tasks.sql", ""));
        let places: Vec<String> = broken(&Tree::of(&files)).into_iter().map(|problem| problem.place).collect();
        assert_eq!(places, ["stent-backend-sqlite/src/claim.rs", "stent-backend-postgres/src/claims.rs"]);
        files.push(("stent-backend-postgres/migrations/0002_more.sql", ""));
        assert_eq!(broken(&Tree::of(&files)).len(), 3);
    }
}
