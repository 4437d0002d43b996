//! Words: what does not belong into a tree that is finished at every commit.

use super::tree::File;
use super::{Problem, Tree};

pub(super) const REASON: &str = "The tree speaks of the project alone and is whole at every commit: what \
     is left to do is an issue, what is not tested is not there.";

/// In which files a word is refused.
#[derive(Clone, Copy)]
enum Where {
    Everywhere,
    /// Rust, and Markdown, whose blocks of code become tests.
    Code,
}

/// What is refused, where, and what to do instead. Written in parts, so that this file may be checked too.
const REFUSED: [(&str, Where, &str); 11] = [
    (concat!("TO", "DO"), Where::Everywhere, "do it, or open an issue"),
    (concat!("FIX", "ME"), Where::Everywhere, "mend it, or open an issue"),
    (concat!("XX", "X"), Where::Everywhere, "say what is meant"),
    (concat!("/ho", "me/"), Where::Everywhere, "a path of one machine"),
    (concat!("/ro", "ot/"), Where::Everywhere, "a path of one machine"),
    (concat!("/Use", "rs/"), Where::Everywhere, "a path of one machine"),
    (concat!("to", "do!"), Where::Code, "write it, or leave the function out"),
    (concat!("unimple", "mented!"), Where::Code, "write it, or leave the function out"),
    (concat!("db", "g!("), Where::Code, "take it out"),
    (concat!("#[ig", "nore"), Where::Code, "a test runs or is not there"),
    (concat!("#![ig", "nore"), Where::Code, "a test runs or is not there"),
];

pub(super) fn broken(tree: &Tree) -> Vec<Problem> {
    tree.files.iter().flat_map(broken_in).collect()
}

fn broken_in(file: &File) -> Vec<Problem> {
    let code = file.is_rust() || file.path.ends_with(".md");
    let mut problems = Vec::new();
    for (number, line) in file.lines() {
        for (word, place, instead) in REFUSED {
            if (code || matches!(place, Where::Everywhere)) && has_word(line, word) {
                problems.push(Problem::at(&file.path, number, format!("{word}: {instead}")));
            }
        }
        if code && opens_ignored_example(line) {
            let what = "an example that is not compiled rots: use no_run, or text";
            problems.push(Problem::at(&file.path, number, what));
        }
    }
    problems
}

/// Whether `word` stands in `line` and is not a part of a longer word.
pub(super) fn has_word(line: &str, word: &str) -> bool {
    let part = |letter: Option<char>| letter.is_some_and(|letter| letter.is_alphanumeric() || letter == '_');
    let starts_as_word = part(word.chars().next());
    let ends_as_word = part(word.chars().next_back());
    line.match_indices(word).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + word.len()..].chars().next();
        !(starts_as_word && part(before) || ends_as_word && part(after))
    })
}

/// Whether a fence of a code block, in Markdown or in a doc comment, keeps rustdoc from compiling it.
fn opens_ignored_example(line: &str) -> bool {
    let line = line.trim_start();
    let line = line.strip_prefix("///").or_else(|| line.strip_prefix("//!")).unwrap_or(line);
    let fence = line.trim_start().strip_prefix("```");
    fence.is_some_and(|options| options.split([',', ' ']).any(|option| option.starts_with("ignore")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(path: &str, text: &str) -> usize {
        broken(&Tree::of(&[(path, text)])).len()
    }

    #[test]
    fn every_refused_word_is_found() {
        for (word, _, _) in REFUSED {
            assert_eq!(count("a/src/b.rs", &format!("// see {word} a\n")), 1, "{word}");
        }
    }

    #[test]
    fn a_part_of_a_longer_word_is_fine() {
        let longer = [REFUSED[2].0, "X"].concat();
        assert_eq!(count("a.sh", &format!("mktemp a.{longer}{longer}")), 0);
        assert_eq!(count("a/src/b.rs", &format!("my_{}", REFUSED[8].0)), 0);
    }

    #[test]
    fn macros_are_refused_in_code_alone() {
        assert_eq!(count("clippy.toml", REFUSED[6].0), 0);
        assert_eq!(count("README.md", REFUSED[6].0), 1);
    }

    #[test]
    fn examples_are_compiled() {
        let fence = ["```", "ignore"].concat();
        assert_eq!(count("README.md", &fence), 1);
        assert_eq!(count("a/src/b.rs", &format!("    /// {}", fence.replace("```", "```rust,"))), 1);
        assert_eq!(count("a/src/b.rs", "//! ```no_run\n//! ```text\n/// ```"), 0);
    }
}
