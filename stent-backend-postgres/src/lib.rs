//! PostgreSQL storage for Stent, durable execution for Rust: several machines, one truth.
#![doc = include_str!("../README.md")]

mod backend;
mod connection;
mod control;
mod error;
mod examine;
mod migrate;
mod options;
mod pipeline;
mod row;
mod tls;
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
mod listen;
mod maintain;
mod memo;
mod signal;
mod variables;

mod batch;

pub use backend::PostgresBackend;
pub use options::{Pooler, PostgresOptions};
