//! What turns write. Locks come first, in the order of all transactions: slots, trees that are abandoned, the turns' own tasks; then entries and
//! children. All of it goes out together, and nearly every turn has no more than that; what else there is follows.

use std::collections::HashSet;

use stent_core::backend::Hint;
use stent_core::commit::TurnCommit;
use stent_core::error::BackendError;
use stent_core::execution::NewExecution;
use stent_core::id::{ExecutionId, TaskId};
use stent_core::journal::{AbandonedChildren, EntryBody, Made, Take, TurnWrite};
use stent_core::task::NewChild;
use stent_core::time::Timestamp;
use uuid::Uuid;

use crate::batch::{ITEMS, PARCEL};
use crate::complete::claims;
use crate::connection::{Session, Values};
use crate::entry::{self, Entries};
use crate::row::{Columns, int};
use crate::transaction::Hinted;
use crate::tree::{self, Cancellation};
use crate::{child, dispatch, take, variables};

pub(crate) const TURNS: &str = include_str!("../sql/journal/turns.sql");
pub(crate) const SLOTS: &str = include_str!("../sql/journal/slots.sql");
pub(crate) const LOCK_SLOTS: &str = include_str!("../sql/journal/lock_slots.sql");
pub(crate) const LOCK_TREES: &str = include_str!("../sql/journal/lock_trees.sql");
pub(crate) const ABANDONED: &str = include_str!("../sql/journal/abandoned.sql");

/// How long a turn's write waits for who dispatches with one of its dedup keys, which may be a transaction of the user's: meanwhile the tasks of its batch
/// cannot be renewed. It is begun again some times, and then answered `Busy`.
const PATIENCE: &str = "100ms";

/// What is known of a turn whose claim holds.
struct Held {
    execution: ExecutionId,
    /// Its first entry was not there before.
    is_new: bool,
}

/// True if one poll begins all that these turns have to write: nothing of it hangs on what was written before.
pub(crate) fn are_at_once(turns: &[TurnWrite]) -> bool {
    let is_plain =
        |turn: &TurnWrite| turn.dispatches.is_empty() && turn.cancels.is_empty() && turn.variables.is_empty();
    let children = || turns.iter().flat_map(|turn| &turn.children);
    let entries = || turns.iter().flat_map(|turn| &turn.entries);
    turns.iter().all(is_plain)
        && children().count() < ITEMS
        && children().map(child::bytes).sum::<usize>() < PARCEL
        && entries().map(entry::bytes).sum::<usize>() < PARCEL
}

/// Writes turns that are [at once](are_at_once); answers per turn.
pub(crate) async fn write_at_once(
    session: &Session<'_>,
    now: Timestamp,
    turns: &[TurnWrite],
) -> Result<Hinted<Vec<TurnCommit>>, BackendError> {
    let (held, outcomes) =
        tokio::try_join!(biased; write_together(session, now, turns), take::outcomes(session, turns))?;
    let mut commits = commits(&held);
    take::give(turns, outcomes, &mut commits);
    Ok((commits, turns.iter().filter_map(hint).collect()))
}

fn commits(held: &[Option<Held>]) -> Vec<TurnCommit> {
    let commit = |held: &Option<Held>| match held {
        Some(_) => TurnCommit::Applied { taken: None },
        None => TurnCommit::ClaimLost,
    };
    held.iter().map(commit).collect()
}

/// Writes turns; answers per turn.
pub(crate) async fn write(
    session: &Session<'_>,
    now: Timestamp,
    turns: &[TurnWrite],
) -> Result<Hinted<Vec<TurnCommit>>, BackendError> {
    let held = write_together(session, now, turns).await?;
    let mut commits = commits(&held);
    take::give(turns, take::outcomes(session, turns).await?, &mut commits);
    // After all that turns of the batch made: what one made below a task that another one abandons is cancelled, too.
    cancel(session, now, turns, &held).await?;
    dispatch(session, now, turns, &held).await?;
    change_variables(session, turns, &held).await?;
    Ok((commits, turns.iter().filter_map(hint).collect()))
}

fn hint(turn: &TurnWrite) -> Option<Hint> {
    // What is cancelled gives its place to another.
    let is_free = |child: &NewChild| child.born.is_none() && child.task.claim.is_none();
    let readies = turn.children.iter().any(is_free) || !turn.dispatches.is_empty() || !turn.cancels.is_empty();
    readies.then_some(Hint::TasksReady)
}

