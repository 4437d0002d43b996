//! A server of a test's own, which may be restarted: the one that tests are lent belongs to all of them.

use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;
use tokio_postgres::NoTls;

use crate::server::Schema;

/// A server in a folder of its own, stopped when dropped.
pub(crate) struct Cluster {
    folder: TempDir,
    programs: PathBuf,
    port: u16,
    settings: &'static str,
}

impl Cluster {
    /// One that runs, with these settings besides its own: `-c name=value`.
    pub(crate) async fn start(settings: &'static str) -> Self {
        let programs = programs().await;
        let folder = tempfile::tempdir().unwrap();
        if let Some((user, group)) = owner() {
            std::os::unix::fs::chown(folder.path(), Some(user), Some(group)).unwrap();
        }
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
        let cluster = Self { folder, programs, port, settings };
        let data = cluster.data();
        let initdb =
            ["--auth=trust", "--username=stent", "--encoding=UTF8", "--locale=C", "--no-sync", "--pgdata", &data];
        cluster.run("initdb", &initdb);
        cluster.control("start");
        cluster
    }

    pub(crate) fn url(&self) -> String {
        format!("postgres://stent@127.0.0.1:{}/postgres", self.port)
    }

    /// Restarts it: who is connected is thrown out, and who connects meanwhile is refused.
    pub(crate) fn restart(&self) {
        self.control("restart");
    }

    /// What it has logged so far.
    pub(crate) fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(self.folder.path().join("log")).unwrap()).into_owned()
    }

    fn data(&self) -> String {
        self.folder.path().join("data").display().to_string()
    }

    fn control(&self, what: &str) {
        let (data, log) = (self.data(), self.folder.path().join("log").display().to_string());
        let socket = self.folder.path().display();
        let options = format!(
            "-p {} -c unix_socket_directories={socket} -c listen_addresses=127.0.0.1 -c fsync=off -c max_connections=200 {}",
            self.port, self.settings
        );
        self.run("pg_ctl", &["-D", &data, "-l", &log, "-o", &options, "-m", "fast", "-w", "-s", what]);
    }

    fn run(&self, program: &str, arguments: &[&str]) {
        let mut command = Command::new(self.programs.join(program));
        command.args(arguments).current_dir(self.folder.path()).stdin(Stdio::null()).stdout(Stdio::null());
        if let Some((user, group)) = owner() {
            use std::os::unix::process::CommandExt as _;
            command.uid(user).gid(group);
        }
        let status = command.status().unwrap();
        assert!(status.success(), "{program} {arguments:?}: {status}");
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let pid = fs::read_to_string(self.folder.path().join("data/postmaster.pid")).unwrap_or_default();
        let Some(pid) = pid.lines().next() else { return };
        // SIGQUIT: at once, since nothing is kept; then its children may take a moment longer than it.
        let _ = Command::new("kill").args(["-QUIT", pid]).status();
        for _ in 0..200 {
            if !Path::new("/proc").join(pid).exists() {
                break;
            }
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
    }
}

/// The folder of the programs that the server runs from that tests are lent.
async fn programs() -> PathBuf {
    let (client, connection) = tokio_postgres::connect(&Schema::new().url, NoTls).await.unwrap();
    tokio::spawn(connection);
    let row = client.query_one("SELECT setting FROM pg_config WHERE name = 'BINDIR'", &[]).await.unwrap();
    let folder = PathBuf::from(row.get::<_, String>(0));
    let there = folder.join("initdb").exists() && folder.join("pg_ctl").exists();
    assert!(
        there,
        "{}: no server programs; this test restarts a server of its own: install PostgreSQL",
        folder.display()
    );
    folder
}

/// Whom a server runs as: it refuses to run as root.
fn owner() -> Option<(u32, u32)> {
    let is_root = Command::new("id").arg("-u").output().is_ok_and(|said| said.stdout.starts_with(b"0\n"));
    let passwd = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let ids = |name: &str| {
        let mut users = passwd.lines().map(|line| line.split(':').collect::<Vec<_>>());
        let user = users.find(|fields| fields.first() == Some(&name))?;
        Some((user.get(2)?.parse().ok()?, user.get(3)?.parse().ok()?))
    };
    ids("postgres").or_else(|| ids("nobody")).filter(|_| is_root)
}
