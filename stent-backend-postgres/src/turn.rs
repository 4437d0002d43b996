//! What turns write. Locks come first, in the order of all transactions: slots, trees that are abandoned, the turns' own tasks; then entries and
//! children. All of it goes out together, and nearly every turn has no more than that; what else there is follows.

use std::collections::HashSet;

use stent_core::backend::Hint;
use stent_core::commit::TurnCommit;
use stent_core::error::BackendError;
use stent_core::execution::NewExecution;
use stent_core::id::{ExecutionId, TaskId};
use stent_core::journal::{AbandonedChildren, EntryBody, Made, Take, TurnWrite};
use stent_core::outcome::OperationOutcome;
use stent_core::time::Timestamp;
use uuid::Uuid;

use crate::complete::claims;
use crate::connection::{Session, Values};
use crate::entry::{self, Entries};
use crate::row::{At, Columns, int};
use crate::transaction::Hinted;
use crate::tree::{self, Cancellation};
use crate::{child, dispatch, variables};

pub(crate) const TURNS: &str = include_str!("../sql/journal/turns.sql");
pub(crate) const SLOTS: &str = include_str!("../sql/journal/slots.sql");
pub(crate) const LOCK_SLOTS: &str = include_str!("../sql/journal/lock_slots.sql");
pub(crate) const LOCK_TREES: &str = include_str!("../sql/journal/lock_trees.sql");
pub(crate) const TAKE: &str = include_str!("../sql/journal/take.sql");
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

/// Writes turns; answers per turn.
pub(crate) async fn write(
    session: &Session<'_>,
    now: Timestamp,
    turns: &[TurnWrite],
) -> Result<Hinted<Vec<TurnCommit>>, BackendError> {
    let held = write_together(session, now, turns).await?;
    let mut commits: Vec<_> = held
        .iter()
        .map(|held| if held.is_some() { TurnCommit::Applied { taken: None } } else { TurnCommit::ClaimLost })
        .collect();
    take(session, turns, &mut commits).await?;
    // After all that turns of the batch made: what one made below a task that another one abandons is cancelled, too.
    cancel(session, now, turns, &held).await?;
    dispatch(session, now, turns, &held).await?;
    change_variables(session, turns, &held).await?;
    Ok((commits, turns.iter().filter_map(hint).collect()))
}

fn hint(turn: &TurnWrite) -> Option<Hint> {
    // What is cancelled gives its place to another.
    let readies = !turn.children.is_empty() || !turn.dispatches.is_empty() || !turn.cancels.is_empty();
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
struct Slots<'a> {
    tasks: Vec<Uuid>,
    tokens: Vec<Uuid>,
    names: Vec<&'a str>,
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

    fn taken(turns: &'a [TurnWrite]) -> Self {
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

fn takes(turns: &[TurnWrite]) -> impl Iterator<Item = (&TurnWrite, &Take)> {
    turns.iter().filter_map(|turn| Some((turn, turn.take.as_ref()?)))
}

/// Takes signals: empties the slots and journals the values, or that the waits' time is over, and answers with that.
async fn take(session: &Session<'_>, turns: &[TurnWrite], commits: &mut [TurnCommit]) -> Result<(), BackendError> {
    let taken: Vec<_> = takes(turns).collect();
    if taken.is_empty() {
        return Ok(());
    }
    let Slots { tasks, tokens, names } = Slots::taken(turns);
    let generations: Vec<_> = taken.iter().map(|(turn, _)| int(turn.generation)).collect();
    let numbers = |of: fn(&Take) -> u32| -> Vec<i32> { taken.iter().map(|(_, take)| int(of(take))).collect() };
    let wide = |of: fn(&Take) -> u32| -> Vec<i64> { taken.iter().map(|(_, take)| of(take).into()).collect() };
    let at: Vec<_> = taken.iter().map(|(_, take)| At(take.at)).collect();
    let until: Vec<_> = taken.iter().map(|(_, take)| At::some(take.until)).collect();
    let kinds: Vec<_> = taken.iter().map(|(_, take)| take.operation.kind.as_str()).collect();
    let op_names: Vec<_> = taken.iter().map(|(_, take)| &*take.operation.name).collect();
    let keys: Vec<_> = taken.iter().map(|(_, take)| take.operation.key.as_bytes()).collect();
    let values: Values<'_> = &[
        &tasks,
        &tokens,
        &names,
        &generations,
        &numbers(|take| take.seq),
        &numbers(|take| take.turn),
        &at,
        &wide(|take| take.operation.turn),
        &kinds,
        &op_names,
        &keys,
        &wide(|take| take.operation.number),
        &until,
        &entry::completed(session.operation())?,
        &entry::elapsed(session.operation())?,
    ];
    let rows = session.query(TAKE, values).await?;
    let mut asking = turns.iter().zip(commits).filter(|(turn, _)| turn.take.is_some()).map(|(_, commit)| commit);
    let mut outcomes = vec![None; taken.len()];
    for row in &rows {
        let columns = Columns::new(session.operation(), "journal", "key", row);
        let outcome = outcomes.get_mut(columns.number::<usize>("key")?);
        if let (Some(outcome), Some(_)) = (outcome, columns.optional_text("body")?) {
            *outcome = Some(entry::outcome(&columns, "body", "payload")?);
        }
    }
    for (outcome, commit) in outcomes.into_iter().zip(&mut asking) {
        give(outcome, commit);
    }
    Ok(())
}

/// A turn whose claim is lost has taken nothing.
fn give(outcome: Option<OperationOutcome>, commit: &mut TurnCommit) {
    if let TurnCommit::Applied { taken } = commit {
        *taken = outcome;
    }
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
