//! Clients of every service on one connection, and short forms of the calls that tests make most.

use super::Program;
use penstock_proto::management::v1 as wire;
use tonic::transport::Channel;
use wire::deployment_service_client::DeploymentServiceClient;
use wire::domain_name_service_client::DomainNameServiceClient;
use wire::fleet_service_client::FleetServiceClient;
use wire::gateway_response_service_client::GatewayResponseServiceClient;
use wire::method_service_client::MethodServiceClient;
use wire::resource_service_client::ResourceServiceClient;
use wire::rest_api_service_client::RestApiServiceClient;
use wire::stage_service_client::StageServiceClient;

/// Everything that an operator can ask.
pub struct Operator {
    pub apis: RestApiServiceClient<Channel>,
    pub resources: ResourceServiceClient<Channel>,
    pub methods: MethodServiceClient<Channel>,
    pub deployments: DeploymentServiceClient<Channel>,
    pub stages: StageServiceClient<Channel>,
    pub domains: DomainNameServiceClient<Channel>,
    pub gateway_responses: GatewayResponseServiceClient<Channel>,
    pub fleet: FleetServiceClient<Channel>,
}

impl Operator {
    pub async fn of(program: &Program) -> Self {
        let channel = program.channel().await;
        Self {
            apis: RestApiServiceClient::new(channel.clone()),
            resources: ResourceServiceClient::new(channel.clone()),
            methods: MethodServiceClient::new(channel.clone()),
            deployments: DeploymentServiceClient::new(channel.clone()),
            stages: StageServiceClient::new(channel.clone()),
            domains: DomainNameServiceClient::new(channel.clone()),
            gateway_responses: GatewayResponseServiceClient::new(channel.clone()),
            fleet: FleetServiceClient::new(channel),
        }
    }

    pub async fn create_api(&mut self, name: &str) -> wire::RestApi {
        let rest_api = Some(wire::RestApi { name: name.to_owned(), ..Default::default() });
        self.apis.create_rest_api(wire::CreateRestApiRequest { rest_api }).await.unwrap().into_inner()
    }

    pub async fn create_resource(
        &mut self,
        api: &str,
        parent: &str,
        part: &str,
    ) -> Result<wire::Resource, tonic::Status> {
        let resource = Some(wire::Resource {
            rest_api_id: api.to_owned(),
            parent_id: parent.to_owned(),
            path_part: part.to_owned(),
            ..Default::default()
        });
        Ok(self.resources.create_resource(wire::CreateResourceRequest { resource }).await?.into_inner())
    }

    /// Makes a GET on a resource, with an integration towards `uri`.
    pub async fn create_get(&mut self, api: &str, resource: &str, uri: &str) -> wire::MethodKey {
        let key = wire::MethodKey {
            rest_api_id: api.to_owned(),
            resource_id: resource.to_owned(),
            http_method: "GET".to_owned(),
        };
        let method = Some(wire::Method {
            rest_api_id: api.to_owned(),
            resource_id: resource.to_owned(),
            http_method: "GET".to_owned(),
            ..Default::default()
        });
        self.methods.create_method(wire::CreateMethodRequest { method }).await.unwrap();
        let request = wire::PutIntegrationRequest { method: Some(key.clone()), integration: Some(proxy(uri)) };
        self.methods.put_integration(request).await.unwrap();
        key
    }
}

/// An `HTTP_PROXY` integration.
pub fn proxy(uri: &str) -> wire::Integration {
    wire::Integration {
        r#type: wire::integration::Type::HttpProxy.into(),
        http_method: "GET".to_owned(),
        uri: uri.to_owned(),
        ..Default::default()
    }
}

/// A mask of these paths.
pub fn mask(paths: &[&str]) -> Option<prost_types::FieldMask> {
    Some(prost_types::FieldMask { paths: paths.iter().map(|path| (*path).to_owned()).collect() })
}
