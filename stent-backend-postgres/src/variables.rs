//! Variables of an execution.

use std::collections::BTreeMap;

use async_trait::async_trait;
use stent_core::backend::ReadVariables;
use stent_core::error::BackendError;
use stent_core::id::ExecutionId;
use stent_core::payload::Payload;
use stent_core::variable::{VariableChange, Variables};
use uuid::Uuid;

use crate::PostgresBackend;
use crate::batch::PARCEL;
use crate::connection::{Session, Values};
use crate::row::Columns;

const READ: &str = "read variables";

pub(crate) const READ_COUNTERS: &str = include_str!("../sql/variables/read_counters.sql");
pub(crate) const READ_VALUES: &str = include_str!("../sql/variables/read_values.sql");
pub(crate) const STORE_COUNTERS: &str = include_str!("../sql/variables/store_counters.sql");
pub(crate) const STORE_VALUES: &str = include_str!("../sql/variables/store_values.sql");

#[async_trait]
impl ReadVariables for PostgresBackend {
    async fn read(&self, execution: ExecutionId) -> Result<Variables, BackendError> {
        self.read_together(READ, move |session| {
            Box::pin(async move {
                let values: Values<'_> = &[execution.as_uuid()];
                let (counters, values) =
                    tokio::try_join!(biased; session.query(READ_COUNTERS, values), session.query(READ_VALUES, values))?;
                let mut variables = Variables::default();
                for row in &counters {
                    let columns = Columns::new(READ, "counters", "name", row);
                    variables.counters.insert(columns.name("name")?, columns.number("value")?);
                }
                for row in &values {
                    let columns = Columns::new(READ, "state_values", "name", row);
                    variables.values.insert(columns.name("name")?, columns.payload("value")?);
                }
                Ok(variables)
            })
        })
        .await
    }
}

/// A variable among those of all executions.
type Key<'a> = (ExecutionId, &'a str);

/// Applies changes in the order given. They are the last that a transaction locks: counters, then values, each by execution and name.
pub(crate) async fn change(
    session: &Session<'_>,
    changes: &[(ExecutionId, &[VariableChange])],
) -> Result<(), BackendError> {
    let mut counters: BTreeMap<Key<'_>, Counting> = BTreeMap::new();
    let mut values: BTreeMap<Key<'_>, (&Payload, bool)> = BTreeMap::new();
    for (execution, changes) in changes {
        for change in *changes {
            match change {
                VariableChange::InitCounter(name, start) => {
                    counters.entry((*execution, name)).or_default().begin(*start);
                }
                VariableChange::Add(name, by) => counters.entry((*execution, name)).or_default().add(*by),
                // Of the changes of one value the last `Set` counts, or if there is none the first initial value.
                VariableChange::InitValue(name, value) => {
                    values.entry((*execution, name)).or_insert((value, true));
                }
                VariableChange::Set(name, value) => {
                    values.insert((*execution, name), (value, false));
                }
            }
        }
    }
    if !counters.is_empty() {
        count(session, &counters).await?;
    }
    if !values.is_empty() {
        set(session, &values).await?;
    }
    Ok(())
}

/// What changes make of a counter. Each of them saturates, so that together they are not what their sum is: they add it to what is there, within bounds
/// which are narrower than those of a number where a change may have met them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Counting {
    /// What it is if it was not there before.
    begun: Option<i64>,
    sum: i128,
    low: i64,
    high: i64,
}

impl Default for Counting {
    fn default() -> Self {
        Self { begun: None, sum: 0, low: i64::MIN, high: i64::MAX }
    }
}

impl Counting {
    fn begin(&mut self, start: i64) {
        self.begun.get_or_insert(start);
    }

    fn add(&mut self, by: i64) {
        self.begun = Some(self.begun.unwrap_or(0).saturating_add(by));
        self.sum = self.sum.saturating_add(by.into());
        self.low = self.low.saturating_add(by);
        self.high = self.high.saturating_add(by);
    }
}

async fn count(session: &Session<'_>, counters: &BTreeMap<Key<'_>, Counting>) -> Result<(), BackendError> {
    let (executions, names) = keys(counters.keys());
    let begun: Vec<_> = counters.values().map(|counting| counting.begun.unwrap_or(0)).collect();
    // Wider than any integer of the server's.
    let sums: Vec<_> = counters.values().map(|counting| counting.sum.to_string()).collect();
    let low: Vec<_> = counters.values().map(|counting| counting.low).collect();
    let high: Vec<_> = counters.values().map(|counting| counting.high).collect();
    let values: Values<'_> = &[&executions, &names, &begun, &sums, &low, &high];
    session.execute(STORE_COUNTERS, values).await.map(drop)
}

/// Stores values, in one statement unless they are very large.
async fn set(session: &Session<'_>, values: &BTreeMap<Key<'_>, (&Payload, bool)>) -> Result<(), BackendError> {
    let (executions, names) = keys(values.keys());
    let (payloads, initial): (Vec<_>, Vec<_>) =
        values.values().map(|(value, initial)| (value.as_bytes(), *initial)).unzip();
    let mut from = 0;
    while from < payloads.len() {
        let mut past = from;
        let mut bytes = 0;
        while let Some(payload) = payloads.get(past).filter(|_| bytes < PARCEL) {
            bytes += payload.len();
            past += 1;
        }
        let values: Values<'_> =
            &[&&executions[from..past], &&names[from..past], &&payloads[from..past], &&initial[from..past]];
        session.execute(STORE_VALUES, values).await?;
        from = past;
    }
    Ok(())
}

fn keys<'a>(keys: impl Iterator<Item = &'a Key<'a>>) -> (Vec<Uuid>, Vec<&'a str>) {
    keys.map(|(execution, name)| (*execution.as_uuid(), *name)).unzip()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// C-V1: what the statement makes of it is what the changes make one by one.
    #[test]
    fn changes_together_are_what_they_are_one_by_one() {
        let bounds = [i64::MIN, i64::MIN + 1, -5, -1, 0, 1, 7, i64::MAX - 1, i64::MAX];
        for before in bounds {
            for one in bounds {
                for other in bounds {
                    for last in bounds {
                        let mut counting = Counting::default();
                        let mut expected = before;
                        for by in [one, other, last] {
                            counting.add(by);
                            expected = expected.saturating_add(by);
                        }
                        let sum =
                            (i128::from(before) + counting.sum).min(counting.high.into()).max(counting.low.into());
                        assert_eq!(sum, expected.into(), "{before} and then {one}, {other}, {last}");
                    }
                }
            }
        }
    }
}
