-- Stages whose canary holds a deployment too. A foreign key of two columns cannot be added to a table, so it is made anew.
CREATE TABLE stages_with_canaries (
    rest_api_id TEXT NOT NULL REFERENCES rest_apis (id) ON DELETE CASCADE,
    stage_name TEXT NOT NULL,
    deployment_id TEXT NOT NULL,
    canary_deployment_id TEXT,
    revision INTEGER NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (rest_api_id, stage_name),
    FOREIGN KEY (rest_api_id, deployment_id) REFERENCES deployments (rest_api_id, id),
    FOREIGN KEY (rest_api_id, canary_deployment_id) REFERENCES deployments (rest_api_id, id)
) STRICT, WITHOUT ROWID;
INSERT INTO stages_with_canaries (rest_api_id, stage_name, deployment_id, revision, body)
    SELECT rest_api_id, stage_name, deployment_id, revision, body FROM stages;
DROP TABLE stages;
ALTER TABLE stages_with_canaries RENAME TO stages;
CREATE INDEX stages_by_deployment ON stages (rest_api_id, deployment_id);
CREATE INDEX stages_by_canary_deployment ON stages (rest_api_id, canary_deployment_id);
