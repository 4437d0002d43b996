//! Trees of tasks: what is open below one is cancelled, what a failure closed is opened again.

use sqlx::sqlite::SqliteConnection;
use stent_core::error::BackendError;
use stent_core::id::TaskId;
use stent_core::operation::OperationKind;
use stent_core::task::{Resume, ResumePoint};
use stent_core::time::Timestamp;

use crate::batch::{Hex, to_json};
use crate::control;
use crate::error::During;
use crate::resume::decode_resume;
pub(crate) use crate::resume::encode_resume;
use crate::row::Columns;

/// What is cancelled, and on whose account.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cancellation {
    /// The task at the top.
    pub(crate) task: TaskId,
    /// Whether it is cancelled itself, or only what is below it.
    pub(crate) include: bool,
    /// Whose end, deadline or turn it is, so that its reopening brings back what was cancelled. `None`: nothing does, as after a client's cancel
    /// or with a journal that is begun anew.
    pub(crate) by: Option<TaskId>,
    /// The turn in which it was abandoned; `None`: an end or a deadline.
    pub(crate) turn: Option<u32>,
}

impl Cancellation {
    /// All that is open below a task that ends.
    pub(crate) fn below_end_of(task: TaskId) -> Self {
        Self { task, include: false, by: Some(task), turn: None }
    }
}

/// Cancels all that is open in these trees; answers with how many tasks that were. One statement, however many. Places of limited functions are
/// free, tokens stay, so that a holder learns that its task was cancelled.
pub(crate) async fn cancel_below(
    connection: &mut SqliteConnection,
    operation: &'static str,
    now: Timestamp,
    cancellations: &[Cancellation],
) -> Result<u64, BackendError> {
    if cancellations.is_empty() {
        return Ok(0);
    }
    let given = |given: &Cancellation| {
        let turn = given.by.map(|_| given.turn.map_or(END, i64::from));
        (Hex(given.task.as_bytes()).to_string(), given.include, given.by.map(|by| Hex(by.as_bytes()).to_string()), turn)
    };
    let given: Vec<_> = cancellations.iter().map(given).collect();
    let cancelled = sqlx::query(control::statement(include_str!("../sql/tree/cancel.sql")))
        .bind(to_json(operation, &given)?)
        .bind(now.as_micros())
        .execute(connection)
        .await
        .during(operation)?;
    Ok(cancelled.rows_affected())
}

/// The `cancelled_turn` of what an end or a deadline cancelled: after every turn.
const END: i64 = i64::MAX;

/// Cuts a task's journal (that of its present generation) at a point, and opens again what the failure at this point closed: the point's operation, what
/// the task cancelled in the point's turn or later, the failed children that the point names, and so on down to the cause. The task's own
/// row is left to the caller.
pub(crate) async fn reopen(
    connection: &mut SqliteConnection,
    operation: &'static str,
    now: Timestamp,
    task: TaskId,
    point: &ResumePoint,
) -> Result<(), BackendError> {
    reopen_from(connection, operation, now, vec![(task, point.clone())]).await
}

/// Makes a failed or timed-out task pending with fresh attempts, from where it can go on, and with it the failed child that it names, and so on
/// down to the cause.
pub(crate) async fn reopen_ended(
    connection: &mut SqliteConnection,
    operation: &'static str,
    now: Timestamp,
    task: TaskId,
    resume: Resume,
) -> Result<(), BackendError> {
    let points = make_pending(connection, operation, now, vec![(task, resume)]).await?;
    reopen_from(connection, operation, now, points).await
}

async fn reopen_from(
    connection: &mut SqliteConnection,
    operation: &'static str,
    now: Timestamp,
    mut points: Vec<(TaskId, ResumePoint)>,
) -> Result<(), BackendError> {
    while let Some((task, point)) = points.pop() {
        cut(connection, operation, now, task, &point).await?;
        let failed = failed_below(connection, operation, task, &point).await?;
        points.extend(make_pending(connection, operation, now, failed).await?);
    }
    Ok(())
}

/// Begins a new generation of these tasks' journals, where they are not empty. What they cancelled is of the old one and stays cancelled.
pub(crate) async fn restart(
    connection: &mut SqliteConnection,
    operation: &'static str,
    tasks: &[TaskId],
) -> Result<(), BackendError> {
    let tasks = ids(operation, tasks)?;
    for statement in [include_str!("../sql/tree/next_generation.sql"), include_str!("../sql/tree/forget_cancelled.sql")]
    {
        sqlx::query(statement).bind(&tasks).execute(&mut *connection).await.during(operation)?;
    }
    Ok(())
}

