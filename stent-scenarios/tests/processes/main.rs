//! Real processes on one database: limits, lost connections, stopped and killed processes, and what they ask of the server.
//!
//! `STENT_LONG=1` makes the crowds and maps as large and the storms as long as the contracts tell.

// So that the lints see that all of it is tests.
#[cfg(test)]
#[cfg(target_os = "linux")]
mod cluster;
#[cfg(test)]
#[cfg(target_os = "linux")]
mod idle;
#[cfg(test)]
#[cfg(target_os = "linux")]
mod killed_map;
#[cfg(test)]
#[cfg(target_os = "linux")]
mod latency;
#[cfg(test)]
#[cfg(target_os = "linux")]
mod limits;
#[cfg(test)]
#[cfg(target_os = "linux")]
#[expect(dead_code, reason = "programs open the schema, not this process")]
#[path = "../../../stent-backend-postgres/tests/server/mod.rs"]
mod server;
#[cfg(test)]
#[cfg(target_os = "linux")]
mod site;
#[cfg(test)]
#[cfg(target_os = "linux")]
mod stopped;
#[cfg(test)]
#[cfg(target_os = "linux")]
mod storm;
#[cfg(test)]
#[cfg(target_os = "linux")]
mod transactions;
