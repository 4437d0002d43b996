//! The rows, in one table.

mod clients;
mod code;
mod corrupt;
mod crowd;
mod deploys;
mod elsewhere;
mod file;
mod kill;
mod machine;
mod network;
mod server;

use futures_util::future::BoxFuture;

use crate::Result;
use crate::run::scene::Scene;
use crate::run::{Kind, Outcome};

/// One row of the matrix.
pub(crate) struct Row {
    pub(crate) id: &'static str,
    pub(crate) title: &'static str,
    pub(crate) backends: &'static [Kind],
    /// The settings of a server of its own, if it needs one.
    pub(crate) own_server: Option<&'static str>,
    pub(crate) in_ci: bool,
    pub(crate) run: for<'a> fn(&'a mut Scene) -> BoxFuture<'a, Result<Outcome>>,
}

const BOTH: &[Kind] = &[Kind::Sqlite, Kind::Postgres];
const SQLITE: &[Kind] = &[Kind::Sqlite];
const POSTGRES: &[Kind] = &[Kind::Postgres];

/// The settings of a server of a row's own that needs none.
const OWN: Option<&str> = Some("");

/// Those of one that forgets in a crash all that need not be on disk.
const FORGETFUL: Option<&str> = Some("-c wal_writer_delay=10s");

macro_rules! rows {
    ($($id:literal $title:literal $backends:ident $server:ident $ci:literal => $function:path;)*) => {
        /// Every row, in the order in which they are run.
        pub(crate) const ROWS: &[Row] = &[$(Row {
            id: $id,
            title: $title,
            backends: $backends,
            own_server: $server,
            in_ci: $ci,
            run: |scene| Box::pin($function(scene)),
        }),*];
    };
}

rows! {
    "B01" "kill -9 of random workers" BOTH None false => kill::random_workers;
    "B02" "SIGSTOP past the lease" BOTH None false => kill::stopped;
    "B03" "poison: abort, SIGSEGV, stack" BOTH None false => kill::poisoned;
    "B04" "panics" BOTH None true => code::panics;
    "B05" "SIGTERM drains" BOTH None false => code::drains;
    "B06" "crash at every backend call" BOTH None false => kill::at_every_boundary;
    "B07" "cancel races" BOTH None true => clients::cancel_races;
    "B08" "signal flood" BOTH None false => clients::signal_flood;
    "B09" "10,000 that wait" BOTH None false => crowd::waiting;
    "B10" "large map, parent killed" BOTH None false => kill::large_map;
    "B11" "rows that cannot be read" BOTH None true => corrupt::rows;
    "B12" "code that changed" BOTH None true => deploys::changed_code;
    "B13" "migration race" BOTH None true => code::migrations;
    "B14" "bad input" BOTH None false => elsewhere::bad_input;
    "B15" "worker clock jumps" BOTH None false => machine::clocks;
    "B16" "a function only some have" BOTH None false => code::unknown_function;
    "B17" "user code that is stuck" BOTH None false => deploys::stuck_code;
    "B18" "retention under load" BOTH None false => crowd::retention;
    "B19" "redrives race" BOTH None false => clients::redrives;
    "B20" "limits under churn" BOTH None false => code::limits;
    "P01" "server restarts" POSTGRES OWN false => server::restarts;
    "P02" "server crashes" POSTGRES FORGETFUL false => server::crashes;
    "P03" "kill -9 of server backends" POSTGRES FORGETFUL false => server::killed_backends;
    "P04" "connections terminated" POSTGRES OWN true => server::terminated;
    "P05" "connections reset" POSTGRES OWN false => network::resets;
    "P06" "blackhole past the lease" POSTGRES OWN false => network::blackhole;
    "P07" "slow link" POSTGRES OWN false => network::slow_link;
    "P08" "disk full" POSTGRES None false => machine::full_disk;
    "P09" "pool of one" POSTGRES None false => network::small_pool;
    "P10" "server out of connections" POSTGRES OWN false => server::no_connections;
    "P11" "PgBouncer by transaction" POSTGRES OWN false => network::pooled;
    "P12" "a pinned snapshot" POSTGRES OWN false => server::pinned_snapshot;
    "P13" "notifications of many" POSTGRES OWN false => crowd::notifications;
    "P14" "lock order" POSTGRES OWN false => clients::lock_order;
    "P15" "table locked" POSTGRES OWN false => server::locked_table;
    "P16" "read-only database" POSTGRES OWN false => server::read_only;
    "P17" "OOM kill" POSTGRES None false => machine::memory;
    "P18" "least privilege" POSTGRES None false => elsewhere::privilege;
    "Q01" "many writers of one file" SQLITE None false => clients::busy_file;
    "Q02" "a foreign writer" SQLITE None false => file::foreign_writer;
    "Q03" "a pinned reader" SQLITE None false => file::pinned_reader;
    "Q04" "disk full" SQLITE None false => machine::full_disk;
    "Q05" "kill -9, fast" SQLITE None true => kill::all_the_time;
    "Q06" "file moved, replaced, deleted" SQLITE None false => elsewhere::file;
    "Q07" "damaged pages" SQLITE None false => elsewhere::file;
    "Q08" "wrong environment" SQLITE None false => elsewhere::environment;
    "Q09" "host clock jumps" SQLITE None false => machine::host_clock;
    "Q10" "a child inherits no file" SQLITE None false => file::inherited;
    "Q11" "backup under load" SQLITE None false => file::backup;
}
