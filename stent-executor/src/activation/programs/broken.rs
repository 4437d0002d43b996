//! Rules of the driver that tests can break, to see that the programs notice.

use std::cell::Cell;

/// A rule of the driver.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rule {
    /// An outcome that lives elsewhere adds an `order` entry if other operations are outstanding.
    Order,
    /// A step starts only when all `order` entries before it are committed.
    StartAfterOrder,
    /// An outcome that is an entry is given once it is committed.
    GiveCommitted,
    /// A signal is taken only when nothing is queued and all is given.
    TakeLast,
}

thread_local! {
    static BROKEN: Cell<Option<Rule>> = const { Cell::new(None) };
}

impl Rule {
    pub(super) const ALL: [Self; 4] = [Self::Order, Self::StartAfterOrder, Self::GiveCommitted, Self::TakeLast];
}

/// Whether this thread's driver is to break this rule.
pub(crate) fn breaks(rule: Rule) -> bool {
    BROKEN.get() == Some(rule)
}

/// Runs something on a driver that breaks a rule.
pub(super) fn without<T>(rule: Rule, run: impl FnOnce() -> T) -> T {
    BROKEN.set(Some(rule));
    let result = run();
    BROKEN.set(None);
    result
}
