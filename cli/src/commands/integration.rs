//! `penstock integration`: what stands behind a method.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use penstock_proto::management::v1 as pb;
use penstock_proto::management::v1::integration::{ConnectionType, PassthroughBehavior, ResponseTransferMode, Type};

use super::method::find;
use super::responses::{DeleteIntegrationResponse, PutIntegrationResponse};
use super::{Context, map};
use crate::args::{MethodArgs, http_method, input, key_value};
use crate::exit::{Doing, Failure};
use crate::output::Fields;
use crate::output::json;

/// Say what stands behind a method
#[derive(Debug, Args)]
#[command(subcommand_required = true, arg_required_else_help = true)]
pub(crate) struct Integration {
    #[command(subcommand)]
    command: IntegrationCommand,
}

#[derive(Debug, Subcommand)]
enum IntegrationCommand {
    Put(Box<Put>),
    Get(Get),
    Delete(Delete),
    PutResponse(PutIntegrationResponse),
    DeleteResponse(DeleteIntegrationResponse),
}

/// Create or replace the integration of a method
#[derive(Debug, Args)]
#[command(after_help = r#"Examples:
  penstock integration put image-api /images POST --type HTTP_PROXY --http-method POST \
      --uri 'http://${stageVariables.resizer}/upload'
  penstock integration put image-api '/images/{id}' GET --type HTTP_PROXY --http-method GET \
      --uri 'http://10.0.0.7/{id}' --request-parameter integration.request.path.id=method.request.path.id
  penstock integration put image-api /images POST --type AWS_PROXY --http-method POST \
      --uri "$FUNCTION" --lambda-endpoint http://localhost:9000 \
      --lambda-function-name resize --lambda-unsigned
  penstock integration put image-api /images POST --file integration.json

where FUNCTION is, around the function's own {arn},
  arn:aws:apigateway:{region}:lambda:path/2015-03-31/functions/{arn}/invocations
and integration.json has the keys of AWS in camelCase, as `integration get
--output json` writes them:
  {"type":"HTTP_PROXY","httpMethod":"POST","uri":"http://10.0.0.7/upload","timeoutInMillis":5000}
For the PascalCase shapes of the AWS documentation: `penstock api apply`."#)]
struct Put {
    #[command(flatten)]
    method: MethodArgs,
    /// Take everything from this JSON file; - reads standard input
    #[arg(long, value_name = "JSON", conflicts_with = "flags")]
    file: Option<PathBuf>,
    #[command(flatten)]
    flags: Flags,
    /// Only if the stored integration still has this revision
    #[arg(long, default_value_t = 0, hide_default_value = true)]
    revision: i64,
}

