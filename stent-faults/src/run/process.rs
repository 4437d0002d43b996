//! A process that the supervisor started, known by its id, and ended with it.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, ChildStdin, Command};

use crate::Result;

/// How long anything may take that is a matter of moments.
const PATIENCE: Duration = Duration::from_secs(30);

/// A worker or client. Killed when dropped.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    /// Kept open: a process ends itself once its input does.
    _input: Option<ChildStdin>,
    pid: Option<Pid>,
    log: PathBuf,
    /// The supervisor meant it to end.
    pub(crate) is_doomed: bool,
}

impl Process {
    /// This program again, with these arguments; what it says goes to a file.
    pub(crate) fn start(log: &Path, arguments: &[String], environment: &[(String, String)]) -> Result<Self> {
        let file = File::options().append(true).create(true).open(log)?;
        let mut command = Command::new(std::env::current_exe()?);
        command.args(arguments).stdin(Stdio::piped()).stdout(file.try_clone()?).stderr(file).kill_on_drop(true);
        command.env_remove(crate::fault::VARIABLE);
        command.envs(environment.iter().map(|(name, value)| (name, value)));
        let mut child = command.spawn()?;
        let _input = child.stdin.take();
        let pid = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        Ok(Self { child, _input, pid, log: log.to_owned(), is_doomed: false })
    }

    /// Its id, as long as nobody has waited for its end.
    pub(crate) fn id(&self) -> u32 {
        self.pid.and_then(|pid| u32::try_from(pid.as_raw_nonzero().get()).ok()).unwrap_or(0)
    }

    /// Sends it a signal, unless it has ended and its id may be another's.
    pub(crate) fn signal(&mut self, signal: Signal) {
        if let (Ok(None), Some(pid)) = (self.child.try_wait(), self.pid) {
            let _ = kill_process(pid, signal);
        }
    }

    /// Ends it at once.
    pub(crate) async fn kill(&mut self) -> Result {
        self.is_doomed = true;
        self.signal(Signal::KILL);
        self.child.wait().await?;
        Ok(())
    }

    /// How it ended, if it has.
    pub(crate) fn ended(&mut self) -> Result<Option<ExitStatus>> {
        Ok(self.child.try_wait()?)
    }

    /// Waits for its end.
    pub(crate) async fn wait(&mut self, patience: Duration) -> Result<ExitStatus> {
        let log = self.log.display().to_string();
        let ended = tokio::time::timeout(patience, self.child.wait()).await;
        Ok(ended.map_err(|_| format!("a process did not end within {patience:?}: {log}"))??)
    }

    /// All it has said.
    pub(crate) fn said(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.log).unwrap_or_default()).into_owned()
    }

    /// The last it has said.
    pub(crate) fn last_words(&self) -> String {
        let said = self.said();
        let from = said.lines().count().saturating_sub(5);
        said.lines().skip(from).collect::<Vec<_>>().join(" | ")
    }

    /// Waits until it says that it is ready; false if it ended before.
    pub(crate) async fn ready(&mut self) -> Result<bool> {
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE {
            if self.said().lines().any(|line| line == "ready") {
                return Ok(true);
            }
            if self.ended()?.is_some() {
                return Ok(false);
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Err(format!("a worker was not ready within {PATIENCE:?}: {}", self.last_words()).into())
    }

    /// True if a file of such a name is mapped into it.
    pub(crate) fn has_mapped(&self, name: &str) -> bool {
        std::fs::read_to_string(format!("/proc/{}/maps", self.id())).is_ok_and(|maps| maps.contains(name))
    }

    /// The most memory it ever held, in MiB.
    pub(crate) fn peak_memory(&self) -> u64 {
        self.mebibytes("VmHWM:")
    }

    /// The memory that it holds, in MiB.
    pub(crate) fn memory(&self) -> u64 {
        self.mebibytes("VmRSS:")
    }

    fn mebibytes(&self, what: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.id())).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix(what));
        let kibibytes = line.and_then(|line| line.trim().split(' ').next()?.parse::<u64>().ok());
        kibibytes.unwrap_or(0) / 1_024
    }
}
