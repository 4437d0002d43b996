//! Claims of functions without limits: the best tasks that nobody holds.

use std::sync::Arc;

use stent_core::claim::Claimed;
use stent_core::error::BackendError;
use tokio_postgres::Row;
use uuid::Uuid;

use super::{Asked, CLAIM, Functions, Peek, claimed, count};
use crate::PostgresBackend;
use crate::connection::{Session, Values};
use crate::row::{At, Columns};

/// Writes, and so waits for the disk.
const TOUCH: &str = include_str!("../../sql/claim/touch.sql");

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
pub(super) enum Token {
    MayBeUsed,
    IsNew,
}

impl PostgresBackend {
    /// Mostly one round trip does it. Where others hold many of the best tasks a second transaction looks further. A repeat comes after both, or waits for the one
    /// that is under way; one that is made between them knows the first alone.
    pub(super) async fn claim_unlimited(&self, asked: Arc<Asked>) -> Result<Claimed, BackendError> {
        let first = Arc::clone(&asked);
        let looked = self.write_at_once(CLAIM, move |session| {
            let first = Arc::clone(&first);
            Box::pin(async move { first.take_best(session).await })
        });
        let (peek, seen, mut rows) = looked.await?;
        let (taken, missing) = (rows.len(), asked.limit.saturating_sub(rows.len()));
        let has_more = missing > 0 && seen >= asked.first_window();
        if has_more || peek.is_repeat {
            let (asked, is_repeat) = (Arc::clone(&asked), peek.is_repeat);
            let token = if taken == 0 { Token::MayBeUsed } else { Token::IsNew };
            let rest = self.write(CLAIM, move |session| {
                let asked = Arc::clone(&asked);
                Box::pin(async move {
                    let rest = match is_repeat {
                        true => Vec::new(),
                        false => asked.take_rest(session, missing, token).await?,
                    };
                    // Also if a call with the same token has taken them only now.
                    if rest.is_empty() && taken == 0 { asked.repeat(session).await } else { Ok(rest) }
                })
            });
            rows.extend(rest.await?);
        }
        let (claimed, last) = claimed::read(asked.token, rows, &peek);
        if let Some(last) = last {
            // A commit that waits for the disk waits for all that were before it.
            self.write_apart(CLAIM, move |session| {
                Box::pin(async move { session.execute(TOUCH, &[last.as_uuid()]).await.map(drop) })
            })
            .await?;
        }
        Ok(claimed)
    }
}

impl Asked {
    /// Takes the best tasks, at most as many as there is room for in the first window; says how many it saw. The statements are begun together: what is new is taken
    /// by the one that looks, the others are locked by it and taken by the next.
    async fn take_best(&self, session: &Session<'_>) -> Result<(Peek, usize, Vec<Row>), BackendError> {
        let look = self.look(session, self.limit, self.first_window(), Token::MayBeUsed);
        let places = Vec::new();
        let (_, _, peek, look, taken) = tokio::try_join!(
            biased;
            self.once(session),
            self.promote(session),
            self.peek(session),
            look,
            self.take(session, None, &places),
        )?;
        let Look { seen, taken: mut rows, .. } = look;
        rows.extend(taken);
        Ok((peek, seen, rows))
    }

    /// Takes the best tasks, be they new or not, after what a first transaction has taken.
    async fn take_rest(&self, session: &Session<'_>, limit: usize, token: Token) -> Result<Vec<Row>, BackendError> {
        let (_, rows) = tokio::try_join!(biased; self.once(session), self.take_free(session, limit, token))?;
        Ok(rows)
    }

    /// A few more than are asked for: those that others hold cost no second look. Each function's candidates are read, so that many more cost, too.
    fn first_window(&self) -> usize {
        self.limit.saturating_add(16)
    }

    /// Takes the best tasks of functions without limits.
    pub(super) async fn take_free(
        &self,
        session: &Session<'_>,
        limit: usize,
        mut token: Token,
    ) -> Result<Vec<Row>, BackendError> {
        let (mut window, mut rows) = (self.first_window(), Vec::new());
        loop {
            let mut look = self.look(session, limit.saturating_sub(rows.len()), window, token).await?;
            rows.append(&mut look.taken);
            if !look.locked.is_empty() {
                rows.extend(self.take(session, Some(&look.locked), &Vec::new()).await?);
            }
            // With fewer candidates than were asked for, those that are missing are all in others' hands.
            if rows.len() >= limit || look.seen < window {
                return Ok(rows);
            }
            window = window.saturating_mul(4);
            if !rows.is_empty() {
                token = Token::IsNew;
            }
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
        let rows = session.query(include_str!("../../sql/claim/take_new.sql"), values).await?;
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
}
