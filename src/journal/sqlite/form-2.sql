-- What form 2 has beyond form 1. The newest halt counts: while it has no end, nothing new begins on this state.
CREATE TABLE halts (
    number INTEGER NOT NULL PRIMARY KEY,
    by TEXT NOT NULL,
    reason TEXT NOT NULL,
    since INTEGER NOT NULL,
    lifted_by TEXT,
    lifted_reason TEXT,
    lifted_at INTEGER
) STRICT;

-- Whether a person let the run undo although everything is halted. As all of `runs`, computed from the records.
ALTER TABLE runs ADD COLUMN despite_halt INTEGER NOT NULL DEFAULT 0;
