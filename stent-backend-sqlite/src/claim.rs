//! Claims: tasks are taken, kept and let go.

mod claimed;

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use async_trait::async_trait;
use sqlx::sqlite::{SqliteConnection, SqliteRow};
use stent_core::backend::{Claims, Hint};
use stent_core::claim::{Claim, ClaimRequest, Claimed, Renewal};
use stent_core::error::{BackendError, ErrorKind};
use stent_core::id::{TaskId, WorkerId};
use stent_core::limits;
use stent_core::name::FunctionName;
use stent_core::time::Timestamp;
use stent_core::worker::WorkerRecord;

use self::claimed::Taken;
use crate::SqliteBackend;
use crate::announce;
use crate::batch::to_json;
use crate::control;
use crate::error::During;
use crate::row::{Columns, fetch_many};
use crate::transaction::Lasting;

const CLAIM: &str = "claim";

#[async_trait]
impl Claims for SqliteBackend {
    async fn claim(&self, now: Timestamp, request: &ClaimRequest) -> Result<Claimed, BackendError> {
        let asked = Arc::new(Asked::new(request)?);
        let token = request.token;
        // What a crash of the machine forgets of claims is free again, and their tokens fence whoever acted by them.
        let job = self.write_relaxed(CLAIM, move |connection| {
            let asked = Arc::clone(&asked);
            Box::pin(async move {
                let taken = asked.claim(connection, now).await?;
                let lasting = taken.lasting();
                Ok((taken, lasting))
            })
        });
        // The rows are read here, where no other write waits for it.
        Ok(job.await?.read(token))
    }

    async fn renew(
        &self,
        now: Timestamp,
        worker: &WorkerRecord,
        claims: &[Claim],
    ) -> Result<Vec<Renewal>, BackendError> {
        let (worker, claims) = (Arc::new(worker.clone()), Arc::<[Claim]>::from(claims));
        self.write_relaxed("renew", move |connection| {
            let (worker, claims) = (Arc::clone(&worker), Arc::clone(&claims));
            Box::pin(async move {
                announce::announce(connection, now, &worker).await?;
                let renewals = announce::renew(connection, now.after(worker.lease), &claims).await?;
                Ok((renewals, Lasting::NeedNot))
            })
        })
        .await
    }

    async fn lapse(&self, now: Timestamp, worker: WorkerId) -> Result<u32, BackendError> {
        self.write_hinting("lapse", move |connection| {
            Box::pin(async move {
                let held = announce::lapse(connection, now, worker).await?;
                Ok((held, if held > 0 { vec![Hint::TasksReady] } else { Vec::new() }))
            })
        })
        .await
    }
}

/// A request as the statements read it.
struct Asked {
    request: ClaimRequest,
    /// Functions without limits, as JSON.
    unlimited: String,
    queues: Option<String>,
    tags: Option<String>,
}

/// What a claim meets.
struct Look {
    next_due: Option<Timestamp>,
    next_deadline: Option<Timestamp>,
    /// An earlier call with the same token has taken tasks.
    is_repeat: bool,
    /// The best tasks of functions without limits.
    free: Vec<Candidate>,
}

/// Priority (high first), due time, id.
type Order = (Reverse<i64>, Option<i64>, String);

/// A task that may be taken.
struct Candidate {
    row: i64,
    order: Order,
    /// It needs no place and was never claimed.
    is_new: bool,
    /// Of a limited function: which, and what it needs.
    limited: Option<Limited>,
}

#[derive(Clone)]
struct Limited {
    function: FunctionName,
    max_concurrent: u32,
    has_place: bool,
    /// Its ancestors of the function, and whether they hold a place (1) or not (0): these are not counted against it.
    above: Vec<(String, i64)>,
}

impl Asked {
    fn new(request: &ClaimRequest) -> Result<Self, BackendError> {
        let mut request = request.clone();
        // One that is listed twice counts once.
        let mut listed = HashSet::new();
        let functions = request.functions.iter().filter(|function| listed.insert((&function.name, &function.version)));
        request.functions = functions.cloned().collect();
        let unlimited = request.functions.iter().filter(|function| function.max_concurrent.is_none());
        let unlimited: Vec<_> =
            unlimited.map(|function| (&*function.name, function.version.as_deref().unwrap_or_default())).collect();
        let queues = if request.queues.is_empty() { None } else { Some(to_json(CLAIM, &request.queues)?) };
        let tags = if request.tags.is_empty() { None } else { Some(to_json(CLAIM, &request.tags)?) };
        Ok(Self { unlimited: to_json(CLAIM, &unlimited)?, request, queues, tags })
    }

