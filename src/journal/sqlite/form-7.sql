-- What form 7 has beyond form 6: what is to be told is found without looking at all runs that ever were.

-- The runs that have not ended: each may have news at any moment.
CREATE TABLE outbox_open (
    run TEXT NOT NULL PRIMARY KEY
) STRICT, WITHOUT ROWID;
INSERT INTO outbox_open (run) SELECT run FROM runs WHERE verdict IS NULL;

-- What is to be looked at until it is told: each run that has ended (`run:ID`), each record of an incident (`incident:ID`), and
-- both once more where somebody has put them back.
CREATE TABLE outbox_queue (
    number INTEGER NOT NULL PRIMARY KEY,
    subject TEXT NOT NULL
) STRICT;
INSERT INTO outbox_queue (subject) SELECT 'run:' || run FROM runs WHERE verdict IS NOT NULL ORDER BY started, run;

-- Up to which number of the queue a target has been told everything, or it was given up.
ALTER TABLE outbox_targets ADD COLUMN settled INTEGER NOT NULL DEFAULT 0;
CREATE INDEX outbox_given_up ON outbox_deliveries (target, subject) WHERE dead_at IS NOT NULL;