#[derive(Debug, Args)]
#[group(id = "flags", multiple = true)]
struct Flags {
    /// HTTP, HTTP_PROXY, AWS, AWS_PROXY or MOCK
    #[arg(long = "type", value_name = "TYPE", value_parser = integration_type, required_unless_present = "file")]
    kind: Option<Type>,
    /// URI of the upstream, with {name} and ${stageVariables.name}, or an arn
    #[arg(long)]
    uri: Option<String>,
    /// Method towards the upstream; ANY hands the client's on
    #[arg(long, value_name = "METHOD", value_parser = http_method)]
    http_method: Option<String>,
    /// How long the upstream may take to begin its answer, in milliseconds; 29000 without this
    #[arg(long, value_name = "MS")]
    timeout_ms: Option<i32>,
    /// Parameter towards the upstream: integration.request.{path|querystring|header}.{name}=SOURCE; repeat for more
    #[arg(long = "request-parameter", value_name = "NAME=SOURCE", value_parser = key_value)]
    request_parameters: Vec<(String, String)>,
    /// Template of the request's body for a media type; repeat for more
    #[arg(long = "request-template", value_name = "TYPE=TEMPLATE", value_parser = key_value)]
    request_templates: Vec<(String, String)>,
    /// WHEN_NO_MATCH, WHEN_NO_TEMPLATES or NEVER
    #[arg(long, value_name = "WHEN", value_parser = passthrough)]
    passthrough_behavior: Option<PassthroughBehavior>,
    /// PASSTHROUGH, CONVERT_TO_BINARY or CONVERT_TO_TEXT
    #[arg(long, value_name = "HOW", value_parser = content_handling)]
    content_handling: Option<pb::ContentHandling>,
    /// Role or user that AWS upstreams are called as
    #[arg(long, value_name = "ARN")]
    credentials: Option<String>,
    /// Accept any certificate of the upstream
    #[arg(long)]
    insecure_skip_verification: bool,
    /// Form of a function's events and answers: 1.0 or 2.0; 1.0 without this
    #[arg(long, value_name = "VERSION")]
    payload_format_version: Option<String>,
    /// Hand the answer on as it comes, uncompressed; a function then needs the URI
    /// ...:lambda:path/2021-11-15/functions/{arn}/response-streaming-invocations
    #[arg(long)]
    stream: bool,
    /// Invoke the function here instead of at its region's own service endpoint: an emulator such as `cargo lambda
    /// watch`, or any server with the Invoke API; http(s)://host:port/prefix with ${stageVariables.name}
    #[arg(long, value_name = "URL")]
    lambda_endpoint: Option<String>,
    /// Name of the function at that endpoint; its ARN without this
    #[arg(long, value_name = "NAME", requires = "lambda_endpoint")]
    lambda_function_name: Option<String>,
    /// Send the call to that endpoint without a signature
    #[arg(long, requires = "lambda_endpoint")]
    lambda_unsigned: bool,
}

/// Show the integration of a method
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  penstock integration get image-api /images POST
  penstock integration get image-api /images POST --output json > integration.json")]
struct Get {
    #[command(flatten)]
    method: MethodArgs,
}

/// Delete the integration of a method
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  penstock integration delete image-api /images POST")]
struct Delete {
    #[command(flatten)]
    method: MethodArgs,
    /// Only if the integration still has this revision
    #[arg(long, default_value_t = 0, hide_default_value = true)]
    revision: i64,
}

impl Integration {
    /// # Errors
    /// Whatever the control plane refuses.
    pub(crate) async fn run(self, context: &Context) -> Result<(), Failure> {
        match self.command {
            IntegrationCommand::Put(put) => put.run(context).await,
            IntegrationCommand::Get(get) => get.run(context).await,
            IntegrationCommand::Delete(delete) => delete.run(context).await,
            IntegrationCommand::PutResponse(put) => put.run(context).await,
            IntegrationCommand::DeleteResponse(delete) => delete.run(context).await,
        }
    }
}

impl Put {
    async fn run(self, context: &Context) -> Result<(), Failure> {
        let mut integration = match &self.file {
            Some(path) => json::parse::<pb::Integration>(&input(path)?)?,
            None => self.flags.integration(),
        };
        // What a file carries is from the time it was written; only the flag means a condition.
        integration.revision = self.revision;
        let control_plane = context.connect().await?;
        let found = find(&control_plane, self.method).await?;
        let request = pb::PutIntegrationRequest { method: Some(found.key), integration: Some(integration) };
        let doing = format!("setting the integration of {}", found.title);
        let integration = control_plane.methods().put_integration(request).await.doing(doing)?;
        context.output.done(&integration, || format!("Set the integration of {}.", found.title))
    }
}

impl Flags {
    fn integration(self) -> pb::Integration {
        let tls = self.insecure_skip_verification;
        let tls_config = pb::integration::TlsConfig { insecure_skip_verification: tls, ..Default::default() };
        let (name, unsigned) = (self.lambda_function_name.unwrap_or_default(), self.lambda_unsigned);
        let endpoint = |url| pb::integration::LambdaEndpoint { url, function_name: name, unsigned };
        pb::Integration {
            r#type: self.kind.unwrap_or_default().into(),
            http_method: self.http_method.unwrap_or_default(),
            uri: self.uri.unwrap_or_default(),
            credentials: self.credentials.unwrap_or_default(),
            request_parameters: map(self.request_parameters),
            request_templates: map(self.request_templates),
            passthrough_behavior: self.passthrough_behavior.unwrap_or_default().into(),
            content_handling: self.content_handling.unwrap_or_default().into(),
            timeout_in_millis: self.timeout_ms.unwrap_or_default(),
            tls_config: tls.then_some(tls_config),
            payload_format_version: self.payload_format_version.unwrap_or_default(),
            response_transfer_mode: match self.stream {
                true => ResponseTransferMode::Stream.into(),
                false => ResponseTransferMode::Unspecified.into(),
            },
            lambda_endpoint: self.lambda_endpoint.map(endpoint),
            ..Default::default()
        }
    }
}

