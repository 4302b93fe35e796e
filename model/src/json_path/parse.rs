//! Reads paths in Jayway's dialect.

use super::JsonPathError;
use super::ast::{Path, Segment, Selector};
use super::filter;
use super::scanner::Scanner;
use crate::limits::{JSON_PATH_BYTES_MAX, JSON_PATH_SEGMENTS_MAX};

/// What may stand behind a name.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// The whole expression is a path.
    Alone,
    /// The path ends where the filter goes on.
    InFilter,
}

/// Reads a whole expression. Without `$` it is taken to stand behind `$.`.
pub(super) fn parse(text: &str) -> Result<Path, JsonPathError> {
    let mut scanner = Scanner::new(text);
    if text.len() > JSON_PATH_BYTES_MAX {
        return Err(scanner.error(format!("a path must have at most {JSON_PATH_BYTES_MAX} bytes")));
    }
    let mut path = Path::default();
    if !scanner.eat("$") {
        behind_dot(&mut scanner, &mut path, Place::Alone, 0)?;
    }
    segments(&mut scanner, &mut path, Place::Alone, 0)?;
    match scanner.peek() {
        None => Ok(path),
        Some(_) => Err(scanner.error(format!("expected . or [ and found {}", scanner.rest()))),
    }
}

/// Reads what follows `$` or `@`, as far as it is a path.
pub(super) fn segments(
    scanner: &mut Scanner<'_>,
    path: &mut Path,
    place: Place,
    depth: usize,
) -> Result<(), JsonPathError> {
    while !path.length {
        if path.segments.len() > JSON_PATH_SEGMENTS_MAX {
            return Err(scanner.error(format!("a path must have at most {JSON_PATH_SEGMENTS_MAX} segments")));
        }
        if scanner.eat(".") {
            behind_dot(scanner, path, place, depth)?;
        } else if scanner.peek() == Some('[') {
            let selector = bracket(scanner, depth)?;
            path.segments.push(Segment::Child(selector));
        } else {
            break;
        }
    }
    Ok(())
}

fn behind_dot(scanner: &mut Scanner<'_>, path: &mut Path, place: Place, depth: usize) -> Result<(), JsonPathError> {
    let segment = if scanner.eat(".") { Segment::Descendant } else { Segment::Child };
    if scanner.peek() == Some('[') {
        path.segments.push(segment(bracket(scanner, depth)?));
        return Ok(());
    }
    let before = scanner.error("a name is missing");
    let name = scanner.take_while(|c| !ends_name(c, place));
    if name == "length" && scanner.eat("()") {
        path.length = true;
        return Ok(());
    }
    match (name, scanner.peek()) {
        ("", _) => Err(before),
        (_, Some('(')) => Err(JsonPathError { problem: format!("there is no function {name}"), ..before }),
        (_, Some(' ')) if place == Place::Alone => {
            Err(scanner.error("a name with blanks must stand in brackets and quotes"))
        }
        ("*", _) => {
            path.segments.push(segment(Selector::Wildcard));
            Ok(())
        }
        (name, _) => {
            path.segments.push(segment(Selector::Name(name.to_owned())));
            Ok(())
        }
    }
}

fn ends_name(c: char, place: Place) -> bool {
    matches!(c, '.' | '[' | ']' | '(' | ')' | ' ')
        || (place == Place::InFilter && matches!(c, '=' | '!' | '<' | '>' | '&' | '|' | ',' | '~'))
}

fn bracket(scanner: &mut Scanner<'_>, depth: usize) -> Result<Selector, JsonPathError> {
    scanner.expect("[")?;
    scanner.skip_blanks();
    let selector = match scanner.peek() {
        Some('\'' | '"') => names(scanner)?,
        Some('*') => {
            scanner.expect("*")?;
            Selector::Wildcard
        }
        Some('?') => {
            scanner.expect("?")?;
            scanner.skip_blanks();
            scanner.expect("(")?;
            let filter = filter::parse(scanner, depth)?;
            scanner.expect(")")?;
            Selector::Filter(filter)
        }
        Some('(') => from_length(scanner)?,
        Some(_) => positions(scanner)?,
        None => return Err(scanner.error("this bracket is not closed")),
    };
    scanner.skip_blanks();
    scanner.expect("]")?;
    Ok(selector)
}

fn names(scanner: &mut Scanner<'_>) -> Result<Selector, JsonPathError> {
    let mut names = vec![scanner.quoted()?];
    loop {
        scanner.skip_blanks();
        if !scanner.eat(",") {
            break;
        }
        scanner.skip_blanks();
        names.push(scanner.quoted()?);
    }
    if names.len() > 1 {
        return Ok(Selector::Names(names));
    }
    Ok(Selector::Name(names.swap_remove(0)))
}

/// `(@.length-1)`, the old way to count from the end.
fn from_length(scanner: &mut Scanner<'_>) -> Result<Selector, JsonPathError> {
    scanner.expect("(")?;
    scanner.skip_blanks();
    scanner.expect("@.length")?;
    scanner.skip_blanks();
    let before = scanner.error("expected - and a number");
    scanner.expect("-")?;
    scanner.skip_blanks();
    let distance = scanner.integer()?.filter(|distance| *distance > 0).ok_or(before)?;
    scanner.skip_blanks();
    scanner.expect(")")?;
    Ok(Selector::Index(-distance))
}

fn positions(scanner: &mut Scanner<'_>) -> Result<Selector, JsonPathError> {
    let first = scanner.integer()?;
    scanner.skip_blanks();
    if scanner.eat(":") {
        scanner.skip_blanks();
        let to = scanner.integer()?;
        return Ok(Selector::Slice { from: first, to });
    }
    let mut indexes = vec![first.ok_or_else(|| scanner.error("expected an index, a quoted name, * or ?"))?];
    while scanner.eat(",") {
        scanner.skip_blanks();
        indexes.push(scanner.integer()?.ok_or_else(|| scanner.error("expected an index"))?);
        scanner.skip_blanks();
    }
    Ok(match indexes[..] {
        [index] => Selector::Index(index),
        _ => Selector::Indexes(indexes),
    })
}
