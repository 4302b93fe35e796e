//! [`Inbound`]: what is known about a request from its head and its connection, as mappings and the log ask for it.

use super::X_FORWARDED_FOR;
use crate::header_list::HeaderList;
use crate::mapping::{ContextField, RequestFacts};
use crate::table::RouteResource;
use std::borrow::Cow;
use std::net::{IpAddr, SocketAddr};
use time::OffsetDateTime;
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;

/// `dd/MMM/yyyy:HH:mm:ss +0000` (section b.2).
const REQUEST_TIME: &[BorrowedFormatItem<'_>] =
    format_description!("[day]/[month repr:short]/[year]:[hour]:[minute]:[second] +0000");

/// A request as it came in.
#[derive(Clone, Copy)]
pub struct Inbound<'a> {
    /// As received.
    pub uri: &'a http::Uri,
    /// As received.
    pub version: http::Version,
    /// As received.
    pub headers: &'a HeaderList,
    /// As routing saw it: `X-HTTP-Method-Override` has replaced the head's (section c.1).
    pub method: &'a http::Method,
    /// That the request names, with a port if it names one.
    pub host: &'a str,
    /// What the base path mapping matched, for example `/v1`; empty at the root and for execute-api hosts.
    pub base_path: &'a str,
    /// Behind stage or base path, with exactly one leading slash.
    pub route_path: &'a str,
    /// `None` before the request met one.
    pub resource: Option<&'a RouteResource>,
    /// `x-amzn-RequestId`.
    pub request_id: &'a str,
    /// `x-amz-apigw-id`.
    pub extended_request_id: &'a str,
    /// Who connected to us.
    pub client: SocketAddr,
    /// Milliseconds since 1970.
    pub time_ms: u64,
    /// The body as text, behind the content conversion; `None` when it was not collected.
    pub body: Option<&'a str>,
}

/// Longest text of an address, in bytes: eight groups of an IPv6 address with a scope.
const ADDRESS_BYTES_MAX: usize = 48;

impl RequestFacts for Inbound<'_> {
    fn body(&self) -> Option<&str> {
        self.body
    }

    fn route_path(&self) -> &str {
        self.route_path
    }

    fn query(&self) -> Option<&str> {
        self.uri.query()
    }

    fn headers(&self) -> &HeaderList {
        self.headers
    }

    fn context(&self, field: ContextField) -> Option<Cow<'_, str>> {
        Some(match field {
            ContextField::RequestId => Cow::Borrowed(self.request_id),
            ContextField::ExtendedRequestId => Cow::Borrowed(self.extended_request_id),
            ContextField::RequestTime => Cow::Owned(self.request_time()?),
            ContextField::RequestTimeEpoch => Cow::Owned(self.time_ms.to_string()),
            ContextField::HttpMethod => Cow::Borrowed(self.method.as_str()),
            ContextField::Path => Cow::Borrowed(self.uri.path()),
            ContextField::Protocol => Cow::Borrowed(protocol(self.version)),
            ContextField::DomainName => Cow::Borrowed(self.domain_name()),
            ContextField::DomainPrefix => Cow::Borrowed(self.domain_prefix()),
            ContextField::SourceIp => Cow::Owned(self.client.ip().to_string()),
            ContextField::UserAgent => String::from_utf8_lossy(self.headers.get(http::header::USER_AGENT)?.as_bytes()),
            ContextField::ResourceId => Cow::Borrowed(self.resource?.id.as_str()),
            ContextField::ResourcePath => Cow::Borrowed(&self.resource?.path),
            // A request that runs has no error yet.
            ContextField::Error(_) => return None,
        })
    }
}

