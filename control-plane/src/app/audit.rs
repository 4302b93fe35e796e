//! The audit log: who changed what, when, from what to what. Written by the pipeline in the transaction of the change,
//! read here.

use super::App;
use super::caller::{Caller, Role};
use super::error::{Error, Result};
use super::limits::{AUDIT_BODIES_BYTES_MAX, AUDIT_KEYS_BYTES_MAX};
use crate::store::{AuditQuery, AuditRow};
use penstock_model::deployment::{Deployment, Stage};
use penstock_model::domain::{BasePathMapping, DomainName};
use penstock_model::id::{DeploymentId, NodeId, RestApiId, StageName, Version};
use penstock_model::method::Method;
use penstock_model::resource::Resource;
use penstock_model::rest_api::RestApi;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// What one call changed.
#[derive(Clone, Debug)]
pub struct AuditEntry {
    /// Grows with every entry.
    pub number: i64,
    /// Milliseconds since 1970.
    pub at_ms: i64,
    /// Who called.
    pub caller: Caller,
    /// The API that was changed; empty if none was.
    pub rest_api_id: String,
    /// The published configuration that contains the change.
    pub version: Version,
    /// What was changed, in the order in which it was written.
    pub changes: Vec<ObjectChange>,
    /// Further changes, for which there was no room.
    pub omitted: u64,
}

/// One object before and after.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ObjectChange {
    /// As `stage`.
    pub kind: String,
    /// The object's key within its kind, with slashes.
    pub key: String,
    /// `None`: it is new, or `shortened`.
    pub before: Option<Object>,
    /// `None`: it is gone, or `shortened`.
    pub after: Option<Object>,
    /// There was no room for the object itself.
    #[serde(default)]
    pub shortened: bool,
}

/// An object of the management API. None of its fields is a secret.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Object {
    /// Its settings, without what is below it.
    RestApi(RestApi),
    /// One segment of a path.
    Resource(Resource),
    /// With its integration and responses.
    Method(Box<Method>),
    /// Without its snapshot.
    Deployment(Deployment),
    /// With its canary.
    Stage(Box<Stage>),
    /// A host.
    DomainName(DomainName),
    /// A base path below a host.
    BasePathMapping(BasePathMapping),
    /// Some nodes serve another deployment than the stage has.
    NodeCanary(NodeCanaryPlace),
}

/// Where a node canary runs.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NodeCanaryPlace {
    /// Whose stage.
    pub rest_api_id: RestApiId,
    /// Which keeps the deployment that it has.
    pub stage_name: StageName,
    /// What is tried.
    pub deployment_id: DeploymentId,
    /// Who serves it.
    pub node_ids: BTreeSet<NodeId>,
}

/// Which entries to list.
#[derive(Clone, Debug)]
pub struct AuditFilter {
    /// Of this API; empty: of any.
    pub rest_api_id: String,
    /// Of this identity; empty: of any.
    pub caller: String,
    /// Not before, in milliseconds since 1970.
    pub since_ms: i64,
    /// Before, in milliseconds since 1970.
    pub until_ms: i64,
}

/// What a row holds beside its columns.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Body {
    role: Role,
    peer: String,
    rpc: String,
    version: u64,
    changes: Vec<ObjectChange>,
    omitted: u64,
}