impl Get {
    async fn run(self, context: &Context) -> Result<(), Failure> {
        let control_plane = context.connect().await?;
        let found = find(&control_plane, self.method).await?;
        let doing = format!("looking for the integration of {}", found.title);
        let integration = control_plane.methods().get_integration(found.key).await.doing(doing)?;
        context.output.object(&integration, || fields(&integration))
    }
}

fn fields(integration: &pb::Integration) -> Fields {
    let vpc_link = integration.connection_type() == ConnectionType::VpcLink;
    let streams = integration.response_transfer_mode() == ResponseTransferMode::Stream;
    let tls = integration.tls_config.clone().unwrap_or_default();
    let timeout = integration.timeout_in_millis;
    Fields::default()
        .add("type", type_name(integration))
        .add("method", &integration.http_method)
        .add("uri", &integration.uri)
        .add("connection", if vpc_link { format!("VPC_LINK {}", integration.connection_id) } else { String::new() })
        .add("credentials", &integration.credentials)
        .map("parameters", &integration.request_parameters)
        .map("templates", &integration.request_templates)
        .add("passthrough", set(integration.passthrough_behavior().as_str_name()))
        .add("content handling", set(integration.content_handling().as_str_name()))
        .add("timeout", if timeout == 0 { String::new() } else { format!("{timeout} ms") })
        .add("transfer", if streams { "STREAM" } else { "" })
        .add("certificate", if tls.insecure_skip_verification { "not verified" } else { "" })
        .add("function at", integration.lambda_endpoint.as_ref().map_or_else(String::new, endpoint_of))
        .add("responses", integration.integration_responses.keys().cloned().collect::<Vec<_>>().join(" "))
        .add("revision", integration.revision.to_string())
}

/// Where a function is invoked, and how.
fn endpoint_of(endpoint: &pb::integration::LambdaEndpoint) -> String {
    let name = if endpoint.function_name.is_empty() { "" } else { ", as " };
    let unsigned = if endpoint.unsigned { ", unsigned" } else { "" };
    format!("{}{name}{}{unsigned}", endpoint.url, endpoint.function_name)
}

