//! Claims of functions with limits: places are counted and given under the lock of the function's row (C-Q3).

use std::collections::{BTreeMap, HashMap, HashSet};

use stent_core::error::BackendError;
use stent_core::name::FunctionName;
use tokio_postgres::Row;
use uuid::Uuid;

use super::{Asked, CLAIM, Functions, Order, count, order};
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
    has_place: bool,
    /// Its ancestors of the function, and whether they hold a place: these are not counted against it.
    above: Vec<(Uuid, bool)>,
}

/// Limited functions by name, in the order in which they are locked, with their places.
type Places = BTreeMap<String, i64>;

impl Asked {
    /// Which of the limited functions have tasks that could be taken, by their places in the request.
    pub(super) async fn waiting(&self, session: &Session<'_>) -> Result<Vec<usize>, BackendError> {
        let Functions { names, versions } = self.limited.iter().collect();
        let values: Values<'_> = &[&names, &versions, &self.queues, &self.tags, &self.expired];
        let rows = session.query(include_str!("../../sql/claim/waiting.sql"), values).await?;
        rows.iter().map(|row| Columns::new(CLAIM, "tasks", "key", row).number("key")).collect()
    }

    /// Takes the best tasks of functions without limits and of these with.
    pub(super) async fn take_with_places(
        &self,
        session: &Session<'_>,
        waiting: &[usize],
    ) -> Result<Vec<Row>, BackendError> {
        let limited: Vec<_> = waiting.iter().filter_map(|place| self.limited.get(*place)).collect();
        let places = limited
            .iter()
            .map(|function| (function.name.as_str().to_owned(), function.max_concurrent.map_or(i64::MAX, i64::from)));
        let places: Places = places.collect();
        let made = lock(session, &places).await?;
        let (mut rows, mut used) = (Vec::new(), HashSet::new());
        // Those that are passed by because others hold them.
        let mut passed = Vec::new();
        loop {
            let limit = self.limit - rows.len();
            let chosen = self.choose(session, waiting, limit, &passed).await?;
            let asked: Vec<Uuid> = chosen.iter().map(|chosen| chosen.task).collect();
            let locked = self.lock(session, &chosen).await?;
            let taken: Vec<Uuid> = asked.iter().copied().filter(|task| locked.contains(task)).collect();
            let limited = chosen.iter().filter(|chosen| locked.contains(&chosen.task));
            let limited: Vec<_> = limited.filter_map(|chosen| Some((chosen.task, chosen.limited.as_ref()?))).collect();
            used.extend(limited.iter().map(|(_, limited)| limited.function.as_str().to_owned()));
            if !taken.is_empty() {
                let take_places = limited.iter().map(|(task, _)| *task).collect();
                rows.extend(self.take(session, &taken, &take_places).await?);
            }
            if taken.len() == asked.len() || rows.len() >= self.limit {
                break;
            }
            passed.extend(asked.into_iter().filter(|task| !locked.contains(task)));
        }
        keep(session, &places, &used, &made).await?;
        Ok(rows)
    }

    /// The first of the candidates that may be taken, as many as are asked for.
    async fn choose(
        &self,
        session: &Session<'_>,
        waiting: &[usize],
        limit: usize,
        passed: &Vec<Uuid>,
    ) -> Result<Vec<Candidate>, BackendError> {
        let (mut held, mut candidates) =
            tokio::try_join!(biased; self.held(session, waiting), self.free(session, limit, passed))?;
        candidates.extend(self.free_of_limited(session, waiting, limit, &held, passed).await?);
        candidates.sort_unstable_by_key(|candidate| candidate.order);
        // Those that this claim gives a place.
        let mut placed = HashSet::new();
        let mut may_be_taken = |candidate: &Candidate| {
            let Some(limited) = candidate.limited.as_ref().filter(|limited| !limited.has_place) else { return true };
            let Some(held) = held.get_mut(limited.function.as_str()) else { return false };
            let held_above = limited.above.iter().filter(|(task, has_place)| *has_place || placed.contains(task));
            if *held - count(held_above.count()) >= i64::from(limited.max_concurrent) {
                return false;
            }
            *held += 1;
            placed.insert(candidate.task)
        };
        Ok(candidates.into_iter().filter(|candidate| may_be_taken(candidate)).take(limit).collect())
    }

