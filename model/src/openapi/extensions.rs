//! What is said about extension keys that import does not use: one warning at each, never an error.

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

/// Warns about every `x-amazon-apigateway-*` key of `object` that is not among `used`.
pub(super) fn warn_unused(object: &Map<String, Value>, place: &Place<'_>, used: &[&str], report: &mut Report) {
    for key in object.keys() {
        let Some(name) = key.strip_prefix("x-amazon-apigateway-") else { continue };
        if used.contains(&name) {
            continue;
        }
        let message = match KNOWN.iter().find(|(known, _)| *known == name) {
            Some((_, message)) => format!("ignored: {message}"),
            // Says nothing that could be missed: every import reads the same version.
            None if name == "importexport-version" => continue,
            None => format!("ignored: {:?} is not a known extension", shown(key)),
        };
        report.warning(place.key(key), message);
    }
}
