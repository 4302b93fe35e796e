//! Reads what stands inside `[?(…)]`.

use super::JsonPathError;
use super::ast::{Comparison, Filter, Operand, Origin, Path, Pattern};
use super::parse::{Place, segments};
use super::scanner::Scanner;
use crate::limits::{JSON_PATH_FILTER_DEPTH_MAX, JSON_PATH_PATTERN_BYTES_MAX};
use regex::RegexBuilder;
use serde_json::Value;

/// Reads a filter up to its closing parenthesis. `depth` counts filters and groups around it.
pub(super) fn parse(scanner: &mut Scanner<'_>, depth: usize) -> Result<Filter, JsonPathError> {
    if depth >= JSON_PATH_FILTER_DEPTH_MAX {
        return Err(scanner.error(format!("filters must not nest deeper than {JSON_PATH_FILTER_DEPTH_MAX}")));
    }
    let mut parts = vec![all(scanner, depth)?];
    while scanner.eat("||") {
        parts.push(all(scanner, depth)?);
    }
    Ok(if parts.len() > 1 { Filter::Any(parts) } else { parts.swap_remove(0) })
}

fn all(scanner: &mut Scanner<'_>, depth: usize) -> Result<Filter, JsonPathError> {
    let mut parts = vec![one(scanner, depth)?];
    while scanner.eat("&&") {
        parts.push(one(scanner, depth)?);
    }
    Ok(if parts.len() > 1 { Filter::All(parts) } else { parts.swap_remove(0) })
}

/// One condition, with the blanks around it.
fn one(scanner: &mut Scanner<'_>, depth: usize) -> Result<Filter, JsonPathError> {
    scanner.skip_blanks();
    let mut negations = 0_usize;
    while scanner.eat("!") {
        negations += 1;
        scanner.skip_blanks();
    }
    let filter = if scanner.eat("(") {
        let group = parse(scanner, depth + 1)?;
        scanner.expect(")")?;
        group
    } else {
        condition(scanner, depth)?
    };
    scanner.skip_blanks();
    Ok(if negations % 2 == 1 { Filter::Not(Box::new(filter)) } else { filter })
}

fn condition(scanner: &mut Scanner<'_>, depth: usize) -> Result<Filter, JsonPathError> {
    let alone = scanner.error("a value alone is no condition");
    let left = operand(scanner, depth)?;
    scanner.skip_blanks();
    if scanner.eat("=~") {
        check_one_value(&left, &alone)?;
        scanner.skip_blanks();
        return Ok(Filter::Matches(left, pattern(scanner)?));
    }
    let Some(comparison) = comparison(scanner) else {
        return match (left, scanner.peek()) {
            (Operand::Path(origin, path), Some(')' | '&' | '|')) => Ok(Filter::Exists(origin, path)),
            (Operand::Path(..), _) => Err(scanner.error("expected a comparison, &&, || or )")),
            (Operand::Literal(_), _) => Err(alone),
        };
    };
    scanner.skip_blanks();
    let before = scanner.error("");
    let right = operand(scanner, depth)?;
    check_one_value(&left, &alone)?;
    check_one_value(&right, &before)?;
    Ok(Filter::Compare(left, comparison, right))
}

/// Only one value can be compared; Jayway compares lists too, which nobody means.
fn check_one_value(operand: &Operand, at: &JsonPathError) -> Result<(), JsonPathError> {
    match operand {
        Operand::Path(_, path) if !path.is_definite() => Err(JsonPathError {
            problem: "a path that gives a list cannot be compared".to_owned(),
            position: at.position,
        }),
        Operand::Path(..) | Operand::Literal(_) => Ok(()),
    }
}

fn comparison(scanner: &mut Scanner<'_>) -> Option<Comparison> {
    // Longer ones first: `<=` begins with `<`.
    const ALL: [(&str, Comparison); 6] = [
        ("==", Comparison::Equal),
        ("!=", Comparison::NotEqual),
        ("<=", Comparison::LessOrEqual),
        (">=", Comparison::GreaterOrEqual),
        ("<", Comparison::Less),
        (">", Comparison::Greater),
    ];
    ALL.into_iter().find(|(token, _)| scanner.eat(token)).map(|(_, comparison)| comparison)
}

fn operand(scanner: &mut Scanner<'_>, depth: usize) -> Result<Operand, JsonPathError> {
    let origin = match scanner.peek() {
        Some('@') => Origin::Current,
        Some('$') => Origin::Root,
        Some('\'' | '"') => return scanner.quoted().map(|text| Operand::Literal(Value::String(text))),
        _ => return literal(scanner),
    };
    scanner.take_while(|c| c == '@' || c == '$');
    let mut path = Path::default();
    segments(scanner, &mut path, Place::InFilter, depth + 1)?;
    Ok(Operand::Path(origin, path))
}

fn literal(scanner: &mut Scanner<'_>) -> Result<Operand, JsonPathError> {
    let before = scanner.error("expected a path, a number, quoted text, true, false or null");
    let word = scanner.take_while(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'));
    match serde_json::from_str(word) {
        Ok(value) => Ok(Operand::Literal(value)),
        Err(_) => Err(before),
    }
}

/// `/…/` and flags, as Java understands them: the whole text must match.
fn pattern(scanner: &mut Scanner<'_>) -> Result<Pattern, JsonPathError> {
    let open = scanner.error("this pattern is not closed");
    scanner.expect("/")?;
    let mut source = String::new();
    loop {
        source.push_str(scanner.take_while(|c| c != '/' && c != '\\'));
        if scanner.eat("/") {
            break;
        }
        if scanner.eat("\\/") {
            source.push('/');
        } else if scanner.eat("\\") {
            let escaped = scanner.peek().ok_or_else(|| open.clone())?;
            source.extend(['\\', escaped]);
            scanner.expect(escaped.encode_utf8(&mut [0; 4]))?;
        } else {
            return Err(open);
        }
    }
    let mut builder = RegexBuilder::new(&format!(r"\A(?:{source})\z"));
    builder.size_limit(JSON_PATH_PATTERN_BYTES_MAX);
    while let Some(flag) = scanner.peek().filter(char::is_ascii_alphabetic) {
        match flag {
            'i' => builder.case_insensitive(true),
            's' => builder.dot_matches_new_line(true),
            'm' => builder.multi_line(true),
            'x' => builder.ignore_whitespace(true),
            // Unicode rules are the only ones there are here.
            'u' | 'U' => &mut builder,
            other => return Err(scanner.error(format!("there is no flag {other}"))),
        };
        scanner.expect(flag.encode_utf8(&mut [0; 4]))?;
    }
    builder.build().map(Pattern).map_err(|_| JsonPathError {
        problem: "this pattern is no regular expression, or too large".to_owned(),
        position: open.position,
    })
}
