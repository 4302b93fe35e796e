-- APIs. `body` is the object as JSON; the other columns are what queries look for. Texts compare by their bytes, as in
-- SQLite, whatever language the database speaks: lists continue behind a key.
CREATE TABLE rest_apis (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    name TEXT COLLATE "C" NOT NULL,
    revision BIGINT NOT NULL,
    body TEXT NOT NULL
);
CREATE INDEX rest_apis_by_name ON rest_apis (name, id);
