//! The durable function that runs a program, and the probe that sees what it does.

use std::collections::HashMap;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use stent_core::name::FunctionName;
use stent_core::operation::OperationKind;
use stent_core::retry::{ErrorClass, RetryPolicy};
use stent_core::{Failure, Fingerprint, Timestamp};
use tokio::sync::oneshot;

use super::program::{Action, MapKind, Program};
use super::random::mix;
use crate::context::Ctx;
use crate::function::{DurableFunction, FunctionDefinition};
use crate::options::Call;

/// The function of an execution.
pub(super) struct Root;

/// The function of its children, which the world ends.
pub(super) struct Child;

impl DurableFunction for Root {
    type Args = ();
    type Output = u64;

    fn definition() -> FunctionDefinition {
        FunctionDefinition::new("root")
    }

    async fn run(ctx: Ctx, (): ()) -> Result<u64, Failure> {
        let probe = ctx.resource::<Arc<Probe>>()?;
        probe.log().ctx = Some(ctx.clone());
        let run = Run { ctx: &ctx, probe: &probe };
        run.program(&probe.program, 1, 1).await
    }
}

impl DurableFunction for Child {
    type Args = (u64, u64);
    type Output = u64;

    fn definition() -> FunctionDefinition {
        FunctionDefinition::new("child")
    }

    async fn run(_: Ctx, (name, input): (u64, u64)) -> Result<u64, Failure> {
        Ok(mix(name, input))
    }
}

/// The fingerprint of a map's item.
pub(super) fn item(index: u32, argument: u64) -> Fingerprint {
    let name = FunctionName::new(Child::definition().name).unwrap();
    crate::codec::fingerprint(&name, None, &(700 + u64::from(index), argument)).unwrap()
}

/// A failure that bears a value.
pub(super) fn failure(class: &str, value: u64) -> Failure {
    Failure::new(ErrorClass::new(class).unwrap(), value.to_string())
}

/// What one activation does, as it is seen from inside of its function.
pub(super) struct Probe {
    program: Program,
    log: Mutex<Log>,
}

#[derive(Default)]
pub(super) struct Log {
    /// Of the activation, once its function runs. To be taken out at the end, since it holds the probe.
    pub(super) ctx: Option<Ctx>,
    /// What the function saw and did, by turn.
    pub(super) trace: Vec<(u32, Event)>,
    /// What operations were made with, by slot.
    pub(super) arguments: HashMap<usize, u64>,
    /// Steps whose code runs.
    pub(super) running: Vec<oneshot::Sender<Result<u64, Failure>>>,
    /// Steps whose code was started since the world last looked.
    pub(super) started: Vec<usize>,
    pub(super) counted: i64,
    /// What the function saw that must not be.
    pub(super) violation: Option<String>,
}

/// One thing that a function saw or did.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Event {
    Made(OperationKind, Arc<str>, u64),
    Got(Arc<str>, Result<u64, String>),
    Now(Timestamp),
    Drew(u128, u64),
    Counted,
}

impl Probe {
    pub(super) fn new(program: Program) -> Self {
        Self { program, log: Mutex::default() }
    }

    pub(super) fn log(&self) -> MutexGuard<'_, Log> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn saw(&self, ctx: &Ctx, event: Event) {
        let turn = ctx.activation().shared().turn;
        let now = ctx.now();
        let mut log = self.log();
        let before = log.trace.iter().rev().find_map(|(_, event)| match event {
            Event::Now(time) => Some(*time),
            _ => None,
        });
        if before.is_some_and(|before| now < before) {
            log.violation = Some(format!("now() went back from {before:?} to {now:?} in turn {turn}"));
        }
        log.trace.extend([(turn, event), (turn, Event::Now(now))]);
    }
}

/// An operation, seen by the probe.
struct Seen<'a> {
    run: Run<'a>,
    argument: u64,
    slot: Arc<OnceLock<usize>>,
    operation: BoxFuture<'a, Result<u64, Failure>>,
}

impl Future for Seen<'_> {
    type Output = Result<u64, Failure>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Run { ctx, probe } = self.run;
        let made = || ctx.activation().shared().operations.len();
        let (is_first, before) = (self.slot.get().is_none(), made());
        let polled = self.operation.as_mut().poll(cx);
        if is_first {
            if made() != before + 1 || polled.is_ready() {
                probe.log().violation = Some("an operation was ready at its first poll".into());
                return polled;
            }
            self.slot.set(before).unwrap();
            let id = ctx.activation().shared().operations[before].id.clone();
            probe.log().arguments.insert(before, self.argument);
            probe.saw(ctx, Event::Made(id.kind, id.name, self.argument));
        } else if let (Poll::Ready(result), Some(slot)) = (&polled, self.slot.get()) {
            let name = ctx.activation().shared().operations[*slot].id.name.clone();
            let result = result.as_ref().map_err(|failure| failure.message().to_owned());
            probe.saw(ctx, Event::Got(name, result.copied()));
        }
        polled
    }
}

