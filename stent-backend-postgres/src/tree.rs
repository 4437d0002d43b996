//! Trees of tasks: what is open below one is cancelled, what a failure closed is opened again.
//!
//! Whoever cancels holds all of a tree: its open tasks are locked from the deepest to the top, which is the order in which every transaction locks
//! tasks. Turns that were under way meanwhile may have made more; these are locked as well, but never waited for. Whoever opens tasks again holds
//! the one above them, and waits for none of them either. If some cannot be had, the transaction is begun again.

use stent_core::error::{BackendError, ErrorKind};
use stent_core::id::TaskId;
use stent_core::operation::OperationKind;
use stent_core::task::{Resume, ResumePoint};
use stent_core::time::Timestamp;
use uuid::Uuid;

use crate::batch::ids;
use crate::connection::{Session, Values};
use crate::resume::decode_resume;
use crate::row::{At, Columns, int};

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

/// Trees, an array a column.
fn trees(cancellations: &[Cancellation]) -> (Vec<Uuid>, Vec<bool>) {
    cancellations.iter().map(|given| (*given.task.as_uuid(), given.include)).unzip()
}

/// Locks all that is open in these trees, and waits for those who hold some of it. To be called while the transaction holds no task, or none that is
/// above or beside the trees' tops: it would take its locks in another order than others.
pub(crate) async fn lock(session: &Session<'_>, cancellations: &[Cancellation]) -> Result<(), BackendError> {
    if cancellations.is_empty() {
        return Ok(());
    }
    let (tasks, included) = trees(cancellations);
    session.query(include_str!("../sql/tree/lock.sql"), &[&tasks, &included]).await.map(drop)
}

/// Cancels all that is open in these trees; answers with how many tasks that were. Places of limited functions are free, tokens stay, so that a holder
/// learns that its task was cancelled.
///
/// It waits for nobody: of what is not locked yet ([`lock`]) it takes what is free.
///
/// # Errors
/// `Busy` if somebody holds some of it, or makes more of it: then the transaction is to be begun again, and to lock it first.
pub(crate) async fn cancel_below(
    session: &Session<'_>,
    now: Timestamp,
    cancellations: &[Cancellation],
) -> Result<u64, BackendError> {
    if cancellations.is_empty() {
        return Ok(0);
    }
    let (tasks, included) = trees(cancellations);
    let accounts: Vec<Option<Uuid>> = cancellations.iter().map(|given| given.by.map(|by| *by.as_uuid())).collect();
    let turn = |given: &Cancellation| given.by.map(|_| given.turn.map_or(END, i64::from));
    let turns: Vec<Option<i64>> = cancellations.iter().map(turn).collect();
    let now = At(now);
    // Whoever is locked makes nothing more: what the second statement finds besides was made by those that the first one had to take.
    let (tops, doomed): (Values<'_>, Values<'_>) =
        (&[&tasks, &included], &[&tasks, &included, &accounts, &turns, &now]);
    let (locked, cancelled) = tokio::try_join!(
        biased;
        all_of(session, include_str!("../sql/tree/lock_new.sql"), tops),
        all_of(session, include_str!("../sql/tree/cancel.sql"), doomed),
    )?;
    if locked == cancelled { Ok(cancelled) } else { Err(busy(session)) }
}

/// Executes a statement that takes what is free of the rows that it finds; answers with how many that were if that were all.
async fn all_of(session: &Session<'_>, statement: &'static str, values: Values<'_>) -> Result<u64, BackendError> {
    let row = session.query_one(statement, values).await?;
    let columns = Columns::new(session.operation(), "tasks", "found", &row);
    let (found, had): (u64, u64) = (columns.number("found")?, columns.number("had")?);
    if had == found { Ok(had) } else { Err(busy(session)) }
}

fn busy(session: &Session<'_>) -> BackendError {
    let text = "tasks of a tree are held by others";
    BackendError::new(ErrorKind::Busy, session.operation()).with_message(text)
}

/// The `cancelled_turn` of what an end or a deadline cancelled: after every turn.
const END: i64 = i64::MAX;

/// Cuts a task's journal (that of its present generation) at a point, and opens again what the failure at this point closed: the point's operation, what
/// the task cancelled in the point's turn or later, the failed children that the point names, and so on down to the cause. The task's own
/// row is left to the caller, who holds it: what has ended below is changed by nobody else.
///
/// # Errors
/// `Busy` if somebody holds some of it: then the transaction is to be begun again.
pub(crate) async fn reopen(
    session: &Session<'_>,
    now: Timestamp,
    task: TaskId,
    point: &ResumePoint,
) -> Result<(), BackendError> {
    reopen_from(session, now, vec![(task, point.clone())]).await
}

