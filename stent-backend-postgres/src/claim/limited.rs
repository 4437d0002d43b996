//! Claims of functions with limits: places are counted and given under the lock of the function's row (C-Q3).

use std::collections::{BTreeMap, HashMap, HashSet};

use stent_core::claim::ClaimFunction;
use stent_core::error::BackendError;
use stent_core::name::FunctionName;
use tokio_postgres::Row;
use uuid::Uuid;

use super::claimed::{Order, order};
use super::{Asked, CLAIM, Functions, count};
use crate::connection::{Session, Values};
use crate::row::Columns;

/// A task that may be taken.
struct Candidate {
    task: Uuid,
    order: Order,
    /// Of a limited function: which, and what it needs.
    limited: Option<Limited>,
}

struct Limited {
    function: FunctionName,
    max_concurrent: u32,
    /// The places held of the function.
    held: i64,
    has_place: bool,
    /// Its ancestors of the function, and whether they hold a place: these are not counted against it.
    above: Vec<(Uuid, bool)>,
}

/// Rows of limited functions, locked.
struct Limits {
    /// By name, in the order in which they are locked, with their places.
    places: BTreeMap<String, i64>,
    /// Those that are stored with other places.
    changed: HashSet<String>,
    /// Those that were made for their lock.
    made: HashSet<String>,
}

impl Asked {
    /// Which of the limited functions have tasks that could be taken.
    pub(super) async fn waiting(&self, session: &Session<'_>) -> Result<Vec<&ClaimFunction>, BackendError> {
        let Functions { names, versions } = self.limited.iter().collect();
        let values: Values<'_> = &[&names, &versions, &self.queues, &self.tags, &self.expired];
        let rows = session.query(include_str!("../../sql/claim/waiting.sql"), values).await?;
        let mut waiting = Vec::with_capacity(rows.len());
        for row in &rows {
            let key: usize = Columns::new(CLAIM, "tasks", "key", row).number("key")?;
            waiting.extend(self.limited.get(key));
        }
        Ok(waiting)
    }

    /// Takes the best tasks of functions without limits and of these with.
    pub(super) async fn take_with_places(
        &self,
        session: &Session<'_>,
        waiting: &[&ClaimFunction],
    ) -> Result<Vec<Row>, BackendError> {
        let mut limit = self.limit;
        // Those that others hold.
        let mut passed = Vec::new();
        // What the lock protects is read by later statements, in the same round trip.
        let (limits, mut candidates) = tokio::try_join!(biased; Limits::lock(session, waiting), self.candidates(session, waiting, limit, &passed))?;
        let (mut rows, mut used) = (Vec::new(), HashSet::new());
        loop {
            let chosen = choose(candidates, limit);
            let locked = self.lock(session, &chosen).await?;
            let (taken, missed): (Vec<_>, Vec<_>) =
                chosen.into_iter().partition(|chosen| locked.contains(&chosen.task));
            if !taken.is_empty() {
                let limited = taken.iter().filter_map(|taken| Some((taken.task, taken.limited.as_ref()?)));
                let (take_places, functions): (Vec<_>, Vec<_>) = limited.unzip();
                used.extend(functions.into_iter().map(|limited| limited.function.as_str().to_owned()));
                let tasks = taken.iter().map(|taken| taken.task).collect();
                rows.extend(self.take(session, Some(&tasks), &take_places).await?);
            }
            limit = self.limit.saturating_sub(rows.len());
            if missed.is_empty() || limit == 0 {
                break;
            }
            passed.extend(missed.into_iter().map(|missed| missed.task));
            candidates = self.candidates(session, waiting, limit, &passed).await?;
        }
        limits.keep(session, &used).await?;
        Ok(rows)
    }

    /// What may be taken, in claim order.
    async fn candidates(
        &self,
        session: &Session<'_>,
        waiting: &[&ClaimFunction],
        limit: usize,
        passed: &Vec<Uuid>,
    ) -> Result<Vec<Candidate>, BackendError> {
        let (mut candidates, limited) = tokio::try_join!(
            biased;
            self.free(session, limit, passed),
            self.free_of_limited(session, waiting, limit, passed),
        )?;
        candidates.extend(limited);
        candidates.sort_unstable_by_key(|candidate| candidate.order);
        Ok(candidates)
    }

    /// The best tasks of functions without limits.
    async fn free(
        &self,
        session: &Session<'_>,
        limit: usize,
        passed: &Vec<Uuid>,
    ) -> Result<Vec<Candidate>, BackendError> {
        let Functions { names, versions } = &self.unlimited;
        let values: Values<'_> = &[names, versions, &self.queues, &self.tags, &count(limit), &self.expired, passed];
        let rows = session.query(include_str!("../../sql/claim/free.sql"), values).await?;
        let candidates = rows.iter().map(|row| {
            let columns = Columns::new(CLAIM, "tasks", "id", row);
            Ok(Candidate { task: columns.get("id")?, order: order(columns)?, limited: None })
        });
        candidates.collect()
    }

