//! A file system of a row's own, which is small enough to be filled.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::cluster::Cluster;
use super::scene::Scene;
use crate::Result;
use crate::place::Place;

/// A mounted file system in memory. Unmounted when dropped.
#[derive(Debug)]
pub(crate) struct Disk(PathBuf);

impl Disk {
    /// Mounts one of so many MiB; says why if this process may not.
    fn mount(at: &Path, mebibytes: u32) -> Result<Self, String> {
        fs::create_dir_all(at).map_err(|error| error.to_string())?;
        let mut command = Command::new("mount");
        // A server's user has to get through.
        command.args(["-t", "tmpfs", "-o", &format!("size={mebibytes}m,mode=0755"), "stent-faults"]).arg(at);
        match command.stdout(Stdio::null()).stderr(Stdio::null()).status() {
            Ok(status) if status.success() => {}
            _ => return Err("a file system of its own cannot be mounted: only root may".into()),
        }
        Ok(Self(at.to_owned()))
    }

    fn path(&self) -> &Path {
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

impl Scene {
    /// Moves the database, which is empty yet, to a disk of so many MiB; says why if there can be none.
    pub(crate) async fn move_to_disk(&mut self, mebibytes: u32) -> Result<Result<(), String>> {
        let mounted = Disk::mount(&self.folder().join("disk"), mebibytes);
        let Ok(disk) = mounted else { return Ok(mounted.map(drop)) };
        match (&mut self.place, &self.lent) {
            (Place::Sqlite(file), _) => *file = disk.path().join("s.db"),
            (Place::Postgres { url, .. }, Some(lent)) => {
                let settings = "-c max_wal_size=64MB -c min_wal_size=32MB";
                let cluster = Cluster::start(&lent.0, &disk.path().join("cluster"), settings).await?;
                *url = cluster.url();
                self.cluster = Some(cluster);
            }
            (Place::Postgres { .. }, None) => return Ok(Err("no server is lent".into())),
        }
        self.disk = Some(disk);
        Ok(Ok(()))
    }

    /// The disk of its own.
    pub(crate) fn disk(&self) -> Result<&Disk> {
        self.disk.as_ref().ok_or_else(|| "the row has no disk of its own".into())
    }
}
