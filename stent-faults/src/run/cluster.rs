//! A PostgreSQL server of a row's own, which may be stopped, killed and restarted.

use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::Result;
use crate::place::connect;

/// A server in a folder. Stopped when dropped.
#[derive(Debug)]
pub(crate) struct Cluster {
    folder: PathBuf,
    programs: PathBuf,
    port: u16,
    settings: String,
}

impl Cluster {
    /// One that runs the programs of the server of this URL.
    pub(crate) async fn start(lent: &str, folder: &Path, settings: &str) -> Result<Self> {
        let row = connect(lent, "public").await?;
        let row = row.query_one("SELECT setting FROM pg_config WHERE name = 'BINDIR'", &[]).await?;
        let programs = PathBuf::from(row.get::<_, String>(0));
        if !programs.join("initdb").exists() || !programs.join("pg_ctl").exists() {
            return Err(format!("{}: no server programs", programs.display()).into());
        }
        fs::create_dir_all(folder)?;
        if let Some((user, group)) = owner() {
            std::os::unix::fs::chown(folder, Some(user), Some(group))?;
        }
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
        let cluster = Self { folder: folder.to_owned(), programs, port, settings: settings.to_owned() };
        let data = cluster.data().display().to_string();
        cluster.program(
            "initdb",
            &["--auth=trust", "--username=stent", "--encoding=UTF8", "--locale=C", "--no-sync", "-D", &data],
        )?;
        cluster.control("start", "fast")?;
        Ok(cluster)
    }

    pub(crate) fn url(&self) -> String {
        format!("postgres://stent@127.0.0.1:{}/postgres", self.port)
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// `start`, `stop` or `restart`; who has a connection is thrown out `fast`ly, or dies with it (`immediate`).
    pub(crate) fn control(&self, what: &str, mode: &str) -> Result {
        let (data, log) = (self.data().display().to_string(), self.folder.join("log").display().to_string());
        let options = format!(
            "-p {} -c unix_socket_directories={} -c listen_addresses=127.0.0.1 -c fsync=off -c max_connections=200 \
             -c deadlock_timeout=200ms -c log_lock_waits=on {}",
            self.port,
            self.folder.display(),
            self.settings
        );
        let mut arguments = vec!["-D", &data, "-l", &log, "-m", mode, "-w", "-s"];
        if what != "stop" {
            arguments.extend(["-o", &options]);
        }
        arguments.push(what);
        self.program("pg_ctl", &arguments)
    }

    /// What it has logged so far.
    pub(crate) fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(self.folder.join("log")).unwrap_or_default()).into_owned()
    }

    fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    fn program(&self, program: &str, arguments: &[&str]) -> Result {
        let mut command = Command::new(self.programs.join(program));
        command.args(arguments).current_dir(&self.folder).stdin(Stdio::null()).stdout(Stdio::null());
        // A Ctrl-C is the supervisor's to act on.
        command.process_group(0);
        if let Some((user, group)) = owner() {
            command.uid(user).gid(group);
        }
        let status = command.status()?;
        if status.success() { Ok(()) } else { Err(format!("{program} {}: {status}", arguments.join(" ")).into()) }
    }

    fn pid(&self) -> Option<Pid> {
        let file = fs::read_to_string(self.data().join("postmaster.pid")).ok()?;
        Pid::from_raw(file.lines().next()?.trim().parse().ok()?)
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let Some(pid) = self.pid() else { return };
        // SIGQUIT: at once, since nothing is kept.
        let _ = kill_process(pid, Signal::QUIT);
        let process = PathBuf::from(format!("/proc/{}", pid.as_raw_nonzero()));
        for _ in 0..500 {
            if !process.exists() {
                break;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

/// Whom a server runs as: it refuses to run as root.
pub(crate) fn owner() -> Option<(u32, u32)> {
    let passwd = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let ids = |name: &str| {
        let mut users = passwd.lines().map(|line| line.split(':').collect::<Vec<_>>());
        let user = users.find(|fields| fields.first() == Some(&name))?;
        Some((user.get(2)?.parse().ok()?, user.get(3)?.parse().ok()?))
    };
    ids("postgres").or_else(|| ids("nobody")).filter(|_| rustix::process::geteuid().is_root())
}
