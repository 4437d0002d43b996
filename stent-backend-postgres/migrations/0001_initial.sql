-- An execution is its root task. Times are naive UTC; ids are UUIDs, ordered by their bytes.
CREATE TABLE tasks (
    id              uuid      NOT NULL PRIMARY KEY,
    execution       uuid      NOT NULL,
    parent          uuid      CHECK ((parent IS NULL) = (depth = 0)),
    depth           integer   NOT NULL CHECK (depth >= 0),
    -- What made it: generation of the parent's journal, turn, kind and number of the operation, place in a map.
    made_generation integer,
    made_turn       integer,
    made_kind       text      CHECK (made_kind IN ('call', 'map')),
    made_number     integer,
    map_index       integer   CHECK ((made_kind IS NOT DISTINCT FROM 'map') = (map_index IS NOT NULL)),
    function        text      NOT NULL,
    version         text      NOT NULL DEFAULT '',
    fingerprint     bytea     NOT NULL CHECK (length(fingerprint) = 32),
    queue           text,
    tags            text[],
    priority        integer   NOT NULL,
    retry           text      NOT NULL,
    trace           text,
    memo_key        bytea,
    memo_mode       text      CHECK (memo_mode IN ('cached', 'idempotent')),
    memo_ttl        bigint,
    -- Ancestors of the same limited function, and whether it holds a place of it.
    ancestors       integer   NOT NULL DEFAULT 0,
    place           boolean   NOT NULL DEFAULT false,
    state           text      NOT NULL CHECK (state IN ('pending', 'running', 'completed', 'scheduled', 'suspended', 'cancelled', 'failed', 'timed_out')),
    -- From when it may be claimed; of a suspended task, when its timer wakes it.
    due             timestamp,
    -- The token stays after an end, so that a repeated end is known.
    token           uuid,
    worker          uuid,
    claimed_at      timestamp,
    lease_until     timestamp,
    -- Whether this claim counted an attempt, which a release gives back.
    counted         boolean   NOT NULL DEFAULT false,
    attempt         integer   NOT NULL DEFAULT 0 CHECK (attempt >= 0),
    deliveries      integer   NOT NULL DEFAULT 0 CHECK (deliveries >= 0),
    generation      integer   NOT NULL DEFAULT 0 CHECK (generation >= 0),
    journal_from    timestamp,
    created_at      timestamp NOT NULL,
    -- When it was last taken up again after it had ended.
    reopened_at     timestamp,
    started_at      timestamp,
    -- Open tasks have none: indexes ask for this, so that a change from one open state to another leaves them alone.
    ended_at        timestamp,
    failure         text,
    reason          text,
    resume          text,
    -- Whose end, deadline or turn cancelled it, so that a redrive can reopen it; a client's cancel leaves none.
    cancelled_by    uuid,
    cancelled_turn  bigint,
    -- Of roots alone.
    max_duration    bigint,
    deadline        timestamp,
    dedup           text,
    deleting        boolean   NOT NULL DEFAULT false,
    input           bytea     NOT NULL,
    output          bytea
) WITH (fillfactor = 85);

-- Claims probe this function by function and merge: neither sleepers nor functions of others cost anything.
CREATE INDEX tasks_pending ON tasks (function, version, priority DESC, due, id) WHERE state = 'pending';
-- Of limited functions: pending tasks that are not only eligible while a place is free.
CREATE INDEX tasks_pending_placed ON tasks (function, version) WHERE state = 'pending' AND (place OR ancestors > 0);
-- The tasks of a claim, when it is repeated; those of a worker, when it is gone. Leases are in no index, so that renewals stay heap-only: of running
-- tasks there are only as many as workers have places.
CREATE INDEX tasks_running ON tasks (worker, token) WHERE state = 'running';
CREATE INDEX tasks_running_function ON tasks (function, version) WHERE state = 'running';
CREATE INDEX tasks_due ON tasks (due, id) WHERE state IN ('scheduled', 'suspended') AND due IS NOT NULL;
CREATE INDEX tasks_places ON tasks (function) WHERE place;
CREATE INDEX tasks_deadline ON tasks (deadline, id) WHERE deadline IS NOT NULL AND ended_at IS NULL;
-- Open tasks hang together: whoever ends cancels what is open below, so this alone finds them from the top.
CREATE INDEX tasks_open_children ON tasks (parent, made_turn, made_number, map_index) WHERE parent IS NOT NULL AND ended_at IS NULL;
CREATE INDEX tasks_open_of_execution ON tasks (execution, depth, id) WHERE parent IS NOT NULL AND ended_at IS NULL;
-- The kind stands before the turn: a replay reads the calls of a task without passing by the items of its maps.
CREATE INDEX tasks_children ON tasks (parent, made_generation, made_kind, made_turn, made_number, map_index) WHERE parent IS NOT NULL;
-- Whether a map has failed is asked at every poll of those who wait for it.
CREATE INDEX tasks_failed_items ON tasks (parent, made_turn, made_number, map_index) WHERE made_kind = 'map' AND state IN ('failed', 'cancelled', 'timed_out');
CREATE INDEX tasks_execution ON tasks (execution, id) WHERE parent IS NOT NULL;
CREATE INDEX tasks_roots ON tasks (id) WHERE parent IS NULL;
CREATE INDEX tasks_ended ON tasks (ended_at, id) WHERE parent IS NULL AND ended_at IS NOT NULL AND NOT deleting;
CREATE INDEX tasks_deleting ON tasks (id) WHERE deleting;
-- For the depths of queues alone: suspended tasks without a timer are in no other index.
CREATE INDEX tasks_suspended ON tasks (queue, due) WHERE state = 'suspended';
CREATE UNIQUE INDEX tasks_dedup ON tasks (dedup) WHERE dedup IS NOT NULL;
CREATE INDEX tasks_cancelled_by ON tasks (cancelled_by, cancelled_turn) WHERE cancelled_by IS NOT NULL;

