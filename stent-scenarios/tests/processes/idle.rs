//! What idle processes ask of their server (R6).

use std::collections::BTreeMap;
use std::time::Duration;

use stent_scenarios::serve::functions::nothing;

use crate::cluster::Cluster;
use crate::site::{Site, is_long};

/// The server writes down all that it is asked: by whom, on which connection, and what.
const SETTINGS: &str = "-c log_statement=all -c log_min_messages=log -c log_line_prefix=%a~%p~";

/// R6: an idle process, with all that it does by default, asks its server at most once a second. A transaction is one question.
#[tokio::test]
async fn an_idle_process_asks_its_server_at_most_once_a_second() {
    let cluster = Cluster::start(SETTINGS).await;
    let site = Site::on_cluster(&cluster).await;
    let programs = site.programs(2, "10s");
    let execution = site.stent.dispatch(nothing(1)).await.unwrap();
    assert_eq!(execution.result().await.unwrap(), 1);
    // Retention begins within a minute of the start, once an hour, and is none of this; what follows a start is over.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let seconds = if is_long() { 120 } else { 30 };
    let before = asked(&cluster);
    tokio::time::sleep(Duration::from_secs(seconds)).await;
    let after = asked(&cluster);
    for program in &programs {
        let name = program.application();
        let [questions, statements] = [0, 1].map(|which| {
            let of = |asked: &Asked| asked.get(&name).map_or(0, |counts| counts[which]);
            of(&after) - of(&before)
        });
        println!("{name}: {questions} questions of {statements} statements in {seconds} s");
        assert!(questions > 0, "the count sees what it asks");
        assert!(questions <= seconds, "{questions} questions in {seconds} s");
    }
}

/// By application: questions, and statements in them, frames of transactions aside.
type Asked = BTreeMap<String, [u64; 2]>;

/// What was asked so far.
fn asked(cluster: &Cluster) -> Asked {
    let (mut asked, mut within) = (Asked::new(), BTreeMap::new());
    for line in cluster.log().lines() {
        let mut parts = line.splitn(3, '~');
        let (Some(who), Some(connection), Some(said)) = (parts.next(), parts.next(), parts.next()) else { continue };
        let executed =
            |said: &str| said.strip_prefix("LOG:  execute ").and_then(|said| Some(said.split_once(": ")?.1.to_owned()));
        let Some(statement) = said.strip_prefix("LOG:  statement: ").map(str::to_owned).or_else(|| executed(said))
        else {
            continue;
        };
        // The connection for hints has a name that begins with the process's.
        let counts = asked.entry(who.split(' ').next().unwrap_or_default().to_owned()).or_default();
        let is_within = within.entry(connection.to_owned()).or_insert(false);
        let begins = ["BEGIN", "START TRANSACTION"].iter().any(|frame| statement.starts_with(frame));
        let ends = ["COMMIT", "ROLLBACK"].iter().any(|frame| statement.starts_with(frame));
        counts[0] += u64::from(begins || !(*is_within || ends));
        counts[1] += u64::from(!begins && !ends);
        *is_within = begins || (*is_within && !ends);
    }
    asked
}
