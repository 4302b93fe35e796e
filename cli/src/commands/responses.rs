//! `put-response` and `delete-response`, below both `method` and `integration`.

use clap::Args;
use penstock_proto::management::v1 as pb;

use super::integration::content_handling;
use super::method::find;
use super::{Context, map};
use crate::args::{MethodArgs, key_flag, key_value, status_code};
use crate::exit::{Doing, Failure};

/// Declare a response of a method
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  penstock method put-response image-api /images POST 200 --parameter method.response.header.Content-Type=false")]
pub(crate) struct PutMethodResponse {
    #[command(flatten)]
    method: MethodArgs,
    /// Status code, three digits
    #[arg(value_parser = status_code)]
    status_code: String,
    /// Header of the response and whether it is required; repeat for more
    #[arg(long = "parameter", value_name = "NAME=true|false", value_parser = key_flag)]
    parameters: Vec<(String, bool)>,
    /// Model of the response's body for a media type; repeat for more
    #[arg(long = "model", value_name = "TYPE=MODEL", value_parser = key_value)]
    models: Vec<(String, String)>,
}

/// Take back a response of a method
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  penstock method delete-response image-api /images POST 200")]
pub(crate) struct DeleteMethodResponse {
    #[command(flatten)]
    method: MethodArgs,
    /// Status code, three digits
    #[arg(value_parser = status_code)]
    status_code: String,
}

/// Say how an upstream's answer becomes a response of the method
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  penstock integration put-response image-api /images POST 200 \\
      --parameter method.response.header.Content-Type=integration.response.header.Content-Type")]
pub(crate) struct PutIntegrationResponse {
    #[command(flatten)]
    method: MethodArgs,
    /// Status code, three digits
    #[arg(value_parser = status_code)]
    status_code: String,
    /// Regular expression on the upstream's status or error; without it this is the default entry
    #[arg(long, value_name = "REGEX", default_value = "", hide_default_value = true)]
    selection_pattern: String,
    /// Header of the response: method.response.header.{name}=SOURCE; repeat for more
    #[arg(long = "parameter", value_name = "NAME=SOURCE", value_parser = key_value)]
    parameters: Vec<(String, String)>,
    /// Template of the response's body for a media type; repeat for more
    #[arg(long = "template", value_name = "TYPE=TEMPLATE", value_parser = key_value)]
    templates: Vec<(String, String)>,
    /// PASSTHROUGH, CONVERT_TO_BINARY or CONVERT_TO_TEXT
    #[arg(long, value_name = "HOW", value_parser = content_handling)]
    content_handling: Option<pb::ContentHandling>,
}

/// Take back what becomes of an upstream's answer
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  penstock integration delete-response image-api /images POST 200")]
pub(crate) struct DeleteIntegrationResponse {
    #[command(flatten)]
    method: MethodArgs,
    /// Status code, three digits
    #[arg(value_parser = status_code)]
    status_code: String,
}

impl PutMethodResponse {
    /// # Errors
    /// Whatever the control plane refuses.
    pub(crate) async fn run(self, context: &Context) -> Result<(), Failure> {
        let control_plane = context.connect().await?;
        let found = find(&control_plane, self.method).await?;
        let response = pb::MethodResponse {
            status_code: self.status_code,
            response_parameters: map(self.parameters),
            response_models: map(self.models),
            revision: 0,
        };
        let doing = format!("declaring the response {} of {}", response.status_code, found.title);
        let request = pb::PutMethodResponseRequest { method: Some(found.key), method_response: Some(response) };
        let response = control_plane.methods().put_method_response(request).await.doing(doing)?;
        context.output.done(&response, || format!("Declared the response {} of {}.", response.status_code, found.title))
    }
}

impl DeleteMethodResponse {
    /// # Errors
    /// Whatever the control plane refuses.
    pub(crate) async fn run(self, context: &Context) -> Result<(), Failure> {
        let control_plane = context.connect().await?;
        let found = find(&control_plane, self.method).await?;
        let what = format!("the response {} of {}", self.status_code, found.title);
        let response = pb::ResponseKey { method: Some(found.key), status_code: self.status_code };
        let request = pb::DeleteResponseRequest { response: Some(response), revision: 0 };
        control_plane.methods().delete_method_response(request).await.doing(format!("deleting {what}"))?;
        context.output.gone(|| format!("Deleted {what}."))
    }
}

impl PutIntegrationResponse {
    /// # Errors
    /// Whatever the control plane refuses.
    pub(crate) async fn run(self, context: &Context) -> Result<(), Failure> {
        let control_plane = context.connect().await?;
        let found = find(&control_plane, self.method).await?;
        let response = pb::IntegrationResponse {
            status_code: self.status_code,
            selection_pattern: self.selection_pattern,
            response_parameters: map(self.parameters),
            response_templates: map(self.templates),
            content_handling: self.content_handling.unwrap_or_default().into(),
            revision: 0,
        };
        let what = format!("the integration response {} of {}", response.status_code, found.title);
        let request =
            pb::PutIntegrationResponseRequest { method: Some(found.key), integration_response: Some(response) };
        let doing = format!("setting {what}");
        let response = control_plane.methods().put_integration_response(request).await.doing(doing)?;
        context.output.done(&response, || format!("Set {what}."))
    }
}

impl DeleteIntegrationResponse {
    /// # Errors
    /// Whatever the control plane refuses.
    pub(crate) async fn run(self, context: &Context) -> Result<(), Failure> {
        let control_plane = context.connect().await?;
        let found = find(&control_plane, self.method).await?;
        let what = format!("the integration response {} of {}", self.status_code, found.title);
        let response = pb::ResponseKey { method: Some(found.key), status_code: self.status_code };
        let request = pb::DeleteResponseRequest { response: Some(response), revision: 0 };
        control_plane.methods().delete_integration_response(request).await.doing(format!("deleting {what}"))?;
        context.output.gone(|| format!("Deleted {what}."))
    }
}
