//! Links: what a page of Markdown points to within the repository is there, its heading too.

use std::path::Path;

use super::tree::File;
use super::{Problem, Tree};

pub(super) const REASON: &str = "A reader follows a link once. What has moved takes its links along.";

pub(super) fn broken(tree: &Tree) -> Vec<Problem> {
    let pages = tree.files.iter().filter(|file| file.path.ends_with(".md"));
    pages.flat_map(|page| broken_in(tree, page)).collect()
}

fn broken_in(tree: &Tree, page: &File) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (number, line) in prose(page) {
        for target in targets(line) {
            if let Some(what) = wrong(tree, page, target) {
                problems.push(Problem::at(&page.path, number, format!("{target}: {what}")));
            }
        }
    }
    problems
}

/// The lines outside of fenced code, with their numbers.
fn prose(page: &File) -> impl Iterator<Item = (usize, &str)> {
    let mut in_code = false;
    page.lines().filter(move |(_, line)| {
        let is_fence = line.trim_start().starts_with("```");
        in_code ^= is_fence;
        !in_code && !is_fence
    })
}

/// What the links of a line point to: `[text](target)`.
fn targets(line: &str) -> impl Iterator<Item = &str> {
    line.match_indices("](").filter_map(|(at, _)| line[at + 2..].split_once(')')).map(|(target, _)| target)
}

fn wrong(tree: &Tree, page: &File, target: &str) -> Option<&'static str> {
    if target.contains("://") || target.starts_with("mailto:") {
        return None;
    }
    let (path, heading) = target.split_once('#').map_or((target, None), |(path, heading)| (path, Some(heading)));
    let path = if path.is_empty() { Some(page.path.clone()) } else { beside(&page.path, path) };
    let Some(path) = path else { return Some("it leads out of the repository") };
    let Some(heading) = heading else {
        return (!is_there(tree, &path)).then_some("there is no such file or folder");
    };
    let Some(file) = tree.files.iter().find(|file| file.path == path) else {
        return Some("there is no such file");
    };
    let has_it = prose(file).any(|(_, line)| line.starts_with('#') && slug(line) == heading);
    (!has_it).then_some("the page has no such heading")
}

/// The path from the root of what a page links to; `None` for what lies outside.
fn beside(page: &str, link: &str) -> Option<String> {
    let mut parts: Vec<&str> = page.split('/').collect();
    parts.pop();
    for part in link.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()?),
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

fn is_there(tree: &Tree, path: &str) -> bool {
    let below = format!("{path}/");
    let is_known = |file: &File| file.path == path || file.path.starts_with(&below);
    // Files that are not text are not in the tree.
    tree.files.iter().any(is_known) || Path::new(&tree.root).join(path).exists()
}

/// A heading as the anchor that hosts of Markdown make of it.
fn slug(heading: &str) -> String {
    let letters = heading.trim_start_matches('#').trim().to_lowercase();
    letters
        .chars()
        .filter(|letter| letter.is_alphanumeric() || "-_ ".contains(*letter))
        .collect::<String>()
        .replace(' ', "-")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(text: &str) -> usize {
        let other = ("docs/a.md", "# One idea, `two` words\n");
        broken(&Tree::of(&[("docs/b/page.md", text), other, ("src/lib.rs", "//! Says.\n")])).len()
    }

    #[test]
    fn links_to_what_is_there_are_whole() {
        for text in [
            "[a](../a.md), [b](../../src), [c](https://example.org/none) and [d](../a.md#one-idea-two-words)",
            "[here](#there)\n\n## There\n",
            "```text\n[not](a-link.md)\n```\n",
        ] {
            assert_eq!(count(text), 0, "{text}");
        }
    }

    #[test]
    fn links_to_what_is_not_there_are_broken() {
        for text in
            ["[a](a.md)", "[a](../a.md#two)", "[a](../../../a.md#one)", "[a](#none)", "ok [a](../a.md), [b](gone.md)"]
        {
            assert_eq!(count(text), 1, "{text}");
        }
    }
}
