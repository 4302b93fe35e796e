//! Stores of each kind, and objects to put into them.

use super::postgres::Postgres;
use penstock_control_plane::store::Store;
use penstock_control_plane::store::postgres::PostgresStore;
use penstock_control_plane::store::sqlite::SqliteStore;
use penstock_model::definition::ApiDefinition;
use penstock_model::deployment::{CanarySettings, Deployment, Stage};
use penstock_model::domain::{BasePathMapping, DomainName};
use penstock_model::id::Revision;
use penstock_model::method::{Method, Verb};
use penstock_model::resource::Resource;
use penstock_model::rest_api::RestApi;

/// A store of each kind, with what must live as long as it does.
pub async fn stores() -> Vec<(Box<dyn Store>, Option<tempfile::TempDir>)> {
    let directory = tempfile::tempdir().unwrap();
    let sqlite = SqliteStore::open(directory.path()).await.unwrap();
    let mut stores: Vec<(Box<dyn Store>, _)> = vec![(Box::new(sqlite), Some(directory))];
    if let Some(server) = Postgres::shared() {
        let postgres = PostgresStore::open(&server.database()).await.unwrap();
        stores.push((Box::new(postgres), None));
    }
    stores
}

pub fn api(id: &str) -> RestApi {
    RestApi { id: id.into(), name: format!("name of {id}"), revision: Revision::FIRST, ..RestApi::default() }
}

pub fn resource(id: &str) -> Resource {
    let revision = Revision::FIRST;
    Resource { id: id.into(), rest_api_id: "a".into(), path: "/x".into(), revision, ..Resource::default() }
}

pub fn method(resource: &str, verb: Verb) -> Method {
    Method { revision: Revision::FIRST, ..Method::new("a".into(), resource.into(), verb) }
}

pub fn deployment(id: &str, automatic: bool) -> Deployment {
    Deployment { id: id.into(), rest_api_id: "a".into(), automatic, ..Deployment::default() }
}

pub fn stage(name: &str, deployment: &str) -> Stage {
    let (rest_api_id, revision) = ("a".into(), Revision::FIRST);
    Stage { rest_api_id, stage_name: name.into(), deployment_id: deployment.into(), revision, ..Stage::default() }
}

pub fn stage_with_canary(name: &str, deployment: &str, canary: &str) -> Stage {
    let canary = CanarySettings { deployment_id: canary.into(), ..CanarySettings::default() };
    Stage { canary_settings: Some(canary), ..stage(name, deployment) }
}

pub fn domain(name: &str) -> DomainName {
    DomainName { domain_name: name.into(), revision: Revision::FIRST, ..DomainName::default() }
}

pub fn mapping(domain: &str, base_path: &str) -> BasePathMapping {
    let (domain_name, base_path, rest_api_id) = (domain.into(), base_path.into(), "a".into());
    BasePathMapping { domain_name, base_path, rest_api_id, stage: None, revision: Revision::FIRST }
}

/// API `a` with two resources, three methods, three deployments and two stages, and three mappings of it.
pub async fn fill(store: &dyn Store) {
    let mut tx = store.begin().await.unwrap();
    tx.insert_rest_api(&api("a")).await.unwrap();
    for id in ["r1", "r2"] {
        tx.insert_resource(&resource(id)).await.unwrap();
    }
    for (id, verb) in [("r2", Verb::Get), ("r1", Verb::Put), ("r1", Verb::Get)] {
        tx.insert_method(&method(id, verb)).await.unwrap();
    }
    let snapshot = ApiDefinition { rest_api: api("a"), ..ApiDefinition::default() };
    for (id, automatic) in [("d1", true), ("d2", false), ("d3", true)] {
        tx.insert_deployment(&deployment(id, automatic), &snapshot).await.unwrap();
    }
    for name in ["v2", "v1"] {
        tx.insert_stage(&stage(name, "d1")).await.unwrap();
    }
    for name in ["*", "example.com"] {
        tx.insert_domain_name(&domain(name)).await.unwrap();
    }
    for (name, path) in [("example.com", "v1"), ("example.com", ""), ("*", "")] {
        tx.insert_base_path_mapping(&mapping(name, path)).await.unwrap();
    }
    tx.commit().await.unwrap();
}
