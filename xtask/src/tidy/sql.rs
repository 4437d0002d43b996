//! SQL: statements are static text; none is put together from parts.

use super::words::has_word;
use super::{Problem, Tree};

pub(super) const REASON: &str = "A statement is a file, prepared by a test; values are bound. What is put \
     together at run time can be injected into and is planned by nobody.";

const MACROS: [&str; 4] = ["format!", "format_args!", "write!", "writeln!"];
const VERBS: [&str; 4] = ["SELECT", "INSERT", "UPDATE", "DELETE"];

pub(super) fn broken(tree: &Tree) -> Vec<Problem> {
    let mut problems = Vec::new();
    for file in tree.rust().filter(|file| file.is_in("src") && !file.is_test()) {
        let lines: Vec<&str> = file.text.lines().take(file.tests_from() - 1).collect();
        for (index, line) in lines.iter().enumerate() {
            for at in calls_in(line) {
                let call = call(&line[at..], &lines[index + 1..]);
                if let Some(verb) = VERBS.iter().find(|verb| has_word(&call, verb)) {
                    let what = format!(
                        "{verb} in a text put together at run time: make it a static statement and bind values"
                    );
                    problems.push(Problem::at(&file.path, index + 1, what));
                }
            }
        }
    }
    problems
}

/// Where the calls of the macros begin in a line.
fn calls_in(line: &str) -> impl Iterator<Item = usize> {
    let calls = MACROS.iter().flat_map(|name| line.match_indices(name));
    calls.filter_map(|(at, name)| {
        let is_call = line[at + name.len()..].starts_with('(');
        let is_whole = !line[..at].ends_with(|before: char| before.is_alphanumeric() || before == '_');
        (is_call && is_whole).then_some(at)
    })
}

/// The macro call that begins with `first`, to its closing bracket. Brackets in strings are taken as balanced.
fn call(first: &str, rest: &[&str]) -> String {
    let mut text = String::new();
    let mut depth = 0_usize;
    for line in std::iter::once(&first).chain(rest) {
        for letter in line.chars() {
            text.push(letter);
            match letter {
                '(' => depth += 1,
                ')' if depth <= 1 => return text,
                ')' => depth -= 1,
                _ => {}
            }
        }
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(path: &str, text: &str) -> usize {
        broken(&Tree::of(&[(path, text)])).len()
    }

    #[test]
    fn sql_put_together_is_broken() {
        assert_eq!(count("a/src/b.rs", r#"let sql = format!("SELECT id FROM {table}");"#), 1);
        assert_eq!(count("a/src/b.rs", r#"write!(sql, "DELETE FROM {table}")?;"#), 1);
        assert_eq!(count("a/src/b.rs", "format!(\n    \"{with} {}\",\n    name(\"UPDATE tasks\"),\n)"), 1);
    }

    #[test]
    fn static_sql_and_other_text_are_fine() {
        assert_eq!(count("a/src/b.rs", r#"const SQL: &str = "SELECT 1"; // format!(x)"#), 0);
        assert_eq!(count("a/src/b.rs", r#"format!("{SELECTED} rows"); query("DELETE FROM tasks")"#), 0);
        assert_eq!(count("a/src/b.rs", "format!(\"a\");\nquery(\"DELETE FROM tasks\")"), 0);
    }

    #[test]
    fn tests_may_do_as_they_like() {
        let text = "format!(\"SELECT {column}\")\n";
        assert_eq!(count("a/tests/b.rs", text), 0);
        assert_eq!(count("a/src/b.rs", &format!("//! B.\n#[cfg(test)]\nmod tests {{\n{text}}}\n")), 0);
        assert_eq!(count("a/benches/b.rs", text), 0);
    }
}
