//! `cancel`: ends an execution with all open tasks below it.

use serde_json::json;
use stent_core::ExecutionId;
use stent_core::backend::TaskFilter;
use stent_core::commit::Cancelled;
use stent_core::execution::ExecutionState;
use stent_core::task::TaskState;

use crate::answer::Answer;
use crate::confirm::Consent;
use crate::database::Database;
use crate::failure::Failure;
use crate::print;

pub(super) async fn cancel(
    database: &Database,
    id: ExecutionId,
    idempotent: bool,
    consent: Consent,
) -> Result<Answer, Failure> {
    let backend = database.backend();
    let Some(record) = backend.execution(id).await? else { return Err(Failure::not_found("execution", id)) };
    if record.state.is_final() {
        return ended(id, record.state, idempotent);
    }
    let states = TaskState::ALL.into_iter().filter(|state| !state.is_final()).collect();
    let filter = TaskFilter { execution: Some(id), states, ..TaskFilter::default() };
    let open = backend.count_tasks(&filter).await?;
    consent.to(&format!("cancels execution {id}, {}", print::count(open, "open task")))?;
    match backend.cancel(database.now(), id).await? {
        Cancelled::Done => {
            Ok(Answer::new(json!({"execution": id, "cancelled": true, "tasks": open}), format!("cancelled {id}")))
        }
        Cancelled::AlreadyFinal(state) => ended(id, state, idempotent),
        Cancelled::Unknown => Err(Failure::not_found("execution", id)),
    }
}

fn ended(id: ExecutionId, state: ExecutionState, idempotent: bool) -> Result<Answer, Failure> {
    if !idempotent {
        return Err(Failure::already(id, state));
    }
    let json = json!({"execution": id, "cancelled": false, "state": state});
    Ok(Answer::new(json, format!("execution {id} is {state} already")))
}
