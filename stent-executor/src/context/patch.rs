//! Changing code under running executions (C-R6).

use std::sync::Arc;

use stent_core::operation::{OperationKey, OperationKind};

use super::Ctx;
use crate::activation::{Phase, Request};

impl Ctx {
    /// True if the function is past this point by new code: in a turn that is already written it is true if that turn recorded the mark, in a new
    /// turn it is true and recorded. So `if ctx.patched("faster-packing") { new } else { old }` keeps running executions on the old way.
    #[must_use]
    pub fn patched(&self, id: &str) -> bool {
        let mut shared = self.activation().shared();
        if shared.polling.is_none_or(|(thread, _)| thread != std::thread::current().id()) || shared.inside.is_some() {
            tracing::warn!(id, "patched() outside of the durable function itself is always false");
            return false;
        }
        if shared.patches.as_ref().is_some_and(|recorded| !recorded.iter().any(|recorded| **recorded == *id)) {
            return false;
        }
        shared.created += 1;
        let created = shared.created;
        let slot = shared.make(OperationKind::Patch, Arc::from(id), OperationKey::none(), created, Request::Patch);
        shared.close(slot, Phase::Given);
        true
    }
}
