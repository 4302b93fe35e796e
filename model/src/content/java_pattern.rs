//! [`JavaPattern`]: a regular expression in Java's syntax, matched against a whole subject.
//!
//! Java's syntax is rewritten into that of our engine where the two say different things with the same characters
//! (`\d` is ASCII, `\h` is a blank, `\<` is a letter), and what cannot be said is refused with its position. The engine
//! matches in linear time wherever look-around and back references do not forbid it, and gives up where they do.

use crate::limits::{
    SELECTION_BACKTRACKS_MAX, SELECTION_CACHE_BYTES_MAX, SELECTION_COMPILED_BYTES_MAX, SELECTION_PATTERN_BYTES_MAX,
};
use fancy_regex::{CompileError, Error, Regex, RegexBuilder};
use std::ops::Range;

/// A compiled pattern.
#[derive(Debug)]
pub(super) struct JavaPattern {
    regex: Regex,
    source: Box<str>,
}

impl JavaPattern {
    /// Compiles a pattern.
    ///
    /// # Errors
    /// What is wrong, and at which byte where that is known.
    pub(super) fn compile(pattern: &str) -> Result<Self, String> {
        if pattern.len() > SELECTION_PATTERN_BYTES_MAX {
            return Err(format!("a pattern must have at most {SELECTION_PATTERN_BYTES_MAX} bytes"));
        }
        let translation = Translation::of(pattern)?;
        match build(&translation.text) {
            Ok(regex) => Ok(Self { regex, source: pattern.into() }),
            Err(error) => Err(translation.explain(&error)),
        }
    }

    /// The pattern as it was written.
    pub(super) fn as_str(&self) -> &str {
        &self.source
    }

    /// Whether the pattern matches all of `subject`, as `java.util.regex.Matcher.matches` says. A match that takes more
    /// than [`SELECTION_BACKTRACKS_MAX`] steps back is none.
    pub(super) fn matches(&self, subject: &str) -> bool {
        self.regex.is_match(subject).unwrap_or(false)
    }
}

fn build(text: &str) -> Result<Regex, Error> {
    RegexBuilder::new(text)
        // In Java, `.` stops at a carriage return too.
        .crlf(true)
        .backtrack_limit(SELECTION_BACKTRACKS_MAX)
        .delegate_size_limit(SELECTION_COMPILED_BYTES_MAX)
        .delegate_dfa_size_limit(SELECTION_CACHE_BYTES_MAX)
        .delegate_dfa_skip_cache_capacity_check(false)
        .build()
}

/// `\h`, `\s`, `\v` and so on as the inside of a character class; `None` for what is no such class.
fn class_of(letter: char) -> Option<&'static str> {
    Some(match letter.to_ascii_lowercase() {
        'd' => "0-9",
        'w' => "a-zA-Z0-9_",
        's' => r"\t\n\x0B\f\r\x20",
        'h' => r"\x20\t\u{A0}\u{1680}\u{180E}\u{2000}-\u{200A}\u{202F}\u{205F}\u{3000}",
        'v' => r"\n\x0B\f\r\u{85}\u{2028}\u{2029}",
        _ => return None,
    })
}

/// Java's POSIX classes, which are ASCII only.
const POSIX: [&str; 13] = [
    "ASCII", "Alnum", "Alpha", "Blank", "Cntrl", "Digit", "Graph", "Lower", "Print", "Punct", "Space", "Upper",
    "XDigit",
];

/// What may follow `(?`, besides flags and the name of a group.
const GROUPS: [&str; 6] = ["?:", "?=", "?!", "?>", "?<=", "?<!"];

/// A pattern while it is rewritten.
struct Translation<'a> {
    pattern: &'a str,
    /// What is not read yet.
    rest: &'a str,
    text: String,
    /// Where in `text` the rewriting of which byte of `pattern` begins, ascending.
    origins: Vec<(usize, usize)>,
    /// Character classes: where in `text`, and at which byte of `pattern`.
    classes: Vec<(Range<usize>, usize)>,
    /// The bytes of `pattern` at which groups begin that are still open.
    open: Vec<usize>,
}

