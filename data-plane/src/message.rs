//! Messages as they are inside the gateway: heads whose headers are a list, whatever the connection speaks.

use http::{Method, StatusCode, Uri, Version};
use penstock_model::header_list::HeaderList;

/// The head of a request that has come.
#[derive(Debug)]
pub(crate) struct RequestParts {
    pub(crate) method: Method,
    /// As received.
    pub(crate) uri: Uri,
    pub(crate) version: Version,
    pub(crate) headers: HeaderList,
}

/// The head of an answer.
#[derive(Debug)]
pub(crate) struct ResponseParts {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderList,
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Response<B> {
    pub(crate) head: ResponseParts,
    pub(crate) body: B,
}

impl<B> From<http::Response<B>> for Response<B> {
    fn from(response: http::Response<B>) -> Self {
        let (parts, body) = response.into_parts();
        Self { head: ResponseParts { status: parts.status, headers: parts.headers.into() }, body }
    }
}
