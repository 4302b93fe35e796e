//! What every store must do, written against the trait. Each test runs on every implementation there is.

#![allow(clippy::unwrap_used, reason = "clippy sees helpers of tests as no tests")]

mod support;

use penstock_control_plane::store::{AuditQuery, AuditRow, Counted, Reads, Store, StoreError};
use penstock_model::bundle::Hash;
use penstock_model::definition::ApiDefinition;
use penstock_model::deployment::Stage;
use penstock_model::domain::{BasePathMapping, DomainName};
use penstock_model::id::{Revision, Version};
use penstock_model::method::{Method, Verb};
use penstock_model::resource::Resource;
use penstock_model::rest_api::RestApi;
use std::time::Duration;
use support::stores::{api, deployment, domain, fill, mapping, method, resource, stage, stage_with_canary, stores};

#[tokio::test]
async fn what_was_written_is_read() {
    for (store, _directory) in stores().await {
        fill(&*store).await;
        let mut reads = store.read().await.unwrap();
        let a = "a".into();
        assert_eq!(reads.rest_api(&a).await.unwrap(), Some(api("a")));
        assert_eq!(reads.resource(&a, &"r1".into()).await.unwrap(), Some(resource("r1")));
        assert_eq!(reads.method(&a, &"r1".into(), Verb::Put).await.unwrap(), Some(method("r1", Verb::Put)));
        assert_eq!(reads.deployment(&a, &"d2".into()).await.unwrap(), Some(deployment("d2", false)));
        assert_eq!(reads.snapshot(&a, &"d2".into()).await.unwrap().unwrap().rest_api, api("a"));
        assert_eq!(reads.stage(&a, &"v1".into()).await.unwrap(), Some(stage("v1", "d1")));
        assert_eq!(reads.domain_name("*").await.unwrap(), Some(domain("*")));
        assert_eq!(reads.base_path_mapping("*", "").await.unwrap(), Some(mapping("*", "")));
        let definition = reads.definition(&a).await.unwrap().unwrap();
        assert_eq!((definition.resources.len(), definition.methods.len()), (2, 3));
    }
}

#[tokio::test]
async fn what_is_not_there_is_none() {
    for (store, _directory) in stores().await {
        let mut reads = store.read().await.unwrap();
        let a = "a".into();
        assert!(reads.rest_api(&a).await.unwrap().is_none());
        assert!(reads.definition(&a).await.unwrap().is_none());
        assert!(reads.method(&a, &"r1".into(), Verb::Get).await.unwrap().is_none());
        assert!(reads.snapshot(&a, &"d".into()).await.unwrap().is_none());
        assert!(reads.base_path_mapping("*", "").await.unwrap().is_none());
        assert!(reads.resources(&a, "", 10).await.unwrap().is_empty());
        assert_eq!(reads.published().await.unwrap().root_hash, None);
    }
}

