//! Completion: claims end, once, with all their effects or none.

use stent_core::backend::Page;
use stent_core::claim::{Claim, Renewal};
use stent_core::commit::{Cancelled, Commit};
use stent_core::dead_letter::DeadLetter;
use stent_core::execution::{ExecutionState, ExecutionStatus};
use stent_core::journal::EntryBody;
use stent_core::outcome::{Ended, Outcome};
use stent_core::task::{End, Resume, TaskEnd, TaskState};
use stent_core::variable::VariableChange;
use stent_core::{RetryPolicy, WorkerId};

use super::acts::Acts;
use super::builders::{
    TICK, TaskWith, TurnWith, at, call, completed, execution, failed, failure, function, passed_on, payload, queue,
    released, released_until, retried, secs, sleeping, turn, variable, worker,
};
use super::scenes::{Loss, Scenes, at_once, told};
use super::store::{Checked, Fixture, Trouble};

/// One of each end of a claim, with the state that it leads to at `at(1)`.
fn every_end(claim: Claim) -> [(TaskEnd, TaskState); 8] {
    let passed = TaskEnd {
        claim,
        end: End::Failed { failure: failure("Passed"), dead_letter: false, resume: Resume::Refused("handled".into()) },
    };
    [
        (completed(claim, "out"), TaskState::Completed),
        (failed(claim, "Boom"), TaskState::Failed),
        (passed, TaskState::Failed),
        (retried(claim, at(1)), TaskState::Pending),
        (retried(claim, at(1).after(TICK)), TaskState::Scheduled),
        (released(claim), TaskState::Pending),
        (released_until(claim, Some(at(1)), None), TaskState::Pending),
        (released_until(claim, Some(at(9)), Some("draining")), TaskState::Scheduled),
    ]
}

/// C-Q2 Every end of a claim that holds is applied, and a repeat of it is too, by whatever process.
pub(super) async fn every_end_is_applied_and_may_be_repeated(s: Fixture) -> Checked {
    let other = s.another().await?;
    for round in 0..8 {
        let task = s.start(at(0), execution("f").priority(round)).await?.claim;
        let (end, state) = every_end(task)[usize::try_from(round).unwrap_or(0)].clone();
        assert_eq!(s.finish(at(1), end.clone()).await?, Commit::Applied, "C-Q2: {end:?}");
        let (journal, record) = (s.journal(task.task).await?, s.look(task.task).await?);
        assert_eq!((record.state, record.worker), (state, None), "{end:?}");
        assert_eq!(other.finish(at(2), end.clone()).await?, Commit::Applied, "C-Q2: the repeat of {end:?}");
        assert_eq!(s.finish(at(3), end.clone()).await?, Commit::Applied);
        assert_eq!(s.look(task.task).await?, record, "C-Q2: it acts once: {end:?}");
        assert_eq!(s.journal(task.task).await?, journal);
    }
    Ok(())
}

/// C-Q2 No end of a claim that was lost is applied, however it was lost.
pub(super) async fn no_end_of_a_lost_claim_is_applied(s: Fixture) -> Checked {
    for (round, loss) in (0..).zip(Loss::ALL) {
        let now = at(round * 1_000);
        let task = s.lost(now, loss).await?;
        let record = s.look(task.claim.task).await?;
        for (end, _) in every_end(task.claim) {
            let answer = s.finish(now.after(secs(1)), end.clone()).await?;
            assert_eq!(answer, Commit::ClaimLost, "C-Q2: {loss:?}, {end:?}");
        }
        assert_eq!(s.look(task.claim.task).await?, record, "C-Q2: nothing is written ({loss:?})");
        assert_eq!(s.dead_letter(task.claim.task).await?, None, "{loss:?}");
    }
    Ok(())
}

/// C-X3 An end of another kind under the claim that ended a task changes nothing.
pub(super) async fn a_task_that_has_ended_is_not_ended_otherwise(s: Fixture) -> Checked {
    let task = s.start(at(0), execution("f")).await?.claim;
    s.end(at(1), completed(task, "out")).await?;
    let record = s.look(task.task).await?;
    for (end, _) in every_end(task) {
        let _ = s.finish(at(2), end).await?;
    }
    assert_eq!(s.look(task.task).await?, record, "C-X3: final is final");
    assert_eq!(s.outcome(task.task).await?, Outcome::Completed(payload("out")));
    assert_eq!(s.dead_letter(task.task).await?, None);
    Ok(())
}

