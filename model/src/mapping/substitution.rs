//! [`SubstitutionTemplate`]: the templates of gateway responses (section e.7), which are plain substitution.

use super::compiled::CompiledSource;
use super::expression::Source;
use super::facts::{ErrorFacts, RequestFacts, StageFacts};

/// Text in which some references are replaced by values.
///
/// A reference is `$context.{name}`, `$stageVariables.{name}` or `$method.request.{header|path|querystring}.{name}` and
/// its multi-value forms, also as `${…}`, `$!…` and `$!{…}`. One that has no value leaves nothing behind. Everything
/// else is text: `#` and other `$` included, because no template language runs here (section e.7); so is
/// `method.request.…` without `$`, which the specification leaves open.
///
/// Values are put in as they are, as on the hosted service: `$context.error.messageString` is a whole JSON string, any
/// other value that may hold a quote needs care in a JSON template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubstitutionTemplate {
    pieces: Vec<Piece>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    Value(CompiledSource),
}

impl SubstitutionTemplate {
    /// The template of every gateway response that has none of its own (section e.7).
    pub const DEFAULT_TEXT: &'static str = r#"{"message":$context.error.messageString}"#;
    /// The media type of that template.
    pub const DEFAULT_MEDIA_TYPE: &'static str = "application/json";

    /// Reads a template and fills in what the stage knows. Every text is a template.
    pub fn parse(text: &str, stage: &StageFacts<'_>) -> Self {
        let mut template = Self { pieces: Vec::new() };
        let mut rest = text;
        while let Some(at) = rest.find('$') {
            let (before, from) = rest.split_at(at);
            template.push_text(before);
            let behind = match reference(from) {
                Some((source, behind)) => {
                    template.push_source(&source, stage);
                    behind
                }
                None => {
                    template.push_text("$");
                    &from[1..]
                }
            };
            rest = behind;
        }
        template.push_text(rest);
        template
    }

    /// The text for one request that ended in an error; `None` when it would be longer than `bytes_max`. A short
    /// template can name a long header often.
    pub fn render(&self, facts: &impl RequestFacts, error: &ErrorFacts<'_>, bytes_max: usize) -> Option<String> {
        let facts = error.on(facts);
        let mut out = String::new();
        for piece in &self.pieces {
            match piece {
                Piece::Text(text) => out.push_str(text),
                Piece::Value(source) => {
                    for (at, value) in source.head_values(&facts).iter().enumerate() {
                        if at > 0 {
                            out.push(',');
                        }
                        out.push_str(value);
                    }
                }
            }
            if out.len() > bytes_max {
                return None;
            }
        }
        Some(out)
    }

    fn push_source(&mut self, source: &Source, stage: &StageFacts<'_>) {
        match CompiledSource::compile(source, stage) {
            CompiledSource::Fixed(text) => self.push_text(&text),
            CompiledSource::Absent => {}
            source => self.pieces.push(Piece::Value(source)),
        }
    }

    fn push_text(&mut self, text: &str) {
        match self.pieces.last_mut() {
            _ if text.is_empty() => {}
            Some(Piece::Text(last)) => last.push_str(text),
            Some(Piece::Value(_)) | None => self.pieces.push(Piece::Text(text.to_owned())),
        }
    }
}

/// A reference at the start of `text`, which begins with `$`, and what stands behind it.
fn reference(text: &str) -> Option<(Source, &str)> {
    let inner = text.strip_prefix('$')?;
    let inner = inner.strip_prefix('!').unwrap_or(inner);
    if let Some(braced) = inner.strip_prefix('{') {
        let end = name_end(braced);
        let behind = braced[end..].strip_prefix('}')?;
        return source(&braced[..end]).map(|source| (source, behind));
    }
    let (name, behind) = inner.split_at(name_end(inner));
    source(name).map(|source| (source, behind))
}

/// Names joined by single dots, each of letters, digits, `_` and `-`: a full stop behind a reference is text.
fn name_end(text: &str) -> usize {
    let is_name = |b: &u8| b.is_ascii_alphanumeric() || *b == b'_' || *b == b'-';
    let bytes = text.as_bytes();
    let mut end = 0;
    loop {
        end += bytes[end..].iter().take_while(|b| is_name(b)).count();
        match bytes[end..] {
            [b'.', next, ..] if is_name(&next) => end += 1,
            _ => return end,
        }
    }
}

