//! What a request would meet.

use super::{Answer, Management, wire};
use crate::app::{Error, ExplainRequest, Explained};
use http::header::{HeaderName, HeaderValue};
use http::{Method, StatusCode, Uri};
use penstock_model::exchange::BodyLength;
use penstock_model::header_list::HeaderList;
use tonic::{Request, Response};
use wire::explain_request::Body;
use wire::explain_service_server::ExplainService;

/// Longest URL that is taken, in bytes.
const URL_BYTES_MAX: usize = 64 * 1024;
/// Most header lines that are taken.
const HEADER_LINES_MAX: usize = 1_000;

fn asked(request: wire::ExplainRequest) -> Result<ExplainRequest, Error> {
    let method = if request.http_method.is_empty() { "GET" } else { &request.http_method };
    let method = method.parse::<Method>().map_err(|_| Error::invalid("httpMethod", "must be a method of HTTP"))?;
    let status = if request.answer_status == 0 { 200 } else { request.answer_status };
    let status = u16::try_from(status).ok().filter(|status| (200..600).contains(status));
    let status = status.and_then(|status| StatusCode::from_u16(status).ok());
    let port = u16::try_from(request.listener_port).map_err(|_| Error::invalid("listenerPort", "must be a port"))?;
    Ok(ExplainRequest {
        method,
        url: url(&request.url)?,
        headers: headers("headers", &request.headers)?,
        body: request.body.map(|body| match body {
            Body::BodyBytes(0) | Body::ChunkedBody(false) => BodyLength::Empty,
            Body::BodyBytes(bytes) => BodyLength::Exactly(bytes),
            Body::ChunkedBody(true) => BodyLength::Unknown,
        }),
        answer_status: status.ok_or_else(|| Error::invalid("answerStatus", "must be a status from 200 to 599"))?,
        answer_headers: headers("answerHeaders", &request.answer_headers)?,
        canary: request.canary,
        listener_port: (port != 0).then_some(port),
    })
}

/// A URL of ours, or a path alone. Everything that is not ASCII a client would have percent-encoded.
fn url(text: &str) -> Result<Uri, Error> {
    let wrong = |why: &str| Error::invalid("url", why);
    if text.len() > URL_BYTES_MAX {
        return Err(wrong("is too long"));
    }
    if !text.is_ascii() {
        return Err(wrong("holds a byte that must be percent-encoded"));
    }
    let text = text.split('#').next().unwrap_or_default();
    let is_ours = |uri: &Uri| match (uri.scheme_str(), uri.authority()) {
        (Some("http" | "https"), Some(authority)) => {
            !authority.as_str().contains('@') && !uri.host().unwrap_or_default().is_empty()
        }
        (None, None) => text.starts_with('/'),
        _ => false,
    };
    let uri = text.parse::<Uri>().ok().filter(is_ours);
    uri.ok_or_else(|| wrong("must be http://host/path, https://host/path or a path that begins with a slash"))
}

fn headers(field: &str, lines: &[wire::HeaderLine]) -> Result<HeaderList, Error> {
    if lines.len() > HEADER_LINES_MAX {
        return Err(Error::invalid(field, format!("must be at most {HEADER_LINES_MAX} lines")));
    }
    let mut map = HeaderList::with_capacity(lines.len());
    for (at, line) in lines.iter().enumerate() {
        let place = || format!("{field}[{at}]");
        let name = HeaderName::from_bytes(line.name.as_bytes());
        let name = name.map_err(|_| Error::invalid(place(), format!("{:?} is no header name", line.name)))?;
        let value = HeaderValue::from_str(line.value.trim());
        let value = value.map_err(|_| Error::invalid(place(), "the value holds what no header can hold"))?;
        map.append(name, value);
    }
    Ok(map)
}

impl From<Explained> for wire::Explanation {
    fn from(explained: Explained) -> Self {
        let mut told = Self::from(explained.explanation);
        if let Some(stage) = &mut told.stage {
            stage.rest_api_name = explained.rest_api_name;
        }
        Self { host: explained.host, target: explained.target, ..told }
    }
}

#[tonic::async_trait]
impl ExplainService for Management {
    async fn explain(&self, request: Request<wire::ExplainRequest>) -> Answer<wire::Explanation> {
        let explained = self.app.explain(asked(request.into_inner())?).await?;
        Ok(Response::new(explained.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_ours_or_a_path() {
        for right in ["/", "/a?b", "http://h", "https://h.test:1/a%20b?c", "http://[::1]:8080/", "/a#fragment"] {
            assert!(url(right).is_ok(), "{right}");
        }
        for wrong in ["", "a", "h.test/a", "ftp://h/", "http://u@h/", "http:///a", "/a b", "/\u{e4}", "*"] {
            assert!(url(wrong).is_err(), "{wrong}");
        }
        let at = |bytes: usize| format!("/{}", "x".repeat(bytes - 1));
        assert!(url(&at(URL_BYTES_MAX + 1)).is_err());
    }

    #[test]
    fn what_is_no_request_is_named_by_its_field() {
        let line = |name: &str, value: &str| wire::HeaderLine { name: name.into(), value: value.into() };
        let plain = wire::ExplainRequest { url: "/".into(), ..Default::default() };
        for (field, request) in [
            ("httpMethod", wire::ExplainRequest { http_method: "A B".into(), ..plain.clone() }),
            ("url", wire::ExplainRequest { url: "x".into(), ..plain.clone() }),
            ("headers[1]", wire::ExplainRequest { headers: vec![line("a", "b"), line("a b", "")], ..plain.clone() }),
            ("headers[0]", wire::ExplainRequest { headers: vec![line("a", "b\r\nc: d")], ..plain.clone() }),
            ("headers", wire::ExplainRequest { headers: vec![line("a", "b"); HEADER_LINES_MAX + 1], ..plain.clone() }),
            ("answerHeaders[0]", wire::ExplainRequest { answer_headers: vec![line("", "")], ..plain.clone() }),
            ("answerStatus", wire::ExplainRequest { answer_status: 101, ..plain.clone() }),
            ("answerStatus", wire::ExplainRequest { answer_status: 600, ..plain.clone() }),
            ("listenerPort", wire::ExplainRequest { listener_port: 65_536, ..plain.clone() }),
        ] {
            let Err(Error::Invalid(violations)) = asked(request) else { panic!("{field} is taken") };
            assert_eq!(violations.as_slice()[0].field, field);
        }
        assert!(asked(wire::ExplainRequest { headers: vec![line("a", "b"); HEADER_LINES_MAX], ..plain }).is_ok());
    }
}
