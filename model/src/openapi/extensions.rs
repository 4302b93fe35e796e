//! What is said about extension keys that import does not use: one warning at each, never an error.

use super::lambda_endpoint;
use super::report::{Place, Report, shown};
use serde_json::{Map, Value};

/// Keys of the specification (section i.1) that mean something somewhere, with what is missing here.
const KNOWN: [(&str, &str); 17] = [
    ("any-method", "belongs to a path"),
    ("api-key-source", "belongs to the document itself"),
    ("auth", "belongs to an operation"),
    ("authorizer", "authorizers are not supported yet: methods that ask for one are closed to everybody"),
    ("authtype", "belongs to a security scheme"),
    ("binary-media-types", "belongs to the document itself"),
    ("cors", "automatic CORS is not supported yet: add OPTIONS methods"),
    ("documentation", "documentation parts are not supported yet"),
    ("endpoint-configuration", "belongs to the document itself or to a server"),
    ("gateway-responses", "belongs to the document itself"),
    ("integration", "belongs to an operation"),
    ("integrations", "belongs to components"),
    ("minimum-compression-size", "belongs to the document itself"),
    ("policy", "resource policies are not supported yet: nobody is refused by them"),
    ("request-validator", "request validation is not supported yet: requests pass unchecked"),
    ("request-validators", "request validation is not supported yet: requests pass unchecked"),
    ("tag-value", "belongs to a tag"),
];

/// Keys of our own, with where each belongs.
const OWN: [(&str, &str); 1] = [(lambda_endpoint::KEY, "belongs to an operation")];

/// Warns about every `x-amazon-apigateway-*` key of `object` whose name is not among `used`, and about every
/// `x-penstock-*` key that is not.
pub(super) fn warn_unused(object: &Map<String, Value>, place: &Place<'_>, used: &[&str], report: &mut Report) {
    for key in object.keys() {
        // Names of our own keys are written out: what is ours must not pass as the specification's.
        let (name, known) = match key.strip_prefix("x-amazon-apigateway-") {
            Some(name) => (name, &KNOWN[..]),
            None if key.starts_with("x-penstock-") => (key.as_str(), &OWN[..]),
            None => continue,
        };
        if used.contains(&name) {
            continue;
        }
        let message = match known.iter().find(|(known, _)| *known == name) {
            Some((_, message)) => format!("ignored: {message}"),
            // Says nothing that could be missed: every import reads the same version.
            None if name == "importexport-version" => continue,
            None => format!("ignored: {:?} is not a known extension", shown(key)),
        };
        report.warning(place.key(key), message);
    }
}
