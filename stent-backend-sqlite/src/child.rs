//! Children as they are stored when a turn makes them.

use std::sync::Arc;

use serde::Serialize;
use stent_core::claim::FirstClaim;
use stent_core::error::BackendError;
use stent_core::journal::TurnWrite;
use stent_core::retry::RetryPolicy;
use stent_core::task::NewChild;

use crate::batch::{Hex, Parcel, Parcels, Part, to_json};
use crate::root::{first_claim, memo, micros};

/// A child as a statement reads it from JSON.
#[derive(Serialize)]
struct StoredChild<'a> {
    task: Hex<'a>,
    token: Hex<'a>,
    id: Hex<'a>,
    generation: u32,
    made_turn: u32,
    made_kind: &'static str,
    made_number: u32,
    index: Option<u32>,
    function: &'a str,
    version: &'a str,
    input: Part,
    fingerprint: Hex<'a>,
    queue: Option<&'a str>,
    tags: Option<String>,
    priority: i32,
    retry: Arc<str>,
    trace: Option<&'a str>,
    memo_key: Option<Hex<'a>>,
    memo_mode: Option<&'static str>,
    memo_ttl: Option<i64>,
    limited: bool,
    due: i64,
    born: Option<Part>,
    #[serde(flatten)]
    first: Option<StoredClaim<'a>>,
}

/// The claim that a child is made with.
#[derive(Serialize)]
struct StoredClaim<'a> {
    first_worker: Hex<'a>,
    first_token: Hex<'a>,
    first_lease: i64,
}

impl<'a> From<&'a FirstClaim> for StoredClaim<'a> {
    fn from(claim: &'a FirstClaim) -> Self {
        Self {
            first_worker: Hex(claim.worker.as_bytes()),
            first_token: Hex(claim.token.as_bytes()),
            first_lease: micros(claim.lease),
        }
    }
}

/// The children of all of these turns.
pub(crate) fn pack(operation: &'static str, turns: &[TurnWrite]) -> Result<Vec<Parcel>, BackendError> {
    let mut parcels = Parcels::new(operation);
    let mut policies = Policies::default();
    for turn in turns {
        for child in &turn.children {
            let input = parcels.payloads().push(child.task.input.as_bytes());
            let born = child.born.as_ref().map(|result| parcels.payloads().push(result.as_bytes()));
            parcels.push(stored(operation, turn, child, &mut policies, input, born)?)?;
        }
    }
    parcels.finish()
}

fn stored<'a>(
    operation: &'static str,
    turn: &'a TurnWrite,
    child: &'a NewChild,
    policies: &mut Policies,
    input: Part,
    born: Option<Part>,
) -> Result<StoredChild<'a>, BackendError> {
    let task = &child.task;
    let (memo_mode, memo_ttl) = memo(task);
    Ok(StoredChild {
        task: Hex(turn.claim.task.as_bytes()),
        token: Hex(turn.claim.token.as_bytes()),
        id: Hex(child.id.as_bytes()),
        generation: turn.generation,
        made_turn: child.operation.turn,
        made_kind: child.operation.kind.as_str(),
        made_number: child.operation.number,
        index: child.index,
        function: &task.function,
        version: task.version.as_deref().unwrap_or_default(),
        input,
        fingerprint: Hex(task.fingerprint.as_bytes()),
        queue: task.queue.as_deref(),
        tags: if task.tags.is_empty() { None } else { Some(to_json(operation, &task.tags)?) },
        priority: task.priority,
        retry: policies.text(&task.retry),
        trace: task.trace.as_deref(),
        memo_key: task.memo.as_ref().map(|memo| Hex(memo.key.as_bytes())),
        memo_mode,
        memo_ttl,
        limited: task.max_concurrent.is_some(),
        due: task.due.as_micros(),
        born,
        first: first_claim(task, child.born.as_ref()).map(StoredClaim::from),
    })
}

/// The stored form of the policy that was asked for last: a map's items share one.
#[derive(Default)]
struct Policies(Option<(Arc<RetryPolicy>, Arc<str>)>);

impl Policies {
    fn text(&mut self, policy: &Arc<RetryPolicy>) -> Arc<str> {
        if let Some((known, text)) = &self.0
            && Arc::ptr_eq(known, policy)
        {
            return Arc::clone(text);
        }
        let text: Arc<str> = policy.encode().into();
        self.0 = Some((Arc::clone(policy), Arc::clone(&text)));
        text
    }
}