#[tokio::test]
async fn lists_are_ordered_and_continue_behind_a_key() {
    for (store, _directory) in stores().await {
        fill(&*store).await;
        let mut r = store.read().await.unwrap();
        let a = "a".into();
        let methods = r.methods(&a, ("", ""), 10).await.unwrap();
        let keys: Vec<_> = methods.iter().map(|m| (m.resource_id.as_str(), m.http_method.as_str())).collect();
        assert_eq!(keys, [("r1", "GET"), ("r1", "PUT"), ("r2", "GET")]);
        assert_eq!(r.methods(&a, ("r1", "GET"), 1).await.unwrap()[0].http_method, Verb::Put);
        assert_eq!(r.methods_of_resource(&a, &"r1".into(), "GET", 10).await.unwrap(), [method("r1", Verb::Put)]);
        assert_eq!(r.resources(&a, "r1", 10).await.unwrap(), [resource("r2")]);

        let numbered = r.deployments(&a, i64::MAX, 2).await.unwrap();
        let ids: Vec<_> = numbered.iter().map(|(_, d)| d.id.as_str()).collect();
        assert_eq!(ids, ["d3", "d2"], "the newest first");
        assert_eq!(r.deployments(&a, numbered[1].0, 2).await.unwrap()[0].1.id.as_str(), "d1");
        assert_eq!(r.spare_deployments(&a).await.unwrap(), ["d3".into()], "automatic, and on no stage");

        assert_eq!(r.stages(("", ""), 10).await.unwrap(), [stage("v1", "d1"), stage("v2", "d1")]);
        assert_eq!(r.stages(("a", "v1"), 10).await.unwrap(), [stage("v2", "d1")]);
        assert_eq!(r.stages_of_api(&a, "v1", 10).await.unwrap(), [stage("v2", "d1")]);

        let all = r.base_path_mappings(("", ""), 10).await.unwrap();
        assert_eq!(all, [mapping("*", ""), mapping("example.com", ""), mapping("example.com", "v1")]);
        assert_eq!(r.base_path_mappings(("example.com", ""), 10).await.unwrap(), [mapping("example.com", "v1")]);
        assert_eq!(r.base_path_mappings_of_domain("example.com", None, 10).await.unwrap().len(), 2);
        assert_eq!(r.base_path_mappings_of_domain("example.com", Some(""), 10).await.unwrap().len(), 1);
        assert_eq!(r.base_path_mappings_of_api(&a).await.unwrap().len(), 3);
        assert_eq!(r.domain_names("*", 10).await.unwrap(), [domain("example.com")]);
        assert_eq!(r.rest_apis(Some("name of a"), "", 10).await.unwrap(), [api("a")]);
        assert_eq!(r.rest_apis(Some("name"), "", 10).await.unwrap(), []);
        assert_eq!(r.rest_apis(None, "a", 10).await.unwrap(), []);
    }
}

#[tokio::test]
async fn everything_is_counted() {
    for (store, _directory) in stores().await {
        fill(&*store).await;
        let mut reads = store.read().await.unwrap();
        let a = "a".into();
        let expected = [
            (Counted::RestApis, 1),
            (Counted::Stages, 2),
            (Counted::DomainNames, 2),
            (Counted::BasePathMappings, 3),
            (Counted::Deployments(&a), 1),
        ];
        for (what, count) in expected {
            assert_eq!(reads.count(what).await.unwrap(), count, "{what:?}");
        }
    }
}

/// Runs one statement in a transaction of its own, which must fail like this.
macro_rules! refused {
    ($store:expr, $error:pat, $($call:tt)+) => {{
        let mut tx = $store.begin().await.unwrap();
        let result = tx.$($call)+.await;
        assert!(matches!(result, Err($error)), "{}: {result:?}", stringify!($($call)+));
    }};
}

#[tokio::test]
async fn a_key_is_taken_once() {
    for (store, _directory) in stores().await {
        fill(&*store).await;
        refused!(store, StoreError::Taken, insert_rest_api(&api("a")));
        refused!(store, StoreError::Taken, insert_resource(&resource("r1")));
        refused!(store, StoreError::Taken, insert_method(&method("r1", Verb::Get)));
        refused!(store, StoreError::Taken, insert_deployment(&deployment("d1", false), &ApiDefinition::default()));
        refused!(store, StoreError::Taken, insert_stage(&stage("v1", "d1")));
        refused!(store, StoreError::Taken, insert_domain_name(&domain("*")));
        refused!(store, StoreError::Taken, insert_base_path_mapping(&mapping("*", "")));
    }
}

#[tokio::test]
async fn a_transaction_in_which_a_statement_failed_is_not_committed() {
    for (store, _directory) in stores().await {
        fill(&*store).await;
        let mut tx = store.begin().await.unwrap();
        tx.insert_rest_api(&api("b")).await.unwrap();
        assert!(tx.insert_rest_api(&api("b")).await.is_err());
        let committed = tx.commit().await;
        assert!(matches!(committed, Err(StoreError::Failed(_))), "{committed:?}");
        assert_eq!(store.read().await.unwrap().rest_api(&"b".into()).await.unwrap(), None);
    }
}

