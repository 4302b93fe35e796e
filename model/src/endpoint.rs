//! [`Endpoint`]: where a function or another service is called instead of its region's own address.

use crate::uri_template::Scheme;
use http::uri::{Authority, PathAndQuery, Scheme as UriScheme, Uri};

/// An address that calls go to: `http` or `https`, a host, and perhaps a path in front of theirs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// Clear text or TLS.
    pub scheme: Scheme,
    /// Host and optional port.
    pub authority: Authority,
    /// Without a slash at its end; empty for most.
    pub prefix: String,
}

impl Endpoint {
    /// Reads `http(s)://host[:port][/path]`.
    ///
    /// # Errors
    /// A sentence that says what is wrong.
    pub fn parse(text: &str) -> Result<Self, String> {
        let uri: Uri = text.parse().map_err(|error| format!("not a URL: {error}"))?;
        let scheme = match uri.scheme() {
            Some(scheme) if *scheme == UriScheme::HTTP => Scheme::Http,
            Some(scheme) if *scheme == UriScheme::HTTPS => Scheme::Https,
            _ => return Err("must begin with http:// or https://".to_owned()),
        };
        let authority = uri.authority().filter(|authority| !authority.host().is_empty());
        let authority = authority.ok_or("must name a host")?.clone();
        if authority.as_str().contains('@') {
            return Err("must not hold a user name".to_owned());
        }
        if uri.query().is_some() {
            return Err("must not have a query".to_owned());
        }
        if uri.path().split('/').any(|segment| matches!(segment, "." | "..")) {
            return Err("must not have the path segments . and ..".to_owned());
        }
        let prefix = uri.path_and_query().map_or("", PathAndQuery::path).trim_end_matches('/').to_owned();
        Ok(Self { scheme, authority, prefix })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_a_scheme_a_host_and_perhaps_a_path() {
        for (text, scheme, authority, prefix) in [
            ("http://127.0.0.1:9001", Scheme::Http, "127.0.0.1:9001", ""),
            ("https://lambda.test/", Scheme::Https, "lambda.test", ""),
            ("http://[::1]:1/a/b/", Scheme::Http, "[::1]:1", "/a/b"),
        ] {
            let endpoint = Endpoint::parse(text).expect(text);
            assert_eq!((endpoint.scheme, endpoint.authority.as_str(), &*endpoint.prefix), (scheme, authority, prefix));
        }
        for bad in [
            "",
            "127.0.0.1:9001",
            "ftp://a",
            "http://",
            "http://u@a",
            "http://a?b=c",
            "http://a/../b",
            "http://a/.",
            "http://a b",
            "/a",
        ] {
            assert!(Endpoint::parse(bad).is_err(), "{bad}");
        }
    }
}
