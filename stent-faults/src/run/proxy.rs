//! A TCP proxy in front of a server, which can cut connections or swallow what is sent.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Mutex, watch};
use tokio::task::JoinHandle;

use crate::Result;

/// What it does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Passes everything on.
    Pass,
    /// Passes nothing on, and says nothing; what was sent meanwhile arrives when it passes again.
    Blackhole,
    /// Resets what is connected, and whoever connects.
    Rst,
    /// Passes on so many bytes a second each way, of all connections together, one after the other.
    Slow(u32),
}

/// A proxy. Ends when dropped.
#[derive(Debug)]
pub(crate) struct Proxy {
    pub(crate) port: u16,
    mode: watch::Sender<Mode>,
    task: JoinHandle<()>,
}

impl Proxy {
    /// One in front of this port of this machine.
    pub(crate) async fn start(to: u16) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let port = listener.local_addr()?.port();
        let mode = watch::Sender::new(Mode::Pass);
        let modes = mode.subscribe();
        let links = Links::default();
        let task = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(serve(client, to, modes.clone(), links.clone()));
            }
        });
        Ok(Self { port, mode, task })
    }

    pub(crate) fn set(&self, mode: Mode) {
        self.mode.send_replace(mode);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The wire of each way, which one piece is on at a time.
#[derive(Debug, Clone, Default)]
struct Links {
    to_server: Arc<Mutex<()>>,
    to_client: Arc<Mutex<()>>,
}

async fn serve(client: TcpStream, to: u16, mut modes: watch::Receiver<Mode>, links: Links) {
    if modes.wait_for(|mode| *mode != Mode::Blackhole).await.is_err() {
        return;
    }
    let server = TcpStream::connect(SocketAddr::from((Ipv4Addr::LOCALHOST, to))).await;
    let Ok(server) = server else { return };
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let mut resets = modes.clone();
    tokio::select! {
        () = pass(from_client, to_server, modes.clone(), links.to_server) => {}
        () = pass(from_server, to_client, modes, links.to_client) => {}
        _ = resets.wait_for(|mode| *mode == Mode::Rst) => {}
    }
}

async fn pass(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut modes: watch::Receiver<Mode>, link: Arc<Mutex<()>>) {
    let mut bytes = vec![0; 4_096];
    while let Ok(read @ 1..) = from.read(&mut bytes).await {
        let mode = match modes.wait_for(|mode| matches!(mode, Mode::Pass | Mode::Slow(_))).await {
            Ok(mode) => *mode,
            Err(_) => break,
        };
        let Some(some) = bytes.get(..read) else { break };
        if let (Mode::Slow(rate), Ok(read)) = (mode, u32::try_from(read)) {
            let _wire = link.lock().await;
            tokio::time::sleep(Duration::from_secs(1) * read / rate).await;
        }
        if to.write_all(some).await.is_err() {
            break;
        }
    }
    // What was passed on before arrives before the end does.
    tokio::time::sleep(Duration::from_millis(1)).await;
}
