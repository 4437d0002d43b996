//! Controls: rules that are broken on purpose, so that a test can be seen to fail. Random programs break them in every run of the tests (`activation::programs`);
//! a build with the feature `controls` breaks the one that `STENT_CONTROL` names (`cargo xtask controls`); any other build has none of it.

/// A rule of the executor.
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
    /// A child has the same identity in every activation (C-R2).
    ChildIdentity,
    /// A written turn makes what is recorded of it, and nothing else (C-R4).
    WrittenTurns,
    /// A chunk's entry tells where the next chunk begins (C-M5).
    ClosedChunks,
    /// Code stops whose claim is lost (C-Q2).
    LostClaims,
}

/// Whether this rule is to be broken: never.
#[cfg(not(any(test, feature = "controls")))]
pub(crate) const fn breaks(_: Rule) -> bool {
    false
}

#[cfg(any(test, feature = "controls"))]
pub(crate) use seeded::breaks;

#[cfg(test)]
pub(crate) use seeded::without;

#[cfg(any(test, feature = "controls"))]
mod seeded {
    use std::cell::Cell;
    use std::sync::LazyLock;

    use super::Rule;

    thread_local! {
        static BROKEN: Cell<Option<Rule>> = const { Cell::new(None) };
    }

    /// Whether this rule is to be broken: in this thread, or in all of the process.
    pub(crate) fn breaks(rule: Rule) -> bool {
        static CONTROL: LazyLock<Option<String>> = LazyLock::new(|| std::env::var("STENT_CONTROL").ok());
        BROKEN.get() == Some(rule) || CONTROL.as_deref() == Some(rule.control())
    }

    /// Runs something in this thread while a rule is broken.
    #[cfg(test)]
    pub(crate) fn without<T>(rule: Rule, run: impl FnOnce() -> T) -> T {
        BROKEN.set(Some(rule));
        let result = run();
        BROKEN.set(None);
        result
    }

    impl Rule {
        /// The control that breaks it.
        fn control(self) -> &'static str {
            match self {
                Self::Order => "order-entry",
                Self::StartAfterOrder => "step-before-order",
                Self::GiveCommitted => "outcome-before-commit",
                Self::TakeLast => "signal-before-outcomes",
                Self::ChildIdentity => "child-identity",
                Self::WrittenTurns => "written-turns",
                Self::ClosedChunks => "closed-chunks",
                Self::LostClaims => "lost-claims",
            }
        }
    }
}