impl<'a> Translation<'a> {
    fn of(pattern: &'a str) -> Result<Self, String> {
        let mut this = Self {
            pattern,
            rest: pattern,
            text: r"\A(?:".to_owned(),
            origins: Vec::new(),
            classes: Vec::new(),
            open: Vec::new(),
        };
        while !this.rest.is_empty() {
            let (from, at) = (this.text.len(), this.at());
            this.origins.push((from, at));
            match this.rest.as_bytes()[0] {
                b'\\' => this.escape(false)?,
                b'[' => {
                    this.class()?;
                    this.classes.push((from..this.text.len(), at));
                }
                b'(' => this.group()?,
                // Counted here, because one too many would end the group that stands for the whole subject.
                b')' if this.open.pop().is_none() => return this.fail("a closing parenthesis without its opening one"),
                _ => this.copy(),
            }
        }
        if let Some(at) = this.open.pop() {
            return Err(message(at, "an opening parenthesis without its closing one"));
        }
        this.text.push_str(r")\z");
        Ok(this)
    }

    fn at(&self) -> usize {
        self.pattern.len() - self.rest.len()
    }

    fn fail<T>(&self, problem: &str) -> Result<T, String> {
        Err(message(self.at(), problem))
    }

    /// Takes one character over as it is.
    fn copy(&mut self) {
        let mut rest = self.rest.chars();
        self.text.extend(rest.next());
        self.rest = rest.as_str();
    }

    /// A backslash and what follows.
    fn escape(&mut self, in_class: bool) -> Result<(), String> {
        let after = &self.rest[1..];
        let Some(letter) = after.chars().next() else { return self.fail("a backslash stands at the end") };
        if let Some(inside) = class_of(letter) {
            let not = if letter.is_ascii_uppercase() { "^" } else { "" };
            if in_class && not.is_empty() {
                self.text.push_str(inside);
            } else {
                self.text.extend(["[", not, inside, "]"]);
            }
            self.rest = &after[1..];
            return Ok(());
        }
        match letter {
            'Q' => self.quotation(&after[1..]),
            'p' | 'P' => return self.property(),
            'x' | 'u' => return self.code_point(),
            'a' | 'e' | 'f' | 'n' | 'r' | 't' => self.copy_escape(),
            'A' | 'b' | 'B' | 'R' | 'z' | 'Z' if !in_class => self.copy_escape(),
            'k' | '1'..='9' if !in_class => self.copy_escape(),
            _ if letter.is_ascii_alphanumeric() => return self.fail(&format!("\\{letter} is not supported")),
            _ => {
                self.literal(letter);
                self.rest = &after[letter.len_utf8()..];
            }
        }
        Ok(())
    }

    fn copy_escape(&mut self) {
        self.copy();
        self.copy();
    }

    /// `\Q…\E`: everything stands for itself; without `\E` to the end.
    fn quotation(&mut self, after: &'a str) {
        let (quoted, rest) = after.split_once(r"\E").unwrap_or((after, ""));
        quoted.chars().for_each(|char| self.literal(char));
        self.rest = rest;
    }

    fn literal(&mut self, char: char) {
        // Every punctuation mark may be escaped, except those whose escape means something else.
        if char.is_ascii_punctuation() && !matches!(char, '<' | '>' | '_') {
            self.text.push('\\');
        }
        self.text.push(char);
    }

