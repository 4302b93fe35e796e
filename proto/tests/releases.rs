//! The wire as each release had it is still what this program speaks: its descriptors are compared with today's. That the
//! comparison finds every kind of break is shown on small invented files.

#[path = "releases/compare.rs"]
mod compare;

use compare::{added_within, breaks};
use penstock_proto::FILE_DESCRIPTOR_SET;
use prost::Message as _;
use prost_types::FileDescriptorSet;
use protox::file::{ChainFileResolver, File, FileResolver, GoogleFileResolver};
use std::fs;
use std::path::Path;

/// What a node makes a hash of after it has read it into its own types. A field that it does not know is lost on the way,
/// and then its hash is another one than the control plane's.
const HASHED: &str = "penstock.discovery.v1.Manifest";

/// Fields of [`HASHED`], and of what is inside of it, that came after the first release; each with what keeps older nodes
/// from being sent it, or what makes it right that they refuse the manifest then.
const ADDED_TO_HASHED: &[(&str, &str)] = &[];

/// The descriptors of each release, by its name.
fn releases() -> Vec<(String, FileDescriptorSet)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("releases");
    let entries = fs::read_dir(folder).expect("the releases are there").map(|entry| entry.expect("it can be listed"));
    let folders = entries.map(|entry| entry.path()).filter(|path| path.is_dir());
    folders
        .map(|path| {
            let bytes = fs::read(path.join("descriptors.bin")).expect("a release has its descriptors");
            let name = path.file_name().expect("it has a name").to_string_lossy().into_owned();
            (name, FileDescriptorSet::decode(&bytes[..]).expect("they are a set of descriptors"))
        })
        .collect()
}

fn today() -> FileDescriptorSet {
    FileDescriptorSet::decode(FILE_DESCRIPTOR_SET).expect("our own descriptors")
}

#[test]
fn nothing_that_a_release_says_has_changed() {
    let (releases, today) = (releases(), today());
    assert!(releases.iter().any(|(name, _)| name == "0.1-first"));
    for (name, release) in releases {
        for package in ["penstock.management.v1", "penstock.discovery.v1"] {
            assert!(release.file.iter().any(|file| file.package() == package), "{name} lacks {package}");
        }
        let breaks = breaks(&release, &today);
        assert!(breaks.is_empty(), "since {name}:\n{}", breaks.join("\n"));
    }
}

#[test]
fn a_field_of_what_is_hashed_has_its_reason() {
    for (name, release) in releases() {
        let mut added = added_within(HASHED, &release, &today());
        added.retain(|field| ADDED_TO_HASHED.iter().all(|(known, _)| known != field));
        assert!(added.is_empty(), "since {name}: {added:?}; a node of it makes another root hash when they are set");
    }
}

/// One file, in the memory of a test.
struct Invented(String);

impl FileResolver for Invented {
    fn open_file(&self, name: &str) -> Result<File, protox::Error> {
        match name {
            "invented.proto" => File::from_source(name, &self.0),
            other => Err(protox::Error::file_not_found(other)),
        }
    }
}

fn compiled(text: &str) -> FileDescriptorSet {
    let mut files = ChainFileResolver::new();
    files.add(Invented(format!("syntax = \"proto3\"; package p; {text}")));
    files.add(GoogleFileResolver::new());
    let mut compiler = protox::Compiler::with_file_resolver(files);
    compiler.open_file("invented.proto").expect("an invented file compiles");
    compiler.file_descriptor_set()
}

fn broken(before: &str, after: &str) -> Vec<String> {
    breaks(&compiled(before), &compiled(after))
}

const NODE: &str = "message Node { string id = 1; Zone zone = 2; map<string, string> labels = 3; oneof kind { bool a = 4; bool b = 5; }
    optional int32 weight = 6; repeated int64 seen = 7; message Zone { string name = 1; } enum State { NONE = 0; ON = 1; } }
    service Fleet { rpc Get(Node) returns (Node); rpc Watch(Node) returns (stream Node); rpc Say(stream Node) returns (Node); }";

#[test]
fn what_is_the_same_and_what_is_new_breaks_nothing() {
    assert_eq!(broken(NODE, NODE), [""; 0]);
    for (old, new) in [
        (
            "message Node {",
            "message New {} enum Other { NO = 0; } service News { rpc Get(New) returns (New); } message Node {",
        ),
        ("string id = 1;", "string id = 1; string more = 20; map<string, Zone> zones = 21;"),
        ("bool b = 5;", "bool b = 5; bool c = 20;"),
        ("ON = 1;", "ON = 1; OFF = 2;"),
        ("rpc Get(Node)", "rpc Put(Node) returns (Node); rpc Get(Node)"),
    ] {
        assert!(NODE.contains(old), "{old}");
        assert_eq!(broken(NODE, &NODE.replace(old, new)), [""; 0], "{new}");
    }
}

