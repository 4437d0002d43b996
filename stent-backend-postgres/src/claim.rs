//! Claims: tasks are taken, kept and let go.
//!
//! A claim never waits for a task: it passes by those that somebody holds, and looks further if some were. A statement that locks a row may see it as
//! it is by now, and its journal as it was before; so only tasks that were never claimed are taken by the statement that finds them.

mod claimed;
mod limited;

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
use crate::connection::{Session, Values};
use crate::row::{At, Columns};

const CLAIM: &str = "claim";
const RENEW: &str = "renew";

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

/// What one look at free tasks brought.
struct Look {
    /// How many candidates it saw.
    seen: usize,
    /// Those that were taken.
    taken: Vec<Row>,
    /// Those that are locked and are yet to be taken.
    locked: Vec<Uuid>,
}

/// Whether this may be a second call with its token.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Token {
    MayBeUsed,
    IsNew,
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

    async fn claim(&self, session: &Session<'_>) -> Result<Claimed, BackendError> {
        let number = i64::from_be_bytes(self.token.as_bytes()[..8].try_into().unwrap_or_default());
        let once = async { session.query(ONCE, &[&number]).await };
        let (peek, rows) = if self.limited.is_empty() {
            // Mostly this is all there is to do, in one round trip.
            let look = self.look(session, self.limit, self.first_window(), Token::MayBeUsed);
            let (_, _, peek, look) = tokio::try_join!(biased; once, self.promote(session), self.peek(session), look)?;
            let rows = if peek.is_repeat { Vec::new() } else { self.take_free(session, Some(look)).await? };
            (peek, rows)
        } else {
            let (_, _, peek, waiting) =
                tokio::try_join!(biased; once, self.promote(session), self.peek(session), self.waiting(session))?;
            let rows = match waiting.is_empty() {
                _ if peek.is_repeat => Vec::new(),
                true => self.take_free(session, None).await?,
                false => self.take_with_places(session, &waiting).await?,
            };
            (peek, rows)
        };
        // Also if the first call was committed only now.
        let rows = if rows.is_empty() { self.repeat(session).await? } else { rows };
        let (claimed, is_last) = claimed::read(self.token, rows, &peek);
        if is_last {
            session.execute(DURABLE, &[]).await?;
        }
        Ok(claimed)
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
        let (next_due, next_deadline) = (columns.optional_time("due")?, columns.optional_time("deadline")?);
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
            next_due: columns.optional_time("due")?,
            next_deadline: columns.optional_time("deadline")?,
            is_repeat: columns.flag("is_repeat")?,
        })
    }

    /// What an earlier call with the same token has taken (C-Q2).
    async fn repeat(&self, session: &Session<'_>) -> Result<Vec<Row>, BackendError> {
        session.query(include_str!("../sql/claim/repeat.sql"), &[&self.worker, self.token.as_uuid()]).await
    }

    /// A few more than are asked for: those that others hold cost no second look. Each function's candidates are read, so that many more cost, too.
    fn first_window(&self) -> usize {
        self.limit.saturating_add(16)
    }

    /// Takes the best tasks of functions without limits, beginning with what a first look brought.
    async fn take_free(&self, session: &Session<'_>, first: Option<Look>) -> Result<Vec<Row>, BackendError> {
        let (mut window, mut rows) = (self.first_window(), Vec::new());
        let mut look = match first {
            Some(look) => look,
            None => self.look(session, self.limit, window, Token::MayBeUsed).await?,
        };
        loop {
            rows.append(&mut look.taken);
            if !look.locked.is_empty() {
                rows.extend(self.take(session, &look.locked, &Vec::new()).await?);
            }
            // With fewer candidates than were asked for, those that are missing are all in others' hands.
            if rows.len() >= self.limit || look.seen < window {
                return Ok(rows);
            }
            window = window.saturating_mul(4);
            let token = if rows.is_empty() { Token::MayBeUsed } else { Token::IsNew };
            look = self.look(session, self.limit - rows.len(), window, token).await?;
        }
    }

    async fn look(
        &self,
        session: &Session<'_>,
        limit: usize,
        window: usize,
        token: Token,
    ) -> Result<Look, BackendError> {
        let Functions { names, versions } = &self.unlimited;
        let values: Values<'_> = &[
            names,
            versions,
            &self.queues,
            &self.tags,
            &count(window),
            &self.expired,
            &count(limit),
            self.token.as_uuid(),
            &self.worker,
            &At(self.now),
            &self.lease_until,
            &(token == Token::MayBeUsed),
        ];
        let rows = session.query(include_str!("../sql/claim/take_new.sql"), values).await?;
        let mut look = Look { seen: 0, taken: Vec::new(), locked: Vec::new() };
        if let Some(first) = rows.first() {
            let columns = Columns::new(CLAIM, "tasks", "id", first);
            look.seen = columns.number("seen")?;
            look.locked = columns.get::<Option<Vec<Uuid>>>("locked")?.unwrap_or_default();
            if columns.get::<Option<Uuid>>("id")?.is_some() {
                look.taken = rows;
            }
        }
        Ok(look)
    }

    /// Takes tasks that are locked.
    async fn take(
        &self,
        session: &Session<'_>,
        tasks: &Vec<Uuid>,
        take_places: &Vec<Uuid>,
    ) -> Result<Vec<Row>, BackendError> {
        let values: Values<'_> =
            &[tasks, self.token.as_uuid(), &self.worker, &At(self.now), &self.lease_until, take_places];
        session.query(include_str!("../sql/claim/take.sql"), values).await
    }
}

fn count(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
