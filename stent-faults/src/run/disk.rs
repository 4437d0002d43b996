//! A file system of a row's own, which is small enough to be filled.

use std::fs::{self, File, Permissions};
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::Result;

/// A mounted file system in memory. Unmounted when dropped.
#[derive(Debug)]
pub(crate) struct Disk(PathBuf);

impl Disk {
    /// Mounts one of so many MiB; says why if this process may not.
    pub(crate) fn mount(at: &Path, mebibytes: u32) -> Result<Self, String> {
        fs::create_dir_all(at).map_err(|error| error.to_string())?;
        let mut command = Command::new("mount");
        command.args(["-t", "tmpfs", "-o", &format!("size={mebibytes}m,mode=0755"), "stent-faults"]).arg(at);
        match command.stdout(Stdio::null()).stderr(Stdio::null()).status() {
            Ok(status) if status.success() => {}
            _ => return Err("a file system of its own cannot be mounted: only root may".into()),
        }
        // As private as SQLite's folder has to be; a server's user has to get through.
        fs::set_permissions(at, Permissions::from_mode(0o755)).map_err(|error| error.to_string())?;
        Ok(Self(at.to_owned()))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// Writes until there is no room for one more byte.
    pub(crate) fn fill(&self) -> Result<u64> {
        let mut filler = File::create(self.filler())?;
        let mut written = 0;
        for piece in [1 << 20, 1 << 12, 1] {
            let piece = vec![0_u8; piece];
            while let Ok(some @ 1..) = filler.write(&piece) {
                written += u64::try_from(some)?;
            }
        }
        Ok(written)
    }

    /// Makes room again.
    pub(crate) fn empty(&self) -> Result {
        Ok(fs::remove_file(self.filler())?)
    }

    fn filler(&self) -> PathBuf {
        self.0.join("filler")
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Lazily: a process that is about to end may have a file open yet.
        let _ = Command::new("umount").arg("-l").arg(&self.0).stderr(Stdio::null()).status();
    }
}
