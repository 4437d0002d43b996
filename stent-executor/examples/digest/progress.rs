//! How far a job is, read from the counters of its execution: a bar on a terminal, a line now and then elsewhere.

use std::io::{IsTerminal, stderr};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use stent_core::{Backend, BackendError, ExecutionId};

use crate::job::counter;
use crate::print::{bytes, number};

/// Between two looks.
const LOOK: Duration = Duration::from_millis(200);
/// Between two lines.
const LINE: Duration = Duration::from_secs(2);

/// How far a job is.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Progress {
    pub(crate) found: u64,
    pub(crate) is_listed: bool,
    pub(crate) done: u64,
    pub(crate) bytes: u64,
}

impl Progress {
    /// Reads it from the database.
    pub(crate) async fn read(backend: &dyn Backend, execution: ExecutionId) -> Result<Self, BackendError> {
        let counters = backend.read(execution).await?.counters;
        let get = |name: &str| {
            let found = counters.iter().find(|(counter, _)| counter.as_str() == name);
            found.map_or(0, |(_, value)| u64::try_from(*value).unwrap_or(0))
        };
        Ok(Self {
            found: get(counter::FOUND),
            is_listed: get(counter::LISTED) > 0,
            done: get(counter::DONE),
            bytes: get(counter::BYTES),
        })
    }

    /// In words: `1,200 of 5,000 files done`.
    pub(crate) fn words(&self) -> String {
        if self.is_listed {
            format!("{} of {} files done", number(self.done), number(self.found))
        } else {
            format!("{} files listed so far", number(self.found))
        }
    }
}

/// Shows the progress of a job for as long as it is polled.
pub(crate) async fn show(backend: &dyn Backend, execution: ExecutionId, before: Progress) {
    let mut look = tokio::time::interval(LOOK);
    let bar = stderr().is_terminal().then(|| Bar::new(before));
    let (started, mut printed) = (Instant::now(), Instant::now());
    loop {
        look.tick().await;
        // An outage is the worker's to wait for; what is shown meanwhile is the last that was known.
        let Ok(now) = Progress::read(backend, execution).await else { continue };
        let rate = rate(now.done.saturating_sub(before.done), started.elapsed());
        let read = format!("{}, {rate:.0} files/s", bytes(now.bytes));
        if let Some(bar) = &bar {
            bar.set(now, read);
        } else if printed.elapsed() >= LINE {
            printed = Instant::now();
            eprintln!("{}, {read}", now.words());
        }
    }
}

/// So many in this time, a second.
pub(crate) fn rate(count: u64, time: Duration) -> f64 {
    // A u32 is a million files many times over.
    f64::from(u32::try_from(count).unwrap_or(u32::MAX)) / time.as_secs_f64().max(0.001)
}

/// The bar of a terminal; gone from it when dropped.
struct Bar(ProgressBar);

impl Bar {
    fn new(before: Progress) -> Self {
        let bar = ProgressBar::no_length().with_position(before.done);
        bar.set_style(style("listing the directory, {msg}"));
        Self(bar)
    }

    fn set(&self, now: Progress, read: String) {
        if !now.is_listed {
            self.0.set_message(format!("{} files", number(now.found)));
            return;
        }
        self.0.set_message(read);
        if self.0.length().is_none() {
            self.0.set_style(style("{wide_bar} {human_pos} of {human_len} files, {msg}, {eta} left"));
            self.0.set_length(now.found);
            self.0.reset_eta();
        }
        self.0.set_position(now.done);
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}
