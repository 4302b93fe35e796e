//! `penstock domain`: host names, and the base paths below them that reach a stage.

use clap::{Args, Subcommand};
use penstock_proto::management::v1 as pb;
use tonic::Code;

use super::{Context, api_name, map, mask, time};
use crate::args::{ApiArg, Confirmation, key_value};
use crate::client::{ControlPlane, PAGE_SIZE, pages};
use crate::exit::{Doing, Failure};
use crate::output::table::{Column, Table};

/// Manage host names and the base paths that reach a stage
#[derive(Debug, Args)]
#[command(subcommand_required = true, arg_required_else_help = true)]
pub(crate) struct Domain {
    #[command(subcommand)]
    command: DomainCommand,
}

#[derive(Debug, Subcommand)]
enum DomainCommand {
    List(List),
    Create(Create),
    Delete(Delete),
    Map(Map),
    Unmap(Unmap),
    Mappings(Mappings),
}

/// List domain names
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  penstock domain list")]
struct List {}

/// Create a domain name
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  penstock domain create api.example.com\n  penstock domain create '*'")]
struct Create {
    /// Host name without a port; '*' is every host that has no domain of its own
    domain: String,
    /// Tag; repeat for more
    #[arg(long = "tag", value_name = "KEY=VALUE", value_parser = key_value)]
    tags: Vec<(String, String)>,
}

/// Delete a domain name with its mappings
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  penstock domain delete api.example.com --yes")]
struct Delete {
    /// Host name
    domain: String,
    /// Only if the domain still has this revision
    #[arg(long, default_value_t = 0, hide_default_value = true)]
    revision: i64,
    #[command(flatten)]
    confirmation: Confirmation,
}

/// Serve a stage below a base path of a domain
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  penstock domain map api.example.com image-api --stage prod
  penstock domain map api.example.com image-api --stage test --base-path v2/images
  penstock domain map '*' image-api --stage prod --replace")]
struct Map {
    /// Host name; the domain must exist
    domain: String,
    #[command(flatten)]
    api: ApiArg,
    /// Stage to serve; without it, the first segment behind the base path names it
    #[arg(long, default_value = "", hide_default_value = true)]
    stage: String,
    /// Segments without a slash at either end; without it, the root
    #[arg(long, value_name = "PATH", default_value = "", hide_default_value = true)]
    base_path: String,
    /// Replace the mapping that is there
    #[arg(long)]
    replace: bool,
}

/// Take a base path of a domain away
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  penstock domain unmap api.example.com --base-path v2/images")]
struct Unmap {
    /// Host name
    domain: String,
    /// Base path; without it, the root
    #[arg(long, value_name = "PATH", default_value = "", hide_default_value = true)]
    base_path: String,
}

/// List base path mappings
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  penstock domain mappings\n  penstock domain mappings api.example.com")]
struct Mappings {
    /// Host name; without it, the mappings of every domain
    #[arg(default_value = "", hide_default_value = true)]
    domain: String,
}

impl Domain {
    /// # Errors
    /// Whatever the control plane refuses.
    pub(crate) async fn run(self, context: &Context) -> Result<(), Failure> {
        match self.command {
            DomainCommand::List(list) => list.run(context).await,
            DomainCommand::Create(create) => create.run(context).await,
            DomainCommand::Delete(delete) => delete.run(context).await,
            DomainCommand::Map(map) => map.run(context).await,
            DomainCommand::Unmap(unmap) => unmap.run(context).await,
            DomainCommand::Mappings(mappings) => mappings.run(context).await,
        }
    }
}

async fn mappings_of(control_plane: &ControlPlane, domain: &str) -> Result<Vec<pb::BasePathMapping>, Failure> {
    pages("listing the base path mappings", |page_token| {
        let mut client = control_plane.domains();
        let domain_name = domain.to_owned();
        let request = pb::ListBasePathMappingsRequest { domain_name, page_size: PAGE_SIZE, page_token };
        async move { client.list_base_path_mappings(request).await }
    })
    .await
}

/// How people write a place: host, slash, base path.
fn place(domain: &str, base_path: &str) -> String {
    format!("{domain}/{base_path}")
}

