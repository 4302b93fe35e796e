//! The conversion tables (sections a.3 and a.4): what happens to the bytes of a body, and which cell said so.
//!
//! In the transparent fidelity two things differ from the specification, because there it damages bytes: `HTTP_PROXY`
//! never converts, and where the specification replaces what is not UTF-8 the bytes pass, as text to whoever reads them.

use crate::integration::ContentHandling;
use crate::rest_api::Fidelity;
use std::fmt;

/// What happens to the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Conversion {
    /// Nothing.
    Pass,
    /// What is not UTF-8 becomes U+FFFD (section a.2).
    Text,
    /// They become base64.
    Encode,
    /// They are base64 and become what it stands for. Failure is a 500 (section a.6).
    Decode,
}

/// What a body is after its conversion (section a.2). Templates and mappings read text only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Payload {
    /// A string. Bytes that passed are read as UTF-8, with U+FFFD for what is not.
    Text,
    /// Bytes, which no template accepts.
    Bytes,
}

/// What happens to a body, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decision {
    /// What to do.
    pub conversion: Conversion,
    /// What comes out.
    pub payload: Payload,
    /// The cell that applied.
    pub cell: Cell,
}

/// A cell of a conversion table. `Display` gives `table/row/column`, which explanations print and documents use as
/// anchors: it does not change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cell {
    /// Section a.3.
    Request {
        /// The row.
        handling: Option<ContentHandling>,
        /// The column: whether the `Content-Type` matches.
        matches: bool,
    },
    /// Section a.4.
    Response {
        /// The row.
        handling: Option<ContentHandling>,
        /// The first half of the column: whether the upstream's `Content-Type` matches, the specification's `P`.
        type_matches: bool,
        /// The second half: whether `Accept` matches, the specification's `A`.
        accept_matches: bool,
    },
    /// The request of an `HTTP_PROXY` in the transparent fidelity.
    ProxyRequest,
    /// Its response.
    ProxyResponse,
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Request { handling, matches } => {
                write!(f, "request/{}/{}", row(handling), if matches { "match" } else { "no-match" })
            }
            Self::Response { handling, type_matches, accept_matches } => {
                let column = match (type_matches, accept_matches) {
                    (false, false) => "type-no-accept-no",
                    (false, true) => "type-no-accept-yes",
                    (true, false) => "type-yes-accept-no",
                    (true, true) => "type-yes-accept-yes",
                };
                write!(f, "response/{}/{column}", row(handling))
            }
            Self::ProxyRequest => f.write_str("request/http-proxy/transparent"),
            Self::ProxyResponse => f.write_str("response/http-proxy/transparent"),
        }
    }
}

fn row(handling: Option<ContentHandling>) -> &'static str {
    match handling {
        None => "undefined",
        Some(ContentHandling::ConvertToText) => "convert-to-text",
        Some(ContentHandling::ConvertToBinary) => "convert-to-binary",
    }
}

/// Decides about a request body (section a.3). `handling` is the integration's, `matches` says whether the request's
/// `Content-Type` is binary, `proxy` whether the integration is an `HTTP_PROXY`.
pub fn request(handling: Option<ContentHandling>, matches: bool, fidelity: Fidelity, proxy: bool) -> Decision {
    if proxy && fidelity == Fidelity::Transparent {
        return untouched(Cell::ProxyRequest);
    }
    let (conversion, payload) = match (handling, matches) {
        (None | Some(ContentHandling::ConvertToText), false) => text(fidelity),
        (None | Some(ContentHandling::ConvertToBinary), true) => (Conversion::Pass, Payload::Bytes),
        (Some(ContentHandling::ConvertToText), true) => (Conversion::Encode, Payload::Text),
        (Some(ContentHandling::ConvertToBinary), false) => (Conversion::Decode, Payload::Bytes),
    };
    Decision { conversion, payload, cell: Cell::Request { handling, matches } }
}

