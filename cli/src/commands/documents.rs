//! `penstock api import`, `export` and `apply`: whole documents and the fragments of the AWS documentation.

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use penstock_proto::management::v1 as pb;
use penstock_proto::management::v1::export_rest_api_request::{Encoding, Format};
use penstock_proto::management::v1::put_rest_api_request;

use super::api_update::Fidelity;
use super::{Context, count, map};
use crate::args::{ApiArg, http_method, input, key_value};
use crate::exit::{Doing, Failure};
use crate::output::{emit_bytes, warn};

/// Register an API from an OpenAPI 3.0 or Swagger 2.0 document, all or nothing
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  penstock api import api.yaml
  penstock api import api.yaml --stage prod --auto-deploy --domain '*'
  penstock api import api.yaml --replace-by-name --stage prod --variable backend=10.0.0.7:9000
  penstock api import changes.json --put image-api --mode merge
  cat api.json | penstock api import -

With --stage the API is deployed at once; with --domain it is served on that
host, where '*' is every host. Warnings go to standard error.")]
pub(crate) struct Import {
    /// JSON or YAML file, at most 6 MiB; - reads standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    stage: StageArgs,
    /// Overwrite the API that already has the document's title, instead of adding another
    #[arg(long, conflicts_with = "put")]
    replace_by_name: bool,
    /// Put the document into this API instead of creating one
    #[arg(long, value_name = "API")]
    put: Option<String>,
    /// How the document is put: merged into the API, or instead of what it holds
    #[arg(long, value_enum, requires = "put")]
    mode: Option<Mode>,
    /// What to do with the document's base path
    #[arg(long, value_enum, value_name = "MODE", default_value_t = BasePathMode::Ignore)]
    base_path_mode: BasePathMode,
    /// How exactly conversions follow AWS; documents cannot say it
    #[arg(long, value_enum, conflicts_with = "put")]
    fidelity: Option<Fidelity>,
    /// Refuse the document if there is any warning
    #[arg(long)]
    fail_on_warnings: bool,
}

