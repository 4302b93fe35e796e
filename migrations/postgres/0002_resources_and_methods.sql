-- The editable definition of an API: its path tree and the methods on it.
CREATE TABLE resources (
    rest_api_id TEXT COLLATE "C" NOT NULL REFERENCES rest_apis (id) ON DELETE CASCADE,
    id TEXT COLLATE "C" NOT NULL,
    revision BIGINT NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (rest_api_id, id)
);

CREATE TABLE methods (
    rest_api_id TEXT COLLATE "C" NOT NULL,
    resource_id TEXT COLLATE "C" NOT NULL,
    http_method TEXT COLLATE "C" NOT NULL,
    revision BIGINT NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (rest_api_id, resource_id, http_method),
    FOREIGN KEY (rest_api_id, resource_id) REFERENCES resources (rest_api_id, id) ON DELETE CASCADE
);
