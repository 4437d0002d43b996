//! From a moment to its calls: what is dispatched, claimed, cancelled, kept. What claims write stands in `turn` and `end`, what is read in
//! `look`.

use std::sync::Arc;
use std::time::Duration;

use stent_core::backend::{DeadLetterFilter, Page, RedriveTarget};
use stent_core::claim::{ClaimFunction, ClaimRequest, FirstClaim};
use stent_core::execution::{ExecutionState, NewExecution};
use stent_core::memo::{Memo, MemoMode};
use stent_core::retry::{OnRetry, RetryPolicy};
use stent_core::signal::SignalSend;
use stent_core::task::{NewTask, TaskState};
use stent_core::worker::{WorkerRecord, WorkerState};
use stent_core::{BackendError, Fingerprint};

use super::act::Kind;
use super::call::Call;
use super::choices::Choices;
use super::history::{Family, Held, History, worker};
use super::{end, look, turn};
use crate::conformance::builders::{self, dedup, fingerprint, has, payload, queue, secs, signal_name, tag, version};

/// What there is to call, wait in, ask for and share.
const FUNCTIONS: [&str; 3] = ["f", "g", "h"];
const LIMITED: &str = "h";
const QUEUES: [&str; 2] = ["a", "b"];
const TAGS: [&str; 2] = ["x", "y"];
pub(super) const SIGNALS: [&str; 2] = ["s", "t"];
const KEYS: [&str; 2] = ["k", "l"];

/// What a moment does.
#[derive(Debug)]
pub(super) enum Deed {
    Calls(Vec<Call>),
    Reopen,
    Look,
}

/// Settles what a moment does.
pub(super) async fn plan(history: &mut History<'_>, choices: &mut Choices<'_>) -> Result<Deed, BackendError> {
    let kind = Kind::choose(choices);
    history.look().await?;
    history.go_on(choices);
    let kind = fitting(history, kind, choices);
    Ok(Deed::Calls(match kind {
        Kind::Reopen => return Ok(Deed::Reopen),
        Kind::Look => return Ok(Deed::Look),
        Kind::Dispatch => vec![dispatch(history, choices)],
        Kind::Claim => vec![claim(history, choices)],
        Kind::Write => vec![turn::write(history, choices).await?],
        Kind::Complete => vec![end::complete(history, choices).await?],
        Kind::Suspend => vec![end::suspend(history, choices).await?],
        Kind::Send => vec![send(history, choices)],
        Kind::Renew => vec![renew(history, choices)],
        Kind::Reserve => vec![reserve(history, choices)],
        Kind::Redrive => vec![redrive(history, choices).await?],
        Kind::Expire => vec![Call::Expire([100, 1, 0, 2][choices.below(4)])],
        Kind::Cancel => vec![Call::Cancel(history.execution(choices))],
        Kind::Lapse => vec![Call::Lapse(worker(choices.below(3)))],
        Kind::Repeat => repeat(history, choices),
        Kind::Wait => look::waits(history, choices).await?,
        Kind::Inspect => look::inspection(history, choices),
        Kind::Prune => vec![Call::Prune(history.about_now(choices))],
        Kind::Discard => vec![Call::Discard(dead_letter(history, choices).await?)],
    }))
}

/// A kind that finds nothing to act on makes way for one that sees to it that there is something.
fn fitting(history: &History<'_>, kind: Kind, choices: &mut Choices<'_>) -> Kind {
    let kind = match kind {
        Kind::Claim if !history.has_claimable() && choices.chance(200) => Kind::Complete,
        kind => kind,
    };
    let has_failed = history.executions.iter().any(|one| is_redrivable(one.state));
    let kind = match kind {
        Kind::Redrive if !has_failed && choices.chance(200) => Kind::Complete,
        kind => kind,
    };
    let kind = match kind {
        Kind::Write | Kind::Complete | Kind::Suspend | Kind::Renew | Kind::Reserve if history.live().is_empty() => {
            Kind::Claim
        }
        kind => kind,
    };
    let has_open = history.tasks.iter().any(|task| !task.state.is_final());
    match kind {
        Kind::Claim | Kind::Send | Kind::Cancel | Kind::Repeat if !has_open => Kind::Dispatch,
        kind => kind,
    }
}

fn is_redrivable(state: ExecutionState) -> bool {
    matches!(state, ExecutionState::Failed | ExecutionState::TimedOut)
}

