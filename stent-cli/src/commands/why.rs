//! `why`: what keeps an execution from running.

use serde_json::{Value, json};
use stent_core::ExecutionId;

use crate::answer::Answer;
use crate::database::Database;
use crate::failure::Failure;
use crate::print;

pub(super) async fn why(database: &Database, id: ExecutionId) -> Result<Answer, Failure> {
    let explanations = database.stent.why(id).await?;
    let mut text = String::new();
    let mut records: Vec<Value> = Vec::new();
    for explanation in &explanations {
        let function = explanation.function.to_string();
        text += &print::fields(&[
            ("task", format!("{} {function}", explanation.task)),
            ("state", explanation.state.to_string()),
            ("why", explanation.why.to_string()),
        ]);
        text.push('\n');
        records.push(json!({
            "task": explanation.task,
            "function": function,
            "state": explanation.state.as_str(),
            "why": explanation.why.to_string(),
        }));
    }
    Ok(Answer::new(json!({ "execution": id, "tasks": records }), text))
}
