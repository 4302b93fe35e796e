//! What happens to headers (section c). Pure decisions by name; the proxy moves the values.

use crate::rest_api::Fidelity;
use http::HeaderName;
use http::header;

/// What a header of one side means for the other side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeaderRule {
    /// Goes on as it is.
    Pass,
    /// Ends here.
    Drop,
    /// Goes on as `x-amzn-Remapped-{Name}`.
    Remap(&'static str),
}

/// What happens to a header set by `requestParameters` (section c.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MappedHeaderRule {
    /// Arrives as mapped, in place of one that the client sent.
    Set,
    /// Silently left out.
    Drop,
    /// The whole call fails with 500.
    Fail,
}

/// Headers that belong to one connection and never pass (RFC 9110 section 7.6.1).
fn is_hop_by_hop(name: &str) -> bool {
    matches!(
        name,
        "connection"
            | "keep-alive"
            | "proxy-connection"
            | "te"
            | "trailer"
            | "transfer-encoding"
            | "upgrade"
            | "http2-settings"
    )
}

/// Whether a name may stand behind a body on its way: nothing may that belongs to one connection, or decides framing or
/// routing (RFC 9110 section 6.5.1).
pub fn passes_as_trailer(name: &HeaderName) -> bool {
    !(is_hop_by_hop(name.as_str()) || *name == header::CONTENT_LENGTH || *name == header::HOST)
}

/// A client header on its way to an `HTTP_PROXY` upstream (sections c.1 and c.2).
///
/// `Host`, `Content-Length` and `X-Forwarded-*` are made anew, so the client's end here. `Content-Encoding` passes in
/// the transparent fidelity: the body's bytes pass untouched, and without their encoding named the upstream could not
/// read them.
pub fn request_to_http_proxy(name: &HeaderName, fidelity: Fidelity) -> HeaderRule {
    let name = name.as_str();
    if is_hop_by_hop(name) {
        return HeaderRule::Drop;
    }
    match name {
        "host"
        | "content-length"
        | "content-md5"
        | "expect"
        | "max-forwards"
        | "proxy-authenticate"
        | "proxy-authorization"
        | "server"
        | "via"
        | "www-authenticate"
        | "x-amzn-apigateway-api-id"
        | "x-forwarded-port"
        | "x-forwarded-proto" => HeaderRule::Drop,
        "content-encoding" if fidelity == Fidelity::Aws => HeaderRule::Drop,
        _ => HeaderRule::Pass,
    }
}

/// An upstream's header on its way to the client of an `HTTP_PROXY` method (sections c.4 and c.6).
pub fn response_from_http_proxy(name: &HeaderName) -> HeaderRule {
    match name.as_str() {
        "authorization" => HeaderRule::Remap("x-amzn-remapped-authorization"),
        "connection" => HeaderRule::Remap("x-amzn-remapped-connection"),
        "content-length" => HeaderRule::Remap("x-amzn-remapped-content-length"),
        "content-md5" => HeaderRule::Remap("x-amzn-remapped-content-md5"),
        "date" => HeaderRule::Remap("x-amzn-remapped-date"),
        "max-forwards" => HeaderRule::Remap("x-amzn-remapped-max-forwards"),
        "server" => HeaderRule::Remap("x-amzn-remapped-server"),
        "user-agent" => HeaderRule::Remap("x-amzn-remapped-user-agent"),
        "www-authenticate" => HeaderRule::Remap("x-amzn-remapped-www-authenticate"),
        "x-amzn-requestid" => HeaderRule::Remap("x-amzn-remapped-x-amzn-requestid"),
        "expect" | "host" | "proxy-authenticate" | "via" => HeaderRule::Drop,
        other if is_hop_by_hop(other) => HeaderRule::Drop,
        _ => HeaderRule::Pass,
    }
}