/// Locks, and writes entries and children of the turns whose claims hold; answers with these.
async fn write_together(
    session: &Session<'_>,
    now: Timestamp,
    turns: &[TurnWrite],
) -> Result<Vec<Option<Held>>, BackendError> {
    // A repeat that meets the first write while that is in flight comes upon its rows in the same order.
    let mut ordered: Vec<&TurnWrite> = turns.iter().collect();
    ordered.sort_unstable_by_key(|turn| turn.claim.task);
    let entries = entry::pack(session.operation(), ordered.iter().copied())?;
    let (tasks, tokens) = claims(turns.iter().map(|turn| &turn.claim));
    let (needed, taken, gone) = (Slots::needed(turns), Slots::taken(turns), Gone::of(turns));
    let (_, _, _, rows, new, _) = tokio::try_join!(
        biased;
        needed.pass_to(session, SLOTS),
        taken.pass_to(session, LOCK_SLOTS),
        gone.lock(session, &tasks, &tokens),
        async { session.query(TURNS, &[&tasks, &tokens]).await },
        append(session, &entries),
        child::insert(session, now, &ordered),
    )?;
    let mut held: Vec<_> = turns.iter().map(|_| None).collect();
    for row in &rows {
        let columns = Columns::new(session.operation(), "tasks", "execution", row);
        let key: usize = columns.number("key")?;
        if let (Some(turn), Some(place)) = (turns.get(key), held.get_mut(key)) {
            let first = turn.entries.first().map(|entry| (turn.claim.task, entry.seq));
            let is_new = first.is_some_and(|first| new.contains(&first));
            *place = Some(Held { execution: columns.id("execution")?, is_new });
        }
    }
    Ok(held)
}

/// Writes entries; answers with those that were not there.
async fn append(session: &Session<'_>, parcels: &[Entries<'_>]) -> Result<HashSet<(TaskId, u32)>, BackendError> {
    let mut new = HashSet::new();
    for entries in parcels {
        for row in &entries.append(session).await? {
            let columns = Columns::new(session.operation(), "journal", "seq", row);
            new.insert((columns.id("task")?, columns.number("seq")?));
        }
    }
    Ok(new)
}

/// Slots of signals with the claims under which they are asked for, a column each.
#[derive(Default)]
pub(crate) struct Slots<'a> {
    pub(crate) tasks: Vec<Uuid>,
    pub(crate) tokens: Vec<Uuid>,
    pub(crate) names: Vec<&'a str>,
}

impl<'a> Slots<'a> {
    /// Those that must be there: of new waits, so that a sender meets whoever waits; of takes, so that they can be locked.
    fn needed(turns: &'a [TurnWrite]) -> Self {
        let mut slots = Self::taken(turns);
        for turn in turns {
            for entry in &turn.entries {
                if let EntryBody::Made(operation, Made::Signal { .. }) = &entry.body {
                    slots.push(turn, &operation.name);
                }
            }
        }
        slots
    }

    pub(crate) fn taken(turns: &'a [TurnWrite]) -> Self {
        let mut slots = Self::default();
        for (turn, take) in takes(turns) {
            slots.push(turn, &take.name);
        }
        slots
    }

    fn push(&mut self, turn: &'a TurnWrite, name: &'a str) {
        self.tasks.push(*turn.claim.task.as_uuid());
        self.tokens.push(*turn.claim.token.as_uuid());
        self.names.push(name);
    }

    /// Executes a statement over them, if there are any.
    async fn pass_to(&self, session: &Session<'_>, statement: &'static str) -> Result<(), BackendError> {
        if !self.names.is_empty() {
            session.execute(statement, &[&self.tasks, &self.tokens, &self.names]).await?;
        }
        Ok(())
    }
}

pub(crate) fn takes(turns: &[TurnWrite]) -> impl Iterator<Item = (&TurnWrite, &Take)> {
    turns.iter().filter_map(|turn| Some((turn, turn.take.as_ref()?)))
}

/// The turns whose claims hold.
fn holding<'a>(turns: &'a [TurnWrite], held: &'a [Option<Held>]) -> impl Iterator<Item = (&'a TurnWrite, &'a Held)> {
    turns.iter().zip(held).filter_map(|(turn, held)| Some((turn, held.as_ref()?)))
}