/// A program being run.
#[derive(Clone, Copy)]
struct Run<'a> {
    ctx: &'a Ctx,
    probe: &'a Arc<Probe>,
}

type Running<'a> = BoxFuture<'a, Result<u64, Failure>>;

impl<'a> Run<'a> {
    /// Runs a program on a value. Operations that it begins with are created now, and made when it is polled.
    fn program(self, program: &'a Program, value: u64, path: u64) -> Running<'a> {
        let at = |part: u64| mix(path, part);
        match program {
            Program::Do(action) => self.action(action, value, path),
            Program::Sequence(parts) => Box::pin(async move {
                let mut value = value;
                for (part, at) in parts.iter().zip(1..) {
                    value = self.program(part, value, mix(path, at)).await?;
                }
                Ok(value)
            }),
            Program::Join { parts, fails_fast, backwards } => {
                let parts = self.parts(parts, value, path);
                Box::pin(async move { join(parts, *fails_fast, *backwards).await.map(|result| mix(value, result)) })
            }
            Program::Select(parts) => {
                let parts = self.parts(parts, value, path);
                Box::pin(async move { select(parts).await.map(|result| mix(value, result)) })
            }
            Program::Stream { width, count, body, after } => {
                Box::pin(self.stream(*width, *count, body, after, value, path))
            }
            Program::IfOdd(one, other) => self.program(if value % 2 == 1 { one } else { other }, value, at(7)),
            Program::Loop(body) => Box::pin(async move {
                let mut result = value;
                for round in 0..=value % 3 {
                    result = self.program(body, result, mix(path, 600 + round)).await?;
                }
                Ok(result)
            }),
            Program::Retry(body) => Box::pin(async move {
                let mut round = 0;
                loop {
                    let result = self.program(body, mix(value, round), mix(path, 700 + round)).await;
                    round += 1;
                    if result.is_ok() || round == 3 {
                        return result;
                    }
                }
            }),
            Program::Catch(body, handler) => Box::pin(async move {
                match self.program(body, value, mix(path, 8)).await {
                    Ok(result) => Ok(result),
                    Err(failure) => self.program(handler, mix(value, digest(&failure)), mix(path, 9)).await,
                }
            }),
            Program::Patched { new, old } => {
                self.program(if self.ctx.patched("changed") { new } else { old }, value, path)
            }
        }
    }

    fn parts(self, parts: &'a [Program], value: u64, path: u64) -> Vec<Running<'a>> {
        parts.iter().zip(100..).map(|(part, at)| self.program(part, value, mix(path, at))).collect()
    }

    async fn stream(
        self,
        width: u64,
        count: u64,
        body: &'a Program,
        after: &'a Program,
        value: u64,
        path: u64,
    ) -> Result<u64, Failure> {
        let mut value = value;
        let mut begun = 0;
        let mut running = FuturesUnordered::new();
        loop {
            while begun < count && u64::try_from(running.len()).unwrap() < width {
                let (at, body) = (begun, self.program(body, mix(value, begun), mix(path, 400 + begun)));
                running.push(async move { (at, body.await) });
                begun += 1;
            }
            let Some((at, result)) = running.next().await else { return Ok(value) };
            value = mix(value, mix(at, result.unwrap_or_else(|failure| digest(&failure))));
            if value.is_multiple_of(2) {
                value = self.program(after, value, mix(path, 500 + at)).await?;
            }
        }
    }

    fn action(self, action: &'a Action, value: u64, path: u64) -> Running<'a> {
        let slot = Arc::new(OnceLock::new());
        let (ctx, argument) = (self.ctx, value % 3);
        let operation: Running<'a> = match action {
            Action::Step { name, keyed, attempts } => {
                let (probe, slot) = (Arc::clone(self.probe), Arc::clone(&slot));
                let code = move || {
                    let (end, ended) = oneshot::channel();
                    let mut log = probe.log();
                    log.running.push(end);
                    log.started.extend(slot.get());
                    async move { ended.await.unwrap_or_else(|_| Err(failure("Gone", 0))) }
                };
                let policy = RetryPolicy::builder().max_attempts(*attempts).jitter(0.0).initial_delay("3ms");
                let step = ctx.step(format!("step {name}"), code).retry(policy.build().unwrap());
                Box::pin(if *keyed { step.key(format!("{path:x}")) } else { step })
            }
            Action::Call { name, timeout } => {
                let call = ctx.call(Call::<Child>::new((*name, argument)));
                Box::pin(match timeout {
                    Some(timeout) => call.timeout(Duration::from_millis(*timeout)),
                    None => call,
                })
            }
            Action::Sleep => {
                let sleep = ctx.sleep(Duration::from_millis(1 + value % 40));
                Box::pin(async move { sleep.await.map(|()| 1) })
            }
            Action::Signal { name, timeout: None } => Box::pin(ctx.signal::<u64>(format!("signal {name}"))),
            Action::Signal { name, timeout: Some(timeout) } => {
                let wait = ctx.signal::<u64>(format!("signal {name}")).timeout(Duration::from_millis(*timeout));
                Box::pin(async move { wait.await.map(|value| value.unwrap_or(5)) })
            }
            Action::Map { items, chunk, kind } => self.map(*items, *chunk, *kind, value),
            Action::Dispatch => {
                let dispatch = ctx.dispatch(Call::<Child>::new((800, argument)));
                Box::pin(async move { dispatch.await.map(|id| u64::from(id.as_bytes()[7])) })
            }
            Action::Read => match ctx.counter("count") {
                Ok(counter) => {
                    let read = counter.get();
                    Box::pin(async move { read.await.map(i64::cast_unsigned) })
                }
                Err(failure) => Box::pin(async { Err(failure) }),
            },
            Action::Count => {
                return Box::pin(async move {
                    ctx.counter("count")?.add(1)?;
                    ctx.progress("counted");
                    self.probe.saw(ctx, Event::Counted);
                    self.probe.log().counted += 1;
                    Ok(mix(value, 3))
                });
            }
            Action::Draw => {
                return Box::pin(async move {
                    let (uuid, number) = (ctx.uuid().as_u128(), ctx.random().to_bits());
                    self.probe.saw(ctx, Event::Drew(uuid, number));
                    Ok(mix(value, number))
                });
            }
        };
        // What is part of the identity, or decides what the operation does.
        let argument = if matches!(action, Action::Step { .. } | Action::Map { .. }) { value } else { argument };
        let seen = Seen { run: self, argument, slot, operation };
        Box::pin(async move { seen.await.map(|result| mix(value, result)) })
    }

    fn map(self, items: u64, chunk: u32, kind: MapKind, value: u64) -> Running<'a> {
        let calls = (0..items).map(move |item| Call::<Child>::new((700 + item, value)));
        match kind {
            MapKind::All => {
                let map = self.ctx.map(calls).chunk(chunk);
                Box::pin(async move { map.await.map(|results| results.into_iter().fold(0, mix)) })
            }
            MapKind::Settled => {
                let map = self.ctx.map_settled(calls).chunk(chunk);
                Box::pin(async move {
                    let results = map.await?.into_iter();
                    Ok(results.map(|result| result.unwrap_or_else(|failure| digest(&failure))).fold(0, mix))
                })
            }
            MapKind::Fold => Box::pin(
                self.ctx.map_fold(calls, 0, |state, index, result| mix(mix(state, index as u64), result)).chunk(chunk),
            ),
        }
    }
}

/// A number that stands for a failure.
fn digest(failure: &Failure) -> u64 {
    failure.message().bytes().fold(17, |digest, byte| mix(digest, u64::from(byte)))
}

/// All results; or the first failure, at once or when all have ended. Two are joined by the macros that everybody uses, in the order
/// written: where a stream is not polled for some turns, two outcomes may wait in a join at once, and which goes on first must not
/// hang on how often it was polled before.
async fn join(mut parts: Vec<Running<'_>>, fails_fast: bool, backwards: bool) -> Result<u64, Failure> {
    if parts.len() == 2 && !backwards {
        let (one, other) = (parts.remove(0), parts.remove(0));
        if fails_fast {
            return tokio::try_join!(biased; one, other).map(|(one, other)| mix(one, other));
        }
        let (one, other) = tokio::join!(biased; one, other);
        return Ok(mix(one?, other?));
    }
    let mut parts: Vec<_> = parts.into_iter().map(|part| (Some(part), None)).collect();
    std::future::poll_fn(move |cx| {
        let count = parts.len();
        for at in 0..count {
            let (part, result) = &mut parts[if backwards { count - 1 - at } else { at }];
            let Some(running) = part else { continue };
            if let Poll::Ready(ended) = pin!(running).poll(cx) {
                *part = None;
                *result = Some(ended);
            }
            if let (true, Some(Err(failure))) = (fails_fast, &result) {
                let failure = failure.clone();
                parts.clear();
                return Poll::Ready(Err(failure));
            }
        }
        if parts.iter().any(|(part, _)| part.is_some()) {
            return Poll::Pending;
        }
        let results = std::mem::take(&mut parts).into_iter().filter_map(|(_, result)| result);
        Poll::Ready(results.collect::<Result<Vec<_>, _>>().map(|results| results.into_iter().fold(0, mix)))
    })
    .await
}

/// The first result; the others are dropped.
async fn select(mut parts: Vec<Running<'_>>) -> Result<u64, Failure> {
    if parts.len() == 2 {
        let (one, other) = (parts.remove(0), parts.remove(0));
        return crate::select! {
            result = one => result.map(|result| mix(result, 0)),
            result = other => result.map(|result| mix(result, 1)),
        };
    }
    let (result, at, _others) = futures_util::future::select_all(parts).await;
    result.map(|result| mix(result, u64::try_from(at).unwrap()))
}
