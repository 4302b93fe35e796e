//! Stage variables stand wherever the specification lets them (sections e.2, e.5 and e.7), and a change acts without a
//! deployment.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use harness::upstream::Upstream;
use harness::world::document;
use harness::{World, client};
use penstock_proto::management::v1::{ImportRestApiRequest, StageSpec};
use serde_json::json;

/// A value of a header that the upstream got.
fn received<'a>(mirrored: &'a serde_json::Value, name: &str) -> &'a str {
    let headers = mirrored["headers"].as_array().unwrap();
    headers.iter().find(|header| header[0] == name).and_then(|header| header[1].as_str()).unwrap_or_default()
}

/// Serves an API on the stage `prod`, which does not deploy by itself.
async fn serve(world: &World, upstream: &Upstream) {
    let place = |uri: &str| uri.replace('@', "${stageVariables.");
    let mut document = document(
        "variables",
        &[
            ("GET", "/parts", place("http://@host}:@port}/a/@word}/b?fixed=1&v=@word}")),
            ("GET", "/authority", place("http://@authority}/a")),
            ("GET", "/whole", place("http://@whole}")),
            ("GET", "/mapped", format!("http://{}/{{word}}", upstream.address)),
        ],
    );
    let integration = &mut document["paths"]["/mapped"]["get"]["x-amazon-apigateway-integration"];
    for target in ["path.word", "querystring.word", "header.X-Word"] {
        integration["requestParameters"][format!("integration.request.{target}")] = "stageVariables.word".into();
    }
    integration["requestParameters"]["integration.request.header.X-None"] = "stageVariables.none".into();
    document["x-amazon-apigateway-gateway-responses"] = json!({"MISSING_AUTHENTICATION_TOKEN": {
        "responseParameters": {"gatewayresponse.header.X-Word": "stageVariables.word"},
        "responseTemplates": {"application/json": "{\"word\":\"$stageVariables.word\"}"},
    }});
    let address = upstream.address;
    let variables = [
        ("host", address.ip().to_string()),
        ("port", address.port().to_string()),
        ("authority", address.to_string()),
        ("whole", format!("{address}/c/d?e=f&g=h")),
        ("word", "first".to_owned()),
    ];
    let stage = StageSpec {
        stage_name: "prod".into(),
        variables: variables.map(|(name, value)| (name.to_owned(), value)).into(),
        domain_name: "*".into(),
        ..Default::default()
    };
    let import =
        ImportRestApiRequest { document: document.to_string().into(), stage: Some(stage), ..Default::default() };
    world.rest_apis().await.import_rest_api(import).await.unwrap();
    world.settled().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn they_stand_in_addresses_mappings_and_the_gateways_own_answers() {
    let world = World::start(1).await;
    let upstream = Upstream::mirror("upstream").await;
    serve(&world, &upstream).await;
    for word in ["first", "second"] {
        for (path, target) in [
            ("/parts", format!("/a/{word}/b?fixed=1&v={word}")),
            ("/authority", "/a".to_owned()),
            ("/whole", "/c/d?e=f&g=h".to_owned()),
            ("/mapped", format!("/{word}?word={word}")),
        ] {
            let mirrored = client::get(world.proxy(), "any", path).await.json();
            assert_eq!(mirrored["target"], target, "{path}");
            if path == "/mapped" {
                assert_eq!((received(&mirrored, "x-word"), received(&mirrored, "x-none")), (word, ""));
            }
        }
        let refusal = client::get(world.proxy(), "any", "/none").await;
        assert_eq!((refusal.status.as_u16(), refusal.header("x-word")), (403, word));
        assert_eq!(refusal.json(), json!({"word": word}));

        // For the second round: no deployment, and it acts on the next request.
        let said = world.cli(&["stage", "update", "variables", "prod", "--variable", "word=second"]);
        assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
        world.settled().await;
    }
    let listed = world.cli(&["deployment", "list", "variables", "--output", "json"]);
    let listed: serde_json::Value = serde_json::from_slice(&listed.stdout).unwrap();
    assert_eq!(listed["items"].as_array().unwrap().len(), 1);
}