    /// How many places of these functions are held.
    async fn held(&self, session: &Session<'_>, waiting: &[usize]) -> Result<HashMap<String, i64>, BackendError> {
        let names = waiting.iter().filter_map(|place| self.limited.get(*place));
        let names: Vec<&str> = names.map(|function| function.name.as_str()).collect();
        let rows = session.query(include_str!("../../sql/claim/held.sql"), &[&names]).await?;
        let held = rows.iter().map(|row| {
            let columns = Columns::new(CLAIM, "tasks", "function", row);
            Ok((columns.text("function")?.to_owned(), columns.number("held")?))
        });
        held.collect()
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
        waiting: &[usize],
        limit: usize,
        held: &HashMap<String, i64>,
        passed: &Vec<Uuid>,
    ) -> Result<Vec<Candidate>, BackendError> {
        let functions: Vec<_> = waiting.iter().filter_map(|place| self.limited.get(*place)).collect();
        let places = functions.iter().map(|function| {
            let held = held.get(function.name.as_str()).copied().unwrap_or(0);
            (function.max_concurrent.map_or(i64::MAX, i64::from) - held).clamp(0, count(limit))
        });
        let places: Vec<i64> = places.collect();
        let Functions { names, versions } = functions.iter().copied().collect();
        let values: Values<'_> = &[&names, &versions, &places, &self.queues, &self.tags, &self.expired, passed];
        let rows = session.query(include_str!("../../sql/claim/free_of_limited.sql"), values).await?;
        let mut candidates = Vec::with_capacity(rows.len());
        for row in &rows {
            let columns = Columns::new(CLAIM, "tasks", "id", row);
            let Some(function) = functions.get(columns.number::<usize>("key")?) else { continue };
            let above: Option<Vec<Uuid>> = columns.get("above")?;
            let above_places: Option<Vec<bool>> = columns.get("above_places")?;
            let limited = Limited {
                function: function.name.clone(),
                max_concurrent: function.max_concurrent.unwrap_or(u32::MAX),
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

/// Locks the rows of limited functions; answers with those that were made for it.
async fn lock(session: &Session<'_>, places: &Places) -> Result<HashSet<String>, BackendError> {
    let (names, places): (Vec<&str>, Vec<i64>) = places.iter().map(|(name, places)| (name.as_str(), *places)).unzip();
    let (made, locked): (Values<'_>, Values<'_>) = (&[&names, &places], &[&names]);
    let (made, _) = tokio::try_join!(
        biased;
        session.query(include_str!("../../sql/claim/make_limits.sql"), made),
        session.query(include_str!("../../sql/claim/lock_limits.sql"), locked),
    )?;
    let name = |row: &Row| Columns::new(CLAIM, "limits", "function", row).text("function").map(str::to_owned);
    made.iter().map(name).collect()
}

/// Stores the limits of what is claimed, for operators to see.
async fn keep(
    session: &Session<'_>,
    places: &Places,
    used: &HashSet<String>,
    made: &HashSet<String>,
) -> Result<(), BackendError> {
    let idle: Vec<&str> = made.difference(used).map(String::as_str).collect();
    if !idle.is_empty() {
        session.execute(include_str!("../../sql/claim/drop_limits.sql"), &[&idle]).await?;
    }
    let kept = places.iter().filter(|(name, _)| used.contains(*name) && !made.contains(*name));
    let (names, places): (Vec<&str>, Vec<i64>) = kept.map(|(name, places)| (name.as_str(), *places)).unzip();
    if !names.is_empty() {
        session.execute(include_str!("../../sql/claim/limit.sql"), &[&names, &places]).await?;
    }
    Ok(())
}