/// C-Q2 A claim that ran out may still end its task if nobody has taken it since: the token decides, not the clock.
pub(super) async fn a_late_claim_that_nobody_took_ends_its_task(s: Fixture) -> Checked {
    let task = s.start(at(0), execution("f")).await?.claim;
    s.end(at(1_000), completed(task, "late")).await?;
    assert_eq!(s.state(task.task).await?, TaskState::Completed);
    Ok(())
}

/// C-X3 An execution ends with its root, at that time and with its outcome, for every process and after a crash.
pub(super) async fn an_execution_ends_with_its_root(mut s: Fixture) -> Checked {
    let [good, bad] = [s.start(at(0), execution("f")).await?, s.start(at(0), execution("g")).await?];
    s.end(at(1), completed(good.claim, "out")).await?;
    s.end(at(2), failed(bad.claim, "Boom")).await?;
    s.reopen().await?;
    let ended = [
        Ended { outcome: Outcome::Completed(payload("out")), at: at(1) },
        Ended { outcome: Outcome::Failed(failure("Boom")), at: at(2) },
    ];
    let tasks = s.tasks(&[good.claim.task, bad.claim.task]).await?;
    assert_eq!(tasks, ended.clone().map(Some));
    let statuses = s.executions(&[good.execution, bad.execution]).await?;
    assert_eq!(statuses, ended.map(ExecutionStatus::Ended));
    assert_eq!(s.shown(bad.execution).await?, ExecutionState::Failed);
    assert!(s.take_all(at(1_000)).await?.is_empty(), "C-X3: nothing of it is claimed again");
    Ok(())
}

/// C-Q2 A batch of ends is answered end by end, and a lost claim takes none of the others with it.
pub(super) async fn ends_are_answered_in_order_each_for_itself(s: Fixture) -> Checked {
    let superseded = s.lost(at(0), Loss::Superseded).await?.claim;
    let one = s.start(at(20), execution("f").priority(9)).await?.claim;
    let cancelled = s.lost(at(30), Loss::Cancelled).await?.claim;
    let other = s.start(at(40), execution("g").priority(99)).await?.claim;
    let ends = [completed(superseded, "x"), failed(one, "Boom"), completed(cancelled, "x"), completed(other, "out")];
    let answers = s.complete(at(41), &ends).await?;
    assert_eq!(answers, [Commit::ClaimLost, Commit::Applied, Commit::ClaimLost, Commit::Applied], "C-Q2");
    let states = s.states(&[one.task, cancelled.task, other.task]).await?;
    assert_eq!(states, [TaskState::Failed, TaskState::Cancelled, TaskState::Completed]);
    assert_eq!(s.complete(at(42), &ends).await?, answers, "C-Q2: a repeat is answered as the first was");
    assert_eq!(s.complete(at(42), &[]).await?, []);
    Ok(())
}

/// C-Q2 A child and its parent may end in one batch.
pub(super) async fn a_child_and_its_parent_end_in_one_batch(s: Fixture) -> Checked {
    let family = s.family(at(0), &["g"]).await?;
    let child = s.take_of(at(1), "g").await?.claim;
    let answers = s.complete(at(2), &[completed(child, "child"), completed(family.parent, "parent")]).await?;
    assert_eq!(answers, [Commit::Applied; 2]);
    assert_eq!(s.states(&[child.task, family.parent.task]).await?, [TaskState::Completed; 2]);
    Ok(())
}

