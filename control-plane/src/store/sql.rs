//! The SQL texts. Each but the lock is valid on SQLite and on PostgreSQL; an implementation of the store only runs them.
//!
//! Lists continue behind a key, so a page is one range of an index however far the caller has come. Updates name the
//! revision that they replace, so a lost update cannot happen whatever the isolation.

pub(super) const REST_API: &str = "SELECT body FROM rest_apis WHERE id = $1";
pub(super) const REST_APIS: &str = "SELECT body FROM rest_apis WHERE id > $1 ORDER BY id LIMIT $2";
pub(super) const REST_APIS_NAMED: &str = "SELECT body FROM rest_apis WHERE name = $1 AND id > $2 ORDER BY id LIMIT $3";
pub(super) const REST_API_INSERT: &str = "INSERT INTO rest_apis (id, name, revision, body) VALUES ($1, $2, $3, $4)";
pub(super) const REST_API_UPDATE: &str =
    "UPDATE rest_apis SET name = $2, revision = $3, body = $4 WHERE id = $1 AND revision = $5";
pub(super) const REST_API_DELETE: &str = "DELETE FROM rest_apis WHERE id = $1";

pub(super) const RESOURCE: &str = "SELECT body FROM resources WHERE rest_api_id = $1 AND id = $2";
pub(super) const RESOURCES: &str = "SELECT body FROM resources WHERE rest_api_id = $1 AND id > $2 ORDER BY id LIMIT $3";
pub(super) const RESOURCE_INSERT: &str =
    "INSERT INTO resources (rest_api_id, id, revision, body) VALUES ($1, $2, $3, $4)";
pub(super) const RESOURCE_UPDATE: &str =
    "UPDATE resources SET revision = $3, body = $4 WHERE rest_api_id = $1 AND id = $2 AND revision = $5";
pub(super) const RESOURCE_DELETE: &str = "DELETE FROM resources WHERE rest_api_id = $1 AND id = $2";

pub(super) const METHOD: &str =
    "SELECT body FROM methods WHERE rest_api_id = $1 AND resource_id = $2 AND http_method = $3";
pub(super) const METHODS: &str = "SELECT body FROM methods WHERE rest_api_id = $1 \
     AND (resource_id, http_method) > ($2, $3) ORDER BY resource_id, http_method LIMIT $4";
pub(super) const METHODS_OF_RESOURCE: &str = "SELECT body FROM methods WHERE rest_api_id = $1 \
     AND resource_id = $2 AND http_method > $3 ORDER BY http_method LIMIT $4";
pub(super) const METHOD_INSERT: &str =
    "INSERT INTO methods (rest_api_id, resource_id, http_method, revision, body) VALUES ($1, $2, $3, $4, $5)";
pub(super) const METHOD_UPDATE: &str = "UPDATE methods SET revision = $4, body = $5 \
     WHERE rest_api_id = $1 AND resource_id = $2 AND http_method = $3 AND revision = $6";
pub(super) const METHOD_DELETE: &str =
    "DELETE FROM methods WHERE rest_api_id = $1 AND resource_id = $2 AND http_method = $3";

pub(super) const DEPLOYMENT: &str = "SELECT body FROM deployments WHERE rest_api_id = $1 AND id = $2";
pub(super) const DEPLOYMENTS: &str = "SELECT number, body FROM deployments WHERE rest_api_id = $1 AND number < $2 \
     ORDER BY number DESC LIMIT $3";
pub(super) const SNAPSHOT: &str = "SELECT snapshot FROM deployments WHERE rest_api_id = $1 AND id = $2";
pub(super) const SPARE_DEPLOYMENTS: &str = "SELECT id FROM deployments WHERE rest_api_id = $1 AND automatic = 1 \
     AND NOT EXISTS (SELECT 1 FROM stages WHERE stages.rest_api_id = deployments.rest_api_id \
     AND deployments.id IN (stages.deployment_id, stages.canary_deployment_id)) ORDER BY number DESC";
pub(super) const DEPLOYMENT_INSERT: &str = "INSERT INTO deployments \
     (rest_api_id, id, number, automatic, body, snapshot) SELECT $1, $2, \
     (SELECT COALESCE(MAX(number), 0) + 1 FROM deployments WHERE rest_api_id = $1), $3, $4, $5";
pub(super) const DEPLOYMENT_DELETE: &str = "DELETE FROM deployments WHERE rest_api_id = $1 AND id = $2";

pub(super) const STAGE: &str = "SELECT body FROM stages WHERE rest_api_id = $1 AND stage_name = $2";
pub(super) const STAGES: &str = "SELECT body FROM stages WHERE (rest_api_id, stage_name) > ($1, $2) \
     ORDER BY rest_api_id, stage_name LIMIT $3";
pub(super) const STAGES_OF_API: &str =
    "SELECT body FROM stages WHERE rest_api_id = $1 AND stage_name > $2 ORDER BY stage_name LIMIT $3";
