//! `signal`: sends a value to an execution.

use serde::de::IgnoredAny;
use serde_json::json;
use stent_core::commit::Sent;
use stent_core::name::SignalName;
use stent_core::signal::SignalSend;
use stent_core::{ExecutionId, Payload, SignalId, limits};

use crate::answer::Answer;
use crate::arguments::Name;
use crate::database::Database;
use crate::failure::Failure;

/// Refuses what is no JSON, before a database is opened.
pub(super) fn check(value: &str) -> Result<(), Failure> {
    if value.len() > limits::PAYLOAD {
        return Err(Failure::usage(format!("the value has {} bytes, at most {}", value.len(), limits::PAYLOAD)));
    }
    let read = serde_json::from_str::<IgnoredAny>(value);
    read.map(drop).map_err(|error| {
        Failure::usage(format!("the value is no JSON: {error}; a text is in double quotes: '\"approved\"'"))
    })
}

pub(super) async fn signal(
    database: &Database,
    execution: ExecutionId,
    Name(name): &Name<SignalName>,
    value: &str,
) -> Result<Answer, Failure> {
    // As it was given: numbers keep their digits.
    let value = Payload::from(value.as_bytes());
    let send = SignalSend { id: SignalId::random(), execution, name: name.clone(), value };
    match database.backend().send(database.now(), &send).await? {
        Sent::Stored { overwrote } => {
            let text = match overwrote {
                true => "sent; it took the place of a value that nobody had taken",
                false => "sent",
            };
            Ok(Answer::new(json!({"execution": execution, "signal": name.as_str(), "overwrote": overwrote}), text))
        }
        Sent::AlreadyFinal(state) => Err(Failure::already(execution, state)),
        Sent::Unknown => Err(Failure::not_found("execution", execution)),
    }
}
