//! Races: several processes on one store at once.

use std::collections::HashSet;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use stent_core::backend::{DeadLetterFilter, TaskFilter};
use stent_core::claim::Renewal;
use stent_core::commit::{Cancelled, Commit, Dispatched, TurnCommit};
use stent_core::execution::ExecutionState;
use stent_core::task::TaskState;
use stent_core::{Backend, ExecutionId, TaskId};

use super::acts::Acts;
use super::builders::{
    ExecutionWith, RequestWith, TaskWith, TurnWith, at, call, child, completed, execution, executions, failed,
    has_limited, ids_of, items, map, request, secs, turn, worker,
};
use super::store::{Checked, Fixture, Trouble};

/// Runs one story a process, all at once, and answers in their order.
async fn processes<T, F>(
    s: &Fixture,
    count: usize,
    story: impl Fn(Arc<dyn Backend>, usize) -> F,
) -> Result<Vec<T>, Trouble>
where
    T: Send + 'static,
    F: Future<Output = Result<T, Trouble>> + Send + 'static,
{
    let mut running = Vec::new();
    for index in 0..count {
        let backend = if index == 0 { s.handle() } else { s.another().await? };
        running.push((backend, index));
    }
    let running: Vec<_> = running.into_iter().map(|(backend, index)| tokio::spawn(story(backend, index))).collect();
    let mut answers = Vec::new();
    for story in running {
        answers.push(story.await.map_err(|error| Trouble::new(error.to_string()))??);
    }
    Ok(answers)
}

/// C-Q2 Four workers claim 300 tasks, each exactly once.
pub(super) async fn many_workers_claim_each_task_once(s: Fixture) -> Checked {
    s.create_all(at(0), &executions(300, "f")).await?;
    let total = Arc::new(AtomicUsize::new(0));
    let claimed = processes(&s, 4, |backend, _| {
        let total = Arc::clone(&total);
        async move {
            let mut mine: Vec<TaskId> = Vec::new();
            while total.load(Ordering::SeqCst) < 300 {
                let batch = ids_of(&backend.take(at(0), request().limit(7)).await?);
                total.fetch_add(batch.len(), Ordering::SeqCst);
                mine.extend(batch);
            }
            Ok(mine)
        }
    })
    .await?;
    let all: Vec<TaskId> = claimed.into_iter().flatten().collect();
    let distinct: HashSet<TaskId> = all.iter().copied().collect();
    assert_eq!((all.len(), distinct.len()), (300, 300), "C-Q2: no two workers hold one task");
    Ok(())
}

/// C-Q2 Expired claims are taken over once each, however many want them.
pub(super) async fn expired_claims_are_taken_over_once(s: Fixture) -> Checked {
    s.create_all(at(0), &executions(100, "f")).await?;
    assert_eq!(s.take_all(at(0)).await?.len(), 100);
    let total = Arc::new(AtomicUsize::new(0));
    let taken = processes(&s, 4, |backend, _| {
        let total = Arc::clone(&total);
        async move {
            let mut mine = Vec::new();
            while total.load(Ordering::SeqCst) < 100 {
                let batch = backend.take(at(50), request().limit(9)).await?;
                total.fetch_add(batch.len(), Ordering::SeqCst);
                mine.extend(batch);
            }
            Ok(mine)
        }
    })
    .await?;
    let all: Vec<_> = taken.into_iter().flatten().collect();
    assert_eq!(all.len(), 100);
    assert!(all.iter().all(|task| task.attempt == 2), "C-Y4: each was taken over once");
    Ok(())
}

/// C-Q3 However many claim at once, no more than the places are given.
pub(super) async fn concurrent_claims_share_the_places_exactly(s: Fixture) -> Checked {
    let made: Vec<_> = executions(40, "f").into_iter().map(|execution| execution.max_concurrent(3)).collect();
    s.create_all(at(0), &made).await?;
    let ended = Arc::new(AtomicUsize::new(0));
    let held = Arc::new(AtomicUsize::new(0));
    processes(&s, 4, |backend, _| {
        let (ended, held) = (Arc::clone(&ended), Arc::clone(&held));
        async move {
            while ended.load(Ordering::SeqCst) < 40 {
                let tasks = backend.take(at(0), request().functions([has_limited("f", 3)]).limit(2)).await?;
                let now = held.fetch_add(tasks.len(), Ordering::SeqCst) + tasks.len();
                assert!(now <= 3, "C-Q3: {now} tasks hold one of 3 places");
                for task in tasks {
                    held.fetch_sub(1, Ordering::SeqCst);
                    backend.end(at(0), completed(task.claim, "done")).await?;
                    ended.fetch_add(1, Ordering::SeqCst);
                }
            }
            Ok(())
        }
    })
    .await?;
    Ok(())
}