fn dispatch(history: &mut History<'_>, choices: &mut Choices<'_>) -> Call {
    Call::Dispatch((0..=choices.below(16) / 12).map(|_| execution(history, choices)).collect())
}

/// An execution of an id of its own.
pub(super) fn execution(history: &mut History<'_>, choices: &mut Choices<'_>) -> NewExecution {
    NewExecution {
        id: history.next_execution(),
        task: task(history, choices),
        max_duration: choices.chance(60).then(|| secs([20, 5, 0][choices.below(3)])),
        dedup: choices.chance(60).then(|| dedup(choices.among(KEYS))),
        born: choices.chance(10).then(|| payload("born")),
    }
}

/// A task that somebody may call.
pub(super) fn task(history: &mut History<'_>, choices: &mut Choices<'_>) -> NewTask {
    let name = choices.among(FUNCTIONS);
    let input = choices.below(2);
    let max_concurrent = places(name, choices);
    NewTask {
        version: choices.chance(20).then(|| version("2")),
        input: payload(["", "input"][input]),
        fingerprint: fingerprint([name, "input"][input]),
        queue: choices.chance(50).then(|| queue(choices.among(QUEUES))),
        tags: if choices.chance(40) { choices.some(&TAGS.map(tag)).into() } else { Arc::from([]) },
        priority: [0, 1, 0, -1][choices.below(4)],
        due: history.about_now(choices),
        retry: policy(choices.below(5)),
        max_concurrent,
        memo: choices.chance(60).then(|| memo(choices)),
        trace: choices.chance(10).then(|| "00-trace".into()),
        claim: if max_concurrent.is_none() && choices.chance(40) { Some(first_claim(history, choices)) } else { None },
        ..builders::task(name)
    }
}

/// The claim of a worker that begins it at once.
fn first_claim(history: &mut History<'_>, choices: &mut Choices<'_>) -> FirstClaim {
    FirstClaim { worker: worker(choices.below(3)), token: history.next_token(), lease: secs([10, 1][choices.below(2)]) }
}

/// Mostly what all code says of the function; another deploy may say otherwise.
fn places(name: &str, choices: &mut Choices<'_>) -> Option<u32> {
    let other = choices.chance(25);
    let places = [1, 2][choices.below(2)];
    ((name == LIMITED) != other).then_some(places)
}

fn policy(number: usize) -> Arc<RetryPolicy> {
    let builder = RetryPolicy::builder();
    let policy = match number {
        1 => builder.on_retry(OnRetry::Resume).max_attempts(5),
        2 => builder.on_retry(OnRetry::Restart).retry_for(["Timeout"]),
        3 => builder.on_retry(OnRetry::Fail).initial_delay(Duration::ZERO).jitter(0.25),
        4 => builder.max_attempts(1).retry_for(["Boom", "Timeout"]).factor(1.5),
        _ => builder,
    };
    Arc::new(policy.build().unwrap_or_else(|invalid| panic!("{invalid}")))
}

pub(super) fn key(choices: &mut Choices<'_>) -> Fingerprint {
    fingerprint(choices.among(KEYS))
}

pub(super) fn all_keys() -> Vec<Fingerprint> {
    KEYS.map(fingerprint).to_vec()
}

fn memo(choices: &mut Choices<'_>) -> Memo {
    let mode = match choices.below(4) {
        0 | 1 => MemoMode::Idempotent,
        2 => MemoMode::Cached { ttl: Some(secs(5)) },
        _ => MemoMode::Cached { ttl: None },
    };
    Memo { key: key(choices), mode }
}

fn claim(history: &mut History<'_>, choices: &mut Choices<'_>) -> Call {
    let token = history.next_token();
    Call::Claim(ClaimRequest {
        worker: worker(choices.below(3)),
        token,
        limit: if choices.chance(8) { 0 } else { [1, 2, 3, 10][choices.below(4)] },
        lease: secs([10, 10, 1, 60][choices.below(4)]),
        functions: functions(choices),
        queues: if choices.chance(30) { choices.some(&QUEUES.map(queue)).into() } else { Arc::from([]) },
        tags: if choices.chance(30) { choices.some(&TAGS.map(tag)).into() } else { Arc::from([]) },
        take_expired: !choices.chance(60),
        is_poll: choices.chance(30),
    })
}

