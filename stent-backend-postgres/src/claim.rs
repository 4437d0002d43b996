//! Claims: tasks are taken, kept and let go.
//!
//! A claim never waits for a task: it passes by those that somebody holds, and looks further if some were. A statement that locks a row may see it as
//! it is by now, and its journal as it was before; so only tasks that were never claimed are taken by the statement that finds them.

mod claimed;
mod limited;
mod unlimited;

use std::collections::HashSet;
use std::sync::Arc;

use async_trait::async_trait;
use stent_core::backend::{Claims, Hint};
use stent_core::claim::{Claim, ClaimFunction, ClaimRequest, Claimed, Renewal};
use stent_core::error::BackendError;
use stent_core::id::{ClaimToken, WorkerId};
use stent_core::limits;
use stent_core::time::Timestamp;
use stent_core::worker::WorkerRecord;
use tokio_postgres::Row;
use uuid::Uuid;

use crate::PostgresBackend;
use crate::announce;
use crate::connection::{RENEW, Session, Values};
use crate::row::{At, Columns};
use unlimited::Token;

const CLAIM: &str = "claim";

#[async_trait]
impl Claims for PostgresBackend {
    async fn claim(&self, now: Timestamp, request: &ClaimRequest) -> Result<Claimed, BackendError> {
        let asked = Arc::new(Asked::new(now, request));
        if request.is_poll {
            let asked = Arc::clone(&asked);
            let nothing =
                self.read(CLAIM, move |session| Box::pin(async move { asked.nothing(session).await })).await?;
            if let Some(claimed) = nothing {
                return Ok(claimed);
            }
        }
        if asked.limited.is_empty() {
            return self.claim_unlimited(asked).await;
        }
        self.write(CLAIM, move |session| {
            let asked = Arc::clone(&asked);
            Box::pin(async move { asked.claim(session).await })
        })
        .await
    }

    async fn renew(
        &self,
        now: Timestamp,
        worker: &WorkerRecord,
        claims: &[Claim],
    ) -> Result<Vec<Renewal>, BackendError> {
        let until = now.after(worker.lease);
        let (worker, all) = (Arc::new(worker.clone()), Arc::<[Claim]>::from(claims));
        if all.is_empty() {
            // An idle worker asks one question.
            let announced = self.write_apart(RENEW, move |session| {
                let worker = Arc::clone(&worker);
                Box::pin(async move { announce::announce(session, now, &worker).await })
            });
            return announced.await.map(|()| Vec::new());
        }
        let renewed = self.write(RENEW, move |session| {
            let (worker, all) = (Arc::clone(&worker), Arc::clone(&all));
            Box::pin(async move {
                announce::announce(session, now, &worker).await?;
                announce::renew(session, until, &all).await
            })
        });
        let mut renewals = renewed.await?;
        for waits in [true, false, true, false] {
            let held = claims.iter().zip(&renewals).filter(|(_, of)| of.is_none());
            let held: Arc<[Claim]> = held.map(|(claim, _)| *claim).collect();
            if held.is_empty() {
                break;
            }
            let renewed = self.write(RENEW, move |session| {
                let held = Arc::clone(&held);
                Box::pin(async move {
                    // One row that cannot be had in time keeps all others from being renewed; those are had after it.
                    match waits {
                        true => announce::wait_and_renew(session, until, &held).await,
                        false => announce::renew(session, until, &held).await,
                    }
                })
            });
            let mut renewed = renewed.await?.into_iter();
            renewals.iter_mut().filter(|of| of.is_none()).for_each(|of| *of = renewed.next().flatten());
        }
        // One that could not be renewed is as good as lost: its worker must stop before the lease ends.
        Ok(renewals.into_iter().map(|renewal| renewal.unwrap_or(Renewal::Lost)).collect())
    }

    async fn lapse(&self, now: Timestamp, worker: WorkerId) -> Result<u32, BackendError> {
        let lapse = async |waits_for: Arc<[Claim]>| {
            let lapsed = self.write_hinting("lapse", move |session| {
                let waits_for = Arc::clone(&waits_for);
                Box::pin(async move {
                    let lapsed = announce::lapse(session, now, worker, &waits_for).await?;
                    let hints = if lapsed.tasks.is_empty() { Vec::new() } else { vec![Hint::TasksReady] };
                    Ok((lapsed, hints))
                })
            });
            lapsed.await
        };
        let mut lapsed = lapse([].into()).await?;
        if !lapsed.held.is_empty() {
            let others = lapse(lapsed.held.as_slice().into()).await?;
            lapsed.tasks.extend(others.tasks);
            // Those that cannot be had run out by themselves.
            lapsed.held = others.held;
        }
        lapsed.tasks.extend(lapsed.held.iter().map(|claim| claim.task));
        Ok(u32::try_from(lapsed.tasks.len()).unwrap_or(u32::MAX))
    }
}

const ONCE: &str = include_str!("../sql/claim/once.sql");
const DURABLE: &str = include_str!("../sql/claim/durable.sql");

/// A request as the statements read it.
struct Asked {
    now: Timestamp,
    worker: Uuid,
    token: ClaimToken,
    lease_until: At,
    limit: usize,
    /// Until when leases have run out, if expired claims may be taken over.
    expired: Option<At>,
    unlimited: Functions,
    limited: Vec<ClaimFunction>,
    queues: Option<Vec<String>>,
    tags: Option<Vec<String>>,
}

/// Functions and their versions, a column each.
#[derive(Default)]
struct Functions {
    names: Vec<String>,
    versions: Vec<String>,
}

