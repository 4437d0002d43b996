//! Changing code under running executions (C-R6).

use std::sync::Arc;

use stent_core::limits;
use stent_core::operation::{OperationKey, OperationKind};

use super::Ctx;
use crate::activation::{Phase, Request};

impl Ctx {
    /// True if the function is past this point by new code: in a turn that is already written it is true if that turn recorded the mark, in a new
    /// turn it is true and recorded. So `if ctx.patched("faster-packing") { new } else { old }` keeps running executions on the old way.
    #[must_use]
    pub fn patched(&self, id: &str) -> bool {
        if !self.is_in_place() || id.is_empty() || id.len() > limits::NAME || id.contains(char::is_control) {
            tracing::warn!(
                "patched() outside of the durable function itself, or of an id that is no name, is always false"
            );
            return false;
        }
        let mut shared = self.activation().shared();
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