/// C-Q2 One claim ended in two ways by two processes at once ends in one of them, with the effects of that one.
pub(super) async fn a_claim_ended_twice_at_once_ends_once(s: Fixture) -> Checked {
    let (one, other) = (s.handle(), s.another().await?);
    for round in 0..25 {
        let task = s.start(at(0), execution("f").priority(round)).await?;
        let (a, b, claim) = (one.clone(), other.clone(), task.claim);
        let mut end = completed(claim, "out");
        if let End::Completed { variables, .. } = &mut end.end {
            variables.push(VariableChange::Add(variable("n"), 1));
        }
        let _ =
            at_once(
                async move { a.finish(at(1), end).await },
                async move { b.finish(at(1), failed(claim, "Boom")).await },
            )
            .await?;
        let (state, changed) = (s.state(claim.task).await?, s.read(task.execution).await?.counters.len());
        let letters = usize::from(s.dead_letter(claim.task).await?.is_some());
        match state {
            TaskState::Completed => assert_eq!((changed, letters), (1, 0)),
            TaskState::Failed => assert_eq!((changed, letters), (0, 1)),
            other => panic!("C-Q2: an ended task is {other}"),
        }
    }
    Ok(())
}

/// C-V1 C-V2 A completion applies its last changes of variables and appends its notes to the journal, once.
pub(super) async fn a_completion_bears_its_last_changes_and_notes(s: Fixture) -> Checked {
    let task = s.start(at(0), execution("f")).await?;
    s.note_down(at(1), turn(task.claim).note(0, 0, "begun").change(VariableChange::Add(variable("n"), 1))).await?;
    let variables = vec![
        VariableChange::InitCounter(variable("n"), 100),
        VariableChange::Add(variable("n"), 2),
        VariableChange::Set(variable("v"), payload("a")),
        VariableChange::InitValue(variable("v"), payload("b")),
    ];
    let notes = vec![(3, "nearly".to_owned()), (4, "done".to_owned())];
    let end = TaskEnd { claim: task.claim, end: End::Completed { output: payload("out"), variables, notes } };
    for now in [at(2), at(3)] {
        assert_eq!(s.finish(now, end.clone()).await?, Commit::Applied);
        let read = s.read(task.execution).await?;
        assert_eq!(read.counters[&variable("n")], 3, "C-V1: in order, once, and Init never overwrites");
        assert_eq!(read.values[&variable("v")], payload("a"), "C-V1: Init never overwrites");
        let journal = s.journal(task.claim.task).await?;
        let note = |text: &str| EntryBody::Note(text.into());
        assert_eq!(told(&journal), [(0, note("begun")), (3, note("nearly")), (4, note("done"))], "C-V2");
        let places: Vec<_> = journal.entries.iter().map(|entry| (entry.seq, entry.at)).collect();
        assert_eq!(places, [(0, at(0)), (1, at(2)), (2, at(2))], "C-V2: after what is there, and now");
    }
    Ok(())
}

/// C-Y6 The end of a task, well or ill, cancels its open children with all below them; what had ended stays.
pub(super) async fn an_end_cancels_what_is_open_below(s: Fixture) -> Checked {
    for (round, ill) in (0..).zip([false, true]) {
        let now = at(round * 100);
        let family = s.family(now, &["g", "h"]).await?;
        let middle = s.take_of(now, "g").await?.claim;
        let below = s.call_all(now, middle, &[call(0, "f"), call(0, "item")]).await?;
        let running = s.take_of(now, "f").await?.claim;
        s.rest(now, sleeping(middle, now.after(secs(50)))).await?;
        let done = s.take_of(now, "h").await?.claim;
        s.end(now, failed(done, "Boom")).await?;
        let end = if ill { failed(family.parent, "Worse") } else { completed(family.parent, "out") };
        s.end(now.after(secs(1)), end).await?;
        assert_eq!(s.states(&family.children).await?, [TaskState::Cancelled, TaskState::Failed], "C-Y6");
        assert_eq!(s.states(&below).await?, [TaskState::Cancelled; 2], "C-Y6: all that is below");
        let ended = Ended { outcome: Outcome::Cancelled, at: now.after(secs(1)) };
        assert_eq!(s.ended(running.task).await?, Some(ended));
        assert_eq!(s.finish(now.after(secs(2)), completed(running, "late")).await?, Commit::ClaimLost, "C-X1");
        let worker = worker(WorkerId::random());
        assert_eq!(s.renew(now.after(secs(2)), &worker, &[running]).await?, [Renewal::Cancelled]);
        assert!(s.take_all(now.after(secs(60))).await?.is_empty(), "C-Y6: nothing of it is claimed");
    }
    Ok(())
}

