//! The access file: who is who, and what they may do. YAML, or JSON, which is YAML too.

use super::names::Names;
use crate::app::Role;
use penstock_link::file::Contents;
use penstock_link::{FileError, TokenHash};
use serde::Deserialize;

/// Most identities of one file.
const IDENTITIES_MAX: usize = 1_000;
/// Most certificates and tokens of one identity, each.
const CREDENTIALS_MAX: usize = 16;
/// Longest name of an identity, in characters.
const NAME_CHARS_MAX: usize = 128;

/// Who is who.
#[derive(Debug, Default)]
pub(super) struct AccessFile {
    identities: Vec<Identity>,
}

#[derive(Debug)]
pub(super) struct Identity {
    pub(super) name: String,
    pub(super) role: Role,
    certificates: Vec<Pattern>,
    tokens: Vec<TokenHash>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct FileForm {
    identities: Vec<IdentityForm>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct IdentityForm {
    name: String,
    role: Role,
    #[serde(default)]
    certificates: Vec<Pattern>,
    #[serde(default)]
    token_sha256: Vec<String>,
}

/// Names that a certificate must have: each one that is given. A `*` stands for any characters.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Pattern {
    common_name: Option<String>,
    organization: Option<String>,
    organizational_unit: Option<String>,
    dns: Option<String>,
    uri: Option<String>,
}

/// Reads and checks the file.
///
/// # Errors
/// The first thing that is wrong, with its line or its field.
pub(super) fn parse(files: &[Contents]) -> Result<AccessFile, FileError> {
    let file = &files[0];
    let failed = |reason: String| FileError::new(&file.path, reason);
    let text = std::str::from_utf8(&file.bytes).map_err(|_| failed("is not text".to_owned()))?;
    let form: FileForm = serde_saphyr::from_str(text).map_err(|error| failed(error.to_string()))?;
    read(form).map_err(failed)
}

fn read(form: FileForm) -> Result<AccessFile, String> {
    if form.identities.len() > IDENTITIES_MAX {
        return Err(format!("identities: there can be at most {IDENTITIES_MAX}"));
    }
    let mut identities: Vec<Identity> = Vec::with_capacity(form.identities.len());
    for (at, form) in form.identities.into_iter().enumerate() {
        let field = format!("identities[{at}]");
        if let Some(other) = identities.iter().position(|identity| identity.name == form.name) {
            return Err(format!("{field}.name: is the name of identities[{other}] too"));
        }
        identities.push(identity(&field, form)?);
    }
    Ok(AccessFile { identities })
}

fn identity(field: &str, form: IdentityForm) -> Result<Identity, String> {
    let length = form.name.chars().count();
    if length == 0 || length > NAME_CHARS_MAX || form.name.chars().any(char::is_control) {
        return Err(format!("{field}.name: must have 1 to {NAME_CHARS_MAX} characters that can be printed"));
    }
    if form.certificates.is_empty() && form.token_sha256.is_empty() {
        return Err(format!("{field}: must have certificates or tokenSha256, or nobody can be this identity"));
    }
    for (list, count) in [("certificates", form.certificates.len()), ("tokenSha256", form.token_sha256.len())] {
        if count > CREDENTIALS_MAX {
            return Err(format!("{field}.{list}: there can be at most {CREDENTIALS_MAX}"));
        }
    }
    if let Some(at) = form.certificates.iter().position(|pattern| pattern.parts().iter().all(|part| part.0.is_none())) {
        return Err(format!(
            "{field}.certificates[{at}]: must have commonName, organization, organizationalUnit, dns or uri"
        ));
    }
    let mut tokens = Vec::with_capacity(form.token_sha256.len());
    for (at, text) in form.token_sha256.iter().enumerate() {
        tokens.push(TokenHash::from_hex(text).ok_or_else(|| {
            format!("{field}.tokenSha256[{at}]: must be the SHA-256 of a token, 64 hexadecimal digits")
        })?);
    }
    Ok(Identity { name: form.name, role: form.role, certificates: form.certificates, tokens })
}

impl AccessFile {
    /// Whose token this is. Every token is compared, so that the time tells nothing.
    pub(super) fn by_token(&self, presented: &TokenHash) -> Option<&Identity> {
        let mut found = None;
        for identity in &self.identities {
            for token in &identity.tokens {
                if token.matches(presented) {
                    found = found.or(Some(identity));
                }
            }
        }
        found
    }

    /// Whose certificate this is: the first identity that it fits.
    pub(super) fn by_certificate(&self, names: &Names) -> Option<&Identity> {
        self.identities.iter().find(|identity| identity.certificates.iter().any(|pattern| pattern.fits(names)))
    }
}

/// A pattern, and which names of a certificate it is for.
type Part<'a> = (Option<&'a str>, fn(&Names) -> &[String]);

