//! The files that git knows or would know, as text: what the rules read.

use crate::{Result, cargo};
use std::path::{Path, PathBuf};
use std::process::Command;

/// A text file, by its path from the root of the workspace (always with `/`).
pub(super) struct File {
    pub(super) path: String,
    pub(super) text: String,
}

/// All text files, in the order of their paths.
pub(super) struct Tree {
    pub(super) root: PathBuf,
    pub(super) files: Vec<File>,
}

impl File {
    pub(super) fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }

    /// Whether a folder of this name stands above the file.
    pub(super) fn is_in(&self, folder: &str) -> bool {
        self.path.split('/').rev().skip(1).any(|part| part == folder)
    }

    /// Whether the whole file is test code.
    pub(super) fn is_test(&self) -> bool {
        self.is_in("tests") || self.path.ends_with("/tests.rs")
    }

    /// The lines with their numbers, from 1.
    pub(super) fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.text.lines().enumerate().map(|(index, line)| (index + 1, line))
    }

    /// The number of the line where the inline test module begins, or one past the last.
    pub(super) fn tests_from(&self) -> usize {
        let lines: Vec<&str> = self.text.lines().collect();
        let begins = |index: &usize| {
            let inner = lines[index + 1..].iter().find(|line| !line.starts_with("#["));
            lines[*index] == "#[cfg(test)]" && inner.is_some_and(|line| line.starts_with("mod ") && line.ends_with('{'))
        };
        (0..lines.len()).find(begins).map_or(lines.len() + 1, |index| index + 1)
    }
}

impl Tree {
    /// Reads the tree at `root`, without files that are not text and files that git lists but that are gone.
    pub(super) fn read(root: &Path) -> Result<Self> {
        let mut list = Command::new("git");
        list.args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"]).current_dir(root);
        let list = cargo::output(&mut list)?;
        let mut paths: Vec<&str> = list.split_terminator('\0').collect();
        paths.sort_unstable();
        paths.dedup();
        let mut files = Vec::new();
        for path in paths {
            let full = root.join(path);
            if !full.is_file() {
                continue;
            }
            let bytes = std::fs::read(&full).map_err(|error| format!("{path} cannot be read: {error}"))?;
            if let Ok(text) = String::from_utf8(bytes) {
                files.push(File { path: path.to_owned(), text });
            }
        }
        Ok(Self { root: root.to_owned(), files })
    }

    /// The text of a file; empty if there is none.
    pub(super) fn text(&self, path: &str) -> &str {
        self.files.iter().find(|file| file.path == path).map_or("", |file| &file.text)
    }

    pub(super) fn rust(&self) -> impl Iterator<Item = &File> {
        self.files.iter().filter(|file| file.is_rust())
    }

    /// Writes a file of the tree anew and says so, unless it is the same.
    pub(super) fn replace(&self, path: &str, text: &str) -> Result {
        if self.text(path) != text {
            std::fs::write(self.root.join(path), text)?;
            println!("{path}: changed");
        }
        Ok(())
    }

    /// A tree that is nowhere on disk.
    #[cfg(test)]
    pub(super) fn of(files: &[(&str, &str)]) -> Self {
        let file = |(path, text): &(&str, &str)| File { path: (*path).to_owned(), text: (*text).to_owned() };
        Self { root: PathBuf::new(), files: files.iter().map(file).collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_file_is_found_in_this_tree() {
        let tree = Tree::read(&cargo::root().unwrap()).unwrap();
        assert!(tree.text("xtask/src/tidy/tree.rs").starts_with("//! The files"));
        assert!(tree.files.iter().all(|file| !file.path.starts_with("target/")));
    }

    #[test]
    fn a_replaced_file_is_written_once() {
        let folder = tempfile::tempdir().unwrap();
        let mut tree = Tree::of(&[("list.txt", "old")]);
        tree.root = folder.path().to_owned();
        tree.replace("list.txt", "old").unwrap();
        assert!(!folder.path().join("list.txt").exists());
        tree.replace("list.txt", "new").unwrap();
        assert_eq!(std::fs::read_to_string(folder.path().join("list.txt")).unwrap(), "new");
    }

    #[test]
    fn the_inline_tests_are_told_from_the_code() {
        let begin = |text: &str| Tree::of(&[("a.rs", text)]).files[0].tests_from();
        assert_eq!(begin("//! A.\nfn a() {}\n#[cfg(test)]\nmod tests {\n}\n"), 3);
        assert_eq!(begin("//! A.\n#[cfg(test)]\nmod tests;\nfn a() {}\n"), 5);
        assert_eq!(begin("//! A.\n"), 2);
    }

    #[test]
    fn test_files_are_known_by_their_place() {
        let tree = Tree::of(&[("a/tests/b.rs", ""), ("a/src/b/tests.rs", ""), ("a/src/tests_of.rs", "")]);
        let tests: Vec<bool> = tree.files.iter().map(File::is_test).collect();
        assert_eq!(tests, [true, true, false]);
    }
}
