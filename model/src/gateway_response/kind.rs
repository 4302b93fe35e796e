//! The types of gateway responses (section e.7), and what each says as long as nobody customises it.

use std::borrow::Cow;

/// Why the gateway answers instead of the integration.
///
/// Most are the specification's types, which an API can customise: [`Self::name`] answers their name there. The others
/// are ours: they are raised where the specification has no type. Before an API is known they are answered in their
/// default form, behind a stage as the API customises their class.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum GatewayResponseType {
    /// A policy or an authorizer says no.
    AccessDenied,
    /// The configuration makes the call impossible.
    ApiConfigurationError,
    /// An authorizer cannot be called, or its answer cannot be read.
    AuthorizerConfigurationError,
    /// An authorizer failed.
    AuthorizerFailure,
    /// The body does not follow the method's model.
    BadRequestBody,
    /// A required parameter is missing.
    BadRequestParameters,
    /// The caller's credentials are too old.
    ExpiredToken,
    /// The upstream cannot be reached or broke off.
    IntegrationFailure,
    /// The upstream did not answer in time.
    IntegrationTimeout,
    /// The method asks for an API key and the request has none that is good here.
    InvalidApiKey,
    /// The request's signature is wrong.
    InvalidSignature,
    /// No such (resource, method).
    MissingAuthenticationToken,
    /// The usage plan's quota is spent.
    QuotaExceeded,
    /// A body above its limit. Plain text, also where an API customises it (section e.7).
    RequestTooLarge,
    /// The resource vanished after authorization.
    ResourceNotFound,
    /// Too many requests at a time.
    Throttled,
    /// The authorizer sees no identity.
    Unauthorized,
    /// No template for the request's media type (section e.6).
    UnsupportedMediaType,
    /// A firewall's rule.
    WafFiltered,
    /// Ours: the request itself is malformed.
    BadRequest,
    /// Ours: a function's answer in payload 2.0 that cannot be read, or its failure (section b.6).
    FunctionAnswer,
    /// Ours: a host known to us, but nothing behind this base path or stage (section d.2).
    Forbidden,
    /// Ours: as [`Self::MissingAuthenticationToken`], for a request whose `Authorization` is not a signature (section
    /// d.2).
    IncompleteSignature,
    /// Ours: a host that no API has.
    NotFound,
    /// Ours: a head above its limit (section j leaves the status open; RFC 6585 section 5 has one for it).
    RequestHeadersTooLarge,
    /// Ours: a limit of the process is reached.
    ServiceUnavailable,
}

/// How a message becomes a body. Errors raised while a method executes have a blank behind the colon, errors raised
/// before have none (section e.7: proven for 500, 504, 415 and the missing token, by phase elsewhere).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// `{"message":…}`
    Before,
    /// `{"message": …}`
    During,
    /// `{"Message":…}`
    Capital,
    /// The message itself.
    Plain,
}

/// One row of the table in section e.7.
struct Row {
    /// In configurations; none for our own types.
    name: Option<&'static str>,
    status: u16,
    /// Where the table has none, a body says `null`.
    message: Option<&'static str>,
    /// The default body: `form` around `message`, written out when this is compiled.
    body: &'static str,
    form: Form,
    error_type: Option<&'static str>,
}

