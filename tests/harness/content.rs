//! APIs from compact rows, an upstream that remembers, and requests whose framing a test chooses.

use crate::World;
use crate::client::{self, Answer};
use crate::upstream::{Body, Upstream, whole};
use bytes::Bytes;
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::Frame;
use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use hyper::{Request, Response};
use penstock_proto::management::v1::rest_api::Fidelity;
use penstock_proto::management::v1::{ImportRestApiRequest, RestApi, StageSpec, UpdateRestApiRequest};
use prost_types::FieldMask;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

/// Both fidelities, with the name under which a failing row says which.
pub const FIDELITIES: [(Fidelity, &str); 2] = [(Fidelity::Transparent, "transparent"), (Fidelity::Aws, "aws")];

/// Frames of this many bytes make a chunked body: no multiple of the four characters or three bytes of base64.
const CHUNK_BYTES: usize = 5;

/// A REST API on its way to the control plane: all its routes are in one document, and so in one deployment.
pub struct Api {
    domain: String,
    base_path: String,
    paths: serde_json::Map<String, Value>,
    extensions: serde_json::Map<String, Value>,
    variables: BTreeMap<String, String>,
    settings: RestApi,
    auto_deploy: bool,
}

impl Api {
    /// An API at the root of `domain`.
    pub fn at(domain: impl Into<String>) -> Self {
        Self {
            domain: domain.into(),
            base_path: String::new(),
            paths: serde_json::Map::new(),
            extensions: serde_json::Map::new(),
            variables: BTreeMap::new(),
            settings: RestApi::default(),
            auto_deploy: true,
        }
    }

    /// The same behind a base path, without slashes at its ends.
    pub fn below(mut self, base_path: &str) -> Self {
        base_path.clone_into(&mut self.base_path);
        self
    }

    /// The same in this fidelity.
    pub fn fidelity(self, fidelity: Fidelity) -> Self {
        self.settings(|settings| settings.set_fidelity(fidelity))
    }

    /// The same with what documents cannot say.
    pub fn settings(mut self, set: impl FnOnce(&mut RestApi)) -> Self {
        set(&mut self.settings);
        self
    }

    /// The same with these binary media types.
    pub fn binary(self, types: &[&str]) -> Self {
        self.extension("binary-media-types", json!(types))
    }

    /// The same with `x-amazon-apigateway-{name}` in the document.
    pub fn extension(mut self, name: &str, value: Value) -> Self {
        self.extensions.insert(format!("x-amazon-apigateway-{name}"), value);
        self
    }

    /// The same with a stage variable.
    pub fn variable(mut self, name: &str, value: impl Into<String>) -> Self {
        self.variables.insert(name.to_owned(), value.into());
        self
    }

    /// The same with a stage that deploys only when it is told to.
    pub fn deployed_by_hand(mut self) -> Self {
        self.auto_deploy = false;
        self
    }

    /// Adds a method. What its mappings name is declared as far as it must be.
    pub fn route(&mut self, method: &str, path: &str, integration: Value) {
        let key = if method == "ANY" { "x-amazon-apigateway-any-method".to_owned() } else { method.to_lowercase() };
        let operation = json!({
            "parameters": declared_parameters(&integration),
            "responses": declared_headers(&integration),
            "x-amazon-apigateway-integration": integration,
        });
        self.paths.entry(path.to_owned()).or_insert_with(|| json!({}))[key] = operation;
    }

    /// Imports it and waits until every proxy serves it; its id.
    pub async fn register(self, world: &World) -> String {
        let mut document = json!({"openapi": "3.0.1", "info": {"title": self.domain, "version": "1"}});
        document["paths"] = self.paths.into();
        document.as_object_mut().unwrap().extend(self.extensions);
        let stage = StageSpec {
            stage_name: "prod".into(),
            variables: self.variables,
            auto_deploy: self.auto_deploy,
            domain_name: self.domain,
            base_path: self.base_path,
        };
        let request =
            ImportRestApiRequest { document: document.to_string().into(), stage: Some(stage), ..Default::default() };
        let mut client = world.rest_apis().await;
        let id = client.import_rest_api(request).await.unwrap().into_inner().rest_api.unwrap().id;
        let paths = ["fidelity", "accept_policy", "missing_content_type", "integrity", "compression_media_types"]
            .map(str::to_owned)
            .into();
        let request = UpdateRestApiRequest {
            rest_api: Some(RestApi { id: id.clone(), ..self.settings }),
            update_mask: Some(FieldMask { paths }),
        };
        client.update_rest_api(request).await.unwrap();
        world.settled().await;
        id
    }
}

fn declared_parameters(integration: &Value) -> Value {
    let mut found = BTreeMap::new();
    for source in integration["requestParameters"].as_object().into_iter().flatten().filter_map(|(_, v)| v.as_str()) {
        for (prefix, place) in [
            ("method.request.querystring.", "query"),
            ("method.request.multivaluequerystring.", "query"),
            ("method.request.header.", "header"),
            ("method.request.multivalueheader.", "header"),
        ] {
            if let Some(name) = source.strip_prefix(prefix) {
                found.insert(name, place);
            }
        }
    }
    found.into_iter().map(|(name, place)| json!({"name": name, "in": place})).collect()
}

fn declared_headers(integration: &Value) -> Value {
    let mut found = json!({});
    for response in integration["responses"].as_object().into_iter().flatten().map(|(_, response)| response) {
        let code = response["statusCode"].as_str().unwrap();
        let headers = found.as_object_mut().unwrap().entry(code).or_insert_with(|| json!({"headers": {}}));
        for target in response["responseParameters"].as_object().into_iter().flatten().map(|(target, _)| target) {
            headers["headers"][target.strip_prefix("method.response.header.").unwrap()] = json!({});
        }
    }
    found
}