/// The functions of a worker: mostly all, also of version 2.
fn functions(choices: &mut Choices<'_>) -> Arc<[ClaimFunction]> {
    let chosen = if choices.chance(40) { choices.some(&FUNCTIONS) } else { FUNCTIONS.to_vec() };
    let without_second = choices.chance(60);
    let mut functions = Vec::new();
    for name in chosen {
        let limited = ClaimFunction { max_concurrent: places(name, choices), ..has(name) };
        functions.push(limited.clone());
        functions.extend((!without_second).then(|| ClaimFunction { version: Some(version("2")), ..limited }));
    }
    functions.into()
}

fn renew(history: &History<'_>, choices: &mut Choices<'_>) -> Call {
    let id = worker(choices.below(3));
    let mut claims: Vec<Held> = history.live().into_iter().filter(|held| held.worker == id).collect();
    let lost = history.issued.iter().rev().filter(|held| held.worker == id).take(choices.below(6));
    for other in history.claims(choices, Family::Any).iter().chain(lost) {
        if claims.iter().all(|held| held.claim.task != other.claim.task) {
            claims.push(*other);
        }
    }
    let worker = WorkerRecord {
        state: choices.among([WorkerState::Ready, WorkerState::Draining, WorkerState::Starting]),
        lease: secs([10, 60][choices.below(2)]),
        functions: functions(choices),
        queues: choices.some(&QUEUES.map(queue)).into(),
        ..builders::worker(id)
    };
    Call::Renew(worker, claims.into_iter().map(|held| held.claim).collect())
}

fn reserve(history: &History<'_>, choices: &mut Choices<'_>) -> Call {
    let claim = history.claims(choices, Family::Any).first().map(|held| held.claim);
    let key = key(choices);
    claim.map_or_else(|| Call::Recall(all_keys()), |claim| Call::Reserve(claim, key))
}

fn send(history: &mut History<'_>, choices: &mut Choices<'_>) -> Call {
    let id = history.next_signal();
    Call::Send(SignalSend {
        id,
        execution: history.execution(choices),
        name: signal_name(choices.among(SIGNALS)),
        value: payload(&"v".repeat(choices.below(3))),
    })
}

async fn redrive(history: &History<'_>, choices: &mut Choices<'_>) -> Result<Call, BackendError> {
    let failed: Vec<_> = history.executions.iter().filter(|one| is_redrivable(one.state)).map(|one| one.id).collect();
    Ok(Call::Redrive(match choices.byte() {
        ..=149 => RedriveTarget::Execution(
            choices.one(&failed).copied().unwrap_or_else(|| history.execution(&mut Choices::none())),
        ),
        150..=229 => RedriveTarget::DeadLetter(dead_letter(history, choices).await?),
        _ => RedriveTarget::Execution(history.execution(choices)),
    }))
}

/// Mostly one that there is.
async fn dead_letter(history: &History<'_>, choices: &mut Choices<'_>) -> Result<stent_core::TaskId, BackendError> {
    let letters = history.model.list_dead_letters(&DeadLetterFilter::default(), Page::first(100)).await?;
    let other = choices.chance(25);
    let letter = choices.one(&letters).filter(|_| !other).map(|letter| letter.task);
    Ok(letter.unwrap_or_else(|| history.task(choices)))
}

/// An earlier call once more: mostly the last, whose answer may have been lost.
///
/// A claim is not repeated once something that it gave was given up: whoever acts on an answer has had it, and tokens are never used again.
fn repeat(history: &History<'_>, choices: &mut Choices<'_>) -> Vec<Call> {
    let ago = choices.below(4) * choices.below(8);
    let Some(call) = history.made.iter().rev().nth(ago) else { return vec![Call::Ping] };
    match call {
        Call::Claim(request) if ago > 0 && !still_holds(history, request) => vec![Call::Ping],
        call => vec![call.clone()],
    }
}

fn still_holds(history: &History<'_>, request: &ClaimRequest) -> bool {
    let mut given = history.issued.iter().filter(|held| held.claim.token == request.token).peekable();
    given.peek().is_some()
        && given.all(|held| {
            let is_it = |task: &&stent_core::task::TaskRecord| task.id == held.claim.task;
            let running = history.tasks.iter().find(is_it).is_some_and(|task| task.state == TaskState::Running);
            running && history.live().iter().any(|live| live.claim == held.claim)
        })
}
