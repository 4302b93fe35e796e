//! The last touches to an answer: its content coding (section h.8) and its digest (RFC 9530). Both change framing and
//! head, so both stand here, behind everything that decides about the content.

use crate::body::Progress;
use crate::error::ProxyError;
use crate::limits::{COMPRESSION_LOOKAHEAD_BYTES, DIGEST_COLLECT_BYTES_MAX, SNIFF_WAIT_MS};
use crate::request_side::Holding;
use crate::response_side::{Answer, AnswerBody};
use crate::transform::collect::collect;
use crate::transform::compress::{Compress, CompressPermit};
use crate::transform::digest::{CONTENT_DIGEST, REPR_DIGEST, content_digest};
use crate::transform::integrity::AddDigest;
use crate::transform::lookahead::look_ahead;
use http::header::{ACCEPT_RANGES, CONTENT_ENCODING, CONTENT_LENGTH, ETAG, HeaderValue, TRAILER, VARY};
use http::{Method, StatusCode, Version};
use penstock_model::content::coding::{Coding, negotiate};
use penstock_model::exchange::accepts_trailers;
use penstock_model::header_list::HeaderList;
use penstock_model::rest_api::Integrity;
use penstock_model::table::{Compression, Route};
use sha2::{Digest as _, Sha256};
use std::rc::Rc;
use std::time::Duration;

/// What decides about the last touches.
pub(crate) struct Finish<'a> {
    pub(crate) route: &'a Route,
    pub(crate) method: &'a Method,
    pub(crate) version: Version,
    pub(crate) headers: &'a HeaderList,
    pub(crate) holding: &'a Holding,
}

