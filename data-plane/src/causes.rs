//! An error and what lies behind it, in one line.

use std::error::Error;

/// The error's words and those of each cause, from the outermost to the
/// innermost, with `: ` between them.
pub(crate) fn with_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
