//! Children as they are stored when a turn makes them.

use std::sync::Arc;

use stent_core::error::BackendError;
use stent_core::journal::TurnWrite;
use stent_core::retry::RetryPolicy;
use stent_core::task::NewChild;
use stent_core::time::Timestamp;
use uuid::Uuid;

use crate::batch::{self, ITEMS, PARCEL};
use crate::connection::{Session, Values};
use crate::root::{FirstClaims, memo};
use crate::row::{At, int};

pub(crate) const CHILDREN: &str = include_str!("../sql/journal/children.sql");

/// Children with the claims they are made under, a column each.
#[derive(Default)]
struct Children<'a> {
    tasks: Vec<Uuid>,
    tokens: Vec<Uuid>,
    ids: Vec<Uuid>,
    generations: Vec<i32>,
    made_turns: Vec<i32>,
    made_kinds: Vec<&'static str>,
    made_numbers: Vec<i32>,
    indexes: Vec<Option<i32>>,
    functions: Vec<&'a str>,
    versions: Vec<&'a str>,
    inputs: Vec<&'a [u8]>,
    fingerprints: Vec<&'a [u8]>,
    queues: Vec<Option<&'a str>>,
    tags: Vec<Option<String>>,
    priorities: Vec<i32>,
    policies: Policies,
    traces: Vec<Option<&'a str>>,
    memo_keys: Vec<Option<&'a [u8]>>,
    memo_modes: Vec<Option<&'static str>>,
    memo_ttls: Vec<Option<i64>>,
    limited: Vec<bool>,
    due: Vec<At>,
    born: Vec<Option<&'a [u8]>>,
    first: FirstClaims,
    /// How large the payloads are together.
    bytes: usize,
}

/// Makes the children of turns that are not there, where the claims hold: with one statement, unless they are very many or have very large payloads.
pub(crate) async fn insert(session: &Session<'_>, now: Timestamp, turns: &[&TurnWrite]) -> Result<(), BackendError> {
    let mut children = Children::default();
    for turn in turns {
        for child in &turn.children {
            children.push(turn, child);
            if children.ids.len() >= ITEMS || children.bytes >= PARCEL {
                std::mem::take(&mut children).insert(session, now).await?;
            }
        }
    }
    if children.ids.is_empty() { Ok(()) } else { children.insert(session, now).await }
}

impl<'a> Children<'a> {
    fn push(&mut self, turn: &'a TurnWrite, child: &'a NewChild) {
        let task = &child.task;
        let (memo_mode, memo_ttl) = memo(task);
        self.tasks.push(*turn.claim.task.as_uuid());
        self.tokens.push(*turn.claim.token.as_uuid());
        self.ids.push(*child.id.as_uuid());
        self.generations.push(int(turn.generation));
        self.made_turns.push(int(child.operation.turn));
        self.made_kinds.push(child.operation.kind.as_str());
        self.made_numbers.push(int(child.operation.number));
        self.indexes.push(child.index.map(int));
        self.functions.push(&task.function);
        self.versions.push(task.version.as_deref().unwrap_or_default());
        self.inputs.push(task.input.as_bytes());
        self.fingerprints.push(task.fingerprint.as_bytes());
        self.queues.push(task.queue.as_deref());
        self.tags.push(batch::tags(&task.tags));
        self.priorities.push(task.priority);
        self.policies.push(&task.retry);
        self.traces.push(task.trace.as_deref());
        self.memo_keys.push(task.memo.as_ref().map(|memo| &memo.key.as_bytes()[..]));
        self.memo_modes.push(memo_mode);
        self.memo_ttls.push(memo_ttl);
        self.limited.push(task.max_concurrent.is_some());
        self.due.push(At(task.due));
        self.born.push(child.born.as_ref().map(|result| result.as_bytes()));
        self.first.push(task, child.born.as_ref());
        self.bytes += bytes(child);
    }

    async fn insert(&self, session: &Session<'_>, now: Timestamp) -> Result<(), BackendError> {
        let retries: Vec<&str> = self.policies.0.iter().map(|(_, text)| &**text).collect();
        let values: Values<'_> = &[
            &At(now),
            &self.tasks,
            &self.tokens,
            &self.ids,
            &self.generations,
            &self.made_turns,
            &self.made_kinds,
            &self.made_numbers,
            &self.indexes,
            &self.functions,
            &self.versions,
            &self.inputs,
            &self.fingerprints,
            &self.queues,
            &self.tags,
            &self.priorities,
            &retries,
            &self.traces,
            &self.memo_keys,
            &self.memo_modes,
            &self.memo_ttls,
            &self.limited,
            &self.due,
            &self.born,
            &self.first.workers,
            &self.first.tokens,
            &self.first.leases_until(At(now)),
        ];
        session.execute(CHILDREN, values).await.map(drop)
    }
}

/// The size of its payloads.
pub(crate) fn bytes(child: &NewChild) -> usize {
    child.task.input.len() + child.born.as_ref().map_or(0, |result| result.len())
}

/// Policies and their stored form, which is made once for those that share one, as a map's items do.
#[derive(Default)]
struct Policies(Vec<(Arc<RetryPolicy>, Arc<str>)>);

impl Policies {
    fn push(&mut self, policy: &Arc<RetryPolicy>) {
        let text = match self.0.last() {
            Some((known, text)) if Arc::ptr_eq(known, policy) => Arc::clone(text),
            _ => policy.encode().into(),
        };
        self.0.push((Arc::clone(policy), text));
    }
}
