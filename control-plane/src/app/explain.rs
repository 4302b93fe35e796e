//! What a request would meet, told from what is published. Sends nothing.

use super::App;
use super::error::{Error, Result};
use crate::publication::Publication;
use base64::Engine as _;
use http::header::{AUTHORIZATION, CONTENT_LENGTH, HOST, HeaderValue, TRANSFER_ENCODING};
use http::uri::{Authority, PathAndQuery};
use http::{Method, StatusCode, Uri};
use penstock_model::bundle::BundleKey;
use penstock_model::exchange::BodyLength;
use penstock_model::explain::{Ask, Explanation, explain};
use penstock_model::header_list::HeaderList;
use penstock_model::table::RoutingTable;
use penstock_proto::convert::decode_bundle;
use sha2::{Digest as _, Sha256};
use std::sync::Arc;

/// Host of a request that names none.
const HOST_DEFAULT: &str = "localhost";
/// Port of a proxy when nothing says another one.
const LISTENER_PORT_DEFAULT: u16 = 8080;

/// A request to be explained.
#[derive(Clone, Debug)]
pub struct ExplainRequest {
    /// As the client would send it.
    pub method: Method,
    /// `http` or `https` with a host, or a path alone.
    pub url: Uri,
    /// As the client would send them.
    pub headers: HeaderList,
    /// Of the body; `None`: what the headers say.
    pub body: Option<BodyLength>,
    /// That the upstream is assumed to answer.
    pub answer_status: StatusCode,
    /// That the upstream is assumed to answer.
    pub answer_headers: HeaderList,
    /// Whether to follow the canary's side.
    pub canary: bool,
    /// Of the proxy; `None`: the URL's, else 8080.
    pub listener_port: Option<u16>,
}

/// What was asked and what was told.
#[derive(Clone, Debug)]
pub struct Explained {
    /// With its port if it named one.
    pub host: String,
    /// Path and query.
    pub target: String,
    /// Of the API that answers; empty when none does.
    pub rest_api_name: String,
    /// The rest.
    pub explanation: Explanation,
}

impl App {
    /// Tells what a request would meet now.
    ///
    /// # Errors
    /// The request is none that a client could send.
    pub async fn explain(&self, request: ExplainRequest) -> Result<Explained> {
        let publication = self.newest();
        // A bundle of thousands of routes is decoded for its API's name.
        let told = tokio::task::spawn_blocking(move || tell(&publication, request));
        told.await.map_err(|error| Error::internal("explaining", error))?
    }
}

fn tell(publication: &Publication, request: ExplainRequest) -> Result<Explained> {
    let (manifest, stages) = (&publication.manifest, publication.compiled.values().cloned().collect());
    let table =
        RoutingTable::assemble(manifest.version, manifest.root_hash, stages, Arc::clone(&manifest.base_path_mappings));
    let authority = authority(&request.url, &request.headers)?;
    let port = request.url.port_u16().or_else(|| request.url.authority().is_none().then(|| authority.port_u16())?);
    let body = request.body.map_or_else(|| announced(&request.headers), Ok)?;
    let headers = as_sent(request.headers, &authority, body)?;
    let target = request.url.path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/"));
    let hash = headers.get(AUTHORIZATION).map(|value| Sha256::digest(value.as_bytes()));
    let hash = hash.map(|sum| base64::engine::general_purpose::STANDARD.encode(sum)).unwrap_or_default();
    let uri = Uri::from(target.clone());
    let ask = Ask {
        method: &request.method,
        uri: &uri,
        host: authority.as_str(),
        headers: &headers,
        body,
        canary: request.canary,
        listener_port: request.listener_port.or(port).unwrap_or(LISTENER_PORT_DEFAULT),
        authorization_hash: &hash,
        answer_status: request.answer_status,
        answer_headers: &request.answer_headers,
    };
    let explanation = explain(&table, &ask);
    let rest_api_name = match &explanation.stage {
        None => String::new(),
        Some(stage) => api_name(
            publication,
            &BundleKey { rest_api_id: stage.rest_api_id.as_str().into(), stage_name: stage.stage_name.as_str().into() },
        )?,
    };
    Ok(Explained { host: authority.to_string(), target: target.to_string(), rest_api_name, explanation })
}

/// Whom the request names: its `Host` header, as with clients that let one be set, else its URL.
fn authority(url: &Uri, headers: &HeaderList) -> Result<Authority> {
    match headers.get(HOST) {
        Some(host) => {
            let authority = Authority::try_from(host.as_bytes()).ok().filter(|host| !host.as_str().contains('@'));
            authority.ok_or_else(|| Error::invalid("headers[host]", "must be a host with or without a port"))
        }
        None => Ok(url.authority().cloned().unwrap_or_else(|| Authority::from_static(HOST_DEFAULT))),
    }
}

/// What the headers say about the body.
fn announced(headers: &HeaderList) -> Result<BodyLength> {
    if headers.contains(TRANSFER_ENCODING) {
        return Ok(BodyLength::Unknown);
    }
    let Some(value) = headers.get(CONTENT_LENGTH) else { return Ok(BodyLength::Empty) };
    let bytes = value.to_str().ok().and_then(|text| text.parse().ok());
    match bytes.ok_or_else(|| Error::invalid("headers[content-length]", "must be a number of bytes"))? {
        0 => Ok(BodyLength::Empty),
        bytes => Ok(BodyLength::Exactly(bytes)),
    }
}

/// The headers with those that every client sends: mappings may read them.
fn as_sent(mut headers: HeaderList, authority: &Authority, body: BodyLength) -> Result<HeaderList> {
    let host = HeaderValue::from_str(authority.as_str());
    headers.insert(HOST, host.map_err(|_| Error::invalid("url", "must name a host"))?);
    match body {
        BodyLength::Empty => {
            headers.remove(TRANSFER_ENCODING);
            headers.remove(CONTENT_LENGTH);
        }
        BodyLength::Exactly(bytes) => {
            headers.remove(TRANSFER_ENCODING);
            headers.insert(CONTENT_LENGTH, HeaderValue::from(bytes));
        }
        BodyLength::Unknown => {
            headers.remove(CONTENT_LENGTH);
            headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
        }
    }
    Ok(headers)
}

fn api_name(publication: &Publication, key: &BundleKey) -> Result<String> {
    let Some(reference) = publication.bundle(key) else { return Ok(String::new()) };
    let bytes = publication.bundles.get(&reference.hash).map(|bytes| &bytes[..]).unwrap_or_default();
    let bundle = decode_bundle(bytes).map_err(|error| Error::internal("explaining", error))?;
    Ok(bundle.definition.rest_api.name)
}
