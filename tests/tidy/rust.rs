//! As much of Rust's grammar as the rules need: what is comment or string, what is for tests only, which paths are named.

use std::ops::Range;

/// A Rust file, ready to be asked.
pub(crate) struct Rust {
    /// The code without comments and without the contents of strings, spaces in their place: lines and columns hold.
    pub(crate) code: String,
    /// `code` without what is only compiled for tests.
    pub(crate) shipped: String,
    /// Lines that are only compiled for tests.
    pub(crate) test_lines: usize,
    /// Modules in files of their own that are only compiled for tests.
    pub(crate) test_modules: Vec<String>,
}

impl Rust {
    /// Reads a file that compiles; of one that does not, anything.
    pub(crate) fn read(text: &str) -> Self {
        let code = without_comments_and_strings(text);
        let mut shipped = code.clone().into_bytes();
        let (mut test_lines, mut test_modules) = (0, Vec::new());
        for range in test_items(&code) {
            let item = &code[range.clone()];
            test_lines += item.lines().count();
            test_modules.extend(module_of_its_own(item));
            blank(&mut shipped[range]);
        }
        let shipped = String::from_utf8(shipped).expect("whole characters became spaces");
        Self { code, shipped, test_lines, test_modules }
    }
}

/// The line of a byte offset, from 1.
pub(crate) fn line_of(text: &str, at: usize) -> usize {
    1 + text.as_bytes()[..at].iter().filter(|&&byte| byte == b'\n').count()
}

/// Every path of two or more segments, as `a::b::c`, with braces spread out, and the offset where its last segment begins.
pub(crate) fn paths(code: &str) -> Vec<(usize, String)> {
    let bytes = code.as_bytes();
    let (mut found, mut at) = (Vec::new(), 0);
    while at < bytes.len() {
        if is_name(bytes[at]) {
            at = path(code, at, "", &mut found);
        } else {
            at += 1;
        }
    }
    found.retain(|(_, path)| path.contains("::"));
    found
}

/// Reads the path at `at`, below `prefix`; answers where it ends.
fn path(code: &str, mut at: usize, prefix: &str, found: &mut Vec<(usize, String)>) -> usize {
    let start = at;
    at = name_end(code, at);
    let whole = format!("{prefix}{}", &code[start..at]);
    let rest = code[at..].trim_start();
    let Some(after) = rest.strip_prefix("::") else {
        found.push((start, whole));
        return at;
    };
    let next = code.len() - after.trim_start().len();
    match code.as_bytes().get(next) {
        Some(&byte) if is_name(byte) => path(code, next, &format!("{whole}::"), found),
        Some(b'{') => braces(code, next + 1, &format!("{whole}::"), found),
        Some(b'*') => {
            found.push((next, format!("{whole}::*")));
            next + 1
        }
        _ => {
            found.push((start, whole));
            next
        }
    }
}

/// Reads paths up to the closing brace.
fn braces(code: &str, mut at: usize, prefix: &str, found: &mut Vec<(usize, String)>) -> usize {
    while let Some(&byte) = code.as_bytes().get(at) {
        match byte {
            b'}' => return at + 1,
            b'*' => {
                found.push((at, format!("{prefix}*")));
                at += 1;
            }
            // An alias, which is no path.
            _ if code[at..].starts_with(" as ") => at = name_end(code, at + " as ".len()),
            byte if is_name(byte) => at = path(code, at, prefix, found),
            _ => at += 1,
        }
    }
    at
}

fn is_name(byte: u8) -> bool {
    byte == b'_' || byte.is_ascii_alphanumeric()
}

fn name_end(code: &str, at: usize) -> usize {
    code[at..].bytes().position(|byte| !is_name(byte)).map_or(code.len(), |length| at + length)
}

fn blank(bytes: &mut [u8]) {
    bytes.iter_mut().filter(|byte| **byte != b'\n').for_each(|byte| *byte = b' ');
}

fn without_comments_and_strings(text: &str) -> String {
    let mut out = text.as_bytes().to_vec();
    let mut at = 0;
    while at < text.len() {
        let rest = &text.as_bytes()[at..];
        let (skip, hidden) = match rest[0] {
            b'/' if rest.starts_with(b"//") => hide_all(text[at..].find('\n').unwrap_or(rest.len())),
            b'/' if rest.starts_with(b"/*") => hide_all(block_comment(rest)),
            b'"' => hide_between(1, string(rest), 1),
            b'\'' => character(&text[at..]).map_or((1, 0..0), |length| hide_between(1, length, 1)),
            byte if is_name(byte) => raw_string(text, at).unwrap_or((name_end(text, at) - at, 0..0)),
            _ => (1, 0..0),
        };
        blank(&mut out[at + hidden.start..at + hidden.end]);
        at += skip;
    }
    String::from_utf8(out).expect("whole characters became spaces")
}

fn hide_all(length: usize) -> (usize, Range<usize>) {
    (length, 0..length)
}

fn hide_between(before: usize, length: usize, after: usize) -> (usize, Range<usize>) {
    (length, before..length.saturating_sub(after).max(before))
}

fn block_comment(rest: &[u8]) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < rest.len() {
        match &rest[at..] {
            [b'/', b'*', ..] => depth += 1,
            [b'*', b'/', ..] if depth == 1 => return at + 2,
            [b'*', b'/', ..] => depth -= 1,
            _ => {
                at += 1;
                continue;
            }
        }
        at += 2;
    }
    rest.len()
}

