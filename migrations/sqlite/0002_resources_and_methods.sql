-- The editable definition of an API: its path tree and the methods on it.
CREATE TABLE resources (
    rest_api_id TEXT NOT NULL REFERENCES rest_apis (id) ON DELETE CASCADE,
    id TEXT NOT NULL,
    revision INTEGER NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (rest_api_id, id)
) STRICT, WITHOUT ROWID;

CREATE TABLE methods (
    rest_api_id TEXT NOT NULL,
    resource_id TEXT NOT NULL,
    http_method TEXT NOT NULL,
    revision INTEGER NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (rest_api_id, resource_id, http_method),
    FOREIGN KEY (rest_api_id, resource_id) REFERENCES resources (rest_api_id, id) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;
