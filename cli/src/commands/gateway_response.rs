//! `penstock gateway-response`: what clients get when the gateway answers by itself.

use clap::{Args, Subcommand};
use penstock_proto::management::v1 as pb;

use super::{Context, map};
use crate::args::{ApiArg, key_value, status_code};
use crate::exit::{Doing, Failure};
use crate::output::Fields;
use crate::output::table::{Column, Table};

/// How the control plane spells a header of a gateway response.
const HEADER: &str = "gatewayresponse.header.";

/// Change what clients get when the gateway answers by itself
#[derive(Debug, Args)]
#[command(subcommand_required = true, arg_required_else_help = true)]
pub(crate) struct GatewayResponse {
    #[command(subcommand)]
    command: GatewayResponseCommand,
}

#[derive(Debug, Subcommand)]
enum GatewayResponseCommand {
    List(List),
    Get(Get),
    Put(Put),
    Delete(Delete),
}

/// List every type with what it answers
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  penstock gateway-response list image-api")]
struct List {
    #[command(flatten)]
    api: ApiArg,
}

/// Show what one type answers
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  penstock gateway-response get image-api MISSING_AUTHENTICATION_TOKEN")]
struct Get {
    #[command(flatten)]
    api: ApiArg,
    #[command(flatten)]
    kind: TypeArg,
}

/// Customise a type; what is left out returns to the type's own default
#[derive(Debug, Args)]
#[command(after_help = "\
Clients see it after the next deployment.

Examples:
  penstock gateway-response put image-api MISSING_AUTHENTICATION_TOKEN --status-code 404 \\
      --template 'application/json={\"message\":\"no such page\"}'
  penstock gateway-response put image-api DEFAULT_4XX \\
      --parameter \"gatewayresponse.header.Access-Control-Allow-Origin='*'\"")]
struct Put {
    #[command(flatten)]
    api: ApiArg,
    #[command(flatten)]
    kind: TypeArg,
    /// Status code, three digits; without it the type's own
    #[arg(long, value_name = "CODE", value_parser = status_code)]
    status_code: Option<String>,
    /// Header of the answer: gatewayresponse.header.{name}=SOURCE; repeat for more
    #[arg(long = "parameter", value_name = "NAME=SOURCE", value_parser = key_value)]
    parameters: Vec<(String, String)>,
    /// Template of the answer's body for a media type; repeat for more
    #[arg(long = "template", value_name = "TYPE=TEMPLATE", value_parser = key_value)]
    templates: Vec<(String, String)>,
    /// Only if the API still has this revision
    #[arg(long, default_value_t = 0, hide_default_value = true)]
    revision: i64,
}

/// Return a type to its default, or to what it takes from DEFAULT_4XX or DEFAULT_5XX
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  penstock gateway-response delete image-api MISSING_AUTHENTICATION_TOKEN")]
struct Delete {
    #[command(flatten)]
    api: ApiArg,
    #[command(flatten)]
    kind: TypeArg,
    /// Only if the API still has this revision
    #[arg(long, default_value_t = 0, hide_default_value = true)]
    revision: i64,
}

/// Which type.
#[derive(Debug, Args)]
struct TypeArg {
    /// Type of the response, for example DEFAULT_4XX; `list` names them all
    #[arg(id = "type", value_name = "TYPE", value_parser = response_type)]
    name: String,
}

/// Types are written in capitals; which of them exist the control plane knows.
fn response_type(text: &str) -> Result<String, String> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
        return Err("expected a type as DEFAULT_4XX".into());
    }
    Ok(text.to_ascii_uppercase())
}

impl GatewayResponse {
    /// # Errors
    /// Whatever the control plane refuses.
    pub(crate) async fn run(self, context: &Context) -> Result<(), Failure> {
        match self.command {
            GatewayResponseCommand::List(list) => list.run(context).await,
            GatewayResponseCommand::Get(get) => get.run(context).await,
            GatewayResponseCommand::Put(put) => put.run(context).await,
            GatewayResponseCommand::Delete(delete) => delete.run(context).await,
        }
    }
}

