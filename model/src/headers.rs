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
    Remap(&'static HeaderName),
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

/// Whether a client header is dropped on entry: no method request has it, so no mapping finds it (section c.1).
pub fn ends_on_entry(name: &HeaderName) -> bool {
    matches!(
        name.as_str(),
        "connection"
            | "content-length"
            | "content-md5"
            | "expect"
            | "max-forwards"
            | "proxy-authenticate"
            | "server"
            | "te"
            | "trailer"
            | "transfer-encoding"
            | "upgrade"
            | "www-authenticate"
    )
}

/// A client header on its way to an `HTTP_PROXY` upstream (sections c.1 and c.2).
///
/// `Host`, `Content-Length` and `X-Forwarded-*` are made anew, so the client's end here. `Content-Encoding` passes in
/// the transparent fidelity: the body's bytes pass untouched, and without their encoding named the upstream could not
/// read them. `untouched` says whether they do: what the gateway converted is not what the client's coding describes.
pub fn request_to_http_proxy(name: &HeaderName, fidelity: Fidelity, untouched: bool) -> HeaderRule {
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
        "content-encoding" if fidelity == Fidelity::Aws || !untouched => HeaderRule::Drop,
        "content-digest" | "repr-digest" if !untouched => HeaderRule::Drop,
        _ => HeaderRule::Pass,
    }
}

/// Whether a client header is shown in the event of an `AWS_PROXY` function as the client sent it (sections c.1, c.2).
///
/// Not shown are those that end on entry or belong to one connection, what a proxy is told about who uses it, and
/// those that the gateway writes anew: who forwards, and the trace.
pub fn request_to_function(name: &HeaderName) -> bool {
    !ends_on_entry(name)
        && !is_hop_by_hop(name.as_str())
        && !matches!(
            name.as_str(),
            "proxy-authorization" | "x-amzn-trace-id" | "x-forwarded-for" | "x-forwarded-port" | "x-forwarded-proto"
        )
}

/// A client header on its way to the upstream of a custom integration, when there is a body (section c.2).
///
/// `untouched` says whether the body is the client's, byte for byte. Then its coding is named in the transparent
/// fidelity, as for `HTTP_PROXY`.
pub fn request_to_http(name: &HeaderName, fidelity: Fidelity, untouched: bool) -> HeaderRule {
    match name.as_str() {
        "content-type" => HeaderRule::Pass,
        "content-encoding" if untouched && fidelity == Fidelity::Transparent => HeaderRule::Pass,
        _ => HeaderRule::Drop,
    }
}

/// A header that the response parameters of a custom integration set, on its way to the client (section c.4).
///
/// Any name that is not listed is the operator's own and passes. `Keep-Alive` and `Proxy-Connection`, which the
/// recordings do not show, belong to one connection and are dropped.
///
/// Three that pass deserve a thought. `TE` in a response means nothing to HTTP/1.1 clients; over HTTP/2, where it is
/// forbidden, hyper leaves it out. `Via` is a plain header here: this gateway adds none of its own. `Content-Encoding`
/// is a statement about the body, so who compresses must look for it first.
pub fn mapped_to_client(name: &HeaderName) -> HeaderRule {
    HeaderRule::Remap(match name.as_str() {
        "transfer-encoding" | "keep-alive" | "proxy-connection" => return HeaderRule::Drop,
        "authorization" => &remapped::AUTHORIZATION,
        "connection" => &remapped::CONNECTION,
        "content-length" => &remapped::CONTENT_LENGTH,
        "content-md5" => &remapped::CONTENT_MD5,
        "date" => &remapped::DATE,
        "expect" => &remapped::EXPECT,
        "host" => &remapped::HOST,
        "max-forwards" => &remapped::MAX_FORWARDS,
        "proxy-authenticate" => &remapped::PROXY_AUTHENTICATE,
        "server" => &remapped::SERVER,
        "trailer" => &remapped::TRAILER,
        "upgrade" => &remapped::UPGRADE,
        "user-agent" => &remapped::USER_AGENT,
        "www-authenticate" => &remapped::WWW_AUTHENTICATE,
        _ => return HeaderRule::Pass,
    })
}

/// An upstream's header on its way to the client of an `HTTP_PROXY` method (sections c.4 and c.6). `untouched` says
/// whether the body's bytes are the upstream's: digests of others would be wrong.
pub fn response_from_http_proxy(name: &HeaderName, untouched: bool) -> HeaderRule {
    match name.as_str() {
        "authorization" => HeaderRule::Remap(&remapped::AUTHORIZATION),
        "connection" => HeaderRule::Remap(&remapped::CONNECTION),
        "content-length" => HeaderRule::Remap(&remapped::CONTENT_LENGTH),
        "content-md5" => HeaderRule::Remap(&remapped::CONTENT_MD5),
        "date" => HeaderRule::Remap(&remapped::DATE),
        "max-forwards" => HeaderRule::Remap(&remapped::MAX_FORWARDS),
        "server" => HeaderRule::Remap(&remapped::SERVER),
        "user-agent" => HeaderRule::Remap(&remapped::USER_AGENT),
        "www-authenticate" => HeaderRule::Remap(&remapped::WWW_AUTHENTICATE),
        "x-amzn-requestid" => HeaderRule::Remap(&remapped::X_AMZN_REQUESTID),
        "expect" | "host" | "proxy-authenticate" | "via" => HeaderRule::Drop,
        "content-digest" | "repr-digest" if !untouched => HeaderRule::Drop,
        other if is_hop_by_hop(other) => HeaderRule::Drop,
        _ => HeaderRule::Pass,
    }
}

