-- An execution is its root task. Times are microseconds since 1970, naive UTC; ids are the 16 bytes of a UUID.
CREATE TABLE tasks (
    row             INTEGER PRIMARY KEY,
    id              BLOB    NOT NULL UNIQUE CHECK (length(id) = 16),
    execution       BLOB    NOT NULL CHECK (length(execution) = 16),
    parent          BLOB    CHECK ((parent IS NULL) = (depth = 0)),
    depth           INTEGER NOT NULL CHECK (depth >= 0),
    -- What made it: generation of the parent's journal, turn, kind and number of the operation, place in a map.
    made_generation INTEGER,
    made_turn       INTEGER,
    made_kind       TEXT    CHECK (made_kind IN ('call', 'map')),
    made_number     INTEGER,
    map_index       INTEGER CHECK ((made_kind IS 'map') = (map_index IS NOT NULL)),
    function        TEXT    NOT NULL,
    version         TEXT    NOT NULL DEFAULT '',
    fingerprint     BLOB    NOT NULL CHECK (length(fingerprint) = 32),
    queue           TEXT,
    tags            TEXT,
    priority        INTEGER NOT NULL,
    retry           TEXT    NOT NULL,
    trace           TEXT,
    memo_key        BLOB,
    memo_mode       TEXT    CHECK (memo_mode IN ('cached', 'idempotent')),
    memo_ttl        INTEGER,
    -- Ancestors of the same limited function, and whether it holds a place of it.
    ancestors       INTEGER NOT NULL DEFAULT 0,
    place           INTEGER NOT NULL DEFAULT 0 CHECK (place IN (0, 1)),
    -- Compared one by one: a list of more than two is made a table of at each execution of a statement that changes the state.
    state           TEXT    NOT NULL CHECK (state = 'pending' OR state = 'running' OR state = 'completed' OR state = 'scheduled'
                                            OR state = 'suspended' OR state = 'cancelled' OR state = 'failed'
                                            OR state = 'timed_out'),
    -- From when it may be claimed; of a suspended task, when its timer wakes it.
    due             INTEGER,
    -- The token stays after an end, so that a repeated end is known.
    token           BLOB,
    worker          BLOB,
    claimed_at      INTEGER,
    lease_until     INTEGER,
    -- Whether this claim counted an attempt, which a release gives back.
    counted         INTEGER NOT NULL DEFAULT 0 CHECK (counted IN (0, 1)),
    attempt         INTEGER NOT NULL DEFAULT 0 CHECK (attempt >= 0),
    deliveries      INTEGER NOT NULL DEFAULT 0 CHECK (deliveries >= 0),
    generation      INTEGER NOT NULL DEFAULT 0 CHECK (generation >= 0),
    journal_from    INTEGER,
    created_at      INTEGER NOT NULL,
    -- When it was last taken up again after it had ended.
    reopened_at     INTEGER,
    started_at      INTEGER,
    -- Open tasks have none: indexes ask for this, so that a change from one open state to another leaves them alone.
    ended_at        INTEGER,
    failure         TEXT,
    reason          TEXT,
    resume          TEXT,
    -- Whose end, deadline or turn cancelled it, so that a redrive can reopen it; a client's cancel leaves none.
    cancelled_by    BLOB,
    cancelled_turn  INTEGER,
    -- Of roots alone.
    max_duration    INTEGER,
    deadline        INTEGER,
    dedup           TEXT,
    deleting        INTEGER NOT NULL DEFAULT 0 CHECK (deleting IN (0, 1)),
    -- Last, so that no other column is behind the pages of a large value.
    input           BLOB    NOT NULL,
    output          BLOB
) STRICT;

-- Claims probe this function by function and merge: neither sleepers nor functions of others cost anything.
-- Filters by queue and tags are answered by the index too. Whoever makes a task pending sets `due` to a time that has come.
CREATE INDEX tasks_pending ON tasks (function, version, priority DESC, due, id, queue, tags) WHERE state = 'pending';
-- Of limited functions: pending tasks that are not only eligible while a place is free.
CREATE INDEX tasks_pending_placed ON tasks (function, version) WHERE state = 'pending' AND (place = 1 OR ancestors > 0);
-- The tasks of a claim, when it is repeated; those of a worker, when it is gone.
CREATE INDEX tasks_running ON tasks (worker, token) WHERE state = 'running';
CREATE INDEX tasks_lease ON tasks (lease_until) WHERE state = 'running';
CREATE INDEX tasks_due ON tasks (due) WHERE state IN ('scheduled', 'suspended') AND due IS NOT NULL;
CREATE INDEX tasks_places ON tasks (function) WHERE place = 1;
CREATE INDEX tasks_deadline ON tasks (deadline, id)
    WHERE deadline IS NOT NULL AND ended_at IS NULL;
-- Open tasks hang together: whoever ends cancels what is open below, so this alone finds them from the top.
CREATE INDEX tasks_open_children ON tasks (parent, made_turn, made_number, map_index)
    WHERE parent IS NOT NULL AND ended_at IS NULL;
-- The kind stands before the turn: a replay reads the calls of a task without passing by the items of its maps.
CREATE INDEX tasks_children ON tasks (parent, made_generation, made_kind, made_turn, made_number, map_index)
    WHERE parent IS NOT NULL;
