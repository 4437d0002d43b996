//! What a client does to executions from outside: cancel, signal, redrive, and their dead letters.

use serde::Serialize;
use stent_core::backend::{DeadLetterFilter, Page, RedriveTarget};
use stent_core::commit::{Cancelled, Redriven, Sent};
use stent_core::dead_letter::DeadLetter;
use stent_core::name::SignalName;
use stent_core::outcome::{Ended, Outcome};
use stent_core::signal::SignalSend;
use stent_core::{BackendError, ExecutionId, SignalId, TaskId};

use crate::codec;
use crate::error::{StentError, wrote_nothing};
use crate::stent::{Stent, patiently};

impl Stent {
    /// Cancels an execution and all that it has caused, finally and in one transaction; a repeat changes nothing
    /// (C-X1). Running code is dropped at its next await as soon as its worker learns of it.
    ///
    /// # Errors
    /// [`StentError::NotFound`]; [`StentError::AlreadyFinal`] if it ended otherwise; [`StentError::Backend`].
    pub async fn cancel(&self, execution: ExecutionId) -> Result<(), StentError> {
        let program = &self.program;
        let (backend, clock) = (&program.backend, &program.clock);
        match patiently(BackendError::is_transient, || backend.cancel(clock.now(), execution)).await? {
            Cancelled::Done => {
                program.news.execution_ended(execution, &Ended { outcome: Outcome::Cancelled, at: clock.now() });
                program.nudges.cancelled();
                Ok(())
            }
            Cancelled::AlreadyFinal(state) => Err(StentError::AlreadyFinal { execution, state }),
            Cancelled::Unknown => Err(StentError::not_found("execution", execution)),
        }
    }

    /// Sends a signal: the value is in the execution's slot of this name until a function takes it, or a later value
    /// takes its place (C-S1).
    ///
    /// # Errors
    /// [`StentError::Name`], [`StentError::Value`]; [`StentError::NotFound`], [`StentError::AlreadyFinal`] (C-S3);
    /// [`StentError::Backend`].
    pub async fn signal<V: Serialize + ?Sized>(
        &self,
        execution: ExecutionId,
        name: impl AsRef<str>,
        value: &V,
    ) -> Result<(), StentError> {
        let program = &self.program;
        let send = SignalSend {
            id: SignalId::random(),
            execution,
            name: SignalName::new(name)?,
            value: codec::encode(&*program.codec, program.payload_limit, value)?,
        };
        let (backend, clock) = (&program.backend, &program.clock);
        match patiently(BackendError::is_transient, || backend.send(clock.now(), &send)).await? {
            Sent::Stored { overwrote } => {
                if overwrote {
                    tracing::debug!(%execution, signal = %send.name, "the value took the place of another");
                }
                program.news.signalled(execution, &send.name);
                if !program.nudges.has_hints() {
                    program.nudges.tasks_ready();
                }
                Ok(())
            }
            Sent::AlreadyFinal(state) => Err(StentError::AlreadyFinal { execution, state }),
            Sent::Unknown => Err(StentError::not_found("execution", execution)),
        }
    }

    /// Takes a failed or timed-out execution up again from what it failed with, keeping what succeeded (C-Y5).
    ///
    /// # Errors
    /// [`StentError::Redrive`] says what stands in the way. [`StentError::Backend`]; if its kind is `Unavailable` the
    /// execution may go on already: look at its state.
    pub async fn redrive(&self, target: RedriveTarget) -> Result<(), StentError> {
        let (backend, clock) = (&self.program.backend, &self.program.clock);
        match patiently(wrote_nothing, || backend.redrive(clock.now(), target)).await? {
            Redriven::Done => {
                self.program.nudges.tasks_ready();
                Ok(())
            }
            Redriven::Refused(reason) => Err(reason.into()),
        }
    }

    /// Dead letters, a page at a time, by task id.
    ///
    /// # Errors
    /// [`StentError::Backend`].
    pub async fn dead_letters(
        &self,
        filter: &DeadLetterFilter,
        page: Page<TaskId>,
    ) -> Result<Vec<DeadLetter>, StentError> {
        let backend = &self.program.backend;
        Ok(patiently(BackendError::is_transient, || backend.list_dead_letters(filter, page)).await?)
    }

    /// The dead letter of a task.
    ///
    /// # Errors
    /// [`StentError::NotFound`], [`StentError::Backend`].
    pub async fn dead_letter(&self, task: TaskId) -> Result<DeadLetter, StentError> {
        let backend = &self.program.backend;
        let found = patiently(BackendError::is_transient, || backend.dead_letter(task)).await?;
        found.ok_or_else(|| StentError::not_found("dead letter", task))
    }

    /// Deletes a dead letter; its task stays failed.
    ///
    /// # Errors
    /// [`StentError::NotFound`], [`StentError::Backend`].
    pub async fn discard_dead_letter(&self, task: TaskId) -> Result<(), StentError> {
        let backend = &self.program.backend;
        match patiently(wrote_nothing, || backend.discard_dead_letter(task)).await? {
            true => Ok(()),
            false => Err(StentError::not_found("dead letter", task)),
        }
    }
}
