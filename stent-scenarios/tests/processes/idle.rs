//! What idle processes ask of their server (R6).

use std::collections::BTreeMap;
use std::time::Duration;

use stent_scenarios::serve::functions::nothing;

use crate::cluster::Cluster;
use crate::site::{Site, is_long};

/// The server writes down all that it is asked: by whom, on which connection, and what.
const SETTINGS: &str = "-c log_statement=all -c log_min_messages=log -c log_line_prefix=%a~%p~";

/// R6: an idle process, with all that it does by default, makes at most one query a second.
#[tokio::test]
async fn an_idle_process_makes_at_most_one_query_a_second() {
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
        let queries = [&after, &before].map(|asked| asked.get(&name).copied().unwrap_or(0));
        let queries = queries[0] - queries[1];
        println!("{name}: {queries} queries in {seconds} s");
        assert!(queries > 0, "the count sees what it asks");
        assert!(queries <= seconds, "{queries} queries in {seconds} s");
    }
}

/// Queries so far, by application; what begins and ends transactions counts, too.
fn asked(cluster: &Cluster) -> BTreeMap<String, u64> {
    let mut asked = BTreeMap::new();
    for line in cluster.log().lines() {
        let mut parts = line.splitn(3, '~');
        let (Some(who), Some(_), Some(said)) = (parts.next(), parts.next(), parts.next()) else { continue };
        if said.starts_with("LOG:  statement: ") || said.starts_with("LOG:  execute ") {
            // The connection for hints has a name that begins with the process's.
            *asked.entry(who.split(' ').next().unwrap_or_default().to_owned()).or_insert(0) += 1;
        }
    }
    asked
}
