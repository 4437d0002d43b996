//! Fencing: a write under a claim that was lost is answered so, and writes nothing.

use stent_core::backend::{DeadLetterFilter, Page, TaskFilter};
use stent_core::claim::{Claim, ClaimedTask};
use stent_core::commit::{Commit, Reserved, Suspended, TurnCommit};
use stent_core::execution::ExecutionStatus;
use stent_core::journal::LoadedJournal;
use stent_core::memo::{Memo, MemoMode};
use stent_core::task::{End, NewChild, Resume, ResumePoint, TaskEnd, TaskRecord, Wait};
use stent_core::variable::{VariableChange, Variables};
use stent_core::{ClaimToken, Fingerprint, Payload};

use super::acts::{Acts, one};
use super::builders::{
    ExecutionWith, TaskWith, TurnWith, at, call, child, completed, execution, failed_at, fingerprint, nth_call,
    payload, released_until, request, retried, retried_at, secs, send, signal_name, signal_wait, sleeping, turn,
    variable, waiting,
};
use super::store::{Checked, Fixture, Trouble};

/// A task that has begun: one step, one open child, a value in its slot `go`.
struct Begun {
    task: ClaimedTask,
    below: NewChild,
}

async fn begin(s: &Fixture) -> Result<Begun, Trouble> {
    let memo = Memo { key: fingerprint("memo"), mode: MemoMode::Cached { ttl: None } };
    let task = s.start(at(0), execution("parent").memo(memo).max_duration(secs(500))).await?;
    let below = child(task.claim.task, call(0, "h"));
    s.note_down(at(0), turn(task.claim).step(0, 0, "first", "kept").child(below.clone())).await?;
    let _ = s.send(at(0), &send(task.execution, "go", "unread")).await?;
    Ok(Begun { task, below })
}

/// Everything of an execution that a write could change.
#[derive(Debug, PartialEq)]
struct Snapshot {
    tasks: Vec<TaskRecord>,
    journal: LoadedJournal,
    variables: Variables,
    slot_is_full: Vec<bool>,
    memo: Vec<Option<Payload>>,
    dead_letters: u64,
}

async fn snapshot(s: &Fixture, begun: &Begun) -> Result<Snapshot, Trouble> {
    let execution = begun.task.execution;
    let filter = TaskFilter { execution: Some(execution), ..TaskFilter::default() };
    let slot = stent_core::backend::Watch::Signal(execution, signal_name("go"));
    Ok(Snapshot {
        tasks: s.list_tasks(&filter, Page::first(100)).await?,
        journal: s.load(begun.task.claim.task, begun.task.generation).await?,
        variables: s.read(execution).await?,
        slot_is_full: s.news(&[slot]).await?,
        memo: s.recall(at(200), &[fingerprint("memo")]).await?,
        dead_letters: s.count_dead_letters(&DeadLetterFilter::default()).await?,
    })
}

/// Every way to end a claim.
fn every_end(claim: Claim) -> Vec<TaskEnd> {
    let point = ResumePoint { turn: Some(1), ..ResumePoint::default() };
    let output = payload("late");
    let variables = vec![VariableChange::Add(variable("count"), 1)];
    vec![
        TaskEnd { claim, end: End::Completed { output, variables, notes: vec![(1, "late".into())] } },
        failed_at(claim, "Late", Resume::At(ResumePoint::default())),
        failed_at(claim, "Late", Resume::Restart),
        retried(claim, at(300)),
        retried_at(claim, at(0), Resume::At(point)),
        released_until(claim, None, Some("late")),
        released_until(claim, Some(at(300)), None),
    ]
}

