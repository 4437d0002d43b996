//! `show`: one execution on one screen.

mod children;
mod timeline;

use serde_json::{Map, Value, json};
use stent_core::ExecutionId;
use stent_core::backend::{DeadLetterFilter, Page};
use stent_core::execution::ExecutionRecord;
use stent_core::task::TaskRecord;
use stent_core::variable::Variables;

use super::{dlq, list};
use crate::answer::Answer;
use crate::arguments::ShowArguments;
use crate::database::Database;
use crate::failure::Failure;
use crate::{print, span};

/// Dead letters shown, at most; `dlq list` has the others.
const LETTERS: u32 = 5;

pub(super) async fn show(database: &Database, arguments: &ShowArguments) -> Result<Answer, Failure> {
    let id = arguments.id;
    let backend = database.backend();
    let missing = || Failure::not_found("execution", id);
    let record = backend.execution(id).await?.ok_or_else(missing)?;
    let root = backend.task(id.root()).await?.ok_or_else(missing)?;
    let why = database.stent.why_task(root.id).await?.why.to_string();
    let variables = backend.read(id).await?;
    let letters = DeadLetterFilter { execution: Some(id), ..DeadLetterFilter::default() };
    let letters = backend.list_dead_letters(&letters, Page::first(LETTERS)).await?;
    let children = backend.count_children(root.id).await?;
    let timeline = timeline::read(backend, &root, arguments.operations).await?;

    let mut json = list::record(&record);
    let mut head = head(&record, &root);
    if arguments.show_payloads {
        for (name, payload) in payloads(database, id).await? {
            json[name] = Value::String(payload.clone());
            head.push((name, payload));
        }
    }
    head.push(("why", why.clone()));
    json["attempt"] = json!(root.attempt);
    json["why"] = json!(why);
    json["operations"] = timeline.as_json();
    json["children"] = children::as_json(&children);
    json["dead_letters"] =
        letters.iter().map(|letter| json!({"id": letter.task, "failure": dlq::failure(&letter.failure)})).collect();
    let (variable_fields, variable_json) = variables_of(&variables, arguments.show_payloads);
    json["variables"] = variable_json;

    let mut text = print::fields(&head);
    text += &print::section(&timeline.title(), &timeline.as_text());
    text += &print::section("children of the root", &children::as_text(&children));
    for letter in &letters {
        let mut fields = vec![("dead letter", letter.task.to_string()), ("function", letter.function.to_string())];
        fields.extend(dlq::causes(&letter.failure));
        text += &print::section("failed", &print::fields(&fields));
    }
    text += &print::section("variables", &variable_fields);
    Ok(Answer::new(json, text))
}

fn head(record: &ExecutionRecord, root: &TaskRecord) -> Vec<(&'static str, String)> {
    let took = record.started_at.zip(record.ended_at).map(|(started, ended)| span::short(ended.since(started)));
    let tags: Vec<_> = record.tags.iter().map(ToString::to_string).collect();
    let mut fields = vec![
        ("execution", record.id.to_string()),
        ("function", record.function.to_string()),
        ("state", record.state.to_string()),
        ("attempt", root.attempt.to_string()),
        ("dispatched", record.created_at.to_string()),
    ];
    let more = [
        ("version", record.version.as_ref().map(ToString::to_string)),
        ("queue", record.queue.as_ref().map(ToString::to_string)),
        ("tags", (!tags.is_empty()).then(|| tags.join(", "))),
        ("priority", (record.priority != 0).then(|| record.priority.to_string())),
        ("dedup key", record.dedup.as_ref().map(ToString::to_string)),
        ("started", record.started_at.map(|at| at.to_string())),
        ("ended", record.ended_at.map(|at| at.to_string())),
        ("took", took),
        ("deadline", record.deadline.map(|at| at.to_string())),
    ];
    fields.extend(more.into_iter().filter_map(|(name, value)| value.map(|value| (name, value))));
    if let Some(failure) = &record.failure {
        fields.extend(dlq::causes(failure));
    }
    fields
}

async fn payloads(database: &Database, id: ExecutionId) -> Result<Vec<(&'static str, String)>, Failure> {
    let found = database.backend().payloads(&[id.root()]).await?;
    let Some(found) = found.into_iter().flatten().next() else { return Ok(Vec::new()) };
    let mut shown = vec![("arguments", print::payload(found.input.as_bytes()))];
    shown.extend(found.output.map(|output| ("result", print::payload(output.as_bytes()))));
    Ok(shown)
}

fn variables_of(variables: &Variables, show_payloads: bool) -> (String, Value) {
    let mut rows = Vec::new();
    let (mut counters, mut values) = (Map::new(), Map::new());
    for (name, number) in &variables.counters {
        rows.push(vec![name.to_string(), number.to_string()]);
        counters.insert(name.to_string(), json!(number));
    }
    for (name, value) in &variables.values {
        let shown =
            if show_payloads { print::payload(value.as_bytes()) } else { format!("a value of {} bytes", value.len()) };
        rows.push(vec![name.to_string(), shown.clone()]);
        values.insert(name.to_string(), json!(shown));
    }
    let text = if rows.is_empty() { String::new() } else { print::table(&["NAME", "VALUE"], &rows) };
    (text, json!({"counters": counters, "values": values}))
}
