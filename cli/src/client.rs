//! The connection to the control plane, and the lookups that many commands share.
//!
//! Commands and `up --demo` open a [`ControlPlane`] and take typed clients from it. The only importer of tonic's
//! transport. It decides nothing about what a command does.

use std::error::Error;
use std::path::PathBuf;
use std::time::Duration;

use penstock_link::client::{Authorized, Bearer};
use penstock_link::{ClientSettings, Link, LinkError, words};
use penstock_proto::management::v1 as pb;
use penstock_proto::management::v1::audit_service_client::AuditServiceClient;
use penstock_proto::management::v1::backup_service_client::BackupServiceClient;
use penstock_proto::management::v1::deployment_service_client::DeploymentServiceClient;
use penstock_proto::management::v1::domain_name_service_client::DomainNameServiceClient;
use penstock_proto::management::v1::explain_service_client::ExplainServiceClient;
use penstock_proto::management::v1::fleet_service_client::FleetServiceClient;
use penstock_proto::management::v1::gateway_response_service_client::GatewayResponseServiceClient;
use penstock_proto::management::v1::method_service_client::MethodServiceClient;
use penstock_proto::management::v1::resource_service_client::ResourceServiceClient;
use penstock_proto::management::v1::rest_api_service_client::RestApiServiceClient;
use penstock_proto::management::v1::stage_service_client::StageServiceClient;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Response, Status};

use crate::exit::{Doing, Failure};

/// Where `penstock up` puts the management API, and where commands look for it.
pub(crate) const DEFAULT_ADDRESS: &str = "http://127.0.0.1:50051";
/// How long a call may take when the user does not say.
pub(crate) const CALL_MS_DEFAULT: u64 = 30_000;
/// Opening the connection: a control plane answers at once or is not there.
const CONNECT_MS_MAX: u64 = 5_000;
/// One answer; an exported document may be as large as an imported one, which is 6 MiB.
const ANSWER_BYTES_MAX: usize = 16 << 20;
/// Objects that we ask for at once: the most that the contract grants.
pub(crate) const PAGE_SIZE: i32 = 500;
/// Pages of one list, so that a confused server cannot hold us for ever.
const PAGES_MAX: usize = 20_000;

/// Who we are towards the control plane, and whom we trust.
#[derive(Debug, Clone, Default)]
pub(crate) struct Identity {
    pub(crate) settings: ClientSettings,
    pub(crate) token_file: Option<PathBuf>,
}

/// An open connection.
#[derive(Debug, Clone)]
pub(crate) struct ControlPlane {
    channel: Channel,
    bearer: Bearer,
}

