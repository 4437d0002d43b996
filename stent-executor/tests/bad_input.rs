//! What a client or a worker is given and must refuse: each line of a table is one input, what refuses it, and what the error says. Nothing is stored, and
//! no error repeats what was given.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test says what it expects by failing")]

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use stent_core::backend::{ExecutionFilter, Inspect};
use stent_core::limits;
use stent_core::name::NameRule;
use stent_core::{ExecutionId, RetryPolicy, Timestamp};
use stent_executor::prelude::*;
use stent_executor::{Codec, CodecError, InvalidCall, InvalidRegistry, Stent, StentBuilder, StentError, functions};
use stent_testkit::clock::ManualClock;
use stent_testkit::memory::MemoryBackend;

/// What was given, wherever it holds text: in no error.
const CANARY: &str = "c4n4ry";

#[durable]
async fn plain(text: String) -> Result<String> {
    Ok(text)
}

#[durable]
async fn number(value: f64) -> Result<f64> {
    Ok(value)
}

#[durable]
async fn any(value: serde_json::Value) -> Result<u8> {
    Ok(u8::from(value.is_null()))
}

#[durable(name = "twin")]
async fn one() -> Result<()> {
    Ok(())
}

#[durable(name = "twin")]
async fn other() -> Result<()> {
    Ok(())
}

#[durable(name = "no\u{1b}name")]
async fn escapes() -> Result<()> {
    Ok(())
}

#[durable]
async fn unknown() -> Result<()> {
    Ok(())
}

/// A store, and a client of it.
struct Table {
    store: MemoryBackend,
    stent: Stent,
}

impl Table {
    async fn new() -> Self {
        let store = MemoryBackend::new();
        let stent = builder(&store).functions(functions![plain, number, any]).build().await.unwrap();
        Self { store, stent }
    }

    /// The call is refused; the kind of the error, the field it names and what it says.
    async fn call<F: stent_executor::DurableFunction>(&self, call: stent_executor::Call<F>) -> String {
        self.refused(self.stent.dispatch(call).await.map(drop).unwrap_err()).await
    }

    /// What an error says, once it is sure that nothing was stored and nothing given away.
    async fn refused(&self, error: StentError) -> String {
        let stored = self.store.count_executions(&ExecutionFilter::default()).await;
        assert_eq!(stored.unwrap(), 0, "{error}");
        assert!(self.store.workers().await.unwrap().is_empty());
        for text in [error.to_string(), format!("{error:?}")] {
            assert!(!text.contains(CANARY) && !text.contains('\n'), "{text}");
        }
        let field = match &error {
            StentError::Call(InvalidCall::Name(invalid)) | StentError::Name(invalid) => match invalid.reason {
                NameRule::Empty => format!("{}: empty", invalid.field),
                NameRule::TooLong { bytes, limit } => format!("{}: {bytes} of {limit}", invalid.field),
                NameRule::Control { at } => format!("{}: control at {at}", invalid.field),
                _ => panic!("{error}"),
            },
            StentError::Call(InvalidCall::Duration { field, error }) => format!("{field}: {error:?}"),
            StentError::Call(InvalidCall::Tags { count }) => format!("tags: {count}"),
            StentError::Call(InvalidCall::Arguments { error: reason, .. }) | StentError::Value(reason) => {
                match reason {
                    CodecError::TooLarge { size, limit } => format!("payload: {size} of {limit}"),
                    CodecError::Encode(reason) => reason.clone(),
                    reason => panic!("{reason}"),
                }
            }
            StentError::InvalidConfig { field, rule } => format!("{field}: {rule}"),
            error => error.to_string(),
        };
        assert!(error.to_string().len() < 400, "one line: {error}");
        field
    }
}

fn builder(store: &MemoryBackend) -> StentBuilder {
    Stent::builder(store.clone()).clock(Arc::new(ManualClock::default()))
}

fn text(bytes: usize) -> String {
    CANARY.chars().cycle().take(bytes).collect()
}

#[tokio::test]
async fn names_are_short_and_without_control_characters() {
    let table = Table::new().await;
    let call = || plain("a".into());
    let long = text(limits::NAME + 1);
    for (refused, says) in [
        (table.call(call().queue("")).await, "queue: empty"),
        (table.call(call().queue(&long)).await, "queue: 129 of 128"),
        (table.call(call().queue(format!("{CANARY}\0"))).await, "queue: control at 6"),
        (table.call(call().tags([CANARY, ""])).await, "tag: empty"),
        (table.call(call().tags([&long])).await, "tag: 129 of 128"),
        (table.call(call().tags(["\u{85}"])).await, "tag: control at 0"),
        (table.call(call().tags(vec![CANARY; limits::TAGS + 1])).await, "tags: 33"),
        (table.call(call().dedup("")).await, "dedup key: empty"),
        (table.call(call().dedup(text(limits::KEY + 1))).await, "dedup key: 1025 of 1024"),
        (table.call(call().dedup("\u{1b}[31m")).await, "dedup key: control at 0"),
        // The first that was wrong is said.
        (table.call(call().queue("").dedup("")).await, "queue: empty"),
    ] {
        assert_eq!(refused, says);
    }
    let worker = || table.stent.worker();
    for (refused, says) in [
        (worker().queues(["mail", ""]).start().await, "queue: empty"),
        (worker().tags([&long]).start().await, "tag: 129 of 128"),
        (worker().tags(["a\nb"]).start().await, "tag: control at 1"),
    ] {
        assert_eq!(table.refused(refused.map(drop).unwrap_err()).await, says);
    }
}

