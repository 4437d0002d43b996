//! What tests dispatch.

use stent_core::task::NewTask;
use stent_core::{Fingerprint, Payload, RetryPolicy, Timestamp};

/// A task that is due, of the function `f`.
pub(crate) fn task() -> NewTask {
    NewTask {
        function: "f".try_into().unwrap(),
        version: None,
        input: Payload::default(),
        fingerprint: Fingerprint::from_bytes([7; 32]),
        queue: None,
        tags: [].into(),
        priority: 0,
        due: Timestamp::EPOCH,
        retry: RetryPolicy::default().into(),
        max_concurrent: None,
        memo: None,
        trace: None,
        claim: None,
    }
}
