-- APIs. `body` is the object as JSON; the other columns are what queries look for.
CREATE TABLE rest_apis (
    id TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    revision INTEGER NOT NULL,
    body TEXT NOT NULL
) STRICT;
CREATE INDEX rest_apis_by_name ON rest_apis (name, id);
