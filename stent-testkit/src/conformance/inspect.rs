//! Inspection: what an operator reads is true, filtered, and paged without gaps.

use stent_core::backend::{ExecutionFilter, Page, RedriveTarget, TaskFilter};
use stent_core::commit::Redriven;
use stent_core::execution::ExecutionState;
use stent_core::task::{TaskPayloads, TaskState, Wait};
use stent_core::worker::QueueRecord;
use stent_core::{ExecutionId, TaskId, limits};

use super::acts::Acts;
use super::builders::{
    ExecutionWith, RequestWith, TICK, TaskWith, TurnWith, at, call, child, completed, execution, executions, failed,
    function, has, has_version, items, map, next_execution_id, payload, queue, released_until, request, retried, secs,
    send, sleeping, tag, turn, version, waiting,
};
use super::scenes::slot;
use super::store::{Checked, Fixture, Trouble};

fn of_state(state: ExecutionState) -> ExecutionFilter {
    ExecutionFilter { states: vec![state], ..ExecutionFilter::default() }
}

async fn listed(s: &Fixture, filter: &ExecutionFilter) -> Result<Vec<ExecutionId>, Trouble> {
    let ids: Vec<_> = s.list_executions(filter, Page::first(100)).await?.iter().map(|record| record.id).collect();
    let count = u64::try_from(ids.len()).unwrap_or(u64::MAX);
    assert_eq!(s.count_executions(filter).await?, count, "the count agrees with the list of {filter:?}");
    Ok(ids)
}

async fn tasks(s: &Fixture, filter: &TaskFilter) -> Result<Vec<TaskId>, Trouble> {
    let ids: Vec<_> = s.list_tasks(filter, Page::first(100)).await?.iter().map(|record| record.id).collect();
    let count = u64::try_from(ids.len()).unwrap_or(u64::MAX);
    assert_eq!(s.count_tasks(filter).await?, count, "the count agrees with the list of {filter:?}");
    Ok(ids)
}

/// One execution in each state, in the order of [`ExecutionState::ALL`].
pub(super) async fn one_in_each_state(s: &Fixture) -> Result<[ExecutionId; 8], Trouble> {
    let running = s.start(at(0), execution("f")).await?.execution;
    let suspended = s.start(at(0), execution("f")).await?;
    s.rest(at(0), sleeping(suspended.claim, at(50))).await?;
    let done = s.start(at(0), execution("f")).await?;
    s.end(at(1), completed(done.claim, "done")).await?;
    let broken = s.start(at(0), execution("f")).await?;
    s.end(at(1), failed(broken.claim, "Timeout")).await?;
    let late = s.create(at(0), execution("f").max_duration(secs(1))).await?;
    s.expire(at(1), 10).await?;
    let cancelled = s.create(at(0), execution("f")).await?;
    let _ = s.cancel(at(1), cancelled).await?;
    let pending = s.create(at(0), execution("f")).await?;
    let scheduled = s.create(at(0), execution("f").due(at(50))).await?;
    Ok([scheduled, pending, running, suspended.execution, done.execution, broken.execution, late, cancelled])
}

/// C-X3 An execution is found by the state that it shows, and by no other.
pub(super) async fn executions_are_listed_by_state(s: Fixture) -> Checked {
    let ids = one_in_each_state(&s).await?;
    for (id, state) in ids.into_iter().zip(ExecutionState::ALL) {
        assert_eq!(s.shown(id).await?, state);
        assert_eq!(listed(&s, &of_state(state)).await?, [id], "those that are {state}");
    }
    let two =
        ExecutionFilter { states: vec![ExecutionState::Running, ExecutionState::Failed], ..ExecutionFilter::default() };
    let mut expected = [ids[2], ids[5]];
    expected.sort_by(|a, b| b.cmp(a));
    assert_eq!(listed(&s, &two).await?, expected);
    assert_eq!(listed(&s, &ExecutionFilter::default()).await?.len(), 8, "no states: in any");
    Ok(())
}

