//! Hints between processes, by `LISTEN` and `NOTIFY` on a connection of their own, outside of the pool.
//!
//! What is told reaches this process's listeners at once. One background task tells the others, off the transactions that wrote: a transaction that notifies
//! holds a lock of the whole server until it is committed. It begins when it is first needed and ends with the backend. Whenever it begins to
//! listen, anything may have happened before.

mod notice;

use std::error::Error;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use stent_core::backend::{Hint, WakeUps};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::runtime::Handle;
use tokio::sync::broadcast::{self, error::RecvError};
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};
use tokio_postgres::{AsyncMessage, Client, Config, Connection};
use tokio_postgres_rustls::MakeRustlsConnect;
use uuid::Uuid;

use crate::connection::Database;
use notice::Notice;

/// Hints that a slow listener may be behind; past them it learns that anything may have happened.
const HINTS: usize = 1_024;
/// The shortest time between two notifications.
const SPACING: Duration = Duration::from_millis(5);
/// How many times as long as a notification the time to the next one is: at most a fifth of the time goes to notifying.
const SPACING_FACTOR: u32 = 4;
/// How long nothing is heard or told before the server is asked whether it is still there.
const CHECK: Duration = Duration::from_secs(15);
/// How long the server may take to answer.
const ANSWER: Duration = Duration::from_secs(5);
/// How long a connection may take in all, with what is asked on it first.
const CONNECT: Duration = Duration::from_secs(15);
/// The pauses before another connection is tried: the first, and the longest.
const PAUSES: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(10));
/// How long what was told last may take to go out when the backend is closed.
const FAREWELL: Duration = Duration::from_secs(1);

/// Why a connection for hints is given up.
type Broken = Box<dyn Error + Send + Sync>;

/// Who tells and hears of what happens.
pub(crate) struct Hints {
    shared: Option<Arc<Shared>>,
    task: Mutex<Option<JoinHandle<()>>>,
}

struct Shared {
    config: Config,
    tls: MakeRustlsConnect,
    /// The schema's name.
    channel: String,
    /// Who tells: a process does not listen to itself.
    sender: String,
    here: broadcast::Sender<Hint>,
    elsewhere: Mutex<Notice>,
    told: Notify,
    closed: watch::Sender<bool>,
}

impl Hints {
    /// Hints of those who use this database; without them there are none, and polling finds what happens.
    pub(crate) fn new(database: &Database, are_wanted: bool) -> Self {
        let shared = are_wanted.then(|| {
            let mut config = database.config().clone();
            // Nothing that a notification writes must last.
            let options = format!("{} -c synchronous_commit=off", config.get_options().unwrap_or_default());
            config.options(options.trim());
            let name = format!("{} hints {}", config.get_application_name().unwrap_or_default(), database.schema);
            config.application_name(name.trim());
            Arc::new(Shared {
                config,
                tls: database.tls().clone(),
                channel: database.schema.clone(),
                sender: Uuid::new_v4().simple().to_string(),
                here: broadcast::Sender::new(HINTS),
                elsewhere: Mutex::default(),
                told: Notify::new(),
                closed: watch::Sender::new(false),
            })
        });
        Self { shared, task: Mutex::default() }
    }

    /// Tells what was committed to those who listen, here and elsewhere.
    pub(crate) fn tell(&self, hints: impl IntoIterator<Item = Hint>) {
        let Some(shared) = &self.shared else { return };
        let mut is_told = false;
        for hint in hints {
            is_told = true;
            // Nobody here may be listening.
            let _ = shared.here.send(hint);
            shared.elsewhere().add(hint);
        }
        if is_told {
            self.start();
            shared.told.notify_one();
        }
    }

    /// Where to notify, and the text, of what a transaction of the caller's tells when it is committed: to all who listen, this process among them. `None` if
    /// there are no hints.
    pub(crate) fn notification(&self, hints: &[Hint]) -> Option<(&str, String)> {
        let shared = self.shared.as_ref()?;
        let mut notice = Notice::default();
        hints.iter().for_each(|hint| notice.add(*hint));
        Some((&shared.channel, notice.encode("")))
    }

    /// A new stream of hints.
    pub(crate) fn listen(&self) -> Option<Box<dyn WakeUps>> {
        let shared = self.shared.as_ref()?;
        let listener = Listener(shared.here.subscribe());
        self.start();
        Some(Box::new(listener))
    }

    /// Waits a moment for what was told last to go out.
    pub(crate) async fn close(&self) {
        let Some(shared) = &self.shared else { return };
        shared.closed.send_replace(true);
        let task = self.task().take();
        if let Some(task) = task {
            // It ends by itself, in time.
            let _ = task.await;
        }
    }

    /// Starts the background task if it does not run: it ends with its runtime, which may not be this one.
    fn start(&self) {
        let (Some(shared), Ok(runtime)) = (&self.shared, Handle::try_current()) else { return };
        let mut task = self.task();
        if task.as_ref().is_none_or(JoinHandle::is_finished) && !*shared.closed.borrow() {
            *task = Some(runtime.spawn(run(Arc::clone(shared))));
        }
    }

