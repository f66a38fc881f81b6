-- What form 4 has beyond form 3: the outbox. What is to be told are the records themselves, written in their own transaction;
-- here stands only how far each target has been told.
CREATE TABLE outbox_targets (
    target TEXT NOT NULL PRIMARY KEY,
    -- Runs that began before are not told: a new target does not get years of history.
    since INTEGER NOT NULL,
    -- When the next message keeps to what the target takes at once.
    free_at INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;

-- How far a target was told a subject (`run:ID`), and how the next message stands.
CREATE TABLE outbox_deliveries (
    target TEXT NOT NULL,
    subject TEXT NOT NULL,
    told_seq INTEGER NOT NULL,
    told_at INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    failing_since INTEGER,
    next_at INTEGER NOT NULL,
    failed TEXT,
    dead_at INTEGER,
    message TEXT,
    claimed_by TEXT,
    claimed_until INTEGER NOT NULL,
    PRIMARY KEY (target, subject)
) STRICT, WITHOUT ROWID;

-- What was delivered, given up and put back, for timelines: one row for what went out in a row.
CREATE TABLE outbox_log (
    number INTEGER NOT NULL PRIMARY KEY,
    target TEXT NOT NULL,
    subject TEXT NOT NULL,
    what TEXT NOT NULL,
    from_seq INTEGER NOT NULL,
    to_seq INTEGER NOT NULL,
    at INTEGER NOT NULL,
    ended INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    why TEXT
) STRICT;
CREATE INDEX outbox_log_by_subject ON outbox_log (subject, number);
