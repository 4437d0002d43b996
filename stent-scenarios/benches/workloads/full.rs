//! W1 and W2 with 1,000,000 finished tasks in the database, beside an empty one.

use crate::fill::{FINISHED, fill};
use crate::queue;
use crate::report::Row;
use crate::sequences::{self, Operation};
use crate::setup::Setup;

pub(crate) async fn run(setup: &Setup) -> Vec<Row> {
    let full = setup.database.store().await;
    eprintln!("  {FINISHED} finished tasks");
    fill(&full, FINISHED).await;
    let empty = setup.database.store().await;
    let mut rows = queue::rows(&queue::measure(setup, &full).await, &queue::measure(setup, &empty).await);
    empty.close().await;
    for operation in Operation::ALL {
        let beside = sequences::measure(setup, &full, operation).await;
        let empty = setup.database.store().await;
        let alone = sequences::measure(setup, &empty, operation).await;
        empty.close().await;
        rows.push(Row::new(operation.metric(), "operations/s", beside).floor(alone));
    }
    full.close().await;
    rows
}
