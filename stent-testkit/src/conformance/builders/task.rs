//! Executions and children.

use super::value::*;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use stent_core::claim::FirstClaim;
use stent_core::execution::NewExecution;
use stent_core::memo::Memo;
use stent_core::operation::OperationId;
use stent_core::task::{NewChild, NewTask};
use stent_core::{Fingerprint, RetryPolicy, TaskId, Timestamp};

/// A task of this function, due at the start.
pub(crate) fn task(of: &str) -> NewTask {
    NewTask {
        function: function(of),
        version: None,
        input: payload(of),
        fingerprint: fingerprint(of),
        queue: None,
        tags: Arc::from([]),
        priority: 0,
        due: at(0),
        retry: Arc::new(RetryPolicy::default()),
        max_concurrent: None,
        memo: None,
        trace: None,
        claim: None,
    }
}

/// An execution of this function, due at the start.
pub(crate) fn execution(of: &str) -> NewExecution {
    NewExecution { id: next_execution_id(), task: task(of), max_duration: None, dedup: None, born: None }
}

/// So many executions of this function, in the order of their ids.
pub(crate) fn executions(count: usize, of: &str) -> Vec<NewExecution> {
    (0..count).map(|_| execution(of)).collect()
}

/// A child that this operation of a parent makes in generation 0; [`child_in`] for another.
pub(crate) fn child(parent: TaskId, operation: OperationId) -> NewChild {
    child_in(parent, 0, operation)
}

/// A child that this operation of a parent makes in this generation.
pub(crate) fn child_in(parent: TaskId, generation: u32, operation: OperationId) -> NewChild {
    let mut new = task(&operation.name);
    if let Ok(bytes) = <[u8; 32]>::try_from(operation.key.as_bytes()) {
        new.fingerprint = Fingerprint::from_bytes(bytes);
    }
    NewChild { id: TaskId::child(parent, generation, &operation, None), operation, index: None, task: new, born: None }
}

/// The items of a map in generation 0.
pub(crate) fn items(parent: TaskId, map: &OperationId, indexes: Range<u32>) -> Vec<NewChild> {
    indexes.map(|index| item_in(parent, 0, map, index)).collect()
}

/// One item of a map in this generation.
pub(crate) fn item_in(parent: TaskId, generation: u32, map: &OperationId, index: u32) -> NewChild {
    NewChild {
        id: TaskId::child(parent, generation, map, Some(index)),
        operation: map.clone(),
        index: Some(index),
        task: task(&map.name),
        born: None,
    }
}

/// What tasks have, whatever makes them.
pub(crate) trait TaskWith: Sized {
    /// The task that is described.
    fn task_mut(&mut self) -> &mut NewTask;

    /// With this change.
    fn with(mut self, change: impl FnOnce(&mut NewTask)) -> Self {
        change(self.task_mut());
        self
    }

    /// In this queue.
    fn queue(self, name: &str) -> Self {
        self.with(|task| task.queue = Some(queue(name)))
    }

    /// With these tags.
    fn tags(self, tags: &[&str]) -> Self {
        self.with(|task| task.tags = tags.iter().map(|text| tag(text)).collect())
    }

    /// With this priority.
    fn priority(self, priority: i32) -> Self {
        self.with(|task| task.priority = priority)
    }

    /// Not before this time.
    fn due(self, due: Timestamp) -> Self {
        self.with(|task| task.due = due)
    }

    /// Pinned to this version.
    fn version(self, text: &str) -> Self {
        self.with(|task| task.version = Some(version(text)))
    }

    /// Of a function with so many places.
    fn max_concurrent(self, places: u32) -> Self {
        self.with(|task| task.max_concurrent = Some(places))
    }

    /// With this input, and its fingerprint.
    fn input(self, text: &str) -> Self {
        self.with(|task| {
            task.input = payload(text);
            task.fingerprint = fingerprint(text);
        })
    }

    /// With this retry policy.
    fn retry(self, policy: RetryPolicy) -> Self {
        self.with(|task| task.retry = Arc::new(policy))
    }

    /// With this memo.
    fn memo(self, memo: Memo) -> Self {
        self.with(|task| task.memo = Some(memo))
    }

    /// Born under this claim.
    fn claimed(self, claim: FirstClaim) -> Self {
        self.with(|task| task.claim = Some(claim))
    }

    /// With this `traceparent`.
    fn trace(self, text: &str) -> Self {
        self.with(|task| task.trace = Some(text.into()))
    }
}

impl TaskWith for NewExecution {
    fn task_mut(&mut self) -> &mut NewTask {
        &mut self.task
    }
}

impl TaskWith for NewChild {
    fn task_mut(&mut self) -> &mut NewTask {
        &mut self.task
    }

    /// With this input; the fingerprint of a call's child is its operation's key, and stays.
    fn input(self, text: &str) -> Self {
        let is_item = self.index.is_some();
        self.with(|task| {
            task.input = payload(text);
            if is_item {
                task.fingerprint = fingerprint(text);
            }
        })
    }
}

/// What executions have besides.
pub(crate) trait ExecutionWith: Sized {
    /// With this deadline after its due time.
    fn max_duration(self, duration: Duration) -> Self;
    /// With this dedup key.
    fn dedup(self, key: &str) -> Self;
    /// Born completed with this result.
    fn born(self, result: &str) -> Self;
}

impl ExecutionWith for NewExecution {
    fn max_duration(mut self, duration: Duration) -> Self {
        self.max_duration = Some(duration);
        self
    }

    fn dedup(mut self, key: &str) -> Self {
        self.dedup = Some(dedup(key));
        self
    }

    fn born(mut self, result: &str) -> Self {
        self.born = Some(payload(result));
        self
    }
}
