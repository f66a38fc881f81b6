-- What form 6 has beyond form 5: what alerts came in, and which run each firing of one began.

-- One row a delivery, before anything is done with it. `seen` is when it was last sent again, to within a minute.
CREATE TABLE hook_deliveries (
    number INTEGER NOT NULL PRIMARY KEY,
    source TEXT NOT NULL,
    delivery TEXT NOT NULL,
    received INTEGER NOT NULL,
    seen INTEGER NOT NULL,
    body BLOB NOT NULL,
    done INTEGER,
    became TEXT,
    UNIQUE (source, delivery)
) STRICT;
CREATE INDEX hook_deliveries_open ON hook_deliveries (number) WHERE done IS NULL;
CREATE INDEX hook_deliveries_by_seen ON hook_deliveries (seen, number) WHERE done IS NOT NULL;

-- One row a firing and route: the run that it begins has its name before it begins, so that nobody begins it twice.
CREATE TABLE hook_claims (
    claim TEXT NOT NULL PRIMARY KEY,
    scope TEXT NOT NULL,
    run TEXT NOT NULL,
    at INTEGER NOT NULL,
    source TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    resolved INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX hook_claims_by_scope ON hook_claims (scope, at);
CREATE INDEX hook_claims_by_time ON hook_claims (at);
CREATE INDEX hook_claims_firing ON hook_claims (source, fingerprint) WHERE resolved IS NULL;
CREATE INDEX hook_claims_by_run ON hook_claims (run);
