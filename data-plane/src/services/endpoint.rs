//! Settings that say where services are.

use penstock_model::endpoint::Endpoint;

/// Reads `SERVICE=URL`.
pub(crate) fn service_endpoint(text: &str) -> Result<(String, Endpoint), String> {
    let (service, url) = text.split_once('=').ok_or("expected SERVICE=URL, for example s3=http://127.0.0.1:9000")?;
    let is_service = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if service.is_empty() || !service.bytes().all(is_service) {
        return Err(format!("{service:?} is not the name of a service: expected for example s3 or sqs"));
    }
    Ok((service.to_owned(), Endpoint::parse(url)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_is_named_before_its_endpoint() {
        let (service, endpoint) = service_endpoint("s3=http://127.0.0.1:9000").expect("right");
        assert_eq!((&*service, endpoint.authority.as_str()), ("s3", "127.0.0.1:9000"));
        for bad in ["http://a", "=http://a", "S3=http://a", "s3=", "s3=a"] {
            assert!(service_endpoint(bad).is_err(), "{bad}");
        }
    }
}
