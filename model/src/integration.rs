//! [`Integration`]: what stands behind a method.

use crate::id::Revision;
use crate::limits::TIMEOUT_MS_DEFAULT;
use crate::response::IntegrationResponse;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The five kinds (section e.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum IntegrationType {
    /// An HTTP upstream behind mappings.
    Http,
    /// An HTTP upstream as it is.
    HttpProxy,
    /// An AWS service or Lambda function behind mappings.
    Aws,
    /// A Lambda function as it is.
    AwsProxy,
    /// No upstream: the answer is made from templates.
    Mock,
}

impl IntegrationType {
    /// All five.
    pub const ALL: [Self; 5] = [Self::Http, Self::HttpProxy, Self::Aws, Self::AwsProxy, Self::Mock];

    /// As written in requests and documents.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http => "HTTP",
            Self::HttpProxy => "HTTP_PROXY",
            Self::Aws => "AWS",
            Self::AwsProxy => "AWS_PROXY",
            Self::Mock => "MOCK",
        }
    }

    /// Reads a type in any case: documents write it in lower case (section i.3).
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str().eq_ignore_ascii_case(text))
    }

    /// Whether heads and bodies pass as they are; templates and responses of such an integration are kept, never used.
    pub fn is_proxy(self) -> bool {
        matches!(self, Self::HttpProxy | Self::AwsProxy)
    }

    /// Whether the upstream is an HTTP server named by its URI.
    pub fn is_http(self) -> bool {
        matches!(self, Self::Http | Self::HttpProxy)
    }
}

/// What happens to a body for which no template matches (section e.6).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum PassthroughBehavior {
    /// It passes.
    #[default]
    WhenNoMatch,
    /// It passes if there are no templates at all.
    WhenNoTemplates,
    /// It never passes.
    Never,
}

impl PassthroughBehavior {
    /// As written in requests and documents.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::WhenNoMatch => "WHEN_NO_MATCH",
            Self::WhenNoTemplates => "WHEN_NO_TEMPLATES",
            Self::Never => "NEVER",
        }
    }

    /// Reads a behaviour in any case: documents write it in lower case (section i.1).
    pub fn parse(text: &str) -> Option<Self> {
        [Self::WhenNoMatch, Self::WhenNoTemplates, Self::Never]
            .into_iter()
            .find(|kind| kind.as_str().eq_ignore_ascii_case(text))
    }
}

/// What happens to the bytes of a body (sections a.3 and a.4). Unset is `Option::None`; so is the word `PASSTHROUGH`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ContentHandling {
    /// base64 text becomes bytes.
    ConvertToBinary,
    /// Bytes become base64 text.
    ConvertToText,
}

impl ContentHandling {
    /// As written in requests and documents.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ConvertToBinary => "CONVERT_TO_BINARY",
            Self::ConvertToText => "CONVERT_TO_TEXT",
        }
    }

    /// Reads the word in upper case; empty and `PASSTHROUGH` are unset.
    ///
    /// # Errors
    /// A sentence naming the words there are.
    pub fn parse(text: &str) -> Result<Option<Self>, String> {
        match text {
            "" | "PASSTHROUGH" => Ok(None),
            "CONVERT_TO_BINARY" => Ok(Some(Self::ConvertToBinary)),
            "CONVERT_TO_TEXT" => Ok(Some(Self::ConvertToText)),
            other => Err(format!("{other:?} is not one of CONVERT_TO_BINARY, CONVERT_TO_TEXT, PASSTHROUGH")),
        }
    }
}

/// Whether a response is handed on as it comes (section k). Every `HTTP_PROXY` response is; the setting is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ResponseTransferMode {
    /// As the specification's default.
    #[default]
    Buffered,
    /// Head at once, body as it comes.
    Stream,
}

/// How the gateway reaches the upstream. Kept for documents: every upstream is called directly.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ConnectionType {
    /// Directly.
    #[default]
    Internet,
    /// Through a private link.
    VpcLink,
}

/// How certificates of an `https` upstream are checked.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TlsConfig {
    /// Accept any certificate.
    pub insecure_skip_verification: bool,
    /// Verify this name instead of the URI's host; empty: the host.
    pub server_name_to_verify: String,
}

/// Where a Lambda function is invoked instead of its region's own service endpoint: a local emulator, or any server that
/// speaks the Invoke API.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct LambdaEndpoint {
    /// `http(s)://host[:port][/prefix]` with `${stageVariables.name}`; the path of the call is appended, whether or not
    /// the prefix ends with a slash.
    pub url: String,
    /// Stands for the function in the path of the call: emulators know names only. May hold `${stageVariables.name}`;
    /// empty: the ARN, as the integration's URI has it.
    pub function_name: String,
    /// The call carries no signature.
    pub unsigned: bool,
}

