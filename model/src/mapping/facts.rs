//! What mappings ask: of the stage when a table is built, of the request and the response while they run, of the error
//! when the gateway answers by itself.

use crate::header_list::HeaderList;
use std::borrow::Cow;
use std::collections::BTreeMap;

/// Stands where the specification's context and messages name an account. There is one operator here.
pub const ACCOUNT_ID: &str = "000000000000";

/// Facts about a request that only exist while it runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ContextField {
    /// `requestId`
    RequestId,
    /// `extendedRequestId`
    ExtendedRequestId,
    /// `requestTime`, as `dd/MMM/yyyy:HH:mm:ss +0000`
    RequestTime,
    /// `requestTimeEpoch`, in milliseconds
    RequestTimeEpoch,
    /// `httpMethod` of the client
    HttpMethod,
    /// `path`, with the stage
    Path,
    /// `protocol`, for example `HTTP/1.1`
    Protocol,
    /// `domainName`
    DomainName,
    /// `domainPrefix`: the first label of the domain name
    DomainPrefix,
    /// `identity.sourceIp`
    SourceIp,
    /// `identity.userAgent`
    UserAgent,
    /// `resourceId`. Asked only where no route is compiled in: by gateway responses.
    ResourceId,
    /// `resourcePath`. Asked only where no route is compiled in: by gateway responses.
    ResourcePath,
    /// A fact about the error that a gateway response is about. [`ErrorFacts::on`] answers it; requests have none.
    Error(ErrorField),
}

/// Facts about an error (section g.3); gateway responses only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorField {
    /// `error.message`, as it is
    Message,
    /// `error.messageString`: the message as a JSON string, quotes included
    MessageString,
    /// `error.responseType`
    ResponseType,
    /// `error.validationErrorString`
    ValidationErrorString,
}

/// What a running request knows about itself. Implemented by the proxy, and by tests.
pub trait RequestFacts {
    /// The path behind stage or base path, with exactly one leading slash, percent-encoding kept.
    fn route_path(&self) -> &str;
    /// The query as sent, without `?`.
    fn query(&self) -> Option<&str>;
    /// The headers as received.
    fn headers(&self) -> &HeaderList;
    /// Everything else; `None` where the request has no such fact.
    fn context(&self, field: ContextField) -> Option<Cow<'_, str>>;
    /// The client's body as text, behind the content conversion of section a.3. `None` when there is none or it was not
    /// collected, which it is only for routes with a source that reads it.
    fn body(&self) -> Option<&str> {
        None
    }
}

/// What an integration answered, and the request that it answers.
pub trait ResponseFacts: RequestFacts {
    /// The integration's headers as received.
    fn response_headers(&self) -> &HeaderList;
    /// The integration's body as text, behind the content conversion of section a.4. `None` when there is none or it
    /// was not collected, which it is only for responses with a source that reads it.
    fn response_body(&self) -> Option<&str>;
}

/// What is fixed when a stage is compiled.
#[derive(Clone, Copy, Debug)]
pub struct StageFacts<'a> {
    /// The API.
    pub api_id: &'a str,
    /// The stage.
    pub stage: &'a str,
    /// Its deployment, or its canary's.
    pub deployment_id: &'a str,
    /// The stage's variables, those of the canary on top where the canary is compiled.
    pub variables: &'a BTreeMap<String, String>,
    /// Whether the canary is compiled; `None` when the stage has none.
    pub canary: Option<bool>,
    /// Whose mappings are compiled; `None` for gateway responses, which belong to no resource.
    pub resource: Option<ResourceFacts<'a>>,
}

/// The resource of a route.
#[derive(Clone, Copy, Debug)]
pub struct ResourceFacts<'a> {
    /// Its identifier.
    pub id: &'a str,
    /// With placeholders, for example `/images/{id}`.
    pub path: &'a str,
}

/// What a gateway response is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ErrorFacts<'a> {
    /// For the client; plain text. Some types have none, which their bodies spell `null`.
    pub message: Option<&'a str>,
    /// The type's name, for example `INTEGRATION_TIMEOUT`.
    pub response_type: &'a str,
    /// What a request validator found.
    pub validation_error: Option<&'a str>,
}

impl<'a> ErrorFacts<'a> {
    /// The request's facts with those of the error among them.
    pub fn on<F: RequestFacts>(self, request: &'a F) -> FailedRequest<'a, F> {
        FailedRequest { request, error: self }
    }

    fn field(&self, field: ErrorField) -> Option<Cow<'a, str>> {
        match field {
            ErrorField::Message => self.message.map(Cow::Borrowed),
            ErrorField::MessageString => Some(Cow::Owned(serde_json::Value::from(self.message).to_string())),
            ErrorField::ResponseType => Some(Cow::Borrowed(self.response_type)),
            ErrorField::ValidationErrorString => self.validation_error.map(Cow::Borrowed),
        }
    }
}

/// A request together with the error that it ended in.
pub struct FailedRequest<'a, F> {
    request: &'a F,
    error: ErrorFacts<'a>,
}

impl<F: RequestFacts> RequestFacts for FailedRequest<'_, F> {
    fn route_path(&self) -> &str {
        self.request.route_path()
    }

    fn query(&self) -> Option<&str> {
        self.request.query()
    }

    fn headers(&self) -> &HeaderList {
        self.request.headers()
    }

    fn context(&self, field: ContextField) -> Option<Cow<'_, str>> {
        match field {
            ContextField::Error(field) => self.error.field(field),
            other => self.request.context(other),
        }
    }

    fn body(&self) -> Option<&str> {
        self.request.body()
    }
}
