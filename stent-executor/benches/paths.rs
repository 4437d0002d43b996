//! What every operation goes through and needs no store for: fingerprint, codec and journal. `cargo bench -p stent-executor --bench paths`.
#![expect(clippy::unwrap_used, reason = "a benchmark ends by it")]

use std::collections::BTreeSet;
use std::hint::black_box;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use stent_core::journal::{EntryBody, JournalEntry, LoadedJournal};
use stent_core::name::FunctionName;
use stent_core::operation::{OperationId, OperationKey, OperationKind};
use stent_core::outcome::{Ended, OperationOutcome, Outcome};
use stent_core::task::ChildRecord;
use stent_core::{Fingerprint, Payload, TaskId, Timestamp};
use stent_executor::__private::paths::{Journal, decode, encode, fingerprint};

/// Operations of a journal.
const LENGTH: u32 = 1_000;

#[derive(Clone, Serialize, Deserialize)]
struct Order {
    id: u64,
    customer: String,
    paid: bool,
    total: f64,
    note: Option<String>,
    lines: Vec<Line>,
}

#[derive(Clone, Serialize, Deserialize)]
struct Line {
    article: String,
    count: u32,
    price: f64,
}

/// The arguments of a call: a number, as a map's items often are.
fn number() -> (u32,) {
    (123_456,)
}

/// A record, as most calls have.
fn order(lines: u32) -> (Order, u64) {
    let line = |number| Line { article: format!("article {number}"), count: number % 7, price: 9.95 };
    let customer = "Ada Lovelace, 12 St James's Square, London".to_owned();
    let order = Order { id: 1, customer, paid: true, total: 99.5, note: None, lines: (0..lines).map(line).collect() };
    (order, 100)
}

fn values(criterion: &mut Criterion) {
    value(criterion, "a number", &number());
    value(criterion, "an order", &order(3));
    value(criterion, "a thousand lines", &order(1_000));
}

fn value<T: Serialize + DeserializeOwned>(criterion: &mut Criterion, what: &str, value: &T) {
    let (function, payload) = (FunctionName::new("shop::orders::fulfil").unwrap(), encode(value).unwrap());
    criterion.bench_function(&format!("fingerprint/{what}"), |bench| {
        bench.iter(|| fingerprint(&function, black_box(value)).unwrap());
    });
    criterion.bench_function(&format!("encode/{what}"), |bench| bench.iter(|| encode(black_box(value)).unwrap()));
    criterion.bench_function(&format!("decode/{what}"), |bench| {
        bench.iter(|| decode::<T>(black_box(&payload)).unwrap());
    });
}

fn operation(kind: OperationKind, turn: u32, key: OperationKey) -> OperationId {
    OperationId { turn, kind, name: "shop::orders::fulfil".into(), key, number: 0 }
}

/// Steps one after the other: each opens a turn.
fn steps() -> (LoadedJournal, Vec<BTreeSet<OperationId>>) {
    let step = |turn| operation(OperationKind::Step, turn, OperationKey::none());
    let entry = |turn| {
        let outcome = OperationOutcome::Completed(Payload::from(b"1".as_slice()));
        JournalEntry { seq: turn, turn, at: Timestamp::EPOCH, body: EntryBody::Outcome(step(turn), outcome) }
    };
    let loaded = LoadedJournal { entries: (0..LENGTH).map(entry).collect(), children: Vec::new() };
    (loaded, (0..LENGTH).map(|turn| BTreeSet::from([step(turn)])).collect())
}

/// Calls of one turn, joined.
fn calls() -> (LoadedJournal, Vec<BTreeSet<OperationId>>) {
    let call = |number: u32| {
        let mut print = [7; 32];
        print[..4].copy_from_slice(&number.to_be_bytes());
        operation(OperationKind::Call, 0, OperationKey::from(Fingerprint::from_bytes(print)))
    };
    let parent = TaskId::from_uuid(uuid::Uuid::from_u128(1));
    let child = |number| ChildRecord {
        id: TaskId::child(parent, 0, &call(number), None),
        operation: call(number),
        input: Payload::from(b"[1]".as_slice()),
        since: Timestamp::EPOCH,
        ended: Some(Ended { outcome: Outcome::Completed(Payload::default()), at: Timestamp::EPOCH }),
    };
    let loaded = LoadedJournal { entries: Vec::new(), children: (0..LENGTH).map(child).collect() };
    (loaded, vec![(0..LENGTH).map(call).collect()])
}

fn journals(criterion: &mut Criterion) {
    for (what, (loaded, made)) in [("a thousand steps", steps()), ("a thousand calls", calls())] {
        let fits = |journal: &Journal| (0..).zip(&made).all(|(turn, made)| journal.fits(turn, made));
        let journal = Journal::new(loaded.clone());
        assert!(fits(&journal));
        criterion.bench_function(&format!("sort/{what}"), |bench| {
            bench.iter_batched(|| loaded.clone(), Journal::new, BatchSize::LargeInput);
        });
        criterion.bench_function(&format!("match/{what}"), |bench| bench.iter(|| fits(black_box(&journal))));
    }
}

criterion_group!(paths, values, journals);
criterion_main!(paths);