/// C-X3 Once started an execution is shown as running or suspended, also between two claims, and is listed so.
pub(super) async fn a_started_execution_is_running_between_two_claims(s: Fixture) -> Checked {
    let retried_one = s.start(at(0), execution("f")).await?;
    s.end(at(1), retried(retried_one.claim, at(50))).await?;
    let released_one = s.start(at(1), execution("f")).await?;
    s.end(at(1), released_until(released_one.claim, Some(at(60)), Some("draining"))).await?;
    let woken = s.start(at(1), execution("f")).await?;
    s.rest(at(1), sleeping(woken.claim, at(5))).await?;
    assert_eq!(s.shown(woken.execution).await?, ExecutionState::Suspended);
    s.take(at(5), request().functions([has("g")])).await?;
    assert_eq!(s.state(woken.claim.task).await?, TaskState::Pending);
    let expired = s.start(at(4), execution("f")).await?;
    let ids = [retried_one.execution, released_one.execution, woken.execution, expired.execution];
    for id in ids {
        assert_eq!(s.shown(id).await?, ExecutionState::Running, "C-X3: once started it is shown as running");
    }
    let mut running = listed(&s, &of_state(ExecutionState::Running)).await?;
    running.sort();
    assert_eq!(running, ids);
    assert!(listed(&s, &of_state(ExecutionState::Pending)).await?.is_empty());
    assert!(listed(&s, &of_state(ExecutionState::Scheduled)).await?.is_empty());
    Ok(())
}

/// C-X3 Function, queue, tag and time restrict, alone and together; newest first.
pub(super) async fn executions_are_listed_by_what_they_are(s: Fixture) -> Checked {
    let plain = s.create(at(1), execution("f")).await?;
    let mail = s.create(at(2), execution("f").queue("mail").tags(&["eu", "gpu"])).await?;
    let other = s.create(at(3), execution("g").queue("mail").tags(&["eu"])).await?;
    let any = ExecutionFilter::default();
    assert_eq!(listed(&s, &any).await?, [other, mail, plain], "newest first");
    assert_eq!(listed(&s, &ExecutionFilter { function: Some(function("f")), ..any.clone() }).await?, [mail, plain]);
    assert_eq!(listed(&s, &ExecutionFilter { queue: Some(queue("mail")), ..any.clone() }).await?, [other, mail]);
    assert_eq!(listed(&s, &ExecutionFilter { tag: Some(tag("eu")), ..any.clone() }).await?, [other, mail]);
    assert_eq!(listed(&s, &ExecutionFilter { tag: Some(tag("e")), ..any.clone() }).await?, [], "a tag is whole");
    let since = |time| ExecutionFilter { since: Some(time), ..any.clone() };
    assert_eq!(listed(&s, &since(at(2))).await?, [other, mail], "at or after this time");
    assert_eq!(listed(&s, &since(at(2).after(TICK))).await?, [other]);
    let all = ExecutionFilter {
        states: vec![ExecutionState::Pending],
        function: Some(function("f")),
        queue: Some(queue("mail")),
        tag: Some(tag("gpu")),
        since: Some(at(1)),
    };
    assert_eq!(listed(&s, &all).await?, [mail]);
    Ok(())
}

/// C-X3 Pages follow one another without a gap or a repeat, and executions that come meanwhile disturb none.
pub(super) async fn pages_of_executions_have_no_gaps(s: Fixture) -> Checked {
    let made = executions(25, "f");
    s.create_all(at(0), &made).await?;
    s.create_all(at(0), &executions(5, "g")).await?;
    let filter = ExecutionFilter { function: Some(function("f")), ..ExecutionFilter::default() };
    let mut seen = Vec::new();
    let mut page = Page::first(10);
    loop {
        let rows = s.list_executions(&filter, page).await?;
        let Some(last) = rows.last() else { break };
        page.after = Some(last.id);
        seen.extend(rows.iter().map(|record| record.id));
        s.create(at(1), execution("f")).await?;
    }
    let expected: Vec<_> = made.iter().rev().map(|execution| execution.id).collect();
    assert_eq!(seen, expected);
    Ok(())
}