#[tokio::test]
async fn an_update_replaces_exactly_the_revision_before() {
    for (store, _directory) in stores().await {
        fill(&*store).await;
        let mut tx = store.begin().await.unwrap();
        let stale = |result| assert!(matches!(result, Err(StoreError::Stale)), "{result:?}");
        for revision in [1, 3].map(Revision) {
            stale(tx.update_rest_api(&RestApi { revision, ..api("a") }).await);
            stale(tx.update_resource(&Resource { revision, ..resource("r1") }).await);
            stale(tx.update_method(&Method { revision, ..method("r1", Verb::Get) }).await);
            stale(tx.update_stage(&Stage { revision, ..stage("v1", "d1") }).await);
            stale(tx.update_domain_name(&DomainName { revision, ..domain("*") }).await);
            stale(tx.update_base_path_mapping(&BasePathMapping { revision, ..mapping("*", "") }).await);
        }
        let revision = Revision(2);
        tx.update_rest_api(&RestApi { revision, name: "new".into(), ..api("a") }).await.unwrap();
        tx.update_resource(&Resource { revision, ..resource("r1") }).await.unwrap();
        tx.update_method(&Method { revision, ..method("r1", Verb::Get) }).await.unwrap();
        tx.update_stage(&Stage { revision, ..stage("v1", "d2") }).await.unwrap();
        tx.update_domain_name(&DomainName { revision, ..domain("*") }).await.unwrap();
        tx.update_base_path_mapping(&BasePathMapping { revision, ..mapping("*", "") }).await.unwrap();
        tx.commit().await.unwrap();

        let mut reads = store.read().await.unwrap();
        assert_eq!(reads.rest_apis(Some("new"), "", 10).await.unwrap().len(), 1, "the column follows the object");
        assert_eq!(reads.stage(&"a".into(), &"v1".into()).await.unwrap().unwrap().deployment_id, "d2".into());
    }
}

#[tokio::test]
async fn what_is_gone_cannot_be_deleted_again() {
    for (store, _directory) in stores().await {
        fill(&*store).await;
        let mut tx = store.begin().await.unwrap();
        let a = "a".into();
        tx.delete_method(&a, &"r1".into(), Verb::Get).await.unwrap();
        tx.delete_resource(&a, &"r1".into()).await.unwrap();
        assert!(tx.method(&a, &"r1".into(), Verb::Put).await.unwrap().is_none(), "methods go with their resource");
        tx.delete_stage(&a, &"v2".into()).await.unwrap();
        tx.delete_deployment(&a, &"d2".into()).await.unwrap();
        tx.delete_base_path_mapping("*", "").await.unwrap();
        tx.delete_domain_name("example.com").await.unwrap();
        assert!(tx.base_path_mappings_of_api(&a).await.unwrap().is_empty(), "mappings go with their domain");
        tx.delete_rest_api(&a).await.unwrap();
        assert!(tx.stages(("", ""), 10).await.unwrap().is_empty(), "everything goes with its API");
        assert!(tx.snapshot(&a, &"d1".into()).await.unwrap().is_none());
        let again = tx.delete_rest_api(&a).await;
        assert!(matches!(again, Err(StoreError::Stale)), "{again:?}");
    }
}

#[tokio::test]
async fn references_hold() {
    for (store, _directory) in stores().await {
        fill(&*store).await;
        let a = "a".into();
        refused!(store, StoreError::Reference, delete_deployment(&a, &"d1".into()));
        refused!(store, StoreError::Reference, insert_stage(&stage("v3", "nowhere")));
        refused!(store, StoreError::Reference, insert_stage(&stage_with_canary("v3", "d1", "nowhere")));
        refused!(store, StoreError::Reference, insert_method(&method("nowhere", Verb::Get)));
        refused!(store, StoreError::Reference, insert_base_path_mapping(&mapping("nowhere", "")));
        refused!(store, StoreError::Reference, delete_rest_api(&a));
    }
}

