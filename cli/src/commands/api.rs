//! `penstock api`: the APIs themselves.

use clap::{Args, Subcommand};
use penstock_proto::management::v1 as pb;
use penstock_proto::management::v1::rest_api::{ApiKeySource, Fidelity};

use super::api_update::{self, ApiSettings, Update};
use super::documents::{Apply, Export, Import};
use super::{Context, time};
use crate::args::{ApiArg, Confirmation};
use crate::exit::{Doing, Failure};
use crate::output::Fields;
use crate::output::table::{Column, Table};

/// Import, export and manage APIs
#[derive(Debug, Args)]
#[command(subcommand_required = true, arg_required_else_help = true)]
pub(crate) struct Api {
    #[command(subcommand)]
    command: ApiCommand,
}

#[derive(Debug, Subcommand)]
enum ApiCommand {
    Import(Box<Import>),
    Export(Export),
    Apply(Apply),
    List(List),
    Get(Get),
    Create(Box<Create>),
    Update(Box<Update>),
    Delete(Delete),
}

/// List all APIs
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  penstock api list\n  penstock api list --output json | jq -r '.items[].id'")]
struct List {
    /// Only APIs of exactly this name
    #[arg(long, default_value = "", hide_default_value = true)]
    name: String,
}

/// Show one API
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  penstock api get image-api")]
struct Get {
    #[command(flatten)]
    api: ApiArg,
}

/// Create an API without resources besides the root
#[derive(Debug, Args)]
#[command(after_help = "\
Example, a whole API by hand:
  penstock api create image-api --binary-media-type image/jpeg
  penstock resource create image-api /images
  penstock method create image-api /images POST
  penstock integration put image-api /images POST --type HTTP_PROXY --http-method POST --uri http://127.0.0.1:9000/upload
  penstock deploy image-api --stage prod
  penstock domain create '*'
  penstock domain map '*' image-api --stage prod")]
struct Create {
    /// Name, 1 to 1024 characters; need not be unique
    name: String,
    #[command(flatten)]
    settings: ApiSettings,
}

/// Delete an API with its resources, deployments and stages
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  penstock api delete image-api --yes")]
struct Delete {
    #[command(flatten)]
    api: ApiArg,
    /// Also delete the base path mappings that point at it
    #[arg(long)]
    force: bool,
    /// Only if the API still has this revision
    #[arg(long, default_value_t = 0, hide_default_value = true)]
    revision: i64,
    #[command(flatten)]
    confirmation: Confirmation,
}

impl Api {
    /// # Errors
    /// Whatever the control plane refuses.
    pub(crate) async fn run(self, context: &Context) -> Result<(), Failure> {
        match self.command {
            ApiCommand::Import(import) => import.run(context).await,
            ApiCommand::Export(export) => export.run(context).await,
            ApiCommand::Apply(apply) => apply.run(context).await,
            ApiCommand::List(list) => list.run(context).await,
            ApiCommand::Get(get) => get.run(context).await,
            ApiCommand::Create(create) => create.run(context).await,
            ApiCommand::Update(update) => update.run(context).await,
            ApiCommand::Delete(delete) => delete.run(context).await,
        }
    }
}

impl List {
    async fn run(self, context: &Context) -> Result<(), Failure> {
        let apis = context.connect().await?.apis(&self.name).await?;
        context.output.list(&apis, || {
            let columns = [
                Column::text("ID"),
                Column::elastic("NAME"),
                Column::elastic("VERSION"),
                Column::text("FIDELITY"),
                Column::text("CREATED"),
                Column::elastic("DESCRIPTION"),
            ];
            let mut table = Table::new("No APIs. `penstock api import FILE` registers one.", columns);
            for api in &apis {
                let fidelity = fidelity(api).to_owned();
                let created = time(api.created_date);
                let description = api.description.clone();
                table.row([api.id.clone(), api.name.clone(), api.version.clone(), fidelity, created, description]);
            }
            table
        })
    }
}

impl Get {
    async fn run(self, context: &Context) -> Result<(), Failure> {
        let api = context.connect().await?.api(&self.api.api).await?;
        context.output.object(&api, || {
            Fields::default()
                .add("id", &api.id)
                .add("name", &api.name)
                .add("description", &api.description)
                .add("version", &api.version)
                .add("fidelity", fidelity(&api))
                .add("binary media types", api.binary_media_types.join("\n"))
                .add(
                    "compress from",
                    api.minimum_compression_size.map_or(String::new(), |size| format!("{size} bytes")),
                )
                .add("compress also", api.compression_media_types.join("\n"))
                .add("accept policy", unless_default(api.accept_policy, api.accept_policy().as_str_name(), "FIRST"))
                .add(
                    "missing content type",
                    unless_default(api.missing_content_type, api.missing_content_type().as_str_name(), "JSON"),
                )
                .add("integrity", unless_default(api.integrity, api.integrity().as_str_name(), "OFF"))
                .add("api key source", key_source(&api))
                .add("execute-api endpoint", if api.disable_execute_api_endpoint { "disabled" } else { "" })
                .add("root resource", &api.root_resource_id)
                .map("tags", &api.tags)
                .add("created", time(api.created_date))
                .add("revision", api.revision.to_string())
        })
    }
}

impl Create {
    async fn run(self, context: &Context) -> Result<(), Failure> {
        let mut rest_api = pb::RestApi { name: self.name, ..Default::default() };
        api_update::apply(self.settings, &mut rest_api);
        let request = pb::CreateRestApiRequest { rest_api: Some(rest_api) };
        let control_plane = context.connect().await?;
        let api = control_plane.rest_apis().create_rest_api(request).await.doing("creating the API")?;
        context.output.done(&api, || format!("Created {} with the id {}.", api.name, api.id))
    }
}

impl Delete {
    async fn run(self, context: &Context) -> Result<(), Failure> {
        let control_plane = context.connect().await?;
        let api = control_plane.api(&self.api.api).await?;
        let question = format!("Delete the API {} ({}) with its resources, deployments and stages?", api.name, api.id);
        self.confirmation.ask(&question)?;
        let request =
            pb::DeleteRestApiRequest { rest_api_id: api.id.clone(), revision: self.revision, force: self.force };
        control_plane.rest_apis().delete_rest_api(request).await.doing(format!("deleting {}", api.name))?;
        context.output.gone(|| format!("Deleted {} ({}).", api.name, api.id))
    }
}

/// A setting in words; nothing when it is unspecified or says the default.
fn unless_default(number: i32, name: &'static str, default: &str) -> &'static str {
    if number == 0 || name == default { "" } else { name }
}

fn fidelity(api: &pb::RestApi) -> &'static str {
    match api.fidelity() {
        Fidelity::Unspecified | Fidelity::Transparent => "transparent",
        Fidelity::Aws => "aws",
    }
}

fn key_source(api: &pb::RestApi) -> &'static str {
    match api.api_key_source() {
        ApiKeySource::Unspecified | ApiKeySource::Header => "header",
        ApiKeySource::Authorizer => "authorizer",
    }
}
