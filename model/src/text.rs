//! Small alphabets shared by the languages of the model.

/// Whether `name` is a parameter name: `[a-zA-Z0-9._$-]+` (section e.5).
pub(crate) fn is_parameter_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"._$-".contains(&b))
}

/// Whether `name` is a header name: an RFC 9110 token.
pub(crate) fn is_token(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
}
