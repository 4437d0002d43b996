//! How long it takes from a dispatch to its result.

use std::time::{Duration, Instant};

use stent_scenarios::serve::functions::nothing;

use crate::site::{Site, is_long};

/// Generous: on a busy machine a commit may take long. Without hints half of the polls would take longer than 2.5 s.
const BOUND: Duration = Duration::from_secs(1);

/// C-Q5: with an idle worker in another process, dispatch to result is bounded by commits and hints, and not by polling, which is every 5 s here.
#[tokio::test(flavor = "multi_thread")]
async fn from_dispatch_to_result_no_poll_is_waited_for() {
    let site = Site::new().await;
    let _program = site.program("10s");
    let mut times = Vec::new();
    for number in 0..if is_long() { 1_000 } else { 50 } {
        let begun = Instant::now();
        let execution = site.stent.dispatch(nothing(number)).await.unwrap();
        assert_eq!(execution.result().await.unwrap(), number);
        times.push(begun.elapsed());
        // The worker is idle again, and its pauses after a look in vain are over.
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    times.sort();
    let at = |share: usize| times[times.len() * share / 100];
    println!("dispatch to result: median {:?}, 90 % {:?}, 99 % {:?}", at(50), at(90), at(99));
    assert!(at(50) < BOUND, "the median is {:?}", at(50));
}
