//! [`Inbound`]: what is known about a request from its head and its connection, as mappings and the log ask for it.

use http::request::Parts;
use penstock_model::mapping::{ContextField, RequestFacts};
use std::borrow::Cow;
use std::net::SocketAddr;
use time::OffsetDateTime;
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;

/// `dd/MMM/yyyy:HH:mm:ss +0000` (section b.2).
const REQUEST_TIME: &[BorrowedFormatItem<'_>] =
    format_description!("[day]/[month repr:short]/[year]:[hour]:[minute]:[second] +0000");

/// A request as it came in.
pub(crate) struct Inbound<'a> {
    pub(crate) head: &'a Parts,
    /// As routing saw it: `X-HTTP-Method-Override` has replaced the head's (section c.1).
    pub(crate) method: &'a http::Method,
    pub(crate) host: &'a str,
    /// Behind stage or base path.
    pub(crate) route_path: &'a str,
    pub(crate) request_id: uuid::Uuid,
    pub(crate) extended_request_id: &'a str,
    pub(crate) client: SocketAddr,
    /// Milliseconds since 1970.
    pub(crate) time_ms: u64,
}

impl RequestFacts for Inbound<'_> {
    fn route_path(&self) -> &str {
        self.route_path
    }

    fn query(&self) -> Option<&str> {
        self.head.uri.query()
    }

    fn headers(&self) -> &http::HeaderMap {
        &self.head.headers
    }

    fn context(&self, field: ContextField) -> Option<Cow<'_, str>> {
        Some(match field {
            ContextField::RequestId => Cow::Owned(self.request_id.to_string()),
            ContextField::ExtendedRequestId => Cow::Borrowed(self.extended_request_id),
            ContextField::RequestTime => Cow::Owned(self.request_time()?),
            ContextField::RequestTimeEpoch => Cow::Owned(self.time_ms.to_string()),
            ContextField::HttpMethod => Cow::Borrowed(self.method.as_str()),
            ContextField::Path => Cow::Borrowed(self.head.uri.path()),
            ContextField::Protocol => Cow::Borrowed(protocol(self.head.version)),
            ContextField::DomainName => Cow::Borrowed(domain_name(self.host)),
            ContextField::DomainPrefix => Cow::Borrowed(self.host.split(['.', ':']).next()?),
            ContextField::SourceIp => Cow::Owned(self.client.ip().to_string()),
            ContextField::UserAgent => {
                String::from_utf8_lossy(self.head.headers.get(http::header::USER_AGENT)?.as_bytes())
            }
        })
    }
}

impl Inbound<'_> {
    fn request_time(&self) -> Option<String> {
        let seconds = i64::try_from(self.time_ms / 1000).ok()?;
        OffsetDateTime::from_unix_timestamp(seconds).ok()?.format(REQUEST_TIME).ok()
    }
}

fn domain_name(host: &str) -> &str {
    match host.rfind(':') {
        Some(at) if !host.ends_with(']') => &host[..at],
        _ => host,
    }
}

/// The protocol as logs and mappings name it.
pub(crate) fn protocol(version: http::Version) -> &'static str {
    match version {
        http::Version::HTTP_10 => "HTTP/1.0",
        http::Version::HTTP_2 => "HTTP/2.0",
        _ => "HTTP/1.1",
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
        let inbound = Inbound {
            head: &head,
            method: &head.method,
            host: "abc.execute-api.test:8080",
            route_path: "/images",
            request_id: uuid::Uuid::nil(),
            extended_request_id: "ext=",
            client: ([192, 0, 2, 7], 4000).into(),
            time_ms: 1_700_000_000_123,
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
            (ContextField::RequestId, "00000000-0000-0000-0000-000000000000"),
        ];
        for (field, expected) in table {
            assert_eq!(inbound.context(field).as_deref(), Some(expected), "{field:?}");
        }
    }
}
