//! Headers: every Rust file says first what it is for and what must hold.

use super::tree::File;
use super::{Problem, Tree};

pub(super) const REASON: &str = "A reader who opens a file learns from its first line what it is for.";

/// Folders whose own files are programs. What lies deeper, such as the inputs of compile-fail tests, may be anything.
const PROGRAMS: [&str; 3] = ["tests", "examples", "benches"];

pub(super) fn broken(tree: &Tree) -> Vec<Problem> {
    let bare = tree.rust().filter(|file| wanted(file) && !starts_with_docs(&file.text));
    bare.map(|file| Problem::at(&file.path, 1, "starts without `//!` and what the file is for")).collect()
}

fn wanted(file: &File) -> bool {
    let folder = file.path.rsplit('/').nth(1).unwrap_or("");
    file.is_in("src") || PROGRAMS.contains(&folder)
}

/// Whether `text` begins with `//! …`, at most inner attributes before it.
fn starts_with_docs(text: &str) -> bool {
    let attribute = |line: &&str| line.starts_with("#![") && line.ends_with(']');
    let first = text.lines().find(|line| !attribute(line) && !line.is_empty());
    first.and_then(|line| line.strip_prefix("//! ")).is_some_and(|docs| !docs.trim().is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_without_a_header_is_broken() {
        let count = |path, text| broken(&Tree::of(&[(path, text)])).len();
        assert_eq!(count("a/src/b.rs", "//! What it is for.\n"), 0);
        assert_eq!(count("a/src/b.rs", "#![forbid(unsafe_code)]\n//! What it is for.\n"), 0);
        for text in ["", "fn a() {}\n", "// Not docs.\n", "//!\nfn a() {}\n", "use b;\n//! Late.\n"] {
            assert_eq!(count("a/src/b.rs", text), 1, "{text}");
        }
    }

    #[test]
    fn tests_and_examples_have_headers_and_their_inputs_need_none() {
        let count = |path| broken(&Tree::of(&[(path, "fn main() {}\n")])).len();
        assert_eq!(count("a/tests/b.rs"), 1);
        assert_eq!(count("a/examples/b.rs"), 1);
        assert_eq!(count("a/tests/refused/b.rs"), 0);
        assert_eq!(count("a/build.rs"), 0);
    }
}