macro_rules! row {
    ($name:expr, $status:literal, Plain, $message:literal, $error_type:expr) => {
        row!(@ $name, $status, Form::Plain, Some($message), $message, $error_type)
    };
    ($name:expr, $status:literal, Before, null, $error_type:expr) => {
        row!(@ $name, $status, Form::Before, None, r#"{"message":null}"#, $error_type)
    };
    ($name:expr, $status:literal, Before, $message:literal, $error_type:expr) => {
        row!(@ $name, $status, Form::Before, Some($message), concat!(r#"{"message":""#, $message, r#""}"#), $error_type)
    };
    ($name:expr, $status:literal, During, $message:literal, $error_type:expr) => {
        row!(@ $name, $status, Form::During, Some($message), concat!(r#"{"message": ""#, $message, r#""}"#), $error_type)
    };
    ($name:expr, $status:literal, Capital, $message:literal, $error_type:expr) => {
        row!(@ $name, $status, Form::Capital, Some($message), concat!(r#"{"Message":""#, $message, r#""}"#), $error_type)
    };
    (@ $name:expr, $status:literal, $form:expr, $message:expr, $body:expr, $error_type:expr) => {
        Row { name: $name, status: $status, message: $message, body: $body, form: $form, error_type: $error_type }
    };
}

impl GatewayResponseType {
    /// Every type that an API can customise, ordered by name.
    pub const CUSTOMISABLE: [Self; 19] = [
        Self::AccessDenied,
        Self::ApiConfigurationError,
        Self::AuthorizerConfigurationError,
        Self::AuthorizerFailure,
        Self::BadRequestBody,
        Self::BadRequestParameters,
        Self::ExpiredToken,
        Self::IntegrationFailure,
        Self::IntegrationTimeout,
        Self::InvalidApiKey,
        Self::InvalidSignature,
        Self::MissingAuthenticationToken,
        Self::QuotaExceeded,
        Self::RequestTooLarge,
        Self::ResourceNotFound,
        Self::Throttled,
        Self::Unauthorized,
        Self::UnsupportedMediaType,
        Self::WafFiltered,
    ];

    /// Those of ours that can be raised behind a stage. The specification has no type for them, and says of types that it
    /// does not name that the class decides: `DEFAULT_4XX` or `DEFAULT_5XX` (section e.7).
    pub(super) const BY_CLASS: [Self; 5] = [
        Self::BadRequest,
        Self::FunctionAnswer,
        Self::IncompleteSignature,
        Self::RequestHeadersTooLarge,
        Self::ServiceUnavailable,
    ];

    #[rustfmt::skip] // A table.
    fn row(self) -> Row {
        const BAD: Option<&str> = Some("BadRequestException");
        const INTERNAL: Option<&str> = Some("InternalServerErrorException");
        const FORBIDDEN: Option<&str> = Some("ForbiddenException");
        match self {
            Self::AccessDenied => row!(Some("ACCESS_DENIED"), 403, Capital, "User is not authorized to access this resource", Some("AccessDeniedException")),
            Self::ApiConfigurationError => row!(Some("API_CONFIGURATION_ERROR"), 500, During, "Internal server error", INTERNAL),
            Self::AuthorizerConfigurationError => row!(Some("AUTHORIZER_CONFIGURATION_ERROR"), 500, Before, null, Some("AuthorizerConfigurationException")),
            Self::AuthorizerFailure => row!(Some("AUTHORIZER_FAILURE"), 500, Before, null, Some("AuthorizerFailureException")),
            Self::BadRequestBody => row!(Some("BAD_REQUEST_BODY"), 400, During, "Invalid request body", BAD),
            Self::BadRequestParameters => row!(Some("BAD_REQUEST_PARAMETERS"), 400, During, "Missing required request parameters", BAD),
            Self::ExpiredToken => row!(Some("EXPIRED_TOKEN"), 403, Before, null, Some("ExpiredTokenException")),
            Self::IntegrationFailure => row!(Some("INTEGRATION_FAILURE"), 504, During, "Network error communicating with endpoint", INTERNAL),
            Self::IntegrationTimeout => row!(Some("INTEGRATION_TIMEOUT"), 504, During, "Endpoint request timed out", INTERNAL),
            Self::InvalidApiKey => row!(Some("INVALID_API_KEY"), 403, Before, "Forbidden", FORBIDDEN),
            Self::InvalidSignature => row!(Some("INVALID_SIGNATURE"), 403, Before, null, Some("InvalidSignatureException")),
            Self::MissingAuthenticationToken => row!(Some("MISSING_AUTHENTICATION_TOKEN"), 403, Before, "Missing Authentication Token", Some("MissingAuthenticationTokenException")),
            Self::QuotaExceeded => row!(Some("QUOTA_EXCEEDED"), 429, Before, "Limit Exceeded", Some("LimitExceededException")),
            Self::RequestTooLarge => row!(Some("REQUEST_TOO_LARGE"), 413, Plain, "HTTP content length exceeded 10485760 bytes.", None),
            Self::ResourceNotFound => row!(Some("RESOURCE_NOT_FOUND"), 404, Before, null, Some("NotFoundException")),
            Self::Throttled => row!(Some("THROTTLED"), 429, Before, "Too Many Requests", Some("TooManyRequestsException")),
            Self::Unauthorized => row!(Some("UNAUTHORIZED"), 401, Before, "Unauthorized", Some("UnauthorizedException")),
            Self::UnsupportedMediaType => row!(Some("UNSUPPORTED_MEDIA_TYPE"), 415, During, "Unsupported Media Type", BAD),
            Self::WafFiltered => row!(Some("WAF_FILTERED"), 403, Before, "Forbidden", FORBIDDEN),
            Self::BadRequest => row!(None, 400, Before, "Bad Request", BAD),
            Self::Forbidden => row!(None, 403, Before, "Forbidden", FORBIDDEN),
            Self::IncompleteSignature => row!(None, 403, Before, "Invalid key=value pair (missing equal-sign) in Authorization header", Some("IncompleteSignatureException")),
            Self::FunctionAnswer => row!(None, 500, Before, "Internal Server Error", None),
            Self::NotFound => row!(None, 404, Before, "Not Found", Some("NotFoundException")),
            Self::RequestHeadersTooLarge => row!(None, 431, Before, "HTTP header is larger than 10240 bytes.", BAD),
            Self::ServiceUnavailable => row!(None, 503, Before, "Service Unavailable", Some("ServiceUnavailableException")),
        }
    }

    /// The name under which an API customises this type; `None` for those that it cannot.
    pub fn name(self) -> Option<&'static str> {
        self.row().name
    }

    /// HTTP status as long as the API sets no other.
    pub fn status(self) -> u16 {
        self.row().status
    }

    /// What it says when nobody knows better.
    pub fn message(self) -> Option<&'static str> {
        self.row().message
    }

    /// Value of `x-amzn-ErrorType`. It stays when the status is customised.
    pub fn error_type(self) -> Option<&'static str> {
        self.row().error_type
    }

    /// Whether an API's customisation, own or inherited, changes what clients get.
    pub(super) fn takes_customisation(self) -> bool {
        match self.row().name {
            Some(_) => self != Self::RequestTooLarge,
            None => Self::BY_CLASS.contains(&self),
        }
    }

    /// `Content-Type` of the default body.
    pub(super) fn default_content_type(self) -> &'static str {
        if self.row().form == Form::Plain { "text/plain" } else { "application/json" }
    }

    /// The default body around `message`, which is plain text; around the type's own when there is none.
    pub(super) fn default_body(self, message: Option<&str>) -> Cow<'static, str> {
        let row = self.row();
        let Some(message) = message else { return Cow::Borrowed(row.body) };
        let quoted = || serde_json::Value::from(message);
        Cow::Owned(match row.form {
            Form::Before => format!(r#"{{"message":{}}}"#, quoted()),
            Form::During => format!(r#"{{"message": {}}}"#, quoted()),
            Form::Capital => format!(r#"{{"Message":{}}}"#, quoted()),
            Form::Plain => message.to_owned(),
        })
    }
}

/// What a configuration can name: one type, or the fallback of a class (section e.7).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum CustomisableType {
    /// `DEFAULT_4XX`: every type whose default status is 4xx and that is not customised itself.
    Default4xx,
    /// `DEFAULT_5XX`: the same for 5xx.
    Default5xx,
    /// A type by itself.
    One(GatewayResponseType),
}

impl CustomisableType {
    /// Every one, ordered by name.
    pub fn all() -> Vec<Self> {
        let types = GatewayResponseType::CUSTOMISABLE.into_iter().map(Self::One);
        let mut all: Vec<_> = [Self::Default4xx, Self::Default5xx].into_iter().chain(types).collect();
        all.sort_by_key(|kind| kind.name());
        all
    }

    /// The specification's name, for example `DEFAULT_4XX`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Default4xx => "DEFAULT_4XX",
            Self::Default5xx => "DEFAULT_5XX",
            Self::One(kind) => kind.name().unwrap_or_default(),
        }
    }

    /// Reads a name.
    ///
    /// # Errors
    /// A sentence with every name that there is.
    pub fn parse(name: &str) -> Result<Self, String> {
        let all = Self::all();
        all.iter().copied().find(|kind| kind.name() == name).ok_or_else(|| {
            let names: Vec<_> = all.into_iter().map(Self::name).collect();
            format!("{name:?} is not a gateway response type: use one of {}", names.join(", "))
        })
    }

    /// HTTP status as long as the API sets no other; fallbacks have none of their own.
    pub fn status(self) -> Option<u16> {
        match self {
            Self::Default4xx | Self::Default5xx => None,
            Self::One(kind) => Some(kind.status()),
        }
    }

    /// The fallback that this one follows while it is not customised itself.
    pub(super) fn fallback(self) -> Option<Self> {
        match self.status()? {
            500.. => Some(Self::Default5xx),
            _ => Some(Self::Default4xx),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use GatewayResponseType as Type;

    const OURS: [Type; 7] = [
        Type::BadRequest,
        Type::Forbidden,
        Type::FunctionAnswer,
        Type::IncompleteSignature,
        Type::NotFound,
        Type::RequestHeadersTooLarge,
        Type::ServiceUnavailable,
    ];

    #[test]
    fn default_bodies_are_those_of_the_specification() {
        for (kind, status, body) in [
            (Type::AccessDenied, 403, r#"{"Message":"User is not authorized to access this resource"}"#),
            (Type::ApiConfigurationError, 500, r#"{"message": "Internal server error"}"#),
            (Type::AuthorizerConfigurationError, 500, r#"{"message":null}"#),
            (Type::AuthorizerFailure, 500, r#"{"message":null}"#),
            (Type::BadRequestBody, 400, r#"{"message": "Invalid request body"}"#),
            (Type::BadRequestParameters, 400, r#"{"message": "Missing required request parameters"}"#),
            (Type::ExpiredToken, 403, r#"{"message":null}"#),
            (Type::IntegrationFailure, 504, r#"{"message": "Network error communicating with endpoint"}"#),
            (Type::IntegrationTimeout, 504, r#"{"message": "Endpoint request timed out"}"#),
            (Type::InvalidApiKey, 403, r#"{"message":"Forbidden"}"#),
            (Type::InvalidSignature, 403, r#"{"message":null}"#),
            (Type::MissingAuthenticationToken, 403, r#"{"message":"Missing Authentication Token"}"#),
            (Type::QuotaExceeded, 429, r#"{"message":"Limit Exceeded"}"#),
            (Type::RequestTooLarge, 413, "HTTP content length exceeded 10485760 bytes."),
            (Type::ResourceNotFound, 404, r#"{"message":null}"#),
            (Type::Throttled, 429, r#"{"message":"Too Many Requests"}"#),
            (Type::Unauthorized, 401, r#"{"message":"Unauthorized"}"#),
            (Type::UnsupportedMediaType, 415, r#"{"message": "Unsupported Media Type"}"#),
            (Type::WafFiltered, 403, r#"{"message":"Forbidden"}"#),
            (Type::BadRequest, 400, r#"{"message":"Bad Request"}"#),
            (Type::Forbidden, 403, r#"{"message":"Forbidden"}"#),
            (Type::FunctionAnswer, 500, r#"{"message":"Internal Server Error"}"#),
            (Type::NotFound, 404, r#"{"message":"Not Found"}"#),
            (Type::RequestHeadersTooLarge, 431, r#"{"message":"HTTP header is larger than 10240 bytes."}"#),
            (Type::ServiceUnavailable, 503, r#"{"message":"Service Unavailable"}"#),
        ] {
            assert_eq!((kind.status(), &*kind.default_body(None)), (status, body), "{kind:?}");
        }
    }

    #[test]
    fn default_bodies_have_the_recorded_lengths() {
        for (kind, bytes) in [
            (Type::MissingAuthenticationToken, 42),
            (Type::ApiConfigurationError, 36),
            (Type::IntegrationFailure, 56),
            (Type::IntegrationTimeout, 41),
            (Type::UnsupportedMediaType, 37),
            (Type::Forbidden, 23),
        ] {
            assert_eq!(kind.default_body(None).len(), bytes, "{kind:?}");
        }
    }

    #[test]
    fn a_message_of_its_own_is_formed_like_the_default() {
        for kind in Type::CUSTOMISABLE.into_iter().chain(OURS).filter(|kind| kind.message().is_some()) {
            assert_eq!(kind.default_body(kind.message()), kind.default_body(None), "{kind:?}");
        }
        assert_eq!(Type::BadRequestBody.default_body(Some("a \"b\"")), r#"{"message": "a \"b\""}"#);
    }

    #[test]
    fn error_types_are_those_of_the_specification() {
        for (kind, error_type) in [
            (Type::AccessDenied, "AccessDeniedException"),
            (Type::AuthorizerConfigurationError, "AuthorizerConfigurationException"),
            (Type::UnsupportedMediaType, "BadRequestException"),
            (Type::IntegrationFailure, "InternalServerErrorException"),
            (Type::MissingAuthenticationToken, "MissingAuthenticationTokenException"),
            (Type::QuotaExceeded, "LimitExceededException"),
            (Type::Throttled, "TooManyRequestsException"),
            (Type::Unauthorized, "UnauthorizedException"),
        ] {
            assert_eq!(kind.error_type(), Some(error_type));
        }
        for kind in [Type::RequestTooLarge, Type::FunctionAnswer] {
            assert_eq!(kind.error_type(), None);
        }
    }

    #[test]
    fn every_name_is_read_back_and_the_list_is_in_their_order() {
        let names: Vec<_> = CustomisableType::all().into_iter().map(CustomisableType::name).collect();
        assert!(names.is_sorted_by(|a, b| a < b), "{names:?}");
        assert_eq!((names.len(), names[0], names[6]), (21, "ACCESS_DENIED", "DEFAULT_4XX"));
        for kind in CustomisableType::all() {
            assert_eq!(CustomisableType::parse(kind.name()), Ok(kind));
        }
        for wrong in ["", "default_4xx", "DEFAULT_3XX", "NOT_FOUND"] {
            let text = CustomisableType::parse(wrong).expect_err("nothing has this name");
            assert!(text.contains(wrong) && text.ends_with("UNSUPPORTED_MEDIA_TYPE, WAF_FILTERED"), "{text}");
        }
    }

    #[test]
    fn our_own_types_have_no_name_and_fallbacks_no_status() {
        assert!(OURS.into_iter().all(|kind| kind.name().is_none()));
        assert!(Type::BY_CLASS.into_iter().all(|kind| OURS.contains(&kind) && kind.takes_customisation()));
        assert!(
            ![Type::Forbidden, Type::NotFound, Type::RequestTooLarge].iter().any(|kind| kind.takes_customisation())
        );
        assert!(Type::CUSTOMISABLE.into_iter().all(|kind| kind.name().is_some()));
        assert_eq!(CustomisableType::Default4xx.status(), None);
        assert_eq!(CustomisableType::One(Type::Throttled).fallback(), Some(CustomisableType::Default4xx));
        assert_eq!(CustomisableType::One(Type::IntegrationTimeout).fallback(), Some(CustomisableType::Default5xx));
        assert_eq!(CustomisableType::Default5xx.fallback(), None);
    }
}
