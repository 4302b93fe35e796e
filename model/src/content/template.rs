//! [`PlainTemplate`]: a mapping template that is only text.

use bytes::Bytes;

/// A template without references and directives: it renders what it says. An empty one renders an empty body and
/// counts as a template all the same (section e.6).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PlainTemplate {
    text: Bytes,
}

impl PlainTemplate {
    /// Takes a template as it is.
    ///
    /// # Errors
    /// A sentence, when the template has a `$` or a `#`: those begin what is not only text.
    pub fn compile(template: &str) -> Result<Self, String> {
        match template.find(['$', '#']) {
            None => Ok(Self { text: Bytes::copy_from_slice(template.as_bytes()) }),
            Some(at) => Err(format!("mapping templates with $ or # are not yet supported (one stands at byte {at})")),
        }
    }

    /// The body. Cheap: the text is shared.
    pub fn render(&self) -> Bytes {
        self.text.clone()
    }

    /// The body as text.
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.text).expect("the text came from a string")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_renders_as_it_is() {
        for text in ["", "{\"statusCode\": 200}", "a\r\n\u{e4}\0"] {
            let template = PlainTemplate::compile(text).expect("only text");
            assert_eq!(template.render(), text.as_bytes());
            assert_eq!(template.text(), text);
        }
    }

    #[test]
    fn what_is_not_only_text_is_refused() {
        for (text, at) in [("$input.body", 0), ("a ## comment", 2), ("{\"color\": \"#fff\"}", 11), ("5 $", 2)] {
            let error = PlainTemplate::compile(text).expect_err(text);
            let expected = format!("mapping templates with $ or # are not yet supported (one stands at byte {at})");
            assert_eq!(error, expected);
        }
    }
}
