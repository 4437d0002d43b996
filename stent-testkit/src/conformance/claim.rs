//! Claims: which tasks are given, in which order, and what is told about them.

use stent_core::TaskId;
use stent_core::backend::TaskFilter;
use stent_core::claim::ClaimFunction;
use stent_core::name::FunctionName;
use stent_core::task::{TaskState, Wait};

use super::acts::Acts;
use super::builders::{
    ExecutionWith, LEASE, RequestWith, TICK, TaskWith, TurnWith, at, call, child, completed, execution, executions,
    executions_of, function, has, has_limited, has_version, ids_of, items, map, released, request, secs, send,
    signal_name, sleeping, turn, waiting,
};
use super::store::{Checked, Fixture};

/// C-Q1 Priority (high first), then due time, then id, merged over several functions.
pub(super) async fn tasks_come_by_priority_then_due_time_then_id(s: Fixture) -> Checked {
    let made = [
        execution("f").due(at(2)),
        execution("g").due(at(1)),
        execution("h").due(at(1)),
        execution("f").priority(5).due(at(3)),
        execution("g").priority(5).due(at(2)),
        execution("h").priority(-1),
        execution("f").due(at(1)),
    ];
    s.create_all(at(5), &made).await?;
    let order = [4, 3, 1, 2, 6, 0, 5].map(|index: usize| made[index].id);
    assert_eq!(executions_of(&s.take_all(at(5)).await?), order, "C-Q1: priority, due time, id, whatever the function");
    Ok(())
}

/// C-Q1 The order holds over several claims, not only within one.
pub(super) async fn the_order_holds_from_claim_to_claim(s: Fixture) -> Checked {
    let names = ["f", "g", "h"];
    let mut made = Vec::new();
    for index in 0..30_i32 {
        let of = names[usize::try_from(index % 3).unwrap_or(0)];
        made.push(execution(of).priority(index % 5));
    }
    s.create_all(at(0), &made).await?;
    let mut order = made.clone();
    order.sort_by_key(|execution| (-execution.task.priority, execution.id));
    let mut claimed = Vec::new();
    while claimed.len() < made.len() {
        let batch = s.take(at(0), request().limit(7)).await?;
        assert!(!batch.is_empty(), "an empty claim means that nothing eligible is free, but tasks are left");
        claimed.extend(executions_of(&batch));
    }
    assert_eq!(claimed, order.iter().map(|execution| execution.id).collect::<Vec<_>>());
    Ok(())
}

/// C-Q1 C-M1 The items of a map come in the order of their indexes.
pub(super) async fn the_items_of_a_map_come_by_index(s: Fixture) -> Checked {
    let root = s.start(at(0), execution("parent")).await?;
    let mapped = items(root.claim.task, &map(0, "item"), 0..300);
    let ids: Vec<TaskId> = mapped.iter().map(|item| item.id).collect();
    s.note_down(at(0), turn(root.claim).children(mapped)).await?;
    let mut claimed = Vec::new();
    for _ in 0..3 {
        claimed.extend(ids_of(&s.take(at(0), request().limit(100)).await?));
    }
    assert_eq!(claimed, ids);
    Ok(())
}

/// C-Q1 At most so many tasks; none for a limit of none.
pub(super) async fn a_claim_gives_at_most_its_limit(s: Fixture) -> Checked {
    s.create_all(at(0), &executions(5, "f")).await?;
    for (limit, expected) in [(0, 0), (3, 3), (3, 2), (3, 0)] {
        assert_eq!(s.take(at(0), request().limit(limit)).await?.len(), expected);
    }
    Ok(())
}

/// C-Q1 More tasks than one claim promotes or a page holds are given in one claim.
pub(super) async fn a_large_limit_is_filled(s: Fixture) -> Checked {
    s.create_all(at(0), &executions(1_500, "f")).await?;
    assert_eq!(s.take(at(0), request().limit(1_500)).await?.len(), 1_500);
    Ok(())
}

/// C-R7 Only listed functions are given; tasks of others stay pending and cost nothing.
pub(super) async fn tasks_of_unknown_functions_stay_pending(s: Fixture) -> Checked {
    let unknown = s.create(at(0), execution("f").priority(9)).await?;
    let known = s.create(at(0), execution("g")).await?;
    assert_eq!(executions_of(&s.take(at(0), request().functions([has("g")])).await?), [known]);
    assert!(s.take(at(0), request().functions([])).await?.is_empty(), "a worker without functions gets nothing");
    let left = s.look(unknown.root()).await?;
    assert_eq!((left.state, left.attempt), (TaskState::Pending, 0), "C-R7: what nobody can run burns no attempt");
    assert_eq!(executions_of(&s.take(at(0), request().functions([has("f")])).await?), [unknown]);
    Ok(())
}

