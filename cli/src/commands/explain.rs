//! `penstock explain`: what a request would meet, told without sending it.

use clap::Args;
use penstock_proto::management::v1 as pb;
use penstock_proto::management::v1::explain_request::Body;

use super::Context;
use crate::args::{http_method, status_code};
use crate::exit::{Doing, Failure};
use crate::output::warn;

mod story;

/// Tell what a request would meet, without sending it
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  penstock explain GET /images/1
  penstock explain POST https://api.example.com/v1/images \\
      -H 'Content-Type: image/png' -H 'Accept: image/png' --body-bytes 52000
  penstock explain GET http://127.0.0.1:8080/images/1 --answer-status 404 \\
      --answer-header 'Content-Type: text/html'
  penstock explain GET /images/1 -o json | jq -r .request.body.cell

Nothing is sent: not to the API, not to its upstream. The answer is about what
is published; a proxy that lags behind may still serve an older configuration.")]
pub(crate) struct Explain {
    /// HTTP method of the request
    #[arg(id = "method", value_name = "METHOD", value_parser = http_method)]
    http_method: String,
    /// URL, or a path alone, which the catch-all domain takes
    #[arg(value_name = "URL")]
    url: String,
    /// A header of the request; may be repeated
    #[arg(long = "header", short = 'H', value_name = "NAME: VALUE", value_parser = header)]
    headers: Vec<pb::HeaderLine>,
    /// Length of the request's body in bytes
    #[arg(long, value_name = "N", conflicts_with = "chunked")]
    body_bytes: Option<u64>,
    /// The request has a body of unknown length
    #[arg(long)]
    chunked: bool,
    /// Status that the upstream is assumed to answer [default: 200]
    #[arg(long, value_name = "STATUS", value_parser = status_code)]
    answer_status: Option<String>,
    /// A header that the upstream is assumed to answer; may be repeated
    #[arg(long = "answer-header", value_name = "NAME: VALUE", value_parser = header)]
    answer_headers: Vec<pb::HeaderLine>,
    /// Follow the canary's side of the stage
    #[arg(long)]
    canary: bool,
}

impl Explain {
    /// # Errors
    /// Whatever the control plane refuses.
    pub(crate) async fn run(self, context: &Context) -> Result<(), Failure> {
        let request = pb::ExplainRequest {
            http_method: self.http_method,
            url: self.url,
            headers: self.headers,
            body: self.body_bytes.map(Body::BodyBytes).or(self.chunked.then_some(Body::ChunkedBody(true))),
            // Three digits, as the argument was read.
            answer_status: self.answer_status.and_then(|status| status.parse().ok()).unwrap_or_default(),
            answer_headers: self.answer_headers,
            canary: self.canary,
            listener_port: 0,
        };
        let told = context.connect().await?.explanations().explain(request).await.doing("explaining the request")?;
        if self.canary && told.stage.as_ref().is_some_and(|stage| stage.canary_percent.is_empty()) {
            warn("the stage has no canary: this is what all requests meet");
        }
        context.output.object(&told, || story::fields(&told))
    }
}

/// `Name: value`, as on the wire; the value may be empty and may hold colons.
fn header(text: &str) -> Result<pb::HeaderLine, String> {
    match text.split_once(':') {
        Some((name, value)) if !name.trim().is_empty() => {
            Ok(pb::HeaderLine { name: name.trim().to_owned(), value: value.trim().to_owned() })
        }
        _ => Err("expected 'Name: value'".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_has_a_name_and_may_hold_colons() {
        let line = |name: &str, value: &str| Ok(pb::HeaderLine { name: name.into(), value: value.into() });
        assert_eq!(header("Accept: image/png"), line("Accept", "image/png"));
        assert_eq!(header("Host:gw.test:8080"), line("Host", "gw.test:8080"));
        assert_eq!(header("X-Empty:"), line("X-Empty", ""));
        assert!(header("Accept").is_err() && header(": x").is_err());
    }
}
