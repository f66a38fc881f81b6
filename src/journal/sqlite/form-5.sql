-- What form 5 has beyond form 4: who may call the server, and what was asked of it under which key.
-- A token's text is nowhere: `digest` is its SHA-256. Times are in milliseconds of the wall clock.
CREATE TABLE tokens (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL,
    digest TEXT NOT NULL UNIQUE,
    roles TEXT NOT NULL,
    made_by TEXT NOT NULL,
    made INTEGER NOT NULL,
    expires INTEGER NOT NULL,
    revoked_by TEXT,
    revoked INTEGER,
    used INTEGER
) STRICT;
-- The name of a revoked one may be given again: records then still name what was used when they were written.
CREATE UNIQUE INDEX tokens_by_name ON tokens (name) WHERE revoked IS NULL;

-- Written before the run begins; that it began is said by `runs` alone.
CREATE TABLE asked_keys (
    caller TEXT NOT NULL,
    key TEXT NOT NULL,
    asked TEXT NOT NULL,
    run TEXT NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY (caller, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX asked_keys_by_time ON asked_keys (at);

-- When it was last tried, by writing here, whether the state can be written.
CREATE TABLE tried (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    at INTEGER NOT NULL
) STRICT;