impl Inbound<'_> {
    /// `requestTime`: when the request came, in words.
    pub(crate) fn request_time(&self) -> Option<String> {
        let seconds = i64::try_from(self.time_ms / 1000).ok()?;
        OffsetDateTime::from_unix_timestamp(seconds).ok()?.format(REQUEST_TIME).ok()
    }

    /// `domainName`: the host without its port.
    pub(crate) fn domain_name(&self) -> &str {
        match self.host.rfind(':') {
            Some(at) if !self.host.ends_with(']') => &self.host[..at],
            _ => self.host,
        }
    }

    /// `domainPrefix`: the host's first label.
    pub(crate) fn domain_prefix(&self) -> &str {
        self.host.split(['.', ':']).next().unwrap_or_default()
    }

    /// `X-Forwarded-For` towards who is called: what the client says about itself, and then its address.
    pub(crate) fn forwarded_for(&self) -> Vec<u8> {
        let mut chain = Vec::with_capacity(ADDRESS_BYTES_MAX);
        for value in self.headers.get_all(X_FORWARDED_FOR) {
            chain.extend_from_slice(value.as_bytes());
            chain.extend_from_slice(b", ");
        }
        push_address(&mut chain, self.client.ip().to_canonical());
        chain
    }
}

/// The protocol as logs and mappings name it.
pub fn protocol(version: http::Version) -> &'static str {
    match version {
        http::Version::HTTP_10 => "HTTP/1.0",
        http::Version::HTTP_2 => "HTTP/2.0",
        _ => "HTTP/1.1",
    }
}

/// Writes an address. Those of version 4 by hand: every request that is forwarded has one.
fn push_address(out: &mut Vec<u8>, address: IpAddr) {
    let IpAddr::V4(address) = address else { return out.extend_from_slice(address.to_string().as_bytes()) };
    for (at, octet) in address.octets().into_iter().enumerate() {
        if at > 0 {
            out.push(b'.');
        }
        if octet >= 100 {
            out.push(b'0' + octet / 100);
        }
        if octet >= 10 {
            out.push(b'0' + octet / 10 % 10);
        }
        out.push(b'0' + octet % 10);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_context_answers_as_the_specification_spells_it() {
        let (head, ()) = http::Request::builder()
            .uri("/prod/images?a=b")
            .header("user-agent", "curl/8")
            .body(())
            .expect("a request")
            .into_parts();
        let headers = HeaderList::from(head.headers);
        let inbound = Inbound {
            uri: &head.uri,
            version: head.version,
            headers: &headers,
            method: &head.method,
            host: "abc.execute-api.test:8080",
            base_path: "",
            route_path: "/images",
            resource: Some(&RouteResource { id: "r1".into(), path: "/images".into() }),
            request_id: "00000000-0000-0000-0000-000000000000",
            extended_request_id: "ext=",
            client: ([192, 0, 2, 7], 4000).into(),
            time_ms: 1_700_000_000_123,
            body: None,
        };
        let table = [
            (ContextField::RequestTime, "14/Nov/2023:22:13:20 +0000"),
            (ContextField::RequestTimeEpoch, "1700000000123"),
            (ContextField::HttpMethod, "GET"),
            (ContextField::Path, "/prod/images"),
            (ContextField::Protocol, "HTTP/1.1"),
            (ContextField::DomainName, "abc.execute-api.test"),
            (ContextField::DomainPrefix, "abc"),
            (ContextField::SourceIp, "192.0.2.7"),
            (ContextField::UserAgent, "curl/8"),
            (ContextField::ExtendedRequestId, "ext="),
            (ContextField::ResourceId, "r1"),
            (ContextField::ResourcePath, "/images"),
            (ContextField::RequestId, "00000000-0000-0000-0000-000000000000"),
        ];
        for (field, expected) in table {
            assert_eq!(inbound.context(field).as_deref(), Some(expected), "{field:?}");
        }
    }

    #[test]
    fn an_address_is_written_as_the_standard_library_does() {
        for address in ["0.0.0.0", "9.10.99.100", "255.255.255.255", "192.0.2.7", "2001:db8::1"] {
            let mut written = Vec::new();
            push_address(&mut written, address.parse().expect("an address"));
            assert_eq!(String::from_utf8_lossy(&written), address);
        }
    }
}
