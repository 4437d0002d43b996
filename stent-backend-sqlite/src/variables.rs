//! Variables of an execution.

use std::collections::BTreeMap;

use async_trait::async_trait;
use serde::Serialize;
use sqlx::sqlite::SqliteConnection;
use stent_core::backend::ReadVariables;
use stent_core::error::BackendError;
use stent_core::id::ExecutionId;
use stent_core::variable::{VariableChange, Variables};

use crate::SqliteBackend;
use crate::batch::{Hex, Parcels, Part, to_json};
use crate::error::During;
use crate::row::Columns;

const READ: &str = "read variables";

pub(crate) const READ_COUNTERS: &str = include_str!("../sql/variables/read_counters.sql");
pub(crate) const READ_VALUES: &str = include_str!("../sql/variables/read_values.sql");
pub(crate) const COUNTERS: &str = include_str!("../sql/variables/counters.sql");
pub(crate) const STORE_COUNTERS: &str = include_str!("../sql/variables/store_counters.sql");
pub(crate) const STORE_VALUES: &str = include_str!("../sql/variables/store_values.sql");

#[async_trait]
impl ReadVariables for SqliteBackend {
    async fn read(&self, execution: ExecutionId) -> Result<Variables, BackendError> {
        self.read_together(READ, move |connection| {
            Box::pin(async move {
                let mut variables = Variables::default();
                let rows = sqlx::query(READ_COUNTERS)
                    .bind(&execution.as_bytes()[..])
                    .fetch_all(&mut *connection)
                    .await
                    .during(READ)?;
                for row in &rows {
                    let columns = Columns::new(READ, "counters", "name", row);
                    variables.counters.insert(columns.name("name")?, columns.number("value")?);
                }
                let rows = sqlx::query(READ_VALUES)
                    .bind(&execution.as_bytes()[..])
                    .fetch_all(connection)
                    .await
                    .during(READ)?;
                for row in &rows {
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

#[derive(Serialize)]
struct StoredCounter<'a> {
    execution: Hex<'a>,
    name: &'a str,
    value: Option<i64>,
}

#[derive(Serialize)]
struct StoredValue<'a> {
    execution: Hex<'a>,
    name: &'a str,
    initial: bool,
    #[serde(flatten)]
    value: Part,
}

/// Applies changes in the order given.
pub(crate) async fn change(
    connection: &mut SqliteConnection,
    operation: &'static str,
    changes: &[(ExecutionId, &[VariableChange])],
) -> Result<(), BackendError> {
    let (mut counters, mut values) = (Vec::new(), Vec::new());
    for (execution, changes) in changes {
        for change in *changes {
            match change {
                VariableChange::InitCounter(..) | VariableChange::Add(..) => counters.push((*execution, change)),
                VariableChange::InitValue(..) | VariableChange::Set(..) => values.push((*execution, change)),
            }
        }
    }
    if !counters.is_empty() {
        count(connection, operation, &counters).await?;
    }
    if !values.is_empty() {
        set(connection, operation, &values).await?;
    }
    Ok(())
}

/// Counters are added up here, between two statements of one transaction, because they saturate: a sum of changes is
/// not what the changes make one by one.
async fn count(
    connection: &mut SqliteConnection,
    operation: &'static str,
    changes: &[(ExecutionId, &VariableChange)],
) -> Result<(), BackendError> {
    let mut counters: BTreeMap<Key<'_>, Option<i64>> = BTreeMap::new();
    for (execution, change) in changes {
        if let VariableChange::InitCounter(name, _) | VariableChange::Add(name, _) = change {
            counters.insert((*execution, name), None);
        }
    }
    let asked = to_json(operation, &stored(&counters))?;
    let rows = sqlx::query(COUNTERS).bind(asked).fetch_all(&mut *connection).await.during(operation)?;
    let mut known = BTreeMap::new();
    for row in &rows {
        let columns = Columns::new(operation, "counters", "key", row);
        known.insert(columns.number::<usize>("key")?, columns.number::<i64>("value")?);
    }
    for (index, value) in counters.values_mut().enumerate() {
        *value = known.get(&index).copied();
    }
    for (execution, change) in changes {
        match change {
            VariableChange::InitCounter(name, start) => {
                counters.entry((*execution, name)).or_default().get_or_insert(*start);
            }
            VariableChange::Add(name, by) => {
                let value = counters.entry((*execution, name)).or_default();
                *value = Some(value.unwrap_or(0).saturating_add(*by));
            }
            VariableChange::InitValue(..) | VariableChange::Set(..) => {}
        }
    }
    let changed = to_json(operation, &stored(&counters))?;
    sqlx::query(STORE_COUNTERS).bind(changed).execute(connection).await.during(operation)?;
    Ok(())
}

fn stored<'a>(counters: &'a BTreeMap<Key<'a>, Option<i64>>) -> Vec<StoredCounter<'a>> {
    let stored = counters.iter().map(|((execution, name), value)| StoredCounter {
        execution: Hex(execution.as_bytes()),
        name,
        value: *value,
    });
    stored.collect()
}

/// Of the changes of one value the last `Set` counts, or if there is none the first initial value.
async fn set(
    connection: &mut SqliteConnection,
    operation: &'static str,
    changes: &[(ExecutionId, &VariableChange)],
) -> Result<(), BackendError> {
    let mut values = BTreeMap::new();
    for (execution, change) in changes {
        match change {
            VariableChange::Set(name, value) => {
                values.insert((*execution, &**name), (false, value));
            }
            VariableChange::InitValue(name, value) => {
                values.entry((*execution, &**name)).or_insert((true, value));
            }
            VariableChange::InitCounter(..) | VariableChange::Add(..) => {}
        }
    }
    let mut parcels = Parcels::new(operation);
    for ((execution, name), (initial, value)) in &values {
        let value = parcels.payloads().push(value.as_bytes());
        parcels.push(StoredValue { execution: Hex(execution.as_bytes()), name, initial: *initial, value })?;
    }
    for parcel in parcels.finish()? {
        sqlx::query(STORE_VALUES)
            .bind(parcel.json)
            .bind(parcel.bytes)
            .execute(&mut *connection)
            .await
            .during(operation)?;
    }
    Ok(())
}
