//! [`RequestPlan`] and [`Mappings`]: what happens to a request before it leaves for its integration, compiled.

use super::settings::StageSettings;
use crate::content::conversion::{self, Decision, Payload};
use crate::content::media_type::content_type_or;
use crate::content::passthrough::{Refusal, RequestTemplates};
use crate::content::template::PlainTemplate;
use crate::header_list::HeaderList;
use crate::headers::MappedHeaderRule;
use crate::integration::{ContentHandling, Integration};
use crate::mapping::{CompiledSource, Source, StageFacts, Target};
use crate::rest_api::Fidelity;
use crate::violation::Violations;
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use std::collections::BTreeMap;

/// What happens to a request body.
#[derive(Debug)]
pub struct RequestPlan {
    /// What a body may be replaced by; `None` for proxies, whose bodies never are.
    pub templates: Option<Box<Templates>>,
    /// Of the integration.
    pub handling: Option<ContentHandling>,
    /// Whether a mapping reads the body, so that it must be collected.
    pub reads_body: bool,
    /// Whether its bytes go on whatever their type is, in every fidelity: what a function's event makes of them is decided
    /// where the event is made.
    pub as_it_is: bool,
}

/// The request templates of an integration.
#[derive(Debug)]
pub struct Templates {
    /// Which of them a body meets.
    pub choice: RequestTemplates,
    all: Vec<PlainTemplate>,
}

/// What becomes of one body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Its conversion.
    pub decision: Decision,
    /// The template that takes its place, by index.
    pub template: Option<usize>,
}

impl RequestPlan {
    /// Decides about one request (sections a.3, a.5, e.6). `missing` is what a request without `Content-Type` counts as.
    ///
    /// # Errors
    /// Why the request goes no further.
    pub fn decide(&self, stage: &StageSettings, headers: &HeaderList, missing: &str) -> Result<Outcome, Refusal> {
        if self.ignores_type(stage.fidelity) {
            let decision = conversion::request(self.handling, false, Fidelity::Transparent, true);
            return Ok(Outcome { decision, template: None });
        }
        let content_type = content_type_or(headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes), Some(missing));
        let matches = stage.media_types.matches_content_type(content_type, Some(missing));
        let decision = conversion::request(self.handling, matches, stage.fidelity, self.templates.is_none());
        let template = match &self.templates {
            Some(templates) => templates.choice.select(content_type, decision.payload)?,
            None => None,
        };
        if self.reads_body && decision.payload == Payload::Bytes {
            // Mappings read text only (section a.2).
            return Err(Refusal::UnableToTransformRequest);
        }
        Ok(Outcome { decision, template })
    }

    /// The templates, in the order of their indexes.
    pub fn templates(&self) -> &[PlainTemplate] {
        self.templates.as_ref().map_or(&[], |templates| &templates.all)
    }

    /// Whether the same becomes of every type, so that nothing has to be matched and nobody waits for what tells it.
    pub fn ignores_type(&self, fidelity: Fidelity) -> bool {
        self.as_it_is || self.templates.is_none() && fidelity == Fidelity::Transparent
    }

    /// Of a body that goes on with its bytes unchanged.
    pub(super) fn as_it_is() -> Self {
        Self { templates: None, handling: None, reads_body: false, as_it_is: true }
    }

    pub(super) fn compile(integration: &Integration, proxy: bool) -> Result<Self, Violations> {
        let handling = integration.content_handling;
        if proxy {
            // Templates of a proxy are kept, and never read (section e.4).
            return Ok(Self { templates: None, handling, reads_body: false, as_it_is: false });
        }
        let templates = Templates {
            choice: RequestTemplates::compile(&integration.request_templates, integration.passthrough_behavior),
            all: plain_templates("requestTemplates", &integration.request_templates)?,
        };
        Ok(Self { templates: Some(Box::new(templates)), handling, reads_body: false, as_it_is: false })
    }
}

/// Compiles templates in the order of their keys, which is the order of their indexes.
pub(super) fn plain_templates(
    field: &str,
    templates: &BTreeMap<String, String>,
) -> Result<Vec<PlainTemplate>, Violations> {
    let mut violations = Violations::new();
    let mut compiled = Vec::with_capacity(templates.len());
    for (key, text) in templates {
        match PlainTemplate::compile(text) {
            Ok(template) => compiled.push(template),
            Err(reason) => violations.add(format!("{field}[{key}]"), reason),
        }
    }
    violations.into_result(compiled)
}

/// The request mappings of one integration, by what they set (section e.5).
#[derive(Default)]
pub(super) struct Mappings {
    pub(super) path: BTreeMap<String, CompiledSource>,
    pub(super) query: Vec<(String, CompiledSource)>,
    pub(super) headers: Vec<(HeaderName, CompiledSource)>,
    pub(super) illegal_header: Option<String>,
    pub(super) reads_body: bool,
}

impl Mappings {
    /// `rule` says what becomes of a header that is set.
    pub(super) fn compile(
        parameters: &BTreeMap<String, String>,
        facts: &StageFacts<'_>,
        rule: fn(&HeaderName) -> MappedHeaderRule,
    ) -> Result<Self, Violations> {
        let mut out = Self::default();
        let mut violations = Violations::new();
        for (target, expression) in parameters {
            let field = || format!("requestParameters[{target}]");
            let (target, source) = match (Target::parse(target), Source::parse(expression)) {
                (Ok(target), Ok(source)) => (target, source),
                (target, source) => {
                    for error in [target.err(), source.err()].into_iter().flatten() {
                        violations.add(field(), error);
                    }
                    continue;
                }
            };
            let source = CompiledSource::compile(&source, facts);
            out.reads_body |= source.reads_body();
            match target {
                Target::Path(name) => drop(out.path.insert(name, source)),
                Target::Query(name) => out.query.push((name, source)),
                Target::Header(name) => out.header(&name, source, rule),
            }
        }
        violations.into_result(out)
    }

    fn header(&mut self, name: &str, source: CompiledSource, rule: fn(&HeaderName) -> MappedHeaderRule) {
        let Ok(parsed) = HeaderName::from_bytes(name.as_bytes()) else { return };
        match rule(&parsed) {
            MappedHeaderRule::Set => self.headers.push((parsed, source)),
            MappedHeaderRule::Drop => {}
            MappedHeaderRule::Fail => self.illegal_header = Some(name.to_owned()),
        }
    }
}
