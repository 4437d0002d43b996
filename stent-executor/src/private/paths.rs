//! What every operation goes through and needs no store for, so that `benches/paths.rs` can measure it.

use std::collections::BTreeSet;

use serde::Serialize;
use serde::de::DeserializeOwned;
use stent_core::journal::LoadedJournal;
use stent_core::name::FunctionName;
use stent_core::operation::OperationId;
use stent_core::{Fingerprint, Payload};

use crate::activation::Recorded;
use crate::codec::{self, CodecError, JsonCodec};

/// The fingerprint of a call.
///
/// # Errors
/// If the input does not serialise.
pub fn fingerprint<T: Serialize>(function: &FunctionName, input: &T) -> Result<Fingerprint, CodecError> {
    codec::fingerprint(function, None, input)
}

/// Encodes arguments or a result.
///
/// # Errors
/// If the value does not serialise.
pub fn encode<T: Serialize>(value: &T) -> Result<Payload, CodecError> {
    codec::encode(&JsonCodec, usize::MAX, value)
}

/// Decodes arguments or a result.
///
/// # Errors
/// If it is no value of this type.
pub fn decode<T: DeserializeOwned>(payload: &Payload) -> Result<T, CodecError> {
    codec::decode(&JsonCodec, payload)
}

/// A journal, sorted for a replay.
#[derive(Debug)]
pub struct Journal(Recorded);

impl Journal {
    /// Sorts what was loaded.
    #[must_use]
    pub fn new(loaded: LoadedJournal) -> Self {
        Self(Recorded::new(loaded))
    }

    /// True if the turn recorded just these operations.
    #[must_use]
    pub fn fits(&self, turn: u32, made: &BTreeSet<OperationId>) -> bool {
        self.0.compare(turn, made).fits()
    }
}
