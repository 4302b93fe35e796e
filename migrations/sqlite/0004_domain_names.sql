-- Domain names, and the base paths below them.
CREATE TABLE domain_names (
    domain_name TEXT NOT NULL PRIMARY KEY,
    revision INTEGER NOT NULL,
    body TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE base_path_mappings (
    domain_name TEXT NOT NULL REFERENCES domain_names (domain_name) ON DELETE CASCADE,
    base_path TEXT NOT NULL,
    rest_api_id TEXT NOT NULL REFERENCES rest_apis (id),
    revision INTEGER NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (domain_name, base_path)
) STRICT, WITHOUT ROWID;
CREATE INDEX base_path_mappings_by_api ON base_path_mappings (rest_api_id);
