//! Counters and values of an execution (C-V1).

use std::collections::BTreeMap;

use crate::name::VariableName;
use crate::payload::Payload;

/// One change of a variable. Counters and values have names of their own each.
#[derive(Debug, Clone, PartialEq)]
pub enum VariableChange {
    /// Makes a counter with this number, unless it exists.
    InitCounter(VariableName, i64),
    /// Adds to a counter, which begins at zero; saturates.
    Add(VariableName, i64),
    /// Makes a value, unless it exists.
    InitValue(VariableName, Payload),
    /// Sets a value.
    Set(VariableName, Payload),
}

/// The variables of an execution.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Variables {
    /// Counters by name.
    pub counters: BTreeMap<VariableName, i64>,
    /// Encoded values by name.
    pub values: BTreeMap<VariableName, Payload>,
}
