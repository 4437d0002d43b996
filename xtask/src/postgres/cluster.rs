//! A private cluster in a temporary folder, on a free port of the loopback interface.

use std::fs;
use std::io;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use super::programs::Programs;
use super::{Durability, Running};
use crate::Result;
use crate::cargo;

/// How long a server may take to start.
const PATIENCE: Duration = Duration::from_secs(60);
/// Those of every server, whatever it syncs.
const SETTINGS: [&str; 5] = [
    "max_connections=400",
    "shared_buffers=256MB",
    "max_wal_size=2GB",
    "log_min_messages=warning",
    "listen_addresses=127.0.0.1",
];

/// A server in a folder of its own.
pub(super) struct Cluster {
    folder: PathBuf,
    server: Child,
    port: u16,
}

impl Running for Cluster {}

impl Cluster {
    pub(super) fn start(programs: &Programs, durability: Durability) -> Result<Self> {
        let folder = folder()?;
        let user = User::to_run_as();
        user.own(&folder)?;
        let data = folder.join("data");
        let mut initdb = user.command(&programs.program("initdb"), &folder);
        initdb.args(["--auth=trust", "--username=stent", "--encoding=UTF8", "--locale=C", "--no-sync", "--pgdata"]);
        initdb.arg(&data).stdout(Stdio::null());
        cargo::run(&mut initdb)?;
        let port = free_port()?;
        let log = fs::File::create(folder.join("log"))?;
        let mut server = user.command(&programs.program("postgres"), &folder);
        server.arg("-D").arg(&data).args(["-p", &port.to_string()]);
        server.args(["-c", &format!("unix_socket_directories={}", folder.display())]);
        for setting in SETTINGS.iter().chain(durability.settings()) {
            server.args(["-c", setting]);
        }
        let server = server.stdout(log.try_clone()?).stderr(log).spawn()?;
        let mut cluster = Self { folder, server, port };
        cluster.wait()?;
        Ok(cluster)
    }

    pub(super) fn url(&self) -> String {
        format!("postgres://stent@127.0.0.1:{}/postgres", self.port)
    }

    fn wait(&mut self) -> Result {
        let begun = Instant::now();
        // The file says that connections are taken: the port alone may be another program's.
        let is_ready = |folder: &Path| {
            let pid = fs::read_to_string(folder.join("data/postmaster.pid")).unwrap_or_default();
            pid.lines().nth(7).is_some_and(|status| status.trim() == "ready")
        };
        while !is_ready(&self.folder) || TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).is_err() {
            if let Some(status) = self.server.try_wait()? {
                let log = fs::read_to_string(self.folder.join("log")).unwrap_or_default();
                return Err(format!("the PostgreSQL server ended: {status}\n{log}").into());
            }
            if begun.elapsed() > PATIENCE {
                return Err(format!("the PostgreSQL server did not start within {} s", PATIENCE.as_secs()).into());
            }
            thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // SIGQUIT would leave its children a moment longer; what it holds is thrown away in any case.
        let pid = self.server.id().to_string();
        let _ = Command::new("kill").args(["-INT", &pid]).status();
        let _ = self.server.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Whom the server runs as: it refuses to run as root.
struct User(Option<(u32, u32)>);

impl User {
    fn to_run_as() -> Self {
        let is_root = Command::new("id").arg("-u").output().is_ok_and(|said| said.stdout.starts_with(b"0\n"));
        let passwd = fs::read_to_string("/etc/passwd").unwrap_or_default();
        let ids = |name: &str| {
            let mut fields = passwd.lines().map(|line| line.split(':').collect::<Vec<_>>());
            let fields = fields.find(|fields| fields.first() == Some(&name))?;
            Some((fields.get(2)?.parse().ok()?, fields.get(3)?.parse().ok()?))
        };
        Self(ids("postgres").or_else(|| ids("nobody")).filter(|_| is_root))
    }

    #[cfg(unix)]
    fn own(&self, folder: &Path) -> io::Result<()> {
        match self.0 {
            Some((user, group)) => std::os::unix::fs::chown(folder, Some(user), Some(group)),
            None => Ok(()),
        }
    }

    #[cfg(not(unix))]
    fn own(&self, _: &Path) -> io::Result<()> {
        Ok(())
    }

    fn command(&self, program: &Path, folder: &Path) -> Command {
        let mut command = Command::new(program);
        command.current_dir(folder).stdin(Stdio::null());
        // What the caller's environment says of another server is not meant for this one.
        for name in ["PGDATA", "PGHOST", "PGPORT", "PGUSER", "PGDATABASE", "PGOPTIONS"] {
            command.env_remove(name);
        }
        #[cfg(unix)]
        if let Some((user, group)) = self.0 {
            use std::os::unix::process::CommandExt as _;
            command.uid(user).gid(group);
        }
        command
    }
}

fn folder() -> io::Result<PathBuf> {
    let above = std::env::temp_dir();
    for number in 0_u32.. {
        let folder = above.join(format!("stent-postgres-{}-{number}", std::process::id()));
        match fs::create_dir(&folder) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            made => return made.map(|()| folder),
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}
