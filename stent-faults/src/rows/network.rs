//! What is between a worker and its server: P05, P06, P07, P09, P11.

use std::fs;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use futures_util::future::join_all;

use super::kill::overlaps;
use crate::Result;
use crate::place::{Place, Way};
use crate::run::Outcome;
use crate::run::cluster::owner;
use crate::run::proxy::{Mode, Proxy};
use crate::run::scene::Scene;

/// The place as it is reached by another port.
fn behind(scene: &Scene, port: u16, way: Way) -> Result<Place> {
    let Place::Postgres { url, schema, .. } = &scene.place else { return Err("the row needs a server".into()) };
    let url = url.replace(&scene.server()?.port().to_string(), &port.to_string());
    Ok(Place::Postgres { url, schema: schema.clone(), way })
}

/// P05: connections are reset all the time.
pub(super) async fn resets(scene: &mut Scene) -> Result<Outcome> {
    scene.prepare().await?;
    let proxy = Proxy::start(scene.server()?.port()).await?;
    let place = behind(scene, proxy.port, Way::Direct)?;
    for _ in 0..4 {
        scene.worker_at(&place, &[], &[])?;
    }
    scene.ready(0).await?;
    scene.load("W4", scene.size(60, 400), &[("items", "100".into())])?;
    let (begun, mut resets) = (Instant::now(), 0);
    while begun.elapsed() < Duration::from_secs(scene.size(6, 60)) {
        tokio::time::sleep(Duration::from_millis(1_500)).await;
        proxy.set(Mode::Rst);
        tokio::time::sleep(Duration::from_millis(50)).await;
        proxy.set(Mode::Pass);
        resets += 1;
    }
    let (mut outcome, _) = scene.common_pass().await?;
    outcome.count("resets", resets);
    Ok(outcome)
}

/// P06: one worker's packets go nowhere for longer than its lease.
pub(super) async fn blackhole(scene: &mut Scene) -> Result<Outcome> {
    scene.prepare().await?;
    let proxy = Proxy::start(scene.server()?.port()).await?;
    let place = behind(scene, proxy.port, Way::Direct)?;
    let at = scene.worker_at(&place, &[], &[])?;
    scene.ready(at).await?;
    scene.crew(2, &[]).await?;
    scene.load("W1", scene.size(8, 40), &[("step-ms", "1000".into())])?;
    tokio::time::sleep(Duration::from_millis(2_500)).await;
    proxy.set(Mode::Blackhole);
    let cut = crate::ledger::boottime();
    tokio::time::sleep(Duration::from_secs(scene.size(7, 20))).await;
    proxy.set(Mode::Pass);
    let passed = crate::ledger::boottime();
    let (mut outcome, evidence) = scene.common_pass().await?;
    let pid = scene.workers.get(at).map_or(0, |worker| worker.id());
    overlaps(&evidence, &[pid], &mut outcome);
    // L6: its lease is over 2 s after its last renewal; a step that it began before may end.
    let late = evidence
        .effects
        .iter()
        .filter(|effect| effect.pid == pid && effect.at > cut + 3_500_000_000 && effect.at < passed);
    let late = late.count();
    outcome.demand(late == 0, || format!("L6: its code did {late} things after its lease"));
    outcome.count("ms cut off", (passed - cut) / 1_000_000);
    Ok(outcome)
}

/// P09: workers with one connection each, and many callers.
pub(super) async fn small_pool(scene: &mut Scene) -> Result<Outcome> {
    scene.prepare().await?;
    scene.crew(2, &[("pool", "1".into()), ("slots", "8".into())]).await?;
    let client = scene.client().await?;
    scene.load("W1", scene.size(60, 300), &[])?;
    let (mut asked, mut refused) = (0_u64, 0_u64);
    while scene.is_loaded() {
        let callers = (0..200).map(|_| scene.open_executions(&**client.backend()));
        let answers = join_all(callers).await;
        asked += 200;
        refused += u64::try_from(answers.iter().filter(|answer| answer.is_err()).count())?;
    }
    let (mut outcome, _) = scene.common_pass().await?;
    scene.keeps_leases(&mut outcome);
    outcome.count("questions", asked);
    outcome.count("refused", refused);
    Ok(outcome)
}

