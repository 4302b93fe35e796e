//! What is published, and who serves it.

use super::page::Page;
use super::rollout::Wait;
use super::{Answer, Management, optional, wire};
use crate::app::{Error, ListedRoute, RouteKey};
use crate::fleet::{NodeState, Refusal};
use crate::publisher::Candidate;
use crate::rollout::Target;
use penstock_model::id::Version;
use penstock_model::method::Verb;
use penstock_proto::convert::timestamp;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status};
use wire::fleet_service_server::FleetService;

impl From<ListedRoute> for wire::Route {
    fn from(route: ListedRoute) -> Self {
        Self {
            rest_api_id: route.key.rest_api_id.to_string(),
            stage_name: route.key.stage_name.to_string(),
            http_method: route.key.verb.as_str().to_owned(),
            path: route.key.path,
            integration_type: route.integration_type.as_str().to_owned(),
            uri: route.uri,
            base_urls: route.base_urls,
            problem: route.problem,
        }
    }
}

impl From<NodeState> for wire::Node {
    fn from(node: NodeState) -> Self {
        let (hash, serving) = node.serving.map(|serving| (serving.root_hash.to_string(), serving)).unzip();
        let (version, routes, time_us) =
            serving.map(|s| (s.version.0, s.route_count, s.build_time_us)).unwrap_or_default();
        Self {
            id: node.id.to_string(),
            build: node.build,
            peer: node.peer,
            connected: node.connected,
            connected_since: timestamp(node.connected_since_ms),
            last_seen: timestamp(node.last_seen_ms),
            applied_version: version,
            applied_root_hash: hash.unwrap_or_default(),
            // A node may say anything; what does not fit is shown as the largest.
            route_count: i64::try_from(routes).unwrap_or(i64::MAX),
            build_time_us: i64::try_from(time_us).unwrap_or(i64::MAX),
            refusals: node.refusals.into_iter().map(Into::into).collect(),
            generations: node.generations.into_iter().map(Into::into).collect(),
            kept: node.kept.map(|kept| wire::KeptConfiguration { version: kept.version.0, problem: kept.problem }),
            unconfirmed_seconds: i64::try_from(node.unconfirmed_seconds).unwrap_or(i64::MAX),
            candidate: None,
        }
    }
}

impl From<&Candidate> for wire::NodeCandidate {
    fn from(candidate: &Candidate) -> Self {
        let key = &candidate.measurement.key;
        Self {
            version: candidate.publication.version.0,
            rest_api_id: key.rest_api_id.to_string(),
            stage_name: key.stage_name.to_string(),
        }
    }
}

impl From<Refusal> for wire::Refusal {
    fn from(refusal: Refusal) -> Self {
        let (hash, key) = refusal.bundle.unzip();
        let (api, stage) = key.map(|key| (key.rest_api_id.to_string(), key.stage_name.to_string())).unwrap_or_default();
        Self {
            bundle_hash: hash.map(|hash| hash.to_string()).unwrap_or_default(),
            rest_api_id: api,
            stage_name: stage,
            reason: refusal.reason,
        }
    }
}

fn key(route: &wire::Route) -> Vec<String> {
    vec![route.rest_api_id.clone(), route.stage_name.clone(), route.path.clone(), route.http_method.clone()]
}

fn after(page: &Page) -> Result<Option<RouteKey>, Error> {
    let Some(_) = page.after() else { return Ok(None) };
    Ok(Some(RouteKey {
        rest_api_id: page.after_part(0).into(),
        stage_name: page.after_part(1).into(),
        path: page.after_part(2).to_owned(),
        verb: Verb::parse(page.after_part(3)).map_err(|reason| Error::invalid("pageToken", reason))?,
    }))
}

#[tonic::async_trait]
impl FleetService for Management {
    async fn get_configuration(&self, _: Request<wire::GetConfigurationRequest>) -> Answer<wire::Configuration> {
        let publication = self.app.newest();
        // The application bounds all three counts far below their types.
        let answer = wire::Configuration {
            version: publication.version.0,
            root_hash: publication.manifest.root_hash.to_string(),
            bundle_count: i32::try_from(publication.manifest.bundles.len()).unwrap_or(i32::MAX),
            bundle_bytes: i64::try_from(publication.bundle_bytes()).unwrap_or(i64::MAX),
            route_count: i64::try_from(publication.route_count()).unwrap_or(i64::MAX),
        };
        Ok(Response::new(answer))
    }

    async fn list_routes(&self, request: Request<wire::ListRoutesRequest>) -> Answer<wire::ListRoutesResponse> {
        let request = request.into_inner();
        let filters = [request.rest_api_id.as_str(), request.stage_name.as_str()];
        let page = Page::read("routes", &filters, 4, request.page_size, &request.page_token)?;
        let (api, stage) = (optional(request.rest_api_id), optional(request.stage_name));
        let (found, version) = self.app.routes(api, stage, after(&page)?, page.fetch() as usize).await?;
        let found: Vec<wire::Route> = found.into_iter().map(Into::into).collect();
        let (items, next_page_token) = page.cut(found, key);
        Ok(Response::new(wire::ListRoutesResponse { items, next_page_token, version: version.0 }))
    }

    async fn list_nodes(&self, _: Request<wire::ListNodesRequest>) -> Answer<wire::ListNodesResponse> {
        let version = self.app.newest().version.0;
        let candidate = self.app.publisher().candidate();
        let items = self.fleet.nodes().into_iter().map(|node| {
            let candidate = candidate.as_deref().filter(|candidate| candidate.nodes.contains(&node.id)).map(Into::into);
            wire::Node { candidate, ..node.into() }
        });
        Ok(Response::new(wire::ListNodesResponse { items: items.collect(), version }))
    }

    type WatchRolloutStream = ReceiverStream<Result<wire::Rollout, Status>>;

    async fn watch_rollout(&self, request: Request<wire::WatchRolloutRequest>) -> Answer<Self::WatchRolloutStream> {
        let request = request.into_inner();
        let wait = Wait::read(request.wait_for, request.wait_deadline)?;
        let newest = self.app.newest().version;
        let version = match request.version {
            0 => newest,
            asked if asked <= newest.0 => Version(asked),
            asked => {
                let reason = format!("{asked} is not published yet: the newest is {newest}");
                return Err(Error::invalid("version", reason).into());
            }
        };
        if request.rest_api_id.is_empty() && !request.stage_name.is_empty() {
            return Err(Error::invalid("restApiId", "must say whose stage is meant").into());
        }
        let target = Target { version, api: optional(request.rest_api_id), stage: optional(request.stage_name) };
        Ok(Response::new(ReceiverStream::new(self.clone().pictures(wait, target))))
    }
}