/// Decides about a response body (section a.4). `handling` is that of the selected integration response, which an
/// `HTTP_PROXY` has not (section a.8); `type_matches` says whether the upstream's `Content-Type` is binary,
/// `accept_matches` whether the client's `Accept` is.
pub fn response(
    handling: Option<ContentHandling>,
    type_matches: bool,
    accept_matches: bool,
    fidelity: Fidelity,
    proxy: bool,
) -> Decision {
    if proxy && fidelity == Fidelity::Transparent {
        return untouched(Cell::ProxyResponse);
    }
    let handling = handling.filter(|_| !proxy);
    let (conversion, payload) = match (handling, type_matches, accept_matches) {
        (None, false, false) | (Some(ContentHandling::ConvertToText), false, _) => text(fidelity),
        (None, false, true) | (Some(ContentHandling::ConvertToBinary), false, _) => {
            (Conversion::Decode, Payload::Bytes)
        }
        (None, true, false) | (Some(ContentHandling::ConvertToText), true, _) => (Conversion::Encode, Payload::Text),
        (None, true, true) | (Some(ContentHandling::ConvertToBinary), true, _) => (Conversion::Pass, Payload::Bytes),
    };
    Decision { conversion, payload, cell: Cell::Response { handling, type_matches, accept_matches } }
}

/// The cells that say "text (UTF-8, lossy)".
fn text(fidelity: Fidelity) -> (Conversion, Payload) {
    let conversion = match fidelity {
        Fidelity::Transparent => Conversion::Pass,
        Fidelity::Aws => Conversion::Text,
    };
    (conversion, Payload::Text)
}