impl<'a> FromIterator<&'a ClaimFunction> for Functions {
    fn from_iter<I: IntoIterator<Item = &'a ClaimFunction>>(functions: I) -> Self {
        let texts = |function: &ClaimFunction| {
            (function.name.as_str().to_owned(), function.version.as_deref().unwrap_or_default().to_owned())
        };
        let (names, versions) = functions.into_iter().map(texts).unzip();
        Self { names, versions }
    }
}

/// What a claim meets.
struct Peek {
    next_due: Option<Timestamp>,
    next_deadline: Option<Timestamp>,
    /// An earlier call with the same token has taken tasks.
    is_repeat: bool,
}

impl Asked {
    fn new(now: Timestamp, request: &ClaimRequest) -> Self {
        // One that is listed twice counts once.
        let mut listed = HashSet::new();
        let functions = request.functions.iter().filter(|function| listed.insert((&function.name, &function.version)));
        let (limited, unlimited): (Vec<_>, Vec<_>) =
            functions.partition::<Vec<&ClaimFunction>, _>(|function| function.max_concurrent.is_some());
        let names = |names: Vec<String>| if names.is_empty() { None } else { Some(names) };
        Self {
            now,
            worker: *request.worker.as_uuid(),
            token: request.token,
            lease_until: At(now.after(request.lease)),
            limit: usize::try_from(request.limit).unwrap_or(usize::MAX),
            expired: request.take_expired.then_some(At(now)),
            unlimited: unlimited.into_iter().collect(),
            limited: limited.into_iter().cloned().collect(),
            queues: names(request.queues.iter().map(|queue| queue.as_str().to_owned()).collect()),
            tags: names(request.tags.iter().map(|tag| tag.as_str().to_owned()).collect()),
        }
    }

    /// Takes tasks of functions with limits, and of others with them.
    async fn claim(&self, session: &Session<'_>) -> Result<Claimed, BackendError> {
        let (_, _, peek, waiting) = tokio::try_join!(
            biased;
            self.once(session),
            self.promote(session),
            self.peek(session),
            self.waiting(session),
        )?;
        let rows = match waiting.is_empty() {
            _ if peek.is_repeat => self.repeat(session).await?,
            true => self.take_free(session, self.limit, Token::MayBeUsed).await?,
            false => self.take_with_places(session, &waiting).await?,
        };
        let (claimed, last) = claimed::read(self.token, rows, &peek);
        if last.is_some() {
            session.execute(DURABLE, &[]).await?;
        }
        Ok(claimed)
    }

    /// Waits for a call with the same token, and relaxes the commit.
    async fn once(&self, session: &Session<'_>) -> Result<(), BackendError> {
        let number = i64::from_be_bytes(self.token.as_bytes()[..8].try_into().unwrap_or_default());
        session.query(ONCE, &[&number]).await.map(drop)
    }

    /// What a claim answers that finds nothing, if this one would.
    async fn nothing(&self, session: &Session<'_>) -> Result<Option<Claimed>, BackendError> {
        let limited: Functions = self.limited.iter().collect();
        let names = [self.unlimited.names.as_slice(), &limited.names].concat();
        let versions = [self.unlimited.versions.as_slice(), &limited.versions].concat();
        let values: Values<'_> = &[
            &names,
            &versions,
            &self.queues,
            &self.tags,
            &self.expired,
            &At(self.now),
            &self.worker,
            self.token.as_uuid(),
        ];
        let row = session.query_one(include_str!("../sql/claim/look.sql"), values).await?;
        let columns = Columns::new(CLAIM, "tasks", "due", &row);
        if columns.flag("has_any")? {
            return Ok(None);
        }
        let (next_due, next_deadline) = (columns.readable_time("due"), columns.readable_time("deadline"));
        Ok(Some(Claimed { next_due, next_deadline, ..Claimed::default() }))
    }

    /// Makes pending what is due (C-Q1).
    async fn promote(&self, session: &Session<'_>) -> Result<(), BackendError> {
        let sql = include_str!("../sql/claim/promote.sql");
        session.execute(sql, &[&At(self.now), &i64::from(limits::BATCH)]).await.map(drop)
    }

    async fn peek(&self, session: &Session<'_>) -> Result<Peek, BackendError> {
        let sql = include_str!("../sql/claim/peek.sql");
        let row = session.query_one(sql, &[&self.worker, self.token.as_uuid()]).await?;
        let columns = Columns::new(CLAIM, "tasks", "due", &row);
        Ok(Peek {
            next_due: columns.readable_time("due"),
            next_deadline: columns.readable_time("deadline"),
            is_repeat: columns.flag("is_repeat")?,
        })
    }

    /// What an earlier call with the same token has taken (C-Q2).
    async fn repeat(&self, session: &Session<'_>) -> Result<Vec<Row>, BackendError> {
        session.query(include_str!("../sql/claim/repeat.sql"), &[&self.worker, self.token.as_uuid()]).await
    }

    /// Takes tasks that are locked.
    async fn take(
        &self,
        session: &Session<'_>,
        tasks: Option<&Vec<Uuid>>,
        take_places: &Vec<Uuid>,
    ) -> Result<Vec<Row>, BackendError> {
        let values: Values<'_> =
            &[&tasks, self.token.as_uuid(), &self.worker, &At(self.now), &self.lease_until, take_places];
        session.query(include_str!("../sql/claim/take.sql"), values).await
    }
}

fn count(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
