//! Finished executions by the million: copies of one that Stent itself ran.

use crate::database::Store;
use crate::functions::nothing;
use crate::setup::client;

pub(crate) const FINISHED: u32 = 1_000_000;
/// Copied in one transaction.
const BATCH: u32 = 100_000;

/// Fills a store with so many.
pub(crate) async fn fill(store: &Store, count: u32) {
    let stent = client(&store.place).await;
    let worker = stent.worker().start().await.unwrap();
    let template = stent.dispatch(nothing(1_234)).await.unwrap();
    template.result().await.unwrap();
    worker.stop().await.unwrap();
    let template = template.id().to_string();
    let mut probe = store.place.probe().await;
    let before = probe.completed().await;
    let columns = probe.texts_of(COLUMNS_SQLITE, COLUMNS_POSTGRES).await.join(", ");
    for first in (0..count).step_by(usize::try_from(BATCH).unwrap()) {
        let past = count.min(first + BATCH);
        let copy = |sql: &str| {
            let sql = sql.replace("{columns}", &columns).replace("{template}", &template);
            sql.replace("{plain}", &template.replace('-', ""))
                .replace("{first}", &first.to_string())
                .replace("{past}", &past.to_string())
        };
        probe.run(&copy(COPY_SQLITE), &copy(COPY_POSTGRES)).await;
    }
    assert_eq!(probe.completed().await - before, i64::from(count));
    // What a server does by and by is not to be measured with what comes next.
    probe.run("PRAGMA wal_checkpoint(TRUNCATE)", "VACUUM ANALYZE tasks").await;
    probe.run("SELECT 1", "CHECKPOINT").await;
}

const COLUMNS_SQLITE: &str =
    "SELECT name FROM pragma_table_info('tasks') WHERE name NOT IN ('row', 'id', 'execution', 'ended_at') ORDER BY cid";
const COLUMNS_POSTGRES: &str = "SELECT column_name FROM information_schema.columns
    WHERE table_schema = 'stent' AND table_name = 'tasks' AND column_name NOT IN ('id', 'execution', 'ended_at') ORDER BY ordinal_position";

/// Ids are like those that Stent makes, of the hours before: a hundred a millisecond.
const COPY_SQLITE: &str = "
    WITH RECURSIVE number (n) AS (SELECT {first} UNION ALL SELECT n + 1 FROM number WHERE n + 1 < {past}),
    copy (n, id) AS MATERIALIZED (
        SELECT n, unhex(printf('%012x7%03x8%015x', unixepoch() * 1000 - 7200000 + n / 100, n % 100, n)) FROM number)
    INSERT INTO tasks (id, execution, ended_at, {columns})
    SELECT copy.id, copy.id, task.ended_at - 3600000000 + copy.n * 10, {columns}
    FROM copy CROSS JOIN (SELECT ended_at, {columns} FROM tasks WHERE id = x'{plain}') AS task";
const COPY_POSTGRES: &str = "
    INSERT INTO tasks (id, execution, ended_at, {columns})
    SELECT copy.id, copy.id, task.ended_at - INTERVAL '1 h' + copy.n * INTERVAL '10 us', {columns}
    FROM (
        SELECT n, (lpad(to_hex(extract(epoch FROM now())::bigint * 1000 - 7200000 + n / 100), 12, '0') || '7' || lpad(to_hex(n % 100), 3, '0')
                   || '8' || lpad(to_hex(n), 15, '0'))::uuid AS id
        FROM generate_series({first}, {past} - 1) AS n
    ) AS copy
    CROSS JOIN (SELECT ended_at, {columns} FROM tasks WHERE id = '{template}') AS task";