/// What turns abandoned, a column each.
#[derive(Default)]
struct Gone<'a> {
    tasks: Vec<Uuid>,
    children: Vec<Option<Uuid>>,
    generations: Vec<i32>,
    op_turns: Vec<Option<i32>>,
    op_names: Vec<Option<&'a str>>,
    op_numbers: Vec<Option<i32>>,
    /// On whose account it is cancelled, and in which turn.
    accounts: Vec<(TaskId, u32)>,
}

impl<'a> Gone<'a> {
    fn of(turns: impl IntoIterator<Item = &'a TurnWrite>) -> Self {
        let mut gone = Self::default();
        for turn in turns {
            for abandoned in &turn.cancels {
                let (child, map) = match &abandoned.children {
                    AbandonedChildren::Child(child) => (Some(child), None),
                    AbandonedChildren::Map(map) => (None, Some(map)),
                };
                gone.tasks.push(*turn.claim.task.as_uuid());
                gone.children.push(child.map(|child| *child.as_uuid()));
                gone.generations.push(int(turn.generation));
                gone.op_turns.push(map.map(|map| int(map.turn)));
                gone.op_names.push(map.map(|map| &*map.name));
                gone.op_numbers.push(map.map(|map| int(map.number)));
                gone.accounts.push((turn.claim.task, abandoned.turn));
            }
        }
        gone
    }

    /// Locks it with all below it, and the tasks of the whole batch above it.
    async fn lock(&self, session: &Session<'_>, tasks: &Vec<Uuid>, tokens: &Vec<Uuid>) -> Result<(), BackendError> {
        if self.tasks.is_empty() {
            return Ok(());
        }
        let Self { tasks: of, children, generations, op_turns, op_names, op_numbers, .. } = self;
        let values: Values<'_> = &[tasks, tokens, of, children, generations, op_turns, op_names, op_numbers];
        session.query(LOCK_TREES, values).await.map(drop)
    }
}

/// Cancels what turns abandoned, with all below it.
async fn cancel(
    session: &Session<'_>,
    now: Timestamp,
    turns: &[TurnWrite],
    held: &[Option<Held>],
) -> Result<(), BackendError> {
    let gone = Gone::of(holding(turns, held).map(|(turn, _)| turn));
    if gone.tasks.is_empty() {
        return Ok(());
    }
    let Gone { tasks, children, generations, op_turns, op_names, op_numbers, accounts } = gone;
    let values: Values<'_> = &[&tasks, &children, &generations, &op_turns, &op_names, &op_numbers];
    let mut cancellations = Vec::new();
    for row in &session.query(ABANDONED, values).await? {
        let columns = Columns::new(session.operation(), "tasks", "id", row);
        if let Some(&(by, turn)) = accounts.get(columns.number::<usize>("key")?) {
            let task = columns.id("id")?;
            cancellations.push(Cancellation { task, include: true, by: Some(by), turn: Some(turn) });
        }
    }
    if !cancellations.is_empty() {
        tree::cancel_below(session, now, &cancellations).await?;
    }
    Ok(())
}

async fn dispatch(
    session: &Session<'_>,
    now: Timestamp,
    turns: &[TurnWrite],
    held: &[Option<Held>],
) -> Result<(), BackendError> {
    let executions: Vec<NewExecution> =
        holding(turns, held).flat_map(|(turn, _)| turn.dispatches.iter().cloned()).collect();
    if !executions.is_empty() {
        if executions.iter().any(|new| new.dedup.is_some()) {
            session.query(include_str!("../sql/complete/patience.sql"), &[&PATIENCE]).await?;
        }
        // Whether a dedup key is borne already is no matter of the turn.
        let _ = dispatch::insert(session, now, &executions).await?;
    }
    Ok(())
}

async fn change_variables(
    session: &Session<'_>,
    turns: &[TurnWrite],
    held: &[Option<Held>],
) -> Result<(), BackendError> {
    let new = holding(turns, held).filter(|(_, held)| held.is_new);
    let changes: Vec<_> = new.map(|(turn, held)| (held.execution, turn.variables.as_slice())).collect();
    variables::change(session, &changes).await
}