/// P07: the link of all workers carries 256 kbit a second. Nobody takes that for the end of a lease.
pub(super) async fn slow_link(scene: &mut Scene) -> Result<Outcome> {
    scene.prepare().await?;
    let proxy = Proxy::start(scene.server()?.port()).await?;
    let place = behind(scene, proxy.port, Way::Direct)?;
    for _ in 0..2 {
        scene.worker_at(&place, &[("slots", "1".into())], &[])?;
    }
    scene.ready(0).await?;
    proxy.set(Mode::Slow(256_000 / 8));
    scene.load("bulky", scene.size(16, 80), &[])?;
    let begun = Instant::now();
    while scene.is_loaded() && begun.elapsed() < Duration::from_secs(scene.size(60, 300)) {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let (mut outcome, _) = scene.common_pass().await?;
    scene.keeps_leases(&mut outcome);
    outcome.count("ms of work", begun.elapsed().as_millis());
    Ok(outcome)
}

/// P11: PgBouncer gives out connections a transaction.
pub(super) async fn pooled(scene: &mut Scene) -> Result<Outcome> {
    let Some(pooler) = Pgbouncer::start(scene).await? else {
        return Ok(Outcome::not_run("PgBouncer is not installed"));
    };
    scene.prepare().await?;
    let pooled = behind(scene, pooler.port, Way::Pooled)?;
    let direct = std::mem::replace(&mut scene.place, pooled);
    scene.crew(4, &[]).await?;
    scene.load("W4", scene.size(80, 200), &[("items", "100".into())])?;
    scene.place = direct;
    let (mut outcome, _) = scene.common_pass().await?;
    for worker in &scene.workers {
        outcome.demand(!worker.said().contains("prepared statement"), || "a prepared statement was missed".into());
    }
    let log = std::fs::read_to_string(&pooler.log).unwrap_or_default();
    outcome.count("connections to the pooler", log.matches("login attempt").count());
    Ok(outcome)
}

/// A PgBouncer in front of the server. Killed when dropped.
struct Pgbouncer {
    port: u16,
    log: PathBuf,
    child: Child,
}

impl Pgbouncer {
    async fn start(scene: &Scene) -> Result<Option<Self>> {
        let programs = ["/usr/sbin/pgbouncer", "/usr/bin/pgbouncer", "/usr/local/bin/pgbouncer"];
        let Some(program) = programs.iter().find(|program| Path::new(program).exists()) else { return Ok(None) };
        let folder = scene.folder().join("pooler");
        fs::create_dir_all(&folder)?;
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
        let (file, log) = (folder.join("pgbouncer.ini"), folder.join("log"));
        let server = scene.server()?.port();
        let settings = format!(
            "[databases]\npostgres = host=127.0.0.1 port={server} user=stent\n[pgbouncer]\nlisten_addr = 127.0.0.1\n\
             listen_port = {port}\nunix_socket_dir =\nauth_type = any\npool_mode = transaction\ndefault_pool_size = 6\n\
             max_client_conn = 200\nlogfile = {}\n",
            log.display()
        );
        fs::write(&file, settings)?;
        let mut command = Command::new(program);
        command.arg(&file).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        if let Some((user, group)) = owner() {
            chown(&folder, Some(user), Some(group))?;
            command.uid(user).gid(group);
        }
        let pooler = Self { port, log, child: command.spawn()? };
        let begun = Instant::now();
        while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
            if begun.elapsed() > Duration::from_secs(10) {
                return Err("PgBouncer does not answer".into());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(Some(pooler))
    }
}

impl Drop for Pgbouncer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
