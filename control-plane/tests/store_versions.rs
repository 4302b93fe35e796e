//! What every store must do with versions, and with what they changed. Each test runs on every implementation there is.

#![allow(clippy::unwrap_used, reason = "clippy sees helpers of tests as no tests")]

mod support;

use penstock_control_plane::store::{Changed, Store};
use penstock_model::bundle::{BundleKey, Hash};
use penstock_model::id::Version;
use support::stores::stores;

const NOTHING: Version = Version(0);

#[tokio::test]
async fn versions_follow_commits() {
    for (store, _directory) in stores().await {
        for expected in 1..=3 {
            let mut tx = store.begin().await.unwrap();
            let root = Hash([expected; 32]);
            assert_eq!(tx.publish(root, NOTHING, None).await.unwrap().0, u64::from(expected));
            tx.commit().await.unwrap();
            let published = store.read().await.unwrap().published().await.unwrap();
            assert_eq!((published.version.0, published.root_hash), (u64::from(expected), Some(root)));
        }
    }
}

fn key(stage: &str) -> BundleKey {
    BundleKey { rest_api_id: "a".into(), stage_name: stage.into() }
}

/// Publishes a version that changed a stage; answers its number.
async fn publish(store: &dyn Store, above: Version, changed: Option<&Changed>) -> Version {
    let mut tx = store.begin().await.unwrap();
    let version = tx.publish(Hash([7; 32]), above, changed).await.unwrap();
    tx.commit().await.unwrap();
    version
}

#[tokio::test]
async fn a_version_is_above_what_was_seen_elsewhere_too() {
    for (store, _directory) in stores().await {
        assert_eq!(publish(&*store, Version(41), None).await, Version(42));
        assert_eq!(publish(&*store, Version(7), None).await, Version(43));
        assert_eq!(publish(&*store, Version(43), None).await, Version(44));
    }
}

#[tokio::test]
async fn what_changed_since_a_version_is_known_without_gaps_or_not_at_all() {
    for (store, _directory) in stores().await {
        let since = async |version| store.read().await.unwrap().changes_since(version).await.unwrap();
        let first = publish(&*store, NOTHING, None).await;
        assert_eq!(since(NOTHING).await, None, "the first one may have changed everything");
        assert_eq!(since(first).await, Some(Changed::default()));
        publish(&*store, NOTHING, Some(&Changed::new([&key("v1")], false))).await;
        // Versions that were never given are no gap.
        let third = publish(&*store, Version(50), Some(&Changed::new([&key("v1"), &key("v2")], true))).await;
        assert_eq!(since(first).await, Some(Changed::new([&key("v1"), &key("v2")], true)));
        publish(&*store, NOTHING, Some(&Changed::new([], true))).await;
        assert_eq!(since(third).await, Some(Changed::new([], true)));
        assert_eq!(since(Version(third.0 - 1)).await, None, "nobody had that version");
        assert_eq!(since(Version(1_000)).await, None, "nor one from the future");
        let all = publish(&*store, NOTHING, None).await;
        assert_eq!(since(third).await, None);
        assert_eq!(since(all).await, Some(Changed::default()));
    }
}

#[tokio::test]
async fn who_is_too_far_behind_is_told_so() {
    for (store, _directory) in stores().await {
        let first = publish(&*store, NOTHING, None).await;
        let mut tx = store.begin().await.unwrap();
        let changed = Changed::new([&key("v1")], false);
        for _ in 0..1_100 {
            tx.publish(Hash([7; 32]), NOTHING, Some(&changed)).await.unwrap();
        }
        tx.commit().await.unwrap();
        let mut reads = store.read().await.unwrap();
        assert_eq!(reads.changes_since(first).await.unwrap(), None);
        assert_eq!(reads.changes_since(Version(200)).await.unwrap(), Some(changed));
    }
}