/// Opens what has ended; answers with the points from which journals go on.
async fn make_pending(
    connection: &mut SqliteConnection,
    operation: &'static str,
    now: Timestamp,
    ended: Vec<(TaskId, Resume)>,
) -> Result<Vec<(TaskId, ResumePoint)>, BackendError> {
    if ended.is_empty() {
        return Ok(Vec::new());
    }
    let tasks: Vec<TaskId> = ended.iter().map(|(task, _)| *task).collect();
    let tasks = ids(operation, &tasks)?;
    sqlx::query(include_str!("../sql/tree/forget_dead_letters.sql"))
        .bind(&tasks)
        .execute(&mut *connection)
        .await
        .during(operation)?;
    sqlx::query(include_str!("../sql/tree/make_pending.sql"))
        .bind(&tasks)
        .bind(now.as_micros())
        .execute(&mut *connection)
        .await
        .during(operation)?;
    let (mut anew, mut points) = (Vec::new(), Vec::new());
    for (task, resume) in ended {
        match resume {
            Resume::Restart => anew.push(task),
            Resume::At(point) => points.push((task, point)),
            Resume::Refused(_) => {}
        }
    }
    if !anew.is_empty() {
        restart(connection, operation, &anew).await?;
    }
    Ok(points)
}

/// Takes back that the point's turn and later ones were opened, the outcome of the point's operation, and what was cancelled since.
async fn cut(
    connection: &mut SqliteConnection,
    operation: &'static str,
    now: Timestamp,
    task: TaskId,
    point: &ResumePoint,
) -> Result<(), BackendError> {
    if let Some(turn) = point.turn {
        for statement in [include_str!("../sql/tree/cut_orders.sql"), include_str!("../sql/tree/cut_turns.sql")] {
            let query = sqlx::query(statement).bind(task.as_bytes().as_slice()).bind(i64::from(turn));
            query.execute(&mut *connection).await.during(operation)?;
        }
    }
    if let Some(reopened) = &point.operation {
        sqlx::query(include_str!("../sql/tree/forget_outcome.sql"))
            .bind(task.as_bytes().as_slice())
            .bind(i64::from(reopened.turn))
            .bind(reopened.kind.as_str())
            .bind(&*reopened.name)
            .bind(reopened.key.as_bytes())
            .bind(i64::from(reopened.number))
            .execute(&mut *connection)
            .await
            .during(operation)?;
    }
    sqlx::query(include_str!("../sql/tree/reopen_cancelled.sql"))
        .bind(task.as_bytes().as_slice())
        .bind(point.turn.map_or(END, i64::from))
        .bind(now.as_micros())
        .execute(connection)
        .await
        .during(operation)
        .map(drop)
}

/// The failed children that a point names: a call's child, a map's failed items.
async fn failed_below(
    connection: &mut SqliteConnection,
    operation: &'static str,
    task: TaskId,
    point: &ResumePoint,
) -> Result<Vec<(TaskId, Resume)>, BackendError> {
    let map = point.operation.as_ref().filter(|reopened| reopened.kind == OperationKind::Map);
    if point.child.is_none() && map.is_none() {
        return Ok(Vec::new());
    }
    let rows = sqlx::query(include_str!("../sql/tree/failed_below.sql"))
        .bind(task.as_bytes().as_slice())
        .bind(point.child.as_ref().map(|child| child.as_bytes().as_slice()))
        .bind(map.map(|map| i64::from(map.turn)))
        .bind(map.map(|map| i64::from(map.number)))
        .bind(map.map(|map| &*map.name))
        .fetch_all(connection)
        .await
        .during(operation)?;
    let failed = rows.iter().map(|row| {
        let columns = Columns::new(operation, "tasks", "id", row);
        Ok(decode_resume(&columns)?.map(|resume| Ok((columns.id("id")?, resume))))
    });
    failed.filter_map(Result::transpose).map(|failed| failed?).collect()
}

fn ids(operation: &'static str, tasks: &[TaskId]) -> Result<String, BackendError> {
    let ids: Vec<_> = tasks.iter().map(|task| Hex(task.as_bytes())).collect();
    to_json(operation, &ids)
}
