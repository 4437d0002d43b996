//! The life of the claim on the root: who gets it, how it is given up, lost or taken over, and what is cut when it is taken up again.

use stent_core::backend::{Claims, Completion, Dispatch, Inspect, Journal, RedriveTarget};
use stent_core::commit::{Commit, Redriven};
use stent_core::task::{End, Resume, TaskEnd};
use stent_core::{Clock, Timestamp, WorkerId};

use super::process::Process;
use super::world::{Violation, World};
use crate::activation::Left;
use crate::activation::journal::Recorded;

/// Processes that are behind and still there.
const STALE: usize = 2;

impl World {
    /// A process claims the root; one that still runs it is behind from then on.
    pub(super) async fn claim_root(&mut self) -> Result<(), Violation> {
        let worker = WorkerId::from_bytes(self.random.bytes());
        let claimed = self.ask("root", worker, 1).await;
        self.next_due = claimed.next_due;
        let Some(task) = claimed.tasks.into_iter().next() else {
            // Not yet: only its time, a child or a signal brings it back.
            if self.children.is_empty() && !self.claim_children().await {
                self.idle().await?;
            }
            return Ok(());
        };
        self.report.activations += 1;
        if task.generation != self.generation {
            return Err(format!("generation {} instead of {}", task.generation, self.generation));
        }
        let program = match &self.change {
            Some(change) if !task.is_fresh => {
                self.is_on_trial = true;
                change.program.clone()
            }
            _ => self.program.clone(),
        };
        let process = Process::start(&self.store, &self.clock, &mut self.random, program, (task, worker)).await;
        self.processes.insert(0, process);
        self.processes.truncate(1 + STALE);
        self.has_holder = true;
        Ok(())
    }

    /// The holder of the claim gives it up.
    pub(super) async fn left(&mut self, left: Left) -> Result<(), Violation> {
        match left {
            Left::Lost => Err("the holder of the claim takes it for lost".into()),
            Left::Suspended => {
                self.report.suspensions += 1;
                self.adopt();
                self.drop_holder().await
            }
            Left::End(End::Released { until, reason }) => self.released(until, reason).await,
            Left::End(end) => {
                self.adopt();
                if self.crashes_left > 0 && self.random.chance(20) {
                    return self.crash().await;
                }
                self.end(end).await
            }
        }
    }

    async fn released(&mut self, until: Option<Timestamp>, reason: Option<String>) -> Result<(), Violation> {
        let reason = reason.unwrap_or_default();
        if !self.is_on_trial {
            return Err(format!("code that did not change was given back: {reason}"));
        }
        let change = self.change.take();
        if change.is_none_or(|change| change.patched) {
            return Err(format!("patched code was given back: {reason}"));
        }
        let process = &self.processes[0];
        let started = process.probe.log().trace.len();
        let has_acted = process.gate.writes() > 0 || !process.probe.log().running.is_empty();
        if has_acted || !reason.starts_with("Nondeterminism: turn ") {
            let writes = process.gate.writes();
            return Err(format!(
                "changed code acted before it was flagged ({writes} writes, {started} events): {reason}"
            ));
        }
        self.complete(End::Released { until, reason: Some(reason.clone()) }).await?;
        let task = self.store.task(self.execution.root()).await.unwrap().unwrap();
        if task.reason != Some(reason) || task.due != until {
            return Err("the task does not tell of its divergence".into());
        }
        self.report.flagged += 1;
        self.is_on_trial = false;
        self.leave_holder();
        Ok(())
    }

    /// Changed code was not flagged: the history is its own from now on.
    fn adopt(&mut self) {
        if std::mem::take(&mut self.is_on_trial) {
            self.program = self.change.take().map(|change| change.program).unwrap_or_else(|| self.program.clone());
            self.canon.clear();
            self.was_changed = true;
            // What ended is not compared with the code; what is taken up again would be.
            self.redrives_left = 0;
            self.report.adopted += 1;
        }
    }

