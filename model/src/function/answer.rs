//! [`read_answer`]: the HTTP answer that a function's document stands for (sections b.3 and b.6).

use super::PayloadFormat;
use super::document::{Document, Root, Value, read};
use crate::exchange::DEFAULT_CONTENT_TYPE;
use crate::header_list::HeaderList;
use crate::limits::{FUNCTION_HEADER_BYTES_MAX, FUNCTION_HEADERS_MAX, FUNCTION_PRELUDE_BYTES_MAX};
use crate::openapi::shown;
use http::header::{CONTENT_TYPE, SET_COOKIE};
use http::{HeaderName, HeaderValue, StatusCode};
use std::borrow::Cow;

/// What a function answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FunctionAnswer<'a> {
    /// From 200 to 599.
    pub status: StatusCode,
    /// Merged as section b.3 says, cookies among them. A `Content-Type` is there only if the function set one, or in
    /// format 2.0 if the document is the body.
    pub headers: HeaderList,
    /// As it stands in the document: perhaps base64.
    pub body: Cow<'a, str>,
    /// Whether the function says that the body is base64.
    pub is_base64: bool,
}

/// What a function answers before the first byte of a streamed body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FunctionHead {
    /// From 200 to 599.
    pub status: StatusCode,
    /// As those of [`FunctionAnswer`].
    pub headers: HeaderList,
}

/// Why a document is no answer. It names members and headers, and never quotes what they hold.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AnswerProblem {
    /// Its bytes are no text.
    #[error("the function's answer is not UTF-8")]
    NotUtf8,
    /// Its text is no JSON.
    #[error("the function's answer is not JSON (line {line}, column {column})")]
    NotJson {
        /// Counted from 1.
        line: usize,
        /// In bytes.
        column: usize,
    },
    /// It is JSON of another kind.
    #[error("the function's answer must be an object, and it is {0}")]
    NotAnObject(&'static str),
    /// It has a member that means nothing.
    #[error("the function's answer has an unknown key: {0:?}")]
    UnknownKey(String),
    /// Its status is no HTTP status, or not a final one.
    #[error("statusCode must be a whole number from 200 to 599")]
    Status,
    /// A member is of another kind than it must be.
    #[error("{member} must be {expected}, and it is {found}")]
    Member {
        /// Its name.
        member: &'static str,
        /// The kind that it must have.
        expected: &'static str,
        /// The kind that it has.
        found: &'static str,
    },
    /// A header's value is of another kind than it must be.
    #[error("the header {name:?} in {member} must have {expected} as its value, and it has {found}")]
    Header {
        /// Where it stands.
        member: &'static str,
        /// Its name.
        name: String,
        /// The kind that it must have.
        expected: &'static str,
        /// The kind that it has.
        found: &'static str,
    },
    /// A name that no header can have.
    #[error("{0:?} cannot be the name of a header")]
    HeaderName(String),
    /// A value that no header can hold.
    #[error("the value of the header {0:?} holds a character that no header can hold")]
    HeaderValue(String),
    /// More lines than [`FUNCTION_HEADERS_MAX`], or more bytes than [`FUNCTION_HEADER_BYTES_MAX`].
    #[error("its headers are more than {FUNCTION_HEADERS_MAX}, or more than {FUNCTION_HEADER_BYTES_MAX} bytes")]
    TooManyHeaders,
    /// A streamed answer does not begin with an object and eight NUL bytes, the last of them within
    /// [`FUNCTION_PRELUDE_BYTES_MAX`].
    #[error(
        "a streamed answer must begin with an object and eight NUL bytes, within {FUNCTION_PRELUDE_BYTES_MAX} bytes"
    )]
    Prelude,
}

impl AnswerProblem {
    /// A word for logs and metrics.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::NotUtf8 | Self::NotJson { .. } => "answer_not_json",
            Self::NotAnObject(_) => "answer_not_an_object",
            Self::UnknownKey(_) => "answer_unknown_key",
            Self::Status => "answer_status",
            Self::Member { .. } => "answer_member",
            Self::Header { .. } | Self::HeaderName(_) | Self::HeaderValue(_) => "answer_header",
            Self::TooManyHeaders => "answer_headers_too_large",
            Self::Prelude => "answer_prelude",
        }
    }
}