/// C-R7 A pinned task goes to workers of that version alone, an unpinned one to those that pin none.
pub(super) async fn versions_match_exactly(s: Fixture) -> Checked {
    let one = s.create(at(0), execution("f").version("1")).await?;
    let two = s.create(at(0), execution("f").version("2")).await?;
    let none = s.create(at(0), execution("f")).await?;
    let both = request().functions([has_version("f", "2"), has("f")]);
    assert_eq!(executions_of(&s.take(at(0), both).await?), [two, none]);
    assert!(s.take(at(0), request().functions([has_version("f", "3"), has("f")])).await?.is_empty());
    assert_eq!(executions_of(&s.take(at(0), request().functions([has_version("f", "1")])).await?), [one]);
    Ok(())
}

/// C-Q1 A worker with queues takes those, and tasks without one; a worker without takes any.
pub(super) async fn queues_are_served_by_those_who_serve_them(s: Fixture) -> Checked {
    let mail = s.create(at(0), execution("f").queue("mail")).await?;
    let bills = s.create(at(0), execution("f").queue("bills")).await?;
    let post = s.create(at(0), execution("f").queue("post")).await?;
    let none = s.create(at(0), execution("f")).await?;
    assert_eq!(executions_of(&s.take(at(0), request().queues(&["bills", "mail"])).await?), [mail, bills, none]);
    assert!(s.take(at(0), request().queues(&["Post"])).await?.is_empty(), "queues are compared exactly");
    assert_eq!(executions_of(&s.take_all(at(0)).await?), [post], "a worker without queues serves every queue");
    Ok(())
}

/// C-Q1 A worker with tags takes tasks that share one, and those without any; a worker without takes any.
pub(super) async fn tags_need_one_in_common(s: Fixture) -> Checked {
    let gpu = s.create(at(0), execution("f").tags(&["gpu", "eu"])).await?;
    let eu = s.create(at(0), execution("f").tags(&["eu"])).await?;
    let us = s.create(at(0), execution("f").tags(&["us"])).await?;
    let none = s.create(at(0), execution("f")).await?;
    assert_eq!(executions_of(&s.take(at(0), request().tags(&["gpu", "big"])).await?), [gpu, none]);
    assert_eq!(executions_of(&s.take(at(0), request().tags(&["eu"])).await?), [eu]);
    assert_eq!(executions_of(&s.take_all(at(0)).await?), [us], "a worker without tags takes every task");
    Ok(())
}

/// C-Q1 Queue and tags must both fit.
pub(super) async fn queue_and_tags_restrict_together(s: Fixture) -> Checked {
    let fits = s.create(at(0), execution("f").queue("mail").tags(&["eu"])).await?;
    s.create(at(0), execution("f").queue("mail").tags(&["us"])).await?;
    s.create(at(0), execution("f").queue("post").tags(&["eu"])).await?;
    assert_eq!(executions_of(&s.take(at(0), request().queues(&["mail"]).tags(&["eu"])).await?), [fits]);
    Ok(())
}

/// C-Q1 Filters apply before the limit: hundreds of tasks for others, all ahead in order, do not make a claim empty.
pub(super) async fn no_crowd_of_others_makes_a_claim_falsely_empty(s: Fixture) -> Checked {
    let others = |kind: usize| match kind {
        0 => execution("f").queue("other"),
        1 => execution("f").tags(&["other"]),
        2 => execution("f").version("other"),
        _ => execution("h"),
    };
    let crowd: Vec<_> = (0..1_200).map(|index: usize| others(index % 4).priority(10)).collect();
    s.create_all(at(0), &crowd).await?;
    let mine = [execution("f"), execution("f").queue("mine"), execution("f").tags(&["mine", "more"])];
    s.create_all(at(0), &mine).await?;
    let mut claimed = Vec::new();
    for _ in 0..3 {
        let request = request().functions([has("f")]).queues(&["mine"]).tags(&["mine"]).limit(1);
        claimed.extend(executions_of(&s.take(at(0), request).await?));
    }
    let mine: Vec<_> = mine.iter().map(|execution| execution.id).collect();
    assert_eq!(claimed, mine, "C-Q1: an empty claim means that nothing eligible was free");
    Ok(())
}