-- Whether a map has failed is asked at every poll of those who wait for it.
CREATE INDEX tasks_failed_items ON tasks (parent, made_turn, made_number, map_index)
    WHERE made_kind = 'map' AND state = 'failed';
-- Without the roots, whose id is the execution's: a dispatch has one index less to write.
CREATE INDEX tasks_execution ON tasks (execution, id) WHERE parent IS NOT NULL;
CREATE INDEX tasks_roots ON tasks (id) WHERE parent IS NULL;
CREATE INDEX tasks_ended ON tasks (ended_at) WHERE parent IS NULL AND ended_at IS NOT NULL AND deleting = 0;
CREATE INDEX tasks_deleting ON tasks (id) WHERE deleting = 1;
-- For the depths of queues alone: suspended tasks without a timer are in no other index.
CREATE INDEX tasks_suspended ON tasks (queue, due) WHERE state = 'suspended';
CREATE UNIQUE INDEX tasks_dedup ON tasks (dedup) WHERE dedup IS NOT NULL;
CREATE INDEX tasks_cancelled_by ON tasks (cancelled_by, cancelled_turn) WHERE cancelled_by IS NOT NULL;

CREATE TABLE journal (
    task       BLOB    NOT NULL,
    generation INTEGER NOT NULL,
    seq        INTEGER NOT NULL,
    execution  BLOB    NOT NULL,
    turn       INTEGER NOT NULL,
    at         INTEGER NOT NULL,
    -- The claim that wrote it: a claim that ran out without an entry of its own made no progress.
    token      BLOB    NOT NULL,
    kind       TEXT    NOT NULL CHECK (kind IN ('made', 'outcome', 'order', 'chunk', 'note', 'variables')),
    op_turn    INTEGER,
    op_kind    TEXT,
    op_name    TEXT,
    op_key     BLOB,
    op_number  INTEGER,
    -- What was made, how it ended, items closed or the note, as JSON; values apart, as encoded.
    body       TEXT,
    payload    BLOB,
    PRIMARY KEY (task, generation, seq)
) STRICT, WITHOUT ROWID;

CREATE INDEX journal_progress ON journal (execution, at, task, seq) WHERE kind IN ('note', 'chunk');

-- The values that nobody has taken: at most one a name.
CREATE TABLE signals (
    execution BLOB    NOT NULL,
    name      TEXT    NOT NULL,
    value     BLOB    NOT NULL,
    sent_at   INTEGER NOT NULL,
    PRIMARY KEY (execution, name)
) STRICT, WITHOUT ROWID;

-- Sends that were accepted, so that a repeat does nothing.
CREATE TABLE signal_sends (
    id        BLOB    NOT NULL PRIMARY KEY,
    execution BLOB    NOT NULL,
    overwrote INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX signal_sends_execution ON signal_sends (execution);

-- What suspended tasks wait for, besides the ends of their calls. What a task that is not suspended left here means
-- nothing; its next suspension replaces it.
CREATE TABLE waits (
    task      BLOB    NOT NULL,
    number    INTEGER NOT NULL,
    execution BLOB    NOT NULL,
    signal    TEXT,
    op_turn   INTEGER,
    op_name   TEXT,
    op_number INTEGER,
    first     INTEGER,
    past      INTEGER,
    settled   INTEGER,
    PRIMARY KEY (task, number)
) STRICT, WITHOUT ROWID;

CREATE INDEX waits_signal ON waits (execution, signal) WHERE signal IS NOT NULL;

CREATE TABLE memos (
    key        BLOB NOT NULL PRIMARY KEY CHECK (length(key) = 32),
    value      BLOB,
    owner      BLOB,
    expires_at INTEGER
) STRICT, WITHOUT ROWID;

CREATE INDEX memos_expiry ON memos (expires_at) WHERE expires_at IS NOT NULL;
-- Reservations go with the task that made them.
CREATE INDEX memos_owner ON memos (owner) WHERE owner IS NOT NULL;

CREATE TABLE counters (
    execution BLOB    NOT NULL,
    name      TEXT    NOT NULL,
    value     INTEGER NOT NULL,
    PRIMARY KEY (execution, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE state_values (
    execution BLOB NOT NULL,
    name      TEXT NOT NULL,
    value     BLOB NOT NULL,
    PRIMARY KEY (execution, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE dead_letters (
    task      BLOB    NOT NULL PRIMARY KEY,
    execution BLOB    NOT NULL,
    function  TEXT    NOT NULL,
    queue     TEXT,
    input     BLOB    NOT NULL,
    retry     TEXT    NOT NULL,
    attempts  INTEGER NOT NULL,
    failure   TEXT    NOT NULL,
    at        INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX dead_letters_execution ON dead_letters (execution);

CREATE TABLE workers (
    id          BLOB    NOT NULL PRIMARY KEY,
    process     TEXT    NOT NULL,
    state       TEXT    NOT NULL CHECK (state IN ('starting', 'ready', 'draining', 'stopped')),
    concurrency INTEGER NOT NULL,
    functions   TEXT    NOT NULL,
    queues      TEXT    NOT NULL,
    tags        TEXT    NOT NULL,
    lease       INTEGER NOT NULL,
    seen_at     INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE limits (
    function       TEXT    NOT NULL PRIMARY KEY,
    max_concurrent INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- "Stnt".
PRAGMA application_id = 1400139380;
PRAGMA user_version = 1;
