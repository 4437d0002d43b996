//! Children as they are stored when a turn makes them: what they have in common, as a map's items have nearly all, goes to the statement once.

use std::sync::Arc;

use serde::Serialize;
use sqlx::sqlite::SqliteConnection;
use stent_core::claim::FirstClaim;
use stent_core::error::BackendError;
use stent_core::journal::TurnWrite;
use stent_core::retry::RetryPolicy;
use stent_core::task::NewChild;
use stent_core::time::Timestamp;

use crate::batch::{Blobs, Hex, ITEMS, PARCEL, Parcel, to_json};
use crate::error::During;
use crate::root::{first_claim, memo, micros};

pub(crate) const CHILDREN: &str = include_str!("../sql/journal/children.sql");

/// The parameters of one execution of the statement.
pub(crate) struct Children {
    parcel: Parcel,
    shapes: String,
}

impl Children {
    /// Makes those that are not there. True if all are, now.
    pub(crate) async fn insert(
        &self,
        connection: &mut SqliteConnection,
        operation: &'static str,
        now: Timestamp,
    ) -> Result<bool, BackendError> {
        let made = sqlx::query(CHILDREN)
            .bind(self.parcel.json.clone())
            .bind(self.parcel.bytes.clone())
            .bind(self.shapes.clone())
            .bind(now.as_micros())
            .execute(connection)
            .await
            .during(operation)?;
        Ok(made.rows_affected() == self.parcel.items)
    }
}

/// What many children have in common: those of a chunk of a map, nearly always.
#[derive(Serialize)]
struct Shape<'a> {
    task: Hex<'a>,
    token: Hex<'a>,
    generation: u32,
    made_turn: u32,
    made_kind: &'static str,
    made_number: u32,
    function: &'a str,
    version: &'a str,
    queue: Option<&'a str>,
    tags: Option<String>,
    priority: i32,
    retry: Arc<str>,
    trace: Option<&'a str>,
    memo_mode: Option<&'static str>,
    memo_ttl: Option<i64>,
    limited: bool,
    due: i64,
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

/// A child, as `journal/children.sql` reads it.
#[derive(Serialize)]
struct Item<'a>(usize, Option<u32>, usize, usize, Option<usize>, Option<Hex<'a>>);

/// Children on their way into parcels: one, unless they are very many or have very large payloads.
struct Packing<'a> {
    operation: &'static str,
    policies: Policies,
    shapes: Vec<Shape<'a>>,
    blobs: Blobs,
    items: Vec<Item<'a>>,
    /// The child before.
    last: Option<(&'a TurnWrite, &'a NewChild)>,
    packed: Vec<Children>,
}

/// The children of all of these turns.
pub(crate) fn pack(operation: &'static str, turns: &[TurnWrite]) -> Result<Vec<Children>, BackendError> {
    let mut packing = Packing {
        operation,
        policies: Policies::default(),
        shapes: Vec::new(),
        blobs: Blobs::default(),
        items: Vec::new(),
        last: None,
        packed: Vec::new(),
    };
    for turn in turns {
        for child in &turn.children {
            packing.push(turn, child)?;
        }
    }
    packing.close()?;
    Ok(packing.packed)
}

impl<'a> Packing<'a> {
    fn push(&mut self, turn: &'a TurnWrite, child: &'a NewChild) -> Result<(), BackendError> {
        let is_alike = |(before, last): (&TurnWrite, &NewChild)| before.claim == turn.claim && are_alike(last, child);
        if !self.last.is_some_and(is_alike) {
            self.shapes.push(shape(self.operation, turn, child, &mut self.policies)?);
        }
        self.last = Some((turn, child));
        let offset = self.blobs.push(child.id.as_bytes()).offset;
        self.blobs.push(child.task.fingerprint.as_bytes());
        let input = self.blobs.push(child.task.input.as_bytes()).length;
        let born = child.born.as_ref().map(|result| self.blobs.push(result.as_bytes()).length);
        let memo = child.task.memo.as_ref().map(|memo| Hex(memo.key.as_bytes()));
        self.items.push(Item(self.shapes.len() - 1, child.index, offset, input, born, memo));
        if self.items.len() >= ITEMS || self.blobs.len() >= PARCEL { self.close() } else { Ok(()) }
    }

    /// Ends a parcel.
    fn close(&mut self) -> Result<(), BackendError> {
        if !self.items.is_empty() {
            let parcel = Parcel {
                json: to_json(self.operation, &self.items)?,
                bytes: std::mem::take(&mut self.blobs).into_bytes(),
                items: u64::try_from(self.items.len()).unwrap_or(u64::MAX),
            };
            self.packed.push(Children { parcel, shapes: to_json(self.operation, &self.shapes)? });
            self.items.clear();
            self.shapes.clear();
            self.last = None;
        }
        Ok(())
    }
}