/// A header that `requestParameters` of an `HTTP` or `HTTP_PROXY` integration set (section c.3).
pub fn mapped_to_http(name: &HeaderName) -> MappedHeaderRule {
    if *name == header::CONTENT_LENGTH || *name == header::TRANSFER_ENCODING {
        return MappedHeaderRule::Fail;
    }
    match name.as_str() {
        "connection" | "expect" | "proxy-authenticate" | "te" | "via" => MappedHeaderRule::Drop,
        _ => MappedHeaderRule::Set,
    }
}

/// The same of an `AWS` or `AWS_PROXY` integration (section c.3): more of them make the call fail, for `AWS_PROXY` even
/// though its mappings have no other effect (section b.2).
pub fn mapped_to_aws(name: &HeaderName) -> MappedHeaderRule {
    match name.as_str() {
        "authorization" | "connection" | "expect" | "proxy-authenticate" | "te" => MappedHeaderRule::Fail,
        _ => mapped_to_http(name),
    }
}

/// The names under which headers go on whose own names say something about the gateway's message.
mod remapped {
    use http::HeaderName;

    pub(super) static AUTHORIZATION: HeaderName = HeaderName::from_static("x-amzn-remapped-authorization");
    pub(super) static CONNECTION: HeaderName = HeaderName::from_static("x-amzn-remapped-connection");
    pub(super) static CONTENT_LENGTH: HeaderName = HeaderName::from_static("x-amzn-remapped-content-length");
    pub(super) static CONTENT_MD5: HeaderName = HeaderName::from_static("x-amzn-remapped-content-md5");
    pub(super) static DATE: HeaderName = HeaderName::from_static("x-amzn-remapped-date");
    pub(super) static EXPECT: HeaderName = HeaderName::from_static("x-amzn-remapped-expect");
    pub(super) static HOST: HeaderName = HeaderName::from_static("x-amzn-remapped-host");
    pub(super) static MAX_FORWARDS: HeaderName = HeaderName::from_static("x-amzn-remapped-max-forwards");
    pub(super) static PROXY_AUTHENTICATE: HeaderName = HeaderName::from_static("x-amzn-remapped-proxy-authenticate");
    pub(super) static SERVER: HeaderName = HeaderName::from_static("x-amzn-remapped-server");
    pub(super) static TRAILER: HeaderName = HeaderName::from_static("x-amzn-remapped-trailer");
    pub(super) static UPGRADE: HeaderName = HeaderName::from_static("x-amzn-remapped-upgrade");
    pub(super) static USER_AGENT: HeaderName = HeaderName::from_static("x-amzn-remapped-user-agent");
    pub(super) static WWW_AUTHENTICATE: HeaderName = HeaderName::from_static("x-amzn-remapped-www-authenticate");
    pub(super) static X_AMZN_REQUESTID: HeaderName = HeaderName::from_static("x-amzn-remapped-x-amzn-requestid");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> HeaderName {
        HeaderName::from_bytes(text.as_bytes()).expect("a header name")
    }

