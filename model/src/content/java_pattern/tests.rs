//! Patterns as operators write them, and what nobody should write.

use super::*;
use proptest::prelude::*;

#[track_caller]
fn matches(pattern: &str, subject: &str) -> bool {
    JavaPattern::compile(pattern).unwrap_or_else(|error| panic!("{pattern}: {error}")).matches(subject)
}

/// Pattern, what it matches, what it does not match.
#[test]
fn patterns_mean_what_they_mean_in_java() {
    for (pattern, yes, no) in [
        (r"4\d{2}", &["400", "404"][..], &["500", "4040", "a404", "404\n"][..]),
        ("5..", &["500", "599"], &["5000", "50\n", "50\r"]),
        ("200|404", &["200", "404"], &["20", "200404"]),
        ("Invalid*", &["Invalid", "Invali", "Invaliddd"], &["Invalid input"]),
        ("Invalid.*", &["Invalid", "Invalid input"], &["Invalid\ninput", "not Invalid"]),
        (r"(\n|.)*", &["", "two\nlines"], &[]),
        (".*", &["", "a"], &["a\n", "\n"]),
        (".+", &["a"], &[""]),
        (".*four hundred.*", &["error four hundred!"], &["four\nhundred"]),
        ("(?s).*", &["two\nlines\r\n"], &[]),
        ("^404$", &["404"], &["404\n"]),
        ("(?i)error", &["Error", "ERROR"], &["Err"]),
        ("(?iu)\u{e4}", &["\u{c4}"], &[]),
        ("a(?i)b", &["ab", "aB"], &["Ab"]),
        ("a(?i:b)c", &["aBc"], &["aBC"]),
        ("(?u:a)", &["a"], &["A"]),
        ("(?u)a", &["a"], &["A"]),
        ("(?!404)4..", &["400"], &["404"]),
        ("(?=.*a)(?=.*b).*", &["ba", "a b"], &["a", "b"]),
        (".*(?<=x)", &["yx"], &["xy"]),
        (".*(?<!x)", &["xy"], &["yx"]),
        (r"(a|b)\1", &["aa", "bb"], &["ab"]),
        (r"(?<one>a|b)\k<one>", &["aa"], &["ab"]),
        ("a++b", &["aab"], &["b"]),
        ("a++a", &[], &["aaa"]),
        ("a*+b", &["b", "aab"], &["a"]),
        ("a?+a", &["aa"], &["a"]),
        ("(?>a+)b", &["aab"], &["aac"]),
        ("a{2,3}?", &["aa", "aaa"], &["a", "aaaa"]),
        (r"\Qa.b(\E+", &["a.b(", "a.b(("], &["axb("]),
        (r"\Q4*", &["4*"], &["44"]),
        (r"\Q<\E\<", &["<<"], &["<"]),
        (r"\.\-\_\/\!", &[".-_/!"], &["a-_/!"]),
        (r"\d\D", &["1a"], &["\u{661}a", "11"]),
        (r"\w\W", &["a\u{e4}", "_-"], &["\u{e4}a"]),
        (r"\s\S", &["\u{b}a", " \u{a0}"], &["\u{a0}a"]),
        (r"\h\H", &[" a", "\u{a0}\n"], &["fa", "\na"]),
        (r"\v\V", &["\u{85}a"], &["va"]),
        (r"a\Rb", &["a\r\nb", "a\nb"], &["ab"]),
        (r"[\d.]+", &["1.2"], &["1a"]),
        (r"[^\D1]", &["2"], &["1", "a"]),
        (r"[\D1]", &["1", "a"], &["2"]),
        (r"[^\S]", &[" "], &["a"]),
        ("[]a]+", &["]a"], &["b"]),
        ("[^]a]", &["b"], &["]", "a"]),
        ("[a-c&&[^b]]", &["a", "c"], &["b"]),
        ("[a[bc]]+", &["abc"], &["[", "d"]),
        ("[:a:]+", &["a:"], &["b"]),
        ("[~~]", &["~"], &["a"]),
        (r"[\]\-\\<]+", &[r"]-\<"], &["a"]),
        (r"[\Q]^-\E]+", &["]^-"], &["a", "Q"]),
        (r"\p{Alpha}\p{Digit}", &["a1"], &["\u{e4}1"]),
        (r"\P{Alpha}", &["1"], &["a"]),
        (r"[\p{Upper}_]+", &["A_"], &["a"]),
        (r"\p{Lu}\pL", &["\u{c4}a"], &["a\u{c4}1"]),
        (r"\x41\u0042\x{43}\t", &["ABC\t"], &["abc\t"]),
        (r"\x2e", &["."], &["a"]),
        (r"\ba\b", &["a"], &["ab"]),
        (r"\A404\z", &["404"], &["404\n"]),
    ] {
        let compiled = JavaPattern::compile(pattern).unwrap_or_else(|error| panic!("{pattern}: {error}"));
        for subject in yes {
            assert!(compiled.matches(subject), "{pattern} should match {subject:?}");
        }
        for subject in no {
            assert!(!compiled.matches(subject), "{pattern} should not match {subject:?}");
        }
    }
}

