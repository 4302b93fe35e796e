//! `penstock resource`: the path tree of an API.

use std::collections::BTreeMap;

use clap::{Args, Subcommand};
use penstock_proto::management::v1 as pb;

use super::Context;
use super::method::methods_of;
use crate::args::{ApiArg, Confirmation};
use crate::client::ControlPlane;
use crate::exit::{Doing, Failure};
use crate::output::table::{Column, Table};

/// Manage the paths of an API
#[derive(Debug, Args)]
#[command(subcommand_required = true, arg_required_else_help = true)]
pub(crate) struct Resource {
    #[command(subcommand)]
    command: ResourceCommand,
}

#[derive(Debug, Subcommand)]
enum ResourceCommand {
    Create(Create),
    List(List),
    Delete(Delete),
}

/// Create the resource at a path
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  penstock resource create image-api /images
  penstock resource create image-api '/images/{id}/tags' --parents
  penstock resource create image-api '/files/{path+}' --parents

{name} stands for one segment, {name+} at the end for all that follow.")]
struct Create {
    #[command(flatten)]
    api: ApiArg,
    /// Full path, with {param} and, as the last segment, {greedy+}
    path: String,
    /// Create the resources above it that are missing
    #[arg(long, short)]
    parents: bool,
}

/// List the resources of an API with their methods
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  penstock resource list image-api")]
struct List {
    #[command(flatten)]
    api: ApiArg,
}

/// Delete a resource, its methods and everything below it
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  penstock resource delete image-api /images --yes")]
struct Delete {
    #[command(flatten)]
    api: ApiArg,
    /// Path of the resource, for example /images/{id}, or its id
    #[arg(value_name = "PATH")]
    resource: String,
    /// Only if the resource still has this revision
    #[arg(long, default_value_t = 0, hide_default_value = true)]
    revision: i64,
    #[command(flatten)]
    confirmation: Confirmation,
}

impl Resource {
    /// # Errors
    /// Whatever the control plane refuses.
    pub(crate) async fn run(self, context: &Context) -> Result<(), Failure> {
        match self.command {
            ResourceCommand::Create(create) => create.run(context).await,
            ResourceCommand::List(list) => list.run(context).await,
            ResourceCommand::Delete(delete) => delete.run(context).await,
        }
    }
}

impl Create {
    async fn run(self, context: &Context) -> Result<(), Failure> {
        let parts = segments(&self.path)?;
        let control_plane = context.connect().await?;
        let api = control_plane.api(&self.api.api).await?;
        let existing = control_plane.resources_of(&api.id).await?;
        let (parent, missing) = nearest(&existing, &parts)?;
        let Some((last, above)) = missing.split_last() else {
            return Err(Failure::Conflict(format!("{} has a resource at {} already", api.name, self.path)));
        };
        if !above.is_empty() && !self.parents {
            let first = format!("{}/{}", parent.path.trim_end_matches('/'), above[0]);
            let why = format!("{} has no resource at {first}; --parents creates it", api.name);
            return Err(Failure::NotFound(why));
        }
        let mut parent_id = parent.id.clone();
        for part in above {
            parent_id = create(&control_plane, &api.id, &parent_id, part).await?.id;
        }
        let resource = create(&control_plane, &api.id, &parent_id, last).await?;
        context.output.done(&resource, || format!("Created {} with the id {}.", resource.path, resource.id))
    }
}

async fn create(
    control_plane: &ControlPlane,
    rest_api_id: &str,
    parent_id: &str,
    part: &str,
) -> Result<pb::Resource, Failure> {
    let resource = pb::Resource {
        rest_api_id: rest_api_id.to_owned(),
        parent_id: parent_id.to_owned(),
        path_part: part.to_owned(),
        ..Default::default()
    };
    let request = pb::CreateResourceRequest { resource: Some(resource) };
    control_plane.resources().create_resource(request).await.doing(format!("creating the resource {part}"))
}

