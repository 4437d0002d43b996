//! `redrive`: goes on with an execution from what failed.

use serde_json::json;
use stent_core::ExecutionId;
use stent_core::backend::RedriveTarget;
use stent_core::commit::{Redriven, RefusedRedrive};

use crate::answer::Answer;
use crate::database::Database;
use crate::failure::Failure;

pub(super) async fn redrive(database: &Database, id: ExecutionId) -> Result<Answer, Failure> {
    match database.backend().redrive(database.now(), RedriveTarget::Execution(id)).await? {
        Redriven::Done => Ok(Answer::new(json!({"execution": id, "redriven": true}), format!("{id} goes on"))),
        Redriven::Refused(RefusedRedrive::Unknown) => Err(Failure::not_found("execution", id)),
        Redriven::Refused(reason) => Err(Failure::conflict(format!("refused redrive of {id}: {reason}"))),
    }
}
