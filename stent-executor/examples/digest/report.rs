//! The report: what the sums of all files come to, and how it looks.

use std::cmp::{Ordering, Reverse};
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::Path;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::name;
use crate::sum::{Outcome, Sum};

/// Groups of identical files that a report shows, the largest first.
const GROUPS: usize = 5;
/// Names that it shows of one group.
const NAMES: usize = 3;
/// Unreadable files that it shows.
const UNREADABLE: usize = 10;
/// Bytes of names in a report: it is a stored value, and those have a limit.
const BYTES: usize = 128 << 10;

/// What the job found. The lists are cut, the numbers are not.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Report {
    pub(crate) directory: String,
    /// Regular files.
    pub(crate) files: usize,
    /// Bytes of those that could be read.
    pub(crate) bytes: u64,
    /// From the start of the job to its end, whatever lay between.
    pub(crate) seconds: f64,
    /// The SHA-256 of all lines `sum, two spaces, name` as `sha256sum` writes them, sorted by their bytes.
    pub(crate) sha256: Sum,
    pub(crate) identical: Identical,
    pub(crate) unreadable: Unreadable,
}

/// Files that others are identical to; empty ones are not among them.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Identical {
    pub(crate) groups: usize,
    pub(crate) files: usize,
    /// Bytes in all files of the groups but one of each.
    pub(crate) wasted: u64,
    pub(crate) largest: Vec<Group>,
}

/// Files of the same contents.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Group {
    pub(crate) sha256: Sum,
    pub(crate) bytes: u64,
    pub(crate) files: usize,
    pub(crate) names: Vec<String>,
}

/// Files and directories that cannot be read.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Unreadable {
    pub(crate) count: usize,
    /// Names and reasons.
    pub(crate) first: Vec<(String, String)>,
}

/// Reduces the outcomes of these files, in the same order, to a report; writes the list of sums if it is wanted.
pub(crate) fn reduce(
    files: &[String],
    outcomes: &[Outcome],
    mut unreadable: Vec<(String, String)>,
    list: Option<&Path>,
) -> io::Result<Report> {
    let mut lines = Vec::new();
    let mut total = 0;
    for (name, outcome) in files.iter().zip(outcomes) {
        match outcome {
            Outcome::Read { sha256, bytes } => {
                lines.push(Line { sum: *sha256, bytes: *bytes, name });
                total += bytes;
            }
            Outcome::Unreadable(reason) => unreadable.push((name.clone(), reason.clone())),
        }
    }
    // First so that identical files stand together, then as the lines are sorted.
    lines.sort_by_key(|line| line.sum);
    let mut room = BYTES;
    let identical = identical(&lines, &mut room);
    lines.sort_by(Line::order);
    if let Some(path) = list {
        write(path, &lines)
            .map_err(|error| io::Error::new(error.kind(), format!("cannot write {}: {error}", path.display())))?;
    }
    let mut all = Sha256::new();
    lines.iter().for_each(|line| all.update(line.text()));

    let count = unreadable.len();
    unreadable.retain(|(name, reason)| takes(&mut room, name.len() + reason.len()));
    unreadable.truncate(UNREADABLE);
    Ok(Report {
        directory: String::new(),
        files: files.len(),
        bytes: total,
        seconds: 0.0,
        sha256: Sum(all.finalize().into()),
        identical,
        unreadable: Unreadable { count, first: unreadable },
    })
}

fn identical(lines: &[Line<'_>], room: &mut usize) -> Identical {
    let groups = lines.chunk_by(|a, b| a.sum == b.sum);
    let mut groups: Vec<_> = groups.filter(|group| group.len() > 1 && group[0].bytes > 0).collect();
    let wasted = |group: &[Line<'_>]| group[0].bytes * u64::try_from(group.len() - 1).unwrap_or(0);
    groups.sort_by_key(|group| Reverse(wasted(group)));
    let mut identical = Identical { groups: groups.len(), ..Identical::default() };
    for group in groups {
        identical.files += group.len();
        identical.wasted += wasted(group);
        if identical.largest.len() < GROUPS {
            let shown = group.iter().map(|line| line.name).take(NAMES).filter(|name| takes(room, name.len()));
            let names = shown.map(str::to_owned).collect();
            let Line { sum, bytes, .. } = group[0];
            identical.largest.push(Group { sha256: sum, bytes, files: group.len(), names });
        }
    }
    identical
}

/// Takes so many bytes of the room, if there are any left.
fn takes(room: &mut usize, bytes: usize) -> bool {
    let left = room.checked_sub(bytes);
    *room = left.unwrap_or(*room);
    left.is_some()
}

/// A file that was read: a line of the list.
struct Line<'a> {
    sum: Sum,
    bytes: u64,
    name: &'a str,
}

impl Line<'_> {
    /// The line as `sha256sum` writes it: a name with a backslash or line break is escaped, and a backslash begins the line.
    fn text(&self) -> Vec<u8> {
        let path = name::to_path(self.name);
        let plain = path.as_os_str().as_encoded_bytes();
        let mut name = Vec::with_capacity(plain.len());
        for byte in plain {
            match byte {
                b'\\' => name.extend_from_slice(b"\\\\"),
                b'\n' => name.extend_from_slice(b"\\n"),
                b'\r' => name.extend_from_slice(b"\\r"),
                plain => name.push(*plain),
            }
        }
        let start: &[u8] = if name.len() > plain.len() { b"\\" } else { b"" };
        [start, self.sum.to_string().as_bytes(), b"  ", &name, b"\n"].concat()
    }

    /// The order of the lines' bytes. Names whose text has no escape are written as they are, and need no line to be compared.
    fn order(&self, other: &Self) -> Ordering {
        if self.name.contains('\\') || other.name.contains('\\') {
            let (this, that) = (self.text(), other.text());
            return this[..this.len() - 1].cmp(&that[..that.len() - 1]);
        }
        (self.sum, self.name).cmp(&(other.sum, other.name))
    }
}

/// Writes the list beside its place first, so that there is never half of one.
fn write(path: &Path, lines: &[Line<'_>]) -> io::Result<()> {
    let beside = path.with_added_extension("new");
    let mut file = BufWriter::new(File::create(&beside)?);
    for line in lines {
        file.write_all(&line.text())?;
    }
    file.into_inner()?.sync_all()?;
    fs::rename(&beside, path)
}
