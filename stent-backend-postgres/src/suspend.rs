//! Suspension: tasks that only wait leave memory, unless one of their waits is over.
//!
//! A batch takes the rows that nobody else has locked. Those that are left wait for their turn one by one, a moment in all: whoever ends a child holds its
//! parent until the end is committed. A task whose turn does not come stays in memory, and is tried later.

use std::collections::HashSet;
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use stent_core::claim::Claim;
use stent_core::commit::Suspended;
use stent_core::error::BackendError;
use stent_core::id::TaskId;
use stent_core::operation::OperationId;
use stent_core::task::{Suspension, TaskState, Wait};
use stent_core::time::Timestamp;
use tokio_postgres::types::ToSql;
use uuid::Uuid;

use crate::PostgresBackend;
use crate::batch::ids;
use crate::complete::{claims, states};
use crate::connection::{Session, Values};
use crate::error::is_conflict;
use crate::row::{At, Columns, int};

const SUSPEND: &str = "suspend";

/// How long all of a batch wait for locks: nothing is lost if they stay in memory.
const PATIENCE: Duration = Duration::from_millis(100);

/// Who waits for a row that another has locked.
#[derive(Clone, Copy)]
enum Patience {
    /// Nobody: the row is left out.
    None,
    /// The one suspension that there is, so long.
    Until(Duration),
}

/// What became of a suspension; `None`: its row was locked by another.
type Answers = Vec<Option<Suspended>>;

impl PostgresBackend {
    pub(crate) async fn suspend_together(
        &self,
        now: Timestamp,
        suspensions: &[Suspension],
    ) -> Result<Vec<Suspended>, BackendError> {
        let mut answers = self.try_suspend(now, suspensions, Patience::None).await?;
        let begun = Instant::now();
        for (answer, suspension) in answers.iter_mut().zip(suspensions) {
            let left = PATIENCE.saturating_sub(begun.elapsed());
            if answer.is_none() && !left.is_zero() {
                let alone = std::slice::from_ref(suspension);
                *answer = self.try_suspend(now, alone, Patience::Until(left)).await?.into_iter().flatten().next();
            }
        }
        Ok(answers.into_iter().map(|answer| answer.unwrap_or(Suspended::Awake)).collect())
    }

    async fn try_suspend(
        &self,
        now: Timestamp,
        suspensions: &[Suspension],
        patience: Patience,
    ) -> Result<Answers, BackendError> {
        let suspensions: Arc<[Suspension]> = suspensions.into();
        self.write(SUSPEND, move |session| {
            let suspensions = Arc::clone(&suspensions);
            Box::pin(async move {
                match (suspend(session, now, &suspensions, patience).await, patience) {
                    // It waited in vain; the transaction is as good as rolled back.
                    (Err(error), Patience::Until(_)) if is_conflict(&error) => Ok(vec![None]),
                    (answers, _) => answers,
                }
            })
        })
        .await
    }
}

async fn suspend(
    session: &Session<'_>,
    now: Timestamp,
    suspensions: &[Suspension],
    patience: Patience,
) -> Result<Answers, BackendError> {
    let waits = Waits::of(suspensions);
    let held = lock(session, suspensions, &waits.slots, patience).await?;
    let mut suspended = HashSet::new();
    if !held.is_empty() {
        let tasks = ids(&held);
        let dropped: Values<'_> = &[&tasks];
        // Read under the locks, and so by later statements than those that took them.
        (suspended, _, _) = tokio::try_join!(
            biased;
            check(session, now, suspensions, &held, &waits),
            session.execute(include_str!("../sql/complete/drop_waits.sql"), dropped),
            waits.store(session, &tasks),
        )?;
    }
    if suspended.len() == suspensions.len() {
        return Ok(vec![Some(Suspended::Yes); suspensions.len()]);
    }
    let given: Vec<_> = suspensions.iter().map(|suspension| suspension.claim).collect();
    let states = states(session, &given).await?;
    let answers = given.iter().zip(states).map(|(claim, found)| match found {
        Some((TaskState::Suspended, _)) => Some(Suspended::Yes),
        // The claim holds: it was a wait that kept the task awake.
        Some((TaskState::Running, _)) if held.contains(&claim.task) => Some(Suspended::Awake),
        Some((TaskState::Running, _)) => None,
        _ => Some(Suspended::ClaimLost),
    });
    Ok(answers.collect())
}

/// Locks the slots that are waited for, and after them the tasks; answers with those tasks whose claims hold and that are locked.
async fn lock(
    session: &Session<'_>,
    suspensions: &[Suspension],
    slots: &Slots<'_>,
    patience: Patience,
) -> Result<HashSet<TaskId>, BackendError> {
    let (tasks, tokens) = claims(suspensions.iter().map(|suspension| &suspension.claim));
    if let Patience::Until(left) = patience {
        let left = format!("{}ms", left.as_millis().max(1));
        session.query(include_str!("../sql/complete/patience.sql"), &[&left]).await?;
    }
    let own = match patience {
        Patience::None => include_str!("../sql/complete/dozing.sql"),
        Patience::Until(_) => include_str!("../sql/complete/dozing_one.sql"),
    };
    let given: Values<'_> = &[&tasks, &tokens];
    let ((), rows) = tokio::try_join!(biased; slots.lock(session), session.query(own, given))?;
    rows.iter().map(|row| Columns::new(SUSPEND, "tasks", "id", row).id("id")).collect()
}

