//! `penstock method`: the methods of resources, and the responses that they declare.

use clap::{Args, Subcommand};
use penstock_proto::management::v1 as pb;

use super::integration::{type_name, uri_of};
use super::responses::{DeleteMethodResponse, PutMethodResponse};
use super::{Context, map};
use crate::args::{ApiArg, MethodArgs, key_flag, key_value};
use crate::client::{ControlPlane, PAGE_SIZE, pages};
use crate::exit::{Doing, Failure};
use crate::output::Fields;
use crate::output::table::{Column, Table};

/// Manage the methods of resources
#[derive(Debug, Args)]
#[command(subcommand_required = true, arg_required_else_help = true)]
pub(crate) struct Method {
    #[command(subcommand)]
    command: MethodCommand,
}

#[derive(Debug, Subcommand)]
enum MethodCommand {
    Create(Create),
    List(List),
    Get(Get),
    Delete(Delete),
    PutResponse(PutMethodResponse),
    DeleteResponse(DeleteMethodResponse),
}

/// Create a method on a resource
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  penstock method create image-api /images POST
  penstock method create image-api '/{proxy+}' ANY
  penstock method create image-api '/images/{id}' GET --request-parameter method.request.path.id=true")]
struct Create {
    #[command(flatten)]
    method: MethodArgs,
    /// NONE, AWS_IAM, CUSTOM or COGNITO_USER_POOLS
    #[arg(long, value_name = "TYPE", default_value = "NONE")]
    authorization_type: String,
    /// Callers need an API key
    #[arg(long)]
    api_key_required: bool,
    /// Name of the operation
    #[arg(long, value_name = "NAME", default_value = "", hide_default_value = true)]
    operation_name: String,
    /// Parameter of the request and whether it is required: method.request.{path|querystring|header}.{name}=true|false
    #[arg(long = "request-parameter", value_name = "NAME=true|false", value_parser = key_flag)]
    request_parameters: Vec<(String, bool)>,
    /// Model of the request's body for a media type; repeat for more
    #[arg(long = "request-model", value_name = "TYPE=MODEL", value_parser = key_value)]
    request_models: Vec<(String, String)>,
}

/// List the methods of an API with their integrations
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  penstock method list image-api\n  penstock method list image-api /images")]
struct List {
    #[command(flatten)]
    api: ApiArg,
    /// Only the methods of this resource: its path or its id
    #[arg(value_name = "PATH")]
    resource: Option<String>,
}

/// Show one method
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  penstock method get image-api /images POST")]
struct Get {
    #[command(flatten)]
    method: MethodArgs,
}

/// Delete a method with its integration and responses
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  penstock method delete image-api /images POST")]
struct Delete {
    #[command(flatten)]
    method: MethodArgs,
    /// Only if the method still has this revision
    #[arg(long, default_value_t = 0, hide_default_value = true)]
    revision: i64,
}

impl Method {
    /// # Errors
    /// Whatever the control plane refuses.
    pub(crate) async fn run(self, context: &Context) -> Result<(), Failure> {
        match self.command {
            MethodCommand::Create(create) => create.run(context).await,
            MethodCommand::List(list) => list.run(context).await,
            MethodCommand::Get(get) => get.run(context).await,
            MethodCommand::Delete(delete) => delete.run(context).await,
            MethodCommand::PutResponse(put) => put.run(context).await,
            MethodCommand::DeleteResponse(delete) => delete.run(context).await,
        }
    }
}

/// A method that the user named, found: how to name it to the control plane, and to people.
#[derive(Debug)]
pub(crate) struct Found {
    /// For requests.
    pub(crate) key: pb::MethodKey,
    /// Method, path and API.
    pub(crate) title: String,
}

/// Finds API and resource of a method. Whether the method exists shows at the call that follows.
///
/// # Errors
/// [`Failure::NotFound`] for the API or the resource.
pub(crate) async fn find(control_plane: &ControlPlane, named: MethodArgs) -> Result<Found, Failure> {
    let api = control_plane.api(&named.api.api).await?;
    let resource = control_plane.resource(&api.id, &named.resource).await?;
    let title = format!("{} {} of {}", named.http_method, resource.path, api.name);
    let key = pb::MethodKey { rest_api_id: api.id, resource_id: resource.id, http_method: named.http_method };
    Ok(Found { key, title })
}

