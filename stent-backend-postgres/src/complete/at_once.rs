//! Plain results, which nearly all ends are: completed with the commit in one round trip.

use std::collections::HashSet;
use std::sync::Arc;

use stent_core::error::BackendError;
use stent_core::id::TaskId;
use stent_core::task::{End, TaskEnd};
use stent_core::time::Timestamp;
use uuid::Version;

use super::given::{Given, Which};
use super::{COMPLETE, claims, hints, read};
use crate::PostgresBackend;
use crate::connection::{Session, Values};
use crate::effects;
use crate::row::At;
use crate::transaction::Hinted;

/// Ends of which each is asked whether it wakes its parent: of many, those alone that do.
pub(super) const FEW: usize = 16;

impl PostgresBackend {
    /// Completes the ends in these places, with the commit in one round trip; answers with those that are left to do.
    pub(super) async fn complete_at_once(
        &self,
        now: Timestamp,
        ends: &Arc<[TaskEnd]>,
        places: Vec<usize>,
        are_roots: bool,
    ) -> Result<Vec<usize>, BackendError> {
        if places.is_empty() {
            return Ok(places);
        }
        let chosen: Arc<[TaskEnd]> = places.iter().filter_map(|place| ends.get(*place).cloned()).collect();
        let all = Arc::clone(&chosen);
        let done = if are_roots {
            let done = self.write_apart_hinting(COMPLETE, move |session| {
                let ends = Arc::clone(&all);
                Box::pin(async move { roots_at_once(session, now, &ends).await })
            });
            done.await?
        } else {
            let done = self.write_at_once_hinting(COMPLETE, move |session| {
                let ends = Arc::clone(&all);
                Box::pin(async move { at_once(session, now, &ends).await })
            });
            done.await?
        };
        Ok(places
            .into_iter()
            .zip(chosen.iter())
            .filter(|(_, end)| !done.contains(&end.claim.task))
            .map(|(at, _)| at)
            .collect())
    }
}

/// Completes roots that hold their claims, leave nothing open and share no result, by one statement; answers with which that were. Others lock one root and what is below
/// it; the ends of several suspended parents alone are locked together, in order, and so these are given in order, too. Nobody makes children below them any more: what they made
/// was answered before they end.
async fn roots_at_once(
    session: &Session<'_>,
    now: Timestamp,
    ends: &[TaskEnd],
) -> Result<Hinted<HashSet<TaskId>>, BackendError> {
    let mut ends: Vec<_> = ends.iter().collect();
    ends.sort_unstable_by_key(|end| end.claim.task);
    let rows = Given::new(session, &ends)?.apply(session, now, Which::Roots).await?;
    let applied = read(session, &ends, &rows)?;
    Ok((applied.iter().map(|applied| applied.end.claim.task).collect(), hints(&applied)))
}

/// Completes what holds its claim, leaves nothing open and shares no result, with the commit in one round trip; answers with which that were.
async fn at_once(
    session: &Session<'_>,
    now: Timestamp,
    ends: &[TaskEnd],
) -> Result<Hinted<HashSet<TaskId>>, BackendError> {
    let ends: Vec<_> = ends.iter().collect();
    let (tasks, tokens) = claims(ends.iter().map(|end| &end.claim));
    let (parents, own): (Values<'_>, Values<'_>) = (&[&tasks], &[&tasks, &tokens]);
    let (given, at) = (Given::new(session, &ends)?, At(now));
    let woken: Values<'_> = &[&tasks, &at];
    let (_, _, rows, _) = tokio::try_join!(
        biased;
        session.execute(include_str!("../../sql/complete/parents.sql"), parents),
        session.execute(include_str!("../../sql/complete/own.sql"), own),
        given.apply(session, now, Which::Plain),
        session.execute(effects::WAKE, woken),
    )?;
    let applied = read(session, &ends, &rows)?;
    Ok((applied.iter().map(|applied| applied.end.claim.task).collect(), hints(&applied)))
}

/// Most likely a root: whoever dispatches makes another kind of id than a task makes for its children. The statement asks the row.
pub(super) fn is_root(end: &TaskEnd) -> bool {
    end.claim.task.as_uuid().get_version() == Some(Version::SortRand)
}

/// Nothing but a result.
pub(super) fn is_plain(end: &TaskEnd) -> bool {
    matches!(&end.end, End::Completed { variables, notes, .. } if variables.is_empty() && notes.is_empty())
}