/// A header that `requestParameters` of an `HTTP` or `HTTP_PROXY` integration sets (section c.3).
pub fn mapped_to_http(name: &HeaderName) -> MappedHeaderRule {
    if *name == header::CONTENT_LENGTH || *name == header::TRANSFER_ENCODING {
        return MappedHeaderRule::Fail;
    }
    match name.as_str() {
        "connection" | "expect" | "proxy-authenticate" | "te" | "via" => MappedHeaderRule::Drop,
        _ => MappedHeaderRule::Set,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> HeaderName {
        HeaderName::from_bytes(text.as_bytes()).expect("a header name")
    }

    #[test]
    fn request_headers_follow_sections_c1_and_c2() {
        let pass = [
            "Accept",
            "Accept-Charset",
            "Accept-Encoding",
            "Age",
            "Authorization",
            "Content-Type",
            "Date",
            "Pragma",
            "Range",
            "Referer",
            "User-Agent",
            "Warn",
            "X-Custom",
            "X-HTTP-Method-Override",
            "Cookie",
        ];
        let drop = [
            "Connection",
            "Content-Length",
            "Content-MD5",
            "Expect",
            "Max-Forwards",
            "Proxy-Authenticate",
            "Server",
            "TE",
            "Transfer-Encoding",
            "Trailer",
            "Upgrade",
            "WWW-Authenticate",
            "Via",
            "Host",
            "Keep-Alive",
        ];
        for fidelity in [Fidelity::Transparent, Fidelity::Aws] {
            for text in pass {
                assert_eq!(request_to_http_proxy(&name(text), fidelity), HeaderRule::Pass, "{text}");
            }
            for text in drop {
                assert_eq!(request_to_http_proxy(&name(text), fidelity), HeaderRule::Drop, "{text}");
            }
        }
        assert_eq!(request_to_http_proxy(&name("Content-Encoding"), Fidelity::Aws), HeaderRule::Drop);
        assert_eq!(request_to_http_proxy(&name("Content-Encoding"), Fidelity::Transparent), HeaderRule::Pass);
    }

    #[test]
    fn response_headers_follow_sections_c4_and_c6() {
        for text in
            ["Connection", "Content-Length", "Date", "Server", "Authorization", "WWW-Authenticate", "User-Agent"]
        {
            let expected = format!("x-amzn-remapped-{}", text.to_lowercase());
            match response_from_http_proxy(&name(text)) {
                HeaderRule::Remap(to) => assert_eq!(to, expected),
                other => panic!("{text}: {other:?}"),
            }
        }
        for text in ["Transfer-Encoding", "Via", "TE", "Trailer", "Upgrade", "Host", "Expect", "Keep-Alive"] {
            assert_eq!(response_from_http_proxy(&name(text)), HeaderRule::Drop, "{text}");
        }
        for text in ["Content-Type", "Content-Encoding", "Set-Cookie", "ETag", "X-Amzn-Trace-Id", "Accept-Ranges"] {
            assert_eq!(response_from_http_proxy(&name(text)), HeaderRule::Pass, "{text}");
        }
    }

    #[test]
    fn what_decides_framing_or_routing_is_no_trailer() {
        for text in ["Content-Length", "Transfer-Encoding", "Connection", "Trailer", "TE", "Upgrade", "Host"] {
            assert!(!passes_as_trailer(&name(text)), "{text}");
        }
        assert!(passes_as_trailer(&name("X-Checksum")) && passes_as_trailer(&name("Server-Timing")));
    }

    #[test]
    fn mapped_headers_follow_section_c3() {
        for text in ["Content-Length", "Transfer-Encoding"] {
            assert_eq!(mapped_to_http(&name(text)), MappedHeaderRule::Fail);
        }
        for text in ["Connection", "Expect", "Proxy-Authenticate", "TE", "Via"] {
            assert_eq!(mapped_to_http(&name(text)), MappedHeaderRule::Drop);
        }
        for text in ["Host", "Accept", "Content-Encoding", "Server", "Trailer", "Upgrade", "X-Own"] {
            assert_eq!(mapped_to_http(&name(text)), MappedHeaderRule::Set);
        }
    }
}
