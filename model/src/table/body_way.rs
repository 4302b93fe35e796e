//! [`BodyWay`]: how a request body goes to its integration once it is decided what becomes of it.

use super::request_plan::{Outcome, RequestPlan};
use super::settings::StageSettings;
use crate::content::coding::{Coding, CodingsError, content_codings};
use crate::content::conversion::Conversion;
use crate::header_list::HeaderList;
use crate::rest_api::Fidelity;

/// How a request body goes to its integration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BodyWay {
    /// How much of it is held.
    pub passage: Passage,
    /// Content codings that are undone on the way, in the order in which they were applied.
    pub decompress: Vec<Coding>,
    /// Codings that are undone for those alone who read the body as text; the body itself keeps them.
    pub decompress_to_read: Vec<Coding>,
    /// Whether what is sent is the client's, byte for byte.
    pub untouched: bool,
}

/// How much of a body is held before the integration hears of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Passage {
    /// Nothing: it goes on as it comes.
    Stream,
    /// Its beginning, so that an error there can still be answered (section a.6).
    LookAhead,
    /// All of it: somebody reads it.
    Collect,
    /// Nothing, and it is never sent: a template takes its place.
    Discard,
}

impl RequestPlan {
    /// Plans the way of one body. `read_when_passed` says that a body without template is read although no mapping does:
    /// a `MOCK` looks for its status in it.
    ///
    /// # Errors
    /// Something must read the body, and its content coding cannot be undone.
    pub fn way(
        &self,
        stage: &StageSettings,
        headers: &HeaderList,
        outcome: Outcome,
        read_when_passed: bool,
        has_body: bool,
    ) -> Result<BodyWay, CodingsError> {
        let Outcome { decision, template } = outcome;
        let reads = self.reads_body || read_when_passed && template.is_none();
        let converts = matches!(decision.conversion, Conversion::Encode | Conversion::Decode);
        let must_be_plain = converts && (reads || template.is_none());
        let decompress = match has_body && (must_be_plain || stage.fidelity == Fidelity::Aws) {
            true => stage.codings(headers)?,
            false => Vec::new(),
        };
        let decompress_to_read = match has_body && reads && decompress.is_empty() {
            true => stage.codings(headers)?,
            false => Vec::new(),
        };
        let passage = match decision.conversion {
            _ if reads => Passage::Collect,
            _ if template.is_some() => Passage::Discard,
            Conversion::Decode | Conversion::Text if has_body => Passage::LookAhead,
            Conversion::Decode | Conversion::Text | Conversion::Encode | Conversion::Pass => Passage::Stream,
        };
        let untouched = decompress.is_empty() && decision.conversion == Conversion::Pass && template.is_none();
        Ok(BodyWay { passage, decompress, decompress_to_read, untouched })
    }
}

impl StageSettings {
    /// The codings of a request that can be undone (section h.8). The hosted gateway knows gzip and deflate, and leaves
    /// others as they are.
    ///
    /// # Errors
    /// They cannot be undone, and nothing may be left as it is.
    pub fn codings(&self, headers: &HeaderList) -> Result<Vec<Coding>, CodingsError> {
        let hosted = self.fidelity == Fidelity::Aws;
        match content_codings(headers) {
            Ok(codings) if hosted && !codings.iter().all(|coding| Coding::SPECIFIED.contains(coding)) => Ok(Vec::new()),
            Err(CodingsError::Unknown | CodingsError::TooMany) if hosted => Ok(Vec::new()),
            codings => codings,
        }
    }

    /// The codings that answers may get, in the order of preference (section h.8). The hosted gateway knows two.
    pub fn response_codings(&self) -> &'static [Coding] {
        match self.fidelity {
            Fidelity::Aws => &Coding::SPECIFIED,
            Fidelity::Transparent => &Coding::PREFERRED,
        }
    }
}