fn string(rest: &[u8]) -> usize {
    let mut at = 1;
    while at < rest.len() {
        match rest[at] {
            b'\\' => at += 2,
            b'"' => return at + 1,
            _ => at += 1,
        }
    }
    rest.len()
}

/// The length of the character literal that `rest` begins with; nothing if the quote begins a lifetime.
fn character(rest: &str) -> Option<usize> {
    let first = rest[1..].chars().next()?;
    if first == '\\' {
        // The escaped character may be a quote itself, so the closing one is looked for behind it.
        return rest.get(3..)?.find('\'').map(|at| at + 4);
    }
    let end = 1 + first.len_utf8();
    (rest.as_bytes().get(end) == Some(&b'\'')).then_some(end + 1)
}

/// A raw string at `at`: what to skip, and what of that to hide.
fn raw_string(text: &str, at: usize) -> Option<(usize, Range<usize>)> {
    let begins_name = at == 0 || !is_name(text.as_bytes()[at - 1]);
    let rest = &text[at..];
    let marked = ["r", "br", "cr"].iter().find_map(|mark| rest.strip_prefix(mark)).filter(|_| begins_name)?;
    let inner = marked.trim_start_matches('#');
    let hashes = marked.len() - inner.len();
    let body = inner.strip_prefix('"')?;
    let begin = rest.len() - body.len();
    let end = begin + body.find(&format!("\"{}", "#".repeat(hashes))).unwrap_or(body.len());
    Some(((end + 1 + hashes).min(rest.len()), begin..end))
}

/// Where the items behind `#[cfg(test)]` are, their attributes included.
fn test_items(code: &str) -> Vec<Range<usize>> {
    const MARK: &str = "#[cfg(test)]";
    let (mut items, mut from) = (Vec::new(), 0);
    while let Some(found) = code[from..].find(MARK) {
        let start = from + found;
        from = item_end(code.as_bytes(), start + MARK.len());
        items.push(start..from);
    }
    items
}

/// The end of the item that begins at `at`: its `;`, or the brace that closes it.
fn item_end(code: &[u8], mut at: usize) -> usize {
    let (mut brackets, mut braces) = (0_i32, 0_i32);
    while at < code.len() {
        match code[at] {
            b'(' | b'[' => brackets += 1,
            b')' | b']' => brackets -= 1,
            b'{' => braces += 1,
            b'}' => braces -= 1,
            _ => {}
        }
        at += 1;
        let ends = matches!(code[at - 1], b';' | b'}');
        if ends && brackets == 0 && braces <= 0 {
            return at;
        }
    }
    code.len()
}

fn module_of_its_own(item: &str) -> Option<String> {
    let declared = item.strip_suffix(';')?.rsplit(']').next()?.trim();
    let name = declared.trim_start_matches("pub(crate)").trim().strip_prefix("mod ")?.trim();
    Some(name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(code: &str) -> Vec<String> {
        paths(code).into_iter().map(|(_, path)| path).collect()
    }

    #[test]
    fn comments_and_strings_are_hidden_and_columns_hold() {
        let text =
            "a(\"x.unwrap()\"); // b\n/* c /* d */ e */ f('\"', 'g', &'h i, br#\"j\"k\"#, \"\\\"l\", '\\'', '\u{e4}');";
        let code = without_comments_and_strings(text);
        assert_eq!(code.len(), text.len());
        assert_eq!(code.lines().count(), 2);
        let seen: String = code.chars().filter(|char| !char.is_whitespace()).collect();
        assert_eq!(seen, "a(\"\");f('','',&'hi,br#\"\"#,\"\",'','');");
    }

    #[test]
    fn names_that_look_like_raw_strings_are_names() {
        assert_eq!(without_comments_and_strings("for r in br { r#type } // x"), "for r in br { r#type }     ");
    }

    #[test]
    fn what_is_for_tests_does_not_ship() {
        let rust = Rust::read(
            "fn a() {}\n#[cfg(test)]\n#[path = \"x\"]\nmod samples;\n#[cfg(test)]\nfn b() {\n    c({})\n}\nfn d() {}\n",
        );
        assert_eq!(rust.shipped.split_whitespace().collect::<Vec<_>>(), ["fn", "a()", "{}", "fn", "d()", "{}"]);
        assert_eq!(rust.test_lines, 7);
        assert_eq!(rust.test_modules, ["samples"]);
        assert!(rust.code.contains("c({})"));
    }

    #[test]
    fn paths_are_spread_out() {
        assert_eq!(named("use a::{b, c::{self, d as e}, f::*};"), ["a::b", "a::c::self", "a::c::d", "a::f::*"]);
        assert_eq!(named("let x = y.z(a::b::<C>(d), e :: f);"), ["a::b", "e::f"]);
        assert_eq!(named("use {a::b, ::c::d}; g!{}"), ["a::b", "c::d"]);
    }

    #[test]
    fn a_path_knows_its_line() {
        let code = "use a::{\n    b,\n    c,\n};";
        assert_eq!(paths(code).iter().map(|(at, _)| line_of(code, *at)).collect::<Vec<_>>(), [2, 3]);
    }
}