    async fn claim(&self, connection: &mut SqliteConnection, now: Timestamp) -> Result<Taken, BackendError> {
        let mut look = self.look(connection, now).await?;
        if look.next_due.is_some_and(|due| due <= now) {
            sqlx::query(include_str!("../sql/claim/promote.sql"))
                .bind(now.as_micros())
                .bind(i64::from(limits::BATCH))
                .execute(&mut *connection)
                .await
                .during(CLAIM)?;
            look = self.look(connection, now).await?;
        }
        // To claim changes neither what is due next nor the next deadline.
        let Look { next_due, next_deadline, is_repeat, free } = look;
        let rows =
            if is_repeat { self.repeat(connection).await? } else { self.take_free(connection, now, free).await? };
        Ok(Taken { next_due, next_deadline, rows })
    }

    async fn look(&self, connection: &mut SqliteConnection, now: Timestamp) -> Result<Look, BackendError> {
        let row = sqlx::query(control::statement(include_str!("../sql/claim/look.sql")))
            .bind(self.request.worker.as_bytes().as_slice())
            .bind(self.request.token.as_bytes().as_slice())
            .bind(&*self.unlimited)
            .bind(self.queues.as_deref())
            .bind(self.tags.as_deref())
            .bind(i64::from(self.request.limit))
            .bind(self.until(now))
            .fetch_one(connection)
            .await
            .during(CLAIM)?;
        let columns = Columns::new(CLAIM, "tasks", "id", &row);
        let free: Vec<(i64, i64, Option<i64>, String, i64)> =
            serde_json::from_str(columns.text("free")?).map_err(unreadable)?;
        let candidate = |(row, priority, due, id, is_new)| {
            let order = (Reverse(priority), due, id);
            Candidate { row, order, is_new: is_new == 1, limited: None }
        };
        Ok(Look {
            next_due: columns.readable_time("due"),
            next_deadline: columns.readable_time("deadline"),
            is_repeat: columns.flag("is_repeat")?,
            free: free.into_iter().map(candidate).collect(),
        })
    }

    /// Until when leases have run out, if expired claims may be taken over.
    fn until(&self, now: Timestamp) -> Option<i64> {
        self.request.take_expired.then_some(now.as_micros())
    }

    /// What an earlier call with the same token has taken (C-Q2).
    async fn repeat(&self, connection: &mut SqliteConnection) -> Result<Vec<SqliteRow>, BackendError> {
        sqlx::query(include_str!("../sql/claim/repeat.sql"))
            .bind(self.request.worker.as_bytes().as_slice())
            .bind(self.request.token.as_bytes().as_slice())
            .fetch_all(connection)
            .await
            .during(CLAIM)
    }

    async fn take_free(
        &self,
        connection: &mut SqliteConnection,
        now: Timestamp,
        free: Vec<Candidate>,
    ) -> Result<Vec<SqliteRow>, BackendError> {
        let (mut candidates, mut held) = (free, HashMap::new());
        self.limited(connection, self.until(now), &mut candidates, &mut held).await?;
        candidates.sort_unstable_by(|one, other| one.order.cmp(&other.order));
        let chosen = self.choose(candidates, &mut held);
        if chosen.is_empty() {
            return Ok(Vec::new());
        }
        self.keep_limits(connection, &chosen).await?;
        let rows: Vec<i64> = chosen.iter().map(|chosen| chosen.row).collect();
        if chosen.iter().all(|chosen| chosen.is_new) {
            return self.take_new(connection, now, &rows).await;
        }
        let query =
            sqlx::query(include_str!("../sql/claim/read.sql")).bind(to_json(CLAIM, &rows)?).bind(now.as_micros());
        let rows = fetch_many(connection, query).await.during(CLAIM)?;
        let limited = chosen.iter().filter(|chosen| chosen.limited.is_some()).map(|chosen| chosen.row).collect();
        self.take(connection, now, &rows, &limited).await?;
        Ok(rows)
    }

    /// Takes tasks that are all new: mostly they are, and one statement does it.
    async fn take_new(
        &self,
        connection: &mut SqliteConnection,
        now: Timestamp,
        rows: &[i64],
    ) -> Result<Vec<SqliteRow>, BackendError> {
        let query = sqlx::query(control::statement(include_str!("../sql/claim/take_new.sql")))
            .bind(to_json(CLAIM, &rows)?)
            .bind(self.request.token.as_bytes().as_slice())
            .bind(self.request.worker.as_bytes().as_slice())
            .bind(now.as_micros())
            .bind(now.after(self.request.lease).as_micros());
        fetch_many(connection, query).await.during(CLAIM)
    }