macro_rules! clients {
    ($($(#[$doc:meta])* $name:ident: $client:ident),+ $(,)?) => {
        $($(#[$doc])* pub(crate) fn $name(&self) -> $client<Authorized> {
            $client::with_interceptor(self.channel.clone(), self.bearer.clone()).max_decoding_message_size(ANSWER_BYTES_MAX)
        })+
    };
}

impl ControlPlane {
    /// Connects. `address` is a URL, or host and port alone.
    ///
    /// # Errors
    /// [`Failure::Usage`] for what is no address and for files that cannot be used, [`Failure::Unreachable`] where nothing
    /// listens.
    pub(crate) async fn connect(address: &str, identity: Identity, call_timeout: Duration) -> Result<Self, Failure> {
        let endpoint = endpoint(address)?
            .connect_timeout(Duration::from_millis(CONNECT_MS_MAX).min(call_timeout))
            .timeout(call_timeout);
        let link = Link::open(identity.settings, identity.token_file, std::slice::from_ref(endpoint.uri())).map_err(
            |error| match error {
                LinkError::File(error) => Failure::Failed(error.to_string()),
                error => Failure::Usage(error.to_string()),
            },
        )?;
        let channel = link.connect(endpoint).await.map_err(|error| {
            let reason = words::for_client(&error).unwrap_or_else(|| innermost(&error));
            Failure::Unreachable { address: address.to_owned(), reason }
        })?;
        Ok(Self { channel, bearer: link.bearer() })
    }

    clients! {
        /// Everything in one file.
        backups: BackupServiceClient,
        /// APIs and whole documents.
        rest_apis: RestApiServiceClient,
        /// Path trees.
        resources: ResourceServiceClient,
        /// Methods, integrations and responses.
        methods: MethodServiceClient,
        /// Deployments.
        deployments: DeploymentServiceClient,
        /// Stages.
        stages: StageServiceClient,
        /// Domain names and base path mappings.
        domains: DomainNameServiceClient,
        /// What the gateway answers by itself.
        gateway_responses: GatewayResponseServiceClient,
        /// What requests would meet.
        explanations: ExplainServiceClient,
        /// Who changed what.
        audit: AuditServiceClient,
        /// Published configuration and nodes.
        fleet: FleetServiceClient,
    }

    /// Finds the API that the user named by id or, if there is only one, by name. An id wins over a name.
    ///
    /// # Errors
    /// [`Failure::NotFound`]; [`Failure::Usage`] with the candidates when several have the name.
    pub(crate) async fn api(&self, named: &str) -> Result<pb::RestApi, Failure> {
        let request = pb::GetRestApiRequest { rest_api_id: named.to_owned() };
        match self.rest_apis().get_rest_api(request).await {
            // A name need not look like an id, and may be refused as one.
            Err(status) if matches!(status.code(), Code::NotFound | Code::InvalidArgument) => {
                only(named, self.apis(named).await?)
            }
            answer => answer.doing(format!("looking for the API {named:?}")),
        }
    }

    /// Every API, or those that are called `name` when it is not empty.
    pub(crate) async fn apis(&self, name: &str) -> Result<Vec<pb::RestApi>, Failure> {
        pages("listing the APIs", |page_token| {
            let mut client = self.rest_apis();
            let request = pb::ListRestApisRequest { page_size: PAGE_SIZE, page_token, name: name.to_owned() };
            async move { client.list_rest_apis(request).await }
        })
        .await
    }

    /// Every resource of an API.
    pub(crate) async fn resources_of(&self, rest_api_id: &str) -> Result<Vec<pb::Resource>, Failure> {
        pages("listing the resources", |page_token| {
            let mut client = self.resources();
            let rest_api_id = rest_api_id.to_owned();
            let request = pb::ListResourcesRequest { rest_api_id, page_size: PAGE_SIZE, page_token };
            async move { client.list_resources(request).await }
        })
        .await
    }

    /// Finds the resource that the user named by its path, which starts with a slash, or by its id.
    ///
    /// # Errors
    /// [`Failure::NotFound`].
    pub(crate) async fn resource(&self, rest_api_id: &str, named: &str) -> Result<pb::Resource, Failure> {
        if !named.starts_with('/') {
            let request = pb::GetResourceRequest { rest_api_id: rest_api_id.to_owned(), resource_id: named.to_owned() };
            return self.resources().get_resource(request).await.doing(format!("looking for the resource {named:?}"));
        }
        let path = trimmed(named);
        let all = self.resources_of(rest_api_id).await?;
        let found = all.into_iter().find(|resource| trimmed(&resource.path) == path);
        found.ok_or_else(|| Failure::NotFound(format!("the API has no resource at {named}")))
    }

    /// The stages of an API, or of every API when `rest_api_id` is empty.
    pub(crate) async fn stages_of(&self, rest_api_id: &str) -> Result<Vec<pb::Stage>, Failure> {
        pages("listing the stages", |page_token| {
            let mut client = self.stages();
            let rest_api_id = rest_api_id.to_owned();
            let request = pb::ListStagesRequest { rest_api_id, page_size: PAGE_SIZE, page_token };
            async move { client.list_stages(request).await }
        })
        .await
    }

    /// The deployments of an API, newest first.
    pub(crate) async fn deployments_of(&self, rest_api_id: &str) -> Result<Vec<pb::Deployment>, Failure> {
        pages("listing the deployments", |page_token| {
            let mut client = self.deployments();
            let rest_api_id = rest_api_id.to_owned();
            let request = pb::ListDeploymentsRequest { rest_api_id, page_size: PAGE_SIZE, page_token };
            async move { client.list_deployments(request).await }
        })
        .await
    }
}

/// A path without the slash at its end: `/` and `` are both the root.
fn trimmed(path: &str) -> &str {
    path.strip_suffix('/').unwrap_or(path)
}

fn only(named: &str, mut found: Vec<pb::RestApi>) -> Result<pb::RestApi, Failure> {
    match found.len() {
        0 => Err(Failure::NotFound(format!("no API has the id or the name {named:?}"))),
        1 => Ok(found.remove(0)),
        several => {
            let ids: Vec<_> = found.iter().map(|api| api.id.as_str()).collect();
            Err(Failure::Usage(format!(
                "{several} APIs are called {named:?}; name the one you mean by its id: {}",
                ids.join(", ")
            )))
        }
    }
}

/// An answer that is one page of a list.
pub(crate) trait Page {
    /// What it lists.
    type Item;
    /// The items, and the token of the next page; empty on the last.
    fn open(self) -> (Vec<Self::Item>, String);
}

macro_rules! page {
    ($($response:ident => $item:ident),+ $(,)?) => {
        $(impl Page for pb::$response {
            type Item = pb::$item;
            fn open(self) -> (Vec<pb::$item>, String) {
                (self.items, self.next_page_token)
            }
        })+
    };
}

page!(
    ListBasePathMappingsResponse => BasePathMapping,
    ListDeploymentsResponse => Deployment,
    ListDomainNamesResponse => DomainName,
    ListMethodsResponse => Method,
    ListResourcesResponse => Resource,
    ListRestApisResponse => RestApi,
    ListRoutesResponse => Route,
    ListStagesResponse => Stage,
);

/// Follows a list to its end.
///
/// # Errors
/// The first refusal, and [`Failure::Failed`] when the pages do not end.
pub(crate) async fn pages<P, F, Fut>(doing: &str, mut fetch: F) -> Result<Vec<P::Item>, Failure>
where
    P: Page,
    F: FnMut(String) -> Fut,
    Fut: Future<Output = Result<Response<P>, Status>>,
{
    let mut all = Vec::new();
    let mut token = String::new();
    for _ in 0..PAGES_MAX {
        let (items, next) = fetch(token).await.doing(doing)?.open();
        all.extend(items);
        if next.is_empty() {
            return Ok(all);
        }
        token = next;
    }
    Err(Failure::Failed(format!("{doing}: more than {PAGES_MAX} pages")))
}

fn endpoint(address: &str) -> Result<Endpoint, Failure> {
    let url = if address.contains("://") { address.to_owned() } else { format!("http://{address}") };
    let usage = |why: &str| Failure::Usage(format!("{address:?} is no address of a control plane: {why}"));
    if !url.starts_with("http://") && !url.starts_with("https://") {
        return Err(usage("it has to start with http:// or https://"));
    }
    let endpoint = Endpoint::from_shared(url).map_err(|error| usage(&innermost(&error)))?;
    if endpoint.uri().port_u16().is_none() {
        return Err(usage("the port is missing"));
    }
    endpoint
        .user_agent(concat!("penstock/", env!("CARGO_PKG_VERSION")))
        .map_err(|error| Failure::Failed(format!("naming ourselves: {}", innermost(&error))))
}

/// The cause at the bottom, which is the one that people can act on: `Connection refused`, not `transport error`.
pub(crate) fn innermost(error: &dyn Error) -> String {
    let mut cause = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn api(id: &str) -> pb::RestApi {
        pb::RestApi { id: id.into(), ..Default::default() }
    }

    #[test]
    fn an_address_may_lack_the_scheme() {
        assert_eq!(endpoint("localhost:50051").unwrap().uri().to_string(), "http://localhost:50051/");
        assert_eq!(endpoint("http://[::1]:1").unwrap().uri().port_u16(), Some(1));
    }

    #[test]
    fn what_is_no_address_is_a_usage_error() {
        for address in
            ["ftp://localhost:1", "localhost", "https://localhost", "http://", "", "http://a b:1", "unix:///x"]
        {
            assert_eq!(endpoint(address).unwrap_err().code(), 2, "{address}");
        }
    }

    #[test]
    fn one_candidate_is_the_one() {
        assert_eq!(only("x", vec![api("a")]).unwrap().id, "a");
        assert_eq!(only("x", vec![]).unwrap_err().code(), 3);
    }

    #[test]
    fn several_candidates_are_listed() {
        let failure = only("x", vec![api("a1"), api("b2")]).unwrap_err();
        assert_eq!(failure.code(), 2);
        assert!(failure.to_string().contains("a1, b2"), "{failure}");
    }

    #[tokio::test]
    async fn pages_are_followed_to_the_end() {
        let listed = pages("listing", |token: String| async move {
            let (id, next) = if token.is_empty() { ("a", "2") } else { ("b", "") };
            Ok(Response::new(pb::ListRestApisResponse { items: vec![api(id)], next_page_token: next.into() }))
        })
        .await
        .unwrap();
        assert_eq!(listed.iter().map(|api| api.id.as_str()).collect::<Vec<_>>(), ["a", "b"]);
    }

    #[tokio::test]
    async fn pages_without_an_end_are_left() {
        let failure = pages("listing", |_| async {
            Ok(Response::new(pb::ListRestApisResponse { items: vec![], next_page_token: "again".into() }))
        })
        .await
        .unwrap_err();
        assert_eq!(failure.code(), 1);
    }
}
