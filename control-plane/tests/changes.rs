//! The write pipeline: what counts the version up, what is compiled, and what racing writers leave behind.

mod support;

use penstock_control_plane::app::{Error, MethodKey, StageSpec};
use penstock_control_plane::publication::{Changes, Publication};
use penstock_control_plane::store::Store as _;
use penstock_model::deployment::Stage;
use penstock_model::id::{Revision, Version};
use penstock_model::integration::{Integration, IntegrationType};
use penstock_model::method::{AuthorizationType, Method, Verb};
use penstock_model::resource::Resource;
use penstock_model::rest_api::RestApi;
use std::collections::BTreeMap;
use std::task::Poll;
use std::time::Duration;
use support::{World, document, import, is_published, serve, served, v1, violated};

fn proxy(uri: &str) -> Integration {
    Integration::new(IntegrationType::HttpProxy, Some(Verb::Get), uri)
}

fn named(name: &str) -> RestApi {
    RestApi { name: name.to_owned(), ..RestApi::default() }
}

#[tokio::test]
async fn an_empty_store_publishes_an_empty_configuration_once() {
    let world = World::new().await;
    assert_eq!(world.version(), 1);
    assert!(world.app.newest().manifest.bundles.is_empty());
    assert_eq!(world.restart().await.version(), 1, "nothing changed");
}

#[tokio::test]
async fn drafts_do_not_change_what_is_published() {
    let world = World::new().await;
    let api = world.app.create_rest_api(named("draft")).await.unwrap();
    assert_eq!((api.version.0, api.value.revision), (1, Revision::FIRST));
    let resource = Resource {
        rest_api_id: api.value.id.clone(),
        parent_id: Some(api.value.root_resource_id.clone()),
        path_part: "a".into(),
        ..Resource::default()
    };
    assert_eq!(world.app.create_resource(resource).await.unwrap().version.0, 1);
    assert_eq!((world.version(), world.app.compile_count()), (1, 0));
}

#[tokio::test]
async fn one_call_makes_an_api_a_deployment_a_stage_and_a_mapping_that_serve() {
    let world = World::new().await;
    let stage = StageSpec { domain_name: "*".into(), base_path: "shop".into(), ..v1(false) };
    let request = import(document("Shop", "http://up.test/", &["/a", "/a/{id}"]), Some(stage));
    let imported = world.app.import_rest_api(request.clone()).await.unwrap();

    let (api, deployment) = (imported.value.rest_api.id.clone(), imported.value.deployment.clone().unwrap());
    assert_eq!(imported.version.0, 2);
    assert_eq!(deployment.route_count, 2);
    assert_eq!(imported.value.stage.unwrap().deployment_id, deployment.id);
    let (routes, version) = world.app.routes(None, None, None, 10).await.unwrap();
    assert_eq!((version.0, routes.len()), (2, 2));
    assert_eq!(routes[0].base_urls, ["*/shop".to_owned(), format!("{api}.execute-api.*/v1")]);
    assert_eq!((routes[0].uri.as_str(), routes[0].problem.as_str()), ("http://up.test/", ""));

    let again = world.app.import_rest_api(request).await.unwrap();
    assert_eq!((again.version.0, again.value.rest_api.id), (2, api.clone()), "the same import changes nothing");
    assert_eq!(again.value.rest_api.revision, Revision::FIRST);
    assert_eq!(again.value.deployment, Some(deployment), "and grows nothing");
    assert_eq!(world.app.deployments(&api, i64::MAX, 10).await.unwrap().len(), 1);
    assert_eq!(world.app.rest_apis(None, "", 10).await.unwrap().len(), 1);
}

#[tokio::test]
async fn another_document_of_the_same_title_replaces_the_api_and_moves_the_stage() {
    let world = World::new().await;
    let first = serve(&world.app, "Shop", false).await;
    let request = import(document("Shop", "http://up.test/", &["/b"]), Some(v1(false)));
    let second = world.app.import_rest_api(request).await.unwrap();
    assert_eq!(second.value.rest_api.id, first.value.rest_api.id);
    assert_eq!(second.version.0, first.version.0 + 1);
    assert_eq!(served(&world.app, first.value.rest_api.id.as_str(), "v1").await, ["GET /b"]);
}