/// C-K3 Of many dispatches with one key one creates, and the others are told which.
pub(super) async fn concurrent_dispatches_of_one_key_create_one(s: Fixture) -> Checked {
    for round in 0..10 {
        let answers = processes(&s, 4, |backend, _| async move {
            let mine = execution("f").dedup(&format!("key-{round}"));
            let answer = backend.dispatch(at(0), std::slice::from_ref(&mine)).await?;
            Ok((mine.id, answer))
        })
        .await?;
        let created: Vec<ExecutionId> =
            answers.iter().filter(|(_, answer)| *answer == [Dispatched::Created]).map(|(id, _)| *id).collect();
        assert_eq!(created.len(), 1, "C-K3: one execution bears the key: {answers:?}");
        for (id, answer) in answers {
            assert!(
                id == created[0] || answer == [Dispatched::Existing(created[0])],
                "C-K3: the others are told which"
            );
        }
    }
    Ok(())
}

/// C-Q2 One dispatch that is repeated by several processes makes one execution.
pub(super) async fn concurrent_dispatches_of_one_id_create_one(s: Fixture) -> Checked {
    let batch = executions(50, "f");
    let answers = processes(&s, 4, |backend, _| {
        let batch = batch.clone();
        async move { Ok(backend.dispatch(at(0), &batch).await?) }
    })
    .await?;
    assert!(answers.into_iter().flatten().all(|answer| answer == Dispatched::Created));
    assert_eq!(s.take_all(at(0)).await?.len(), 50);
    Ok(())
}

/// C-X1 C-X3 When a cancel meets a completion, both answers agree with the final state.
pub(super) async fn a_cancel_and_a_completion_agree(s: Fixture) -> Checked {
    for _ in 0..25 {
        let task = s.start(at(0), execution("f")).await?;
        let (other, claim, id) = (s.another().await?, task.claim, task.execution);
        let canceller = tokio::spawn(async move { other.cancel(at(1), id).await });
        let ended = s.finish(at(1), completed(claim, "done")).await?;
        let cancelled = canceller.await.map_err(|error| Trouble::new(error.to_string()))??;
        let told = (ended, cancelled, s.shown(id).await?);
        let legal = [
            (Commit::Applied, Cancelled::AlreadyFinal(ExecutionState::Completed), ExecutionState::Completed),
            (Commit::ClaimLost, Cancelled::Done, ExecutionState::Cancelled),
        ];
        assert!(legal.contains(&told), "C-X1: the answers disagree: {told:?}");
    }
    Ok(())
}

/// C-X1 When a cancel meets a claim, the task is cancelled and its holder, if any, learns so.
pub(super) async fn a_cancel_and_a_claim_agree(s: Fixture) -> Checked {
    for _ in 0..25 {
        let id = s.create(at(0), execution("f")).await?;
        let other = s.another().await?;
        let claimer = tokio::spawn(async move { other.take_all(at(1)).await });
        assert_eq!(s.cancel(at(1), id).await?, Cancelled::Done);
        let claimed = claimer.await.map_err(|error| Trouble::new(error.to_string()))??;
        assert_eq!(s.shown(id).await?, ExecutionState::Cancelled, "C-X1: cancel is final");
        for task in claimed {
            assert_eq!(s.finish(at(2), completed(task.claim, "late")).await?, Commit::ClaimLost);
        }
    }
    Ok(())
}

/// C-X1 Many cancels of one execution are all done.
pub(super) async fn concurrent_cancels_are_all_done(s: Fixture) -> Checked {
    let id = s.create(at(0), execution("f")).await?;
    let answers = processes(&s, 4, |backend, _| async move { Ok(backend.cancel(at(1), id).await?) }).await?;
    assert_eq!(answers, [Cancelled::Done; 4]);
    Ok(())
}

/// C-T3 Several sweeps end each execution once and name it once.
pub(super) async fn concurrent_sweeps_end_each_execution_once(s: Fixture) -> Checked {
    let made: Vec<_> = executions(40, "f").into_iter().map(|execution| execution.max_duration(secs(1))).collect();
    s.create_all(at(0), &made).await?;
    let named = Arc::new(AtomicUsize::new(0));
    let ended = processes(&s, 3, |backend, _| {
        let named = Arc::clone(&named);
        async move {
            let mut mine = Vec::new();
            while named.load(Ordering::SeqCst) < 40 {
                let batch = backend.expire(at(5), 4).await?;
                named.fetch_add(batch.len(), Ordering::SeqCst);
                mine.extend(batch);
            }
            Ok(mine)
        }
    })
    .await?;
    let all: Vec<ExecutionId> = ended.into_iter().flatten().collect();
    let distinct: HashSet<ExecutionId> = all.iter().copied().collect();
    assert_eq!((all.len(), distinct.len()), (40, 40), "C-T3: the answer names what this call ended");
    Ok(())
}

/// C-Q2 When a renewal meets a takeover, one of them has the task.
pub(super) async fn a_renewal_and_a_takeover_agree(s: Fixture) -> Checked {
    for _ in 0..25 {
        let task = s.start(at(0), execution("f")).await?;
        let (other, claim) = (s.another().await?, task.claim);
        let taker = tokio::spawn(async move { other.take_all(at(10)).await });
        let renewed = s.renew(at(10), &worker(request().worker), &[claim]).await?;
        let taken = taker.await.map_err(|error| Trouble::new(error.to_string()))??;
        match taken.len() {
            0 => assert_eq!(renewed, [Renewal::Renewed], "C-Q2: nobody took it"),
            _ => assert_eq!(renewed, [Renewal::Lost], "C-Q2: another has it"),
        }
        let _ = s.cancel(at(11), task.execution).await?;
    }
    Ok(())
}