/// Makes a failed or timed-out task pending with fresh attempts, from where it can go on, and with it the failed child that it names, and so on
/// down to the cause.
pub(crate) async fn reopen_ended(
    session: &Session<'_>,
    now: Timestamp,
    task: TaskId,
    resume: Resume,
) -> Result<(), BackendError> {
    let points = make_pending(session, now, vec![(task, resume)]).await?;
    reopen_from(session, now, points).await
}

async fn reopen_from(
    session: &Session<'_>,
    now: Timestamp,
    mut points: Vec<(TaskId, ResumePoint)>,
) -> Result<(), BackendError> {
    while let Some((task, point)) = points.pop() {
        cut(session, now, task, &point).await?;
        let failed = failed_below(session, task, &point).await?;
        points.extend(make_pending(session, now, failed).await?);
    }
    Ok(())
}

/// Begins a new generation of these tasks' journals, where they are not empty. What they cancelled is of the old one and stays cancelled.
pub(crate) async fn restart(session: &Session<'_>, tasks: &[TaskId]) -> Result<(), BackendError> {
    let tasks = ids(tasks);
    let tasks: Values<'_> = &[&tasks];
    tokio::try_join!(
        biased;
        session.execute(include_str!("../sql/tree/next_generation.sql"), tasks),
        all_of(session, include_str!("../sql/tree/forget_cancelled.sql"), tasks),
    )
    .map(drop)
}

/// Opens what has ended; answers with the points from which journals go on.
async fn make_pending(
    session: &Session<'_>,
    now: Timestamp,
    ended: Vec<(TaskId, Resume)>,
) -> Result<Vec<(TaskId, ResumePoint)>, BackendError> {
    if ended.is_empty() {
        return Ok(Vec::new());
    }
    let (tasks, now) = (ids(ended.iter().map(|(task, _)| task)), At(now));
    let (buried, opened): (Values<'_>, Values<'_>) = (&[&tasks], &[&tasks, &now]);
    tokio::try_join!(
        biased;
        session.execute(include_str!("../sql/tree/forget_dead_letters.sql"), buried),
        all_of(session, include_str!("../sql/tree/make_pending.sql"), opened),
    )?;
    let (mut anew, mut points) = (Vec::new(), Vec::new());
    for (task, resume) in ended {
        match resume {
            Resume::Restart => anew.push(task),
            Resume::At(point) => points.push((task, point)),
            Resume::Refused(_) => {}
        }
    }
    if !anew.is_empty() {
        restart(session, &anew).await?;
    }
    Ok(points)
}

/// Takes back that the point's turn and later ones were opened, the outcome of the point's operation, and what was cancelled since.
async fn cut(session: &Session<'_>, now: Timestamp, task: TaskId, point: &ResumePoint) -> Result<(), BackendError> {
    let (task, now) = (task.as_uuid(), At(now));
    let turns = async {
        let Some(turn) = point.turn.map(int) else { return Ok(()) };
        let from: Values<'_> = &[task, &turn];
        tokio::try_join!(
            biased;
            session.execute(include_str!("../sql/tree/cut_orders.sql"), from),
            session.execute(include_str!("../sql/tree/cut_turns.sql"), from),
        )
        .map(drop)
    };
    let outcome = async {
        let Some(reopened) = &point.operation else { return Ok(()) };
        let (turn, number) = (int(reopened.turn), int(reopened.number));
        let (kind, name, key) = (reopened.kind.as_str(), &*reopened.name, reopened.key.as_bytes());
        let sql = include_str!("../sql/tree/forget_outcome.sql");
        session.execute(sql, &[task, &turn, &kind, &name, &key, &number]).await.map(drop)
    };
    let first = point.turn.map_or(END, i64::from);
    let cancelled: Values<'_> = &[task, &first, &now];
    tokio::try_join!(
        biased;
        turns,
        outcome,
        all_of(session, include_str!("../sql/tree/reopen_cancelled.sql"), cancelled),
    )
    .map(drop)
}

/// The failed children that a point names: a call's child, a map's failed items.
async fn failed_below(
    session: &Session<'_>,
    task: TaskId,
    point: &ResumePoint,
) -> Result<Vec<(TaskId, Resume)>, BackendError> {
    let map = point.operation.as_ref().filter(|reopened| reopened.kind == OperationKind::Map);
    if point.child.is_none() && map.is_none() {
        return Ok(Vec::new());
    }
    let child = point.child.as_ref().map(TaskId::as_uuid);
    let (turn, number) = (map.map(|map| int(map.turn)), map.map(|map| int(map.number)));
    let function = map.map(|map| &*map.name);
    let sql = include_str!("../sql/tree/failed_below.sql");
    let rows = session.query(sql, &[task.as_uuid(), &child, &turn, &number, &function]).await?;
    let failed = rows.iter().map(|row| {
        let columns = Columns::new(session.operation(), "tasks", "id", row);
        Ok(decode_resume(&columns)?.map(|resume| Ok((columns.id("id")?, resume))))
    });
    failed.filter_map(Result::transpose).map(|failed| failed?).collect()
}
