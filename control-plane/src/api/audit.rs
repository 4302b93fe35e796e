//! The audit log, for admins.

use super::page::Page;
use super::{Answer, Management, wire};
use crate::app::{AuditEntry, AuditFilter, AuditObject, Error, NodeCanaryPlace, ObjectChange};
use penstock_proto::convert::timestamp;
use prost_types::Timestamp;
use tonic::{Request, Response};
use wire::audit_object::Object;
use wire::audit_service_server::AuditService;

impl From<AuditEntry> for wire::AuditEntry {
    fn from(entry: AuditEntry) -> Self {
        Self {
            number: entry.number,
            time: timestamp(entry.at_ms),
            caller: entry.caller.identity,
            role: entry.caller.role.to_string(),
            peer: entry.caller.peer,
            rpc: entry.caller.rpc,
            rest_api_id: entry.rest_api_id,
            version: entry.version.0,
            changes: entry.changes.into_iter().map(Into::into).collect(),
            // Far fewer objects can be written at once.
            omitted_changes: i64::try_from(entry.omitted).unwrap_or(i64::MAX),
        }
    }
}

impl From<ObjectChange> for wire::AuditChange {
    fn from(change: ObjectChange) -> Self {
        Self {
            kind: change.kind,
            key: change.key,
            before: change.before.map(Into::into),
            after: change.after.map(Into::into),
            shortened: change.shortened,
        }
    }
}

impl From<AuditObject> for wire::AuditObject {
    fn from(object: AuditObject) -> Self {
        let object = match object {
            AuditObject::RestApi(api) => Object::RestApi(api.into()),
            AuditObject::Resource(resource) => Object::Resource(resource.into()),
            AuditObject::Method(method) => Object::Method((*method).into()),
            AuditObject::Deployment(deployment) => Object::Deployment(deployment.into()),
            AuditObject::Stage(stage) => Object::Stage((*stage).into()),
            AuditObject::DomainName(domain) => Object::DomainName(domain.into()),
            AuditObject::BasePathMapping(mapping) => Object::BasePathMapping(mapping.into()),
            AuditObject::NodeCanary(place) => Object::NodeCanary(place.into()),
        };
        Self { object: Some(object) }
    }
}

impl From<NodeCanaryPlace> for wire::AuditNodeCanary {
    fn from(place: NodeCanaryPlace) -> Self {
        Self {
            rest_api_id: place.rest_api_id.to_string(),
            stage_name: place.stage_name.to_string(),
            deployment_id: place.deployment_id.to_string(),
            node_ids: place.node_ids.iter().map(ToString::to_string).collect(),
        }
    }
}

/// Milliseconds since 1970, as far as they can be counted.
fn millis(time: &Timestamp) -> i64 {
    time.seconds.saturating_mul(1_000).saturating_add(i64::from(time.nanos) / 1_000_000)
}

#[tonic::async_trait]
impl AuditService for Management {
    async fn list_audit_entries(
        &self,
        request: Request<wire::ListAuditEntriesRequest>,
    ) -> Answer<wire::ListAuditEntriesResponse> {
        let request = request.into_inner();
        let filter = AuditFilter {
            rest_api_id: request.rest_api_id,
            caller: request.caller,
            since_ms: request.since.as_ref().map_or(i64::MIN, millis),
            until_ms: request.until.as_ref().map_or(i64::MAX, millis),
        };
        let (since, until) = (filter.since_ms.to_string(), filter.until_ms.to_string());
        let filters = [filter.rest_api_id.as_str(), filter.caller.as_str(), since.as_str(), until.as_str()];
        let page = Page::read("audit", &filters, 1, request.page_size, &request.page_token)?;
        let before = match page.after_part(0) {
            "" => i64::MAX,
            number => {
                number.parse().map_err(|_| Error::invalid("pageToken", "is not a token that this list gave out"))?
            }
        };
        let found = self.app.audit_entries(&filter, before, page.fetch()).await?;
        let found: Vec<wire::AuditEntry> = found.into_iter().map(Into::into).collect();
        let (items, next_page_token) = page.cut(found, |entry| vec![entry.number.to_string()]);
        Ok(Response::new(wire::ListAuditEntriesResponse { items, next_page_token }))
    }
}
