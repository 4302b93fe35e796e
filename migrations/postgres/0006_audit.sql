-- The audit log: one row for each call that changed something, numbered in the order of the commits. `body` is JSON; the
-- other columns are what queries look for. An entry outlives what it is about, so it refers to nothing.
CREATE TABLE audit (
    number BIGINT NOT NULL PRIMARY KEY,
    at_ms BIGINT NOT NULL,
    caller TEXT NOT NULL,
    rest_api_id TEXT NOT NULL,
    body TEXT NOT NULL
);