impl List {
    async fn run(self, context: &Context) -> Result<(), Failure> {
        let control_plane = context.connect().await?;
        let api = control_plane.api(&self.api.api).await?;
        let doing = format!("listing the gateway responses of {}", api.name);
        let request = pb::ListGatewayResponsesRequest { rest_api_id: api.id };
        let items = control_plane.gateway_responses().list_gateway_responses(request).await.doing(doing)?.items;
        context.output.list(&items, || {
            let columns = [
                Column::text("TYPE"),
                Column::text("STATUS"),
                Column::text("CUSTOMISED"),
                Column::elastic("HEADERS"),
                Column::elastic("TEMPLATES"),
            ];
            let mut table = Table::new("No gateway responses.", columns);
            for response in &items {
                let headers = response.response_parameters.keys();
                let headers: Vec<_> = headers.map(|name| name.strip_prefix(HEADER).unwrap_or(name)).collect();
                let templates: Vec<_> = response.response_templates.keys().map(String::as_str).collect();
                table.row([
                    response.response_type.clone(),
                    response.status_code.clone(),
                    if response.default_response { "no" } else { "yes" }.to_owned(),
                    headers.join(" "),
                    templates.join(" "),
                ]);
            }
            table
        })
    }
}

impl Get {
    async fn run(self, context: &Context) -> Result<(), Failure> {
        let control_plane = context.connect().await?;
        let api = control_plane.api(&self.api.api).await?;
        let doing = format!("looking for the gateway response {} of {}", self.kind.name, api.name);
        let request = pb::GatewayResponseKey { rest_api_id: api.id, response_type: self.kind.name };
        let response = control_plane.gateway_responses().get_gateway_response(request).await.doing(doing)?;
        context.output.object(&response, || {
            Fields::default()
                .add("type", &response.response_type)
                .add("status", &response.status_code)
                .add("customised", if response.default_response { "no" } else { "yes" })
                .map("parameters", &response.response_parameters)
                .map("templates", &response.response_templates)
                .add("api revision", response.revision.to_string())
        })
    }
}

impl Put {
    async fn run(self, context: &Context) -> Result<(), Failure> {
        let control_plane = context.connect().await?;
        let api = control_plane.api(&self.api.api).await?;
        let what = format!("the gateway response {} of {}", self.kind.name, api.name);
        let response = pb::GatewayResponse {
            rest_api_id: api.id,
            response_type: self.kind.name,
            status_code: self.status_code.unwrap_or_default(),
            response_parameters: map(self.parameters),
            response_templates: map(self.templates),
            revision: self.revision,
            ..Default::default()
        };
        let request = pb::PutGatewayResponseRequest { gateway_response: Some(response) };
        let doing = format!("setting {what}");
        let response = control_plane.gateway_responses().put_gateway_response(request).await.doing(doing)?;
        context.output.done(&response, || format!("Set {what}. Clients see it after the next deployment."))
    }
}

impl Delete {
    async fn run(self, context: &Context) -> Result<(), Failure> {
        let control_plane = context.connect().await?;
        let api = control_plane.api(&self.api.api).await?;
        let what = format!("the gateway response {} of {}", self.kind.name, api.name);
        let request = pb::DeleteGatewayResponseRequest {
            rest_api_id: api.id,
            response_type: self.kind.name,
            revision: self.revision,
        };
        control_plane.gateway_responses().delete_gateway_response(request).await.doing(format!("deleting {what}"))?;
        context.output.gone(|| format!("Deleted {what}. Clients see it after the next deployment."))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_capitals() {
        assert_eq!(response_type("default_4xx"), Ok("DEFAULT_4XX".into()));
        assert!(response_type("").is_err() && response_type("a b").is_err() && response_type("a-b").is_err());
    }
}