#[tokio::test]
async fn an_import_that_fails_anywhere_leaves_nothing() {
    let world = World::new().await;
    serve(&world.app, "Owner", false).await;
    let stage = |name: &str, domain: &str| StageSpec {
        stage_name: name.into(),
        domain_name: domain.into(),
        ..StageSpec::default()
    };
    let good = document("Other", "http://up.test/", &["/a"]);
    let bad_stage = world.app.import_rest_api(import(good.clone(), Some(stage("not a name", "")))).await;
    assert!(violated(bad_stage.unwrap_err()).iter().any(|(field, _)| field == "stageName"));
    let bad_domain = world.app.import_rest_api(import(good, Some(stage("v1", "NOT/A/HOST")))).await;
    assert!(violated(bad_domain.unwrap_err()).iter().any(|(field, _)| field == "domainName"));
    let bad_uri = import(document("Other", "nonsense", &["/a", "/b"]), Some(v1(false)));
    assert_eq!(violated(world.app.import_rest_api(bad_uri).await.unwrap_err()).len(), 2, "both are named");

    assert_eq!(world.app.rest_apis(None, "", 10).await.unwrap().len(), 1);
    assert_eq!(world.version(), 2);
}

#[tokio::test]
async fn a_base_path_of_another_api_is_not_taken_over() {
    let world = World::new().await;
    let stage = || StageSpec { domain_name: "*".into(), ..v1(false) };
    let of = |title: &str| import(document(title, "http://up.test/", &["/a"]), Some(stage()));
    world.app.import_rest_api(of("first")).await.unwrap();
    let second = world.app.import_rest_api(of("second")).await;
    assert!(matches!(second, Err(Error::AlreadyExists(_))), "{second:?}");
}

#[tokio::test]
async fn a_change_compiles_the_stages_of_its_api_and_no_other() {
    let world = World::new().await;
    let mut apis = Vec::new();
    for number in 0..20 {
        apis.push(serve(&world.app, &format!("api {number}"), true).await.value.rest_api.id);
    }
    let before = (world.app.compile_count(), world.app.newest());
    assert_eq!(before.0, 20, "each import compiled its own stage");

    let request = import(document("api 7", "http://up.test/", &["/a", "/b"]), Some(v1(true)));
    world.app.import_rest_api(request).await.unwrap();
    assert_eq!(world.app.compile_count() - before.0, 1);
    let after = world.app.newest();
    for (key, table) in &before.1.compiled {
        let shared = std::sync::Arc::ptr_eq(table, &after.compiled[key]);
        assert_eq!(shared, key.rest_api_id != apis[7], "{key:?}");
    }
}

#[tokio::test]
async fn a_stage_that_deploys_by_itself_follows_an_api_built_call_by_call() {
    let world = World::new().await;
    let app = &world.app;
    let api = app.create_rest_api(named("grown")).await.unwrap().value;
    let auto = Stage { rest_api_id: api.id.clone(), stage_name: "dev".into(), auto_deploy: true, ..Stage::default() };
    app.create_stage(auto).await.unwrap();
    let key = MethodKey { rest_api_id: api.id.clone(), resource_id: api.root_resource_id.clone(), verb: Verb::Get };
    let method = |verb| Method::new(api.id.clone(), api.root_resource_id.clone(), verb);

    let bare = app.create_method(method(Verb::Get)).await.unwrap();
    assert_eq!(served(app, api.id.as_str(), "dev").await, Vec::<String>::new(), "it waits for its integration");
    let put = app.put_integration(&key, proxy("http://up.test/")).await.unwrap();
    assert_eq!(put.version.0, bare.version.0 + 1);
    assert_eq!(served(app, api.id.as_str(), "dev").await, ["GET /"]);

    app.create_method(method(Verb::Put)).await.unwrap();
    let asked = app.create_deployment(&api.id, None, "", BTreeMap::new()).await;
    let found = violated(asked.unwrap_err());
    assert_eq!(found, [("methods[PUT /].integration".to_owned(), "No integration defined for method".to_owned())]);

    app.delete_method(&key, Revision(0)).await.unwrap();
    assert_eq!(served(app, api.id.as_str(), "dev").await, Vec::<String>::new(), "the last method went");
    assert!(is_published(app, api.id.as_str(), "dev"));
}

#[tokio::test]
async fn an_import_tells_what_a_following_stage_deployed() {
    let world = World::new().await;
    serve(&world.app, "api", true).await;
    let request = import(document("api", "http://up.test/", &["/a", "/b"]), None);
    let imported = world.app.import_rest_api(request).await.unwrap().value;
    let deployment = imported.deployment.expect("the stage deployed by itself");
    assert_eq!((deployment.route_count, deployment.automatic, imported.stage), (2, true, None));
    let stage = world.app.stage(&imported.rest_api.id, &"v1".into()).await.unwrap();
    assert_eq!(stage.deployment_id, deployment.id);
}