fn source(name: &str) -> Option<Source> {
    match Source::parse(name) {
        Ok(Source::Body(_) | Source::Literal(_)) | Err(_) => None,
        Ok(source) => Some(source),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mapping::tests::{TestRequest, stage};
    use std::collections::BTreeMap;

    fn rendered(text: &str, error: ErrorFacts<'_>) -> String {
        let variables = BTreeMap::from([("colour".to_owned(), "red".to_owned())]);
        let stage = StageFacts { resource: None, ..stage(&variables) };
        SubstitutionTemplate::parse(text, &stage).render(&TestRequest::default(), &error, 100).expect("it is short")
    }

    fn error() -> ErrorFacts<'static> {
        ErrorFacts {
            message: Some("a \"bad\"\nday"),
            response_type: "BAD_REQUEST_BODY",
            validation_error: Some("[object has missing required properties]"),
        }
    }

    #[test]
    fn references_become_values_and_everything_else_stays() {
        for (template, expected) in [
            ("", ""),
            ("plain # $5 $ $$ ${ $! $context $context. $other.x", "plain # $5 $ $$ ${ $! $context $context. $other.x"),
            (SubstitutionTemplate::DEFAULT_TEXT, r#"{"message":"a \"bad\"\nday"}"#),
            ("$context.error.message.", "a \"bad\"\nday."),
            ("$context.error.responseType", "BAD_REQUEST_BODY"),
            ("$context.error.validationErrorString", "[object has missing required properties]"),
            ("<$context.requestId>", "<id-1>"),
            ("${context.requestId}2 $!context.stage $!{context.apiId}", "id-12 prod api"),
            ("$context.resourcePath", "/users/{id}/files/{rest+}"),
            ("$$context.stage", "$prod"),
            ("[$context.nonsense][$stageVariables.none][$method.request.header.none]", "[][][]"),
            ("$stageVariables.colour-blind", ""),
            ("$stageVariables.colour!", "red!"),
            ("$method.request.header.X-A, $method.request.multivalueheader.X-A", "two, one,two"),
            ("$method.request.path.id $method.request.path.rest", "a/b x//y z"),
            ("$method.request.querystring.a $method.request.multivaluequerystring.a", "2 1,2"),
            ("$method.request.body method.request.path.id", "$method.request.body method.request.path.id"),
            ("#if($context.stage)yes#end", "#if(prod)yes#end"),
            ("${context.stage", "${context.stage"),
            ("${context.stage.}", "${context.stage.}"),
            ("ü$context.stageü", "üprodü"),
        ] {
            assert_eq!(rendered(template, error()), expected, "{template}");
        }
    }

    #[test]
    fn a_request_that_was_not_validated_has_no_validation_error() {
        let error = ErrorFacts { validation_error: None, ..error() };
        assert_eq!(rendered("<$context.error.validationErrorString>", error), "<>");
    }

    #[test]
    fn an_error_without_a_message_says_null() {
        let error = ErrorFacts { message: None, ..error() };
        assert_eq!(rendered(SubstitutionTemplate::DEFAULT_TEXT, error), r#"{"message":null}"#);
        assert_eq!(rendered("<$context.error.message>", error), "<>");
    }

    #[test]
    fn a_text_may_be_as_long_as_the_limit_and_no_longer() {
        let variables = BTreeMap::new();
        let template = SubstitutionTemplate::parse("12345678$context.requestId", &stage(&variables));
        assert_eq!(template.render(&TestRequest::default(), &error(), 12).as_deref(), Some("12345678id-1"));
        assert_eq!(template.render(&TestRequest::default(), &error(), 11), None);
    }

    #[test]
    fn what_the_stage_knows_is_text_before_any_request_comes() {
        let variables = BTreeMap::new();
        let template = SubstitutionTemplate::parse("a $context.stage b", &stage(&variables));
        assert_eq!(template.pieces, [Piece::Text("a prod b".to_owned())]);
    }
}
