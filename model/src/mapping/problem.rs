//! The specification's sentences for mappings that are refused (section l.4).

/// Detail: an integration response maps to a status that the method does not declare.
pub const NO_METHOD_RESPONSE: &str = "No method response exists for method.";

/// The frame around every detail.
pub fn mapping_message(detail: &str) -> String {
    format!("Invalid mapping expression specified: Validation Result: warnings : [], errors : [{detail}]")
}

/// The sentence for text that is no expression.
pub fn invalid_expression(text: &str) -> String {
    mapping_message(&format!("Invalid mapping expression specified: {text}"))
}

/// The sentence for a parameter that cannot stand where it stands, or that nobody declares.
pub fn invalid_parameter(text: &str) -> String {
    mapping_message(&format!("Invalid mapping expression parameter specified: {text}"))
}