impl Finish<'_> {
    /// Whether [`Self::touch`] may do anything.
    pub(crate) fn is_needed(&self) -> bool {
        self.route.stage.compression.is_some() || self.route.stage.integrity == Integrity::Add
    }

    /// Compresses the answer and adds a digest, if the API wants that and the client can use it.
    ///
    /// # Errors
    /// The body broke off before the client heard anything.
    pub(crate) async fn touch(&self, answer: Answer, receipt: &Rc<Progress>) -> Result<Answer, ProxyError> {
        let stage = &self.route.stage;
        let bodiless = matches!(answer.head.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
        if *self.method == Method::HEAD {
            return Ok(self.head_of_coded(answer));
        }
        if bodiless {
            return Ok(answer);
        }
        let answer = match &stage.compression {
            // A part has its place in bytes that were not compressed, whether or not its head says which.
            Some(compression) if answer.head.status != StatusCode::PARTIAL_CONTENT => {
                self.compressed(answer, compression).await?
            }
            Some(_) | None => answer,
        };
        match stage.integrity {
            Integrity::Off | Integrity::Verify => Ok(answer),
            Integrity::Add => self.digested(answer, receipt).await,
        }
    }

    /// A `HEAD` has no body to compress; what its head says must be true of the body that a `GET` would get.
    fn head_of_coded(&self, answer: Answer) -> Answer {
        let Answer { mut head, body } = answer;
        let stage = &self.route.stage;
        if let Some(compression) = &stage.compression
            && compression.may_code(self.route.transfer, &head.headers)
        {
            head.headers.append(VARY, HeaderValue::from_static("Accept-Encoding"));
            if negotiate(self.headers, stage.response_codings()).is_some() {
                head.headers.remove(CONTENT_LENGTH);
            }
        }
        Answer { head, body }
    }

    async fn compressed(&self, answer: Answer, compression: &Compression) -> Result<Answer, ProxyError> {
        let Answer { mut head, body } = answer;
        if !compression.may_code(self.route.transfer, &head.headers) {
            return Ok(Answer { head, body });
        }
        head.headers.append(VARY, HeaderValue::from_static("Accept-Encoding"));
        let Some(coding) = negotiate(self.headers, self.route.stage.response_codings()) else {
            return Ok(Answer { head, body });
        };
        let body = match body.exact_bytes() {
            Some(bytes) if bytes < compression.bytes_min || bytes == 0 => return Ok(Answer { head, body }),
            Some(_) => body,
            None => {
                let bytes_max = usize::try_from(compression.bytes_min).unwrap_or(usize::MAX);
                let bytes_max = bytes_max.min(COMPRESSION_LOOKAHEAD_BYTES);
                let patience = Duration::from_millis(SNIFF_WAIT_MS);
                let ahead = look_ahead(body.boxed(), bytes_max, patience, &self.holding.budget).await;
                let ahead = ahead.map_err(ProxyError::ResponseBody)?;
                let too_small = ahead.is_whole() && (ahead.held_bytes() as u64) < compression.bytes_min.max(1);
                let body = AnswerBody::Staged(Box::pin(ahead));
                if too_small {
                    return Ok(Answer { head, body });
                }
                body
            }
        };
        let Some(permit) = CompressPermit::try_take(coding, &self.holding.budget) else {
            return Ok(Answer { head, body });
        };
        coded_head(&mut head.headers, coding);
        Ok(Answer { head, body: AnswerBody::Staged(Box::pin(Compress::new(body.boxed(), permit))) })
    }

    /// In the trailers of what streams, when the client takes trailers; in the head of what is in memory or small enough
    /// to be taken there.
    async fn digested(&self, answer: Answer, receipt: &Rc<Progress>) -> Result<Answer, ProxyError> {
        let Answer { mut head, body } = answer;
        let takes_trailers =
            self.version == Version::HTTP_2 || self.version == Version::HTTP_11 && accepts_trailers(self.headers);
        let in_memory = matches!(body, AnswerBody::Collected(_) | AnswerBody::Rendered(_));
        if takes_trailers && !in_memory {
            head.headers.remove(CONTENT_LENGTH);
            head.headers.append(TRAILER, HeaderValue::from_static("content-digest"));
            let body = AddDigest::new(body.boxed(), Rc::clone(receipt));
            return Ok(Answer { head, body: AnswerBody::Staged(Box::pin(body)) });
        }
        let is_small = body.exact_bytes().is_some_and(|bytes| bytes <= DIGEST_COLLECT_BYTES_MAX as u64);
        if !in_memory && !is_small {
            return Ok(Answer { head, body });
        }
        let body = match body {
            AnswerBody::Rendered(_) | AnswerBody::Collected(_) => body,
            AnswerBody::Stream(_) | AnswerBody::Staged(_) => {
                let collected = collect(body.boxed(), DIGEST_COLLECT_BYTES_MAX, &self.holding.budget).await;
                AnswerBody::Collected(collected.map_err(ProxyError::ResponseBody)?)
            }
        };
        let sha256 = match &body {
            AnswerBody::Rendered(bytes) => Sha256::digest(bytes).into(),
            AnswerBody::Collected(collected) => Sha256::digest(&collected.bytes).into(),
            AnswerBody::Stream(_) | AnswerBody::Staged(_) => return Ok(Answer { head, body }),
        };
        receipt.hashed(sha256);
        // Ours is about these bytes; another one beside it was verified, or is about them too.
        head.headers.append(CONTENT_DIGEST, content_digest(&sha256));
        Ok(Answer { head, body })
    }
}

/// Says the coding, and takes back what was said about the bytes before.
fn coded_head(headers: &mut HeaderList, coding: Coding) {
    headers.insert(CONTENT_ENCODING, HeaderValue::from_static(coding.as_str()));
    for name in [CONTENT_LENGTH, ACCEPT_RANGES, CONTENT_DIGEST, REPR_DIGEST] {
        headers.remove(name);
    }
    if let Some(tag) = headers.get(ETAG)
        && tag.as_bytes().starts_with(b"\"")
        && let Ok(weak) = HeaderValue::from_bytes(&[b"W/", tag.as_bytes()].concat())
    {
        // The bytes are others than those that the strong tag names (RFC 9110 section 8.8.3).
        headers.insert(ETAG, weak);
    }
}