/// The parts of a full path; whether each is valid the control plane says.
fn segments(path: &str) -> Result<Vec<&str>, Failure> {
    match path.strip_prefix('/') {
        Some("") => Ok(Vec::new()),
        Some(rest) => Ok(rest.strip_suffix('/').unwrap_or(rest).split('/').collect()),
        None => Err(Failure::Usage(format!("the path {path:?} has to start with a slash"))),
    }
}

/// The deepest resource on the way to `parts`, and the parts below it that are missing.
fn nearest<'a, 'b>(
    existing: &'a [pb::Resource],
    parts: &'b [&'b str],
) -> Result<(&'a pb::Resource, &'b [&'b str]), Failure> {
    let root = existing.iter().find(|resource| resource.parent_id.is_empty());
    let mut at = root.ok_or_else(|| Failure::NotFound("the API has no root resource".into()))?;
    for (depth, part) in parts.iter().enumerate() {
        match existing.iter().find(|resource| resource.parent_id == at.id && resource.path_part == *part) {
            Some(child) => at = child,
            None => return Ok((at, &parts[depth..])),
        }
    }
    Ok((at, &[]))
}

impl List {
    async fn run(self, context: &Context) -> Result<(), Failure> {
        let control_plane = context.connect().await?;
        let api = control_plane.api(&self.api.api).await?;
        let mut resources = control_plane.resources_of(&api.id).await?;
        resources.sort_by(|one, other| one.path.cmp(&other.path));
        let mut methods: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for method in methods_of(&control_plane, &api.id, "").await? {
            methods.entry(method.resource_id).or_default().push(method.http_method);
        }
        context.output.list(&resources, || {
            let columns = [Column::text("PATH"), Column::text("METHODS"), Column::text("ID")];
            let mut table = Table::new("No resources.", columns);
            for resource in &resources {
                let methods = methods.get(&resource.id).map_or_else(String::new, |methods| methods.join(" "));
                table.row([resource.path.clone(), methods, resource.id.clone()]);
            }
            table
        })
    }
}

impl Delete {
    async fn run(self, context: &Context) -> Result<(), Failure> {
        let control_plane = context.connect().await?;
        let api = control_plane.api(&self.api.api).await?;
        let resource = control_plane.resource(&api.id, &self.resource).await?;
        self.confirmation.ask(&format!("Delete {} of {} with everything below it?", resource.path, api.name))?;
        let request =
            pb::DeleteResourceRequest { rest_api_id: api.id, resource_id: resource.id, revision: self.revision };
        let doing = format!("deleting {}", resource.path);
        control_plane.resources().delete_resource(request).await.doing(doing)?;
        context.output.gone(|| format!("Deleted {} of {}.", resource.path, api.name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resource(id: &str, parent_id: &str, path_part: &str) -> pb::Resource {
        pb::Resource { id: id.into(), parent_id: parent_id.into(), path_part: path_part.into(), ..Default::default() }
    }

    #[test]
    fn a_path_is_split_at_slashes() {
        assert_eq!(segments("/images/{id}").unwrap(), ["images", "{id}"]);
        assert_eq!(segments("/images/").unwrap(), ["images"]);
        assert!(segments("/").unwrap().is_empty());
        assert_eq!(segments("images").unwrap_err().code(), 2);
        assert_eq!(segments("/a//b").unwrap(), ["a", "", "b"], "an empty part is the control plane's to refuse");
    }

    #[test]
    fn the_deepest_existing_resource_is_found() {
        let tree = [resource("r", "", ""), resource("a", "r", "images"), resource("b", "a", "{id}")];
        let missing = |parts: &'static [&'static str]| {
            let (at, missing) = nearest(&tree, parts).unwrap();
            (at.id.clone(), missing.to_vec())
        };
        assert_eq!(missing(&["images", "{id}", "tags"]), ("b".into(), vec!["tags"]));
        assert_eq!(missing(&["files", "{id}"]), ("r".into(), vec!["files", "{id}"]));
        assert_eq!(missing(&["images"]), ("a".into(), vec![]));
        assert_eq!(missing(&[]), ("r".into(), vec![]));
    }
}