    #[test]
    fn what_ends_on_entry_follows_section_c1() {
        for text in [
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
        ] {
            assert!(ends_on_entry(&name(text)), "{text}");
        }
        for text in [
            "Host",
            "Via",
            "User-Agent",
            "Content-Encoding",
            "Date",
            "Range",
            "Referer",
            "Warn",
            "Content-Type",
            "X-Own",
        ] {
            assert!(!ends_on_entry(&name(text)), "{text}");
        }
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
                assert_eq!(request_to_http_proxy(&name(text), fidelity, true), HeaderRule::Pass, "{text}");
            }
            for text in drop {
                assert_eq!(request_to_http_proxy(&name(text), fidelity, true), HeaderRule::Drop, "{text}");
            }
        }
    }

    #[test]
    fn response_headers_follow_sections_c4_and_c6() {
        for text in
            ["Connection", "Content-Length", "Date", "Server", "Authorization", "WWW-Authenticate", "User-Agent"]
        {
            let expected = format!("x-amzn-remapped-{}", text.to_lowercase());
            match response_from_http_proxy(&name(text), true) {
                HeaderRule::Remap(to) => assert_eq!(to.as_str(), expected),
                other => panic!("{text}: {other:?}"),
            }
        }
        for text in ["Transfer-Encoding", "Via", "TE", "Trailer", "Upgrade", "Host", "Expect", "Keep-Alive"] {
            assert_eq!(response_from_http_proxy(&name(text), true), HeaderRule::Drop, "{text}");
        }
        for text in ["Content-Type", "Content-Encoding", "Set-Cookie", "ETag", "X-Amzn-Trace-Id", "Accept-Ranges"] {
            assert_eq!(response_from_http_proxy(&name(text), true), HeaderRule::Pass, "{text}");
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
        use MappedHeaderRule::{Drop, Fail, Set};
        for (text, http, aws) in [
            ("Content-Length", Fail, Fail),
            ("Transfer-Encoding", Fail, Fail),
            ("Authorization", Set, Fail),
            ("Connection", Drop, Fail),
            ("Expect", Drop, Fail),
            ("Proxy-Authenticate", Drop, Fail),
            ("TE", Drop, Fail),
            ("Via", Drop, Drop),
        ] {
            assert_eq!((mapped_to_http(&name(text)), mapped_to_aws(&name(text))), (http, aws), "{text}");
        }
        for text in [
            "Accept",
            "Accept-Charset",
            "Accept-Encoding",
            "Age",
            "Content-Encoding",
            "Content-MD5",
            "Content-Type",
            "Date",
            "Host",
            "Max-Forwards",
            "Pragma",
            "Range",
            "Referer",
            "Server",
            "Trailer",
            "Upgrade",
            "User-Agent",
            "Warn",
            "WWW-Authenticate",
            "X-Own",
        ] {
            assert_eq!((mapped_to_http(&name(text)), mapped_to_aws(&name(text))), (Set, Set), "{text}");
        }
    }

    #[test]
    fn a_custom_upstream_gets_what_describes_the_body_and_nothing_else() {
        use Fidelity::{Aws, Transparent};
        for (text, fidelity, untouched, rule) in [
            ("Content-Type", Transparent, true, HeaderRule::Pass),
            ("Content-Type", Transparent, false, HeaderRule::Pass),
            ("Content-Type", Aws, true, HeaderRule::Pass),
            ("Content-Type", Aws, false, HeaderRule::Pass),
            ("Content-Encoding", Transparent, true, HeaderRule::Pass),
            ("Content-Encoding", Transparent, false, HeaderRule::Drop),
            ("Content-Encoding", Aws, true, HeaderRule::Drop),
            ("Content-Encoding", Aws, false, HeaderRule::Drop),
        ] {
            assert_eq!(request_to_http(&name(text), fidelity, untouched), rule, "{text} {fidelity:?} {untouched}");
        }
        for text in ["Accept", "Authorization", "Content-Language", "Cookie", "Host", "User-Agent", "Via", "X-Own"] {
            for fidelity in [Transparent, Aws] {
                assert_eq!(request_to_http(&name(text), fidelity, true), HeaderRule::Drop, "{text}");
            }
        }
    }

    #[test]
    fn headers_that_response_parameters_set_follow_section_c4() {
        for text in [
            "Accept",
            "Accept-Charset",
            "Accept-Encoding",
            "Age",
            "Content-Encoding",
            "Content-Type",
            "Pragma",
            "Range",
            "Referer",
            "TE",
            "Via",
            "Warn",
            "Set-Cookie",
            "X-Own",
        ] {
            assert_eq!(mapped_to_client(&name(text)), HeaderRule::Pass, "{text}");
        }
        for text in [
            "Authorization",
            "Connection",
            "Content-Length",
            "Content-MD5",
            "Date",
            "Expect",
            "Host",
            "Max-Forwards",
            "Proxy-Authenticate",
            "Server",
            "Trailer",
            "Upgrade",
            "User-Agent",
            "WWW-Authenticate",
        ] {
            match mapped_to_client(&name(text)) {
                HeaderRule::Remap(to) => assert_eq!(to.as_str(), format!("x-amzn-remapped-{}", text.to_lowercase())),
                other => panic!("{text}: {other:?}"),
            }
        }
        for text in ["Transfer-Encoding", "Keep-Alive", "Proxy-Connection"] {
            assert_eq!(mapped_to_client(&name(text)), HeaderRule::Drop, "{text}");
        }
    }

    #[test]
    fn a_coding_is_named_only_for_the_bytes_that_it_describes() {
        let coding = name("Content-Encoding");
        for (fidelity, untouched, rule) in [
            (Fidelity::Transparent, true, HeaderRule::Pass),
            (Fidelity::Transparent, false, HeaderRule::Drop),
            (Fidelity::Aws, true, HeaderRule::Drop),
            (Fidelity::Aws, false, HeaderRule::Drop),
        ] {
            assert_eq!(request_to_http_proxy(&coding, fidelity, untouched), rule, "{fidelity:?} {untouched}");
        }
    }
}