/// The name of an enum value, or nothing where the contract says that it is unset.
fn set(name: &'static str) -> &'static str {
    if name.ends_with("_UNSPECIFIED") { "" } else { name }
}

impl Delete {
    async fn run(self, context: &Context) -> Result<(), Failure> {
        let control_plane = context.connect().await?;
        let found = find(&control_plane, self.method).await?;
        let request = pb::DeleteIntegrationRequest { method: Some(found.key), revision: self.revision };
        let doing = format!("deleting the integration of {}", found.title);
        control_plane.methods().delete_integration(request).await.doing(doing)?;
        context.output.gone(|| format!("Deleted the integration of {}.", found.title))
    }
}

/// The type as AWS spells it.
pub(crate) fn type_name(integration: &pb::Integration) -> &'static str {
    set(integration.r#type().as_str_name())
}

/// The method towards the upstream, when there is one, and the URI.
pub(crate) fn uri_of(integration: &pb::Integration) -> String {
    format!("{} {}", integration.http_method, integration.uri).trim().to_owned()
}

/// How a flag's word is compared with the contract's: capitals, and underscores for dashes.
fn spelled(text: &str) -> String {
    text.to_ascii_uppercase().replace('-', "_")
}

fn integration_type(text: &str) -> Result<Type, String> {
    let known = Type::from_str_name(&spelled(text)).filter(|&kind| kind != Type::Unspecified);
    known.ok_or_else(|| "expected HTTP, HTTP_PROXY, AWS, AWS_PROXY or MOCK".into())
}

fn passthrough(text: &str) -> Result<PassthroughBehavior, String> {
    let known =
        PassthroughBehavior::from_str_name(&spelled(text)).filter(|&when| when != PassthroughBehavior::Unspecified);
    known.ok_or_else(|| "expected WHEN_NO_MATCH, WHEN_NO_TEMPLATES or NEVER".into())
}

/// One of the three spellings of content handling.
pub(crate) fn content_handling(text: &str) -> Result<pb::ContentHandling, String> {
    let known =
        pb::ContentHandling::from_str_name(&spelled(text)).filter(|&how| how != pb::ContentHandling::Unspecified);
    known.ok_or_else(|| "expected PASSTHROUGH, CONVERT_TO_BINARY or CONVERT_TO_TEXT".into())
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Program {
        #[command(flatten)]
        put: Put,
    }

    fn parse(line: &str) -> Result<Put, clap::Error> {
        Program::try_parse_from(format!("put a / GET {line}").split(' ')).map(|program| program.put)
    }

    #[test]
    fn flags_make_an_integration() {
        let put = parse(
            "--type http-proxy --uri http://u/{id} --http-method any --timeout-ms 500 --content-handling passthrough \
             --request-parameter integration.request.path.id=method.request.path.id",
        );
        let integration = put.unwrap().flags.integration();
        assert_eq!(integration.r#type(), Type::HttpProxy);
        assert_eq!(integration.http_method, "ANY");
        assert_eq!(integration.timeout_in_millis, 500);
        assert_eq!(integration.content_handling(), pb::ContentHandling::Passthrough);
        assert_eq!(integration.request_parameters["integration.request.path.id"], "method.request.path.id");
        assert_eq!((integration.tls_config, integration.lambda_endpoint), (None, None));
    }

    #[test]
    fn a_function_has_an_endpoint_of_its_own() {
        let endpoint = |line: &str| {
            let put = parse(&format!("--type AWS_PROXY --uri arn {line}"));
            put.unwrap().flags.integration().lambda_endpoint.map(|endpoint| endpoint_of(&endpoint))
        };
        for (line, shown) in [
            ("--lambda-endpoint http://e:1", "http://e:1"),
            ("--lambda-endpoint http://e:1 --lambda-unsigned", "http://e:1, unsigned"),
            ("--lambda-endpoint http://e:1 --lambda-function-name f --lambda-unsigned", "http://e:1, as f, unsigned"),
        ] {
            assert_eq!(endpoint(line).as_deref(), Some(shown));
        }
        for alone in ["--lambda-unsigned", "--lambda-function-name f"] {
            assert!(parse(&format!("--type AWS_PROXY --uri arn {alone}")).is_err(), "{alone}");
        }
        assert!(parse("--file x.json --lambda-endpoint http://e:1").is_err());
    }

    #[test]
    fn a_function_says_what_it_takes_and_how_it_answers() {
        let integration =
            |line: &str| parse(&format!("--type AWS_PROXY --uri arn {line}")).unwrap().flags.integration();
        let plain = integration("--http-method POST");
        assert_eq!(
            (&*plain.payload_format_version, plain.response_transfer_mode()),
            ("", ResponseTransferMode::Unspecified)
        );
        let both = integration("--payload-format-version 2.0 --stream");
        assert_eq!(
            (&*both.payload_format_version, both.response_transfer_mode()),
            ("2.0", ResponseTransferMode::Stream)
        );
    }

    #[test]
    fn a_file_replaces_the_flags() {
        assert!(parse("--file x.json").is_ok());
        assert!(parse("--file x.json --uri http://u").is_err());
        assert!(parse("--file x.json --revision 3").is_ok());
        assert!(parse("--uri http://u").is_err(), "the type is missing");
    }

    #[test]
    fn words_of_the_contract_are_checked_here() {
        for wrong in ["--type FTP", "--type TYPE_UNSPECIFIED", "--type MOCK --passthrough-behavior always"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
