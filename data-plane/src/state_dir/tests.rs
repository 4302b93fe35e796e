//! The directory by itself: what comes back from it, and everything that must not.

use super::*;
use crate::subscription::Quarantined;
use penstock_model::bundle::{BundleKey, BundleRef, Manifest};
use penstock_proto::convert::{bundle_hash, manifest_root_hash};
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::sync::atomic::{AtomicU32, Ordering};

const NOW_MS: i64 = 1_700_000_000_000;
const BUILD: &str = "test/1";

/// A directory that goes with the test.
struct Place(PathBuf);

impl Place {
    fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        Self(std::env::temp_dir().join(format!("penstock-state-{}-{number}", std::process::id())))
    }

    fn open_as(&self, node_id: Option<&str>, build: &'static str, now_ms: i64) -> Opened {
        let node_id = node_id.map(str::to_owned);
        StateDir::open(&self.0, Opener { node_id, new_node_id: "made-up".to_owned(), build, now_ms }).unwrap()
    }

    fn open(&self) -> Opened {
        self.open_as(None, BUILD, NOW_MS)
    }

    fn keep(&self, to_keep: &ToKeep) {
        self.open().state_dir.unwrap().keep(to_keep, NOW_MS).unwrap();
    }

    /// Version of what is kept, or what is wrong.
    fn found(&self) -> Result<Option<u64>, String> {
        let opened = self.open();
        match (opened.kept, opened.problem) {
            (None, Some(problem)) => Err(problem),
            (kept, None) => Ok(kept.map(|kept| kept.manifest().version.0)),
            (Some(_), Some(problem)) => panic!("something serves, although {problem}"),
        }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    fn bundle(&self, text: &str) -> PathBuf {
        self.0.join("bundles").join(bundle_hash(text.as_bytes()).to_string())
    }

    fn bundles(&self) -> usize {
        fs::read_dir(self.0.join("bundles")).unwrap().count()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn to_keep(version: u64, texts: &[&str]) -> ToKeep {
    let bundles: Vec<BundleRef> = texts
        .iter()
        .map(|text| BundleRef {
            key: BundleKey { rest_api_id: text[..1].into(), stage_name: "v1".into() },
            hash: bundle_hash(text.as_bytes()),
            size_bytes: text.len() as u64,
        })
        .collect();
    let root_hash = manifest_root_hash(&bundles, &[]);
    let manifest = Manifest { version: Version(version), root_hash, bundles, base_path_mappings: [].into() };
    let bytes = |text: &&str| (bundle_hash(text.as_bytes()), Bytes::copy_from_slice(text.as_bytes()));
    ToKeep { manifest, quarantined: Vec::new(), bundles: texts.iter().map(bytes).collect() }
}

#[test]
fn what_was_kept_comes_back_and_garbage_goes() {
    let place = Place::new();
    assert_eq!(place.found(), Ok(None));
    let mut state_dir = place.open().state_dir.unwrap();
    state_dir.keep(&to_keep(1, &["a1", "b1"]), NOW_MS).unwrap();
    let inode = fs::metadata(place.bundle("a1")).unwrap().ino();
    fs::write(place.file("bundles/notes"), "somebody's").unwrap();
    fs::write(place.file(&format!("bundles/{}.tmp", "0".repeat(64))), "half").unwrap();
    // The unchanged one is not even there to be written.
    let mut second = to_keep(2, &["a1", "b2"]);
    second.bundles.remove(&bundle_hash(b"a1"));
    state_dir.keep(&second, NOW_MS).unwrap();
    drop(state_dir);

    assert_eq!(place.found(), Ok(Some(2)));
    assert_eq!(fs::metadata(place.bundle("a1")).unwrap().ino(), inode, "it was not written again");
    assert_eq!(place.bundles(), 3, "both bundles, and what is somebody else's");
    let mode = fs::metadata(place.file("manifest")).unwrap().mode();
    assert_eq!(mode & 0o077, 0, "it is nobody else's to read");
}

#[test]
fn a_file_that_was_cut_or_changed_is_found_out_and_healed() {
    let place = Place::new();
    let first = to_keep(1, &["a1", "b1"]);
    place.keep(&first);
    let good = fs::read(place.file("manifest")).unwrap();
    for length in 0..good.len() {
        fs::write(place.file("manifest"), &good[..length]).unwrap();
        assert!(place.found().is_err(), "cut at {length}");
    }
    for bit in 0..good.len() * 8 {
        let mut other = good.clone();
        other[bit / 8] ^= 1 << (bit % 8);
        fs::write(place.file("manifest"), &other).unwrap();
        assert!(place.found().is_err(), "bit {bit}");
    }
    place.keep(&first);
    assert_eq!(place.found(), Ok(Some(1)));

    for text in ["a1", "b1"] {
        let path = place.bundle(text);
        for damage in [Some(&b""[..]), Some(b"a"), Some(b"c1"), Some(b"a1 "), None] {
            match damage {
                Some(bytes) => fs::write(&path, bytes).unwrap(),
                None => fs::remove_file(&path).unwrap(),
            }
            let problem = place.found().unwrap_err();
            assert!(problem.contains("bundle"), "{problem}");
        }
        // The control plane sends everything again, and it is written over.
        place.keep(&first);
        assert_eq!(place.found(), Ok(Some(1)));
    }
}

#[test]
fn another_format_another_kind_of_file_and_another_root_are_found_out() {
    let place = Place::new();
    place.keep(&to_keep(1, &["a1"]));
    let good = fs::read(place.file("manifest")).unwrap();
    let problem_of = |bytes: &[u8]| {
        fs::write(place.file("manifest"), bytes).unwrap();
        place.found().unwrap_err()
    };
    let mut newer = good.clone();
    newer[11] = 9;
    assert!(problem_of(&newer).contains("format 9, and this program reads format 1"));
    assert!(problem_of(b"a text that somebody put here, longer than a head").contains("no file of a state directory"));
    let noted = envelope::wrap(Kind::Confirmed, b"");
    assert!(problem_of(&noted).contains("no file of a state directory"));
    let mut lying = to_keep(1, &["a1"]);
    lying.manifest.root_hash.0[0] ^= 1;
    let content = record::encode(&lying, "n", BUILD, NOW_MS);
    assert!(problem_of(&envelope::wrap(Kind::Manifest, &content)).contains("root hash"));
    fs::remove_file(place.file("manifest")).unwrap();
    fs::create_dir(place.file("manifest")).unwrap();
    assert!(place.found().unwrap_err().contains("not a file"));
}

#[test]
fn a_directory_has_one_user_and_one_owner() {
    let place = Place::new();
    let mut first = place.open_as(Some("n1"), BUILD, NOW_MS);
    let second =
        StateDir::open(&place.0, Opener { node_id: None, new_node_id: String::new(), build: BUILD, now_ms: NOW_MS });
    let said = second.unwrap_err().to_string();
    assert!(said.contains("another node uses the state directory") && said.contains("--state-dir"), "{said}");
    first.state_dir.take().unwrap().keep(&to_keep(1, &["a1"]), NOW_MS).unwrap();

    // Without a name of its own a node has the one that is kept; with another one it leaves the directory alone.
    assert_eq!(place.open().node_id, "n1");
    let other = place.open_as(Some("n2"), BUILD, NOW_MS);
    assert!(other.state_dir.is_none() && other.kept.is_none() && other.node_id == "n2");
    assert!(other.problem.unwrap().contains("of node n1"));
    assert_eq!(place.found(), Ok(Some(1)));
    assert_eq!(Place::new().open().node_id, "made-up");
}

#[test]
fn what_cannot_be_written_leaves_what_was_there() {
    let place = Place::new();
    let mut state_dir = place.open().state_dir.unwrap();
    state_dir.keep(&to_keep(1, &["a1"]), NOW_MS).unwrap();
    // In the place of the file that would be written first.
    let blocked = place.0.join("bundles").join(format!("{}.tmp", bundle_hash(b"b2")));
    fs::create_dir(&blocked).unwrap();
    let second = to_keep(2, &["a2", "b2"]);
    let error = state_dir.keep(&second, NOW_MS).unwrap_err();
    assert!(with_causes(&error).starts_with("writing "), "{error}");
    drop(state_dir);
    assert_eq!(place.found(), Ok(Some(1)));

    let mut state_dir = place.open().state_dir.unwrap();
    fs::remove_dir(&blocked).unwrap();
    state_dir.keep(&second, NOW_MS).unwrap();
    drop(state_dir);
    assert_eq!((place.found(), place.bundles()), (Ok(Some(2)), 2));
}

#[test]
fn a_directory_that_cannot_be_used_is_reported_and_tried_again() {
    let place = Place::new();
    fs::write(&place.0, "a file in its place").unwrap();
    let opened = place.open();
    assert!(opened.kept.is_none() && opened.problem.unwrap().contains("making the directory"));
    let mut state_dir = opened.state_dir.unwrap();
    assert!(state_dir.keep(&to_keep(1, &["a1"]), NOW_MS).is_err());
    fs::remove_file(&place.0).unwrap();
    state_dir.keep(&to_keep(1, &["a1"]), NOW_MS).unwrap();
    drop(state_dir);
    assert_eq!(place.found(), Ok(Some(1)));
}

#[test]
fn a_bundle_that_is_not_there_is_never_named_by_a_manifest() {
    let place = Place::new();
    let mut state_dir = place.open().state_dir.unwrap();
    let mut absent = to_keep(1, &["a1"]);
    absent.bundles = BTreeMap::new();
    assert!(state_dir.keep(&absent, NOW_MS).is_err());
    drop(state_dir);
    assert_eq!(place.found(), Ok(None));
}

#[test]
fn age_counts_from_the_last_note_about_the_same_manifest() {
    let place = Place::new();
    let first = to_keep(1, &["a1"]);
    let named = (first.manifest.version, first.manifest.root_hash);
    place.keep(&first);
    let age_s = |now_ms| place.open_as(None, BUILD, now_ms).kept.unwrap().confirmed_age().as_secs();
    assert_eq!(age_s(NOW_MS + 90_000), 90);
    let note = |manifest, at_ms| place.open().state_dir.unwrap().note(manifest, at_ms).unwrap();
    note((Version(2), named.1), NOW_MS + 80_000);
    assert_eq!(age_s(NOW_MS + 90_000), 90, "it is about another one");
    note(named, NOW_MS + 60_000);
    assert_eq!(age_s(NOW_MS + 90_000), 30);
    assert_eq!(age_s(NOW_MS - 1), 0, "the clock was set back");
    let good = fs::read(place.file("confirmed")).unwrap();
    for length in 0..good.len() {
        fs::write(place.file("confirmed"), &good[..length]).unwrap();
        assert_eq!(age_s(NOW_MS + 90_000), 90, "cut at {length}, and so only older");
    }
    for bit in 0..good.len() * 8 {
        let mut other = good.clone();
        other[bit / 8] ^= 1 << (bit % 8);
        fs::write(place.file("confirmed"), &other).unwrap();
        assert_eq!(age_s(NOW_MS + 90_000), 90, "bit {bit}, and so only older");
    }
}

#[test]
fn quarantined_bundles_come_back_with_what_serves_in_their_place() {
    let place = Place::new();
    let mut first = to_keep(3, &["a2", "b1"]);
    let bytes = |text: &'static str| (bundle_hash(text.as_bytes()), Bytes::from_static(text.as_bytes()));
    let previous = Some(bundle_hash(b"a1"));
    first.quarantined = vec![Quarantined { hash: bundle_hash(b"a2"), reason: "it is bad".to_owned(), previous }];
    first.bundles = [bytes("a1"), bytes("b1")].into();
    place.keep(&first);
    assert_eq!((place.found(), place.bundles()), (Ok(Some(3)), 2));
    fs::write(place.bundle("a1"), "xx").unwrap();
    assert!(place.found().is_err());
}
