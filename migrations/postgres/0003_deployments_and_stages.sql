-- Deployments with their snapshots, numbered within their API in the order in which they were made; and stages, whose
-- canary may hold a deployment too.
CREATE TABLE deployments (
    rest_api_id TEXT COLLATE "C" NOT NULL REFERENCES rest_apis (id) ON DELETE CASCADE,
    id TEXT COLLATE "C" NOT NULL,
    number BIGINT NOT NULL,
    automatic BIGINT NOT NULL,
    body TEXT NOT NULL,
    snapshot TEXT NOT NULL,
    PRIMARY KEY (rest_api_id, id),
    UNIQUE (rest_api_id, number)
);

CREATE TABLE stages (
    rest_api_id TEXT COLLATE "C" NOT NULL REFERENCES rest_apis (id) ON DELETE CASCADE,
    stage_name TEXT COLLATE "C" NOT NULL,
    deployment_id TEXT COLLATE "C" NOT NULL,
    canary_deployment_id TEXT COLLATE "C",
    revision BIGINT NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (rest_api_id, stage_name),
    FOREIGN KEY (rest_api_id, deployment_id) REFERENCES deployments (rest_api_id, id),
    FOREIGN KEY (rest_api_id, canary_deployment_id) REFERENCES deployments (rest_api_id, id)
);
CREATE INDEX stages_by_deployment ON stages (rest_api_id, deployment_id);
CREATE INDEX stages_by_canary_deployment ON stages (rest_api_id, canary_deployment_id);
