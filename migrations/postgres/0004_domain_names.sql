-- Domain names, and the base paths below them.
CREATE TABLE domain_names (
    domain_name TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    revision BIGINT NOT NULL,
    body TEXT NOT NULL
);

CREATE TABLE base_path_mappings (
    domain_name TEXT COLLATE "C" NOT NULL REFERENCES domain_names (domain_name) ON DELETE CASCADE,
    base_path TEXT COLLATE "C" NOT NULL,
    rest_api_id TEXT COLLATE "C" NOT NULL REFERENCES rest_apis (id),
    revision BIGINT NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (domain_name, base_path)
);
CREATE INDEX base_path_mappings_by_api ON base_path_mappings (rest_api_id);
