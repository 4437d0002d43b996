//! What the operating system tells a process that is to end: SIGTERM, or Ctrl-C (C-X4).

use crate::error::Unfinished;

use super::Worker;

impl Worker {
    /// Works until the process is told to shut down: the first SIGTERM or Ctrl-C [drains](Self::drain), a second one
    /// [stops](Self::stop) at once. Where there is no SIGTERM, Ctrl-C does both. Gives what the drain gives, also if
    /// somebody else drained the worker or it stopped by itself.
    ///
    /// ```no_run
    /// use std::process::ExitCode;
    ///
    /// # async fn example(stent: stent_executor::Stent) -> Result<ExitCode, stent_executor::StentError> {
    /// let worker = stent.worker().start().await?;
    /// let code = match worker.run_until_shutdown().await {
    ///     Ok(()) => ExitCode::SUCCESS,
    ///     // 75, EX_TEMPFAIL: what was running goes on in another process.
    ///     Err(unfinished) => ExitCode::from(unfinished),
    /// };
    /// # Ok(code)
    /// # }
    /// ```
    ///
    /// From the first poll on, these signals no longer end the process by themselves. A signal is heard by every worker
    /// of the process that waits here.
    ///
    /// # Errors
    /// [`Unfinished`] if tasks had to be released; it has stopped all the same.
    ///
    /// # Panics
    /// In a Tokio runtime without its I/O driver (`enable_all` or `enable_io`), which is what hears signals.
    pub async fn run_until_shutdown(&self) -> Result<(), Unfinished> {
        let mut requests = Requests::listen();
        tokio::select! {
            biased;
            stopped = self.shared.wait_stopped() => return stopped,
            signal = requests.next() => tracing::info!(signal, "told to shut down: draining; the next signal stops at once"),
        }
        tokio::select! {
            biased;
            drained = self.drain() => return drained,
            signal = requests.next() => tracing::info!(signal, "told to shut down again: stopping"),
        }
        self.stop().await
    }
}

/// The requests to shut down that come from now on.
struct Requests(Option<system::Signals>);

impl Requests {
    fn listen() -> Self {
        let signals = system::Signals::listen();
        if let Err(error) = &signals {
            tracing::error!(%error, "cannot listen for signals; SIGTERM and Ctrl-C end the process without a drain");
        }
        Self(signals.ok())
    }

    /// The name of the next one.
    async fn next(&mut self) -> &'static str {
        match &mut self.0 {
            Some(signals) => signals.next().await,
            None => std::future::pending().await,
        }
    }
}

#[cfg(unix)]
mod system {
    use std::io;

    use tokio::signal::unix::{Signal, SignalKind, signal};

    pub(super) struct Signals {
        terminate: Signal,
        interrupt: Signal,
    }

    impl Signals {
        pub(super) fn listen() -> io::Result<Self> {
            Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
        }

        pub(super) async fn next(&mut self) -> &'static str {
            tokio::select! {
                Some(()) = self.terminate.recv() => "SIGTERM",
                Some(()) = self.interrupt.recv() => "SIGINT",
                else => std::future::pending().await,
            }
        }
    }
}

#[cfg(not(unix))]
mod system {
    use std::io;

    pub(super) struct Signals;

    impl Signals {
        pub(super) fn listen() -> io::Result<Self> {
            Ok(Self)
        }

        pub(super) async fn next(&mut self) -> &'static str {
            match tokio::signal::ctrl_c().await {
                Ok(()) => "Ctrl-C",
                Err(error) => {
                    tracing::error!(%error, "cannot listen for Ctrl-C; it ends the process without a drain");
                    std::future::pending().await
                }
            }
        }
    }
}
