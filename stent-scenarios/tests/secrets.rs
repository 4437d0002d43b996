//! What must be told to nobody: passwords, and the payloads of executions. Everything that is said while programs run and fail is collected, at every level and from
//! every library, and what is secret is looked for in it.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by it")]

use std::error::Error;
use std::fmt::{self, Write as _};
use std::sync::{Mutex, Once, PoisonError};
use std::time::Duration;

use stent_backend_postgres::PostgresOptions;
use stent_core::backend::{ExecutionFilter, Page};
use stent_executor::prelude::*;
use stent_scenarios::{Bench, on_every_database};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

/// In payloads, and in passwords.
const CANARY: &str = "c4n4ry";
/// The same as it is printed of bytes, and as it is escaped in a URL.
const IN_DISGUISE: [&str; 4] = ["99, 52, 110, 52, 114, 121", "63346e347279", "%63%34", "\\x63\\x34"];

/// All that was said so far.
static SAID: Mutex<String> = Mutex::new(String::new());

fn say(text: fmt::Arguments<'_>) {
    let mut said = SAID.lock().unwrap_or_else(PoisonError::into_inner);
    let _ = writeln!(said, "{text}");
}

/// Hears spans and events, and what libraries say to the `log` crate.
struct Ear;

struct Fields;

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        say(format_args!("{field}={value:?}"));
    }
}

impl Subscriber for Ear {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }
    fn new_span(&self, span: &Attributes<'_>) -> Id {
        say(format_args!("span {}", span.metadata().name()));
        span.record(&mut Fields);
        Id::from_u64(1)
    }
    fn record(&self, _: &Id, values: &Record<'_>) {
        values.record(&mut Fields);
    }
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn event(&self, event: &Event<'_>) {
        say(format_args!("{:?}", event.metadata()));
        event.record(&mut Fields);
    }
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

impl log::Log for Ear {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }
    fn log(&self, record: &log::Record<'_>) {
        say(format_args!("{} {}", record.target(), record.args()));
    }
    fn flush(&self) {}
}

fn listen() {
    static LISTENING: Once = Once::new();
    LISTENING.call_once(|| {
        tracing::subscriber::set_global_default(Ear).expect("nobody else listens");
        log::set_logger(&Ear).expect("nobody else listens");
        log::set_max_level(log::LevelFilter::Trace);
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            say(format_args!("{panic}"));
            before(panic);
        }));
    });
}