    fn task(&self) -> MutexGuard<'_, Option<JoinHandle<()>>> {
        self.task.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Hints {
    fn drop(&mut self) {
        if let Some(shared) = &self.shared {
            shared.closed.send_replace(true);
        }
    }
}

struct Listener(broadcast::Receiver<Hint>);

#[async_trait]
impl WakeUps for Listener {
    async fn next(&mut self) -> Hint {
        match self.0.recv().await {
            Ok(hint) => hint,
            Err(RecvError::Lagged(_)) => Hint::Anything,
            // The backend is closed: nothing happens any more.
            Err(RecvError::Closed) => std::future::pending().await,
        }
    }
}

async fn run(shared: Arc<Shared>) {
    let mut closed = shared.closed.subscribe();
    let farewell = async {
        let _ = closed.wait_for(|is_closed| *is_closed).await;
        sleep(FAREWELL).await;
    };
    tokio::select! {
        () = shared.stay_connected() => {}
        () = farewell => {}
    }
}

impl Shared {
    fn elsewhere(&self) -> MutexGuard<'_, Notice> {
        self.elsewhere.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_done(&self) -> bool {
        *self.closed.borrow() && self.elsewhere().is_empty()
    }

    /// Listens and tells on one connection after the other, until the backend is closed and has told everything.
    async fn stay_connected(&self) {
        let mut closed = self.closed.subscribe();
        let (first, longest) = PAUSES;
        let mut pause = first;
        while !self.is_done() {
            let begun = Instant::now();
            let Err(broken) = self.connect().await else { continue };
            // The server's own words, which hold no secret.
            if pause == first {
                tracing::warn!(error = broken, "the connection for hints broke; trying again, and polling meanwhile");
            } else {
                tracing::debug!(error = broken, "no connection for hints yet");
            }
            if *closed.borrow() {
                return;
            }
            if begun.elapsed() > longest {
                pause = first;
            }
            tokio::select! {
                () = sleep(spread(pause)) => {}
                _ = closed.wait_for(|is_closed| *is_closed) => {}
            }
            pause = longest.min(pause * 2);
        }
    }

    /// One connection: until it breaks, or all is told after the backend was closed.
    async fn connect(&self) -> Result<(), Broken> {
        let begun = Instant::now();
        let (client, connection) = timeout(CONNECT, self.config.connect(self.tls.clone())).await??;
        let mut hear = pin!(self.hear(connection));
        let ended = tokio::select! {
            heard = &mut hear => return heard,
            told = self.talk(client, CONNECT.saturating_sub(begun.elapsed())) => told,
        };
        // Its client is gone: it takes its leave of the server.
        let _ = timeout(SPACING, hear).await;
        ended
    }

    /// Passes on what others tell.
    async fn hear<S, T>(&self, mut connection: Connection<S, T>) -> Result<(), Broken>
    where
        S: AsyncRead + AsyncWrite + Unpin,
        T: AsyncRead + AsyncWrite + Unpin,
    {
        while let Some(message) = poll_fn(|context| connection.poll_message(context)).await {
            if let AsyncMessage::Notification(notification) = message? {
                for hint in Notice::decode(notification.payload(), &self.sender) {
                    let _ = self.here.send(hint);
                }
            }
        }
        Err("the server closed it".into())
    }

    /// Begins to listen, tells others what happens here, and sees to it that the server is still there.
    async fn talk(&self, client: Client, first: Duration) -> Result<(), Broken> {
        let mut closed = self.closed.subscribe();
        timeout(first, client.batch_execute(&format!("LISTEN {}", self.channel))).await??;
        let notify = timeout(ANSWER, client.prepare("SELECT pg_notify($1, $2)")).await??;
        // What was told while nobody listened is in the store.
        let _ = self.here.send(Hint::Anything);
        while !self.is_done() {
            let notice = std::mem::take(&mut *self.elsewhere());
            if notice.is_empty() {
                let is_quiet = tokio::select! {
                    () = self.told.notified() => false,
                    _ = closed.wait_for(|is_closed| *is_closed) => false,
                    () = sleep(CHECK) => true,
                };
                if is_quiet {
                    timeout(ANSWER, client.simple_query("SELECT 1")).await??;
                }
                continue;
            }
            let begun = Instant::now();
            let text = notice.encode(&self.sender);
            let mut on_its_way = OnItsWay(Some(self));
            timeout(ANSWER, client.execute(&notify, &[&self.channel, &text])).await??;
            on_its_way.0 = None;
            sleep(SPACING.max(begun.elapsed() * SPACING_FACTOR)).await;
        }
        Ok(())
    }
}

/// What is being told. Whoever did not hear it, since the connection broke and nobody waits for the answer any more, is told when there is one again.
struct OnItsWay<'s>(Option<&'s Shared>);

impl Drop for OnItsWay<'_> {
    fn drop(&mut self) {
        if let Some(shared) = self.0 {
            shared.elsewhere().add(Hint::Anything);
        }
    }
}

/// Half of a pause and up to as much again, so that those who lost a server together do not come back together.
fn spread(pause: Duration) -> Duration {
    let thousandths = u32::try_from(Uuid::new_v4().as_u128() % 1_000).unwrap_or(0);
    pause / 2 + pause * thousandths / 1_000
}
