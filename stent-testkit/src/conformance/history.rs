//! Inspection of what happened: failures, journals, progress, dead letters.

use stent_core::Payload;
use stent_core::backend::{DeadLetterFilter, Page, ProgressEvent};
use stent_core::journal::{EntryBody, Made};
use stent_core::operation::OperationId;
use stent_core::outcome::OperationOutcome;
use stent_core::task::{End, Resume, ResumePoint, TaskEnd, TaskState};

use super::acts::Acts;
use super::builders::{
    TaskWith, TurnWith, at, call, child, completed, execution, failed, failed_at, failure, function, map,
    released_until, retried, sleep, step, turn,
};
use super::store::{Checked, Fixture, Trouble};

/// C-Y3 C-X3 An operator sees why a task waits: the failure before its retry, or the reason of its release.
pub(super) async fn a_waiting_task_says_why_it_waits(s: Fixture) -> Checked {
    let first = s.start(at(0), execution("f")).await?;
    s.end(at(1), retried(first.claim, at(9))).await?;
    let waits = s.look(first.claim.task).await?;
    assert_eq!((waits.state, waits.due), (TaskState::Scheduled, Some(at(9))));
    assert_eq!((waits.failure, waits.worker), (Some(failure("Timeout")), None));
    let shown = s.execution(first.execution).await?.and_then(|record| record.failure);
    assert_eq!(shown, Some(failure("Timeout")), "the one before the retry that it waits for");

    let second = s.start(at(1), execution("f")).await?;
    s.end(at(2), released_until(second.claim, Some(at(20)), Some("code does not fit"))).await?;
    let waits = s.look(second.claim.task).await?;
    assert_eq!((waits.reason.as_deref(), waits.due), (Some("code does not fit"), Some(at(20))));
    Ok(())
}

/// C-X3 The size of a result and the final failure are shown, the result itself is not.
pub(super) async fn an_ended_task_shows_its_size_or_its_failure(s: Fixture) -> Checked {
    let done = s.start(at(0), execution("f").input("four")).await?;
    s.end(at(3), completed(done.claim, "result")).await?;
    let record = s.look(done.claim.task).await?;
    assert_eq!((record.sizes, record.ended_at, record.failure), ((4, 6), Some(at(3)), None));
    assert_eq!(record.lease_until, None, "an ended task is held by nobody");
    let broken = s.start(at(0), execution("f")).await?;
    s.end(at(4), failed(broken.claim, "Timeout")).await?;
    let record = s.look(broken.claim.task).await?;
    assert_eq!((record.failure, record.ended_at), (Some(failure("Timeout")), Some(at(4))));
    let shown = s.execution(broken.execution).await?.ok_or_else(|| Trouble::new("it is not shown"))?;
    assert_eq!((shown.failure, shown.ended_at), (Some(failure("Timeout")), Some(at(4))));
    Ok(())
}

/// C-R10 A journal is shown by `seq` in pages, without payloads, of the present generation alone.
pub(super) async fn a_journal_is_shown_without_its_payloads(s: Fixture) -> Checked {
    let task = s.start(at(0), execution("f")).await?;
    let mapping = map(2, "item");
    let chunk = EntryBody::Chunk { map: mapping.clone(), closed: 1, state: Some(Payload::from(b"secret".as_slice())) };
    let made = |operation: &OperationId, made| EntryBody::Made(operation.clone(), made);
    let until = Made::Sleep { until: at(9) };
    let write = turn(task.claim)
        .step(0, 0, "one", "secret")
        .entry(1, 1, made(&sleep(1), until))
        .entry(2, 2, made(&mapping, Made::Map { chunk: 1 }))
        .entry(3, 2, chunk)
        .note(4, 2, "noted");
    s.note_down(at(0), write).await?;
    let mut shown = Vec::new();
    let mut page = Page::first(2);
    loop {
        let entries = s.list_journal(task.claim.task, page).await?;
        assert!(entries.len() <= 2);
        let Some(last) = entries.last() else { break };
        page.after = Some(last.seq);
        shown.extend(entries);
    }
    let bodies: Vec<EntryBody> = shown.iter().map(|entry| entry.body.clone()).collect();
    let expected = [
        EntryBody::Outcome(step(0, "one"), OperationOutcome::Completed(Payload::default())),
        made(&sleep(1), until),
        made(&mapping, Made::Map { chunk: 1 }),
        EntryBody::Chunk { map: mapping, closed: 1, state: Some(Payload::default()) },
        EntryBody::Note("noted".into()),
    ];
    assert_eq!(bodies, expected, "payloads in it are empty");
    assert_eq!(
        shown.iter().map(|entry| (entry.seq, entry.turn)).collect::<Vec<_>>(),
        [(0, 0), (1, 1), (2, 2), (3, 2), (4, 2)]
    );
    s.end(at(1), retried(task.claim, at(2))).await?;
    assert!(s.list_journal(task.claim.task, Page::first(10)).await?.is_empty(), "the present generation is empty");
    Ok(())
}