/// C-Q1 A worker of many functions, queues and tags gets what fits.
pub(super) async fn a_worker_may_have_hundreds_of_functions(s: Fixture) -> Checked {
    let of: Vec<FunctionName> = (0..300).map(|index| function(&format!("module::function_{index}"))).collect();
    let made: Vec<_> = of.iter().step_by(10).map(|name| execution(name)).collect();
    s.create_all(at(0), &made).await?;
    let all = of.iter().map(|name| ClaimFunction { name: name.clone(), version: None, max_concurrent: None });
    let queues: Vec<String> = (0..50).map(|index| format!("queue-{index}")).collect();
    let queues: Vec<&str> = queues.iter().map(String::as_str).collect();
    let claimed = s.take(at(0), request().functions(all).queues(&queues)).await?;
    assert_eq!(executions_of(&claimed), made.iter().map(|execution| execution.id).collect::<Vec<_>>());
    Ok(())
}

/// C-Q1 A scheduled task is pending from its exact due time on, and takes its place in the order.
pub(super) async fn due_tasks_are_promoted_at_their_exact_time(s: Fixture) -> Checked {
    let early = s.create(at(0), execution("f").due(at(10))).await?;
    let late = s.create(at(0), execution("g").priority(3).due(at(10).after(TICK))).await?;
    assert!(s.take_all(at(10).before(TICK)).await?.is_empty());
    assert_eq!(executions_of(&s.take_all(at(10)).await?), [early]);
    assert_eq!(executions_of(&s.take_all(at(10).after(TICK)).await?), [late]);
    Ok(())
}

/// C-Q1 A claim promotes at most 1,000 tasks, in due order, and the next one goes on from there.
pub(super) async fn promotion_goes_by_steps_in_due_order(s: Fixture) -> Checked {
    let sleepers: Vec<_> = executions(1_200, "h").into_iter().map(|execution| execution.due(at(1))).collect();
    s.create_all(at(0), &sleepers).await?;
    let mine = s.create(at(0), execution("f").due(at(2))).await?;
    let scheduled = TaskFilter { states: vec![TaskState::Scheduled], ..TaskFilter::default() };
    let asked = || request().functions([has("f")]);
    assert!(s.take(at(5), asked()).await?.is_empty(), "1,000 tasks that were due earlier come first");
    assert_eq!(s.count_tasks(&scheduled).await?, 201, "C-Q1: one claim promotes at most 1,000");
    assert_eq!(executions_of(&s.take(at(5), asked()).await?), [mine]);
    assert_eq!(s.count_tasks(&scheduled).await?, 0);
    Ok(())
}

/// C-Q1 C-Q4 A suspended task is free from its timer's exact time on, with its journal and attempt as they were.
pub(super) async fn a_timer_wakes_a_suspended_task(s: Fixture) -> Checked {
    let root = s.start(at(0), execution("f")).await?;
    s.note_down(at(0), turn(root.claim).step(0, 0, "first", "done")).await?;
    s.rest(at(1), sleeping(root.claim, at(20))).await?;
    assert!(s.take_all(at(20).before(TICK)).await?.is_empty());
    let woken = s.take_one(at(20)).await?;
    assert_eq!((woken.claim.task, woken.attempt, woken.is_fresh), (root.claim.task, 1, false));
    assert_eq!(woken.deliveries, 0, "C-Y4: only claims that ran out count");
    Ok(())
}

/// C-Q1 C-Q2 A task that waits for no time sleeps until an event, however much time passes.
pub(super) async fn a_suspended_task_without_a_timer_is_not_free(s: Fixture) -> Checked {
    let root = s.start(at(0), execution("f")).await?;
    s.rest(at(1), waiting(root.claim, vec![Wait::Signal(signal_name("go"))])).await?;
    assert!(s.take_all(at(1_000_000)).await?.is_empty());
    let _ = s.send(at(1_000_001), &send(root.execution, "go", "now")).await?;
    assert_eq!(executions_of(&s.take_all(at(1_000_001)).await?), [root.execution]);
    Ok(())
}