/// C-X3 A page has at most its limit, and never more than 1,000 rows.
pub(super) async fn a_page_is_bounded(s: Fixture) -> Checked {
    let born: Vec<_> = (0..1_005).map(|_| execution("f").born("known")).collect();
    s.create_all(at(0), &born).await?;
    for (limit, expected) in [(0, 0), (1, 1), (limits::PAGE, 1_000), (5_000, 1_000), (u32::MAX, 1_000)] {
        let rows = s.list_executions(&ExecutionFilter::default(), Page::first(limit)).await?;
        assert_eq!(rows.len(), expected, "a limit of {limit}");
        let rows = s.list_tasks(&TaskFilter::default(), Page::first(limit)).await?;
        assert_eq!(rows.len(), expected, "a limit of {limit}");
    }
    assert_eq!(s.count_executions(&ExecutionFilter::default()).await?, 1_005, "a count is not paged");
    Ok(())
}

/// C-X3 An unknown id shows nothing, in whichever listing.
pub(super) async fn the_unknown_is_nothing(s: Fixture) -> Checked {
    let id = next_execution_id();
    assert_eq!((s.execution(id).await?, s.task(id.root()).await?), (None, None));
    assert_eq!(s.dead_letter(id.root()).await?, None);
    assert!(s.list_journal(id.root(), Page::first(10)).await?.is_empty());
    assert!(s.list_progress(id, Page::first(10)).await?.is_empty());
    assert!(tasks(&s, &TaskFilter { execution: Some(id), ..TaskFilter::default() }).await?.is_empty());
    assert!(listed(&s, &ExecutionFilter::default()).await?.is_empty());
    assert!(s.queues(at(0)).await?.is_empty());
    Ok(())
}

/// C-X3 Children are tasks of an execution, not executions.
pub(super) async fn children_are_tasks_and_no_executions(s: Fixture) -> Checked {
    let root = s.start(at(0), execution("parent")).await?;
    let below = child(root.claim.task, call(0, "f"));
    s.note_down(at(0), turn(root.claim).child(below.clone())).await?;
    assert_eq!(listed(&s, &ExecutionFilter::default()).await?, [root.execution]);
    assert_eq!(s.execution(below.id.as_execution()).await?, None);
    assert!(s.task(below.id).await?.is_some());
    Ok(())
}

/// C-X3 Tasks are found by execution, parent, state, function and queue, by id ascending.
pub(super) async fn tasks_are_listed_by_what_they_are(s: Fixture) -> Checked {
    let root = s.start(at(0), execution("parent")).await?;
    let [first, second] = ["f", "g"].map(|name| child(root.claim.task, call(0, name)).queue("mail"));
    s.note_down(at(0), turn(root.claim).child(first.clone()).child(second.clone())).await?;
    let held = s.take_with(at(0), request().functions([has("f")])).await?;
    let below = child(first.id, call(0, "g"));
    s.note_down(at(0), turn(held.claim).child(below.clone())).await?;
    let other = s.create(at(0), execution("f")).await?;

    let sorted = |mut ids: Vec<TaskId>| {
        ids.sort();
        ids
    };
    let any = TaskFilter::default();
    let all = sorted(vec![root.claim.task, first.id, second.id, below.id, other.root()]);
    assert_eq!(tasks(&s, &any).await?, all);
    let of_it = TaskFilter { execution: Some(root.execution), ..any.clone() };
    assert_eq!(tasks(&s, &of_it).await?, sorted(vec![root.claim.task, first.id, second.id, below.id]));
    let under = TaskFilter { parent: Some(root.claim.task), ..any.clone() };
    assert_eq!(tasks(&s, &under).await?, sorted(vec![first.id, second.id]), "its own children, not theirs");
    let pending = TaskFilter { states: vec![TaskState::Pending], ..any.clone() };
    assert_eq!(tasks(&s, &pending).await?, sorted(vec![second.id, below.id, other.root()]));
    assert_eq!(
        tasks(&s, &TaskFilter { function: Some(function("f")), ..any.clone() }).await?,
        sorted(vec![first.id, other.root()])
    );
    assert_eq!(
        tasks(&s, &TaskFilter { queue: Some(queue("mail")), ..any.clone() }).await?,
        sorted(vec![first.id, second.id])
    );
    let narrow = TaskFilter {
        execution: Some(root.execution),
        parent: Some(root.claim.task),
        states: vec![TaskState::Running, TaskState::Suspended],
        function: Some(function("f")),
        queue: Some(queue("mail")),
    };
    assert_eq!(tasks(&s, &narrow).await?, [first.id]);
    Ok(())
}