/// An error with all that it is made of.
fn say_error(error: &(dyn Error + 'static)) {
    let mut next = Some(error);
    while let Some(error) = next {
        say(format_args!("{error} {error:?} {error:#?}"));
        next = error.source();
    }
}

/// That it was heard that this was said, and nothing of what is secret.
fn is_discreet(heard: &str) {
    let said = SAID.lock().unwrap_or_else(PoisonError::into_inner).clone();
    assert!(said.contains(heard), "nobody listened");
    for secret in [CANARY].into_iter().chain(IN_DISGUISE) {
        let told = said.lines().find(|line| line.contains(secret));
        assert!(told.is_none(), "{secret} was told: {told:?}");
    }
}

#[durable(name = "spends", retry(max_attempts = 2, initial_delay = "1s", on_retry = "resume"))]
async fn spends(ctx: Ctx, card: String) -> Result<String> {
    let paid = ctx.step("pays", || async { Ok::<_, Failure>(card.clone()) }).await?;
    let called = ctx.call(returns(paid)).await?;
    let word: String = ctx.signal("word").await?;
    let all = ctx.map([called, word].map(returns)).await?;
    Ok(all.concat())
}

#[durable(name = "returns", cached)]
async fn returns(card: String) -> Result<String> {
    Ok(card)
}

#[durable(name = "declines", retry(max_attempts = 2, initial_delay = "1s"))]
async fn declines(card: String) -> Result<String> {
    if card.is_empty() { Ok(card) } else { Err(std::io::Error::other("declined"))? }
}

#[durable(name = "panics", retry(max_attempts = 1))]
async fn panics(card: String) -> Result<String> {
    panic!("there are {} letters", card.len())
}

/// What a newer program has for `counts`.
#[durable(name = "counts")]
async fn counts_cards(card: String) -> Result<String> {
    Ok(card)
}

#[durable(name = "counts")]
async fn counts(number: u32) -> Result<u32> {
    Ok(number)
}

/// Payloads are in no log, error, span or panic, whatever fails.
async fn no_payload_is_told(bench: Bench) {
    listen();
    let process = bench.process(functions![spends, returns, declines, panics, counts]).await;
    let process = process.work(&bench, |worker| worker).await;
    let newer = bench.stent(functions![counts_cards]).await;
    let card = || format!("4929-{CANARY}");
    let spent = process.stent.dispatch(spends(card())).await.unwrap();
    bench.pass(Duration::from_secs(1)).await;
    spent.signal("word", &card()).await.unwrap();
    spent.signal("word", &card()).await.unwrap_or_else(|error| say_error(&error));
    assert!(bench.until("the result", spent.result()).await.unwrap().contains(CANARY));

    for execution in process.stent.dispatch_all([declines(card())]).await.unwrap() {
        say_error(&bench.until("the failure", execution.result()).await.unwrap_err());
    }
    let panicked = process.stent.dispatch(panics(card())).await.unwrap();
    say_error(&bench.until("the panic", panicked.result()).await.unwrap_err());
    let unreadable = newer.dispatch(counts_cards(card())).await.unwrap();
    say_error(&bench.until("no number", unreadable.result()).await.unwrap_err());
    say_error(&bench.until("no number", process.stent.execution::<u32>(spent.id()).result()).await.unwrap_err());
    let long = process.stent.dispatch(declines(card().repeat(200_000))).await.map(drop).unwrap_err();
    say_error(&long);

    let store = bench.backend().await;
    for execution in store.list_executions(&ExecutionFilter::default(), Page::first(100)).await.unwrap() {
        say(format_args!("{execution:?} {:?}", bench.tasks(execution.id).await));
        say(format_args!("{:?}", store.load(execution.id.root(), 0).await.unwrap()));
    }
    say(format_args!("{:?} {:?} {:?}", bench.dead_letters().await, process.stent, declines(card())));
    is_discreet("span activation");
}

on_every_database![no_payload_is_told];

/// Ways to write down where a database is, with a password that is nobody's.
const URLS: [&str; 12] = [
    "postgres://me:c4n4ry@127.0.0.1:1/db",
    "postgres://me@127.0.0.1:1/db?password=c4n4ry",
    "postgres://me:%63%34%6e%34%72%79@127.0.0.1:1/db",
    "postgres://me:x@127.0.0.1:1/db?sslpassword=c4n4ry",
    "host=127.0.0.1 port=1 user=me password=c4n4ry",
    "host=127.0.0.1 port=1 user=me password='c4n4ry",
    "postgres://me:c4n4ry@127.0.0.1:port/db",
    "postgres:/me:c4n4ry@127.0.0.1/db",
    "mysql://me:c4n4ry@127.0.0.1:1/db",
    "postgres://me:c4n4ry@127.0.0.1:1/db?sslmode=verify-full&sslrootcert=/nowhere.pem",
    "postgres://me:x?c4n4ry@127.0.0.1:1/db",
    "c4n4ry",
];

#[tokio::test]
async fn no_password_is_told() {
    listen();
    for url in URLS {
        let options = PostgresOptions::new(url).connect_timeout(Duration::from_secs(1));
        say(format_args!("{options:?} {options:#?}"));
        say_error(&options.open().await.unwrap_err());
    }
    is_discreet("PostgresOptions");
}

/// The server's own answer to a wrong password, and a backend that is open.
#[tokio::test]
async fn no_password_of_a_server_is_told() {
    listen();
    let server: tokio_postgres::Config = std::env::var("STENT_TEST_POSTGRES_URL").unwrap().parse().unwrap();
    let [tokio_postgres::config::Host::Tcp(host)] = server.get_hosts() else { panic!("it has one address") };
    let (port, user) = (server.get_ports().first().copied().unwrap_or(5_432), server.get_user().unwrap());
    let database = server.get_dbname().unwrap_or(user);
    let at = format!("@{host}:{port}/{database}?sslmode=disable");
    let nobody = format!("postgres://nobody_of_ours:{CANARY}{at}");
    say_error(&PostgresOptions::new(nobody).open().await.unwrap_err());
    let schema = format!("test_{}", uuid::Uuid::new_v4().simple());
    // Where any password will do it is shown of an open backend; where not, of the refusal.
    match PostgresOptions::new(format!("postgres://{user}:{CANARY}{at}")).schema(&schema).open().await {
        Ok(backend) => {
            say(format_args!("{backend:?} {backend:#?}"));
            backend.close().await;
            let (client, connection) = server.connect(tokio_postgres::NoTls).await.unwrap();
            tokio::spawn(connection);
            client.batch_execute(&format!("DROP SCHEMA {schema} CASCADE")).await.unwrap();
        }
        Err(error) => say_error(&error),
    }
    is_discreet("nobody_of_ours");
}
