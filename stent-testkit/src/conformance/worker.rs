//! The registry of workers, and claims of those whose process is gone.

use std::sync::Arc;

use stent_core::WorkerId;
use stent_core::claim::Renewal;
use stent_core::task::TaskState;
use stent_core::worker::{WorkerRecord, WorkerState};

use super::acts::Acts;
use super::builders::{
    RequestWith, TurnWith, at, execution, executions, has, has_limited, has_version, ids_of, queue, request, secs,
    sleeping, tag, turn, worker,
};
use super::store::{Checked, Fixture};

/// C-X2 C-Q6 A renewal announces its worker, also with no claims; what it says is what is shown, seen at `now`.
pub(super) async fn a_worker_is_shown_as_it_announces_itself(s: Fixture) -> Checked {
    assert!(s.workers().await?.is_empty());
    let record = WorkerRecord {
        functions: Arc::from([has("f"), has_version("g", "2"), has_limited("h", 3)]),
        queues: Arc::from([queue("mail"), queue("bills")]),
        tags: Arc::from([tag("gpu")]),
        concurrency: 32,
        lease: secs(7),
        ..worker(WorkerId::random())
    };
    assert!(s.renew(at(5), &record, &[]).await?.is_empty());
    assert_eq!(s.workers().await?, [WorkerRecord { seen_at: at(5), ..record }]);
    Ok(())
}

/// C-X4 Each renewal replaces what was known of its worker.
pub(super) async fn a_later_renewal_replaces_the_record(s: Fixture) -> Checked {
    let first = WorkerRecord { state: WorkerState::Starting, ..worker(WorkerId::random()) };
    s.renew(at(1), &first, &[]).await?;
    for state in [WorkerState::Ready, WorkerState::Draining, WorkerState::Stopped] {
        let next = WorkerRecord { state, concurrency: 2, functions: Arc::from([has("g")]), ..first.clone() };
        s.renew(at(2), &next, &[]).await?;
        assert_eq!(s.workers().await?, [WorkerRecord { seen_at: at(2), ..next }]);
    }
    Ok(())
}

/// C-Q6 Workers are listed by id.
pub(super) async fn workers_are_listed_by_id(s: Fixture) -> Checked {
    let mut ids: Vec<WorkerId> = (0..20).map(|_| WorkerId::random()).collect();
    for id in &ids {
        s.renew(at(0), &worker(*id), &[]).await?;
    }
    ids.sort();
    let shown: Vec<WorkerId> = s.workers().await?.iter().map(|record| record.id).collect();
    assert_eq!(shown, ids);
    Ok(())
}

/// C-Q6 A lapse lets the claims of one worker run out at `now`, all of them and no other's, and marks it stopped.
pub(super) async fn a_lapse_frees_the_claims_of_one_worker(s: Fixture) -> Checked {
    let (gone, alive) = (WorkerId::random(), WorkerId::random());
    s.create_all(at(0), &executions(3, "f")).await?;
    let of_gone = s.take(at(0), request().worker(gone).limit(2)).await?;
    let of_alive = s.take(at(0), request().worker(alive)).await?;
    for id in [gone, alive] {
        s.renew(at(0), &worker(id), &[]).await?;
    }
    assert!(s.take_all(at(1)).await?.is_empty());
    assert_eq!(s.lapse(at(1), gone).await?, 2, "the answer is how many tasks it held");
    let freed = s.take_all(at(1)).await?;
    assert_eq!(ids_of(&freed), ids_of(&of_gone), "C-Q6: its claims run out at `now`");
    assert_eq!(s.state(of_alive[0].claim.task).await?, TaskState::Running);
    for record in s.workers().await? {
        let expected = if record.id == gone { WorkerState::Stopped } else { WorkerState::Ready };
        assert_eq!(record.state, expected);
    }
    Ok(())
}

/// C-Q6 C-Y4 A claim that lapsed ran out: it was an attempt, or a lost delivery.
pub(super) async fn a_lapsed_claim_has_run_out(s: Fixture) -> Checked {
    let gone = WorkerId::random();
    let fresh = s.create(at(0), execution("f")).await?;
    let begun = s.create(at(0), execution("g")).await?;
    for task in s.take(at(0), request().worker(gone)).await? {
        if task.execution == begun {
            s.note_down(at(0), turn(task.claim).step(0, 0, "one", "1")).await?;
        }
    }
    s.lapse(at(1), gone).await?;
    s.take(at(1), request().worker(gone)).await?;
    s.lapse(at(2), gone).await?;
    for task in s.take_all(at(2)).await? {
        let told = (task.attempt, task.deliveries);
        assert_eq!(told, if task.execution == fresh { (3, 0) } else { (1, 1) });
    }
    Ok(())
}

/// C-Q6 C-Q2 A worker that was thought gone keeps what nobody has taken since.
pub(super) async fn a_lapsed_worker_that_lives_may_renew(s: Fixture) -> Checked {
    let id = WorkerId::random();
    s.create_all(at(0), &executions(2, "f")).await?;
    let held = s.take(at(0), request().worker(id)).await?;
    s.lapse(at(1), id).await?;
    s.take(at(1), request().limit(1)).await?;
    let answers = s.renew(at(2), &worker(id), &[held[0].claim, held[1].claim]).await?;
    assert_eq!(answers, [Renewal::Lost, Renewal::Renewed], "the token decides, not the clock");
    Ok(())
}

/// C-Q6 Nothing lapses of a worker that holds nothing, twice, or is unknown.
pub(super) async fn a_lapse_of_nothing_changes_nothing(s: Fixture) -> Checked {
    assert_eq!(s.lapse(at(0), WorkerId::random()).await?, 0);
    let id = WorkerId::random();
    s.create(at(0), execution("f")).await?;
    let held = s.take_with(at(0), request().worker(id)).await?;
    s.rest(at(0), sleeping(held.claim, at(50))).await?;
    assert_eq!(s.lapse(at(1), id).await?, 0, "a suspended task is held by nobody");
    assert!(s.take_all(at(2)).await?.is_empty(), "and sleeps on");
    Ok(())
}
