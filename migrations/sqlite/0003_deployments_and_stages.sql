-- Deployments with their snapshots, numbered within their API in the order in which they were made; and stages.
CREATE TABLE deployments (
    rest_api_id TEXT NOT NULL REFERENCES rest_apis (id) ON DELETE CASCADE,
    id TEXT NOT NULL,
    number INTEGER NOT NULL,
    automatic INTEGER NOT NULL,
    body TEXT NOT NULL,
    snapshot TEXT NOT NULL,
    PRIMARY KEY (rest_api_id, id),
    UNIQUE (rest_api_id, number)
) STRICT;

CREATE TABLE stages (
    rest_api_id TEXT NOT NULL REFERENCES rest_apis (id) ON DELETE CASCADE,
    stage_name TEXT NOT NULL,
    deployment_id TEXT NOT NULL,
    revision INTEGER NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (rest_api_id, stage_name),
    FOREIGN KEY (rest_api_id, deployment_id) REFERENCES deployments (rest_api_id, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX stages_by_deployment ON stages (rest_api_id, deployment_id);