    /// The tasks of limited functions that may have a place.
    async fn free_of_limited(
        &self,
        session: &Session<'_>,
        waiting: &[&ClaimFunction],
        limit: usize,
        passed: &Vec<Uuid>,
    ) -> Result<Vec<Candidate>, BackendError> {
        let Functions { names, versions } = waiting.iter().copied().collect();
        let places: Vec<i64> = waiting.iter().copied().map(places).collect();
        let values: Values<'_> =
            &[&names, &versions, &places, &self.queues, &self.tags, &self.expired, passed, &count(limit)];
        let rows = session.query(include_str!("../../sql/claim/free_of_limited.sql"), values).await?;
        let mut candidates = Vec::with_capacity(rows.len());
        for row in &rows {
            let columns = Columns::new(CLAIM, "tasks", "id", row);
            let Some(function) = waiting.get(columns.number::<usize>("key")?) else { continue };
            let above: Option<Vec<Uuid>> = columns.get("above")?;
            let above_places: Option<Vec<bool>> = columns.get("above_places")?;
            let limited = Limited {
                function: function.name.clone(),
                max_concurrent: function.max_concurrent.unwrap_or(u32::MAX),
                held: columns.number("held")?,
                has_place: columns.flag("place")?,
                above: above.unwrap_or_default().into_iter().zip(above_places.unwrap_or_default()).collect(),
            };
            candidates.push(Candidate { task: columns.get("id")?, order: order(columns)?, limited: Some(limited) });
        }
        Ok(candidates)
    }

    /// Locks those that nobody else holds, if they are as they were seen.
    async fn lock(&self, session: &Session<'_>, chosen: &[Candidate]) -> Result<HashSet<Uuid>, BackendError> {
        if chosen.is_empty() {
            return Ok(HashSet::new());
        }
        let tasks: Vec<Uuid> = chosen.iter().map(|chosen| chosen.task).collect();
        let has_place = |chosen: &&Candidate| chosen.limited.as_ref().is_some_and(|limited| limited.has_place);
        let placed: Vec<Uuid> = chosen.iter().filter(has_place).map(|chosen| chosen.task).collect();
        let rows = session.query(include_str!("../../sql/claim/lock.sql"), &[&tasks, &placed, &self.expired]).await?;
        rows.iter().map(|row| Columns::new(CLAIM, "tasks", "id", row).get("id")).collect()
    }
}

/// The first of the candidates that may be taken, as many as are asked for.
fn choose(candidates: Vec<Candidate>, limit: usize) -> Vec<Candidate> {
    // Those that this claim gives a place, and how many of each function.
    let (mut placed, mut given) = (HashSet::new(), HashMap::<FunctionName, i64>::new());
    let mut may_be_taken = |candidate: &Candidate| {
        let Some(limited) = candidate.limited.as_ref().filter(|limited| !limited.has_place) else { return true };
        let given = given.entry(limited.function.clone()).or_default();
        let held_above = limited.above.iter().filter(|(task, has_place)| *has_place || placed.contains(task));
        if limited.held + *given - count(held_above.count()) >= i64::from(limited.max_concurrent) {
            return false;
        }
        *given += 1;
        placed.insert(candidate.task)
    };
    candidates.into_iter().filter(|candidate| may_be_taken(candidate)).take(limit).collect()
}

fn places(function: &ClaimFunction) -> i64 {
    function.max_concurrent.map_or(i64::MAX, i64::from)
}

impl Limits {
    async fn lock(session: &Session<'_>, functions: &[&ClaimFunction]) -> Result<Self, BackendError> {
        let functions = functions.iter().map(|function| (function.name.as_str().to_owned(), places(function)));
        let places: BTreeMap<String, i64> = functions.collect();
        let (names, numbers): (Vec<&str>, Vec<i64>) =
            places.iter().map(|(name, places)| (name.as_str(), *places)).unzip();
        let (given, named): (Values<'_>, Values<'_>) = (&[&names, &numbers], &[&names]);
        let (made, locked) = tokio::try_join!(
            biased;
            session.query(include_str!("../../sql/claim/make_limits.sql"), given),
            session.query(include_str!("../../sql/claim/lock_limits.sql"), named),
        )?;
        let name = |row: &Row| Columns::new(CLAIM, "limits", "function", row).text("function").map(str::to_owned);
        let made = made.iter().map(name).collect::<Result<_, _>>()?;
        let mut changed = HashSet::new();
        for row in &locked {
            let (name, stored): (String, i64) =
                (name(row)?, Columns::new(CLAIM, "limits", "function", row).number("max_concurrent")?);
            if places.get(&name) != Some(&stored) {
                changed.insert(name);
            }
        }
        Ok(Self { places, changed, made })
    }

    /// Stores the limits of what was claimed, for operators to see.
    async fn keep(&self, session: &Session<'_>, used: &HashSet<String>) -> Result<(), BackendError> {
        let idle: Vec<&str> = self.made.difference(used).map(String::as_str).collect();
        if !idle.is_empty() {
            session.execute(include_str!("../../sql/claim/drop_limits.sql"), &[&idle]).await?;
        }
        let changed = self.places.iter().filter(|(name, _)| used.contains(*name) && self.changed.contains(*name));
        let (names, places): (Vec<&str>, Vec<i64>) = changed.map(|(name, places)| (name.as_str(), *places)).unzip();
        if !names.is_empty() {
            session.execute(include_str!("../../sql/claim/limit.sql"), &[&names, &places]).await?;
        }
        Ok(())
    }
}
