-- The number of the published configuration, and the root hash that it has. One row: its lock lets one process write at a
-- time, so versions appear in the order of commits.
CREATE TABLE publication (
    id BIGINT NOT NULL PRIMARY KEY CHECK (id = 1),
    version BIGINT NOT NULL,
    root_hash BYTEA NOT NULL
);
INSERT INTO publication (id, version, root_hash) VALUES (1, 0, '');

-- What each of the last versions changed, as JSON, and the version before it: other processes load that and not everything.
CREATE TABLE publication_changes (
    version BIGINT NOT NULL PRIMARY KEY,
    previous BIGINT NOT NULL,
    changes TEXT NOT NULL
);