#[tokio::test]
async fn a_canary_holds_its_deployment_until_it_goes() {
    for (store, _directory) in stores().await {
        fill(&*store).await;
        let mut tx = store.begin().await.unwrap();
        let a = "a".into();
        assert_eq!(tx.spare_deployments(&a).await.unwrap(), ["d3".into()]);
        tx.insert_stage(&stage_with_canary("v3", "d1", "d3")).await.unwrap();
        assert_eq!(tx.spare_deployments(&a).await.unwrap(), []);
        tx.commit().await.unwrap();
        refused!(store, StoreError::Reference, delete_deployment(&a, &"d3".into()));
        let mut tx = store.begin().await.unwrap();
        let revision = Revision(2);
        tx.update_stage(&Stage { revision, ..stage_with_canary("v3", "d1", "d2") }).await.unwrap();
        tx.delete_deployment(&a, &"d3".into()).await.unwrap();
        tx.commit().await.unwrap();
        refused!(store, StoreError::Reference, delete_deployment(&a, &"d2".into()));
        let mut tx = store.begin().await.unwrap();
        tx.update_stage(&Stage { revision: Revision(3), ..stage("v3", "d1") }).await.unwrap();
        tx.delete_deployment(&a, &"d2".into()).await.unwrap();
    }
}

#[tokio::test]
async fn what_is_not_committed_never_was() {
    for (store, _directory) in stores().await {
        let mut tx = store.begin().await.unwrap();
        tx.insert_rest_api(&api("a")).await.unwrap();
        tx.publish(Hash([1; 32]), Version(0), None).await.unwrap();
        drop(tx);
        let mut tx = store.begin().await.unwrap();
        assert_eq!(tx.rest_api(&"a".into()).await.unwrap(), None);
        assert_eq!(tx.published().await.unwrap().version.0, 0);
    }
}

#[tokio::test]
async fn a_reader_sees_one_state_and_does_not_wait_for_a_writer() {
    for (store, _directory) in stores().await {
        fill(&*store).await;
        let mut before = store.read().await.unwrap();
        assert!(before.rest_api(&"a".into()).await.unwrap().is_some());

        let mut tx = store.begin().await.unwrap();
        tx.insert_rest_api(&api("b")).await.unwrap();
        let during = async { store.read().await.unwrap().rest_api(&"b".into()).await.unwrap() };
        let during = tokio::time::timeout(Duration::from_secs(5), during).await.expect("it must not wait");
        assert_eq!(during, None, "nobody sees what is not committed");
        tx.commit().await.unwrap();

        assert_eq!(before.rest_api(&"b".into()).await.unwrap(), None, "its state does not change under it");
        assert!(store.read().await.unwrap().rest_api(&"b".into()).await.unwrap().is_some());
    }
}

#[tokio::test]
async fn texts_compare_by_their_bytes_whatever_language_the_database_speaks() {
    for (store, _directory) in stores().await {
        let mut tx = store.begin().await.unwrap();
        let ordered = ["*", "B.test", "_.test", "a.test", "\u{e4}.test"];
        for name in ["a.test", "_.test", "\u{e4}.test", "B.test", "*"] {
            tx.insert_domain_name(&domain(name)).await.unwrap();
        }
        let names = async |tx: &mut dyn Reads, after: &str| -> Vec<String> {
            tx.domain_names(after, 10).await.unwrap().into_iter().map(|domain| domain.domain_name).collect()
        };
        assert_eq!(names(&mut *tx, "").await, ordered);
        assert_eq!(names(&mut *tx, "B.test").await, ordered[2..]);
    }
}

