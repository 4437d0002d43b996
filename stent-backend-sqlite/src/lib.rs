//! SQLite storage for Stent, durable execution for Rust: one file, several processes of one machine.
#![doc = include_str!("../README.md")]

mod backend;
mod connection;
mod control;
mod error;
mod examine;
mod migrate;
mod options;
mod row;
mod transaction;

mod dispatch;
mod dispatch_in;
mod redrive;
mod root;
mod tree;

mod announce;
mod claim;

mod child;
mod entry;
mod journal;
mod turn;

mod complete;
mod effects;
mod resume;
mod suspend;
mod take;

mod wait;

mod inspect;
mod maintain;
mod memo;
mod signal;
mod variables;

mod batch;

pub use backend::SqliteBackend;
pub use options::{SqliteOptions, Synchronous};