impl List {
    async fn run(self, context: &Context) -> Result<(), Failure> {
        let control_plane = context.connect().await?;
        let domains =
            pages("listing the domain names", |page_token| {
                let mut client = control_plane.domains();
                async move {
                    client.list_domain_names(pb::ListDomainNamesRequest { page_size: PAGE_SIZE, page_token }).await
                }
            })
            .await?;
        let mappings = mappings_of(&control_plane, "").await?;
        context.output.list(&domains, || {
            let columns = [Column::text("DOMAIN"), Column::number("MAPPINGS"), Column::text("CREATED")];
            let mut table = Table::new("No domain names. `penstock domain create '*'` catches every host.", columns);
            for domain in &domains {
                let count = mappings.iter().filter(|mapping| mapping.domain_name == domain.domain_name).count();
                table.row([domain.domain_name.clone(), count.to_string(), time(domain.created_date)]);
            }
            table
        })
    }
}

impl Create {
    async fn run(self, context: &Context) -> Result<(), Failure> {
        let control_plane = context.connect().await?;
        let domain = pb::DomainName { domain_name: self.domain, tags: map(self.tags), ..Default::default() };
        let request = pb::CreateDomainNameRequest { domain_name: Some(domain) };
        let domain = control_plane.domains().create_domain_name(request).await.doing("creating the domain name")?;
        context.output.done(&domain, || format!("Created the domain name {}.", domain.domain_name))
    }
}

impl Delete {
    async fn run(self, context: &Context) -> Result<(), Failure> {
        self.confirmation.ask(&format!("Delete the domain name {} with its mappings?", self.domain))?;
        let control_plane = context.connect().await?;
        let request = pb::DeleteDomainNameRequest { domain_name: self.domain.clone(), revision: self.revision };
        control_plane.domains().delete_domain_name(request).await.doing("deleting the domain name")?;
        context.output.gone(|| format!("Deleted the domain name {}.", self.domain))
    }
}

impl Map {
    async fn run(self, context: &Context) -> Result<(), Failure> {
        let control_plane = context.connect().await?;
        let api = control_plane.api(&self.api.api).await?;
        let mapping = pb::BasePathMapping {
            domain_name: self.domain,
            base_path: self.base_path,
            rest_api_id: api.id,
            stage: self.stage,
            revision: 0,
        };
        let created = control_plane
            .domains()
            .create_base_path_mapping(pb::CreateBasePathMappingRequest { base_path_mapping: Some(mapping.clone()) })
            .await;
        let answer = match created {
            Err(status) if status.code() == Code::AlreadyExists && self.replace => {
                let request = pb::UpdateBasePathMappingRequest {
                    base_path_mapping: Some(mapping),
                    update_mask: mask(vec!["rest_api_id", "stage"]),
                };
                control_plane.domains().update_base_path_mapping(request).await
            }
            other => other,
        };
        let mapping = answer.doing("mapping the base path")?;
        context.output.done(&mapping, || {
            let place = place(&mapping.domain_name, &mapping.base_path);
            match mapping.stage.as_str() {
                "" => format!("{place} reaches {}; the next segment names the stage.", api.name),
                stage => format!("{place} reaches the stage {stage} of {}.", api.name),
            }
        })
    }
}

impl Unmap {
    async fn run(self, context: &Context) -> Result<(), Failure> {
        let control_plane = context.connect().await?;
        let place = place(&self.domain, &self.base_path);
        let key = pb::BasePathMappingKey { domain_name: self.domain, base_path: self.base_path };
        let request = pb::DeleteBasePathMappingRequest { key: Some(key), revision: 0 };
        control_plane.domains().delete_base_path_mapping(request).await.doing(format!("unmapping {place}"))?;
        context.output.gone(|| format!("{place} reaches nothing any more."))
    }
}

impl Mappings {
    async fn run(self, context: &Context) -> Result<(), Failure> {
        let control_plane = context.connect().await?;
        let mappings = mappings_of(&control_plane, &self.domain).await?;
        let apis = control_plane.apis("").await?;
        context.output.list(&mappings, || {
            let columns =
                [Column::text("DOMAIN"), Column::text("BASE PATH"), Column::elastic("API"), Column::text("STAGE")];
            let mut table = Table::new("No base path mappings. `penstock domain map` makes one.", columns);
            for mapping in &mappings {
                table.row([
                    mapping.domain_name.clone(),
                    format!("/{}", mapping.base_path),
                    api_name(&mapping.rest_api_id, &apis),
                    if mapping.stage.is_empty() { "(from the path)".into() } else { mapping.stage.clone() },
                ]);
            }
            table
        })
    }
}
