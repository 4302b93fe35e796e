-- The audit log: one row for each call that changed something, numbered in the order of the commits. `body` is JSON; the
-- other columns are what queries look for. An entry outlives what it is about, so it refers to nothing.
CREATE TABLE audit (
    number INTEGER NOT NULL PRIMARY KEY,
    at_ms INTEGER NOT NULL,
    caller TEXT NOT NULL,
    rest_api_id TEXT NOT NULL,
    body TEXT NOT NULL
) STRICT;
