//! [`UpstreamRequest`]: a request that is ready for an upstream, and the forms in which hyper wants it.

use crate::error::ProxyError;
use crate::outgoing::OutgoingBody;
use http::header::{CONNECTION, HOST, HeaderName, TE, TRANSFER_ENCODING, UPGRADE};
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{Method, Request, Uri};
use penstock_model::header_list::HeaderList;

/// What may not be said over HTTP/2 (RFC 9113 section 8.2.2).
const OF_CONNECTIONS: [HeaderName; 5] = [
    CONNECTION,
    TRANSFER_ENCODING,
    UPGRADE,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
];

/// A request to an upstream.
pub(crate) struct UpstreamRequest {
    pub(crate) method: Method,
    /// Path and query.
    pub(crate) target: PathAndQuery,
    /// With `Host`.
    pub(crate) headers: HeaderList,
    pub(crate) body: OutgoingBody,
}

impl UpstreamRequest {
    /// The same once more; `None`: its body comes only once.
    pub(super) fn repeated(&self) -> Option<Box<Self>> {
        Some(Box::new(Self {
            body: self.body.repeated()?,
            method: self.method.clone(),
            target: self.target.clone(),
            headers: self.headers.clone(),
        }))
    }

    /// For HTTP/1.1.
    pub(super) fn into_http1(self) -> Request<OutgoingBody> {
        let Self { method, target, headers, body } = self;
        let mut request = Request::new(body);
        *request.method_mut() = method;
        *request.uri_mut() = Uri::from(target);
        *request.headers_mut() = headers.into();
        request
    }

    /// For HTTP/2: the host in the target, and nothing that belongs to a connection (RFC 9113 sections 8.2.2 and 8.3.1).
    ///
    /// # Errors
    /// The host is none.
    pub(super) fn into_http2(self) -> Result<Request<OutgoingBody>, ProxyError> {
        let mut request = self.into_http1();
        let headers = request.headers_mut();
        for name in OF_CONNECTIONS {
            headers.remove(name);
        }
        if headers.get(TE).is_some_and(|value| value != "trailers") {
            headers.remove(TE);
        }
        let Some(host) = headers.remove(HOST) else { return Ok(request) };
        let mut parts = std::mem::take(request.uri_mut()).into_parts();
        parts.scheme = Some(Scheme::HTTPS);
        parts.authority = Some(Authority::try_from(host.as_bytes()).map_err(|_| ProxyError::Unsendable)?);
        *request.uri_mut() = Uri::from_parts(parts).map_err(|_| ProxyError::Unsendable)?;
        Ok(request)
    }

    /// What hyper gave back unsent. `None`: it was none of ours.
    pub(super) fn given_back(request: Request<OutgoingBody>) -> Option<Box<Self>> {
        let (parts, body) = request.into_parts();
        let target = parts.uri.into_parts().path_and_query?;
        Some(Box::new(Self { method: parts.method, target, headers: parts.headers.into(), body }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use http::HeaderValue;

    fn request() -> UpstreamRequest {
        let mut headers = HeaderList::new();
        for (name, value) in [(HOST, "up.test:81"), (CONNECTION, "te"), (HOST, "other.test")] {
            headers.insert(name, HeaderValue::from_static(value));
        }
        let target = PathAndQuery::from_static("/a?b");
        UpstreamRequest { method: Method::PUT, target, headers, body: OutgoingBody::rendered(Bytes::new()) }
    }

    #[test]
    fn over_http2_the_host_is_in_the_target_and_nothing_is_said_of_connections() {
        let mut request = request();
        for (name, value) in [(UPGRADE, "h2c"), (TE, "gzip"), (HeaderName::from_static("keep-alive"), "5")] {
            request.headers.insert(name, HeaderValue::from_static(value));
        }
        let sent = request.into_http2().expect("can be sent");
        assert_eq!(sent.uri(), "https://other.test/a?b");
        assert!(sent.headers().is_empty(), "{:?}", sent.headers());
    }

    #[test]
    fn a_host_that_is_none_goes_to_nobody_over_http2() {
        let mut odd = request();
        odd.headers.insert(HOST, HeaderValue::from_static("a b"));
        assert!(odd.into_http2().is_err());
    }

    #[test]
    fn over_http1_it_goes_as_it_is() {
        let sent = request().into_http1();
        assert_eq!((sent.uri().to_string().as_str(), sent.headers().len()), ("/a?b", 2));
        let back = UpstreamRequest::given_back(sent).expect("is the same");
        assert_eq!((back.method, back.target.as_str(), back.headers), (Method::PUT, "/a?b", request().headers));
        let again = request().repeated().expect("its body is at hand");
        assert_eq!(again.headers, request().headers);
    }
}
