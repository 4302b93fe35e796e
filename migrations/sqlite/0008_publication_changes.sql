-- What each of the last versions changed, as JSON, and the version before it: other processes load that and not everything.
CREATE TABLE publication_changes (
    version INTEGER NOT NULL PRIMARY KEY,
    previous INTEGER NOT NULL,
    changes TEXT NOT NULL
) STRICT;