pub(super) const STAGE_INSERT: &str = "INSERT INTO stages \
     (rest_api_id, stage_name, deployment_id, canary_deployment_id, revision, body) VALUES ($1, $2, $3, $4, $5, $6)";
pub(super) const STAGE_UPDATE: &str = "UPDATE stages SET deployment_id = $3, canary_deployment_id = $4, \
     revision = $5, body = $6 WHERE rest_api_id = $1 AND stage_name = $2 AND revision = $7";
pub(super) const STAGE_DELETE: &str = "DELETE FROM stages WHERE rest_api_id = $1 AND stage_name = $2";

pub(super) const DOMAIN: &str = "SELECT body FROM domain_names WHERE domain_name = $1";
pub(super) const DOMAINS: &str = "SELECT body FROM domain_names WHERE domain_name > $1 ORDER BY domain_name LIMIT $2";
pub(super) const DOMAIN_INSERT: &str = "INSERT INTO domain_names (domain_name, revision, body) VALUES ($1, $2, $3)";
pub(super) const DOMAIN_UPDATE: &str =
    "UPDATE domain_names SET revision = $2, body = $3 WHERE domain_name = $1 AND revision = $4";
pub(super) const DOMAIN_DELETE: &str = "DELETE FROM domain_names WHERE domain_name = $1";

pub(super) const MAPPING: &str = "SELECT body FROM base_path_mappings WHERE domain_name = $1 AND base_path = $2";
pub(super) const MAPPINGS: &str = "SELECT body FROM base_path_mappings WHERE (domain_name, base_path) > ($1, $2) \
     ORDER BY domain_name, base_path LIMIT $3";
// The first page starts at a base path that sorts before the empty one: none. So `from` is inclusive when `$3` is 1.
pub(super) const MAPPINGS_OF_DOMAIN: &str = "SELECT body FROM base_path_mappings WHERE domain_name = $1 \
     AND (base_path > $2 OR $3 = 1) ORDER BY base_path LIMIT $4";
pub(super) const MAPPINGS_OF_API: &str =
    "SELECT body FROM base_path_mappings WHERE rest_api_id = $1 ORDER BY domain_name, base_path";
pub(super) const MAPPING_INSERT: &str = "INSERT INTO base_path_mappings \
     (domain_name, base_path, rest_api_id, revision, body) VALUES ($1, $2, $3, $4, $5)";
pub(super) const MAPPING_UPDATE: &str = "UPDATE base_path_mappings SET rest_api_id = $3, revision = $4, body = $5 \
     WHERE domain_name = $1 AND base_path = $2 AND revision = $6";
pub(super) const MAPPING_DELETE: &str = "DELETE FROM base_path_mappings WHERE domain_name = $1 AND base_path = $2";

pub(super) const PUBLISHED: &str = "SELECT version, root_hash FROM publication WHERE id = 1";
/// A session that writes waits here until it is the only one, whatever process the others are in.
pub(super) const LOCK: &str = "SELECT version FROM publication WHERE id = 1 FOR UPDATE";
pub(super) const PUBLISH: &str = "UPDATE publication SET version = CASE WHEN version > $2 THEN version ELSE $2 END + 1, \
     root_hash = $1 WHERE id = 1 RETURNING version";
pub(super) const NOTIFY: &str = "SELECT pg_notify($1, $2)";
pub(super) const CHANGES: &str = "SELECT version, previous, changes FROM publication_changes WHERE version > $1 \
     ORDER BY version LIMIT $2";
pub(super) const CHANGES_INSERT: &str =
    "INSERT INTO publication_changes (version, previous, changes) VALUES ($1, $2, $3)";
pub(super) const CHANGES_PRUNE: &str = "DELETE FROM publication_changes WHERE version <= $1";

pub(super) const COUNT_REST_APIS: &str = "SELECT COUNT(*) FROM rest_apis";
pub(super) const COUNT_STAGES: &str = "SELECT COUNT(*) FROM stages";
pub(super) const COUNT_DOMAINS: &str = "SELECT COUNT(*) FROM domain_names";
pub(super) const COUNT_MAPPINGS: &str = "SELECT COUNT(*) FROM base_path_mappings";
pub(super) const COUNT_DEPLOYMENTS: &str = "SELECT COUNT(*) FROM deployments WHERE rest_api_id = $1 AND automatic = 0";

pub(super) const AUDIT: &str = "SELECT number, at_ms, caller, rest_api_id, body FROM audit WHERE number < $1 \
     AND ($2 = '' OR rest_api_id = $2) AND ($3 = '' OR caller = $3) AND at_ms >= $4 AND at_ms < $5 \
     ORDER BY number DESC LIMIT $6";
// Writers come one after another, so no number is given twice.
pub(super) const AUDIT_INSERT: &str = "INSERT INTO audit (number, at_ms, caller, rest_api_id, body) \
     SELECT (SELECT COALESCE(MAX(number), 0) + 1 FROM audit), $1, $2, $3, $4";
pub(super) const AUDIT_TRIM: &str = "DELETE FROM audit WHERE number <= (SELECT MAX(number) FROM audit) - $1";