#[tokio::test]
async fn a_method_that_cannot_be_protected_is_listed_with_its_problem() {
    let world = World::new().await;
    let api = serve(&world.app, "open", true).await.value.rest_api;
    let secret = Method {
        authorization_type: AuthorizationType::AwsIam,
        ..Method::new(api.id.clone(), api.root_resource_id.clone(), Verb::Get)
    };
    world.app.create_method(secret).await.unwrap();
    let key = MethodKey { rest_api_id: api.id.clone(), resource_id: api.root_resource_id, verb: Verb::Get };
    world.app.put_integration(&key, proxy("http://up.test/")).await.unwrap();
    let (routes, _) = world.app.routes(Some(api.id), None, None, 10).await.unwrap();
    let problems: Vec<_> = routes.iter().map(|route| (route.key.path.as_str(), route.problem.is_empty())).collect();
    assert_eq!(problems, [("/", false), ("/a", true)]);
}

#[tokio::test]
async fn a_refused_change_under_a_following_stage_leaves_nothing() {
    let world = World::new().await;
    let api = serve(&world.app, "api", true).await.value.rest_api;
    world.app.create_method(Method::new(api.id.clone(), api.root_resource_id.clone(), Verb::Get)).await.unwrap();
    let key = MethodKey { rest_api_id: api.id.clone(), resource_id: api.root_resource_id, verb: Verb::Get };
    let mut broken = proxy("http://up.test/");
    broken.request_parameters.insert("integration.request.header.x".into(), "method.request.body.a[".into());
    let version = world.version();
    let refused = world.app.put_integration(&key, broken).await;
    let found = violated(refused.unwrap_err());
    assert!(found[0].0.contains("requestParameters[integration.request.header.x]"), "{found:?}");
    assert!(world.app.method(&key).await.unwrap().integration.is_none(), "nothing of it is stored");
    assert_eq!(world.version(), version);
    assert_eq!(served(&world.app, api.id.as_str(), "v1").await, ["GET /a"]);
}

#[tokio::test]
async fn a_deployment_in_use_and_a_mapped_api_are_not_deleted() {
    let world = World::new().await;
    let stage = StageSpec { domain_name: "*".into(), ..v1(false) };
    let request = import(document("api", "http://up.test/", &["/a"]), Some(stage));
    let made = world.app.import_rest_api(request).await.unwrap().value;
    let api = made.rest_api.id;
    let refused = world.app.delete_deployment(&api, &made.deployment.unwrap().id, Revision(0)).await;
    let text = "Active stages pointing to this deployment must be moved or deleted";
    assert!(matches!(&refused, Err(Error::FailedPrecondition(reason)) if reason == text), "{refused:?}");
    let refused = world.app.delete_stage(&api, &"v1".into(), Revision(0)).await;
    assert!(matches!(refused, Err(Error::FailedPrecondition(_))), "{refused:?}");
    let refused = world.app.delete_rest_api(&api, Revision(0), false).await;
    assert!(matches!(refused, Err(Error::FailedPrecondition(_))), "{refused:?}");

    let gone = world.app.delete_rest_api(&api, Revision(0), true).await.unwrap();
    let publication = world.app.newest();
    assert_eq!(publication.version, gone.version);
    assert!(publication.manifest.bundles.is_empty() && publication.manifest.base_path_mappings.is_empty());
    assert!(publication.bundles.is_empty() && publication.compiled.is_empty());
}

#[tokio::test]
async fn a_restart_publishes_the_same_under_the_same_version() {
    let world = World::new().await;
    for number in 0..5 {
        serve(&world.app, &format!("api {number}"), number % 2 == 0).await;
    }
    let before = world.app.newest();
    let world = world.restart().await;
    let after = world.app.newest();
    assert_eq!(after.manifest, before.manifest);
    assert_eq!(after.compiled.len(), 5);
}