/// Bytes that pass whatever their type is, as text to a mapping that reads them.
fn untouched(cell: Cell) -> Decision {
    Decision { conversion: Conversion::Pass, payload: Payload::Text, cell }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Fidelity::{Aws, Transparent};
    use std::collections::HashSet;

    const UNDEFINED: Option<ContentHandling> = None;
    const TO_TEXT: Option<ContentHandling> = Some(ContentHandling::ConvertToText);
    const TO_BINARY: Option<ContentHandling> = Some(ContentHandling::ConvertToBinary);

    /// The conversion and the payload that belong together.
    type Outcome = (Conversion, Payload);
    type ResponseRow = (Option<ContentHandling>, bool, bool, Outcome, Outcome, &'static str);

    const LOSSY: Outcome = (Conversion::Text, Payload::Text);
    const PASS_TEXT: Outcome = (Conversion::Pass, Payload::Text);
    const PASS_BYTES: Outcome = (Conversion::Pass, Payload::Bytes);
    const ENCODE: Outcome = (Conversion::Encode, Payload::Text);
    const DECODE: Outcome = (Conversion::Decode, Payload::Bytes);

    /// Section a.3: the row, the column, the cell in both fidelities, the anchor.
    const REQUEST: [(Option<ContentHandling>, bool, Outcome, Outcome, &str); 6] = [
        (UNDEFINED, false, LOSSY, PASS_TEXT, "request/undefined/no-match"),
        (UNDEFINED, true, PASS_BYTES, PASS_BYTES, "request/undefined/match"),
        (TO_TEXT, false, LOSSY, PASS_TEXT, "request/convert-to-text/no-match"),
        (TO_TEXT, true, ENCODE, ENCODE, "request/convert-to-text/match"),
        (TO_BINARY, false, DECODE, DECODE, "request/convert-to-binary/no-match"),
        (TO_BINARY, true, PASS_BYTES, PASS_BYTES, "request/convert-to-binary/match"),
    ];

    /// Section a.4: the row, `P`, `A`, the cell in both fidelities, the anchor.
    #[rustfmt::skip]
    const RESPONSE: [ResponseRow; 12] = [
        (UNDEFINED, false, false, LOSSY, PASS_TEXT, "response/undefined/type-no-accept-no"),
        (UNDEFINED, false, true, DECODE, DECODE, "response/undefined/type-no-accept-yes"),
        (UNDEFINED, true, false, ENCODE, ENCODE, "response/undefined/type-yes-accept-no"),
        (UNDEFINED, true, true, PASS_BYTES, PASS_BYTES, "response/undefined/type-yes-accept-yes"),
        (TO_TEXT, false, false, LOSSY, PASS_TEXT, "response/convert-to-text/type-no-accept-no"),
        (TO_TEXT, false, true, LOSSY, PASS_TEXT, "response/convert-to-text/type-no-accept-yes"),
        (TO_TEXT, true, false, ENCODE, ENCODE, "response/convert-to-text/type-yes-accept-no"),
        (TO_TEXT, true, true, ENCODE, ENCODE, "response/convert-to-text/type-yes-accept-yes"),
        (TO_BINARY, false, false, DECODE, DECODE, "response/convert-to-binary/type-no-accept-no"),
        (TO_BINARY, false, true, DECODE, DECODE, "response/convert-to-binary/type-no-accept-yes"),
        (TO_BINARY, true, false, PASS_BYTES, PASS_BYTES, "response/convert-to-binary/type-yes-accept-no"),
        (TO_BINARY, true, true, PASS_BYTES, PASS_BYTES, "response/convert-to-binary/type-yes-accept-yes"),
    ];

    #[track_caller]
    fn check(decision: Decision, expected: Outcome, anchor: &str) {
        assert_eq!((decision.conversion, decision.payload), expected, "{anchor}");
        assert_eq!(decision.cell.to_string(), anchor);
    }

    #[test]
    fn requests_follow_section_a3() {
        for (handling, matches, aws, transparent, anchor) in REQUEST {
            check(request(handling, matches, Aws, false), aws, anchor);
            check(request(handling, matches, Transparent, false), transparent, anchor);
        }
    }

    #[test]
    fn responses_follow_section_a4() {
        for (handling, p, a, aws, transparent, anchor) in RESPONSE {
            check(response(handling, p, a, Aws, false), aws, anchor);
            check(response(handling, p, a, Transparent, false), transparent, anchor);
        }
    }

    /// Section a.8: the request by the integration's handling, the response always by the first row.
    #[test]
    fn an_http_proxy_follows_section_a8_in_the_aws_fidelity() {
        for (handling, matches, aws, _, anchor) in REQUEST {
            check(request(handling, matches, Aws, true), aws, anchor);
        }
        for handling in [UNDEFINED, TO_TEXT, TO_BINARY] {
            for (_, p, a, aws, _, anchor) in &RESPONSE[..4] {
                check(response(handling, *p, *a, Aws, true), *aws, anchor);
            }
        }
    }

    #[test]
    fn an_http_proxy_never_converts_in_the_transparent_fidelity() {
        for (handling, matches, ..) in REQUEST {
            check(request(handling, matches, Transparent, true), PASS_TEXT, "request/http-proxy/transparent");
        }
        for (handling, p, a, ..) in RESPONSE {
            check(response(handling, p, a, Transparent, true), PASS_TEXT, "response/http-proxy/transparent");
        }
    }

    #[test]
    fn the_transparent_fidelity_never_damages_bytes() {
        let custom = REQUEST.map(|(handling, matches, ..)| request(handling, matches, Transparent, false));
        let answers = RESPONSE.map(|(handling, p, a, ..)| response(handling, p, a, Transparent, false));
        assert!(custom.iter().chain(&answers).all(|decision| decision.conversion != Conversion::Text));
    }

    #[test]
    fn every_cell_has_an_anchor_of_its_own() {
        let mut anchors: HashSet<String> = HashSet::new();
        for fidelity in [Aws, Transparent] {
            for proxy in [false, true] {
                anchors.extend(REQUEST.map(|(handling, m, ..)| request(handling, m, fidelity, proxy).cell.to_string()));
                anchors.extend(
                    RESPONSE.map(|(handling, p, a, ..)| response(handling, p, a, fidelity, proxy).cell.to_string()),
                );
            }
        }
        assert_eq!(anchors.len(), REQUEST.len() + RESPONSE.len() + 2);
    }
}