/// What stands behind a method.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Integration {
    /// See [`IntegrationType`].
    #[serde(rename = "type")]
    pub kind: IntegrationType,
    /// The method towards the upstream; `ANY` forwards the client's; `None` for `MOCK`.
    #[serde(default)]
    pub http_method: Option<crate::method::Verb>,
    /// `http(s)://…` with `{name}` and `${stageVariables.name}`, or an ARN; empty for `MOCK`.
    #[serde(default)]
    pub uri: String,
    /// See [`ConnectionType`].
    #[serde(default)]
    pub connection_type: ConnectionType,
    /// Of `VPC_LINK`.
    #[serde(default)]
    pub connection_id: String,
    /// Role or `arn:aws:iam::*:user/*`; kept for documents.
    #[serde(default)]
    pub credentials: String,
    /// `integration.request.{path|querystring|header}.{name}` to its source (section e.5).
    #[serde(default)]
    pub request_parameters: BTreeMap<String, String>,
    /// Media type to template.
    #[serde(default)]
    pub request_templates: BTreeMap<String, String>,
    /// See [`PassthroughBehavior`].
    #[serde(default)]
    pub passthrough_behavior: PassthroughBehavior,
    /// Of the request; `None` is unset.
    #[serde(default)]
    pub content_handling: Option<ContentHandling>,
    /// Milliseconds to wait for the response head.
    #[serde(default = "default_timeout")]
    pub timeout_in_millis: u32,
    /// Empty: the resource's id.
    #[serde(default)]
    pub cache_namespace: String,
    /// Request parameters that vary a cached answer.
    #[serde(default)]
    pub cache_key_parameters: Vec<String>,
    /// See [`TlsConfig`].
    #[serde(default)]
    pub tls_config: TlsConfig,
    /// By status code.
    #[serde(default)]
    pub integration_responses: BTreeMap<String, IntegrationResponse>,
    /// See [`ResponseTransferMode`].
    #[serde(default)]
    pub response_transfer_mode: ResponseTransferMode,
    /// Of functions: `1.0`, `2.0` or empty.
    #[serde(default)]
    pub payload_format_version: String,
    /// Of functions; `None`: the service endpoint of the region that the URI names. Left out where it is unset, so that
    /// what was stored before it existed compares equal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lambda_endpoint: Option<LambdaEndpoint>,
    /// For optimistic locking.
    #[serde(default)]
    pub revision: Revision,
}

fn default_timeout() -> u32 {
    TIMEOUT_MS_DEFAULT
}

impl Integration {
    /// An integration of `kind` towards `uri`, everything else by default (section e.1).
    pub fn new(kind: IntegrationType, http_method: Option<crate::method::Verb>, uri: impl Into<String>) -> Self {
        Self {
            kind,
            http_method,
            uri: uri.into(),
            connection_type: ConnectionType::default(),
            connection_id: String::new(),
            credentials: String::new(),
            request_parameters: BTreeMap::new(),
            request_templates: BTreeMap::new(),
            passthrough_behavior: PassthroughBehavior::default(),
            content_handling: None,
            timeout_in_millis: TIMEOUT_MS_DEFAULT,
            cache_namespace: String::new(),
            cache_key_parameters: Vec::new(),
            tls_config: TlsConfig::default(),
            integration_responses: BTreeMap::new(),
            response_transfer_mode: ResponseTransferMode::default(),
            payload_format_version: String::new(),
            lambda_endpoint: None,
            revision: Revision::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passthrough_is_a_spelling_of_unset() {
        assert_eq!(ContentHandling::parse("PASSTHROUGH"), Ok(None));
        assert_eq!(ContentHandling::parse("CONVERT_TO_TEXT"), Ok(Some(ContentHandling::ConvertToText)));
        assert!(ContentHandling::parse("CONVERT").is_err());
    }

    #[test]
    fn an_endpoint_that_is_unset_leaves_no_trace() {
        let mut integration = Integration::new(IntegrationType::AwsProxy, None, "arn");
        let stored = serde_json::to_string(&integration).unwrap();
        assert!(!stored.contains("ndpoint"), "{stored}");
        assert_eq!(serde_json::from_str::<Integration>(&stored).unwrap(), integration);
        let url = "http://localhost:9001".to_owned();
        integration.lambda_endpoint = Some(LambdaEndpoint { url, function_name: "f".to_owned(), unsigned: true });
        let stored = serde_json::to_value(&integration).unwrap();
        let expected = serde_json::json!({"url": "http://localhost:9001", "functionName": "f", "unsigned": true});
        assert_eq!(stored["lambdaEndpoint"], expected);
        assert_eq!(serde_json::from_value::<Integration>(stored).unwrap(), integration);
    }

    #[test]
    fn types_are_read_in_any_case() {
        assert_eq!(IntegrationType::parse("http_proxy"), Some(IntegrationType::HttpProxy));
        assert_eq!(IntegrationType::parse("HTTP_PROXY"), Some(IntegrationType::HttpProxy));
        assert_eq!(IntegrationType::parse("ftp"), None);
    }
}
