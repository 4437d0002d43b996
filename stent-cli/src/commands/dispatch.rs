//! `dispatch`: calls a function that other programs have.

use serde::de::IgnoredAny;
use serde_json::{Value, json};
use stent_core::RetryPolicy;
use stent_core::name::FunctionName;
use stent_executor::{Execution, NamedCall};

use crate::answer::Answer;
use crate::arguments::DispatchArguments;
use crate::database::Database;
use crate::failure::Failure;

/// Reads the arguments, before a database is opened.
pub(super) fn arguments(text: &str) -> Result<Vec<Value>, Failure> {
    let value: Value = serde_json::from_str(text).map_err(|error| {
        Failure::usage(format!("the arguments are no JSON: {error}; give an array: '[7, \"text\"]'"))
    })?;
    match value {
        Value::Array(arguments) => Ok(arguments),
        _ => Err(Failure::usage("the arguments are no array; give one with an entry for each: '[7, \"text\"]'")),
    }
}

pub(super) async fn dispatch(database: &Database, given: &DispatchArguments) -> Result<Answer, Failure> {
    let function = &given.function.0;
    if !given.unknown {
        demand(database, function).await?;
    }
    let mut call = NamedCall::new(function.clone());
    call.version = given.version.as_ref().map(|version| version.0.clone());
    call.queue = given.queue.as_ref().map(|queue| queue.0.clone());
    call.tags = given.tag.iter().map(|tag| tag.0.clone()).collect();
    call.priority = given.priority;
    call.delay = given.delay.unwrap_or_default();
    call.max_duration = given.max_duration.unwrap_or_default();
    call.dedup = given.dedup.as_ref().map(|key| key.0.clone());
    if let Some(attempts) = given.max_attempts {
        let policy = RetryPolicy::builder().max_attempts(attempts).build();
        call.retry = policy.map_err(|error| Failure::usage(error.to_string()))?;
    }
    let arguments = arguments(&given.arguments)?;
    let execution: Execution<IgnoredAny> = database.stent.dispatch_named(call, &arguments).await?;
    let id = execution.id();
    Ok(Answer::new(json!({"execution": id, "function": function.as_str()}), format!("dispatched {id}")))
}

/// Refuses a function that no live worker has: a name that is misspelt would wait for ever.
async fn demand(database: &Database, function: &FunctionName) -> Result<(), Failure> {
    let workers = database.backend().workers().await?;
    let now = database.now();
    let live: Vec<_> = workers.iter().filter(|worker| worker.is_live(now)).collect();
    if live.iter().any(|worker| worker.functions.iter().any(|other| other.name == *function)) {
        return Ok(());
    }
    Err(Failure::conflict(format!(
        "none of {} live workers has the function {function}; say --unknown to dispatch it all the same",
        live.len()
    )))
}