/// Tries every write of every trait under a claim that does not hold.
async fn demand_that_nothing_is_written(s: &Fixture, begun: &Begun, stale: Claim, why: &str) -> Checked {
    let before = snapshot(s, begun).await?;
    for end in every_end(stale) {
        assert_eq!(s.finish(at(200), end.clone()).await?, Commit::ClaimLost, "C-Q2: {why}: {end:?}");
    }
    let go = Wait::Signal(signal_name("go"));
    for suspension in [sleeping(stale, at(300)), waiting(stale, vec![go]), sleeping(stale, at(0))] {
        assert_eq!(s.doze(at(200), suspension).await?, Suspended::ClaimLost, "C-Q2: {why}: a suspension");
    }
    let own = execution("f");
    let turns = [
        turn(stale),
        turn(stale).step(1, 1, "second", "late"),
        turn(stale).child(child(stale.task, nth_call(1, "f", 7))),
        turn(stale).dispatch(own.clone()),
        turn(stale).cancel(1, begun.below.id),
        turn(stale).note(1, 1, "late").change(VariableChange::Add(variable("count"), 1)),
        turn(stale).note(1, 1, "late").take(2, 1, signal_wait(0, "go")),
    ];
    for write in turns {
        assert_eq!(s.write_one(at(200), write.clone()).await?, TurnCommit::ClaimLost, "C-Q2: {why}: {write:?}");
    }
    let key: Fingerprint = fingerprint("reserved");
    assert_eq!(s.reserve(at(200), stale, key).await?, Reserved::ClaimLost, "C-Q2: {why}: a reservation");

    assert_eq!(s.status(own.id).await?, ExecutionStatus::Unknown, "C-Q2: {why}: a lost claim dispatched");
    assert_eq!(snapshot(s, begun).await?, before, "C-Q2: {why}: a lost claim has written");
    Ok(())
}

/// C-Q2 Once another has taken the task over, nothing of the first holder is written, and the second goes on unharmed.
pub(super) async fn a_claim_that_was_taken_over_writes_nothing(s: Fixture) -> Checked {
    let begun = begin(&s).await?;
    let second = s.take(at(100), request()).await?;
    let second = second.iter().find(|task| task.claim.task == begun.task.claim.task);
    let second = second.ok_or_else(|| Trouble::new("C-Q2: an expired claim is free"))?.claim;
    demand_that_nothing_is_written(&s, &begun, begun.task.claim, "another has claimed the task").await?;
    s.note_down(at(201), turn(second).step(1, 1, "second", "fine")).await?;
    s.end(at(201), completed(second, "done")).await?;
    Ok(())
}

/// C-X1 No write under the claims of a cancelled execution is applied.
pub(super) async fn a_claim_of_a_cancelled_task_writes_nothing(s: Fixture) -> Checked {
    let begun = begin(&s).await?;
    let _ = s.cancel(at(1), begun.task.execution).await?;
    demand_that_nothing_is_written(&s, &begun, begun.task.claim, "the execution was cancelled").await
}

/// C-T3 No write under the claims of a timed-out execution is applied.
pub(super) async fn a_claim_of_a_timed_out_task_writes_nothing(s: Fixture) -> Checked {
    let begun = begin(&s).await?;
    s.expire(at(500), 10).await?;
    demand_that_nothing_is_written(&s, &begun, begun.task.claim, "the deadline has passed").await
}

/// C-Q2 A token that never claimed the task is no claim, whatever the task's state.
pub(super) async fn an_invented_token_writes_nothing(s: Fixture) -> Checked {
    let begun = begin(&s).await?;
    let invented = Claim { token: ClaimToken::random(), ..begun.task.claim };
    demand_that_nothing_is_written(&s, &begun, invented, "the token is nobody's").await?;
    s.rest(at(201), sleeping(begun.task.claim, at(400))).await?;
    demand_that_nothing_is_written(&s, &begun, invented, "the token is nobody's, the task suspended").await
}

/// C-X3 Terminal is final: an ended task takes no write of one who held it before.
pub(super) async fn an_earlier_claim_of_an_ended_task_writes_nothing(s: Fixture) -> Checked {
    let begun = begin(&s).await?;
    let taken = s.take(at(100), request()).await?;
    let second = taken.iter().find(|task| task.claim.task == begun.task.claim.task);
    let second = second.ok_or_else(|| Trouble::new("C-Q2: an expired claim is free"))?.claim;
    s.end(at(101), completed(second, "done")).await?;
    demand_that_nothing_is_written(&s, &begun, begun.task.claim, "the task has ended under another claim").await
}