/// C-S3
#[tokio::test]
async fn signals_have_names_and_bounds() {
    let table = Table::new().await;
    let nobody = table.stent.execution::<()>(ExecutionId::new(Timestamp::EPOCH));
    let long = text(limits::NAME + 1);
    for (refused, says) in [
        (nobody.signal("", &1).await, "signal: empty"),
        (nobody.signal(&long, &1).await, "signal: 129 of 128"),
        (nobody.signal("\0", &1).await, "signal: control at 0"),
        (nobody.signal("go", &text(limits::PAYLOAD)).await, "payload: 1048578 of 1048576"),
        (nobody.signal("go", &f64::NAN).await, "JSON has no NaN and no infinity"),
    ] {
        assert_eq!(table.refused(refused.unwrap_err()).await, says);
    }
    let missing = nobody.signal("go", &1).await.unwrap_err();
    assert!(matches!(&missing, StentError::NotFound { kind: "execution", id } if *id == nobody.id().to_string()));
    assert!("c4n4ry".parse::<ExecutionId>().unwrap_err().to_string().starts_with("not an execution id"));
}

/// C-T1
#[tokio::test]
async fn durations_are_zero_to_a_hundred_years() {
    let table = Table::new().await;
    let call = || plain("a".into());
    let long = limits::DURATION + Duration::from_secs(1);
    let malformed = ["10", "1x", "-5s", "1h30", "1e400s", "", "９s", "NaN", "inf", "1s 2s", "c4n4ry"];
    for form in malformed {
        assert_eq!(table.call(call().delay(form)).await, "delay: Malformed", "{form}");
        assert_eq!(table.call(call().max_duration(form)).await, "max_duration: Malformed", "{form}");
    }
    for (refused, says) in [
        (table.call(call().delay("36525d1s")).await, "delay: TooLong"),
        (table.call(call().delay(long)).await, "delay: TooLong"),
        (table.call(call().delay(Duration::MAX)).await, "delay: TooLong"),
        (table.call(call().delay(time::Duration::MIN)).await, "delay: Negative"),
        (table.call(call().max_duration(format!("{}w", u64::MAX))).await, "max_duration: TooLong"),
        (table.call(call().max_duration(time::Duration::microseconds(-1))).await, "max_duration: Negative"),
    ] {
        assert_eq!(refused, says);
    }
}

/// C-T1 What is longest is counted from a clock that is at its end: nothing wraps. Zero is no bound.
#[tokio::test]
async fn the_longest_duration_overflows_nothing() {
    let store = MemoryBackend::new();
    let clock = ManualClock::default();
    clock.set(Timestamp::MAX);
    let stent =
        Stent::builder(store.clone()).functions(functions![plain]).clock(Arc::new(clock)).build().await.unwrap();
    let longest = plain("a".into()).delay(limits::DURATION).max_duration(limits::DURATION);
    let id = stent.dispatch(longest).await.unwrap().id();
    assert_eq!(store.task(id.root()).await.unwrap().unwrap().due, Some(Timestamp::MAX));
    let unbounded = stent.dispatch(plain("a".into()).max_duration("0s")).await.unwrap().id();
    assert_eq!(store.execution(unbounded).await.unwrap().unwrap().deadline, None);
}

#[tokio::test]
async fn values_are_bounded_and_say_what_they_are() {
    #[derive(Serialize)]
    struct Wrong(f32);
    let table = Table::new().await;
    let deep = |depth| (0..depth).fold(serde_json::json!(CANARY), |inner, _| serde_json::json!([inner]));
    for (refused, says) in [
        (table.call(plain(text(limits::PAYLOAD))).await, "payload: 1048580 of 1048576"),
        (table.call(number(f64::NAN)).await, "JSON has no NaN and no infinity"),
        (table.call(number(f64::NEG_INFINITY)).await, "JSON has no NaN and no infinity"),
        (table.call(any(deep(128))).await, "it is nested more than 127 levels deep"),
        // A list deep enough to overflow the stack is refused on its way down.
        (table.call(any(deep(500))).await, "it is nested more than 127 levels deep"),
    ] {
        assert_eq!(refused, says);
    }
    let nobody = table.stent.execution::<()>(ExecutionId::new(Timestamp::EPOCH));
    let refused = nobody.signal("go", &Some(Wrong(f32::NAN))).await.unwrap_err();
    assert_eq!(table.refused(refused).await, "JSON has no NaN and no infinity");
}

