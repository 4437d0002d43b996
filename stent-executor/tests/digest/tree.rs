//! A tree of real files, and what `sha256sum` says of them.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::{Command, Stdio};

use sha2::{Digest, Sha256};

use crate::random::Random;

/// Makes this many readable files: most of some kilobytes, some of a megabyte, some empty, some the same as others.
pub(crate) fn make(root: &Path, files: usize) {
    let mut random = Random::new(7);
    for number in 0..files {
        let directory = root.join(format!("shelf {}", number % 23)).join(format!("box-{}", number % 97));
        fs::create_dir_all(&directory).unwrap();
        let contents = match number % 1_000 {
            999 => random.bytes(1 << 20),
            500..=519 => b"the same in many places\n".to_vec(),
            0 => Vec::new(),
            _ => {
                let size = random.below(4_096);
                random.bytes(size)
            }
        };
        fs::write(directory.join(format!("file {number}.bin")), contents).unwrap();
    }
}

/// Adds what must not be digested, what cannot be, and names that are hard: 4 readable files and 1 that is not, and a directory
/// that is not.
pub(crate) fn make_odd(root: &Path) {
    for name in [&b"line\nbreak"[..], b"back\\slash", b"no \xff text", b"-dash"] {
        fs::write(root.join(OsStr::from_bytes(name)), name).unwrap();
    }
    fs::write(root.join("secret"), "nobody reads this").unwrap();
    fs::create_dir(root.join("cellar")).unwrap();
    fs::write(root.join("cellar/unseen"), "").unwrap();
    for name in ["secret", "cellar"] {
        fs::set_permissions(root.join(name), fs::Permissions::from_mode(0o0)).unwrap();
    }
    symlink("-dash", root.join("link to a file")).unwrap();
    symlink("..", root.join("link to a directory")).unwrap();
    symlink("nowhere", root.join("link to nothing")).unwrap();
}

/// What the list of sums must be, by `sha256sum`; by the `sha2` crate if that program is missing, which it says then.
pub(crate) fn sums(root: &Path) -> Vec<u8> {
    let mut names = Vec::new();
    collect(root, Path::new(""), &mut names);
    let mut lines = Vec::new();
    for names in names.chunks(500) {
        let run = Command::new("sha256sum").arg("--").args(names).current_dir(root).stdout(Stdio::piped()).output();
        match run {
            Ok(run) => {
                assert!(run.status.success());
                lines.extend(run.stdout.split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec));
            }
            Err(error) => {
                println!("sha256sum: {error}; the sha2 crate instead");
                lines.extend(names.iter().map(|name| line(root, name.as_bytes())));
            }
        }
    }
    lines.sort_unstable_by(|a, b| a[..a.len() - 1].cmp(&b[..b.len() - 1]));
    lines.concat()
}

fn collect(root: &Path, below: &Path, names: &mut Vec<std::ffi::OsString>) {
    for entry in fs::read_dir(root.join(below)).unwrap() {
        let entry = entry.unwrap();
        let (kind, name) = (entry.file_type().unwrap(), below.join(entry.file_name()));
        let is_closed = entry.metadata().unwrap().permissions().mode() & 0o777 == 0;
        if kind.is_dir() && !is_closed {
            collect(root, &name, names);
        } else if kind.is_file() && !is_closed {
            names.push(name.into());
        }
    }
}

fn line(root: &Path, name: &[u8]) -> Vec<u8> {
    let sum = Sha256::digest(fs::read(root.join(OsStr::from_bytes(name))).unwrap());
    let sum: String = sum.iter().map(|byte| format!("{byte:02x}")).collect();
    let escaped = name.iter().flat_map(|byte| match byte {
        b'\\' => b"\\\\".to_vec(),
        b'\n' => b"\\n".to_vec(),
        plain => vec![*plain],
    });
    let escaped: Vec<u8> = escaped.collect();
    let start: &[u8] = if escaped.len() > name.len() { b"\\" } else { b"" };
    [start, sum.as_bytes(), b"  ", &escaped, b"\n"].concat()
}
