//! [`Names`]: what a verified certificate says its owner is called.
//!
//! The handshake has checked the certificate, also its form. Of the subject only the parts are read that the access file
//! can ask for; the rest of X.509 is the library's.

use rustls::pki_types::CertificateDer;
use std::fmt;
use webpki::EndEntityCert;

/// Most names of one kind that are kept: more are the sign of a certificate that was not made for us.
const NAMES_MAX: usize = 100;

/// Most names that a refusal shows, which has to fit into headers.
const SHOWN_MAX: usize = 3;
/// Longest part of a name that is shown, in characters.
const SHOWN_CHARS_MAX: usize = 64;

/// Object identifiers of parts of a subject (X.520), as DER writes them.
mod oid {
    pub(super) const COMMON_NAME: &[u8] = &[0x55, 0x04, 0x03];
    pub(super) const ORGANIZATION: &[u8] = &[0x55, 0x04, 0x0a];
    pub(super) const ORGANIZATIONAL_UNIT: &[u8] = &[0x55, 0x04, 0x0b];
}

/// Tags of DER.
mod tag {
    pub(super) const OBJECT_IDENTIFIER: u8 = 0x06;
    pub(super) const UTF8_STRING: u8 = 0x0c;
    pub(super) const PRINTABLE_STRING: u8 = 0x13;
    pub(super) const IA5_STRING: u8 = 0x16;
    pub(super) const SEQUENCE: u8 = 0x30;
    pub(super) const SET: u8 = 0x31;
}

/// What a certificate's owner is called.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Names {
    pub(super) common_names: Vec<String>,
    pub(super) organizations: Vec<String>,
    pub(super) organizational_units: Vec<String>,
    /// Alternative names.
    pub(super) dns: Vec<String>,
    pub(super) uris: Vec<String>,
}

impl Names {
    /// Reads a certificate that the handshake has verified; what has an unknown form is left out.
    pub(crate) fn read(certificate: &CertificateDer<'_>) -> Self {
        let Ok(certificate) = EndEntityCert::try_from(certificate) else { return Self::default() };
        let mut names = Self::default();
        names.dns.extend(certificate.valid_dns_names().take(NAMES_MAX).map(str::to_owned));
        names.uris.extend(certificate.valid_uri_names().take(NAMES_MAX).map(str::to_owned));
        names.add_subject(certificate.subject());
        names
    }

    /// `subject` is a sequence of sets of (type, value); the library has taken the outer wrapping off.
    fn add_subject(&mut self, subject: &[u8]) {
        let mut rest = subject;
        while let Some((tag::SET, set)) = element(&mut rest) {
            let mut set = set;
            while let Some((tag::SEQUENCE, pair)) = element(&mut set) {
                let mut pair = pair;
                let Some((tag::OBJECT_IDENTIFIER, kind)) = element(&mut pair) else { continue };
                let Some((tag::UTF8_STRING | tag::PRINTABLE_STRING | tag::IA5_STRING, value)) = element(&mut pair)
                else {
                    continue;
                };
                let list = match kind {
                    oid::COMMON_NAME => &mut self.common_names,
                    oid::ORGANIZATION => &mut self.organizations,
                    oid::ORGANIZATIONAL_UNIT => &mut self.organizational_units,
                    _ => continue,
                };
                if let (Ok(text), true) = (std::str::from_utf8(value), list.len() < NAMES_MAX) {
                    list.push(text.to_owned());
                }
            }
        }
    }
}

impl fmt::Display for Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kinds = [
            ("commonName", &self.common_names),
            ("organization", &self.organizations),
            ("organizationalUnit", &self.organizational_units),
            ("dns", &self.dns),
            ("uri", &self.uris),
        ];
        let mut all = kinds.iter().flat_map(|(kind, names)| names.iter().map(move |name| (kind, name)));
        let Some((kind, name)) = all.next() else { return f.write_str("without a name") };
        write!(f, "{kind} {:?}", start(name))?;
        all.take(SHOWN_MAX - 1).try_for_each(|(kind, name)| write!(f, ", {kind} {:?}", start(name)))
    }
}

/// As much of a name as is shown.
fn start(name: &str) -> &str {
    name.char_indices().nth(SHOWN_CHARS_MAX).map_or(name, |(end, _)| &name[..end])
}

/// Takes the next element off the bytes: its tag and its content.
fn element<'a>(bytes: &mut &'a [u8]) -> Option<(u8, &'a [u8])> {
    let (&[tag, first], mut rest) = bytes.split_first_chunk::<2>()?;
    let mut length = usize::from(first);
    if first >= 0x80 {
        // The long form: how many bytes of length follow. Two are enough for a subject.
        let count = usize::from(first & 0x7f);
        if !(1..=2).contains(&count) {
            return None;
        }
        let (digits, behind) = rest.split_at_checked(count)?;
        length = digits.iter().fold(0, |length, &digit| length << 8 | usize::from(digit));
        rest = behind;
    }
    let (content, behind) = rest.split_at_checked(length)?;
    *bytes = behind;
    Some((tag, content))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair, SanType};

    fn certificate(subject: &[(DnType, &str)], alternative: Vec<SanType>) -> Names {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        for (kind, value) in subject {
            params.distinguished_name.push(kind.clone(), *value);
        }
        params.subject_alt_names = alternative;
        let made = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
        Names::read(made.der())
    }

    #[test]
    fn subject_and_alternative_names_are_read() {
        let long = "x".repeat(300);
        let subject = [
            (DnType::CommonName, "ops"),
            (DnType::CountryName, "AQ"),
            (DnType::OrganizationName, long.as_str()),
            (DnType::OrganizationalUnitName, "nodes ü"),
        ];
        let alternative = vec![
            SanType::DnsName("a.example".try_into().unwrap()),
            SanType::URI("spiffe://example/node".try_into().unwrap()),
            SanType::IpAddress("127.0.0.1".parse().unwrap()),
        ];
        let names = certificate(&subject, alternative);
        assert_eq!(names.common_names, ["ops"]);
        assert_eq!(names.organizations, [long]);
        assert_eq!(names.organizational_units, ["nodes ü"]);
        assert_eq!(names.dns, ["a.example"]);
        assert_eq!(names.uris, ["spiffe://example/node"]);
    }

    #[test]
    fn a_certificate_without_names_has_none() {
        assert_eq!(certificate(&[], Vec::new()), Names::default());
        assert_eq!(Names::default().to_string(), "without a name");
    }

    #[test]
    fn a_few_names_are_shown_as_far_as_they_fit() {
        let dns = (0..10).map(|at| format!("{at}{}", "x".repeat(SHOWN_CHARS_MAX))).collect();
        let shown = Names { dns, ..Names::default() }.to_string();
        let expected = (0..3).map(|at| format!("dns \"{at}{}\"", "x".repeat(SHOWN_CHARS_MAX - 1)));
        assert_eq!(shown, expected.collect::<Vec<_>>().join(", "));
    }

    #[test]
    fn broken_elements_end_the_reading() {
        for bytes in [&[0x31][..], &[0x31, 0x05, 0x30], &[0x31, 0x83, 1, 1, 1], &[0x31, 0x80], &[0x31, 0x82, 1]] {
            let mut names = Names::default();
            names.add_subject(bytes);
            assert_eq!(names, Names::default(), "{bytes:?}");
        }
    }
}