/// C-V2 C-M4 Progress is the notes and closed chunks of all tasks of an execution, oldest first, in pages; nothing else.
pub(super) async fn progress_is_notes_and_chunks_in_order(s: Fixture) -> Checked {
    let root = s.start(at(0), execution("parent")).await?;
    let mapping = map(0, "item");
    let timed = |mut write: stent_core::journal::TurnWrite, time| {
        write.entries.iter_mut().for_each(|entry| entry.at = time);
        write
    };
    let chunk = EntryBody::Chunk { map: mapping.clone(), closed: 10, state: None };
    let below = child(root.claim.task, call(0, "f"));
    let first = turn(root.claim).note(0, 0, "begins").step(1, 0, "one", "1").child(below.clone());
    s.note_down(at(1), timed(first, at(1))).await?;
    let held = s.take_one(at(1)).await?;
    s.note_down(at(2), timed(turn(held.claim).note(0, 0, "child"), at(2))).await?;
    s.note_down(at(3), timed(turn(root.claim).entry(2, 0, chunk).note(3, 0, "goes on"), at(3))).await?;
    let end = End::Completed { output: Payload::default(), variables: Vec::new(), notes: vec![(1, "ends".into())] };
    s.end(at(4), TaskEnd { claim: root.claim, end }).await?;

    let mut seen = Vec::new();
    let mut page = Page::first(3);
    loop {
        let entries = s.list_progress(root.execution, page).await?;
        assert!(entries.len() <= 3);
        let Some(last) = entries.last() else { break };
        page.after = Some(last.cursor);
        seen.extend(entries);
    }
    assert!(seen.is_sorted_by_key(|entry| entry.cursor), "oldest first");
    assert_eq!(seen.iter().map(|entry| entry.cursor.at).collect::<Vec<_>>(), [at(1), at(2), at(3), at(3), at(4)]);
    let events: Vec<ProgressEvent> = seen.into_iter().map(|entry| entry.event).collect();
    let note = |text: &str| ProgressEvent::Note(text.into());
    let closed = ProgressEvent::Chunk { map: mapping, closed: 10 };
    assert_eq!(events, [note("begins"), note("child"), closed, note("goes on"), note("ends")]);
    Ok(())
}

/// C-Y5 A dead letter is a whole snapshot, found by execution and function, by task id, in pages.
pub(super) async fn dead_letters_are_snapshots_and_listed(s: Fixture) -> Checked {
    let mut of_f = Vec::new();
    for _ in 0..7 {
        let task = s.start(at(0), execution("f").input("in").queue("mail")).await?;
        s.end(at(5), failed(task.claim, "Timeout")).await?;
        of_f.push(task);
    }
    let of_g = s.start(at(0), execution("g")).await?;
    s.end(at(5), failed_at(of_g.claim, "Refused", Resume::At(ResumePoint::default()))).await?;
    let quiet = s.start(at(0), execution("h")).await?;
    let end = End::Failed { failure: failure("Passed"), dead_letter: false, resume: Resume::Restart };
    s.end(at(5), TaskEnd { claim: quiet.claim, end }).await?;
    assert_eq!(s.dead_letter(quiet.claim.task).await?, None, "C-Y5: one dead letter a root cause");

    let letter =
        s.dead_letter(of_f[0].claim.task).await?.ok_or_else(|| Trouble::new("C-Y5: there is no dead letter"))?;
    assert_eq!((letter.task, letter.execution), (of_f[0].claim.task, of_f[0].execution));
    assert_eq!((&letter.function, &letter.queue, &letter.input), (&of_f[0].function, &of_f[0].queue, &of_f[0].input));
    assert_eq!((&letter.retry, letter.attempts, letter.at), (&of_f[0].retry, 1, at(5)));
    assert_eq!(letter.failure, failure("Timeout"));

    let by_function = DeadLetterFilter { function: Some(function("f")), ..DeadLetterFilter::default() };
    let mut seen = Vec::new();
    let mut page = Page::first(3);
    loop {
        let rows = s.list_dead_letters(&by_function, page).await?;
        let Some(last) = rows.last() else { break };
        page.after = Some(last.task);
        seen.extend(rows.iter().map(|letter| letter.task));
    }
    assert_eq!(seen, of_f.iter().map(|task| task.claim.task).collect::<Vec<_>>());
    assert_eq!(s.count_dead_letters(&by_function).await?, 7);
    let by_execution = DeadLetterFilter { execution: Some(of_g.execution), function: None };
    assert_eq!(s.list_dead_letters(&by_execution, Page::first(10)).await?.len(), 1);
    assert_eq!(s.count_dead_letters(&by_execution).await?, 1);
    assert_eq!(s.count_dead_letters(&DeadLetterFilter::default()).await?, 8);
    let neither = DeadLetterFilter { execution: Some(of_g.execution), function: Some(function("f")) };
    assert_eq!(s.count_dead_letters(&neither).await?, 0);
    Ok(())
}
