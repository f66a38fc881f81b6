-- What form 3 has beyond form 2: incidents, each with a chain of records of its own.

-- One row an incident: how it stands, and the end of its chain. Computed from its records in the same transaction. Which runs
-- belong to it is not here: each run's own records say that, and `runs` repeats it.
CREATE TABLE incidents (
    incident TEXT NOT NULL PRIMARY KEY,
    title TEXT NOT NULL,
    severity TEXT NOT NULL,
    standing TEXT NOT NULL,
    since INTEGER NOT NULL,
    owner TEXT,
    opened INTEGER NOT NULL,
    updated INTEGER NOT NULL,
    head_seq INTEGER NOT NULL,
    head_hash TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX incidents_by_opening ON incidents (opened, incident);

-- The truth. `hash` is over the other columns, the event's text byte by byte, as with `records`; there is no lease.
CREATE TABLE incident_records (
    incident TEXT NOT NULL REFERENCES incidents (incident),
    seq INTEGER NOT NULL,
    time INTEGER NOT NULL,
    actor TEXT NOT NULL,
    previous TEXT NOT NULL,
    hash TEXT NOT NULL,
    event TEXT NOT NULL,
    PRIMARY KEY (incident, seq)
) STRICT, WITHOUT ROWID;

-- The runs of an incident, of ours or of elsewhere.
CREATE INDEX runs_by_incident ON runs (incident, started) WHERE incident IS NOT NULL;
