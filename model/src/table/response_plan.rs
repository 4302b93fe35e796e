//! [`Responses`]: how what an integration answers becomes what the client gets (section f), compiled.

use super::request_plan::{Outcome, plain_templates};
use super::settings::StageSettings;
use crate::content::conversion::{self, Conversion, Decision, Payload};
use crate::content::media_type::first_accept;
use crate::content::passthrough::{Refusal, ResponseTemplates};
use crate::content::selection::{PatternCache, Selection};
use crate::content::template::PlainTemplate;
use crate::header_list::HeaderList;
use crate::headers::{HeaderRule, mapped_to_client};
use crate::integration::ContentHandling;
use crate::mapping::{CompiledResponseSource, ResponseSource, ResponseTarget, StageFacts};
use crate::response::IntegrationResponse;
use crate::rest_api::Fidelity;
use crate::violation::Violations;
use http::{HeaderName, StatusCode};
use std::collections::BTreeMap;

/// The integration responses of one method.
#[derive(Debug, Default)]
pub struct Responses {
    selection: Selection,
    plans: Vec<ResponsePlan>,
}

/// One integration response.
#[derive(Debug)]
pub struct ResponsePlan {
    /// What the client gets, whatever the upstream said.
    pub status: StatusCode,
    /// See section a.4.
    pub handling: Option<ContentHandling>,
    /// Headers that are set, in order of their names; already under the names that the client sees (section c.4).
    pub headers: Vec<(HeaderName, CompiledResponseSource)>,
    /// Which template a body meets.
    pub choice: ResponseTemplates,
    /// The templates that [`ResponsePlan::choice`] chooses from.
    pub templates: Vec<PlainTemplate>,
    /// Whether a mapping reads the body, so that it must be collected.
    pub reads_body: bool,
}

impl Responses {
    pub(super) fn compile(
        responses: &BTreeMap<String, IntegrationResponse>,
        facts: &StageFacts<'_>,
        patterns: &mut PatternCache,
    ) -> Result<Self, Violations> {
        let mut violations = Violations::new();
        let selection = violations.take(Selection::compile(responses, patterns));
        let mut plans = Vec::with_capacity(responses.len());
        // In the order of their keys, which is that of their status codes.
        for (code, response) in responses {
            match ResponsePlan::compile(response, facts) {
                Ok(plan) => plans.push(plan),
                Err(found) => violations.add_below(&format!("integrationResponses[{code}]"), found),
            }
        }
        match selection {
            Some(selection) => violations.into_result(Self { selection, plans }),
            None => Err(violations),
        }
    }

    /// The one for what the integration answered, by its status; `None` when none accepts it and there is no default.
    pub fn select(&self, status: i32) -> Option<&ResponsePlan> {
        self.select_by_pattern(status).map(|(plan, _)| plan)
    }

    /// The one for what a function answered: the message of its error, or nothing (section f).
    pub fn select_message(&self, message: &str) -> Option<&ResponsePlan> {
        self.plans.get(self.selection.select(message)?)
    }

    /// The same as [`Responses::select`] with the pattern that accepted it; none for the default.
    pub fn select_by_pattern(&self, status: i32) -> Option<(&ResponsePlan, Option<&str>)> {
        let place = self.selection.select_status(status)?;
        Some((self.plans.get(place)?, self.selection.pattern(place)))
    }
}

/// What an integration says about the body of its answer.
#[derive(Clone, Copy, Debug)]
pub enum AnswerType<'a> {
    /// There is no body, and no upstream that could have sent one: `MOCK`.
    Nothing,
    /// The upstream's `Content-Type`, or what a missing one counts as.
    Of(Option<&'a [u8]>),
}