/// What is sealed counts, not what was given; a codec that fails is an error of the call.
#[tokio::test]
async fn a_codec_that_swells_or_fails_is_an_error() {
    struct Swells;
    impl Codec for Swells {
        fn seal(&self, json: Vec<u8>) -> Result<Vec<u8>, CodecError> {
            if json.len() > 50 { Err(CodecError::Codec("no key".into())) } else { Ok(json.repeat(10)) }
        }
        fn open(&self, stored: &[u8]) -> Result<Vec<u8>, CodecError> {
            Ok(stored.to_vec())
        }
    }
    let store = MemoryBackend::new();
    let stent = builder(&store).functions(functions![plain]).codec(Swells).payload_limit(99).build().await.unwrap();
    let table = Table { store, stent };
    assert_eq!(table.call(plain(text(6))).await, "payload: 100 of 99");
    let refused = table.stent.dispatch(plain(text(50))).await.unwrap_err();
    assert!(refused.to_string().ends_with("the codec failed: no key"), "{refused}");
}

#[tokio::test]
async fn one_bad_call_of_many_stores_none() {
    let table = Table::new().await;
    let calls = ["good", "bad"].map(|text| plain(text.into()).queue(if text == "bad" { "" } else { "mail" }));
    let refused = table.stent.dispatch_all(calls).await.map(drop).unwrap_err();
    assert_eq!(table.refused(refused).await, "queue: empty");
}

/// C-R7
#[tokio::test]
async fn functions_are_known_and_named_once() {
    let table = Table::new().await;
    let refused = table.stent.dispatch(unknown()).await.map(drop).unwrap_err();
    let StentError::Call(InvalidCall::UnknownFunction { name, known }) = &refused else { panic!("{refused}") };
    assert!(name.ends_with("::unknown") && known.len() == 3, "{refused}");

    let build = |functions: Vec<_>| builder(&table.store).functions(functions).build();
    let refused = build(functions![one, other]).await.map(drop).unwrap_err();
    let StentError::Registry(InvalidRegistry::DuplicateFunction { name, first, second }) = &refused else {
        panic!("{refused}")
    };
    assert!(name == "twin" && first != second && first.contains("bad_input.rs:"), "{refused}");
    let refused = build(functions![escapes]).await.map(drop).unwrap_err();
    assert!(matches!(refused, StentError::Registry(InvalidRegistry::Name { .. })), "{refused}");
}

#[tokio::test]
async fn settings_have_bounds() {
    let table = Table::new().await;
    let worker = || table.stent.worker();
    let refused = [
        (worker().concurrency(0), "concurrency: must be 1 to 10000"),
        (worker().concurrency(10_001), "concurrency: must be 1 to 10000"),
        (worker().chunk(0), "chunk: must be 1 to 10000"),
        (worker().chunk(10_001), "chunk: must be 1 to 10000"),
        (worker().lease("99ms"), "lease: must be at least 100 ms"),
        (worker().lease("0s"), "lease: must be longer than zero"),
        (worker().poll(Duration::ZERO), "poll: must be longer than zero"),
        (worker().retention(Some("0s")), "retention: must be longer than zero"),
        (worker().max_deliveries(0), "max_deliveries: must be 1 to 4294967295"),
    ];
    for (worker, says) in refused {
        assert_eq!(table.refused(worker.start().await.map(drop).unwrap_err()).await, says);
    }
    for lease in ["-1s", "c4n4ry", "36526d"] {
        let says = table.refused(worker().lease(lease).start().await.map(drop).unwrap_err()).await;
        assert!(says.starts_with("lease: cannot be read") && says.contains("90s, 1h30m, 2d"), "{says}");
    }
    for (limit, says) in [(0, "must be 1 to 67108864 bytes"), (limits::PAYLOAD_MAX + 1, "must be 1 to 67108864 bytes")]
    {
        let refused = builder(&table.store).payload_limit(limit).build().await.map(drop).unwrap_err();
        assert_eq!(table.refused(refused).await, format!("payload_limit: {says}"));
    }
}

/// C-Y1
#[test]
fn retry_policies_have_bounds() {
    let new = RetryPolicy::builder;
    for (policy, field) in [
        (new().max_attempts(0), "max_attempts"),
        (new().factor(0.99), "factor"),
        (new().factor(f64::INFINITY), "factor"),
        (new().factor(f64::NAN), "factor"),
        (new().jitter(-0.1), "jitter"),
        (new().jitter(1.1), "jitter"),
        (new().initial_delay("2s").max_delay("1s"), "max_delay"),
        (new().initial_delay("c4n4ry"), "initial_delay"),
    ] {
        let error = policy.build().unwrap_err();
        assert_eq!(error.field, field);
        assert!(!error.to_string().contains(CANARY), "{error}");
    }
}
