//! Values: times, payloads, names, ids.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use stent_core::name::{DedupKey, FunctionName, QueueName, SignalName, Tag, VariableName, Version};
use stent_core::{ErrorClass, ExecutionId, Failure, Fingerprint, Payload, Timestamp};

/// When the suite begins: 2026-01-01T00:00:00.
const START: Timestamp = Timestamp::from_micros(1_767_225_600_000_000);
/// The functions of every worker that a case does not describe.
pub(crate) const FUNCTIONS: [&str; 5] = ["f", "g", "h", "parent", "item"];
/// The lease of every claim that a case does not describe: ten seconds.
pub(crate) const LEASE: Duration = secs(10);

/// So many seconds after the suite's start.
pub(crate) fn at(seconds: u64) -> Timestamp {
    START.after(secs(seconds))
}

/// So many seconds.
pub(crate) const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// One microsecond, the smallest step of time.
pub(crate) const TICK: Duration = Duration::from_micros(1);

/// A payload of this text.
pub(crate) fn payload(text: &str) -> Payload {
    Payload::from(text.as_bytes())
}

/// The fingerprint that stands for this text.
pub(crate) fn fingerprint(text: &str) -> Fingerprint {
    let mut bytes = [0; 32];
    for (at, byte) in text.bytes().enumerate() {
        bytes[at % 32] ^= byte.rotate_left(u32::from(at >= 32));
    }
    Fingerprint::from_bytes(bytes)
}

macro_rules! names {
    ($($(#[$doc:meta])* $function:ident -> $name:ident;)*) => {$(
        $(#[$doc])*
        pub(crate) fn $function(text: &str) -> $name {
            match $name::new(text) {
                Ok(name) => name,
                Err(error) => panic!("{error}"),
            }
        }
    )*};
}

names! {
    /// A function's name.
    function -> FunctionName;
    /// A version.
    version -> Version;
    /// A queue's name.
    queue -> QueueName;
    /// A tag.
    tag -> Tag;
    /// A signal's name.
    signal_name -> SignalName;
    /// A variable's name.
    variable -> VariableName;
    /// A dedup key.
    dedup -> DedupKey;
    /// A failure's class.
    class -> ErrorClass;
}

/// A failure of this class.
pub(crate) fn failure(of: &str) -> Failure {
    Failure::new(class(of), format!("{of} happened"))
}

/// An id greater than all that were given before.
pub(crate) fn next_execution_id() -> ExecutionId {
    static COUNT: AtomicI64 = AtomicI64::new(0);
    let millis = COUNT.fetch_add(1, Ordering::Relaxed);
    ExecutionId::new(Timestamp::from_micros(START.as_micros() + millis * 1_000))
}