/// C-Q1 The answer tells when the next scheduled or suspended task falls due, so that an idle worker sleeps until then.
pub(super) async fn a_claim_tells_when_the_next_task_falls_due(s: Fixture) -> Checked {
    assert_eq!(s.claim(at(0), &request()).await?.next_due, None);
    let suspended = s.start(at(0), execution("f")).await?;
    s.rest(at(0), sleeping(suspended.claim, at(30))).await?;
    assert_eq!(s.claim(at(0), &request()).await?.next_due, Some(at(30)));
    s.create(at(0), execution("f").due(at(20))).await?;
    assert_eq!(s.claim(at(0), &request()).await?.next_due, Some(at(20)));
    let claimed = s.claim(at(20), &request()).await?;
    assert_eq!((claimed.tasks.len(), claimed.next_due), (1, Some(at(30))), "what was promoted falls due no more");
    assert_eq!(s.claim(at(31), &request()).await?.next_due, None);
    Ok(())
}

/// C-T3 The answer tells when the next deadline of an open execution passes.
pub(super) async fn a_claim_tells_when_the_next_deadline_passes(s: Fixture) -> Checked {
    assert_eq!(s.claim(at(0), &request()).await?.next_deadline, None);
    let short = s.start(at(0), execution("f").max_duration(secs(40))).await?;
    s.create(at(0), execution("g").max_duration(secs(60))).await?;
    assert_eq!(s.claim(at(1), &request()).await?.next_deadline, Some(at(40)));
    s.end(at(2), completed(short.claim, "in time")).await?;
    assert_eq!(s.claim(at(3), &request()).await?.next_deadline, Some(at(60)), "an ended execution has none to pass");
    s.expire(at(60), 10).await?;
    assert_eq!(s.claim(at(61), &request()).await?.next_deadline, None);
    Ok(())
}

/// C-Q1 C-Q2 C-Q3 A poll takes whatever a claim takes: what is pending, falls due, woke up, or was left by a holder.
pub(super) async fn a_poll_takes_what_a_claim_takes(s: Fixture) -> Checked {
    let asleep = s.start(at(0), execution("f")).await?;
    s.rest(at(0), sleeping(asleep.claim, at(30))).await?;
    let left = s.start(at(0), execution("g")).await?;
    s.create(at(0), execution("h").due(at(20))).await?;
    s.create_all(at(0), &executions(3, "f")).await?;
    let limited = [has("f"), has_limited("g", 1), has_limited("h", 1)];
    let poll = || request().functions(limited.clone()).poll();
    assert_eq!(s.take(at(1), poll()).await?.len(), 3, "what is pending");
    let due = s.take(at(20), poll().without_expired()).await?;
    assert_eq!(due.iter().map(|task| task.function.as_str()).collect::<Vec<_>>(), ["h"], "what falls due");
    let request = poll().without_expired();
    let woken = s.take(at(30), request.clone()).await?;
    assert_eq!(ids_of(&woken), [asleep.claim.task], "what woke up");
    assert_eq!(s.take(at(31), request).await?, woken, "a repeat gives the same");
    let taken = s.take(at(32), poll()).await?;
    assert!(ids_of(&taken).contains(&left.claim.task), "what was left");
    Ok(())
}

/// C-Q1 C-R7 C-T3 A poll that finds nothing for it tells what comes next, as a claim does.
pub(super) async fn a_poll_that_finds_nothing_tells_what_comes_next(s: Fixture) -> Checked {
    let empty = s.claim(at(0), &request().poll()).await?;
    assert_eq!((empty.tasks.len(), empty.next_due, empty.next_deadline), (0, None, None));
    s.create(at(0), execution("f").due(at(20)).max_duration(secs(40))).await?;
    s.create(at(0), execution("g").queue("slow").tags(&["gpu"])).await?;
    let polls = [
        request().functions([has("f")]),
        request().queues(&["fast"]),
        request().tags(&["cpu"]),
        request().functions([]),
    ];
    for poll in polls {
        let empty = s.claim(at(1), &poll.poll()).await?;
        assert_eq!((empty.tasks.len(), empty.next_due, empty.next_deadline), (0, Some(at(20)), Some(at(60))));
    }
    assert_eq!(s.take(at(1), request().queues(&["slow"]).tags(&["gpu"]).poll()).await?.len(), 1);
    Ok(())
}

