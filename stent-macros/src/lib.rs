//! The macros of Stent: `#[durable]` and `#[derive(ErrorClass)]`.
//!
//! Re-exported by `stent-executor`, whose types the expansion names; depend on that crate, not on this one. In the order
//! of the data: `durable` reads the options and the function and writes the expansion, `error_class` is the derive,
//! `refusal` gathers complaints so that the user sees all of them at once.
#![doc = include_str!("../README.md")]

mod durable;
mod error_class;
mod executor;
mod refusal;

/// Makes an async function durable: it can be dispatched, run on any worker, retried and continued after a crash.
///
/// ```text
/// #[durable(queue = "payments", retry(max_attempts = 5, retry_for = ["Timeout", "Connection"]), max_concurrent = 10)]
/// async fn charge(ctx: Ctx, order: OrderId, cents: u64) -> Result<Receipt, PaymentError> { … }
/// ```
///
/// The function becomes two items of one name: a function `charge(order, cents) -> Call<charge>`, and a type `charge` that
/// carries the name, the options and the body and is what `functions![charge]` registers. In its own body the name means the call.
///
/// The context is the first parameter if its type is written `Ctx`, and may be left out. Arguments and the value returned are
/// owned types that serde can write and read, as visible as the function. The return type is a `Result`.
///
/// | option | meaning | default |
/// | --- | --- | --- |
/// | `name = "…"` | the name that rows bear | `module_path::function` |
/// | `version = "…"` | part of the name of stored results; pins what a worker claims | none |
/// | `alias = "…"`, `alias = ["…", "…"]` | older names, still claimed | none |
/// | `queue = "…"` | the queue its tasks go to | none |
/// | `tags = ["…"]` | only workers with one of these tags, or without any, take it | none |
/// | `priority = -5` | higher is claimed first | 0 |
/// | `retry(max_attempts = 5, initial_delay = "1s", factor = 2.0, max_delay = "60s", jitter = 0.1)` | the retry policy | these, 3 attempts |
/// | `retry(retry_for = ["Timeout"])` | the error classes that are retried | every class |
/// | `retry(on_retry = "resume")` | what a retry does once operations were made: `"resume"` or `"restart"` | it fails for good |
/// | `max_concurrent = 10` | at most so many at once, over all workers | no limit |
/// | `max_duration = "2d"` | the time it has from its dispatch | no limit |
/// | `cached`, `cached(ttl = "1h")` | results are shared over executions | not shared |
/// | `idempotent` | runs once for its arguments, for ever | as often as called |
/// | `key = format!("{order}")` | replaces the arguments in the key of `cached` and `idempotent`; sees them as references | the arguments |
/// | `crate = path` | where `stent_executor` is found | `::stent_executor` |
///
/// Documentation stays on the function, `#[cfg]` holds for everything generated, lint levels hold for the function and its body
/// (`#[expect]`: for the one its lint speaks of). Another attribute macro goes above `#[durable]`, so that it sees the async function.
///
/// # Errors
///
/// Does not compile, with a message that says what to do: generics, lifetimes, `self`, borrowed or `impl Trait` arguments,
/// patterns as arguments, more than 16 arguments, a return type that is no `Result`, and options that contradict each other.
#[proc_macro_attribute]
pub fn durable(options: proc_macro::TokenStream, item: proc_macro::TokenStream) -> proc_macro::TokenStream {
    durable::durable(options.into(), item.into()).into()
}

/// Gives an error type its classes, by which `retry_for` matches: `PaymentError::Timeout` for a variant, the type's name for a struct.
///
/// ```text
/// #[derive(Debug, thiserror::Error, Serialize, Deserialize, ErrorClass)]
/// #[error_class(serialize)]
/// enum PaymentError {
///     #[error("the gateway did not answer")]
///     Timeout,
///     #[error("the card was declined: {0}")]
///     #[error_class(name = "Card")]
///     Declined(String),
/// }
/// ```
///
/// - `#[error_class(serialize)]` on the type: the error is stored whole, by serde, and comes back typed on request.
/// - `#[error_class(name = "…")]` on the type or a variant: another name for its segment, so that a rename keeps stored policies true.
/// - `#[error_class(crate = path)]` on the type: where `stent_executor` is found.
#[proc_macro_derive(ErrorClass, attributes(error_class))]
pub fn error_class(item: proc_macro::TokenStream) -> proc_macro::TokenStream {
    error_class::error_class(item.into()).into()
}
