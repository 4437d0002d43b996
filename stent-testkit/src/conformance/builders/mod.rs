//! Short constructors with defaults, so that a case tells only what it is about.
//!
//! Time is told in seconds after the suite's start: `at(5)`. A worker has the functions of [`FUNCTIONS`] unless a case says
//! otherwise. Executions made later have greater ids.

mod claim;
mod end;
mod task;
mod turn;
mod value;

pub(crate) use claim::*;
pub(crate) use end::*;
pub(crate) use task::*;
pub(crate) use turn::*;
pub(crate) use value::*;
