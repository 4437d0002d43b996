//! A worker that is stopped past its lease, while another takes its work, and that then goes on (C-Q2).

use std::time::Duration;

use stent_scenarios::serve::functions::{halves, whole};
use stent_scenarios::soon;
use tokio_postgres::Client;

use crate::site::{Program, Site};

const LEASE: &str = "1500ms";

/// Writes down who writes what, besides the announcements of workers, in the writer's own transaction.
const AUDIT: &str = "
    CREATE TABLE audit (number bigserial, application text, what text);
    CREATE FUNCTION audit() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        INSERT INTO audit (application, what) VALUES (current_setting('application_name'), TG_OP || ' ' || TG_TABLE_NAME);
        RETURN NULL;
    END $$;
    DO $$
    DECLARE one text;
    BEGIN
        FOREACH one IN ARRAY ARRAY['tasks', 'journal', 'signals', 'signal_sends', 'waits', 'memos', 'counters', 'state_values', 'dead_letters'] LOOP
            EXECUTE format('CREATE TRIGGER audit AFTER INSERT OR UPDATE OR DELETE ON %I FOR EACH ROW EXECUTE FUNCTION audit()', one);
        END LOOP;
    END $$;";

/// A site whose writes are audited.
async fn audited() -> (Site, Client) {
    let site = Site::new().await;
    let client = site.client().await;
    client.batch_execute(AUDIT).await.unwrap();
    (site, client)
}

/// What a program has written so far.
async fn written(client: &Client, program: &Program) -> Vec<String> {
    let query = "SELECT what FROM audit WHERE application = $1 ORDER BY number";
    let rows = client.query(query, &[&program.application()]).await.unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

/// How a stopped program and the one that took its task ended up.
struct Story {
    stopped: Program,
    other: Program,
    before: Vec<String>,
    client: Client,
    // Last, since programs write to its directory as long as they live.
    site: Site,
}

/// Stops the program that runs this call when it is in the middle of `what`, lets another take it and complete it, and lets the first go on.
async fn stop_and_go_on<F>(call: stent_executor::Call<F>, what: &str) -> Story
where
    F: stent_executor::DurableFunction<Output = u32>,
{
    let (site, client) = audited().await;
    let stopped = site.program(LEASE);
    let execution = site.stent.dispatch(call).await.unwrap();
    site.sees(&format!("{what} began {}", stopped.id()), 1).await;
    stopped.signal("-STOP");
    let other = site.program(LEASE);
    // A stopped process is not gone (C-Q6): the lease decides.
    site.sees(&format!("{what} began {}", other.id()), 1).await;
    site.place.open(&other.id().to_string());
    assert_eq!(soon("the result", execution.result()).await.unwrap(), other.id());

    let before = written(&client, &stopped).await;
    assert!(!before.is_empty(), "the audit sees what it wrote when it had its claim");
    site.place.open(&stopped.id().to_string());
    stopped.signal("-CONT");
    site.sees(&format!("{what} ended {}", stopped.id()), 1).await;
    // Its late write, whichever it is, has been answered once it says that its claim is gone.
    let mine = format!("{} ", stopped.id());
    let is_gone = |line: &String| {
        line.starts_with(&mine) && (line.contains("the claim is gone") || line.contains("the claim was lost"))
    };
    site.until("it learns that its claim is gone", || site.place.log().iter().any(is_gone)).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(soon("the result", execution.result()).await.unwrap(), other.id(), "the other's result stands");
    Story { stopped, other, before, client, site }
}

impl Story {
    /// Nothing was written by the one that was stopped, and both are at work.
    async fn holds(&self) {
        let log = self.site.place.log();
        log.iter().for_each(|line| println!("{line}"));
        assert_eq!(written(&self.client, &self.stopped).await, self.before, "it wrote after it had lost its claim");
        let query = "SELECT count(*) FROM tasks WHERE state <> 'completed'";
        assert_eq!(self.client.query_one(query, &[]).await.unwrap().get::<_, i64>(0), 0);
        // Whoever comes first: the stopped one claims again.
        for _ in 0..20 {
            let execution = self.site.stent.dispatch(stent_scenarios::serve::functions::nothing(7)).await.unwrap();
            assert_eq!(soon("more work", execution.result()).await.unwrap(), 7);
        }
        assert_ne!(self.stopped.id(), self.other.id());
    }
}

/// C-Q2: the end of a function that was in the middle of its code is `ClaimLost`.
#[tokio::test]
async fn the_end_that_a_stopped_worker_writes_late_is_refused() {
    let story = stop_and_go_on(whole(), "whole").await;
    let lost = story.site.place.log();
    let mine = format!("{} ", story.stopped.id());
    let refused =
        |line: &&String| line.starts_with(&mine) && line.contains("the claim was lost before its end was written");
    assert_eq!(lost.iter().filter(refused).count(), 1, "{lost:?}");
    story.holds().await;
}

/// C-Q2, C-R1: so is the outcome of a step; and the step before it, which was recorded, is not repeated by who takes the task.
#[tokio::test]
async fn the_step_that_a_stopped_worker_ends_late_is_not_recorded() {
    let story = stop_and_go_on(halves(), "second").await;
    story.holds().await;
    let effects = story.site.place.effects();
    assert_eq!(effects.iter().filter(|seen| *seen == "first began").count(), 1, "{effects:?}");
    let query = "SELECT count(*), count(DISTINCT token) FROM journal WHERE kind = 'outcome'";
    let row = story.client.query_one(query, &[]).await.unwrap();
    assert_eq!(
        (row.get::<_, i64>(0), row.get::<_, i64>(1)),
        (2, 2),
        "an outcome a step, the second by the other's claim"
    );
}