/// True if two children of one turn have one shape. Policies that are one object are not compared deeply.
fn are_alike(one: &NewChild, other: &NewChild) -> bool {
    let made = |child: &NewChild| (child.operation.turn, child.operation.kind, child.operation.number);
    let (a, b) = (&one.task, &other.task);
    made(one) == made(other)
        && Arc::ptr_eq(&a.retry, &b.retry)
        && (a.priority, a.due, memo(a)) == (b.priority, b.due, memo(b))
        && (&a.function, &a.version, &a.queue) == (&b.function, &b.version, &b.queue)
        && (&a.tags, &a.trace) == (&b.tags, &b.trace)
        && a.max_concurrent.is_some() == b.max_concurrent.is_some()
        && first_claim(a, one.born.as_ref()) == first_claim(b, other.born.as_ref())
}

fn shape<'a>(
    operation: &'static str,
    turn: &'a TurnWrite,
    child: &'a NewChild,
    policies: &mut Policies,
) -> Result<Shape<'a>, BackendError> {
    let task = &child.task;
    let (memo_mode, memo_ttl) = memo(task);
    Ok(Shape {
        task: Hex(turn.claim.task.as_bytes()),
        token: Hex(turn.claim.token.as_bytes()),
        generation: turn.generation,
        made_turn: child.operation.turn,
        made_kind: child.operation.kind.as_str(),
        made_number: child.operation.number,
        function: &task.function,
        version: task.version.as_deref().unwrap_or_default(),
        queue: task.queue.as_deref(),
        tags: if task.tags.is_empty() { None } else { Some(to_json(operation, &task.tags)?) },
        priority: task.priority,
        retry: policies.text(&task.retry),
        trace: task.trace.as_deref(),
        memo_mode,
        memo_ttl,
        limited: task.max_concurrent.is_some(),
        due: task.due.as_micros(),
        first: first_claim(task, child.born.as_ref()).map(StoredClaim::from),
    })
}

/// The stored form of the policy that was asked for last: calls of one function share one.
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

#[cfg(test)]
mod tests {
    use stent_core::claim::Claim;
    use stent_core::id::{ClaimToken, TaskId};
    use stent_core::name::{FunctionName, QueueName};
    use stent_core::operation::{OperationId, OperationKey, OperationKind};
    use stent_core::payload::{Fingerprint, Payload};
    use stent_core::task::NewTask;
    use uuid::Uuid;

    use super::*;

    fn chunk(items: u32) -> TurnWrite {
        let task = TaskId::from_uuid(Uuid::from_u128(1));
        let key = OperationKey::none();
        let operation = OperationId { turn: 0, kind: OperationKind::Map, name: "item".into(), key, number: 0 };
        let new = NewTask {
            function: FunctionName::new("item").unwrap(),
            version: None,
            input: Payload::from(b"[1]".as_slice()),
            fingerprint: Fingerprint::from_bytes([7; 32]),
            queue: None,
            tags: Arc::from([]),
            priority: 0,
            due: Timestamp::EPOCH,
            retry: Arc::new(RetryPolicy::default()),
            max_concurrent: None,
            memo: None,
            trace: None,
            claim: None,
        };
        let child = |index| NewChild {
            id: TaskId::child(task, 0, &operation, Some(index)),
            operation: operation.clone(),
            index: Some(index),
            task: new.clone(),
            born: None,
        };
        TurnWrite {
            claim: Claim { task, token: ClaimToken::from_uuid(Uuid::from_u128(2)) },
            generation: 0,
            entries: Vec::new(),
            children: (0..items).map(child).collect(),
            dispatches: Vec::new(),
            cancels: Vec::new(),
            variables: Vec::new(),
            take: None,
        }
    }

    /// How many shapes and items there are in each parcel.
    fn packed(turn: TurnWrite) -> Vec<(usize, u64)> {
        let count = |children: &Children| {
            let shapes: Vec<serde_json::Value> = serde_json::from_str(&children.shapes).unwrap();
            (shapes.len(), children.parcel.items)
        };
        pack("test", &[turn]).unwrap().iter().map(count).collect()
    }

    #[test]
    fn a_large_chunk_goes_in_parcels_and_each_says_once_what_its_items_have_in_common() {
        assert_eq!(packed(chunk(2_500)), [(1, 1_000), (1, 1_000), (1, 500)]);
    }

    #[test]
    fn children_that_differ_in_more_than_their_input_have_shapes_of_their_own() {
        let mut turn = chunk(4);
        turn.children[1].task.input = Payload::from(b"[2]".as_slice());
        turn.children[2].task.queue = Some(QueueName::new("q").unwrap());
        assert_eq!(packed(turn), [(3, 4)]);
    }
}