impl Object {
    fn kind(&self) -> &'static str {
        match self {
            Self::RestApi(_) => "restApi",
            Self::Resource(_) => "resource",
            Self::Method(_) => "method",
            Self::Deployment(_) => "deployment",
            Self::Stage(_) => "stage",
            Self::DomainName(_) => "domainName",
            Self::BasePathMapping(_) => "basePathMapping",
            Self::NodeCanary(_) => "nodeCanary",
        }
    }

    fn key(&self) -> String {
        match self {
            Self::RestApi(api) => api.id.to_string(),
            Self::Resource(resource) => format!("{}/{}", resource.rest_api_id, resource.id),
            Self::Method(method) => format!("{}/{}/{}", method.rest_api_id, method.resource_id, method.http_method),
            Self::Deployment(deployment) => format!("{}/{}", deployment.rest_api_id, deployment.id),
            Self::Stage(stage) => format!("{}/{}", stage.rest_api_id, stage.stage_name),
            Self::DomainName(domain) => domain.domain_name.clone(),
            Self::BasePathMapping(mapping) => format!("{}/{}", mapping.domain_name, mapping.base_path),
            Self::NodeCanary(place) => format!("{}/{}", place.rest_api_id, place.stage_name),
        }
    }

    fn rest_api_id(&self) -> Option<&str> {
        match self {
            Self::RestApi(api) => Some(api.id.as_str()),
            Self::Resource(resource) => Some(resource.rest_api_id.as_str()),
            Self::Method(method) => Some(method.rest_api_id.as_str()),
            Self::Deployment(deployment) => Some(deployment.rest_api_id.as_str()),
            Self::Stage(stage) => Some(stage.rest_api_id.as_str()),
            Self::DomainName(_) => None,
            Self::BasePathMapping(mapping) => Some(mapping.rest_api_id.as_str()),
            Self::NodeCanary(place) => Some(place.rest_api_id.as_str()),
        }
    }
}

/// What a transaction has written so far, within its bounds.
#[derive(Debug)]
pub(super) struct Recording {
    rest_api_id: String,
    changes: Vec<ObjectChange>,
    omitted: u64,
    bodies_left: usize,
    keys_left: usize,
}

impl Default for Recording {
    fn default() -> Self {
        Self {
            rest_api_id: String::new(),
            changes: Vec::new(),
            omitted: 0,
            bodies_left: AUDIT_BODIES_BYTES_MAX,
            keys_left: AUDIT_KEYS_BYTES_MAX,
        }
    }
}

impl Recording {
    /// Whether another object may still fit, so that it is worth reading what it was.
    pub(super) fn has_room(&self) -> bool {
        self.bodies_left > 0
    }

    pub(super) fn note(&mut self, before: Option<Object>, after: Option<Object>) {
        let Some(named) = after.as_ref().or(before.as_ref()) else { return };
        if let (true, Some(api)) = (self.rest_api_id.is_empty(), named.rest_api_id()) {
            self.rest_api_id = api.to_owned();
        }
        let (kind, key) = (named.kind().to_owned(), named.key());
        let Some(keys_left) = self.keys_left.checked_sub(kind.len() + key.len()) else {
            self.omitted += 1;
            return;
        };
        self.keys_left = keys_left;
        // What has no JSON form cannot be stored either, so this never counts as nothing.
        let bytes = |object: &Option<Object>| {
            object.as_ref().map_or(0, |object| serde_json::to_vec(object).map_or(usize::MAX / 4, |json| json.len()))
        };
        match self.bodies_left.checked_sub(bytes(&before) + bytes(&after)) {
            Some(left) => {
                self.bodies_left = left;
                self.changes.push(ObjectChange { kind, key, before, after, shortened: false });
            }
            None => {
                self.bodies_left = 0;
                self.changes.push(ObjectChange { kind, key, before: None, after: None, shortened: true });
            }
        }
    }

    /// The row for all of it, if anything was written.
    pub(super) fn row(self, caller: Caller, at_ms: i64, version: Version) -> Result<Option<AuditRow>> {
        if self.changes.is_empty() && self.omitted == 0 {
            return Ok(None);
        }
        let body = Body {
            role: caller.role,
            peer: caller.peer,
            rpc: caller.rpc,
            version: version.0,
            changes: self.changes,
            omitted: self.omitted,
        };
        let body = serde_json::to_string(&body).map_err(|error| Error::internal("writing the audit log", error))?;
        Ok(Some(AuditRow { number: 0, at_ms, caller: caller.identity, rest_api_id: self.rest_api_id, body }))
    }
}

