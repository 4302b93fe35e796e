//! Every way to say no, and the only mapping from there to HTTP: status, reason, message, headers.
//!
//! Made by `service`, `upload` and `wish`. What a client may read is in `message`; what only the log may read is in the error
//! and its sources.

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{ALLOW, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use hyper::{Response, StatusCode};
use serde_json::json;

use crate::admission;
use crate::limits::{BODY_BYTES_MAX, PIXELS_MAX, RETRY_AFTER_S, SIDE_PIXELS_MAX, WIDTH_PIXELS_MAX};
use crate::picture::PictureError;

/// A request that gets no picture back.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// There is nothing at this path.
    #[error("finding the path")]
    UnknownPath,
    /// The path takes other methods.
    #[error("choosing the method")]
    Method {
        /// The value of `Allow`.
        allow: &'static str,
    },
    /// The wished width cannot be had.
    #[error("reading the width")]
    Width,
    /// The body is larger than any that is taken.
    #[error("reading more than {BODY_BYTES_MAX} bytes of body")]
    BodyTooLarge,
    /// The body stopped arriving.
    #[error("waiting for the next piece of the body")]
    BodyIdle,
    /// The body broke off.
    #[error("reading the body")]
    BodyBroken(#[source] hyper::Error),
    /// The process is full.
    #[error(transparent)]
    Busy(#[from] admission::Full),
    /// The picture was not made smaller.
    #[error("shrinking the picture")]
    Picture(#[from] PictureError),
    /// The work did not come to its end.
    #[error("working on the picture")]
    WorkerLost(#[source] tokio::task::JoinError),
}

impl Refusal {
    /// The status that the client gets.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::UnknownPath => StatusCode::NOT_FOUND,
            Self::Method { .. } => StatusCode::METHOD_NOT_ALLOWED,
            Self::Width | Self::BodyBroken(_) => StatusCode::BAD_REQUEST,
            Self::BodyTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::BodyIdle => StatusCode::REQUEST_TIMEOUT,
            Self::Busy(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::WorkerLost(_) => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Picture(error) => match error {
                PictureError::UnknownFormat
                | PictureError::Truncated
                | PictureError::Contradictory
                | PictureError::Undecodable(_) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
                PictureError::TooManyPixels(_) | PictureError::BeyondLimits(_) => StatusCode::UNPROCESSABLE_ENTITY,
                PictureError::Resize(_) | PictureError::Encode(_) => StatusCode::INTERNAL_SERVER_ERROR,
            },
        }
    }

    /// A stable word for logs and for programs that read the answer.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::UnknownPath => "unknown_path",
            Self::Method { .. } => "method_not_allowed",
            Self::Width => "bad_width",
            Self::BodyTooLarge => "body_too_large",
            Self::BodyIdle => "body_idle",
            Self::BodyBroken(_) => "body_broken",
            Self::Busy(_) => "busy",
            Self::WorkerLost(_) => "worker_lost",
            Self::Picture(error) => match error {
                PictureError::UnknownFormat => "unknown_format",
                PictureError::Truncated => "truncated",
                PictureError::Contradictory => "contradictory",
                PictureError::Undecodable(_) => "undecodable",
                PictureError::TooManyPixels(_) => "too_many_pixels",
                PictureError::BeyondLimits(_) => "beyond_limits",
                PictureError::Resize(_) => "resize_failed",
                PictureError::Encode(_) => "encode_failed",
            },
        }
    }

    /// The sentence that the client gets.
    pub fn message(&self) -> String {
        match self {
            Self::UnknownPath => "There is POST /upload and GET /health, and nothing else.".to_owned(),
            Self::Method { allow } => format!("This path takes {allow}."),
            Self::Width => format!("width must be given once, as a whole number from 1 to {WIDTH_PIXELS_MAX}."),
            Self::BodyTooLarge => format!("The body may have {BODY_BYTES_MAX} bytes at most."),
            Self::BodyIdle => "The body stopped arriving.".to_owned(),
            Self::BodyBroken(_) => "The body could not be read to its end.".to_owned(),
            Self::Busy(_) => "All places are taken; please come back in a moment.".to_owned(),
            Self::WorkerLost(_) => INTERNAL.to_owned(),
            Self::Picture(error) => match error {
                PictureError::UnknownFormat => "The body is not a JPEG, PNG or WebP picture.".to_owned(),
                PictureError::Truncated => "The picture ends before its end.".to_owned(),
                PictureError::Contradictory => "A part of the picture claims to be larger than the whole.".to_owned(),
                PictureError::Undecodable(_) => {
                    "The picture is damaged or of a kind that cannot be decoded.".to_owned()
                }
                PictureError::TooManyPixels(size) => {
                    format!("The picture has {size} pixels; {PIXELS_MAX} in all are accepted.")
                }
                PictureError::BeyondLimits(_) => {
                    format!("The picture needs too much memory, or has a side above {SIDE_PIXELS_MAX} pixels.")
                }
                PictureError::Resize(_) | PictureError::Encode(_) => INTERNAL.to_owned(),
            },
        }
    }

    /// The body that the client gets, as JSON.
    pub fn to_json(&self) -> String {
        json!({ "error": self.reason(), "message": self.message() }).to_string()
    }

    /// The whole answer.
    pub(crate) fn to_response(&self) -> Response<Full<Bytes>> {
        let mut response = Response::new(Full::from(self.to_json()));
        *response.status_mut() = self.status();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        match self {
            Self::Method { allow } => {
                headers.insert(ALLOW, HeaderValue::from_static(allow));
            }
            Self::Busy(_) => {
                headers.insert(RETRY_AFTER, HeaderValue::from(RETRY_AFTER_S));
            }
            Self::UnknownPath
            | Self::Width
            | Self::BodyTooLarge
            | Self::BodyIdle
            | Self::BodyBroken(_)
            | Self::Picture(_)
            | Self::WorkerLost(_) => {}
        }
        response
    }
}

const INTERNAL: &str = "The picture could not be made smaller; this is not the fault of the request.";

#[cfg(test)]
mod tests {
    use std::io;

    use image::ImageError;

    use super::*;
    use crate::picture::Dimensions;
    use crate::scale::ScaleError;

    fn image_error() -> ImageError {
        ImageError::IoError(io::Error::other("secret of the decoder"))
    }

    async fn lost_worker() -> tokio::task::JoinError {
        let worker = tokio::spawn(std::future::pending::<()>());
        worker.abort();
        worker.await.unwrap_err()
    }

    /// Every variant but `BodyBroken`, whose cause only hyper can make: a test from outside breaks a body.
    #[tokio::test]
    async fn each_refusal_has_its_status_and_its_reason() {
        let size = Dimensions { width: 9000, height: 9000 };
        let table = [
            (Refusal::UnknownPath, 404, "unknown_path"),
            (Refusal::Method { allow: "POST" }, 405, "method_not_allowed"),
            (Refusal::Width, 400, "bad_width"),
            (Refusal::BodyTooLarge, 413, "body_too_large"),
            (Refusal::BodyIdle, 408, "body_idle"),
            (Refusal::Busy(admission::Full), 503, "busy"),
            (Refusal::WorkerLost(lost_worker().await), 500, "worker_lost"),
            (PictureError::UnknownFormat.into(), 415, "unknown_format"),
            (PictureError::Truncated.into(), 415, "truncated"),
            (PictureError::Contradictory.into(), 415, "contradictory"),
            (PictureError::Undecodable(image_error()).into(), 415, "undecodable"),
            (PictureError::TooManyPixels(size).into(), 422, "too_many_pixels"),
            (PictureError::BeyondLimits(image_error()).into(), 422, "beyond_limits"),
            (PictureError::Resize(ScaleError::Size).into(), 500, "resize_failed"),
            (PictureError::Encode(image_error()).into(), 500, "encode_failed"),
        ];
        for (refusal, status, reason) in table {
            assert_eq!((refusal.status().as_u16(), refusal.reason()), (status, reason));
            assert!(!refusal.message().contains("secret"), "the cause is for the log only");
            let response = refusal.to_response();
            assert_eq!(response.headers().contains_key(ALLOW), status == 405);
            assert_eq!(response.headers().contains_key(RETRY_AFTER), status == 503);
        }
    }
}
