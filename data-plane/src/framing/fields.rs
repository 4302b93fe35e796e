//! Header lines: what ends a bad name, and what the lines say about the length of the body.
//!
//! Shared by the head grammar and the trailer section. It knows only the headers that decide framing or routing, and
//! keeps nothing of the others.

use super::grammar::{BodyFraming, HttpVersion};
use super::limits::LENGTH_MAX;
use super::octets::trim_blanks;
use super::target::is_host_and_port;
use super::violation::FramingRule;

const CONTENT_LENGTH: &[u8] = b"content-length";
const TRANSFER_ENCODING: &[u8] = b"transfer-encoding";
const HOST: &[u8] = b"host";

/// The longest name that means anything here, in bytes.
pub(super) const KNOWN_NAME_BYTES_MAX: usize = TRANSFER_ENCODING.len();

/// Says which rule a byte breaks that is neither part of a name nor the colon after it.
pub(super) fn name_fault(byte: u8) -> FramingRule {
    match byte {
        b' ' | b'\t' => FramingRule::SpaceInName,
        b'\n' => FramingRule::BareLf,
        _ => FramingRule::HeaderName,
    }
}

/// Says which rule a byte breaks that is neither part of a value nor a carriage return.
pub(super) fn value_fault(byte: u8) -> FramingRule {
    if byte == b'\n' { FramingRule::BareLf } else { FramingRule::HeaderValue }
}

/// Says whether a name may stand in a trailer section: nothing that decides framing, connection or routing may
/// (RFC 9110 section 6.5.1).
pub(super) fn check_trailer_name(name: &[u8]) -> Result<(), FramingRule> {
    const FORBIDDEN: [&[u8]; 7] =
        [CONTENT_LENGTH, TRANSFER_ENCODING, HOST, b"connection", b"trailer", b"te", b"upgrade"];
    if FORBIDDEN.iter().any(|forbidden| looks_like(name, forbidden)) {
        return Err(FramingRule::TrailerForbidden);
    }
    Ok(())
}

/// What the header lines read so far say about framing and routing.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct FramingFields {
    content_length: Option<u64>,
    chunked: bool,
    host: bool,
}

impl FramingFields {
    /// Takes one header line; `value` may still have its blanks around it.
    pub(super) fn add(&mut self, version: HttpVersion, name: &[u8], value: &[u8]) -> Result<(), FramingRule> {
        // The length alone rules out almost every header.
        match name.len() {
            4 if looks_like(name, HOST) => self.add_host(trim_blanks(value)),
            14 if looks_like(name, CONTENT_LENGTH) => {
                refuse_disguise(name)?;
                self.add_content_length(trim_blanks(value))
            }
            17 if looks_like(name, TRANSFER_ENCODING) => {
                refuse_disguise(name)?;
                self.add_transfer_encoding(version, trim_blanks(value))
            }
            _ => Ok(()),
        }
    }

    /// Ends the header section (RFC 9112 section 6.3).
    pub(super) fn conclude(&self, version: HttpVersion) -> Result<BodyFraming, FramingRule> {
        if version == HttpVersion::Http11 && !self.host {
            return Err(FramingRule::HostMissing);
        }
        Ok(match self.content_length {
            _ if self.chunked => BodyFraming::Chunked,
            Some(length) => BodyFraming::Sized(length),
            None => BodyFraming::None,
        })
    }

    fn add_host(&mut self, value: &[u8]) -> Result<(), FramingRule> {
        if self.host {
            return Err(FramingRule::HostRepeated);
        }
        self.host = true;
        // An empty value is what a client sends whose address has no authority (RFC 9110 section 7.2).
        if value.is_empty() || is_host_and_port(value) { Ok(()) } else { Err(FramingRule::HostInvalid) }
    }

    fn add_content_length(&mut self, value: &[u8]) -> Result<(), FramingRule> {
        if self.content_length.is_some() {
            return Err(FramingRule::ContentLengthRepeated);
        }
        if self.chunked {
            return Err(FramingRule::LengthConflict);
        }
        self.content_length = Some(content_length(value)?);
        Ok(())
    }

    fn add_transfer_encoding(&mut self, version: HttpVersion, value: &[u8]) -> Result<(), FramingRule> {
        if version == HttpVersion::Http10 {
            return Err(FramingRule::TransferEncodingVersion);
        }
        if self.chunked {
            return Err(FramingRule::TransferEncodingRepeated);
        }
        if self.content_length.is_some() {
            return Err(FramingRule::LengthConflict);
        }
        check_transfer_encoding(value)?;
        self.chunked = true;
        Ok(())
    }
}

/// Compares with a lower-case name, ignoring case and taking an underscore for a hyphen.
fn looks_like(name: &[u8], known: &[u8]) -> bool {
    let fold = |byte: &u8| if *byte == b'_' { b'-' } else { byte.to_ascii_lowercase() };
    name.len() == known.len() && name.iter().map(fold).eq(known.iter().copied())
}

/// Upstreams behind CGI-like interfaces turn hyphens into underscores, so that `Content_Length`, harmless to us, would
/// become a second length to them.
fn refuse_disguise(name: &[u8]) -> Result<(), FramingRule> {
    if name.contains(&b'_') { Err(FramingRule::DisguisedName) } else { Ok(()) }
}

fn content_length(value: &[u8]) -> Result<u64, FramingRule> {
    if value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
        return Err(FramingRule::ContentLengthInvalid);
    }
    value
        .iter()
        .try_fold(0u64, |length, digit| length.checked_mul(10)?.checked_add(u64::from(digit - b'0')))
        .filter(|&length| length <= LENGTH_MAX)
        .ok_or(FramingRule::ContentLengthTooLarge)
}

/// Only a lone `chunked` is good. An unknown coding in front of it is 501 (RFC 9112 section 6.1); everything else leaves
/// the length of the body unknown and is 400 (section 6.3), parameters on `chunked` included (section 7.1).
fn check_transfer_encoding(value: &[u8]) -> Result<(), FramingRule> {
    const CHUNKED: &[u8] = b"chunked";
    if value.eq_ignore_ascii_case(CHUNKED) {
        return Ok(());
    }
    let mut codings = value.split(|&byte| byte == b',').map(trim_blanks).rev();
    let ends_with_chunked = codings.next().is_some_and(|last| last.eq_ignore_ascii_case(CHUNKED));
    let others_are_unknown = codings.all(|coding| !coding.is_empty() && !names_chunked(coding));
    if ends_with_chunked && others_are_unknown {
        Err(FramingRule::TransferEncodingUnsupported)
    } else {
        Err(FramingRule::TransferEncodingInvalid)
    }
}

fn names_chunked(coding: &[u8]) -> bool {
    let name = coding.split(|&byte| byte == b';').next().unwrap_or_default();
    trim_blanks(name).eq_ignore_ascii_case(b"chunked")
}
