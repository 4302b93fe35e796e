//! Jayway's dialect as it is documented and as it was observed, bounds, and a second opinion where dialects agree.

use super::*;
use serde_json::json;

const STORE: &str = r#"{
    "store": {
        "book": [
            {"category": "reference", "author": "Nigel Rees", "title": "Sayings of the Century", "price": 8.95},
            {"category": "fiction", "author": "Evelyn Waugh", "title": "Sword of Honour", "price": 12.99},
            {"category": "fiction", "author": "Herman Melville", "title": "Moby Dick", "isbn": "0-553-21311-3", "price": 8.99},
            {"category": "fiction", "author": "J. R. R. Tolkien", "title": "The Lord of the Rings", "isbn": "0-395-19395-8", "price": 22.99}
        ],
        "bicycle": {"color": "red", "price": 19.95}
    },
    "expensive": 10,
    "c-d": 5,
    "a b": {"ü.x": "quoted \"text\"\n"},
    "none": null,
    "flag": false,
    "number": 1.50e3,
    "nested": [[1, 2], [3, [4]], "text"],
    "ids": [{"id": 1, "n": null}, {"id": "1", "n": 0}, {"id": 2}],
    "x": {"x": {"x": 1}}
}"#;

fn text_of(path: &str, json: &str) -> Result<Option<String>, JsonPathFailure> {
    let path = JsonPath::parse(path).expect(path);
    Ok(path.text(json, 4096)?.map(Cow::into_owned))
}