/// Reads what a function returned.
///
/// # Errors
/// It is no answer in this format.
pub fn read_answer(format: PayloadFormat, document: &[u8]) -> Result<FunctionAnswer<'_>, AnswerProblem> {
    let text = std::str::from_utf8(document).map_err(|_| AnswerProblem::NotUtf8)?;
    match (format, read_document(text)?) {
        (PayloadFormat::V1, Root::Object(document)) => first_format(*document),
        (PayloadFormat::V1, Root::Other(value)) => Err(AnswerProblem::NotAnObject(value.kind())),
        (PayloadFormat::V2, Root::Object(document)) => match &document.status_code {
            Some(Value::Null) | None => Ok(bare(Cow::Borrowed(text))),
            Some(_) => second_format(*document),
        },
        (PayloadFormat::V2, Root::Other(Value::Text(inner))) => Ok(bare(inner)),
        (PayloadFormat::V2, Root::Other(_)) => Ok(bare(Cow::Borrowed(text))),
    }
}

pub(super) fn read_document(text: &str) -> Result<Root<'_>, AnswerProblem> {
    read(text).map_err(|error| AnswerProblem::NotJson { line: error.line(), column: error.column() })
}

/// Section b.3, and of what others found out that `base64Encoded` and `cookies` are taken too.
fn first_format(document: Document<'_>) -> Result<FunctionAnswer<'_>, AnswerProblem> {
    if let Some(key) = &document.unknown {
        return Err(AnswerProblem::UnknownKey(shown(key).to_owned()));
    }
    let base64 = match document.base64_encoded {
        Some(value) => is_base64("base64Encoded", Some(value))?,
        None => is_base64("isBase64Encoded", document.is_base64_encoded)?,
    };
    let status = status(document.status_code)?;
    let headers = merged(document.multi_value_headers, document.headers, document.cookies)?;
    Ok(FunctionAnswer { status, headers, body: body(document.body)?, is_base64: base64 })
}

/// The head of a streamed answer: the same with fewer members (section k).
pub(super) fn streamed_head(document: Document<'_>) -> Result<FunctionHead, AnswerProblem> {
    let Document {
        status_code,
        headers,
        multi_value_headers,
        cookies,
        body,
        is_base64_encoded,
        base64_encoded,
        unknown,
    } = document;
    let extra = [(body, "body"), (is_base64_encoded, "isBase64Encoded"), (base64_encoded, "base64Encoded")];
    let extra = extra.iter().find(|(value, _)| value.is_some()).map(|(_, name)| *name);
    if let Some(key) = unknown.as_deref().or(extra) {
        return Err(AnswerProblem::UnknownKey(shown(key).to_owned()));
    }
    Ok(FunctionHead { status: status(status_code)?, headers: merged(multi_value_headers, headers, cookies)? })
}

/// Section b.6: other members are ignored, and cookies supersede a `set-cookie` among the headers.
fn second_format(document: Document<'_>) -> Result<FunctionAnswer<'_>, AnswerProblem> {
    let status = status(document.status_code)?;
    let mut lines = Lines::default();
    lines.add_each(document.headers)?;
    let cookies = cookies(document.cookies)?;
    if !cookies.is_empty() {
        lines.headers.remove(SET_COOKIE);
    }
    lines.add_cookies(cookies)?;
    Ok(FunctionAnswer {
        status,
        headers: lines.headers,
        body: body(document.body)?,
        is_base64: is_base64("isBase64Encoded", document.is_base64_encoded)?,
    })
}

/// Section b.6: JSON without a status is the body.
fn bare(body: Cow<'_, str>) -> FunctionAnswer<'_> {
    let headers = HeaderList::from_iter([(CONTENT_TYPE, DEFAULT_CONTENT_TYPE)]);
    FunctionAnswer { status: StatusCode::OK, headers, body, is_base64: false }
}

fn status(value: Option<Value<'_>>) -> Result<StatusCode, AnswerProblem> {
    let code = match value {
        None | Some(Value::Null) => Some(200),
        Some(Value::Integer(code)) => u16::try_from(code).ok(),
        // What has a fraction is out; what is left is a whole number in range.
        Some(Value::Float(code)) => (200..=599).find(|whole| f64::from(*whole) == code),
        Some(Value::Text(text)) if text.bytes().all(|b| b.is_ascii_digit()) => text.parse().ok(),
        Some(Value::Text(_) | Value::Bool(_) | Value::List(_) | Value::Object(_)) => None,
    };
    let code = code.filter(|code| (200..=599).contains(code)).ok_or(AnswerProblem::Status)?;
    StatusCode::from_u16(code).map_err(|_| AnswerProblem::Status)
}

fn body(value: Option<Value<'_>>) -> Result<Cow<'_, str>, AnswerProblem> {
    match value {
        None | Some(Value::Null) => Ok(Cow::Borrowed("")),
        Some(Value::Text(text)) => Ok(text),
        Some(other) => Err(AnswerProblem::Member { member: "body", expected: "a string", found: other.kind() }),
    }
}

fn is_base64(member: &'static str, value: Option<Value<'_>>) -> Result<bool, AnswerProblem> {
    match value {
        None | Some(Value::Null) => Ok(false),
        Some(Value::Bool(flag)) => Ok(flag),
        Some(Value::Text(text)) if text.eq_ignore_ascii_case("true") => Ok(true),
        Some(Value::Text(_)) => {
            Err(AnswerProblem::Member { member, expected: "a boolean", found: "another string than true" })
        }
        Some(other) => Err(AnswerProblem::Member { member, expected: "a boolean", found: other.kind() }),
    }
}

fn cookies(value: Option<Value<'_>>) -> Result<Vec<Value<'_>>, AnswerProblem> {
    match value {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::List(cookies)) => Ok(cookies),
        Some(other) => Err(AnswerProblem::Member { member: "cookies", expected: "a list", found: other.kind() }),
    }
}

/// Values of `multiValueHeaders` come first, then those of `headers`, then the cookies.
fn merged(
    multi_value_headers: Option<Value<'_>>,
    headers: Option<Value<'_>>,
    cookie_list: Option<Value<'_>>,
) -> Result<HeaderList, AnswerProblem> {
    let mut lines = Lines::default();
    lines.add_lists(multi_value_headers)?;
    lines.add_each(headers)?;
    lines.add_cookies(cookies(cookie_list)?)?;
    Ok(lines.headers)
}

/// Headers that were taken, and how much room they take.
#[derive(Default)]
struct Lines {
    headers: HeaderList,
    bytes: usize,
}

impl Lines {
    fn add_lists(&mut self, value: Option<Value<'_>>) -> Result<(), AnswerProblem> {
        const MEMBER: &str = "multiValueHeaders";
        for (name, value) in members(MEMBER, value)? {
            let Value::List(values) = value else {
                let (name, found) = (shown(&name).to_owned(), value.kind());
                return Err(AnswerProblem::Header { member: MEMBER, name, expected: "a list", found });
            };
            for value in values {
                self.add(MEMBER, &name, value)?;
            }
        }
        Ok(())
    }

    fn add_each(&mut self, value: Option<Value<'_>>) -> Result<(), AnswerProblem> {
        const MEMBER: &str = "headers";
        for (name, value) in members(MEMBER, value)? {
            self.add(MEMBER, &name, value)?;
        }
        Ok(())
    }

    fn add_cookies(&mut self, cookies: Vec<Value<'_>>) -> Result<(), AnswerProblem> {
        cookies.into_iter().try_for_each(|cookie| self.add("cookies", SET_COOKIE.as_str(), cookie))
    }

    /// Adds one line, unless it is there already. Scalars are written as text; `null` is no value.
    fn add(&mut self, member: &'static str, name: &str, value: Value<'_>) -> Result<(), AnswerProblem> {
        let text = match value {
            Value::Null => return Ok(()),
            Value::Text(text) => text,
            Value::Bool(flag) => Cow::Borrowed(if flag { "true" } else { "false" }),
            Value::Integer(number) => Cow::Owned(number.to_string()),
            Value::Float(number) => Cow::Owned(format!("{number:?}")),
            Value::List(_) | Value::Object(_) => {
                let (name, found) = (shown(name).to_owned(), value.kind());
                return Err(AnswerProblem::Header { member, name, expected: "a string", found });
            }
        };
        let bad_name = |_| AnswerProblem::HeaderName(shown(name).to_owned());
        let header = HeaderName::from_bytes(name.as_bytes()).map_err(bad_name)?;
        let bad_value = |_| AnswerProblem::HeaderValue(shown(name).to_owned());
        let value = HeaderValue::from_bytes(text.as_bytes()).map_err(bad_value)?;
        if self.headers.get_all(&header).any(|known| *known == value) {
            return Ok(());
        }
        self.bytes += name.len() + text.len();
        if self.headers.len() == FUNCTION_HEADERS_MAX || self.bytes > FUNCTION_HEADER_BYTES_MAX {
            return Err(AnswerProblem::TooManyHeaders);
        }
        self.headers.append(header, value);
        Ok(())
    }
}

fn members<'a>(
    member: &'static str,
    value: Option<Value<'a>>,
) -> Result<Vec<(Cow<'a, str>, Value<'a>)>, AnswerProblem> {
    match value {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::Object(members)) if members.len() > FUNCTION_HEADERS_MAX => Err(AnswerProblem::TooManyHeaders),
        Some(Value::Object(members)) => Ok(members),
        Some(other) => Err(AnswerProblem::Member { member, expected: "an object", found: other.kind() }),
    }
}

#[cfg(test)]
mod tests;
