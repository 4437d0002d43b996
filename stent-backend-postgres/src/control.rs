//! Controls: statements that are defective on purpose, so that a test can be seen to fail (`cargo xtask controls`). Without the feature there are none.

#[cfg(feature = "controls")]
mod seeded;

#[cfg(feature = "controls")]
pub(crate) use seeded::statement;

/// The statement as it is.
#[cfg(not(feature = "controls"))]
pub(crate) const fn statement(sql: &'static str) -> &'static str {
    sql
}
