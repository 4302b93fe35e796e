//! Signature Version 4 on a request that is about to leave.

use super::credentials::Keys;
use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SigningError, SigningSettings,
    UriPathNormalizationMode, sign,
};
use aws_sigv4::sign::v4;
use http::Method;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE, HOST, HeaderName, HeaderValue, InvalidHeaderValue};
use http::uri::PathAndQuery;
use penstock_model::header_list::HeaderList;
use std::time::SystemTime;

const SERVICE_S3: &str = "s3";
const CONTENT_MD5: HeaderName = HeaderName::from_static("content-md5");

/// What a signature is valid for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scope<'a> {
    pub(crate) service: &'a str,
    pub(crate) region: &'a str,
}

/// What a signature says about the body.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Payload<'a> {
    /// These bytes and no others.
    Whole(&'a [u8]),
    /// Nothing, so that the body can stream. S3 takes that.
    Unsigned,
}

/// Why a request cannot be signed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SignError {
    #[error("a header of the request is not text")]
    Text,
    #[error("computing the signature")]
    Signature(#[source] SigningError),
    #[error("writing the signature")]
    Header(#[source] InvalidHeaderValue),
}

/// Adds the headers of a signature: over method, target, the headers that say what is asked for, and the body.
///
/// # Errors
/// The request has something that a signature cannot cover.
pub(crate) fn add_signature(
    method: &Method,
    target: &PathAndQuery,
    headers: &mut HeaderList,
    keys: &Keys,
    scope: Scope<'_>,
    payload: Payload<'_>,
    now: SystemTime,
) -> Result<(), SignError> {
    let identity = keys.clone().into();
    let params = v4::SigningParams::builder()
        .identity(&identity)
        .region(scope.region)
        .name(scope.service)
        .time(now)
        .settings(settings(scope.service))
        .build()
        .expect("every parameter was set");
    let body = match payload {
        Payload::Whole(bytes) => SignableBody::Precomputed(hex_sha256(bytes)),
        Payload::Unsigned => SignableBody::UnsignedPayload,
    };
    let mut covered = Vec::with_capacity(headers.len());
    for (name, value) in headers.iter().filter(|(name, _)| is_covered(name)) {
        covered.push((name.as_str(), value.to_str().map_err(|_| SignError::Text)?));
    }
    let request = SignableRequest::new(method.as_str(), target.to_string(), covered.into_iter(), body);
    let request = request.map_err(SignError::Signature)?;
    let (instructions, _) = sign(request, &params.into()).map_err(SignError::Signature)?.into_parts();
    let (made, _) = instructions.into_parts();
    for header in made {
        let mut value = HeaderValue::from_str(header.value()).map_err(SignError::Header)?;
        // Whoever prints a request must not print what it is allowed.
        value.set_sensitive(true);
        headers.insert(HeaderName::from_static(header.name()), value);
    }
    Ok(())
}

/// S3 reads paths as they are, and wants to see what the signature says about the body.
fn settings(service: &str) -> SigningSettings {
    let mut settings = SigningSettings::default();
    if service == SERVICE_S3 {
        settings.percent_encoding_mode = PercentEncodingMode::Single;
        settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
        settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
    }
    settings
}

/// Whether a header says what is asked for. The others belong to the connection, to whoever stands between, or to nobody,
/// and may change on the way.
fn is_covered(name: &HeaderName) -> bool {
    [HOST, CONTENT_TYPE, CONTENT_ENCODING, CONTENT_MD5].contains(name) || name.as_str().starts_with("x-amz-")
}

/// By the library that the TLS library brings: it uses what the processor has, and an event may have megabytes.
fn hex_sha256(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes);
    let mut text = String::with_capacity(64);
    for byte in digest.as_ref() {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    /// The example of the service's own documentation ("GET Object" of "Signature calculations").
    #[test]
    fn the_documented_example_of_s3_is_reproduced() {
        let keys =
            Keys::new("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", None, None, "documented");
        let mut headers = HeaderList::new();
        headers.insert(HOST, HeaderValue::from_static("examplebucket.s3.amazonaws.com"));
        let target = PathAndQuery::from_static("/?lifecycle");
        let scope = Scope { service: "s3", region: "us-east-1" };
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_369_353_600);
        add_signature(&Method::GET, &target, &mut headers, &keys, scope, Payload::Whole(b""), now).expect("signs");
        let value = headers.get("authorization").expect("is there").to_str().expect("text");
        assert!(value.ends_with("fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"), "{value}");
        assert!(headers.get("authorization").expect("is there").is_sensitive());
    }

    #[test]
    fn what_may_change_on_the_way_is_not_covered() {
        let keys = Keys::new("id", "secret", Some("token".to_owned()), None, "test");
        let mut headers = HeaderList::new();
        for (name, value) in [
            ("host", "a.test"),
            ("content-type", "application/json"),
            ("user-agent", "u"),
            ("x-amzn-trace-id", "Root=1"),
            ("x-amz-invocation-type", "Event"),
            ("accept", "*/*"),
        ] {
            headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        let scope = Scope { service: "lambda", region: "eu-west-1" };
        let target = PathAndQuery::from_static("/x");
        let now = SystemTime::UNIX_EPOCH;
        add_signature(&Method::POST, &target, &mut headers, &keys, scope, Payload::Whole(b"{}"), now).expect("signs");
        let value = headers.get("authorization").expect("is there").to_str().expect("text");
        let names = "SignedHeaders=content-type;host;x-amz-date;x-amz-invocation-type;x-amz-security-token,";
        assert!(value.contains(names), "{value}");
        assert_eq!(headers.get("x-amz-security-token").expect("is there"), "token");
        assert!(!headers.contains("x-amz-content-sha256"), "only S3 wants it");
    }
}