#[test]
fn definite_paths_give_the_value() {
    for (path, expected) in [
        ("$.expensive", Some("10")),
        ("expensive", Some("10")),
        ("$.store.bicycle.color", Some("red")),
        ("store.bicycle.color", Some("red")),
        ("$['store']['bicycle'][\"color\"]", Some("red")),
        ("['store'].bicycle", Some(r#"{"color":"red","price":19.95}"#)),
        ("$.['store'].['expensive']", None),
        ("$.c-d", Some("5")),
        ("$['a b']['ü.x']", Some("quoted \"text\"\n")),
        ("$['a b']", Some(r#"{"ü.x":"quoted \"text\"\n"}"#)),
        (r"$['a\u0020b']['\u00fc\.x']", Some("quoted \"text\"\n")),
        ("$.none", None),
        ("$.none.x", None),
        ("$.missing", None),
        ("$.flag", Some("false")),
        ("$.flag.x", None),
        ("$.number", Some("1.50e3")),
        ("$.store.book[0].title", Some("Sayings of the Century")),
        ("$.store.book[3].isbn", Some("0-395-19395-8")),
        ("$.store.book[4].isbn", None),
        ("$.store.book.title", None),
        ("$.store[0]", None),
        ("$.store.book[-1].title", Some("The Lord of the Rings")),
        ("$.store.book[(@.length-1)].title", Some("The Lord of the Rings")),
        ("$.store.book[ ( @.length - 4 ) ].price", Some("8.95")),
        ("$.store.book[-5]", None),
        ("$.store.book.length()", Some("4")),
        ("$.store.length()", Some("2")),
        ("$.expensive.length()", None),
        ("$.store.book[?(@.isbn)].length()", Some("2")),
        ("$..price.length()", Some("5")),
        ("$.store.bicycle['color','price','none']", Some(r#"{"color":"red","price":19.95}"#)),
        ("$.nested[1][1][0]", Some("4")),
        ("$.nested", Some(r#"[[1,2],[3,[4]],"text"]"#)),
    ] {
        assert!(JsonPath::parse(path).expect(path).is_definite(), "{path}");
        assert_eq!(text_of(path, STORE), Ok(expected.map(str::to_owned)), "{path}");
    }
    assert_eq!(text_of("$", " [1, \"a \\\" b\", 2 ]\n"), Ok(Some(r#"[1,"a \" b",2]"#.to_owned())));
    assert_eq!(text_of("$", "\"plain\""), Ok(Some("plain".to_owned())));
}

#[test]
fn indefinite_paths_give_a_list() {
    for (path, expected) in [
        ("$.store.book[*].price", "[8.95,12.99,8.99,22.99]"),
        ("$.store.book.*.price", "[8.95,12.99,8.99,22.99]"),
        ("$.store.book[0,2].price", "[8.95,8.99]"),
        ("$.store.book[-1, 0].price", "[22.99,8.95]"),
        ("$.store.book[:2].price", "[8.95,12.99]"),
        ("$.store.book[2:].price", "[8.99,22.99]"),
        ("$.store.book[1:3].price", "[12.99,8.99]"),
        ("$.store.book[-2:].price", "[8.99,22.99]"),
        ("$.store.book[:-3].price", "[8.95]"),
        ("$.store.book[3:1].price", "[]"),
        ("$.store.book[9:].price", "[]"),
        ("$..price", "[8.95,12.99,8.99,22.99,19.95]"),
        ("$.store..price", "[8.95,12.99,8.99,22.99,19.95]"),
        (".price", "[8.95,12.99,8.99,22.99,19.95]"),
        ("$..['color']", "[\"red\"]"),
        ("$..x", r#"[{"x":{"x":1}},{"x":1},1]"#),
        ("$..book[0].category", r#"["reference"]"#),
        ("$.nested..[0]", "[[1,2],1,3,4]"),
        ("$.nested.*", r#"[[1,2],[3,[4]],"text"]"#),
        ("$.store.bicycle.*", "[\"red\",19.95]"),
        ("$.missing[*]", "[]"),
        ("$.missing..x", "[]"),
        ("$.ids[*]['id','n']", r#"[{"id":1,"n":null},{"id":"1","n":0},{"id":2}]"#),
        ("$.x['x','y'].x", "[1]"),
    ] {
        assert!(!JsonPath::parse(path).expect(path).is_definite(), "{path}");
        assert_eq!(text_of(path, STORE), Ok(Some(expected.to_owned())), "{path}");
    }
}

#[test]
fn filters_choose_as_jayway_does() {
    for (filter, titles) in [
        ("@.isbn", "23"),
        ("!@.isbn", "01"),
        ("!(@.isbn)", "01"),
        ("!!@.isbn", "23"),
        ("@.price > 10", "13"),
        ("@.price>10", "13"),
        ("@.price >= 12.99", "13"),
        ("@.price < 8.99", "0"),
        ("@.price <= 8.99", "02"),
        ("10 < @.price", "13"),
        ("@.category == 'fiction'", "123"),
        ("@['category'] == \"fiction\"", "123"),
        ("@.category != 'fiction'", "0"),
        ("@.isbn != 'x'", "0123"),
        ("@.isbn == null", ""),
        ("@.category == 'fiction' && @.price < 10", "2"),
        ("@.category == 'reference' || @.price > 20", "03"),
        ("@.price < 9 && @.isbn || @.price > 20", "23"),
        ("@.price < 9 && (@.isbn || @.price > 20)", "2"),
        ("@.price > $.expensive", "13"),
        ("@.price > $['expensive'] && $.flag == false", "13"),
        ("@.author =~ /.*REES/i", "0"),
        ("@.author =~ /.*REES/", ""),
        ("@.author =~ /Rees/", ""),
        (r"@.isbn =~ /0-\d{3}-.*/", "23"),
        (r"@.title =~ /a\/b|Moby Dick/", "2"),
        ("@.price =~ /8[.].*/", "02"),
        ("@.price > 'a'", ""),
        ("@.missing == @.absent", ""),
        ("@.title.length()", ""),
        ("@.length() == 5", "23"),
        ("@..price", "0123"),
        ("@.author.x == 1", ""),
    ] {
        let path = format!("$.store.book[?({filter})]");
        let books = text_of(&path, STORE).expect(&path).expect("a list");
        let found: Vec<Value> = serde_json::from_str(&books).expect("JSON");
        let store: Value = serde_json::from_str(STORE).expect("JSON");
        let expected: Vec<Value> =
            titles.bytes().map(|digit| store["store"]["book"][usize::from(digit - b'0')].clone()).collect();
        assert_eq!(found, expected, "{path}");
    }
    for (path, expected) in [
        ("$.ids[?(@.id == 1)].id", r#"[1,"1"]"#),
        ("$.ids[?(@.id == '1')].id", r#"[1,"1"]"#),
        ("$.ids[?(@.n == null)].id", "[1]"),
        ("$.ids[?(@.n)].id", r#"[1,"1"]"#),
        ("$.nested[0][?(@ > 1)]", "[2]"),
        ("$.store.bicycle[?(@.color == 'red')].price", "[19.95]"),
        ("$..[?(@.color)].price", "[19.95]"),
        ("$..[?(@.price > 12)].price", "[12.99,22.99,19.95]"),
        ("$.expensive[?(@ > 1)]", "[]"),
        ("$.store.book[?(@.price < $..x.length())]", "[]"),
    ] {
        assert_eq!(text_of(path, STORE), Ok(Some(expected.to_owned())), "{path}");
    }
}

#[test]
fn wrong_paths_are_refused_with_the_place() {
    for (path, position) in [
        ("", 1),
        ("$.", 3),
        ("$x", 2),
        ("$.a.", 5),
        ("$...a", 4),
        ("$.a[", 5),
        ("$.a[]", 5),
        ("$.a[x]", 5),
        ("$.a[1", 6),
        ("$.a[1,]", 7),
        ("$.a[--1]", 5),
        ("$.a['b]", 5),
        ("$.a['b'", 8),
        ("$.a['b',]", 9),
        ("$.a b", 4),
        ("$.a]", 4),
        ("$.a[::2]", 6),
        ("$.a[99999999999999999999]", 5),
        ("$.a[(@.length)]", 14),
        ("$.a[(@.length-0)]", 14),
        ("$.a.size()", 5),
        ("$.a.length().b", 13),
        ("$.ü[?(@.x", 10),
        ("$.a[?(@.x = 1)]", 11),
        ("$.a[?(@.x == )]", 14),
        ("$.a[?(1)]", 7),
        ("$.a[?(true)]", 7),
        ("$.a[?(@.x in [1])]", 11),
        ("$.a[?(@.x =~ 'p')]", 14),
        ("$.a[?(@.x =~ /p)]", 14),
        ("$.a[?(@.x =~ /(/)]", 14),
        ("$.a[?(@.x =~ /p/q)]", 17),
        ("$.a[?(@.x =~ /\\", 14),
        ("$.a[?(@..x == 1)]", 7),
        ("$.a[?(1 == @.*)]", 12),
        ("$.a[?(@.x)", 11),
        ("$.a[?@.x]", 6),
        (r"$['\u12']", 4),
    ] {
        let error = JsonPath::parse(path).expect_err(path);
        assert_eq!(error.position, position, "{path}: {error}");
        assert!(!error.problem.is_empty(), "{path}");
    }
}

#[test]
fn paths_end_at_their_limits() {
    use crate::limits::{
        JSON_PATH_BYTES_MAX, JSON_PATH_FILTER_DEPTH_MAX, JSON_PATH_PATTERN_BYTES_MAX, JSON_PATH_SEGMENTS_MAX,
    };
    let long = |bytes| format!("$.{}", "a".repeat(bytes - 2));
    assert!(JsonPath::parse(&long(JSON_PATH_BYTES_MAX)).is_ok());
    assert!(JsonPath::parse(&long(JSON_PATH_BYTES_MAX + 1)).is_err());
    let deep = |segments| format!("${}", ".a".repeat(segments));
    assert!(JsonPath::parse(&deep(JSON_PATH_SEGMENTS_MAX)).is_ok());
    assert!(JsonPath::parse(&deep(JSON_PATH_SEGMENTS_MAX + 1)).is_err());
    let groups = |depth: usize| format!("$[?({}@.a{})]", "(".repeat(depth - 1), ")".repeat(depth - 1));
    assert!(JsonPath::parse(&groups(JSON_PATH_FILTER_DEPTH_MAX)).is_ok());
    assert!(JsonPath::parse(&groups(JSON_PATH_FILTER_DEPTH_MAX + 1)).is_err());
    let filters = |depth: usize| format!("$.a{}{}", "[?(@.a".repeat(depth), ")]".repeat(depth));
    assert!(JsonPath::parse(&filters(JSON_PATH_FILTER_DEPTH_MAX)).is_ok());
    assert!(JsonPath::parse(&filters(JSON_PATH_FILTER_DEPTH_MAX + 1)).is_err());
    let pattern = format!("$.a[?(@.x =~ /(a{{999}}){{{}}}/)]", JSON_PATH_PATTERN_BYTES_MAX / 999);
    assert!(JsonPath::parse(&pattern).is_err());
}

#[test]
fn a_short_value_is_found_in_a_text_of_any_size() {
    let filler = format!("[{}0]", "[1,2,3],".repeat(2 * JSON_PATH_DOCUMENT_BYTES_MAX / 8));
    let json = format!(r#"{{"filler": {filler}, "a": [0, {{"b": "found"}}], "list": [1,2], "more": {filler}}}"#);
    assert_eq!(text_of("$.a[1].b", &json), Ok(Some("found".to_owned())));
    assert_eq!(text_of("$.list[*]", &json), Ok(Some("[1,2]".to_owned())));
    assert_eq!(text_of("$.list.length()", &json), Ok(Some("2".to_owned())));
    assert_eq!(text_of("$..b", &json), Err(JsonPathFailure::DocumentTooLarge));
    assert_eq!(text_of("$.list[?($.a)]", &json), Err(JsonPathFailure::DocumentTooLarge));
    assert_eq!(text_of("$.filler", &json), Err(JsonPathFailure::ValueTooLarge));
}

#[test]
fn the_searched_part_may_be_as_large_as_the_limit() {
    let of_bytes = |bytes| format!("[\"{}\"]", "x".repeat(bytes - 4));
    let path = "$.length()";
    assert_eq!(text_of(path, &of_bytes(JSON_PATH_DOCUMENT_BYTES_MAX)), Ok(Some("1".to_owned())));
    let larger = of_bytes(JSON_PATH_DOCUMENT_BYTES_MAX + 1);
    assert_eq!(text_of(path, &larger), Err(JsonPathFailure::DocumentTooLarge));
}

#[test]
fn results_have_the_bound_that_the_caller_names() {
    for (path, json, bytes) in [
        ("$.a", r#"{"a": "12345"}"#, 5),
        ("$.a", r#"{"a": [1, 2]}"#, 5),
        ("$.a[*]", r#"{"a": [1, 2]}"#, 5),
        ("$.a[-1]", r#"{"a": ["12345"]}"#, 5),
        ("$.a[-1]", r#"{"a": [[1, 2]]}"#, 5),
        ("$.a[*]", "{}", 2),
    ] {
        let compiled = JsonPath::parse(path).expect(path);
        assert_eq!(compiled.text(json, bytes).map(|text| text.map(|text| text.len())), Ok(Some(bytes)), "{path}");
        assert_eq!(compiled.text(json, bytes - 1), Err(JsonPathFailure::ValueTooLarge), "{path}");
    }
}

#[test]
fn a_search_ends_after_so_many_steps() {
    let json = format!("[{}0]", "0,".repeat(3_000));
    let path = JsonPath::parse("$[?(@ < $..[*].length())]").expect("a path");
    assert_eq!(path.text(&json, 1 << 20), Err(JsonPathFailure::TooManySteps));
}

#[test]
fn of_members_with_one_name_the_last_counts() {
    let json = r#"{"a": {"b": 1}, "a": {"c": 2}}"#;
    assert_eq!(text_of("$.a.b", json), Ok(None));
    assert_eq!(text_of("$.a.c", json), Ok(Some("2".to_owned())));
    assert_eq!(text_of("$..b", json), Ok(Some("[]".to_owned())));
}

#[test]
fn what_is_not_json_is_said_to_be_so() {
    let deep = "[".repeat(100_000);
    for json in ["", "a", "{\"a\": 1", "{\"a\": 1} x", "{\"a\": \"\\ud800\"}", "{'a': 1}", deep.as_str()] {
        assert_eq!(text_of("$.a", json), Err(JsonPathFailure::NotJson));
        assert_eq!(text_of("$..a", json), Err(JsonPathFailure::NotJson));
    }
}

/// RFC 9535 and Jayway agree on these, except that the RFC always gives a list.
#[test]
fn a_second_opinion_agrees_on_the_common_part() {
    let store: Value = serde_json::from_str(STORE).expect("JSON");
    for path in [
        "$",
        "$.store.book",
        "$.store.book[1]",
        "$.store.book[-1]",
        "$['store']['bicycle']",
        "$.store.*",
        "$.store.book[*].author",
        "$.store.book[0,1]",
        "$.store.book[:2]",
        "$.store.book[-1:]",
        "$.store.book[1:3]",
        "$.store.book[?(@.isbn)]",
        "$.store.book[?(@.price > 10)]",
        "$.store.book[?(@.price <= 8.99 && @.isbn)]",
        "$.store.book[?(@.category == 'fiction' || @.price < 9)]",
        "$.store.book[?(@.price < $.expensive)]",
        "$.missing",
    ] {
        let theirs: Vec<&Value> = serde_json_path::JsonPath::parse(path).expect(path).query(&store).all();
        let ours = JsonPath::parse(path).expect(path);
        let text = ours.text(STORE, 1 << 20).expect(path);
        let found: Vec<Value> = match text {
            None => Vec::new(),
            Some(text) if ours.is_definite() => vec![serde_json::from_str(&text).expect("JSON")],
            Some(text) => serde_json::from_str(&text).expect("JSON"),
        };
        assert_eq!(json!(found), json!(theirs), "{path}");
    }
}

proptest::proptest! {
    #[test]
    fn no_text_is_too_strange_to_be_a_path(text in "[$@.\\[\\]()'\"?*a0,:\\-=!&|~/ü\\\\ ]{0,24}", json in "[{}\\[\\]\",:a0 \\\\]{0,24}") {
        if let Ok(path) = JsonPath::parse(&text) {
            let _ = path.text(&json, 64);
        }
    }

    #[test]
    fn a_value_in_the_text_is_the_value_in_memory(index in 0_usize..4, name in "[a-c]{1}", blanks in " {0,2}") {
        let json = format!(r#"[{blanks}{{"a":{blanks}1,"b":[true,{blanks}{{"c":"ü"}}]}},{blanks}"s",null,{{"c":{{"a":1.5}}}}]"#);
        let walked = JsonPath::parse(&format!("$[{index}].{name}")).expect("a path").text(&json, 64);
        let value: Value = serde_json::from_str(&json).expect("JSON");
        let expected = match &value[index][&name] {
            Value::Null => None,
            Value::String(text) => Some(text.clone()),
            other => Some(other.to_string()),
        };
        proptest::prop_assert_eq!(walked.map(|text| text.map(Cow::into_owned)), Ok(expected));
    }
}