    /// `\p{Name}`, `\pL` and their opposites: POSIX classes and general categories.
    fn property(&mut self) -> Result<(), String> {
        let not = if self.rest.starts_with(r"\P") { "^" } else { "" };
        let after = &self.rest[2..];
        let (name, rest) = match after.strip_prefix('{') {
            Some(braced) => match braced.split_once('}') {
                Some(split) => split,
                None => return self.fail("an opening brace without its closing brace"),
            },
            None => after.split_at(after.chars().next().map_or(0, char::len_utf8)),
        };
        if POSIX.contains(&name) {
            self.text.push_str(&format!("[[:{not}{}:]]", name.to_ascii_lowercase()));
        } else if (1..=2).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_alphabetic()) {
            let from = self.text.len();
            self.text.push_str(&format!("[{not}\\p{{{name}}}]"));
            self.classes.push((from..self.text.len(), self.at()));
        } else {
            return self.fail(&format!("the property {name:?} is not supported"));
        }
        self.rest = rest;
        Ok(())
    }

    /// `\xhh`, `\x{h…}` and `\uhhhh`.
    fn code_point(&mut self) -> Result<(), String> {
        let after = &self.rest[2..];
        let braced = after.strip_prefix('{').filter(|_| self.rest.starts_with(r"\x")).and_then(|it| it.split_once('}'));
        let digits = if self.rest.starts_with(r"\x") { 2 } else { 4 };
        let Some((hex, rest)) = braced.or_else(|| after.split_at_checked(digits)) else {
            return self.fail("a code point without its digits");
        };
        // `from_str_radix` would take a sign too.
        let number = Some(hex).filter(|hex| hex.bytes().all(|byte| byte.is_ascii_hexdigit()));
        match number.and_then(|hex| u32::from_str_radix(hex, 16).ok()).and_then(char::from_u32) {
            Some(char) => self.literal(char),
            None => return self.fail("not a code point"),
        }
        self.rest = rest;
        Ok(())
    }

    /// `[…]`, classes within included.
    fn class(&mut self) -> Result<(), String> {
        let mut depth = 0;
        let mut first = false;
        loop {
            let Some(next) = self.rest.chars().next() else {
                return self.fail("a character class without its closing bracket");
            };
            match next {
                '[' => {
                    depth += 1;
                    self.copy();
                    if self.rest.starts_with('^') {
                        self.copy();
                    }
                    first = true;
                    continue;
                }
                // In the first place it stands for itself.
                ']' if !first => {
                    depth -= 1;
                    self.copy();
                    if depth == 0 {
                        return Ok(());
                    }
                }
                '\\' => self.escape(true)?,
                '-' if self.rest.starts_with("--") => return self.fail("-- inside a character class is not supported"),
                ':' if first && depth > 1 => return self.fail("[: inside a character class is not supported"),
                // To our engine two tildes are a difference.
                '~' | ']' => {
                    self.literal(next);
                    self.rest = &self.rest[1..];
                }
                _ => self.copy(),
            }
            first = false;
        }
    }

    /// An opening parenthesis and what makes it special.
    fn group(&mut self) -> Result<(), String> {
        let (at, after) = (self.at(), &self.rest[1..]);
        if let Some(kind) = GROUPS.iter().find(|kind| after.starts_with(**kind)) {
            self.text.extend(["(", kind]);
            self.rest = &after[kind.len()..];
        } else if let Some(name) = after.strip_prefix("?<") {
            let starts_right = name.starts_with(|first: char| first.is_ascii_alphabetic());
            match name.split_once('>') {
                Some((name, rest)) if starts_right && name.bytes().all(|byte| byte.is_ascii_alphanumeric()) => {
                    self.text.extend(["(?<", name, ">"]);
                    self.rest = rest;
                }
                _ => return self.fail("a group's name must be letters and digits between < and >"),
            }
        } else if let Some(flags) = after.strip_prefix('?') {
            return self.flags(flags);
        } else {
            self.copy();
        }
        self.open.push(at);
        Ok(())
    }

    /// `(?ims-ims)` and `(?ims-ims:`. Java's `u` widens `i` to Unicode, which ours is.
    fn flags(&mut self, flags: &'a str) -> Result<(), String> {
        let end = flags.find([')', ':']).unwrap_or(flags.len());
        if end == flags.len() || !flags[..end].bytes().all(|flag| b"imsu-".contains(&flag)) {
            return self.fail("only groups of Java and the flags i, m, s and u are supported");
        }
        let kept = flags[..end].replace('u', "");
        let kept = kept.strip_suffix('-').unwrap_or(&kept);
        let opens_group = flags[end..].starts_with(':');
        if opens_group || !kept.is_empty() {
            self.text.extend(["(?", kept, &flags[end..=end]]);
        }
        if opens_group {
            self.open.push(self.at());
        }
        self.rest = &flags[end + 1..];
        Ok(())
    }

    /// What the engine says, with a position in the pattern as it was written.
    fn explain(&self, error: &Error) -> String {
        match error {
            Error::ParseError(at, problem) => {
                let origin = self.origins.partition_point(|(from, _)| from <= at);
                let at = origin.checked_sub(1).map_or(0, |origin| self.origins[origin].1);
                message(at.min(self.pattern.len()), &problem.to_string())
            }
            Error::CompileError(problem) => match **problem {
                CompileError::InnerError(ref inner) if inner.size_limit().is_some() => too_large(),
                CompileError::DfaBuildError(..) => too_large(),
                // The engine looks into a character class late, when it no longer knows where that stood.
                CompileError::InnerError(_) => {
                    let is_wrong = |range: &Range<usize>| build(&self.text[range.clone()]).is_err();
                    match self.classes.iter().find(|(range, _)| is_wrong(range)) {
                        Some((_, at)) => message(*at, "this character class has no meaning"),
                        None => "the pattern does not compile".to_owned(),
                    }
                }
                ref other => format!("the pattern does not compile: {other}"),
            },
            other => format!("the pattern does not compile: {other}"),
        }
    }
}

fn message(at: usize, problem: &str) -> String {
    format!("the pattern does not compile at byte {at}: {problem}")
}

fn too_large() -> String {
    "the pattern is too large once its repetitions are written out".to_owned()
}

#[cfg(test)]
mod tests;
