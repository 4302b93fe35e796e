//! The list syntax that `Accept` and `Accept-Encoding` share: elements, their parameters, their weights.

/// Weight of an element that names none, in thousandths.
pub(super) const WEIGHT_DEFAULT: u16 = 1000;

/// Splits a field value at its commas, except at those inside quoted strings.
pub(super) fn elements(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    split(value, b',')
}

/// What stands before the first `;`, without the blanks around it.
pub(super) fn essence(element: &[u8]) -> &[u8] {
    let end = element.iter().position(|&byte| byte == b';').unwrap_or(element.len());
    element[..end].trim_ascii()
}

/// The `q` of an element in thousandths, [`WEIGHT_DEFAULT`] when there is none; `None` when it is not a weight
/// (RFC 9110, section 12.4.2).
pub(super) fn weight(element: &[u8]) -> Option<u16> {
    parameter(element, b"q").map_or(Some(WEIGHT_DEFAULT), thousandths)
}

/// The value of an element's first parameter of this name, in any case, as it stands there.
pub(super) fn parameter<'a>(element: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    split(element, b';').skip(1).find_map(|parameter| {
        let (found, value) = parameter.trim_ascii().split_at_checked(name.len())?;
        found.eq_ignore_ascii_case(name).then(|| value.strip_prefix(b"=")).flatten()
    })
}

fn thousandths(value: &[u8]) -> Option<u16> {
    let (whole, fraction) = match value {
        [whole @ (b'0' | b'1')] => (whole, &[][..]),
        [whole @ (b'0' | b'1'), b'.', fraction @ ..] => (whole, fraction),
        _ => return None,
    };
    if fraction.len() > 3 || !fraction.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let digit = |at: usize| u16::from(fraction.get(at).map_or(0, |digit| digit - b'0'));
    let sum = u16::from(whole - b'0') * 1000 + digit(0) * 100 + digit(1) * 10 + digit(2);
    (sum <= 1000).then_some(sum)
}

fn split(value: &[u8], separator: u8) -> impl Iterator<Item = &[u8]> {
    let mut quoted = false;
    let mut escaped = false;
    value.split(move |&byte| {
        if escaped {
            escaped = false;
        } else if quoted && byte == b'\\' {
            escaped = true;
        } else if byte == b'"' {
            quoted = !quoted;
        } else {
            return !quoted && byte == separator;
        }
        false
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_have_the_form_of_rfc_9110() {
        for (element, expected) in [
            ("a/b", Some(1000)),
            ("a/b;charset=utf-8", Some(1000)),
            ("a/b;q=1", Some(1000)),
            ("a/b;q=1.000", Some(1000)),
            ("a/b; Q=0.5", Some(500)),
            ("a/b ; level=1 ; q=0.125", Some(125)),
            ("a/b;q=0", Some(0)),
            ("a/b;q=0.", Some(0)),
            ("a/b;q=0.000", Some(0)),
            ("a/b;t=\";q=0\"", Some(1000)),
            ("a/b;q=1.001", None),
            ("a/b;q=2", None),
            ("a/b;q=", None),
            ("a/b;q=0.1234", None),
            ("a/b;q=-1", None),
            ("a/b;q=0,5", None),
        ] {
            assert_eq!(weight(element.as_bytes()), expected, "{element}");
        }
    }

    #[test]
    fn commas_in_quoted_strings_do_not_separate() {
        let all: Vec<&[u8]> = elements(br#"a/b;t="x,\",y";q=0, c/d,"#).collect();
        assert_eq!(all, [&br#"a/b;t="x,\",y";q=0"#[..], b" c/d", b""]);
    }
}
