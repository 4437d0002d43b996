//! The raw PostgreSQL: prepared statements, several clients where that is faster.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use stent_core::retry::RetryPolicy;
use tokio_postgres::{Client, Statement};
use uuid::Uuid;

use crate::database::{SCHEMA, probe};

/// Tasks of one insert, and of one claim and completion.
const INSERTED: u32 = 500;
const CLAIMED: i64 = 500;
/// Clients that drain, and those that commit one row at a time.
const DRAINING: usize = 4;
const COMMITTING: usize = 8;

const INSERT: &str = "INSERT INTO tasks (id, execution, depth, function, fingerprint, priority, retry, state, due, created_at, input)
    SELECT new.id, new.id, 0, 'nothing', new.fingerprint, 0, $4, 'pending', now() AT TIME ZONE 'UTC', now() AT TIME ZONE 'UTC', new.input
    FROM unnest($1::uuid[], $2::bytea[], $3::bytea[]) AS new (id, fingerprint, input)";
const CLAIM: &str = "UPDATE tasks
    SET state = 'running', token = $2, worker = $2, claimed_at = now() AT TIME ZONE 'UTC', lease_until = now() AT TIME ZONE 'UTC' + INTERVAL '10 s',
        started_at = now() AT TIME ZONE 'UTC', attempt = 1, counted = TRUE, journal_from = now() AT TIME ZONE 'UTC'
    WHERE id = ANY (ARRAY(
        SELECT id FROM tasks WHERE function = 'nothing' AND version = '' AND state = 'pending' ORDER BY priority DESC, due, id LIMIT $1
        FOR NO KEY UPDATE SKIP LOCKED))
    RETURNING id, input";
const COMPLETE: &str = "UPDATE tasks
    SET state = 'completed', output = '1234', worker = NULL, lease_until = NULL, ended_at = now() AT TIME ZONE 'UTC'
    WHERE id = ANY ($1)";
const COMMIT: &str = "INSERT INTO journal (task, generation, seq, execution, turn, at, token, kind, op_turn, op_kind, op_name, op_number, body, payload)
    VALUES ($1, 0, $2::integer, $1, $2, now() AT TIME ZONE 'UTC', $1, 'outcome', $2::integer, 'step', 'nothing', 0, '\"completed\"', '7')";

pub(super) struct PostgresFloor {
    clients: Vec<Prepared>,
    made: u32,
}

struct Prepared {
    client: Client,
    insert: Statement,
    claim: Statement,
    complete: Statement,
    commit: Statement,
}

impl PostgresFloor {
    pub(super) async fn open(url: &str) -> Self {
        let mut clients = Vec::new();
        for _ in 0..COMMITTING {
            let client = probe::postgres(url, SCHEMA).await;
            client.batch_execute("SET plan_cache_mode = force_generic_plan").await.unwrap();
            clients.push(Prepared {
                insert: client.prepare(INSERT).await.unwrap(),
                claim: client.prepare(CLAIM).await.unwrap(),
                complete: client.prepare(COMPLETE).await.unwrap(),
                commit: client.prepare(COMMIT).await.unwrap(),
                client,
            });
        }
        Self { clients, made: 0 }
    }

    pub(super) async fn insert(&mut self, count: u32) -> Duration {
        let retry = serde_json::to_string(&RetryPolicy::default()).unwrap();
        let first = &self.clients[0];
        let begun = Instant::now();
        for _ in 0..count / INSERTED {
            let ids: Vec<Uuid> =
                (self.made..self.made + INSERTED).map(|number| Uuid::from_u128(number.into())).collect();
            self.made += INSERTED;
            let fingerprints: Vec<[u8; 32]> = ids.iter().map(|id| [*id.into_bytes().last().unwrap(); 32]).collect();
            let fingerprints: Vec<&[u8]> = fingerprints.iter().map(|print| &print[..]).collect();
            let inputs: Vec<&[u8]> = ids.iter().map(|_| &b"[1234]"[..]).collect();
            first.client.execute(&first.insert, &[&ids, &fingerprints, &inputs, &retry]).await.unwrap();
        }
        begun.elapsed()
    }

    pub(super) async fn drain(&mut self) -> Duration {
        let begun = Instant::now();
        join_all(self.clients[..DRAINING].iter().map(Prepared::drain)).await;
        begun.elapsed()
    }

    pub(super) async fn commits(&mut self, count: u32) -> Vec<Duration> {
        self.clients[0].commits(count).await
    }

    pub(super) async fn crowd(&mut self, count: u32) -> Duration {
        let each = count / u32::try_from(COMMITTING).unwrap();
        let begun = Instant::now();
        join_all(self.clients.iter().map(|client| client.commits(each))).await;
        begun.elapsed()
    }
}

impl Prepared {
    async fn drain(&self) {
        loop {
            let claimed = self.client.query(&self.claim, &[&CLAIMED, &Uuid::new_v4()]).await.unwrap();
            if claimed.is_empty() {
                return;
            }
            let ids: Vec<Uuid> = claimed.iter().map(|row| row.get(0)).collect();
            self.client.execute(&self.complete, &[&ids]).await.unwrap();
        }
    }

    async fn commits(&self, count: u32) -> Vec<Duration> {
        let task = Uuid::new_v4();
        let mut times = Vec::new();
        for seq in 0..i32::try_from(count).unwrap() {
            let begun = Instant::now();
            self.client.execute(&self.commit, &[&task, &seq]).await.unwrap();
            times.push(begun.elapsed());
        }
        times
    }
}