CREATE TABLE journal (
    task       uuid      NOT NULL,
    generation integer   NOT NULL,
    seq        integer   NOT NULL,
    execution  uuid      NOT NULL,
    turn       integer   NOT NULL,
    at         timestamp NOT NULL,
    -- The claim that wrote it: a claim that ran out without an entry of its own made no progress.
    token      uuid      NOT NULL,
    kind       text      NOT NULL CHECK (kind IN ('made', 'outcome', 'order', 'chunk', 'note', 'variables')),
    -- Numbers of 32 bits without a sign.
    op_turn    bigint,
    op_kind    text,
    op_name    text,
    op_key     bytea,
    op_number  bigint,
    -- What was made, how it ended, items closed or the note, as JSON; values apart, as encoded.
    body       text,
    payload    bytea,
    PRIMARY KEY (task, generation, seq)
);

CREATE INDEX journal_progress ON journal (execution, at, task, seq) WHERE kind IN ('note', 'chunk');
CREATE INDEX journal_execution ON journal (execution);

-- Slots of signals: at most one value a name that nobody has taken. One without a value is waited for: whoever waits and whoever sends meet here.
CREATE TABLE signals (
    execution uuid      NOT NULL,
    name      text      NOT NULL,
    value     bytea,
    sent_at   timestamp,
    PRIMARY KEY (execution, name)
);

-- Sends that were accepted, so that a repeat does nothing.
CREATE TABLE signal_sends (
    id        uuid    NOT NULL PRIMARY KEY,
    execution uuid    NOT NULL,
    overwrote boolean NOT NULL
);

CREATE INDEX signal_sends_execution ON signal_sends (execution);

-- What suspended tasks wait for, besides the ends of their calls. What a task that is not suspended left here means
-- nothing; its next suspension replaces it.
CREATE TABLE waits (
    task      uuid    NOT NULL,
    number    integer NOT NULL,
    execution uuid    NOT NULL,
    signal    text,
    op_turn   integer,
    op_name   text,
    op_number integer,
    first     integer,
    past      integer,
    settled   boolean,
    PRIMARY KEY (task, number)
);

CREATE INDEX waits_signal ON waits (execution, signal) WHERE signal IS NOT NULL;

CREATE TABLE memos (
    key        bytea     NOT NULL PRIMARY KEY CHECK (length(key) = 32),
    value      bytea,
    owner      uuid,
    expires_at timestamp
);

CREATE INDEX memos_expiry ON memos (expires_at) WHERE expires_at IS NOT NULL;
-- Reservations go with the task that made them.
CREATE INDEX memos_owner ON memos (owner) WHERE owner IS NOT NULL;

CREATE TABLE counters (
    execution uuid   NOT NULL,
    name      text   NOT NULL,
    value     bigint NOT NULL,
    PRIMARY KEY (execution, name)
);

CREATE TABLE state_values (
    execution uuid  NOT NULL,
    name      text  NOT NULL,
    value     bytea NOT NULL,
    PRIMARY KEY (execution, name)
);

CREATE TABLE dead_letters (
    task      uuid      NOT NULL PRIMARY KEY,
    execution uuid      NOT NULL,
    function  text      NOT NULL,
    queue     text,
    input     bytea     NOT NULL,
    retry     text      NOT NULL,
    attempts  integer   NOT NULL,
    failure   text      NOT NULL,
    at        timestamp NOT NULL
);

CREATE INDEX dead_letters_execution ON dead_letters (execution);

CREATE TABLE workers (
    id          uuid      NOT NULL PRIMARY KEY,
    process     text      NOT NULL,
    state       text      NOT NULL CHECK (state IN ('starting', 'ready', 'draining', 'stopped')),
    concurrency bigint    NOT NULL,
    functions   text      NOT NULL,
    queues      text      NOT NULL,
    tags        text      NOT NULL,
    lease       bigint    NOT NULL,
    seen_at     timestamp NOT NULL
);

CREATE TABLE limits (
    function       text   NOT NULL PRIMARY KEY,
    max_concurrent bigint NOT NULL
);

CREATE TABLE schema_version (
    version integer NOT NULL
);

INSERT INTO schema_version (version) VALUES (1);