/// Decides about the answer of a proxy (section a.8).
pub fn proxied(stage: &StageSettings, content_type: Option<&[u8]>, client: &HeaderList) -> Decision {
    if stage.fidelity == Fidelity::Transparent {
        // Whatever the types are: nothing has to be matched.
        return conversion::response(None, false, false, stage.fidelity, true);
    }
    let type_matches = content_type.is_some() && stage.media_types.matches(content_type);
    let accept_matches = stage.media_types.matches_accept(client, stage.accept_policy);
    conversion::response(None, type_matches, accept_matches, stage.fidelity, true)
}

impl ResponsePlan {
    /// Decides about one answer (sections a.4, a.5, f). `client` are the request's headers.
    ///
    /// The empty body of a `MOCK` is text unless it is to become bytes: with a binary `Accept` the table would decode it,
    /// and no template would take what comes out, but hosted preflights under `*/*` do render theirs (section a.5).
    ///
    /// # Errors
    /// Why the answer goes no further.
    pub fn decide(
        &self,
        stage: &StageSettings,
        answer: AnswerType<'_>,
        client: &HeaderList,
    ) -> Result<Outcome, Refusal> {
        let accept_matches = stage.media_types.matches_accept(client, stage.accept_policy);
        let (type_matches, accept_matches) = match answer {
            AnswerType::Nothing => (false, false),
            AnswerType::Of(None) => (false, accept_matches),
            AnswerType::Of(content_type) => (stage.media_types.matches(content_type), accept_matches),
        };
        let decision = conversion::response(self.handling, type_matches, accept_matches, stage.fidelity, false);
        let template = self.choice.select(first_accept(client), decision.payload)?;
        if self.reads_body && decision.payload == Payload::Bytes {
            // Mappings read text only (section a.2).
            return Err(Refusal::UnableToTransformResponse);
        }
        Ok(Outcome { decision, template })
    }

    /// Whether the client gets the integration's bytes as they are, once `outcome` was decided.
    pub fn keeps_bytes(&self, outcome: Outcome) -> bool {
        outcome.template.is_none() && outcome.decision.conversion == Conversion::Pass
    }

    fn compile(response: &IntegrationResponse, facts: &StageFacts<'_>) -> Result<Self, Violations> {
        let mut violations = Violations::new();
        let status = response.status_code.parse().ok().and_then(|code: u16| StatusCode::from_u16(code).ok());
        let status = status.filter(|status| !status.is_informational());
        if status.is_none() {
            let code = &response.status_code;
            violations.add("statusCode", format!("{code:?} is not the status code of an answer"));
        }
        let templates = violations.take(plain_templates("responseTemplates", &response.response_templates));
        let mut headers = Vec::with_capacity(response.response_parameters.len());
        let mut reads_body = false;
        for (parameter, expression) in &response.response_parameters {
            match (ResponseTarget::parse(parameter), ResponseSource::parse(expression)) {
                (Ok(target), Ok(source)) => {
                    if let Some(name) = name_for_client(&target) {
                        let source = CompiledResponseSource::compile(&source, facts);
                        reads_body |= source.reads_body();
                        headers.push((name, source));
                    }
                }
                (target, source) => {
                    for error in [target.err(), source.err()].into_iter().flatten() {
                        violations.add(format!("responseParameters[{parameter}]"), error);
                    }
                }
            }
        }
        let (Some(status), Some(templates)) = (status, templates) else { return Err(violations) };
        violations.into_result(Self {
            status,
            handling: response.content_handling,
            headers,
            choice: ResponseTemplates::compile(&response.response_templates),
            templates,
            reads_body,
        })
    }
}

/// The name under which the client sees a mapped header; `None` for one that it never sees (section c.4).
fn name_for_client(target: &ResponseTarget) -> Option<HeaderName> {
    let name = HeaderName::from_bytes(target.header.as_bytes()).ok()?;
    match mapped_to_client(&name) {
        HeaderRule::Pass => Some(name),
        HeaderRule::Remap(to) => Some(to.clone()),
        HeaderRule::Drop => None,
    }
}