/// C-Y5 What fails for good leaves a dead letter, which is the snapshot of the task.
pub(super) async fn a_root_cause_leaves_a_dead_letter(s: Fixture) -> Checked {
    let policy = RetryPolicy::none();
    let new = execution("f").input("in").queue("mail").retry(policy.clone());
    let task = s.start(at(0), new).await?;
    s.end(at(1), retried(task.claim, at(2))).await?;
    let again = s.take_one(at(2)).await?.claim;
    for now in [at(3), at(4)] {
        assert_eq!(s.finish(now, failed(again, "Boom")).await?, Commit::Applied);
        let expected = DeadLetter {
            task: again.task,
            execution: task.execution,
            function: function("f"),
            queue: Some(queue("mail")),
            input: payload("in"),
            retry: policy.clone(),
            attempts: 2,
            failure: failure("Boom"),
            at: at(3),
        };
        assert_eq!(s.dead_letter(again.task).await?, Some(expected), "C-Y5: written once");
        assert_eq!(s.count_dead_letters(&Default::default()).await?, 1);
    }
    assert_eq!(s.look(again.task).await?.failure, Some(failure("Boom")));
    Ok(())
}

/// C-Y5 C-Q2 A failure that is repeated after its dead letter was discarded does not bring it back.
pub(super) async fn a_repeated_failure_brings_no_dead_letter_back(s: Fixture) -> Checked {
    let task = s.start(at(0), execution("f")).await?.claim;
    s.end(at(1), failed(task, "Boom")).await?;
    assert!(s.discard_dead_letter(task.task).await?);
    assert_eq!(s.finish(at(2), failed(task, "Boom")).await?, Commit::Applied);
    assert_eq!(s.dead_letter(task.task).await?, None, "C-Q2: a repeat acts once");
    Ok(())
}

/// C-Y1 A task that completes after a retry shows no failure.
pub(super) async fn a_task_that_completes_after_a_retry_shows_no_failure(s: Fixture) -> Checked {
    let task = s.start(at(0), execution("f")).await?;
    s.end(at(1), retried(task.claim, at(1))).await?;
    let again = s.take_one(at(2)).await?.claim;
    s.end(at(3), completed(again, "out")).await?;
    assert_eq!(s.look(again.task).await?.failure, None);
    assert_eq!(s.execution(task.execution).await?.and_then(|record| record.failure), None);
    Ok(())
}

/// C-Y5 A failure that is passed on leaves no dead letter of its own.
pub(super) async fn a_failure_that_is_passed_on_leaves_no_dead_letter(s: Fixture) -> Checked {
    let family = s.family(at(0), &["g"]).await?;
    let child = s.take_of(at(1), "g").await?.claim;
    s.end(at(2), failed(child, "Boom")).await?;
    s.end(at(3), passed_on(family.parent, "Boom", 1, family.operations[0].clone(), child.task)).await?;
    assert_eq!(s.shown(family.execution).await?, ExecutionState::Failed);
    let letters = s.list_dead_letters(&Default::default(), Page::first(9)).await?;
    assert_eq!(letters.iter().map(|letter| letter.task).collect::<Vec<_>>(), [child.task], "C-Y5: one a root cause");
    Ok(())
}

/// C-X3 An end that comes too late for a cancelled execution, and a cancel that comes too late for an end, change nothing.
pub(super) async fn an_end_and_a_cancel_at_once_leave_one_of_them(s: Fixture) -> Checked {
    let (one, other) = (s.handle(), s.another().await?);
    for round in 0..25 {
        let task = s.start(at(0), execution("f").priority(round)).await?;
        let (a, b) = (one.clone(), other.clone());
        let answers = at_once(async move { a.finish(at(1), completed(task.claim, "out")).await }, async move {
            b.cancel(at(1), task.execution).await.map_err(Trouble::from)
        })
        .await?;
        let state = s.shown(task.execution).await?;
        let expected = match answers {
            (Commit::Applied, Cancelled::AlreadyFinal(ExecutionState::Completed)) => ExecutionState::Completed,
            (Commit::ClaimLost, Cancelled::Done) => ExecutionState::Cancelled,
            both => panic!("C-X3: one of them wins, not {both:?}"),
        };
        assert_eq!(state, expected, "C-X3: {answers:?}");
    }
    Ok(())
}
