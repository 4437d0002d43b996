//! The functions that a program has, by name and version, with their options checked.

use std::any::TypeId;
use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use stent_core::claim::ClaimFunction;
use stent_core::limits;
use stent_core::name::{FunctionName, InvalidName, QueueName, Tag, Version};
use stent_core::retry::{InvalidRetryPolicy, OnRetry, RetryPolicy};
use stent_core::{Failure, Fingerprint, Payload};

use crate::codec::{self, Codec, CodecError};
use crate::context::Ctx;
use crate::function::{DurableFunction, FunctionDefinition, MemoOption};
use crate::options::InvalidCall;
use crate::private::RetryOptions;

/// A function to be registered; made by `functions![…]`.
#[derive(Debug, Clone)]
pub struct Registration {
    type_id: TypeId,
    definition: FunctionDefinition,
    body: Body,
}

/// A registry that cannot be built.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidRegistry {
    /// Two functions bear one name and version.
    #[error(
        "two functions are named {name}: one at {first}, one at {second}; give one of them `name = \"…\"` or a version"
    )]
    DuplicateFunction {
        /// The name.
        name: String,
        /// Where the first stands.
        first: String,
        /// Where the second stands.
        second: String,
    },
    /// A name in the options of a function breaks a rule.
    #[error("function {function}: {error}")]
    Name {
        /// The function.
        function: &'static str,
        /// What is wrong.
        error: InvalidName,
    },
    /// More tags than allowed.
    #[error("function {function} has {count} tags, at most {} are allowed", limits::TAGS)]
    Tags {
        /// The function.
        function: &'static str,
        /// How many.
        count: usize,
    },
    /// The retry policy of a function breaks a rule.
    #[error("function {function}: {error}")]
    Retry {
        /// The function.
        function: &'static str,
        /// What is wrong.
        error: InvalidRetryPolicy,
    },
}

/// The future of a function's body: its encoded result.
pub(crate) type Running = Pin<Box<dyn Future<Output = Result<Payload, Failure>> + Send>>;

/// How a function is run and its input compared, without its type.
#[derive(Debug, Clone, Copy)]
struct Body {
    run: fn(Ctx, &Payload) -> Result<Running, CodecError>,
    reprint: fn(&dyn Codec, &Payload, &Known) -> Result<Fingerprint, CodecError>,
}

/// What is known of a function: its options, checked.
#[derive(Debug)]
pub(crate) struct Known {
    pub(crate) name: FunctionName,
    pub(crate) version: Option<Version>,
    pub(crate) aliases: Vec<FunctionName>,
    pub(crate) queue: Option<QueueName>,
    pub(crate) tags: Arc<[Tag]>,
    pub(crate) priority: i32,
    pub(crate) max_concurrent: Option<u32>,
    pub(crate) max_duration: Option<Duration>,
    pub(crate) retry: Arc<RetryPolicy>,
    pub(crate) memo: MemoOption,
    location: (&'static str, u32),
    body: Body,
}

impl Known {
    /// Begins to run the function on a recorded input.
    pub(crate) fn run(&self, ctx: Ctx, input: &Payload) -> Result<Running, CodecError> {
        (self.body.run)(ctx, input)
    }

    /// The fingerprint of a recorded input, decoded and encoded again by today's types (C-R4).
    pub(crate) fn reprint(&self, codec: &dyn Codec, input: &Payload) -> Result<Fingerprint, CodecError> {
        (self.body.reprint)(codec, input, self)
    }
}

/// The functions of a program.
#[derive(Debug, Default)]
pub(crate) struct Registry {
    by_name: HashMap<FunctionName, Vec<Arc<Known>>>,
    by_type: HashMap<TypeId, Arc<Known>>,
}

impl Registration {
    /// The registration of a function.
    #[must_use]
    pub fn of<F: DurableFunction>() -> Self {
        Self { type_id: TypeId::of::<F>(), definition: F::definition(), body: Body::of::<F>() }
    }
}

impl Body {
    fn of<F: DurableFunction>() -> Self {
        Self {
            run: |ctx, input| {
                let args = codec::decode::<F::Args>(ctx.codec(), input)?;
                Ok(Box::pin(async move {
                    let output = F::run(ctx.clone(), args).await?;
                    codec::encode(ctx.codec(), ctx.payload_limit(), &output).map_err(Failure::from)
                }))
            },
            reprint: |codec, input, known| {
                let args = codec::decode::<F::Args>(codec, input)?;
                codec::fingerprint(&known.name, known.version.as_ref(), &args)
            },
        }
    }
}

impl Registry {
    /// Checks and collects functions.
    pub(crate) fn new(registrations: impl IntoIterator<Item = Registration>) -> Result<Self, InvalidRegistry> {
        let mut registry = Self::default();
        for Registration { type_id, definition, body } in registrations {
            if registry.by_type.contains_key(&type_id) {
                continue;
            }
            let known = Arc::new(check(&definition, body)?);
            for name in std::iter::once(&known.name).chain(&known.aliases) {
                let versions = registry.by_name.entry(name.clone()).or_default();
                if let Some(first) = versions.iter().find(|other| other.version == known.version) {
                    return Err(InvalidRegistry::DuplicateFunction {
                        name: name.to_string(),
                        first: format!("{}:{}", first.location.0, first.location.1),
                        second: format!("{}:{}", known.location.0, known.location.1),
                    });
                }
                versions.push(Arc::clone(&known));
            }
            registry.by_type.insert(type_id, known);
        }
        Ok(registry)
    }