/// Suspends the tasks that are locked and of which no wait is over; answers with them.
async fn check(
    session: &Session<'_>,
    now: Timestamp,
    suspensions: &[Suspension],
    held: &HashSet<TaskId>,
    waits: &Waits<'_>,
) -> Result<HashSet<TaskId>, BackendError> {
    let held = suspensions.iter().filter(|suspension| held.contains(&suspension.claim.task));
    let until: Vec<_> = held.clone().map(|suspension| At::some(suspension.until)).collect();
    let (tasks, tokens) = claims(held.map(|suspension| &suspension.claim));
    let Waits { children: (parents, children), slots, ranges } = waits;
    let values: [&(dyn ToSql + Sync); 15] = [
        &tasks,
        &tokens,
        &until,
        &At(now),
        parents,
        children,
        &slots.tasks,
        &slots.names,
        &ranges.tasks,
        &ranges.turns,
        &ranges.names,
        &ranges.operations,
        &ranges.firsts,
        &ranges.pasts,
        &ranges.settled,
    ];
    let rows = session.query(include_str!("../sql/complete/suspend.sql"), &values).await?;
    rows.iter().map(|row| Columns::new(SUSPEND, "tasks", "id", row).id("id")).collect()
}

/// What tasks wait for, an array a column; of each wait first the task.
#[derive(Default)]
struct Waits<'a> {
    children: (Vec<Uuid>, Vec<Uuid>),
    slots: Slots<'a>,
    ranges: Ranges<'a>,
}

#[derive(Default)]
struct Slots<'a> {
    tasks: Vec<Uuid>,
    tokens: Vec<Uuid>,
    numbers: Vec<i32>,
    names: Vec<&'a str>,
}

#[derive(Default)]
struct Ranges<'a> {
    tasks: Vec<Uuid>,
    numbers: Vec<i32>,
    turns: Vec<i32>,
    names: Vec<&'a str>,
    operations: Vec<i32>,
    firsts: Vec<i32>,
    pasts: Vec<i32>,
    settled: Vec<bool>,
}

impl<'a> Waits<'a> {
    fn of(suspensions: &'a [Suspension]) -> Self {
        let mut all = Self::default();
        for Suspension { claim, waits, .. } in suspensions {
            for (number, wait) in (0..).zip(waits) {
                match wait {
                    // It is not stored: the end of any call's child wakes its parent.
                    Wait::Child(child) => {
                        all.children.0.push(*claim.task.as_uuid());
                        all.children.1.push(*child.as_uuid());
                    }
                    Wait::Map { operation, items, settled } => {
                        all.ranges.push(claim, number, (operation, items, *settled));
                    }
                    Wait::Signal(name) => all.slots.push(claim, number, name),
                }
            }
        }
        all
    }

    /// Stores what those of these tasks wait for that have been suspended.
    async fn store(&self, session: &Session<'_>, tasks: &Vec<Uuid>) -> Result<(), BackendError> {
        let Self { slots, ranges, .. } = self;
        if slots.tasks.is_empty() && ranges.tasks.is_empty() {
            return Ok(());
        }
        let values: [&(dyn ToSql + Sync); 12] = [
            tasks,
            &slots.tasks,
            &slots.numbers,
            &slots.names,
            &ranges.tasks,
            &ranges.numbers,
            &ranges.turns,
            &ranges.names,
            &ranges.operations,
            &ranges.firsts,
            &ranges.pasts,
            &ranges.settled,
        ];
        session.execute(include_str!("../sql/complete/waits.sql"), &values).await.map(drop)
    }
}

impl<'a> Ranges<'a> {
    fn push(&mut self, claim: &Claim, number: i32, wait: (&'a OperationId, &Range<u32>, bool)) {
        let (operation, items, settled) = wait;
        self.tasks.push(*claim.task.as_uuid());
        self.numbers.push(number);
        self.turns.push(int(operation.turn));
        self.names.push(&operation.name);
        self.operations.push(int(operation.number));
        self.firsts.push(int(items.start));
        self.pasts.push(int(items.end));
        self.settled.push(settled);
    }
}

impl<'a> Slots<'a> {
    fn push(&mut self, claim: &Claim, number: i32, name: &'a str) {
        self.tasks.push(*claim.task.as_uuid());
        self.tokens.push(*claim.token.as_uuid());
        self.numbers.push(number);
        self.names.push(name);
    }

    async fn lock(&self, session: &Session<'_>) -> Result<(), BackendError> {
        if self.tasks.is_empty() {
            return Ok(());
        }
        let (missing, all): (Values<'_>, Values<'_>) =
            (&[&self.tasks, &self.tokens, &self.names], &[&self.tasks, &self.names]);
        tokio::try_join!(
            biased;
            session.execute(include_str!("../sql/complete/make_slots.sql"), missing),
            session.execute(include_str!("../sql/complete/slots.sql"), all),
        )
        .map(drop)
    }
}
