//! Ends by kind: however many go together, each kind of them is one statement.

use stent_core::claim::Claim;
use stent_core::error::BackendError;
use stent_core::task::{End, Resume, TaskEnd};
use stent_core::time::Timestamp;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;
use uuid::Uuid;

use crate::batch::to_json;
use crate::connection::{Session, Values};
use crate::resume::encode_resume;
use crate::row::At;

/// Which ends are applied.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Which {
    /// Roots that leave nothing open and share no result.
    Roots,
    /// Those that leave nothing open and share no result.
    Plain,
    /// Those that leave nothing open.
    Closed,
    All,
}

/// Ends of one kind, an array a column.
#[derive(Default)]
struct Kind<T> {
    tasks: Vec<Uuid>,
    tokens: Vec<Uuid>,
    columns: T,
}

impl<T> Kind<T> {
    /// Adds an end; what else it says is for the caller to add.
    fn push(&mut self, claim: &Claim) -> &mut T {
        self.tasks.push(*claim.task.as_uuid());
        self.tokens.push(*claim.token.as_uuid());
        &mut self.columns
    }

    /// Runs the statement of this kind, if there are any ends of it.
    async fn apply(
        &self,
        session: &Session<'_>,
        sql: &'static str,
        values: Values<'_>,
    ) -> Result<Vec<Row>, BackendError> {
        if self.tasks.is_empty() {
            return Ok(Vec::new());
        }
        let claims: [&(dyn ToSql + Sync); 2] = [&self.tasks, &self.tokens];
        session.query(sql, &[&claims, values].concat()).await
    }
}

type Reasons<'a> = Vec<Option<&'a str>>;

/// Ends by kind.
#[derive(Default)]
pub(super) struct Given<'a> {
    /// Results.
    completed: Kind<Vec<&'a [u8]>>,
    /// Failures, and from where they could go on.
    failed: Kind<(Vec<String>, Vec<String>)>,
    /// Times, failures, and whether they begin anew.
    retried: Kind<(Vec<At>, Vec<String>, Vec<bool>)>,
    /// Times and reasons.
    released: Kind<(Vec<Option<At>>, Reasons<'a>)>,
}

impl<'a> Given<'a> {
    pub(super) fn new(session: &Session<'_>, ends: &[&'a TaskEnd]) -> Result<Self, BackendError> {
        let operation = session.operation();
        let mut given = Self::default();
        for TaskEnd { claim, end } in ends {
            match end {
                End::Completed { output, .. } => given.completed.push(claim).push(output.as_bytes()),
                End::Failed { failure, resume, .. } => {
                    let (failures, resumes) = given.failed.push(claim);
                    failures.push(to_json(operation, failure)?);
                    resumes.push(encode_resume(operation, resume)?);
                }
                End::Retry { at, failure, resume } => {
                    let (times, failures, anew) = given.retried.push(claim);
                    times.push(At(*at));
                    failures.push(to_json(operation, failure)?);
                    anew.push(*resume == Resume::Restart);
                }
                End::Released { until, reason } => {
                    let (times, reasons) = given.released.push(claim);
                    times.push(At::some(*until));
                    reasons.push(reason.as_deref());
                }
            }
        }
        Ok(given)
    }

    /// Gives up the claims that hold, of those that are meant.
    pub(super) async fn apply(
        &self,
        session: &Session<'_>,
        now: Timestamp,
        which: Which,
    ) -> Result<Vec<Row>, BackendError> {
        let (now, with_open, only_roots) = (At(now), which == Which::All, which == Which::Roots);
        let with_shared = matches!(which, Which::Closed | Which::All);
        let outputs = &self.completed.columns;
        let (failures, resumes) = &self.failed.columns;
        let (times, reasons, anew) = &self.retried.columns;
        let (until, why) = &self.released.columns;
        let completed: Values<'_> = &[outputs, &now, &with_open, &with_shared, &only_roots];
        let failed: Values<'_> = &[failures, resumes, &now, &with_open];
        let retried: Values<'_> = &[times, reasons, anew, &now, &with_open];
        let released: Values<'_> = &[until, why, &now];
        let (completed, failed, retried, released) = tokio::try_join!(
            biased;
            self.completed.apply(session, include_str!("../../sql/complete/completed.sql"), completed),
            self.failed.apply(session, include_str!("../../sql/complete/failed.sql"), failed),
            self.retried.apply(session, include_str!("../../sql/complete/retried.sql"), retried),
            self.released.apply(session, include_str!("../../sql/complete/released.sql"), released),
        )?;
        Ok([completed, failed, retried, released].into_iter().flatten().collect())
    }
}