#[tokio::test]
async fn every_character_is_kept_or_refused_by_name() {
    for (store, _directory) in stores().await {
        let mut tx = store.begin().await.unwrap();
        let odd = RestApi { name: "\u{1}\u{7f}\u{ffff}\u{10ffff}'\"\\".into(), description: "\0".into(), ..api("a") };
        tx.insert_rest_api(&odd).await.unwrap();
        assert_eq!(tx.rest_api(&"a".into()).await.unwrap(), Some(odd));
        match tx.insert_rest_api(&RestApi { name: "\0".into(), ..api("b") }).await {
            Ok(()) => assert_eq!(tx.rest_api(&"b".into()).await.unwrap().unwrap().name, "\0"),
            Err(error) => assert!(matches!(error, StoreError::Nul(_)), "{error:?}"),
        }
    }
}

fn audit_row(at_ms: i64, caller: &str, api: &str) -> AuditRow {
    AuditRow { number: 0, at_ms, caller: caller.into(), rest_api_id: api.into(), body: format!("{{\"at\":{at_ms}}}") }
}

const ANY_ENTRY: AuditQuery<'static> =
    AuditQuery { rest_api_id: "", caller: "", since_ms: i64::MIN, until_ms: i64::MAX, before: i64::MAX, limit: 100 };

async fn audit(store: &dyn Store, query: AuditQuery<'_>) -> Vec<(i64, i64)> {
    let rows = store.read().await.unwrap().audit(&query).await.unwrap();
    rows.into_iter().map(|row| (row.number, row.at_ms)).collect()
}

#[tokio::test]
async fn the_audit_log_is_numbered_filtered_and_cut_at_its_old_end() {
    for (store, _directory) in stores().await {
        let mut tx = store.begin().await.unwrap();
        for row in
            [audit_row(10, "ci", "a"), audit_row(20, "ops", "a"), audit_row(30, "ci", "b"), audit_row(40, "ci", "")]
        {
            tx.insert_audit_row(&row).await.unwrap();
        }
        tx.commit().await.unwrap();
        let store = store.as_ref();
        assert_eq!(audit(store, ANY_ENTRY).await, [(4, 40), (3, 30), (2, 20), (1, 10)]);
        assert_eq!(audit(store, AuditQuery { limit: 1, before: 4, ..ANY_ENTRY }).await, [(3, 30)]);
        assert_eq!(audit(store, AuditQuery { rest_api_id: "a", ..ANY_ENTRY }).await, [(2, 20), (1, 10)]);
        assert_eq!(audit(store, AuditQuery { rest_api_id: "a", caller: "ci", ..ANY_ENTRY }).await, [(1, 10)]);
        assert_eq!(audit(store, AuditQuery { since_ms: 20, until_ms: 40, ..ANY_ENTRY }).await, [(3, 30), (2, 20)]);
        let mut reads = store.read().await.unwrap();
        let newest = reads.audit(&AuditQuery { limit: 1, ..ANY_ENTRY }).await.unwrap().remove(0);
        assert_eq!(newest, AuditRow { number: 4, ..audit_row(40, "ci", "") });
        drop(reads);

        let mut tx = store.begin().await.unwrap();
        tx.trim_audit(4).await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(audit(store, ANY_ENTRY).await.len(), 4);
        let mut tx = store.begin().await.unwrap();
        tx.trim_audit(2).await.unwrap();
        tx.insert_audit_row(&audit_row(50, "ci", "a")).await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(audit(store, ANY_ENTRY).await, [(5, 50), (4, 40), (3, 30)]);
    }
}

#[tokio::test]
async fn an_audit_entry_goes_with_its_transaction() {
    for (store, _directory) in stores().await {
        let mut tx = store.begin().await.unwrap();
        tx.insert_audit_row(&audit_row(10, "ci", "a")).await.unwrap();
        drop(tx);
        assert_eq!(audit(store.as_ref(), ANY_ENTRY).await, []);
        let mut tx = store.begin().await.unwrap();
        tx.trim_audit(0).await.unwrap();
        tx.commit().await.unwrap();
    }
}