    /// The function of a task. A task that is pinned to no version is for the unversioned function, or else for the newest version: the last
    /// in the order of registration.
    pub(crate) fn find(&self, name: &FunctionName, version: Option<&Version>) -> Option<&Arc<Known>> {
        let versions = self.by_name.get(name)?;
        let exact = versions.iter().find(|known| known.version.as_ref() == version);
        exact.or_else(|| version.is_none().then(|| versions.last()).flatten())
    }

    /// What is known of a function by its type.
    pub(crate) fn known<F: DurableFunction>(&self) -> Result<Arc<Known>, InvalidCall> {
        self.by_type.get(&TypeId::of::<F>()).cloned().ok_or_else(|| {
            let name = F::definition().name.to_owned();
            InvalidCall::UnknownFunction { known: self.alike(&name), name }
        })
    }

    /// What can be known of a function that another program has registered.
    pub(crate) fn remote<F: DurableFunction>() -> Result<Arc<Known>, InvalidRegistry> {
        check(&F::definition(), Body::of::<F>()).map(Arc::new)
    }

    /// The name under which a recorded name is registered today: a function's aliases mean the function.
    pub(crate) fn today<'a>(&'a self, name: &'a str) -> &'a str {
        let known =
            FunctionName::new(name).ok().and_then(|name| self.by_name.get(&name)).and_then(|versions| versions.first());
        known.map_or(name, |known| known.name.as_str())
    }

    /// What a worker with these functions may claim (C-R7).
    pub(crate) fn claim_functions(&self) -> Arc<[ClaimFunction]> {
        let mut functions: Vec<_> = self
            .by_name
            .iter()
            .flat_map(|(name, versions)| {
                let unpinned = versions.iter().all(|known| known.version.is_some()).then_some(None);
                let of = |version, known: &Known| ClaimFunction {
                    name: name.clone(),
                    version,
                    max_concurrent: known.max_concurrent,
                };
                let unpinned = unpinned.and_then(|version| versions.last().map(|known| of(version, known)));
                versions.iter().map(move |known| of(known.version.clone(), known)).chain(unpinned).collect::<Vec<_>>()
            })
            .collect();
        functions.sort_by(|a, b| (&a.name, &a.version).cmp(&(&b.name, &b.version)));
        functions.into()
    }

    /// At most ten registered names, those that share the most with `name` first.
    fn alike(&self, name: &str) -> Vec<String> {
        let last = |name: &str| name.rsplit("::").next().unwrap_or_default().to_owned();
        let shared = |other: &str| last(other).chars().zip(last(name).chars()).take_while(|(a, b)| a == b).count();
        let mut names: Vec<_> = self.by_name.keys().map(ToString::to_string).collect();
        names.sort_by_key(|other| (std::cmp::Reverse(shared(other)), other.clone()));
        names.truncate(10);
        names
    }
}

fn check(definition: &FunctionDefinition, body: Body) -> Result<Known, InvalidRegistry> {
    let function = definition.name;
    let invalid = |error| InvalidRegistry::Name { function, error };
    if definition.tags.len() > limits::TAGS {
        return Err(InvalidRegistry::Tags { function, count: definition.tags.len() });
    }
    Ok(Known {
        // A module named by a raw identifier is `r#gen` in its path; stored names are as one says them.
        name: FunctionName::new(function.replace("r#", "")).map_err(invalid)?,
        version: definition.version.map(Version::new).transpose().map_err(invalid)?,
        aliases: definition.aliases.iter().map(FunctionName::new).collect::<Result<_, _>>().map_err(invalid)?,
        queue: definition.queue.map(QueueName::new).transpose().map_err(invalid)?,
        tags: definition.tags.iter().map(Tag::new).collect::<Result<_, _>>().map_err(invalid)?,
        priority: definition.priority,
        max_concurrent: definition.max_concurrent,
        max_duration: definition.max_duration.filter(|duration| !duration.is_zero()),
        retry: Arc::new(policy(definition.retry).map_err(|error| InvalidRegistry::Retry { function, error })?),
        memo: definition.memo,
        location: definition.location,
        body,
    })
}

fn policy(options: Option<RetryOptions>) -> Result<RetryPolicy, InvalidRetryPolicy> {
    let options = options.unwrap_or_default();
    let mut policy = RetryPolicy::builder();
    if let Some(attempts) = options.max_attempts {
        policy = policy.max_attempts(attempts);
    }
    if let Some(delay) = options.initial_delay {
        policy = policy.initial_delay(delay);
    }
    if let Some(factor) = options.factor {
        policy = policy.factor(factor);
    }
    if let Some(delay) = options.max_delay {
        policy = policy.max_delay(delay);
    }
    if let Some(jitter) = options.jitter {
        policy = policy.jitter(jitter);
    }
    if let Some(classes) = options.retry_for {
        policy = policy.retry_for(classes);
    }
    if let Some(on_retry) = options.on_retry {
        policy = policy.on_retry(on_retry.parse::<OnRetry>()?);
    }
    policy.build()
}