/// C-X3 Pages of tasks follow one another without a gap or a repeat.
pub(super) async fn pages_of_tasks_have_no_gaps(s: Fixture) -> Checked {
    let root = s.start(at(0), execution("parent")).await?;
    let mapped = items(root.claim.task, &map(0, "item"), 0..33);
    let expected: Vec<TaskId> = mapped.iter().map(|item| item.id).collect();
    s.note_down(at(0), turn(root.claim).children(mapped)).await?;
    let filter = TaskFilter { parent: Some(root.claim.task), ..TaskFilter::default() };
    let mut seen = Vec::new();
    let mut page = Page::first(8);
    loop {
        let rows = s.list_tasks(&filter, page).await?;
        let Some(last) = rows.last() else { break };
        page.after = Some(last.id);
        seen.extend(rows.iter().map(|record| record.id));
    }
    assert_eq!(seen, expected);
    Ok(())
}

/// C-X3 A task's record tells what it is, where it stands and how large it is.
pub(super) async fn a_task_shows_what_it_is(s: Fixture) -> Checked {
    let root = s.start(at(0), execution("parent")).await?;
    let mut item = items(root.claim.task, &map(0, "item"), 3..4).remove(0);
    item = item.queue("mail").tags(&["b", "a"]).priority(4).version("2").input("twelve bytes").due(at(9));
    s.note_down(at(1), turn(root.claim).child(item.clone())).await?;
    let made = s.look(item.id).await?;
    assert_eq!(
        (made.execution, made.parent, made.depth, made.index),
        (root.execution, Some(root.claim.task), 1, Some(3))
    );
    assert_eq!((made.function, made.version, made.queue), (function("item"), Some(version("2")), Some(queue("mail"))));
    assert_eq!((made.tags, made.priority, made.state), (vec![tag("b"), tag("a")], 4, TaskState::Scheduled));
    assert_eq!((made.attempt, made.deliveries, made.generation), (0, 0, 0));
    assert_eq!((made.created_at, made.due, made.started_at, made.ended_at), (at(1), Some(at(9)), None, None));
    assert_eq!((made.worker, made.lease_until, made.failure, made.reason), (None, None, None, None));
    assert_eq!(made.sizes, (12, 0));

    let request = request().functions([has_version("item", "2")]);
    let held = s.take_with(at(9), request).await?;
    s.rest(at(10), sleeping(held.claim, at(30))).await?;
    let dozing = s.look(item.id).await?;
    assert_eq!((dozing.state, dozing.due), (TaskState::Suspended, Some(at(30))), "when its timer wakes it");
    assert_eq!((dozing.worker, dozing.lease_until, dozing.started_at), (None, None, Some(at(9))));
    Ok(())
}

/// C-X3 A task that has ended is due no more, however it ended.
pub(super) async fn an_ended_task_is_due_no_more(s: Fixture) -> Checked {
    let born = s.create(at(0), execution("f").born("known")).await?;
    let cancelled = s.create(at(0), execution("f").due(at(50))).await?;
    let late = s.create(at(0), execution("f").due(at(1)).max_duration(secs(1))).await?;
    let done = s.start(at(0), execution("g")).await?;
    let broken = s.start(at(0), execution("h")).await?;
    s.end(at(1), completed(done.claim, "done")).await?;
    s.end(at(1), failed(broken.claim, "Boom")).await?;
    let _ = s.cancel(at(1), cancelled).await?;
    assert_eq!(s.expire(at(2), 10).await?, [late]);
    for ended in [born, cancelled, late, done.execution, broken.execution] {
        let record = s.look(ended.root()).await?;
        assert_eq!(record.due, None, "it is {}", record.state);
    }
    assert_eq!(s.redrive(at(3), RedriveTarget::Execution(broken.execution)).await?, Redriven::Done);
    assert_eq!(s.look(broken.claim.task).await?.due, Some(at(3)), "one that goes on is due again");
    Ok(())
}