    async fn take(
        &self,
        connection: &mut SqliteConnection,
        now: Timestamp,
        rows: &[SqliteRow],
        limited: &HashSet<i64>,
    ) -> Result<(), BackendError> {
        let mut alike: HashMap<_, Vec<i64>> = HashMap::new();
        for row in rows {
            let columns = Columns::new(CLAIM, "tasks", "id", row);
            let number: i64 = columns.get("row")?;
            let deliveries: i64 = columns.get("deliveries")?;
            let kind = (columns.flag("is_fresh")?, columns.flag("counts")?, deliveries, limited.contains(&number));
            alike.entry(kind).or_default().push(number);
        }
        for ((is_fresh, counts, deliveries, takes_place), rows) in alike {
            sqlx::query(control::statement(include_str!("../sql/claim/take.sql")))
                .bind(to_json(CLAIM, &rows)?)
                .bind(self.request.token.as_bytes().as_slice())
                .bind(self.request.worker.as_bytes().as_slice())
                .bind(now.as_micros())
                .bind(now.after(self.request.lease).as_micros())
                .bind(is_fresh)
                .bind(counts)
                .bind(deliveries)
                .bind(takes_place)
                .execute(&mut *connection)
                .await
                .during(CLAIM)?;
        }
        Ok(())
    }

    /// The tasks of limited functions that may have a place, and how many places are held (C-Q3). The transaction holds the lock under which all claims
    /// count.
    async fn limited(
        &self,
        connection: &mut SqliteConnection,
        until: Option<i64>,
        candidates: &mut Vec<Candidate>,
        held: &mut HashMap<FunctionName, i64>,
    ) -> Result<(), BackendError> {
        for function in self.request.functions.iter() {
            let Some(max_concurrent) = function.max_concurrent else { continue };
            let held_now: i64 = sqlx::query_scalar(include_str!("../sql/claim/held.sql"))
                .bind(&*function.name)
                .fetch_one(&mut *connection)
                .await
                .during(CLAIM)?;
            held.insert(function.name.clone(), held_now);
            let places = (i64::from(max_concurrent) - held_now).clamp(0, self.request.limit.into());
            let rows = sqlx::query(include_str!("../sql/claim/free_of_limited.sql"))
                .bind(&*function.name)
                .bind(self.queues.as_deref())
                .bind(self.tags.as_deref())
                .bind(places)
                .bind(until)
                .bind(function.version.as_deref().unwrap_or_default())
                .fetch_all(&mut *connection)
                .await
                .during(CLAIM)?;
            for row in &rows {
                let columns = Columns::new(CLAIM, "tasks", "id", row);
                let limited = Limited {
                    function: function.name.clone(),
                    max_concurrent,
                    has_place: columns.flag("place")?,
                    above: columns.optional_json("above")?.unwrap_or_default(),
                };
                let (row, order) = (columns.number("row")?, order(columns)?);
                candidates.push(Candidate { row, order, is_new: false, limited: Some(limited) });
            }
        }
        Ok(())
    }

    /// The first of the candidates that may be taken, as many as are asked for.
    fn choose(&self, candidates: Vec<Candidate>, held: &mut HashMap<FunctionName, i64>) -> Vec<Candidate> {
        // Those that this claim gives a place.
        let mut placed = HashSet::new();
        let mut may_be_taken = |candidate: &Candidate| {
            let Some(limited) = candidate.limited.as_ref().filter(|limited| !limited.has_place) else { return true };
            let Some(held) = held.get_mut(&limited.function) else { return false };
            let held_above = limited.above.iter().filter(|(id, place)| *place == 1 || placed.contains(id));
            let held_above = i64::try_from(held_above.count()).unwrap_or(i64::MAX);
            if *held - held_above >= i64::from(limited.max_concurrent) {
                return false;
            }
            *held += 1;
            placed.insert(candidate.order.2.clone())
        };
        let limit = usize::try_from(self.request.limit).unwrap_or(usize::MAX);
        candidates.into_iter().filter(|candidate| may_be_taken(candidate)).take(limit).collect()
    }

    /// Stores the limits of what is claimed, for operators to see.
    async fn keep_limits(&self, connection: &mut SqliteConnection, chosen: &[Candidate]) -> Result<(), BackendError> {
        let limited = chosen.iter().filter_map(|chosen| chosen.limited.as_ref());
        let limits: HashMap<_, _> = limited.map(|limited| (&*limited.function, limited.max_concurrent)).collect();
        if limits.is_empty() {
            return Ok(());
        }
        let limits: Vec<_> = limits.into_iter().collect();
        sqlx::query(include_str!("../sql/claim/limit.sql"))
            .bind(to_json(CLAIM, &limits)?)
            .execute(connection)
            .await
            .during(CLAIM)
            .map(drop)
    }
}

fn order(columns: Columns<'_>) -> Result<Order, BackendError> {
    let id = format!("{:X}", columns.id::<TaskId>("id")?.as_uuid().simple());
    Ok((Reverse(columns.number("priority")?), columns.optional_number("due")?, id))
}

fn unreadable(error: serde_json::Error) -> BackendError {
    BackendError::new(ErrorKind::Internal, CLAIM).with_source(error)
}