/// The methods of one resource, or of every one when `resource_id` is empty.
pub(crate) async fn methods_of(
    control_plane: &ControlPlane,
    rest_api_id: &str,
    resource_id: &str,
) -> Result<Vec<pb::Method>, Failure> {
    pages("listing the methods", |page_token| {
        let mut client = control_plane.methods();
        let (rest_api_id, resource_id) = (rest_api_id.to_owned(), resource_id.to_owned());
        let request = pb::ListMethodsRequest { rest_api_id, resource_id, page_size: PAGE_SIZE, page_token };
        async move { client.list_methods(request).await }
    })
    .await
}

impl Create {
    async fn run(self, context: &Context) -> Result<(), Failure> {
        let control_plane = context.connect().await?;
        let found = find(&control_plane, self.method).await?;
        let method = pb::Method {
            rest_api_id: found.key.rest_api_id,
            resource_id: found.key.resource_id,
            http_method: found.key.http_method,
            authorization_type: self.authorization_type,
            api_key_required: self.api_key_required,
            operation_name: self.operation_name,
            request_parameters: map(self.request_parameters),
            request_models: map(self.request_models),
            ..Default::default()
        };
        let request = pb::CreateMethodRequest { method: Some(method) };
        let doing = format!("creating {}", found.title);
        let method = control_plane.methods().create_method(request).await.doing(doing)?;
        context.output.done(&method, || format!("Created {}.", found.title))
    }
}

impl List {
    async fn run(self, context: &Context) -> Result<(), Failure> {
        let control_plane = context.connect().await?;
        let api = control_plane.api(&self.api.api).await?;
        let resource_id = match &self.resource {
            Some(named) => control_plane.resource(&api.id, named).await?.id,
            None => String::new(),
        };
        let methods = methods_of(&control_plane, &api.id, &resource_id).await?;
        let resources = control_plane.resources_of(&api.id).await?;
        let path = |id: &str| {
            let found = resources.iter().find(|resource| resource.id == id);
            found.map_or_else(|| id.to_owned(), |resource| resource.path.clone())
        };
        context.output.list(&methods, || {
            let columns = [
                Column::text("METHOD"),
                Column::text("PATH"),
                Column::text("TYPE"),
                Column::elastic("URI"),
                Column::text("AUTHORIZATION"),
            ];
            let mut table = Table::new("No methods.", columns);
            for method in &methods {
                let integration = method.method_integration.as_ref();
                table.row([
                    method.http_method.clone(),
                    path(&method.resource_id),
                    integration.map_or("-", type_name).to_owned(),
                    integration.map_or_else(String::new, uri_of),
                    method.authorization_type.clone(),
                ]);
            }
            table
        })
    }
}

impl Get {
    async fn run(self, context: &Context) -> Result<(), Failure> {
        let control_plane = context.connect().await?;
        let found = find(&control_plane, self.method).await?;
        let doing = format!("looking for {}", found.title);
        let method = control_plane.methods().get_method(found.key).await.doing(doing)?;
        context.output.object(&method, || {
            let integration = method.method_integration.as_ref();
            Fields::default()
                .add("method", &found.title)
                .add("resource id", &method.resource_id)
                .add("operation", &method.operation_name)
                .add("authorization", &method.authorization_type)
                .add("authorizer", &method.authorizer_id)
                .add("scopes", method.authorization_scopes.join(" "))
                .add("api key", if method.api_key_required { "required" } else { "" })
                .map("parameters", &method.request_parameters)
                .map("models", &method.request_models)
                .add("validator", &method.request_validator_id)
                .add("integration", integration.map_or_else(|| "none".into(), describe))
                .add("responses", method.method_responses.keys().cloned().collect::<Vec<_>>().join(" "))
                .add("revision", method.revision.to_string())
        })
    }
}

fn describe(integration: &pb::Integration) -> String {
    format!("{} {}", type_name(integration), uri_of(integration)).trim_end().to_owned()
}

impl Delete {
    async fn run(self, context: &Context) -> Result<(), Failure> {
        let control_plane = context.connect().await?;
        let found = find(&control_plane, self.method).await?;
        let request = pb::DeleteMethodRequest { method: Some(found.key), revision: self.revision };
        control_plane.methods().delete_method(request).await.doing(format!("deleting {}", found.title))?;
        context.output.gone(|| format!("Deleted {}.", found.title))
    }
}