/// C-Q2 C-Y5 An end that several send acts once, and all are told that it is applied.
pub(super) async fn a_repeated_end_acts_once_whoever_sends_it(s: Fixture) -> Checked {
    let task = s.start(at(0), execution("f")).await?;
    let claim = task.claim;
    let answers =
        processes(&s, 4, |backend, _| async move { backend.finish(at(1), failed(claim, "Timeout")).await }).await?;
    assert_eq!(answers, [Commit::Applied; 4]);
    assert_eq!(s.count_dead_letters(&DeadLetterFilter::default()).await?, 1);
    Ok(())
}

/// C-Q2 What one process has written every other reads at once.
pub(super) async fn a_write_is_seen_by_every_process_at_once(s: Fixture) -> Checked {
    let other = s.another().await?;
    for round in 0..20 {
        let (writer, reader): (&dyn Backend, &dyn Backend) =
            if round % 2 == 0 { (&*s, &*other) } else { (&*other, &*s) };
        let id = writer.create(at(0), execution("f")).await?;
        assert_eq!(reader.shown(id).await?, ExecutionState::Pending);
        let task = reader.take_one(at(0)).await?;
        assert_eq!(writer.shown(id).await?, ExecutionState::Running);
        writer.end(at(1), completed(task.claim, "done")).await?;
        assert_eq!(reader.shown(id).await?, ExecutionState::Completed);
    }
    Ok(())
}

/// C-X1 When a cancel meets a turn that makes children, nothing of the execution is open afterwards.
pub(super) async fn a_cancel_leaves_nothing_open_that_a_turn_makes_meanwhile(s: Fixture) -> Checked {
    for _ in 0..15 {
        let root = s.start(at(0), execution("parent")).await?;
        let (other, claim) = (s.another().await?, root.claim);
        let write = turn(claim).children(items(claim.task, &map(0, "item"), 0..50));
        let writer = tokio::spawn(async move { other.write_one(at(1), write).await });
        assert_eq!(s.cancel(at(1), root.execution).await?, Cancelled::Done);
        let written = writer.await.map_err(|error| Trouble::new(error.to_string()))??;
        let made = if written == TurnCommit::ClaimLost { 0 } else { 50 };
        let of_it = |states| TaskFilter { execution: Some(root.execution), states, ..TaskFilter::default() };
        assert_eq!(s.count_tasks(&of_it(Vec::new())).await?, made + 1, "a turn is written whole or not at all");
        assert_eq!(s.count_tasks(&of_it(vec![TaskState::Cancelled])).await?, made + 1, "C-X1: a task is left open");
    }
    Ok(())
}

/// C-Y6 When a task ends while one below it makes children, nothing below is open afterwards.
pub(super) async fn an_end_leaves_nothing_open_that_is_made_below_meanwhile(s: Fixture) -> Checked {
    for _ in 0..15 {
        let root = s.start(at(0), execution("parent")).await?;
        s.note_down(at(0), turn(root.claim).child(child(root.claim.task, call(0, "f")))).await?;
        let below = s.take_one(at(0)).await?;
        let (other, claim) = (s.another().await?, below.claim);
        let write = turn(claim).children(items(claim.task, &map(0, "item"), 0..20));
        let writer = tokio::spawn(async move { other.write_one(at(1), write).await });
        s.end(at(1), completed(root.claim, "done")).await?;
        let written = writer.await.map_err(|error| Trouble::new(error.to_string()))??;
        let made = if written == TurnCommit::ClaimLost { 0 } else { 20 };
        let cancelled = vec![TaskState::Cancelled];
        let filter = TaskFilter { execution: Some(root.execution), states: cancelled, ..TaskFilter::default() };
        assert_eq!(s.count_tasks(&filter).await?, made + 1, "C-Y6: open tasks below an ended one");
    }
    Ok(())
}

/// C-T3 C-X3 When a deadline meets a completion, both answers agree with the final state.
pub(super) async fn a_deadline_and_a_completion_agree(s: Fixture) -> Checked {
    for _ in 0..25 {
        let task = s.start(at(0), execution("f").max_duration(secs(5))).await?;
        let (other, claim, id) = (s.another().await?, task.claim, task.execution);
        let sweeper = tokio::spawn(async move { other.expire(at(5), 10).await });
        let ended = s.finish(at(5), completed(claim, "done")).await?;
        let expired = sweeper.await.map_err(|error| Trouble::new(error.to_string()))??;
        match ended {
            Commit::Applied => assert_eq!((expired, s.shown(id).await?), (vec![], ExecutionState::Completed)),
            Commit::ClaimLost => assert_eq!((expired, s.shown(id).await?), (vec![id], ExecutionState::TimedOut)),
        }
    }
    Ok(())
}
