//! The sum of one file: its SHA-256, read in pieces of 64 KiB, so that the size of a file costs no memory.

use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest, Sha256};

const PIECE: usize = 64 << 10;

/// A SHA-256; as text, 64 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Sum(pub(crate) [u8; 32]);

/// What became of one file. That a file cannot be read is no failure of the job but one of its results.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Outcome {
    /// It was read to its end.
    Read {
        /// The sum of its contents.
        sha256: Sum,
        /// How long it is.
        bytes: u64,
    },
    /// It cannot be read, and why.
    Unreadable(String),
}

/// Stops the reading of a file when the function that wants it is dropped: threads are not stopped by themselves.
pub(crate) struct Reading(Arc<AtomicBool>);

impl Reading {
    pub(crate) fn new() -> (Self, Arc<AtomicBool>) {
        let stop = Arc::new(AtomicBool::new(false));
        (Self(Arc::clone(&stop)), stop)
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Reads a regular file, and says so in the ledger first.
pub(crate) fn read(path: &Path, ledger: Option<&File>, stop: &AtomicBool) -> io::Result<(Sum, u64)> {
    if !fs::symlink_metadata(path)?.is_file() {
        return Err(io::Error::new(io::ErrorKind::NotFound, "no longer a regular file"));
    }
    let mut file = File::open(path)?;
    if let Some(mut ledger) = ledger {
        // One write, so that lines of several threads do not mix: the file is open for appending.
        ledger.write_all(format!("{}\n", crate::name::to_text(path)).as_bytes())?;
    }
    let mut hasher = Sha256::new();
    let mut bytes = 0;
    let mut piece = vec![0; PIECE];
    loop {
        if stop.load(Ordering::Relaxed) {
            return Err(io::Error::other("nobody waits for it any more"));
        }
        match file.read(&mut piece) {
            Ok(0) => return Ok((Sum(hasher.finalize().into()), bytes)),
            Ok(count) => {
                hasher.update(&piece[..count]);
                bytes += u64::try_from(count).unwrap_or(0);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

impl fmt::Display for Sum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const DIGITS: [char; 16] = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f'];
        let digits = self.0.iter().flat_map(|byte| [byte >> 4, byte & 15]);
        f.write_str(&digits.map(|digit| DIGITS[usize::from(digit)]).collect::<String>())
    }
}

impl fmt::Debug for Sum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Sum {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Sum {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let invalid = || D::Error::custom("not 64 hexadecimal digits");
        let mut sum = [0; 32];
        if text.len() != 2 * sum.len() {
            return Err(invalid());
        }
        for (byte, at) in sum.iter_mut().zip((0..).step_by(2)) {
            let digits = text.get(at..at + 2).ok_or_else(invalid)?;
            *byte = u8::from_str_radix(digits, 16).map_err(|_| invalid())?;
        }
        Ok(Self(sum))
    }
}
