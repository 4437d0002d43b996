//! The listing: all regular files below a directory, piece by piece.
//!
//! A tree may hold more names than one stored value may hold (1 MiB), so a piece ends at [`NAMES`] files or [`BYTES`] bytes, and the next
//! one goes on behind the last file of it. Within a directory names are in the order of their bytes, so "behind" means the same in
//! every run, and a piece needs nothing from the ones before but their last name.

use std::cmp::Ordering;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::name;

/// Files in a piece, at most.
const NAMES: usize = 5_000;
/// Bytes of names in a piece, at most: well below the limit of a stored value, escapes and JSON included.
const BYTES: usize = 256 << 10;

/// A piece of the listing. Names are relative to the directory, in text as by [`name::to_text`].
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Piece {
    /// Regular files; symbolic links are not followed.
    pub(crate) files: Vec<String>,
    /// Directories that cannot be read, and why.
    pub(crate) unreadable: Vec<(String, String)>,
    /// False if more files may follow.
    pub(crate) is_last: bool,
}

/// A directory that is being listed: what is left of it, the next entry last.
struct Level {
    directory: PathBuf,
    entries: Vec<Entry>,
}

struct Entry {
    name: OsString,
    is_directory: bool,
}

/// The files below `root` that come behind the file `after`, or the first ones; without those in `excluded`, which are whole paths.
pub(crate) fn piece(root: &Path, after: Option<&str>, excluded: &[PathBuf]) -> Piece {
    let mut piece = Piece::default();
    let mut bytes = 0;
    let mut levels = begin(root, after, &mut piece);
    while let Some(level) = levels.last_mut() {
        let Some(entry) = level.entries.pop() else {
            levels.pop();
            continue;
        };
        let relative = level.directory.join(entry.name);
        if entry.is_directory {
            levels.extend(open(root, relative, &mut piece));
        } else if !excluded.contains(&root.join(&relative)) {
            let text = name::to_text(&relative);
            bytes += text.len();
            piece.files.push(text);
            if piece.files.len() >= NAMES || bytes >= BYTES {
                return piece;
            }
        }
    }
    piece.is_last = true;
    piece
}

/// The directories from the root to the one of `after`, each with the entries that come behind it.
fn begin(root: &Path, after: Option<&str>, piece: &mut Piece) -> Vec<Level> {
    let mut levels: Vec<Level> = open(root, PathBuf::new(), piece).into_iter().collect();
    let after = after.map(name::to_path).unwrap_or_default();
    for component in after.components().filter(|component| matches!(component, Component::Normal(_))) {
        let Some(level) = levels.last_mut() else { break };
        let here = component.as_os_str();
        level.entries.retain(|entry| order(&entry.name, here) != Ordering::Less);
        match level.entries.pop_if(|entry| entry.name == here) {
            Some(entry) if entry.is_directory => {
                let below = level.directory.join(entry.name);
                levels.extend(open(root, below, piece));
            }
            _ => break,
        }
    }
    levels
}

/// Reads a directory; one that cannot be read is noted.
fn open(root: &Path, directory: PathBuf, piece: &mut Piece) -> Option<Level> {
    let read = fs::read_dir(root.join(&directory)).and_then(|entries| {
        let entries = entries.filter_map(|entry| entry.and_then(known).transpose());
        let mut entries = entries.collect::<io::Result<Vec<_>>>()?;
        entries.sort_unstable_by(|a, b| order(&b.name, &a.name));
        Ok(entries)
    });
    match read {
        Ok(entries) => Some(Level { directory, entries }),
        Err(error) => {
            piece.unreadable.push((name::to_text(&directory.join("")), error.to_string()));
            None
        }
    }
}

/// A directory or a regular file; nothing else is listed.
fn known(entry: fs::DirEntry) -> io::Result<Option<Entry>> {
    let kind = entry.file_type()?;
    let listed = kind.is_dir() || kind.is_file();
    Ok(listed.then(|| Entry { name: entry.file_name(), is_directory: kind.is_dir() }))
}

fn order(a: &std::ffi::OsStr, b: &std::ffi::OsStr) -> Ordering {
    a.as_encoded_bytes().cmp(b.as_encoded_bytes())
}
