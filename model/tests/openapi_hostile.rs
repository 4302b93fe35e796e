//! No document, however broken, makes import or fragment reading panic, and what import accepts is valid.

use penstock_model::openapi::{BasePathMode, Encoding, ExportOptions, Format, ImportOptions, export, import};
use penstock_model::{fragment, validate};
use proptest::prelude::*;
use serde_json::{Value, json};

const DOCUMENTS: [&str; 6] = [
    include_str!("documents/shop.swagger.json"),
    include_str!("documents/proxy.yaml"),
    include_str!("documents/sam.json"),
    include_str!("documents/preflight.yaml"),
    include_str!("documents/http_api.yaml"),
    include_str!("documents/broken.yaml"),
];

/// Imports and, when that works, checks and exports.
fn survive(document: &[u8]) {
    for base_path_mode in [BasePathMode::Ignore, BasePathMode::Prepend, BasePathMode::Split] {
        let mut count = 0;
        let mut new_id = || {
            count += 1;
            format!("{count}")
        };
        match import(document, &ImportOptions { base_path_mode }, &mut new_id) {
            Ok(imported) => {
                assert_eq!(validate::definition(&imported.definition).to_string(), "");
                for format in [Format::Oas30, Format::Swagger] {
                    let options = ExportOptions {
                        format,
                        encoding: Encoding::Yaml,
                        extensions: true,
                        ..ExportOptions::default()
                    };
                    assert!(!export(&imported.definition, &options).document.is_empty());
                }
            }
            Err(violations) => assert!(!violations.is_empty()),
        }
    }
}

fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "\\PC{0,6}".prop_map(Value::from),
        Just(json!({"$ref": "#/paths"})),
        Just(json!({"$ref": "#/components/parameters/Trace"})),
        Just(json!("200")),
        Just(json!("http://${stageVariables.x}/{y}")),
    ];
    leaf.prop_recursive(2, 8, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            prop::collection::hash_map("[a-zA-Z/{}+-]{0,6}", inner, 0..3)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

/// Replaces one of the values below `value` by `new`, or puts it under a new key.
fn mutate(value: &mut Value, mut at: usize, key: &str, new: Value) {
    let mut here = value;
    loop {
        let below = match here {
            Value::Object(map) => map.len(),
            Value::Array(list) => list.len(),
            _ => 0,
        };
        if below == 0 || at.is_multiple_of(7) {
            break;
        }
        let choice = at % below;
        at /= 3;
        here = match here {
            Value::Object(map) => map.values_mut().nth(choice).expect("the choice is below the length"),
            Value::Array(list) => &mut list[choice],
            _ => unreachable!("only lists and objects have values below"),
        };
    }
    match here {
        Value::Object(map) if !key.is_empty() => {
            map.insert(key.to_owned(), new);
        }
        other => *other = new,
    }
}

proptest! {
    #[test]
    fn arbitrary_bytes(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        survive(&bytes);
        if let Err(violations) = fragment::parse(&bytes) {
            prop_assert!(!violations.is_empty());
        }
    }

    #[test]
    fn arbitrary_text(text in "[\\PC\n\t ]{0,80}") {
        survive(text.as_bytes());
        survive(format!("openapi: 3.0.1\n{text}").as_bytes());
    }

    #[test]
    fn documents_with_bytes_changed(which in 0usize..6, changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6)) {
        let mut bytes = DOCUMENTS[which].as_bytes().to_vec();
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        survive(&bytes);
    }

    #[test]
    fn documents_cut_short(which in 0usize..6, at in any::<prop::sample::Index>()) {
        let bytes = DOCUMENTS[which].as_bytes();
        survive(&bytes[..at.index(bytes.len())]);
    }

    #[test]
    fn documents_with_values_changed(
        which in 0usize..6,
        changes in prop::collection::vec((any::<usize>(), prop_oneof![Just(String::new()), "[a-z/{}+-]{1,8}"], any_value()), 1..5),
    ) {
        let mut document: Value = serde_saphyr::from_str(DOCUMENTS[which]).expect("the fixtures are YAML or JSON");
        for (at, key, new) in changes {
            mutate(&mut document, at, &key, new);
        }
        survive(document.to_string().as_bytes());
    }

    #[test]
    fn fragments_with_values_changed(at in any::<usize>(), key in "[A-Za-z]{0,8}", new in any_value()) {
        let mut fragment = json!({
            "Type": "HTTP_PROXY", "HttpMethod": "POST", "Uri": "arn:aws:lambda:x:y:function:f", "TlsConfig": {},
            "LambdaEndpoint": {"Url": "http://localhost:9001", "FunctionName": "f", "Unsigned": true},
            "IntegrationResponses": [{"StatusCode": "200", "ResponseParameters": {"integration.response.header.A": "method.response.header.A"}}],
            "RequestParameters": {"a": "b"}, "CacheKeyParameters": ["a"], "ContentHandling": "PASSTHROUGH",
        });
        mutate(&mut fragment, at, &key, new);
        if let Err(violations) = fragment::parse(fragment.to_string().as_bytes()) {
            prop_assert!(!violations.is_empty());
        }
    }
}