/// C-Q1 Queues show what is ready, scheduled, running and suspended; ended tasks are in none.
pub(super) async fn queues_show_their_depth(s: Fixture) -> Checked {
    let running = s.start(at(0), execution("f").queue("mail")).await?;
    let dozing = s.start(at(0), execution("f").queue("mail")).await?;
    s.rest(at(0), sleeping(dozing.claim, at(100))).await?;
    let done = s.start(at(0), execution("f").queue("done")).await?;
    s.end(at(0), completed(done.claim, "done")).await?;
    s.create(at(3), execution("f").queue("mail").due(at(2))).await?;
    s.create(at(3), execution("f").queue("mail").due(at(3))).await?;
    s.create(at(3), execution("f").queue("mail").due(at(90))).await?;
    s.create(at(3), execution("f").due(at(5))).await?;
    let below = child(running.claim.task, call(0, "g")).queue("bills");
    s.note_down(at(3), turn(running.claim).child(below)).await?;

    let empty = QueueRecord { queue: None, ready: 0, scheduled: 0, running: 0, suspended: 0, oldest_ready: None };
    let bills = QueueRecord { queue: Some(queue("bills")), ready: 1, oldest_ready: Some(at(0)), ..empty.clone() };
    let mail = QueueRecord {
        queue: Some(queue("mail")),
        ready: 2,
        scheduled: 1,
        running: 1,
        suspended: 1,
        oldest_ready: Some(at(2)),
    };
    let none = QueueRecord { scheduled: 1, ..empty.clone() };
    assert_eq!(
        s.queues(at(4)).await?,
        [none, bills.clone(), mail.clone()],
        "tasks without a queue first, then by name"
    );

    let none = QueueRecord { ready: 1, oldest_ready: Some(at(5)), ..empty };
    assert_eq!(
        s.queues(at(5)).await?,
        [none.clone(), bills.clone(), mail.clone()],
        "due ones are ready before a claim promotes them"
    );
    let mail = QueueRecord { ready: 4, scheduled: 0, suspended: 0, ..mail };
    assert_eq!(s.queues(at(100)).await?, [none, bills, mail], "a suspended task whose timer has come is ready");
    Ok(())
}

/// C-V2 Reading states and lists changes nothing.
pub(super) async fn reading_changes_nothing(s: Fixture) -> Checked {
    one_in_each_state(&s).await?;
    let before = s.list_tasks(&TaskFilter::default(), Page::first(100)).await?;
    s.queues(at(1_000)).await?;
    s.limits().await?;
    s.workers().await?;
    s.list_executions(&ExecutionFilter::default(), Page::first(100)).await?;
    assert_eq!(s.list_tasks(&TaskFilter::default(), Page::first(100)).await?, before);
    Ok(())
}

/// C-X3 Arguments and results are read by task, in the order asked for.
pub(super) async fn payloads_are_read_by_task(s: Fixture) -> Checked {
    let done = s.start(at(0), execution("f")).await?;
    s.end(at(1), completed(done.claim, "done")).await?;
    let open = s.start(at(1), execution("g")).await?;
    let tasks = [open.claim.task, TaskId::from_bytes([7; 16]), done.claim.task];
    let payloads = s.payloads(&tasks).await?;
    let of = |name, output: Option<&str>| {
        Some(TaskPayloads { input: execution(name).task.input, output: output.map(payload) })
    };
    assert_eq!(payloads, [of("g", None), None, of("f", Some("done"))]);
    assert!(s.payloads(&[]).await?.is_empty());
    Ok(())
}

/// C-Q4 What a suspended task waits for is shown, and of no other.
pub(super) async fn waits_of_suspended_tasks_are_shown(s: Fixture) -> Checked {
    let parent = s.start(at(0), execution("f")).await?;
    let map = map(0, "g");
    s.note_down(at(0), turn(parent.claim).children(items(parent.claim.task, &map, 0..2))).await?;
    assert!(s.waits(parent.claim.task).await?.is_empty());
    let range = Wait::Map { operation: map, items: 0..2, settled: true };
    let (a, b) = (slot("a"), slot("b"));
    s.rest(at(1), waiting(parent.claim, vec![range.clone(), b.clone(), a.clone()])).await?;
    assert_eq!(s.waits(parent.claim.task).await?, [a, b, range]);
    let _ = s.send(at(2), &send(parent.execution, "a", "value")).await?;
    assert!(s.waits(parent.claim.task).await?.is_empty());
    assert!(s.waits(TaskId::from_bytes([7; 16])).await?.is_empty());
    Ok(())
}
