//! No transaction is open while the code of functions runs (R2).

use std::time::{Duration, Instant};

use stent_scenarios::serve::functions::long;
use stent_scenarios::soon;
use tokio_postgres::Client;

use crate::site::{Program, Site};

/// A transaction that is between two statements is idle for a moment; one that waits for code is so for as long as the code runs.
const MOMENT: Duration = Duration::from_millis(400);
/// How long a step runs.
const STEP: u64 = 1_500;

/// The longest time that a transaction of these applications has been idle by now, in milliseconds.
const IDLE: &str = "
    SELECT coalesce(max(extract(epoch FROM clock_timestamp() - state_change)), 0)::float8 * 1000
    FROM pg_stat_activity
    WHERE application_name LIKE $1 AND state LIKE 'idle in transaction%'";

/// R2: while steps run, no connection of their process holds a transaction open.
#[tokio::test]
async fn no_transaction_is_open_while_a_step_runs() {
    let site = Site::new().await;
    let program = site.program("10s");
    let steps = 4;
    let executions = site.stent.dispatch_all((0..steps).map(|_| long(STEP))).await.unwrap();
    site.sees("step began", steps).await;
    let client = site.client().await;
    let (begun, mut longest) = (Instant::now(), 0.0_f64);
    while begun.elapsed() < Duration::from_millis(STEP - 200) {
        longest = longest.max(idle(&client, &program).await);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(site.place.effects().iter().filter(|seen| *seen == "step ended").count(), 0, "code ran all the while");
    println!("no transaction was idle for longer than {longest:.1} ms");
    assert!(longest < MOMENT.as_secs_f64() * 1_000.0, "a transaction was open for {longest} ms while code ran");
    for execution in executions {
        assert_eq!(soon("the result", execution.result()).await.unwrap(), STEP);
    }
}

/// What the test above goes by would find one.
#[tokio::test]
async fn an_open_transaction_is_seen() {
    let site = Site::new().await;
    let program = site.program("10s");
    let (client, mut holder) = (site.client().await, site.client().await);
    let name = format!("SET application_name TO '{}'", program.application());
    holder.batch_execute(&name).await.unwrap();
    let transaction = holder.transaction().await.unwrap();
    transaction.batch_execute("SELECT 1").await.unwrap();
    soon("it is seen", async {
        while idle(&client, &program).await < MOMENT.as_secs_f64() * 1_000.0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
}

async fn idle(client: &Client, program: &Program) -> f64 {
    let of_program = format!("{}%", program.application());
    client.query_one(IDLE, &[&of_program]).await.unwrap().get(0)
}