impl Pattern {
    fn parts(&self) -> [Part<'_>; 5] {
        [
            (self.common_name.as_deref(), |names| &names.common_names),
            (self.organization.as_deref(), |names| &names.organizations),
            (self.organizational_unit.as_deref(), |names| &names.organizational_units),
            (self.dns.as_deref(), |names| &names.dns),
            (self.uri.as_deref(), |names| &names.uris),
        ]
    }

    fn fits(&self, names: &Names) -> bool {
        self.parts()
            .into_iter()
            .all(|(pattern, of)| pattern.is_none_or(|pattern| of(names).iter().any(|name| matches(pattern, name))))
    }
}

/// Whether the text is what the pattern says, where each `*` stands for any characters.
fn matches(pattern: &str, text: &str) -> bool {
    let Some((first, rest)) = pattern.split_once('*') else { return pattern == text };
    let Some(mut text) = text.strip_prefix(first) else { return false };
    let mut parts: Vec<&str> = rest.split('*').collect();
    let last = parts.pop().unwrap_or_default();
    for part in parts {
        // The earliest place leaves the most for what follows.
        let Some(at) = text.find(part) else { return false };
        text = &text[at + part.len()..];
    }
    text.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: &str) -> Result<AccessFile, String> {
        parse(&[Contents { path: "access.yaml".into(), bytes: text.into() }]).map_err(|error| error.to_string())
    }

    fn hash(token: &str) -> String {
        use sha2::{Digest as _, Sha256};
        Sha256::digest(token).iter().map(|byte| format!("{byte:02x}")).collect()
    }

    #[test]
    fn tokens_and_certificates_lead_to_identities() {
        let text = format!(
            "identities:\n- name: ci\n  role: editor\n  tokenSha256: [{}, {}]\n\
             - name: ops\n  role: admin\n  certificates:\n  - commonName: ops\n    organization: 'Ex*'\n\
             - name: proxies\n  role: node\n  certificates: [{{dns: '*.nodes.example'}}]\n",
            hash("old"),
            hash("new")
        );
        let file = file(&text).unwrap();
        let who = |token: &str| file.by_token(&TokenHash::of(token)).map(|identity| identity.name.as_str());
        assert_eq!((who("old"), who("new"), who("other")), (Some("ci"), Some("ci"), None));
        let named = |common: &str, organization: &str, dns: &str| {
            let names = Names {
                common_names: vec![common.into()],
                organizations: vec![organization.into()],
                dns: vec![dns.into()],
                ..Names::default()
            };
            file.by_certificate(&names).map(|identity| identity.role)
        };
        assert_eq!(named("ops", "Example", ""), Some(Role::Admin));
        assert_eq!(named("ops", "Other", ""), None, "each name that is given must be there");
        assert_eq!(named("x", "y", "a.nodes.example"), Some(Role::Node));
        assert_eq!(file.by_certificate(&Names::default()).map(|identity| identity.role), None);
    }

    #[test]
    fn json_is_understood_too() {
        let text = format!(r#"{{"identities":[{{"name":"a","role":"viewer","tokenSha256":["{}"]}}]}}"#, hash("t"));
        assert!(file(&text).unwrap().by_token(&TokenHash::of("t")).is_some());
    }

    #[test]
    fn what_is_wrong_is_named_by_line_or_field() {
        let one = |rest: &str| format!("identities:\n- name: a\n  role: viewer\n{rest}");
        let token = format!("  tokenSha256: [{}]\n", hash("t"));
        let table = [
            ("identity: []".to_owned(), "identity"),
            (one("  tokens: []\n"), "line 4"),
            ("identities:\n- name: a\n  role: root\n".to_owned(), "line 3"),
            (one(""), "identities[0]: must have"),
            (one("  tokenSha256: [abc]\n"), "identities[0].tokenSha256[0]"),
            (one("  certificates: [{}]\n"), "identities[0].certificates[0]"),
            (one("  certificates: [{cn: x}]\n"), "cn"),
            (
                one(&format!("{token}- name: a\n  role: admin\n{token}")),
                "identities[1].name: is the name of identities[0]",
            ),
            (format!("identities:\n- name: ''\n  role: viewer\n{token}"), "identities[0].name"),
            ("identities: [".to_owned(), "line"),
        ];
        for (text, expected) in table {
            let error = file(&text).unwrap_err();
            assert!(error.contains(expected), "{text:?} said {error:?}, and not {expected:?}");
        }
    }

    #[test]
    fn a_star_stands_for_any_characters() {
        for (pattern, text) in [("a", "a"), ("*", ""), ("a*", "a"), ("*.b", "x.b"), ("a*b*c", "a1b2c"), ("*a*", "bab")]
        {
            assert!(matches(pattern, text), "{pattern} {text}");
        }
        for (pattern, text) in [("a", "ab"), ("a*", "b"), ("*.b", "b"), ("a*b*c", "acb"), ("ab*ba", "aba")] {
            assert!(!matches(pattern, text), "{pattern} {text}");
        }
    }
}
