//! What the program is told: its arguments, read by hand, as there are few.

use std::ffi::OsString;
use std::path::PathBuf;

/// More than there are cores: a small file is read faster than the database has committed its sum, and while it commits those of many
/// files at once, others are read.
const CONCURRENCY: usize = 64;

/// What `--help` prints.
pub(crate) const HELP: &str = "\
Digests all files below a directory: SHA-256 of each, identical files, and one
digest over all. Killed or stopped, it goes on where it was when it is started
again: every sum is recorded in a database as soon as it is known.

Usage: digest DIR [--db FILE] [--concurrency N] [--sums FILE] [--json]

  DIR               the directory; symbolic links in it are not followed
  --db FILE         the database; digest.db in the current directory if not
                    given. It is made if it is missing. One job at a time: a job
                    that is not finished must be finished first, or use another
  --concurrency N   files in hand at once, 1 to 256; 64 if not given
  --sums FILE       also write the sum of every file, as sha256sum does, sorted
  --json            print the report as JSON
  --ledger FILE     append the name of every file that is read, for tests

The database, the list of sums and the ledger are not digested themselves.
The digest over all is what this prints, if all files can be read:
  cd DIR && find . -type f -printf '%P\\0' | xargs -0 sha256sum |
    LC_ALL=C sort | sha256sum

Exit status: 0 done, 1 the job failed, 2 wrong arguments, 4 trouble with the
database, 5 a database of a newer version, 75 stopped before it was done.
";

/// What was asked for.
#[derive(Debug)]
pub(crate) enum Asked {
    Help,
    Job(Arguments),
}

#[derive(Debug)]
pub(crate) struct Arguments {
    pub(crate) directory: PathBuf,
    pub(crate) db: PathBuf,
    pub(crate) concurrency: usize,
    pub(crate) sums: Option<PathBuf>,
    pub(crate) ledger: Option<PathBuf>,
    pub(crate) is_json: bool,
}

/// Reads the arguments; the error says in one line what is wrong.
pub(crate) fn read(arguments: impl Iterator<Item = OsString>) -> Result<Asked, String> {
    let (mut arguments, mut directory) = (arguments, None);
    let (mut db, mut concurrency, mut sums, mut ledger, mut is_json) = (None, CONCURRENCY, None, None, false);
    let mut only_names = false;
    while let Some(argument) = arguments.next() {
        let mut value = |name: &str| arguments.next().ok_or(format!("{name} needs a value; see --help"));
        match argument.to_str().filter(|_| !only_names) {
            Some("--help" | "-h") => return Ok(Asked::Help),
            Some("--") => only_names = true,
            Some("--db") => db = Some(value("--db")?.into()),
            Some("--sums") => sums = Some(value("--sums")?.into()),
            Some("--ledger") => ledger = Some(value("--ledger")?.into()),
            Some("--json") => is_json = true,
            Some("--concurrency") => concurrency = count(&value("--concurrency")?)?,
            Some(option) if option.starts_with('-') => return Err(format!("unknown option {option}; see --help")),
            _ if directory.is_some() => return Err("one directory at a time; see --help".into()),
            _ => directory = Some(argument.into()),
        }
    }
    Ok(Asked::Job(Arguments {
        directory: directory.ok_or("which directory? see --help")?,
        db: db.unwrap_or_else(|| "digest.db".into()),
        concurrency,
        sums,
        ledger,
        is_json,
    }))
}

fn count(text: &OsString) -> Result<usize, String> {
    let count = text.to_str().and_then(|text| text.parse().ok()).filter(|count| (1..=256).contains(count));
    count.ok_or_else(|| format!("--concurrency is a number from 1 to 256, not {}", text.display()))
}