/// C-Q2 A claim that was given up by a retry, a release or a suspension takes no turn afterwards.
pub(super) async fn a_claim_that_was_given_up_takes_no_turn(s: Fixture) -> Checked {
    for given_up_by in 0..4 {
        let task = s.start(at(0), execution("f")).await?;
        let claim = task.claim;
        match given_up_by {
            0 => s.end(at(1), retried(claim, at(1))).await?,
            1 => s.end(at(1), released_until(claim, None, None)).await?,
            2 => s.rest(at(1), sleeping(claim, at(500))).await?,
            _ => s.end(at(1), completed(claim, "done")).await?,
        }
        let write = turn(claim).step(0, 0, "late", "late");
        assert_eq!(s.write_one(at(2), write).await?, TurnCommit::ClaimLost, "C-Q2: given up by way {given_up_by}");
        assert!(s.journal(claim.task).await?.entries.is_empty());
        assert_eq!(s.reserve(at(2), claim, fingerprint("key")).await?, Reserved::ClaimLost);
        let _ = s.cancel(at(3), task.execution).await?;
    }
    Ok(())
}

/// C-X3 One who ended its task cannot end it otherwise: the first outcome stands.
pub(super) async fn an_ended_claim_cannot_end_otherwise(s: Fixture) -> Checked {
    let task = s.start(at(0), execution("f")).await?;
    s.end(at(1), completed(task.claim, "first")).await?;
    let outcome = s.outcome(task.claim.task).await?;
    let _ = s.finish(at(2), failed_at(task.claim, "Late", Resume::Restart)).await?;
    let _ = s.finish(at(2), completed(task.claim, "second")).await?;
    let _ = s.finish(at(2), released_until(task.claim, None, None)).await?;
    assert_eq!(s.outcome(task.claim.task).await?, outcome, "C-X3: terminal is final");
    assert!(s.take_all(at(100)).await?.is_empty());
    assert_eq!(s.count_dead_letters(&DeadLetterFilter::default()).await?, 0);
    Ok(())
}

/// C-Q2 A lost claim in a batch loses its own item and no other.
pub(super) async fn a_lost_claim_in_a_batch_harms_no_other(s: Fixture) -> Checked {
    let lost = s.start(at(0), execution("f")).await?.claim;
    let held = s.start(at(0), execution("g")).await?.claim;
    let _ = s.cancel(at(1), lost.task.as_execution()).await?;
    let writes = [turn(lost).step(0, 0, "late", ""), turn(held).step(0, 0, "fine", "")];
    let answers = s.write(at(2), &writes).await?;
    assert_eq!(answers, [TurnCommit::ClaimLost, TurnCommit::Applied { taken: None }]);
    let third = s.start(at(2), execution("h")).await?.claim;
    let answers = s.suspend(at(2), &[sleeping(lost, at(90)), sleeping(third, at(90))]).await?;
    assert_eq!(answers, [Suspended::ClaimLost, Suspended::Yes]);
    let answers = s.complete(at(3), &[completed(lost, "late"), completed(held, "fine")]).await?;
    assert_eq!(answers, [Commit::ClaimLost, Commit::Applied]);
    Ok(())
}

/// C-Q2 The token decides, not the clock: a holder that is late but not superseded may still write and complete.
pub(super) async fn a_late_holder_that_was_not_superseded_may_still_complete(s: Fixture) -> Checked {
    let task = s.start(at(0), execution("f").input("late")).await?;
    let write = turn(task.claim).step(0, 0, "one", "1");
    assert_eq!(s.write_one(at(1_000), write).await?, TurnCommit::Applied { taken: None });
    assert_eq!(s.reserve(at(1_000), task.claim, fingerprint("key")).await?, Reserved::Yours);
    assert_eq!(one(s.complete(at(1_001), &[completed(task.claim, "done")]).await?)?, Commit::Applied);
    Ok(())
}

/// C-Q2 A write for an unknown task is a lost claim, not trouble.
pub(super) async fn a_claim_of_an_unknown_task_is_lost(s: Fixture) -> Checked {
    let claim = Claim { task: execution("f").id.root(), token: ClaimToken::random() };
    assert_eq!(s.finish(at(0), completed(claim, "what")).await?, Commit::ClaimLost);
    assert_eq!(s.write_one(at(0), turn(claim).step(0, 0, "what", "")).await?, TurnCommit::ClaimLost);
    assert_eq!(s.doze(at(0), sleeping(claim, at(9))).await?, Suspended::ClaimLost);
    assert_eq!(s.reserve(at(0), claim, fingerprint("key")).await?, Reserved::ClaimLost);
    Ok(())
}