    /// The function has returned.
    async fn end(&mut self, end: End) -> Result<(), Violation> {
        self.complete(end.clone()).await?;
        match end {
            End::Retry { resume, .. } => {
                self.settle(0).await?;
                self.cut(&resume).await;
                self.leave_holder();
            }
            End::Failed { resume, .. } if self.redrives_left > 0 && self.random.chance(70) => {
                self.settle(0).await?;
                self.redrive(&resume).await?;
            }
            _ => self.is_over = true,
        }
        Ok(())
    }

    async fn complete(&mut self, end: End) -> Result<(), Violation> {
        let claim = self.processes[0].claim;
        match self.store.complete(self.clock.now(), &[TaskEnd { claim, end }]).await.unwrap()[0] {
            Commit::Applied => Ok(()),
            Commit::ClaimLost => Err("the holder's end is refused".into()),
        }
    }

    /// What a resume makes undone is not history any more.
    async fn cut(&mut self, resume: &Resume) {
        match resume {
            Resume::Restart => {
                self.canon.clear();
                self.generation += 1;
            }
            Resume::At(point) => {
                let journal = self.store.load(self.execution.root(), self.generation).await.unwrap();
                let last = Recorded::new(journal).last_turn;
                self.canon.retain(|turn, _| last.is_some_and(|last| *turn <= last) && point.turn != Some(*turn));
                self.report.resumes += 1;
            }
            Resume::Refused(_) => {}
        }
        self.ended.clear();
    }

    async fn redrive(&mut self, resume: &Resume) -> Result<(), Violation> {
        self.redrives_left -= 1;
        let redriven = self.store.redrive(self.clock.now(), RedriveTarget::Execution(self.execution)).await.unwrap();
        match (redriven, resume) {
            (Redriven::Refused(_), Resume::Refused(_)) => self.is_over = true,
            (Redriven::Done, Resume::At(_)) => {
                self.cut(resume).await;
                self.leave_holder();
            }
            (Redriven::Done, Resume::Restart) => self.leave_holder(),
            (redriven, resume) => return Err(format!("a redrive of {resume:?} is answered by {redriven:?}")),
        }
        Ok(())
    }

    /// A process that is behind must have noticed, or be refused.
    pub(super) async fn left_behind(&mut self, at: usize, left: Left) -> Result<(), Violation> {
        let process = self.processes.remove(at);
        match left {
            // That it was suspended it may learn late.
            Left::Lost | Left::Suspended => Ok(()),
            Left::End(end) => {
                // What rides with a good end is the end of the journal, and no replay's matter.
                let is_strict = !self.has_forked() && !self.is_over;
                if let (true, End::Released { reason, .. }) = (is_strict, &end) {
                    return Err(format!("a stale process of code that did not change gives back: {reason:?}"));
                }
                match self.store.complete(self.clock.now(), &[TaskEnd { claim: process.claim, end }]).await.unwrap()[0]
                {
                    Commit::ClaimLost => Ok(()),
                    Commit::Applied => Err("a stale process ended the task".into()),
                }
            }
        }
    }

    /// The holder's process dies, or it is taken for dead and goes on.
    pub(super) async fn crash(&mut self) -> Result<(), Violation> {
        self.crashes_left -= 1;
        let _tasks = self.store.lapse(self.clock.now(), self.processes[0].worker).await.unwrap();
        if self.random.chance(60) || self.change.is_some() {
            self.report.crashes += 1;
            self.drop_holder().await
        } else {
            self.report.takeovers += 1;
            self.has_holder = false;
            self.claim_root().await?;
            // If the root is suspended, which its process did not learn, nobody can claim it.
            self.settle(usize::from(self.has_holder)).await
        }
    }

    /// True if a process that is behind may rightly find another history than its own.
    fn has_forked(&self) -> bool {
        self.was_changed || self.generation > 0 || self.report.resumes > 0
    }

    async fn drop_holder(&mut self) -> Result<(), Violation> {
        self.settle(0).await?;
        self.leave_holder();
        Ok(())
    }

    fn leave_holder(&mut self) {
        self.processes.remove(0);
        self.has_holder = false;
    }
}
