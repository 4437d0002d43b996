//! What a backend's author gives to the suite: a way to open an isolated store. And how one case is run on it.

use std::fmt;
use std::future::Future;
use std::ops::Deref;
use std::panic::Location;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use stent_core::{Backend, BackendError};

use super::Case;

/// How long one case may take. No case sleeps: whoever reaches it hangs.
const TIME_LIMIT: Duration = Duration::from_secs(60);

/// An isolated, empty store that is deleted when this is dropped.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// Opens a handle to the store; the suite migrates it.
    ///
    /// Two open handles are two processes: they share nothing but the store. A handle that is dropped and opened again is a
    /// crash: everything that was accepted must be there.
    ///
    /// A store that cannot be opened panics and says why; it never skips.
    async fn open(&self) -> Arc<dyn Backend>;
}

/// A store on its way: what `conformance!` makes of the author's expression.
#[doc(hidden)]
pub type Opening = Pin<Box<dyn Future<Output = Box<dyn Store>> + Send>>;

#[doc(hidden)]
pub fn opening<S, F>(open: impl FnOnce() -> F) -> Opening
where
    S: Store,
    F: Future<Output = S> + Send + 'static,
{
    let store = open();
    Box::pin(async move {
        let store: Box<dyn Store> = Box::new(store.await);
        store
    })
}

/// What a case is given: a fresh store with one handle open. It derefs to that handle.
pub struct Fixture {
    store: Box<dyn Store>,
    backend: Option<Arc<dyn Backend>>,
}

impl Fixture {
    pub(crate) async fn new(store: Box<dyn Store>) -> Result<Self, Trouble> {
        let mut fixture = Self { store, backend: None };
        fixture.backend = Some(fixture.another().await?);
        Ok(fixture)
    }

    /// Another handle: a second process on the same store.
    pub(super) async fn another(&self) -> Result<Arc<dyn Backend>, Trouble> {
        let backend = self.store.open().await;
        backend.migrate().await?;
        Ok(backend)
    }

    /// The first handle, to be moved into a tokio task.
    pub(super) fn handle(&self) -> Arc<dyn Backend> {
        let Some(backend) = &self.backend else {
            unreachable!("only `reopen` takes it, and puts another in its place")
        };
        Arc::clone(backend)
    }

    /// Drops the handle and opens the store anew, as after a crash.
    pub(crate) async fn reopen(&mut self) -> Result<(), Trouble> {
        self.backend = None;
        self.backend = Some(self.another().await?);
        Ok(())
    }
}

impl Deref for Fixture {
    type Target = dyn Backend;

    fn deref(&self) -> &Self::Target {
        let Some(backend) = &self.backend else {
            unreachable!("only `reopen` takes it, and puts another in its place")
        };
        backend.as_ref()
    }
}

/// The answer of a case that did not fail by an assertion.
pub type Checked = Result<(), Failed>;

/// A case that cannot go on: why, and in which of its lines.
pub struct Failed {
    trouble: Trouble,
    at: &'static Location<'static>,
}

impl From<Trouble> for Failed {
    #[track_caller]
    fn from(trouble: Trouble) -> Self {
        Self { trouble, at: Location::caller() }
    }
}

impl From<BackendError> for Failed {
    #[track_caller]
    fn from(error: BackendError) -> Self {
        Self::from(Trouble::from(error))
    }
}

impl fmt::Debug for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, at {}", self.trouble.0, self.at)
    }
}

/// What is not as it must be, in what a case does on its way.
#[derive(Debug)]
pub struct Trouble(String);

impl Trouble {
    /// This is not as it must be.
    pub(super) fn new(what: impl Into<String>) -> Self {
        Self(what.into())
    }
}

impl From<BackendError> for Trouble {
    fn from(error: BackendError) -> Self {
        Self::new(format!("the backend is in trouble: {error:?}"))
    }
}

/// Runs one case on a store of its own; what `conformance!` puts into each `#[test]`.
#[doc(hidden)]
pub fn run(area: &str, name: &str, open: fn() -> Opening) {
    let Some(case) = super::REGISTRY.iter().find(|case| case.area == area && case.name == name) else {
        panic!("no case {area}::{name}");
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => panic!("no runtime for {area}::{name}: {error}"),
    };
    let case: Case = *case;
    let story = runtime.spawn(async move { (case.run)(Fixture::new(open().await).await?).await });
    let told = runtime.block_on(async { tokio::time::timeout(TIME_LIMIT, story).await });
    // A hanging store must not keep the runtime, and with it the test, from ending.
    runtime.shutdown_timeout(Duration::from_secs(1));
    match told {
        Ok(Ok(Ok(()))) => {}
        Ok(Ok(Err(failed))) => panic!("{area}::{name} ({}): {failed:?}", case.contracts.join(", ")),
        Ok(Err(broken)) => match broken.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(broken) => panic!("{area}::{name}: {broken}"),
        },
        Err(_) => panic!("{area}::{name} hangs: no end after {} s", TIME_LIMIT.as_secs()),
    }
}
