//! Every bound that a value must keep, in one place. A bound is checked where a value enters, so that no later code meets a
//! value outside of it.

use std::time::Duration;

/// Bytes of a function's name.
pub const FUNCTION_NAME: usize = 255;
/// Bytes of a queue, tag, signal, variable, step or version name.
pub const NAME: usize = 128;
/// Bytes of a key that the user gives: a step's, a dispatch's dedup key.
pub const KEY: usize = 1_024;
/// Tags on one task.
pub const TAGS: usize = 32;
/// Bytes of one payload, unless the client or worker says otherwise.
pub const PAYLOAD: usize = 1 << 20;
/// The largest payload that can be configured: above it rows stop being rows.
pub const PAYLOAD_MAX: usize = 64 << 20;
/// Bytes of a failure's message; longer ones are cut, and say so.
pub const MESSAGE: usize = 16 << 10;
/// Causes kept below a failure.
pub const CAUSES: usize = 16;
/// Entries of one journal (C-R10).
pub const JOURNAL_ENTRIES: u32 = 50_000;
/// Open children of one task, maps apart (C-R10).
pub const OPEN_CHILDREN: usize = 10_000;
/// Items of one map.
pub const MAP_ITEMS: u32 = 1_000_000;
/// Items of one chunk of a map.
pub const CHUNK: u32 = 10_000;
/// Rows of one page of a listing.
pub const PAGE: u32 = 1_000;
/// Rows that one step of retention deletes, and that one claim promotes.
pub const BATCH: u32 = 1_000;
/// The longest duration anywhere: 100 years of 365.25 days.
pub const DURATION: Duration = Duration::from_secs(36_525 * 24 * 60 * 60);
/// The shortest lease; below it a renewal is late by the time it is written.
pub const LEASE_MIN: Duration = Duration::from_millis(100);
