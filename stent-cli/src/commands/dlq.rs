//! `dlq`: what failed for good.

use serde_json::{Value, json};
use stent_core::backend::{DeadLetterFilter, Page, RedriveTarget};
use stent_core::commit::{Redriven, RefusedRedrive};
use stent_core::dead_letter::DeadLetter;
use stent_core::failure::Failure as Cause;
use stent_core::{TaskId, limits};

use super::listing;
use crate::answer::Answer;
use crate::arguments::{Dlq, LetterArguments, Name};
use crate::confirm::Consent;
use crate::database::Database;
use crate::failure::Failure;
use crate::{print, span};

/// The exit code if some of what was asked for was refused.
const SOME_REFUSED: u8 = 3;

pub(super) async fn dlq(database: &Database, dlq: &Dlq) -> Result<Answer, Failure> {
    match dlq {
        Dlq::List { filter, page } => list(database, &filter_of(filter), page.page()).await,
        Dlq::Show { id, show_payloads } => show(database, *id, *show_payloads).await,
        Dlq::Replay { id } => replay(database, *id).await,
        Dlq::ReplayAll { filter, consent } => replay_all(database, &filter_of(filter), *consent).await,
        Dlq::Discard { id, consent } => discard(database, *id, *consent).await,
    }
}

fn filter_of(arguments: &LetterArguments) -> DeadLetterFilter {
    let function = arguments.function.clone().map(|Name(name)| name);
    DeadLetterFilter { execution: arguments.execution, function }
}

async fn list(database: &Database, filter: &DeadLetterFilter, page: Page<TaskId>) -> Result<Answer, Failure> {
    let now = database.now();
    let letters = database.backend().list_dead_letters(filter, page).await?;
    let row = |letter: &DeadLetter| {
        let function = letter.function.to_string();
        let (tries, age) = (letter.attempts.to_string(), span::age(now, letter.at));
        vec![letter.task.to_string(), function, tries, age, letter.failure.class().to_string()]
    };
    let headings = ["ID", "FUNCTION", "#TRIES", "#AGE", "FAILURE"];
    Ok(listing::page("dead_letters", &headings, &letters, page.limit, row, record))
}

async fn show(database: &Database, id: TaskId, show_payloads: bool) -> Result<Answer, Failure> {
    let letter = demand(database, id).await?;
    let mut json = record(&letter);
    let mut fields = vec![
        ("dead letter", letter.task.to_string()),
        ("execution", letter.execution.to_string()),
        ("function", letter.function.to_string()),
        ("queue", letter.queue.as_ref().map_or("-".to_owned(), ToString::to_string)),
        ("failed", letter.at.to_string()),
        ("attempts", letter.attempts.to_string()),
    ];
    fields.extend(causes(&letter.failure));
    if show_payloads {
        let input = print::payload(letter.input.as_bytes());
        json["input"] = Value::String(input.clone());
        fields.push(("arguments", input));
    }
    Ok(Answer::new(json, print::fields(&fields)))
}

async fn replay(database: &Database, id: TaskId) -> Result<Answer, Failure> {
    match database.backend().redrive(database.now(), RedriveTarget::DeadLetter(id)).await? {
        Redriven::Done => Ok(Answer::new(json!({"dead_letter": id, "redriven": true}), format!("{id} goes on"))),
        Redriven::Refused(RefusedRedrive::Unknown) => Err(Failure::not_found("dead letter", id)),
        Redriven::Refused(reason) => Err(Failure::conflict(format!("refused redrive of {id}: {reason}"))),
    }
}

async fn replay_all(database: &Database, filter: &DeadLetterFilter, consent: Consent) -> Result<Answer, Failure> {
    let backend = database.backend();
    let count = backend.count_dead_letters(filter).await?;
    if count > 0 {
        consent.to(&format!("redrives the executions of {}", print::count(count, "dead letter")))?;
    }
    let mut page = Page::first(limits::PAGE);
    let (mut redriven, mut refused) = (0, Vec::new());
    loop {
        let letters = backend.list_dead_letters(filter, page).await?;
        let Some(last) = letters.last() else { break };
        page.after = Some(last.task);
        for letter in &letters {
            match backend.redrive(database.now(), RedriveTarget::DeadLetter(letter.task)).await? {
                Redriven::Done => redriven += 1,
                Redriven::Refused(reason) => refused.push((letter.task, reason.to_string())),
            }
        }
    }
    let mut text = format!("{} redriven, {} refused\n", print::count(redriven, "dead letter"), refused.len());
    let rows: Vec<Vec<String>> = refused.iter().map(|(task, reason)| vec![task.to_string(), reason.clone()]).collect();
    if !rows.is_empty() {
        text += &print::table(&["ID", "REFUSED"], &rows);
    }
    let records: Vec<Value> = refused.iter().map(|(task, reason)| json!({"id": task, "reason": reason})).collect();
    let exit = if refused.is_empty() { 0 } else { SOME_REFUSED };
    Ok(Answer::new(json!({"redriven": redriven, "refused": records}), text).with_exit(exit))
}

async fn discard(database: &Database, id: TaskId, consent: Consent) -> Result<Answer, Failure> {
    let letter = demand(database, id).await?;
    consent.to(&format!("deletes 1 dead letter, of {}", letter.function))?;
    match database.backend().discard_dead_letter(id).await? {
        true => Ok(Answer::new(json!({"dead_letter": id, "discarded": true}), format!("discarded {id}"))),
        false => Err(Failure::not_found("dead letter", id)),
    }
}

async fn demand(database: &Database, id: TaskId) -> Result<DeadLetter, Failure> {
    database.backend().dead_letter(id).await?.ok_or_else(|| Failure::not_found("dead letter", id))
}

fn record(letter: &DeadLetter) -> Value {
    json!({
        "id": letter.task,
        "execution": letter.execution,
        "function": letter.function.as_str(),
        "queue": letter.queue.as_ref().map(|queue| queue.as_str()),
        "attempts": letter.attempts,
        "at": letter.at.to_string(),
        "failure": failure(&letter.failure),
    })
}

/// A failure as JSON, without its details, which are a payload.
pub(super) fn failure(failure: &Cause) -> Value {
    let record = failure.record();
    json!({
        "class": record.class.as_str(),
        "message": record.message,
        "causes": record.chain,
        "item": record.item,
        "origin": record.origin.as_ref().map(|origin| json!({"task": origin.task, "function": origin.function.as_str()})),
    })
}

/// A failure with its causes and where it began.
pub(super) fn causes(failure: &Cause) -> Vec<(&'static str, String)> {
    let record = failure.record();
    let mut fields = vec![("failure", format!("{}: {}", record.class, record.message))];
    fields.extend(record.chain.iter().map(|cause| ("caused by", cause.clone())));
    if let Some(item) = record.item {
        fields.push(("item", item.to_string()));
    }
    if let Some(origin) = &record.origin {
        fields.push(("began in", format!("{} {}", origin.task, origin.function)));
    }
    fields
}
