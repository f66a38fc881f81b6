-- One row a run: how it stands, and the end of its chain. Computed from the records in the same transaction.
CREATE TABLE runs (
    run TEXT NOT NULL PRIMARY KEY,
    playbook TEXT NOT NULL,
    version TEXT NOT NULL,
    incident TEXT,
    started INTEGER NOT NULL,
    updated INTEGER NOT NULL,
    verdict TEXT,
    waiting TEXT,
    stopped INTEGER NOT NULL,
    head_seq INTEGER NOT NULL,
    head_hash TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX runs_by_start ON runs (started, run);

-- The truth. `hash` is over the other columns, the event's text byte by byte.
CREATE TABLE records (
    run TEXT NOT NULL REFERENCES runs (run),
    seq INTEGER NOT NULL,
    time INTEGER NOT NULL,
    epoch INTEGER NOT NULL,
    actor TEXT NOT NULL,
    previous TEXT NOT NULL,
    hash TEXT NOT NULL,
    event TEXT NOT NULL,
    PRIMARY KEY (run, seq)
) STRICT, WITHOUT ROWID;

-- The newest lease of each run; the older ones are in its records. `renewed` is in milliseconds of the boot clock.
CREATE TABLE leases (
    run TEXT NOT NULL PRIMARY KEY REFERENCES runs (run),
    epoch INTEGER NOT NULL,
    holder TEXT NOT NULL,
    released INTEGER NOT NULL,
    renewed INTEGER NOT NULL,
    boot TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE locks (
    resource TEXT NOT NULL PRIMARY KEY,
    run TEXT NOT NULL REFERENCES runs (run),
    since INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX locks_by_run ON locks (run);

CREATE TABLE requests (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    run TEXT NOT NULL REFERENCES runs (run),
    request TEXT NOT NULL,
    by TEXT NOT NULL,
    reason TEXT NOT NULL,
    at INTEGER NOT NULL,
    taken INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX requests_open ON requests (run, id) WHERE taken = 0;
