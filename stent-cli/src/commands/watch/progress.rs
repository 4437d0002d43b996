//! What executions said last of how far they are.

use std::collections::HashMap;

use stent_core::backend::{Page, ProgressCursor, ProgressEvent};
use stent_core::execution::ExecutionRecord;
use stent_core::{Backend, BackendError, ExecutionId, limits};

/// The progress of some executions, as far as it was read.
#[derive(Default)]
pub(super) struct Progress(HashMap<ExecutionId, Read>);

#[derive(Default)]
struct Read {
    until: Option<ProgressCursor>,
    last: Option<String>,
}

impl Progress {
    /// Forgets all other executions.
    pub(super) fn retain(&mut self, executions: &[ExecutionRecord]) {
        self.0.retain(|id, _| executions.iter().any(|record| record.id == *id));
    }

    /// Reads on, and gives the last entry.
    pub(super) async fn last(
        &mut self,
        backend: &dyn Backend,
        id: ExecutionId,
    ) -> Result<Option<String>, BackendError> {
        let read = self.0.entry(id).or_default();
        loop {
            let page = Page { after: read.until, limit: limits::PAGE };
            let entries = backend.list_progress(id, page).await?;
            let Some(last) = entries.last() else { break };
            read.until = Some(last.cursor);
            read.last = Some(match &last.event {
                ProgressEvent::Note(note) => note.clone(),
                ProgressEvent::Chunk { map, closed } => format!("{}: {closed} done", map.name),
            });
            if u32::try_from(entries.len()).is_ok_and(|found| found < limits::PAGE) {
                break;
            }
        }
        Ok(read.last.clone())
    }
}