/// An `HTTP` integration that posts, with the one integration response that every status gets.
pub fn http(uri: impl Into<String>) -> Value {
    json!({
        "type": "http", "httpMethod": "POST", "uri": uri.into(), "responses": {"default": {"statusCode": "200"}},
    })
}

/// An `HTTP_PROXY` integration that forwards the client's method.
pub fn http_proxy(uri: impl Into<String>) -> Value {
    json!({"type": "http_proxy", "httpMethod": "ANY", "uri": uri.into()})
}

/// A `MOCK` integration whose request template for JSON is `template`.
pub fn mock(template: &str) -> Value {
    json!({
        "type": "mock", "requestTemplates": {"application/json": template},
        "responses": {"default": {"statusCode": "200"}},
    })
}

/// `integration` with further members.
pub fn with(mut integration: Value, members: Value) -> Value {
    let Value::Object(members) = members else { panic!("members of an object") };
    integration.as_object_mut().unwrap().extend(members);
    integration
}

/// A request as an upstream saw it.
#[derive(Clone, Debug)]
pub struct Recorded {
    /// As it came.
    pub method: String,
    /// Path and query as they came.
    pub target: String,
    /// As they came.
    pub headers: HeaderMap,
    /// `None` when it broke off.
    pub body: Option<Bytes>,
}

impl Recorded {
    /// All values of a header, in order.
    pub fn all(&self, name: &str) -> Vec<&str> {
        self.headers.get_all(name).iter().map(|value| value.to_str().unwrap()).collect()
    }
}

/// An upstream that remembers the requests that it got.
pub struct Recorder {
    upstream: Upstream,
    seen: Arc<Mutex<Vec<Recorded>>>,
}

impl Recorder {
    /// Answers each request as `answer` says.
    pub async fn start(answer: impl Fn(&Recorded) -> Response<Body> + Clone + Send + Sync + 'static) -> Self {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&seen);
        let upstream = Upstream::http(move |request| {
            let (answer, kept) = (answer.clone(), Arc::clone(&kept));
            async move {
                let (head, body) = request.into_parts();
                let body = body.collect().await.ok().map(|collected| collected.to_bytes());
                let recorded = Recorded {
                    method: head.method.to_string(),
                    target: head.uri.to_string(),
                    headers: head.headers,
                    body,
                };
                let response = answer(&recorded);
                kept.lock().unwrap().push(recorded);
                response
            }
        })
        .await;
        Self { upstream, seen }
    }

    /// An address of its own, with this path and query.
    pub fn uri(&self, path: &str) -> String {
        format!("http://{}{path}", self.address())
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.upstream.address
    }

    /// What came since the last call: at most one request.
    pub fn take(&self) -> Option<Recorded> {
        let mut seen = self.seen.lock().unwrap();
        assert!(seen.len() < 2, "more than one request came: {seen:?}");
        seen.pop()
    }
}

/// How the length of a body is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// `Content-Length`.
    Sized,
    /// `Transfer-Encoding: chunked`, in small chunks.
    Chunked,
}

impl Framing {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Sized, Self::Chunked];

    /// These bytes as a body.
    pub fn body(self, bytes: &[u8]) -> Body {
        let bytes = Bytes::copy_from_slice(bytes);
        match self {
            Self::Sized => whole(bytes),
            Self::Chunked => {
                let pieces: Vec<_> = bytes.chunks(CHUNK_BYTES).map(Bytes::copy_from_slice).collect();
                let frames = pieces.into_iter().map(|piece| Ok::<_, Infallible>(Frame::data(piece)));
                StreamBody::new(tokio_stream::iter(frames)).map_err(|never| match never {}).boxed()
            }
        }
    }
}

/// An answer of an upstream.
pub fn reply(status: u16, headers: &[(&str, &str)], body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = status.try_into().unwrap();
    append(response.headers_mut(), headers);
    response
}

/// Sends a request to the first proxy and reads the whole answer.
pub async fn send(world: &World, host: &str, line: &str, headers: &[(&str, &str)], body: Body) -> Answer {
    let (method, target) = line.split_once(' ').unwrap();
    let mut request = Request::new(body);
    *request.method_mut() = method.parse().unwrap();
    *request.uri_mut() = target.parse().unwrap();
    append(request.headers_mut(), &[("host", host)]);
    append(request.headers_mut(), headers);
    client::call(world.proxy(), request).await.unwrap()
}

fn append(to: &mut HeaderMap, headers: &[(&str, &str)]) {
    for (name, value) in headers {
        to.append(HeaderName::from_bytes(name.as_bytes()).unwrap(), HeaderValue::from_bytes(value.as_bytes()).unwrap());
    }
}

/// The body of [`assert_internal_error`].
pub const INTERNAL_ERROR: &str = r#"{"message": "Internal server error"}"#;

/// The 500 of a call that its configuration makes impossible (section a.6): 36 bytes, and no trace id.
pub fn assert_internal_error(answer: &Answer, row: &str) {
    assert_eq!((answer.status.as_u16(), answer.text()), (500, INTERNAL_ERROR), "{row}");
    assert_eq!(answer.header("x-amzn-errortype"), "InternalServerErrorException", "{row}");
    assert_eq!(answer.header("content-type"), "application/json", "{row}");
    assert_eq!(answer.header("content-length"), "36", "{row}");
    assert_eq!(answer.header("x-amzn-trace-id"), "", "{row}");
}