#[test]
fn every_break_is_found_and_named() {
    for (old, new, said) in [
        ("string id = 1;", "", "p.Node.id is gone, and its number and name are not reserved"),
        ("string id = 1;", "string name = 1;", "p.Node.id had the name id, and has name"),
        ("string id = 1;", "string id = 9;", "p.Node.id had number 1, and has 9"),
        ("string id = 1;", "reserved 1; string id = 9;", "p.Node.id had number 1, and has 9"),
        ("string id = 1;", "bytes id = 1;", "p.Node.id had the type TYPE_STRING, and has TYPE_BYTES"),
        ("string id = 1;", "string id = 1 [json_name = \"ID\"];", "p.Node.id had the JSON name id, and has ID"),
        ("string id = 1;", "repeated string id = 1;", "p.Node.id had the label LABEL_OPTIONAL, and has LABEL_REPEATED"),
        (
            "string id = 1;",
            "optional string id = 1;",
            "p.Node.id had the label LABEL_OPTIONAL, and has explicit presence",
        ),
        ("optional int32", "int32", "p.Node.weight had the label explicit presence, and has LABEL_OPTIONAL"),
        ("repeated int64", "int64", "p.Node.seen had the label LABEL_REPEATED, and has LABEL_OPTIONAL"),
        ("Zone zone = 2;", "Node zone = 2;", "p.Node.zone had the type .p.Node.Zone, and has .p.Node"),
        ("string id = 1;", "oneof which { string id = 1; }", "p.Node.id had the oneof none, and has which"),
        (
            "oneof kind { bool a = 4; bool b = 5; }",
            "bool a = 4; bool b = 5;",
            "p.Node.a had the oneof kind, and has none",
        ),
        ("oneof kind", "oneof sort", "p.Node.b had the oneof kind, and has sort"),
        (
            "map<string, string>",
            "map<string, bytes>",
            "p.Node.LabelsEntry.value had the type TYPE_STRING, and has TYPE_BYTES",
        ),
        (
            "map<string, string> labels = 3;",
            "repeated LabelsEntry labels = 3; message LabelsEntry { string key = 1; string value = 2; }",
            "p.Node.LabelsEntry is another kind of message",
        ),
        ("Zone", "Area", "message p.Node.Zone is gone"),
        ("enum State", "enum Condition", "enum p.Node.State is gone"),
        ("ON = 1;", "", "p.Node.State.ON is gone, and its number and name are not reserved"),
        ("ON = 1;", "ON = 2;", "p.Node.State.ON had number 1, and has 2"),
        ("ON = 1;", "UP = 1;", "p.Node.State.ON had the name ON, and has UP"),
        ("service Fleet", "service Nodes", "service p.Fleet is gone"),
        ("rpc Get(Node) returns (Node);", "", "method p.Fleet.Get is gone"),
        ("Get(Node)", "Get(Node.Zone)", "p.Fleet.Get had the request .p.Node, and has .p.Node.Zone"),
        (
            "Get(Node) returns (Node)",
            "Get(Node) returns (Node.Zone)",
            "p.Fleet.Get had the answer .p.Node, and has .p.Node.Zone",
        ),
        (
            "returns (stream Node)",
            "returns (Node)",
            "p.Fleet.Watch had the manner of answers stream, and has one message",
        ),
        (
            "(stream Node) returns",
            "(Node) returns",
            "p.Fleet.Say had the manner of requests stream, and has one message",
        ),
    ] {
        assert!(NODE.contains(old), "{old}");
        let found = broken(NODE, &NODE.replace(old, new));
        assert!(found.iter().any(|line| line == said), "{new}: {found:?}");
    }
}

#[test]
fn what_is_removed_on_purpose_leaves_its_number_and_its_name_reserved() {
    let removed = |what: &str| broken(NODE, &NODE.replace("string id = 1;", what));
    assert_eq!(removed("reserved 1; reserved \"id\";"), [""; 0]);
    for half in ["reserved 1;", "reserved \"id\";", "reserved 9; reserved \"id\";"] {
        assert_eq!(removed(half).len(), 1, "{half}");
    }
    let removed = |what: &str| broken(NODE, &NODE.replace("ON = 1;", what));
    assert_eq!(removed("reserved 1; reserved \"ON\";"), [""; 0]);
    assert_eq!(removed("reserved 1;").len(), 1);
}

#[test]
fn a_field_inside_of_what_is_hashed_is_found() {
    let after = NODE
        .replace("string name = 1;", "string name = 1; Node next = 2;")
        .replace("bool b = 5;", "bool b = 5; bool c = 9;");
    let added = added_within("p.Node", &compiled(NODE), &compiled(&after));
    assert_eq!(added.into_iter().collect::<Vec<_>>(), ["p.Node.Zone.next", "p.Node.c"]);
}
