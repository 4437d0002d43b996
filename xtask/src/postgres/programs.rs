//! The server's programs: where they may be, and how Debian installs them.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::Result;
use crate::cargo;

/// The oldest version that the backend is for.
pub(crate) const OLDEST: u32 = 15;

/// A folder that holds `postgres` and `initdb` of one version.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Programs {
    version: u32,
    folder: PathBuf,
}

impl Programs {
    /// One of the programs.
    pub(crate) fn program(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// What they are, for people.
    pub(crate) fn said(&self) -> String {
        format!("version {} of {}", self.version, self.folder.display())
    }

    fn of(folder: &Path) -> Option<Self> {
        // A link in a folder of links leads to where its siblings are.
        let folder = folder.join("postgres").canonicalize().ok()?.parent()?.to_owned();
        if !folder.join("initdb").exists() {
            return None;
        }
        let mut command = Command::new(folder.join("postgres"));
        let said = command.arg("--version").stdin(Stdio::null()).output().ok()?;
        Some(Self { version: version(&String::from_utf8_lossy(&said.stdout))?, folder })
    }
}

/// The newest that is found, if it is new enough.
pub(crate) fn find() -> Result<Programs> {
    let newest = folders().iter().filter_map(|folder| Programs::of(folder)).max();
    match newest {
        Some(programs) if programs.version >= OLDEST => Ok(programs),
        Some(old) => Err(format!("{} is too old", old.said()).into()),
        None => Err("no server programs in PATH, by pg_config or in the usual folders".into()),
    }
}

/// Installs the distribution's package, where that is Debian's and this may be done.
pub(crate) fn install() -> Result<Programs> {
    let is_root = Command::new("id").arg("-u").output().is_ok_and(|said| said.stdout.starts_with(b"0\n"));
    if !is_root || !Path::new("/usr/bin/apt-get").exists() {
        return Err("no package can be installed here".into());
    }
    println!("PostgreSQL: installing Debian's package");
    for arguments in [vec!["update"], vec!["install", "--yes", "--no-install-recommends", "postgresql"]] {
        let mut command = Command::new("apt-get");
        command.arg("--quiet=2").args(arguments).env("DEBIAN_FRONTEND", "noninteractive").stdin(Stdio::null());
        cargo::run(&mut command)?;
    }
    find()
}

fn folders() -> Vec<PathBuf> {
    let mut folders: Vec<PathBuf> =
        std::env::var_os("PATH").map(|path| std::env::split_paths(&path).collect()).unwrap_or_default();
    if let Ok(said) = Command::new("pg_config").arg("--bindir").stderr(Stdio::null()).output() {
        folders.push(String::from_utf8_lossy(&said.stdout).trim().into());
    }
    // Debian, Red Hat, by hand, Homebrew on two processors, Postgres.app.
    for (above, below) in [
        ("/usr/lib/postgresql", "bin"),
        ("/usr", "bin"),
        ("/usr/local", "bin"),
        ("/opt/homebrew/opt", "bin"),
        ("/usr/local/opt", "bin"),
        ("/Applications/Postgres.app/Contents/Versions", "bin"),
    ] {
        let entries = std::fs::read_dir(above).into_iter().flatten().flatten();
        let named = |name: &str| {
            !above.starts_with("/usr")
                || above == "/usr/lib/postgresql"
                || name.starts_with("pgsql")
                || name.starts_with("postgresql")
        };
        let entries = entries.filter(|entry| named(&entry.file_name().to_string_lossy()));
        folders.extend(entries.map(|entry| entry.path().join(below)));
    }
    folders
}

/// The first number of "postgres (PostgreSQL) 15.18 (Debian …)".
fn version(said: &str) -> Option<u32> {
    let number = said.split_whitespace().find(|word| word.starts_with(|letter: char| letter.is_ascii_digit()))?;
    number.split(|letter: char| !letter.is_ascii_digit()).next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_the_first_number() {
        assert_eq!(version("postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)\n"), Some(15));
        assert_eq!(version("postgres (PostgreSQL) 18beta1"), Some(18));
        assert_eq!(version("command not found"), None);
    }
}
