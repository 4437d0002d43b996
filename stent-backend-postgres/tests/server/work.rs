//! What tests dispatch, make and claim.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use stent_core::claim::{ClaimFunction, ClaimRequest};
use stent_core::retry::RetryPolicy;
use stent_core::task::NewTask;
use stent_core::{ClaimToken, Fingerprint, Payload, Timestamp, WorkerId};

/// A number by chance, 0 at least.
pub(crate) fn below(bound: usize) -> usize {
    usize::try_from(uuid::Uuid::new_v4().as_u128() % u128::try_from(bound).unwrap()).unwrap()
}

pub(crate) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    Timestamp::from_micros(i64::try_from(since.as_micros()).unwrap())
}

/// One of the function `f`, due now. Which go first is left to chance.
pub(crate) fn task() -> NewTask {
    NewTask {
        function: "f".try_into().unwrap(),
        version: None,
        input: Payload::from(&b"in"[..]),
        fingerprint: Fingerprint::from_bytes([7; 32]),
        queue: None,
        tags: Arc::new([]),
        priority: i32::try_from(below(3)).unwrap(),
        due: now(),
        retry: Arc::new(RetryPolicy::default()),
        max_concurrent: None,
        memo: None,
        trace: None,
        claim: None,
    }
}

/// A claim of tasks of the function `f`, for longer than any test takes.
pub(crate) fn request(limit: u32) -> ClaimRequest {
    ClaimRequest {
        worker: WorkerId::random(),
        token: ClaimToken::random(),
        lease: Duration::from_secs(3_600),
        limit,
        functions: Arc::new([ClaimFunction { name: "f".try_into().unwrap(), version: None, max_concurrent: None }]),
        queues: Arc::new([]),
        tags: Arc::new([]),
        take_expired: true,
        is_poll: false,
    }
}