impl App {
    /// Entries of the audit log, the newest first, only those numbered below `before`.
    pub async fn audit_entries(&self, filter: &AuditFilter, before: i64, limit: u32) -> Result<Vec<AuditEntry>> {
        let query = AuditQuery {
            rest_api_id: &filter.rest_api_id,
            caller: &filter.caller,
            since_ms: filter.since_ms,
            until_ms: filter.until_ms,
            before,
            limit,
        };
        let rows = self.read().await?.audit(&query).await?;
        rows.into_iter().map(entry).collect()
    }
}

fn entry(row: AuditRow) -> Result<AuditEntry> {
    let body: Body =
        serde_json::from_str(&row.body).map_err(|error| Error::internal("reading the audit log", error))?;
    Ok(AuditEntry {
        number: row.number,
        at_ms: row.at_ms,
        caller: Caller { identity: row.caller, role: body.role, peer: body.peer, rpc: body.rpc },
        rest_api_id: row.rest_api_id,
        version: Version(body.version),
        changes: body.changes,
        omitted: body.omitted,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caller() -> Caller {
        Caller { identity: "ci".into(), role: Role::Editor, peer: "127.0.0.1:1".into(), rpc: "s/m".into() }
    }

    fn api(id: &str, description_bytes: usize) -> Object {
        let description = "d".repeat(description_bytes);
        Object::RestApi(RestApi { id: id.into(), description, ..RestApi::default() })
    }

    fn entry_of(recording: Recording) -> AuditEntry {
        entry(recording.row(caller(), 7, Version(3)).unwrap().unwrap()).unwrap()
    }

    #[test]
    fn what_is_noted_is_read_again() {
        let mut recording = Recording::default();
        recording.note(Some(api("a", 1)), Some(api("a", 2)));
        let entry = entry_of(recording);
        assert_eq!((entry.caller, entry.at_ms, entry.version), (caller(), 7, Version(3)));
        assert_eq!((entry.rest_api_id.as_str(), entry.omitted), ("a", 0));
        let [change] = &entry.changes[..] else { panic!("{:?}", entry.changes) };
        let Some(Object::RestApi(before)) = &change.before else { panic!("{change:?}") };
        assert_eq!((before.description.as_str(), change.key.as_str(), change.shortened), ("d", "a", false));
    }

    #[test]
    fn nothing_written_is_nothing_noted() {
        assert!(Recording::default().row(caller(), 7, Version(3)).unwrap().is_none());
    }

    #[test]
    fn an_object_without_room_is_named_and_one_without_room_for_its_name_is_counted() {
        let mut recording = Recording::default();
        recording.note(None, Some(api("a", AUDIT_BODIES_BYTES_MAX)));
        assert!(!recording.has_room());
        let name_bytes = "restApia".len();
        let fit = AUDIT_KEYS_BYTES_MAX / name_bytes;
        for _ in 0..fit {
            recording.note(None, Some(api("b", 0)));
        }
        let row = recording.row(caller(), 7, Version(3)).unwrap().unwrap();
        let entry = entry(row).unwrap();
        assert_eq!((entry.changes.len(), entry.omitted), (fit, 1));
        assert!(entry.changes[0].shortened && entry.changes[0].after.is_none());
    }

    #[test]
    fn no_entry_is_longer_than_its_limit() {
        let mut recording = Recording::default();
        // Names as short as they can be cost the most around them.
        while recording.has_room() {
            recording.note(None, Some(api("a", 100)));
        }
        for at in 0..AUDIT_KEYS_BYTES_MAX {
            recording.note(Some(api(&at.to_string(), 0)), None);
        }
        let row = recording.row(caller(), 7, Version(3)).unwrap().unwrap();
        assert!(row.body.len() <= super::super::limits::AUDIT_ENTRY_BYTES_MAX, "{} bytes", row.body.len());
    }
}