#[tokio::test]
async fn what_another_writer_published_is_seen_before_the_next_change() {
    let world = World::new().await;
    let api = serve(&world.app, "api", false).await.value.rest_api.id;
    // Another control plane on the same database, as a replicated one would have it, or a commit that seemed to fail.
    let mut tx = world.store.begin().await.unwrap();
    tx.delete_stage(&api, &"v1".into()).await.unwrap();
    let nothing = Publication::default().with(Changes { base_path_mappings: Some(Vec::new()), ..Changes::default() });
    let elsewhere = tx.publish(nothing.manifest.root_hash, Version(0), None).await.unwrap();
    tx.commit().await.unwrap();

    let next = world.app.create_rest_api(named("draft")).await.unwrap();
    assert_eq!(next.version, elsewhere);
    assert_eq!(world.app.newest().version, elsewhere);
    assert!(!is_published(&world.app, api.as_str(), "v1"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn racing_writers_lose_no_update_and_versions_strictly_grow() {
    const WRITERS: usize = 8;
    const CHANGES: usize = 12;
    let world = World::new().await;
    let api = serve(&world.app, "shared", true).await.value.rest_api.id;
    let mut watcher = world.app.publisher().subscribe();
    let watched = tokio::spawn(async move {
        let mut seen = vec![watcher.borrow_and_update().newest.version];
        while watcher.changed().await.is_ok() {
            seen.push(watcher.borrow_and_update().newest.version);
        }
        seen
    });
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| {
            let (app, api) = (world.app.clone(), api.clone());
            tokio::spawn(async move {
                let mut versions = Vec::new();
                for change in 0..CHANGES {
                    let tag = format!("{writer}-{change}");
                    // Reads, and tries again when another writer was faster.
                    loop {
                        let stored = app.rest_api(&api).await.unwrap();
                        let add = |api: &mut RestApi| api.description.push_str(&format!("{tag};"));
                        match app.update_rest_api(&api, stored.revision, add).await {
                            Ok(written) => break versions.push(written.version.0),
                            Err(Error::Stale(_)) => {}
                            Err(other) => panic!("{other}"),
                        }
                    }
                }
                versions
            })
        })
        .collect();
    let mut versions = Vec::new();
    for writer in writers {
        let own = writer.await.unwrap();
        assert!(own.is_sorted_by(|a, b| a < b), "{own:?}");
        versions.extend(own);
    }
    versions.sort_unstable();
    versions.dedup();
    assert_eq!(versions.len(), WRITERS * CHANGES, "every change has a version of its own");

    let stored = world.app.rest_api(&api).await.unwrap();
    assert_eq!(stored.description.matches(';').count(), WRITERS * CHANGES, "no update is lost");
    let newest = world.app.newest();
    assert_eq!(newest.version.0, *versions.last().unwrap());
    let root = world.store.read().await.unwrap().published().await.unwrap();
    assert_eq!((root.version, root.root_hash), (newest.version, Some(newest.manifest.root_hash)));
    drop(world);
    let seen = watched.await.unwrap();
    assert!(seen.is_sorted_by(|a, b| a < b), "{seen:?}");
}

#[tokio::test]
async fn a_caller_who_hangs_up_cannot_separate_what_is_stored_from_what_is_published() {
    let world = World::new().await;
    let api = serve(&world.app, "api", true).await.value.rest_api.id;
    for polls in 0..40 {
        let change = |api: &mut RestApi| api.description = format!("after {polls}");
        let mut call = Box::pin(world.app.update_rest_api(&api, Revision(0), change));
        for _ in 0..polls {
            if std::future::poll_fn(|cx| Poll::Ready(call.as_mut().poll(cx).is_ready())).await {
                break;
            }
            tokio::task::yield_now().await;
        }
        drop(call);
    }
    // The next change waits for whatever of these is still on its way.
    world.app.update_rest_api(&api, Revision(0), |api| api.name = "end".into()).await.unwrap();
    let published = world.app.newest();
    let stored = world.store.read().await.unwrap().published().await.unwrap();
    assert_eq!((stored.version, stored.root_hash), (published.version, Some(published.manifest.root_hash)));
    let fresh = world.restart().await;
    assert_eq!(fresh.app.newest().manifest, published.manifest);
}

#[tokio::test]
async fn so_many_changes_wait_and_the_next_one_is_sent_away() {
    const WAITING_MAX: usize = penstock_control_plane::app::limits::WRITERS_WAITING_MAX;
    let world = World::new().await;
    let blocker = world.store.begin().await.unwrap();
    let mut waiting: Vec<_> =
        (0..WAITING_MAX).map(|number| Box::pin(world.app.create_rest_api(named(&format!("api {number}"))))).collect();
    for call in &mut waiting {
        assert!(std::future::poll_fn(|cx| Poll::Ready(call.as_mut().poll(cx).is_pending())).await);
    }
    let one_more = world.app.create_rest_api(named("one more")).await;
    assert!(matches!(one_more, Err(Error::Unavailable(_))), "{one_more:?}");
    let read = tokio::time::timeout(Duration::from_secs(5), world.app.rest_apis(None, "", 500)).await;
    assert_eq!(read.expect("readers do not wait for writers").unwrap(), []);
    drop(blocker);
    for call in waiting {
        call.await.unwrap();
    }
    assert_eq!(world.app.rest_apis(None, "", 500).await.unwrap().len(), WAITING_MAX);
}