/// C-Q2 A repeat with the same token answers with the same tasks and takes no others.
pub(super) async fn a_repeated_claim_gives_the_same_tasks(s: Fixture) -> Checked {
    s.create_all(at(0), &executions(4, "f")).await?;
    let request = request().limit(2);
    let first = s.take(at(0), request.clone()).await?;
    assert_eq!(first.len(), 2);
    let again = s.take(at(1), request.clone()).await?;
    assert_eq!(again, first, "C-Q2: the same tasks, told alike, in the same order, and no attempt more");
    assert_eq!(s.look(first[0].claim.task).await?.attempt, 1);
    assert_eq!(s.take_all(at(1)).await?.len(), 2, "the repeat took no others");
    Ok(())
}

/// C-Q2 C-Y4 A repeat knows its tasks also after they have written and when some have ended.
pub(super) async fn a_repeated_claim_after_an_end_takes_no_other(s: Fixture) -> Checked {
    s.create_all(at(0), &executions(3, "f")).await?;
    let request = request().limit(2);
    let first = s.take(at(0), request.clone()).await?;
    s.end(at(1), completed(first[0].claim, "done")).await?;
    let again = ids_of(&s.take(at(1), request).await?);
    assert_eq!(again, [first[1].claim.task], "what has ended is claimed no more, and no other takes its place");
    Ok(())
}

/// C-Q2 Every claim call has a token of its own, which all its tasks bear.
pub(super) async fn a_claim_bears_the_callers_token(s: Fixture) -> Checked {
    s.create_all(at(0), &executions(3, "f")).await?;
    let request = request();
    for task in s.take(at(0), request.clone()).await? {
        assert_eq!(task.claim.token, request.token);
        let record = s.look(task.claim.task).await?;
        assert_eq!((record.state, record.worker), (TaskState::Running, Some(request.worker)));
        assert_eq!(record.lease_until, Some(at(0).after(LEASE)), "the claim holds for its lease from `now`");
    }
    Ok(())
}

/// C-Q1 A child tells whose it is, and a repeat of the claim finds it non-empty once it wrote.
pub(super) async fn a_claimed_child_names_its_family(s: Fixture) -> Checked {
    let root = s.start(at(0), execution("parent")).await?;
    let new = child(root.claim.task, call(0, "f")).input("line 1").queue("mail");
    s.note_down(at(0), turn(root.claim).child(new.clone())).await?;
    let claimed = s.take_one(at(0)).await?;
    assert_eq!((claimed.claim.task, claimed.execution), (new.id, root.execution));
    assert_eq!((claimed.parent, claimed.depth), (Some(root.claim.task), 1));
    assert_eq!((&claimed.input, claimed.fingerprint), (&new.task.input, new.task.fingerprint));
    assert_eq!((claimed.attempt, claimed.is_fresh), (1, true));
    let grandchild = child(new.id, call(0, "g"));
    s.note_down(at(0), turn(claimed.claim).child(grandchild)).await?;
    assert_eq!(s.take_one(at(0)).await?.depth, 2);
    Ok(())
}

/// C-Q1 A claim in which nothing is free changes nothing.
pub(super) async fn an_empty_store_gives_an_empty_claim(s: Fixture) -> Checked {
    let claimed = s.claim(at(0), &request()).await?;
    assert!(claimed.tasks.is_empty() && claimed.corrupt.is_empty());
    assert_eq!((claimed.next_due, claimed.next_deadline), (None, None));
    Ok(())
}

/// C-Y4 C-Q1 A released task goes back to where it stood in the order.
pub(super) async fn a_released_task_keeps_its_place_in_the_order(s: Fixture) -> Checked {
    let first = s.start(at(0), execution("f")).await?;
    let second = s.create(at(0), execution("f").due(at(1))).await?;
    s.end(at(5), released(first.claim)).await?;
    assert_eq!(executions_of(&s.take_all(at(5)).await?), [first.execution, second], "it has the due time that it had");
    Ok(())
}

/// C-Q2 A function that is listed twice gives each of its tasks once.
pub(super) async fn a_function_listed_twice_gives_each_task_once(s: Fixture) -> Checked {
    let made = executions(3, "f");
    s.create_all(at(0), &made).await?;
    let mut claimed = Vec::new();
    for _ in 0..3 {
        let twice = request().functions([has("f"), has("g"), has("f")]).limit(2);
        claimed.extend(executions_of(&s.take(at(0), twice).await?));
    }
    assert_eq!(claimed, made.iter().map(|execution| execution.id).collect::<Vec<_>>());
    Ok(())
}
