//! [`StageSettings`]: what all routes of one (API, stage) pair share.

use crate::bundle::BundleKey;
use crate::content::coding::compressible;
use crate::content::media_type::{MediaTypes, essence};
use crate::gateway_response::CompiledGatewayResponses;
use crate::header_list::HeaderList;
use crate::integration::ResponseTransferMode;
use crate::mapping::StageFacts;
use crate::rest_api::{AcceptPolicy, Fidelity, Integrity, MissingContentType, RestApi};
use crate::violation::Violations;
use http::HeaderValue;
use http::header::{CACHE_CONTROL, CONTENT_ENCODING, CONTENT_RANGE, CONTENT_TYPE};
use std::sync::Arc;

/// What all routes of one (API, stage) pair share.
#[derive(Debug)]
pub struct StageSettings {
    /// The bundle that it came from.
    pub key: Arc<BundleKey>,
    /// The deployment that it came from.
    pub deployment_id: String,
    /// Whether it is the canary's; `None` when the stage has no canary.
    pub canary: Option<bool>,
    /// Of the API.
    pub fidelity: Fidelity,
    /// The API's id, ready as a header.
    pub api_id: HeaderValue,
    /// `User-Agent` towards the upstreams of custom integrations (section c.2).
    pub user_agent: HeaderValue,
    /// Which media types are binary (section a.1).
    pub media_types: MediaTypes,
    /// Which elements of `Accept` count.
    pub accept_policy: AcceptPolicy,
    /// What a body without `Content-Type` counts as.
    pub missing_content_type: MissingContentType,
    /// What happens about digests.
    pub integrity: Integrity,
    /// What the gateway answers by itself (section e.7).
    pub gateway_responses: CompiledGatewayResponses,
    /// `None`: nothing is compressed.
    pub compression: Option<Compression>,
    /// The stage's variables as a JSON object, those of the canary on top where this is the canary's; `None` when there
    /// are none. Functions are told all of them (section b.2).
    pub variables_json: Option<Box<str>>,
}

/// Which responses are compressed (section h.8).
#[derive(Debug)]
pub struct Compression {
    /// Smallest one, in bytes.
    pub bytes_min: u64,
    /// Media types that are compressed although the gateway leaves them alone by itself.
    pub media_types: MediaTypes,
}

impl Compression {
    /// Whether an answer with this head may get a content coding (RFC 9110 section 8.4, RFC 9111 section 5.2.2.6).
    pub fn may_code(&self, transfer: ResponseTransferMode, headers: &HeaderList) -> bool {
        let no_transform = headers.get_all(CACHE_CONTROL).any(|value| {
            let mut directives = value.as_bytes().split(|&byte| byte == b',').map(<[u8]>::trim_ascii);
            directives.any(|directive| directive.eq_ignore_ascii_case(b"no-transform"))
        });
        let media_type = essence(headers.get(CONTENT_TYPE).map_or(&b""[..], HeaderValue::as_bytes));
        let asked_for = self.media_types.matches(Some(media_type));
        transfer != ResponseTransferMode::Stream
            && !no_transform
            && !headers.contains(CONTENT_ENCODING)
            && !headers.contains(CONTENT_RANGE)
            && (compressible(media_type) || asked_for)
    }
}

impl StageSettings {
    /// Whether they are those of the canary's part of the stage's requests (section h.2).
    pub fn is_canary(&self) -> bool {
        self.canary == Some(true)
    }

    /// Compiles what `api` says, for one side of a stage.
    pub(super) fn compile(key: &Arc<BundleKey>, api: &RestApi, facts: &StageFacts<'_>) -> Result<Self, Violations> {
        let header = |text: &str| {
            HeaderValue::from_str(text).map_err(|_| Violations::one("restApi.id", "must be visible ASCII"))
        };
        Ok(Self {
            key: Arc::clone(key),
            deployment_id: facts.deployment_id.to_owned(),
            canary: facts.canary,
            fidelity: api.fidelity,
            api_id: header(key.rest_api_id.as_str())?,
            user_agent: header(&format!("AmazonAPIGateway_{}", key.rest_api_id))?,
            media_types: MediaTypes::compile(&api.binary_media_types),
            accept_policy: api.accept_policy,
            missing_content_type: api.missing_content_type,
            integrity: api.integrity,
            gateway_responses: CompiledGatewayResponses::compile(&api.gateway_responses, facts)?,
            compression: api.minimum_compression_size.map(|bytes_min| Compression {
                bytes_min: bytes_min.into(),
                media_types: MediaTypes::compile(&api.compression_media_types),
            }),
            variables_json: (!facts.variables.is_empty()).then(|| variables_json(facts)),
        })
    }
}

fn variables_json(facts: &StageFacts<'_>) -> Box<str> {
    serde_json::to_string(facts.variables).expect("a map of strings is always an object").into()
}
