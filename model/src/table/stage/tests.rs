//! Canaries (section h.2): who meets one, what it serves, and how its errors are named.

use super::*;
use crate::deployment::{CanarySettings, Stage};
use crate::integration::{Integration, IntegrationType};
use crate::method::Method;
use crate::number::Number;
use crate::resource::Resource;

/// An API with a GET of each of these (path, upstream).
fn definition(routes: &[(&str, &str)]) -> ApiDefinition {
    let mut definition = ApiDefinition::default();
    definition.rest_api.id = "api".into();
    for (path, uri) in routes {
        definition.resources.push(Resource { id: (*path).into(), path: (*path).to_owned(), ..Resource::default() });
        let mut method = Method::new("api".into(), (*path).into(), Verb::Get);
        let mut integration = Integration::new(IntegrationType::HttpProxy, Some(Verb::Get), *uri);
        let mapping = ("integration.request.header.X-Canary".to_owned(), "context.isCanaryRequest".to_owned());
        integration.request_parameters = [mapping].into();
        method.integration = Some(integration);
        definition.methods.push(method);
    }
    definition
}

fn words(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// A stage on the deployment `own`, with a canary on the deployment `new`.
fn bundle(percent: f64, own: ApiDefinition, overrides: &[(&str, &str)]) -> Bundle {
    let canary = CanarySettings {
        percent_traffic: Number::new(percent).expect("it is finite"),
        deployment_id: "new".into(),
        stage_variable_overrides: words(overrides),
        use_stage_cache: false,
    };
    let stage = Stage {
        rest_api_id: "api".into(),
        stage_name: "prod".into(),
        deployment_id: "own".into(),
        variables: words(&[("host", "up.test"), ("kept", "up.test")]),
        canary_settings: Some(canary),
        ..Stage::default()
    };
    Bundle::new(own, stage)
}

fn get<'t>(table: &'t StageTable, path: &str) -> Option<&'t Arc<Route>> {
    table.resolve(&http::Method::GET, path)
}

#[test]
fn the_share_is_exact_at_both_ends_and_between() {
    const LAST: f64 = 100.0 - 1.5e-14;
    assert_ne!(LAST.total_cmp(&100.0), std::cmp::Ordering::Equal, "it is the number before 100");
    for (percent, draw, canary) in [
        (0.0, 0.0, false),
        (0.0, LAST, false),
        (100.0, 0.0, true),
        (100.0, LAST, true),
        (50.0, 49.999, true),
        (50.0, 50.0, false),
        (0.125, 0.124, true),
        (0.125, 0.125, false),
    ] {
        let table = StageTable::compile(&bundle(percent, definition(&[("/a", "http://up/")]), &[])).expect("compiles");
        let route = get(table.choose(|| draw), "/a").expect("both have it");
        assert_eq!(route.stage.is_canary(), canary, "{draw} of {percent}");
    }
}

#[test]
fn without_a_canary_nothing_is_drawn() {
    let mut bundle = bundle(100.0, definition(&[("/a", "http://up/")]), &[]);
    bundle.stage.canary_settings = None;
    let table = StageTable::compile(&bundle).expect("compiles");
    let chosen = table.choose(|| panic!("nobody needs it"));
    assert!(std::ptr::eq(chosen, &raw const table) && table.canary().is_none());
    assert!(!get(&table, "/a").expect("it is there").stage.is_canary());
}

#[test]
fn a_canary_serves_its_own_deployment_and_counts_nowhere() {
    let own = definition(&[("/a", "http://up/"), ("/old", "http://up/")]);
    let bundle = bundle(100.0, own, &[]).with_canary(definition(&[("/a", "http://up/"), ("/new", "http://up/")]));
    let table = StageTable::compile(&bundle).expect("compiles");
    let canary = table.choose(|| 0.0);
    let served =
        |table, path| get(table, path).map(|route| (route.stage.deployment_id.to_string(), route.stage.is_canary()));
    assert_eq!(served(&table, "/a"), Some(("own".to_owned(), false)));
    assert_eq!(served(canary, "/a"), Some(("new".to_owned(), true)));
    assert_eq!((served(&table, "/new"), served(canary, "/old")), (None, None));
    assert!(served(canary, "/new").is_some() && served(&table, "/old").is_some());
    assert_eq!(canary.key(), table.key());
    assert_eq!((table.route_count(), table.routes().len()), (2, 2));
    assert!(canary.canary().is_none(), "there is one level");
    assert!(std::ptr::eq(canary.choose(|| panic!("nobody needs it")), canary));
}

#[test]
fn overrides_lie_over_the_stages_variables_and_may_add_names() {
    let routes =
        ["host", "kept", "added"].map(|name| (format!("/{name}"), format!("http://${{stageVariables.{name}}}/")));
    let routes = routes.each_ref().map(|(path, uri)| (path.as_str(), uri.as_str()));
    // Where a variable's value has come to shows in which addresses can be called.
    let bundle = bundle(50.0, definition(&routes), &[("host", "?"), ("added", "up.test")]);
    let table = StageTable::compile(&bundle).expect("compiles");
    let callable = |table: &StageTable| {
        ["/host", "/kept", "/added"].map(|path| get(table, path).expect("it is there").problem().is_none())
    };
    assert_eq!(callable(&table), [true, true, false]);
    assert_eq!(callable(table.canary().expect("it has one")), [false, true, true]);
}

#[test]
fn requests_know_whether_they_are_the_canarys() {
    let mut bundle = bundle(50.0, definition(&[("/a", "http://up/")]), &[]);
    let table = StageTable::compile(&bundle).expect("compiles");
    // Resolved when the table is built, whatever a plan keeps it in.
    let plan = |table: &StageTable| format!("{:?}", table.routes()[0].plan);
    assert!(plan(&table).contains(r#"Fixed("false")"#), "{}", plan(&table));
    let canary = table.canary().expect("it has one");
    assert!(plan(canary).contains(r#"Fixed("true")"#), "{}", plan(canary));
    bundle.stage.canary_settings = None;
    let table = StageTable::compile(&bundle).expect("compiles");
    assert!(plan(&table).contains("Absent"), "{}", plan(&table));
}

#[test]
fn what_does_not_compile_in_the_canary_is_named_below_it() {
    let fields = |bundle: &Bundle| -> Vec<String> {
        let violations = StageTable::compile(bundle).expect_err("it is refused");
        violations.into_iter().map(|violation| violation.field).collect()
    };
    let broken = |path| {
        let mut definition = definition(&[(path, "http://up/")]);
        definition.methods[0].integration = None;
        definition
    };
    let right = definition(&[("/a", "http://up/")]);
    assert_eq!(fields(&bundle(0.0, right, &[]).with_canary(broken("/b"))), ["canary.GET /b"]);
    assert_eq!(fields(&bundle(0.0, broken("/a"), &[]).with_canary(broken("/b"))), ["GET /a", "canary.GET /b"]);
}