#[derive(Debug, Args)]
struct StageArgs {
    /// Deploy to this stage, which is created if it is missing
    #[arg(long)]
    stage: Option<String>,
    /// Let every later change of the API deploy to the stage by itself
    #[arg(long, requires = "stage")]
    auto_deploy: bool,
    /// Stage variable; repeat for more
    #[arg(long = "variable", value_name = "KEY=VALUE", value_parser = key_value, requires = "stage")]
    variables: Vec<(String, String)>,
    /// Serve the stage on this host; '*' is every host that has no domain of its own
    #[arg(long, requires = "stage")]
    domain: Option<String>,
    /// Serve it below this path of the domain
    #[arg(long, value_name = "PATH", requires = "domain", default_value = "", hide_default_value = true)]
    base_path: String,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Mode {
    /// Keep what the document does not mention
    Merge,
    /// Remove it
    Overwrite,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum BasePathMode {
    /// Drop it
    Ignore,
    /// Put its segments above all paths
    Prepend,
    /// Drop its first segment, put the rest above all paths
    Split,
}

impl Import {
    /// # Errors
    /// Unreadable files, and whatever the control plane refuses.
    pub(crate) async fn run(self, context: &Context) -> Result<(), Failure> {
        let document = input(&self.file)?;
        let doing = format!("importing {}", name(&self.file));
        let base_path_mode = match self.base_path_mode {
            BasePathMode::Ignore => pb::BasePathMode::Ignore,
            BasePathMode::Prepend => pb::BasePathMode::Prepend,
            BasePathMode::Split => pb::BasePathMode::Split,
        };
        let control_plane = context.connect().await?;
        let may_have_stages = self.put.is_some() || self.replace_by_name;
        let answer = if let Some(named) = &self.put {
            let mode = match self.mode {
                None | Some(Mode::Merge) => put_rest_api_request::Mode::Merge,
                Some(Mode::Overwrite) => put_rest_api_request::Mode::Overwrite,
            };
            let request = pb::PutRestApiRequest {
                rest_api_id: control_plane.api(named).await?.id,
                mode: mode.into(),
                document,
                fail_on_warnings: self.fail_on_warnings,
                base_path_mode: base_path_mode.into(),
                revision: 0,
                stage: self.stage.spec(),
            };
            control_plane.rest_apis().put_rest_api(request).await.doing(doing)?
        } else {
            let request = pb::ImportRestApiRequest {
                document,
                fail_on_warnings: self.fail_on_warnings,
                base_path_mode: base_path_mode.into(),
                replace_by_name: self.replace_by_name,
                fidelity: self.fidelity.map_or(0, |fidelity| pb::rest_api::Fidelity::from(fidelity).into()),
                stage: self.stage.spec(),
            };
            control_plane.rest_apis().import_rest_api(request).await.doing(doing)?
        };
        warn_all(&answer.warnings);
        context.output.done(&answer, || sentence(&answer, may_have_stages))
    }
}

impl StageArgs {
    fn spec(self) -> Option<pb::StageSpec> {
        Some(pb::StageSpec {
            stage_name: self.stage?,
            variables: map(self.variables),
            auto_deploy: self.auto_deploy,
            domain_name: self.domain.unwrap_or_default(),
            base_path: self.base_path,
        })
    }
}

/// What was done. An API that was there before may have stages that deploy it by themselves.
fn sentence(answer: &pb::ImportRestApiResponse, may_have_stages: bool) -> String {
    let api = answer.rest_api.clone().unwrap_or_default();
    let imported = format!("Imported {} with the id {}, revision {}.", api.name, api.id, api.revision);
    match (&answer.deployment, &answer.stage) {
        (None, _) if may_have_stages => format!(
            "{imported}\nStages with auto-deploy serve it; others once it is deployed: penstock deploy {} --stage STAGE",
            api.id
        ),
        (None, _) => format!("{imported}\nIt serves once it is deployed: penstock deploy {} --stage STAGE", api.id),
        (Some(deployment), stage) => {
            let to = stage.as_ref().map_or(String::new(), |stage| format!(" to the stage {}", stage.stage_name));
            format!(
                "{imported}\nDeployed {}{to} (deployment {}).",
                count(deployment.route_count, "route"),
                deployment.id
            )
        }
    }
}

/// An input file as it is called in messages.
fn name(file: &Path) -> Cow<'_, str> {
    if file == Path::new("-") { "standard input".into() } else { file.to_string_lossy() }
}

/// One line on standard error for each.
pub(crate) fn warn_all(warnings: &[pb::Warning]) {
    for warning in warnings {
        if warning.field.is_empty() {
            warn(&warning.message);
        } else {
            warn(&format!("{}: {}", warning.field, warning.message));
        }
    }
}

/// Write an API as an OpenAPI document
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  penstock api export image-api --yaml > api.yaml
  penstock api export image-api --stage prod --format swagger --file api.json

Without --stage it is the definition as it can be edited; with it, what that
stage serves. Documents cannot say fidelity, accept policy, missing content
type, integrity and compression media types: after an import elsewhere, set them
with `penstock api update`.")]
pub(crate) struct Export {
    #[command(flatten)]
    api: ApiArg,
    /// What this stage serves, instead of the definition
    #[arg(long, default_value = "", hide_default_value = true)]
    stage: String,
    /// Kind of document
    #[arg(long, value_enum, value_name = "KIND", default_value_t = DocumentFormat::Oas30)]
    format: DocumentFormat,
    /// YAML instead of JSON
    #[arg(long)]
    yaml: bool,
    /// Leave the x-amazon-apigateway-* keys out
    #[arg(long)]
    without_extensions: bool,
    /// Write to this file instead of standard output
    #[arg(long)]
    file: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum DocumentFormat {
    /// OpenAPI 3.0
    Oas30,
    /// Swagger 2.0
    Swagger,
}

impl Export {
    /// # Errors
    /// Unwritable files, and whatever the control plane refuses.
    pub(crate) async fn run(self, context: &Context) -> Result<(), Failure> {
        let control_plane = context.connect().await?;
        let api = control_plane.api(&self.api.api).await?;
        let format = match self.format {
            DocumentFormat::Oas30 => Format::Oas30,
            DocumentFormat::Swagger => Format::Swagger,
        };
        let encoding = if self.yaml { Encoding::Yaml } else { Encoding::Json };
        let request = pb::ExportRestApiRequest {
            rest_api_id: api.id,
            stage_name: self.stage,
            format: format.into(),
            encoding: encoding.into(),
            without_extensions: self.without_extensions,
        };
        let doing = format!("exporting {}", api.name);
        let mut document = control_plane.rest_apis().export_rest_api(request).await.doing(doing)?.document;
        if document.last().is_some_and(|&byte| byte != b'\n') {
            document.push(b'\n');
        }
        match self.file {
            Some(path) => std::fs::write(&path, &document).map_err(|source| Failure::Writing { path, source }),
            None => emit_bytes(&document),
        }
    }
}

/// Apply a JSON fragment as the AWS documentation shows them
#[derive(Debug, Args)]
#[command(after_help = r#"Examples:
  echo '{"binaryMediaTypes":["image/jpeg","image/png"]}' | penstock api apply image-api -
  penstock api apply image-api integration.json --path /images --method POST

where integration.json is for example
  {"IntegrationType":"HTTP_PROXY","IntegrationHttpMethod":"POST",
   "IntegrationUri":"http://127.0.0.1:9000/upload","ContentHandling":"PASSTHROUGH"}

Missing resources and methods are created. What had to be read in another way
than it was written is a warning."#)]
pub(crate) struct Apply {
    #[command(flatten)]
    api: ApiArg,
    /// JSON file; - reads standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Resource that an integration belongs to
    #[arg(long, requires = "method")]
    path: Option<String>,
    /// Method that an integration belongs to
    #[arg(long, requires = "path", value_parser = http_method)]
    method: Option<String>,
    /// Only if the API still has this revision
    #[arg(long, default_value_t = 0, hide_default_value = true)]
    revision: i64,
}

impl Apply {
    /// # Errors
    /// Unreadable files, and whatever the control plane refuses.
    pub(crate) async fn run(self, context: &Context) -> Result<(), Failure> {
        let document = input(&self.file)?;
        let control_plane = context.connect().await?;
        let api = control_plane.api(&self.api.api).await?;
        let request = pb::ApplyFragmentRequest {
            rest_api_id: api.id,
            document,
            path: self.path.clone().unwrap_or_default(),
            http_method: self.method.unwrap_or_default(),
            revision: self.revision,
        };
        let doing = format!("applying {}", name(&self.file));
        let answer = control_plane.rest_apis().apply_fragment(request).await.doing(doing)?;
        warn_all(&answer.warnings);
        context.output.done(&answer, || match &answer.method {
            Some(method) => {
                let path = self.path.unwrap_or_default();
                format!("Set the integration of {} {path} of {}.", method.http_method, api.name)
            }
            None => {
                let types = answer.rest_api.as_ref().map(|api| api.binary_media_types.join(", ")).unwrap_or_default();
                format!("Set the binary media types of {} to {types}.", api.name)
            }
        })
    }
}
