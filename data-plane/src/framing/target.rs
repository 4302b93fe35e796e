//! The forms of a request target and the syntax of a host, as far as they decide where a request goes.
//!
//! Called by the head grammar with bytes that already belong to the right character class. It resolves nothing: how a
//! path is routed, and whether percent-encoding in it is good, is decided elsewhere.

use std::net::Ipv6Addr;

use super::octets::is_reg_name;
use super::violation::FramingRule;

/// How a request names what it wants (RFC 9112 section 3.2). The authority form belongs to CONNECT and is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TargetForm {
    /// A path with an optional query; the Host header says where.
    Origin,
    /// A whole `http` or `https` address. Its host counts and the Host header must be ignored (RFC 9112 section 3.2.2).
    Absolute,
    /// `*`: the server as a whole, with OPTIONS only.
    Asterisk,
}

/// Finds the form of a target or says why it has none.
pub(super) fn target_form(method: &[u8], target: &[u8]) -> Result<TargetForm, FramingRule> {
    if method == b"CONNECT" {
        return Err(FramingRule::ConnectUnsupported);
    }
    match target {
        [b'/', ..] => Ok(TargetForm::Origin),
        b"*" if method == b"OPTIONS" => Ok(TargetForm::Asterisk),
        _ => {
            let rest = after_scheme(target).ok_or(FramingRule::TargetForm)?;
            let end = rest.iter().position(|byte| matches!(byte, b'/' | b'?')).unwrap_or(rest.len());
            if is_host_and_port(&rest[..end]) { Ok(TargetForm::Absolute) } else { Err(FramingRule::TargetAuthority) }
        }
    }
}

/// Whether the bytes are `uri-host [ ":" port ]` with a host (RFC 9110 section 7.2).
///
/// Narrower than RFC 3986 in three places, in which no working client is: no percent-encoding, no future address
/// literal (`[v1.x]`), no port above 65535.
pub(crate) fn is_host_and_port(bytes: &[u8]) -> bool {
    let (host_is_good, after_host) = match bytes {
        [b'[', rest @ ..] => {
            let Some(end) = rest.iter().position(|&byte| byte == b']') else { return false };
            let address = str::from_utf8(&rest[..end]).unwrap_or_default();
            (address.parse::<Ipv6Addr>().is_ok(), &rest[end + 1..])
        }
        _ => {
            let end = bytes.iter().position(|&byte| byte == b':').unwrap_or(bytes.len());
            (end > 0 && is_reg_name(&bytes[..end]), &bytes[end..])
        }
    };
    host_is_good
        && match after_host {
            [] => true,
            [b':', port @ ..] => is_port(port),
            _ => false,
        }
}

fn is_port(digits: &[u8]) -> bool {
    const PORT_DIGITS_MAX: usize = 5;
    digits.len() <= PORT_DIGITS_MAX
        && digits.iter().all(u8::is_ascii_digit)
        && digits.iter().fold(0, |port, digit| port * 10 + u32::from(digit - b'0')) <= u32::from(u16::MAX)
}

fn after_scheme(target: &[u8]) -> Option<&[u8]> {
    [&b"http://"[..], b"https://"].into_iter().find_map(|scheme| {
        let (start, rest) = target.split_at_checked(scheme.len())?;
        start.eq_ignore_ascii_case(scheme).then_some(rest)
    })
}