#[test]
fn every_mark_stands_for_itself_when_it_is_quoted() {
    for mark in ('!'..='~').filter(char::is_ascii_punctuation) {
        let subject = mark.to_string();
        for pattern in [format!(r"\{mark}"), format!(r"\Q{mark}\E"), format!(r"[\{mark}]")] {
            assert!(matches(&pattern, &subject), "{pattern}");
            assert!(!matches(&pattern, "a"), "{pattern}");
        }
        let code_point = format!(r"\x{:02x}[\u{:04x}]", u32::from(mark), u32::from(mark));
        assert!(matches(&code_point, &format!("{mark}{mark}")), "{code_point}");
    }
}

/// Pattern, at which byte, a word of what is said.
#[test]
fn what_does_not_compile_is_named_with_its_place() {
    for (pattern, at, word) in [
        ("a(b", 1, "parenthesis"),
        (r"\d\d(", 4, "parenthesis"),
        ("(?i:(a)", 0, "parenthesis"),
        ("a)|(b", 1, "parenthesis"),
        ("*a", 0, ""),
        (r"\s\s*a**", 7, ""),
        ("ab[z-a]", 2, "class"),
        ("ab[a", 4, "bracket"),
        (r"a\", 1, "end"),
        (r"a\K", 1, r"\K"),
        (r"\cA", 0, r"\c"),
        (r"\0101", 0, r"\0"),
        (r"[\b]", 1, r"\b"),
        (r"\p{IsAlphabetic}", 0, "IsAlphabetic"),
        (r"a\p{Qq}", 1, "class"),
        (r"\p{L", 0, "brace"),
        (r"\p", 0, "property"),
        (r"\x4", 0, "code point"),
        (r"\x{110000}", 0, "code point"),
        (r"\u+041", 0, "code point"),
        ("[a--b]", 2, "--"),
        ("[[:alpha:]]", 2, "[:"),
        ("a(?x) b", 1, "flags"),
        ("(?P<n>a)", 0, "flags"),
        ("(?#a)", 0, "flags"),
        ("(?R)", 0, "flags"),
        ("(?", 0, "flags"),
        ("(?<n", 0, "name"),
        ("(?<1>a)", 0, "name"),
    ] {
        let error = JavaPattern::compile(pattern).expect_err(pattern);
        assert!(error.starts_with(&format!("the pattern does not compile at byte {at}: ")), "{pattern}: {error}");
        assert!(error.contains(word), "{pattern}: {error}");
    }
    assert!(JavaPattern::compile(r"(a)\2").is_err());
}

#[test]
fn size_and_effort_have_bounds() {
    assert!(JavaPattern::compile(&"a".repeat(SELECTION_PATTERN_BYTES_MAX)).is_ok());
    assert!(JavaPattern::compile(&"a".repeat(SELECTION_PATTERN_BYTES_MAX + 1)).is_err());
    for large in [r"(?:(?:\p{L}{500}){500}){500}", r".*(?<=\p{L}{1,500}x)"] {
        assert_eq!(JavaPattern::compile(large).expect_err(large), too_large());
    }
    // Without look-around this is linear; the back reference makes it exponential.
    let pattern = r"(x+x+)+\1y";
    assert!(matches(pattern, "xxxxy"));
    assert!(!matches(pattern, &"x".repeat(200)));
}

proptest! {
    #[test]
    fn a_quoted_text_matches_itself_and_nothing_else(text in "\\PC{0,20}", other in "\\PC{0,20}") {
        prop_assume!(!text.contains(r"\E"));
        let pattern = JavaPattern::compile(&format!(r"\Q{text}\E")).map_err(TestCaseError::fail)?;
        prop_assert!(pattern.matches(&text));
        prop_assert_eq!(pattern.matches(&other), text == other);
    }

    #[test]
    fn no_pattern_is_too_strange(pattern in r"[\[\]\(\)\{\}\\?*+^$|&~:,<>=!#QEpPkxu0-2a-c.\u{e4}-]{0,24}", subject in "[a-c0-2]{0,8}") {
        if let Ok(pattern) = JavaPattern::compile(&pattern) {
            pattern.matches(&subject);
        }
    }
}
