-- The number of the published configuration, and the root hash that it has. One row: its lock makes versions appear in
-- the order of commits.
CREATE TABLE publication (
    id INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    version INTEGER NOT NULL,
    root_hash BLOB NOT NULL
) STRICT;
INSERT INTO publication (id, version, root_hash) VALUES (1, 0, x'');
