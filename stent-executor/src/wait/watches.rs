//! What is waited for, and what there is reason to look at.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::Hash;

use stent_core::backend::{Hint, Watch};
use stent_core::name::SignalName;
use stent_core::outcome::Ended;
use stent_core::{ExecutionId, TaskId};
use tokio::sync::mpsc;

/// One wait.
#[derive(Debug)]
pub(super) struct Watched {
    pub(super) key: usize,
    pub(super) watch: Watch,
    /// It was never looked at, and may be over already.
    pub(super) is_new: bool,
    pub(super) sender: mpsc::UnboundedSender<Fired>,
}

/// A wait that is over.
#[derive(Debug)]
pub(super) struct Fired {
    pub(super) id: u64,
    pub(super) key: usize,
    pub(super) ended: Option<Ended>,
}

/// When to look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Look {
    /// Never again.
    Closed,
    /// At once: some were never looked at.
    Now,
    /// As soon as the pace allows: hints came.
    Soon,
    /// When the poll interval is over.
    Later,
    /// Not before something is added.
    Nothing,
}

/// All waits of a process.
#[derive(Debug, Default)]
pub(super) struct Watches {
    last: u64,
    watched: BTreeMap<u64, Watched>,
    by_task: HashMap<TaskId, Vec<u64>>,
    by_execution: HashMap<ExecutionId, Vec<u64>>,
    by_signal: HashMap<(ExecutionId, SignalName), Vec<u64>>,
    new: usize,
    hints: Hints,
    is_polling: bool,
    is_closed: bool,
}

/// What hints have told since the last look.
#[derive(Debug, Default)]
struct Hints {
    anything: bool,
    tasks: bool,
    executions: HashSet<ExecutionId>,
    signals: HashSet<ExecutionId>,
}

impl Hints {
    fn is_empty(&self) -> bool {
        !(self.anything || self.tasks) && self.executions.is_empty() && self.signals.is_empty()
    }

    fn concern(&self, watch: &Watch) -> bool {
        self.anything
            || match watch {
                Watch::Task(_) | Watch::Map { .. } => self.tasks,
                Watch::Signal(execution, _) => self.signals.contains(execution),
                Watch::Execution(execution) => self.executions.contains(execution),
            }
    }
}

impl Watches {
    pub(super) fn add(&mut self, watched: Watched) -> u64 {
        self.last += 1;
        let id = self.last;
        match &watched.watch {
            Watch::Task(task) => self.by_task.entry(*task).or_default().push(id),
            Watch::Execution(execution) => self.by_execution.entry(*execution).or_default().push(id),
            Watch::Signal(execution, name) => self.by_signal.entry((*execution, name.clone())).or_default().push(id),
            Watch::Map { .. } => {}
        }
        self.new += usize::from(watched.is_new);
        self.watched.insert(id, watched);
        id
    }

    pub(super) fn is_empty(&self) -> bool {
        self.watched.is_empty()
    }

    pub(super) fn remove(&mut self, id: u64) {
        self.take(id);
    }

    /// True for who has to start the poller.
    pub(super) fn starts_polling(&mut self) -> bool {
        !std::mem::replace(&mut self.is_polling, true)
    }

    pub(super) fn stopped_polling(&mut self) {
        self.is_polling = false;
    }

    pub(super) fn close(&mut self) {
        self.is_closed = true;
    }

    /// Notes a hint; true if it may concern a wait.
    pub(super) fn hinted(&mut self, hint: Hint) -> bool {
        if self.watched.is_empty() {
            return false;
        }
        match hint {
            Hint::TasksReady => return false,
            Hint::TasksEnded => self.hints.tasks = true,
            Hint::ExecutionEnded(execution) if !self.by_execution.contains_key(&execution) => return false,
            Hint::ExecutionEnded(execution) => {
                self.hints.executions.insert(execution);
            }
            Hint::Signalled(execution) => {
                self.hints.signals.insert(execution);
            }
            // What is not known yet may be anything.
            _ => self.hints.anything = true,
        }
        true
    }

    /// When to look next.
    pub(super) fn look(&self) -> Look {
        if self.is_closed {
            Look::Closed
        } else if self.new > 0 {
            Look::Now
        } else if self.watched.is_empty() {
            Look::Nothing
        } else if self.hints.is_empty() {
            Look::Later
        } else {
            Look::Soon
        }
    }

    /// What to ask for, in order of age: everything, or what is new or hinted at.
    pub(super) fn asked(&mut self, everything: bool) -> (Vec<u64>, Vec<Watch>) {
        let hints = std::mem::take(&mut self.hints);
        self.new = 0;
        let mut asked = (Vec::new(), Vec::new());
        for (id, watched) in &mut self.watched {
            if std::mem::take(&mut watched.is_new) || everything || hints.concern(&watched.watch) {
                asked.0.push(*id);
                asked.1.push(watched.watch.clone());
            }
        }
        asked
    }

    pub(super) fn fire(&mut self, id: u64, ended: Option<Ended>) {
        if let Some(Watched { key, sender, .. }) = self.take(id) {
            // Its watcher has gone if there is nobody to receive it.
            let _ = sender.send(Fired { id, key, ended });
        }
    }

    pub(super) fn task_ended(&mut self, task: TaskId, ended: &Ended) {
        for id in self.by_task.get(&task).cloned().unwrap_or_default() {
            self.fire(id, Some(ended.clone()));
        }
    }

    pub(super) fn execution_ended(&mut self, execution: ExecutionId, ended: &Ended) {
        for id in self.by_execution.get(&execution).cloned().unwrap_or_default() {
            self.fire(id, Some(ended.clone()));
        }
    }

    pub(super) fn execution_doubted(&mut self, execution: ExecutionId) {
        for id in self.by_execution.get(&execution).cloned().unwrap_or_default() {
            self.fire(id, None);
        }
    }

    pub(super) fn signalled(&mut self, execution: ExecutionId, name: &SignalName) {
        for id in self.by_signal.get(&(execution, name.clone())).cloned().unwrap_or_default() {
            self.fire(id, None);
        }
    }

    fn take(&mut self, id: u64) -> Option<Watched> {
        let watched = self.watched.remove(&id)?;
        self.new -= usize::from(watched.is_new);
        match &watched.watch {
            Watch::Task(task) => forget(&mut self.by_task, task, id),
            Watch::Execution(execution) => forget(&mut self.by_execution, execution, id),
            Watch::Signal(execution, name) => forget(&mut self.by_signal, &(*execution, name.clone()), id),
            Watch::Map { .. } => {}
        }
        Some(watched)
    }
}

fn forget<K: Eq + Hash>(index: &mut HashMap<K, Vec<u64>>, key: &K, id: u64) {
    if let Some(ids) = index.get_mut(key) {
        ids.retain(|other| *other != id);
        if ids.is_empty() {
            index.remove(key);
        }
    }
}
