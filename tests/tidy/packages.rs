//! Which package may depend on which, and what the dependency graph may hold.

use crate::licences;
use crate::tree::Violation;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

/// Our packages, and which of ours each may depend on: the arrows of `ARCHITECTURE.md`. The planes never know each other.
const ARROWS: &[(&str, &[&str])] = &[
    ("penstock-model", &[]),
    ("penstock-proto", &["penstock-model"]),
    // For tests: nobody who ships may know it.
    ("penstock-previous", &[]),
    ("penstock-link", &[]),
    ("penstock-control-plane", &["penstock-model", "penstock-proto", "penstock-link"]),
    ("penstock-data-plane", &["penstock-model", "penstock-proto", "penstock-link"]),
    (
        "penstock",
        &["penstock-proto", "penstock-link", "penstock-control-plane", "penstock-data-plane", "image-resizer"],
    ),
    // The only package that sees both planes: one test holds both ends of their protocol.
    (
        "penstock-tests",
        &[
            "penstock-model",
            "penstock-proto",
            "penstock-previous",
            "penstock-link",
            "penstock-control-plane",
            "penstock-data-plane",
        ],
    ),
    ("image-resizer", &[]),
    ("image-function", &["image-resizer"]),
];

/// All that the model may be built from: crates that compute. One that does I/O would bring a second answer with it.
const MODEL_USES: &[&str] = &[
    "bytes",
    "fancy-regex",
    "foldhash",
    "http",
    "infer",
    "memchr",
    "regex",
    "serde",
    "serde-saphyr",
    "serde_json",
    "sha2",
    "smol_str",
    "thiserror",
    "time",
];

/// Crates that must exist once: two versions of one of these are two worlds whose types do not meet.
const ONCE: &[&str] = &["http", "http-body", "hyper", "prost", "rustls", "sqlx", "tokio", "tonic"];

/// Crates that must not be built at all, and why.
const NEVER: &[(&str, &str)] = &[
    ("ring", "TLS has one provider, aws-lc-rs; rustls panics where it finds two"),
    ("openssl-sys", "no system library is needed to build"),
    ("native-tls", "TLS is rustls"),
];

/// What the violations point at.
const LOCK_FILE: &str = "Cargo.lock";

/// A package of the graph.
struct Package {
    name: String,
    version: String,
    licence: Option<String>,
    from_registry: bool,
    is_ours: bool,
    /// Relative to the repository.
    manifest: String,
    /// Names in its manifest, those for tests left out.
    uses: BTreeSet<String>,
    /// Names in its manifest that are for tests and benches.
    uses_in_tests: BTreeSet<String>,
}

/// The dependency graph, as cargo resolves it for this machine.
pub(crate) struct Graph {
    packages: Vec<Package>,
    /// What is really compiled, features considered.
    built: BTreeSet<String>,
}

impl Graph {
    /// Asks cargo, which answers from the lock file and what is on disk.
    pub(crate) fn of_repository(root: &Path) -> Self {
        let metadata = cargo(root, &["metadata", "--format-version=1", "--filter-platform=host-tuple"]);
        let tree = cargo(root, &["tree", "--workspace", "--edges=normal,build,dev", "--prefix=none", "--format={p}"]);
        Self::of(&serde_json::from_str(&metadata).unwrap(), &tree)
    }

    fn of(metadata: &Value, tree: &str) -> Self {
        let root = text(&metadata["workspace_root"]);
        let members: BTreeSet<&str> = list(&metadata["workspace_members"]).map(text).collect();
        let packages = list(&metadata["packages"])
            .map(|package| Package {
                name: text(&package["name"]).to_owned(),
                version: text(&package["version"]).to_owned(),
                licence: package["license"].as_str().map(str::to_owned),
                from_registry: package["source"].as_str().is_some_and(|source| source.starts_with("registry+")),
                is_ours: members.contains(text(&package["id"])),
                manifest: text(&package["manifest_path"]).trim_start_matches(root).trim_start_matches('/').to_owned(),
                uses: dependencies(package, |kind| kind != Some("dev")),
                uses_in_tests: dependencies(package, |kind| kind == Some("dev")),
            })
            .collect();
        let built = tree.lines().filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect();
        Self { packages, built }
    }

    fn ours(&self) -> impl Iterator<Item = &Package> {
        self.packages.iter().filter(|package| package.is_ours)
    }
}

fn cargo(root: &Path, arguments: &[&str]) -> String {
    // The cargo that runs this test, where one does.
    let program = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(program).args(arguments).args(["--offline", "--locked"]).current_dir(root).output();
    let output = output.expect("cargo runs");
    assert!(output.status.success(), "cargo {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn dependencies(package: &Value, wanted: impl Fn(Option<&str>) -> bool) -> BTreeSet<String> {
    let found = list(&package["dependencies"]).filter(|dependency| wanted(dependency["kind"].as_str()));
    found.map(|dependency| text(&dependency["name"]).to_owned()).collect()
}

/// Every arrow, crate and licence that must not be.
pub(crate) fn check(graph: &Graph) -> Vec<Violation> {
    [check_arrows(graph), check_model(graph), check_crates(graph), check_licences(graph)]
        .into_iter()
        .flatten()
        .collect()
}

fn check_arrows(graph: &Graph) -> Vec<Violation> {
    let names: BTreeSet<&str> = graph.ours().map(|package| package.name.as_str()).collect();
    let mut violations = Vec::new();
    for package in graph.ours() {
        let Some((_, allowed)) = ARROWS.iter().find(|(name, _)| *name == package.name) else {
            violations
                .push(Violation::of(&package.manifest, "a new package needs its arrows in tests/tidy/packages.rs"));
            continue;
        };
        let used = package.uses.union(&package.uses_in_tests).map(String::as_str);
        for other in used.filter(|other| names.contains(other) && !allowed.contains(other)) {
            violations.push(Violation::of(&package.manifest, format!("{} must not depend on {other}", package.name)));
        }
    }
    violations
}

fn check_model(graph: &Graph) -> Vec<Violation> {
    let model = graph.ours().filter(|package| package.name == "penstock-model");
    model
        .flat_map(|package| {
            package.uses.iter().filter(|name| !MODEL_USES.contains(&name.as_str())).map(move |name| (package, name))
        })
        .map(|(package, name)| {
            Violation::of(&package.manifest, format!("{name} is not among the crates that the model is built from"))
        })
        .collect()
}

fn check_crates(graph: &Graph) -> Vec<Violation> {
    let mut violations = Vec::new();
    let mut versions: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for package in &graph.packages {
        versions.entry(&package.name).or_default().push(&package.version);
        if !package.is_ours && !package.from_registry {
            violations.push(Violation::of(LOCK_FILE, format!("{} does not come from the registry", package.name)));
        }
    }
    for name in ONCE {
        if let Some(several) = versions.get(name).filter(|versions| versions.len() > 1) {
            violations
                .push(Violation::of(LOCK_FILE, format!("{name} is there more than once: {}", several.join(", "))));
        }
    }
    for (name, why) in NEVER.iter().filter(|(name, _)| graph.built.contains(*name)) {
        violations.push(Violation::of(LOCK_FILE, format!("{name} is built (`cargo tree --invert {name}`): {why}")));
    }
    violations
}

fn check_licences(graph: &Graph) -> Vec<Violation> {
    let foreign = graph.packages.iter().filter(|package| !package.is_ours);
    foreign
        .filter_map(|package| {
            let problem = match &package.licence {
                None => "names no licence".to_owned(),
                Some(licence) if licences::is_accepted(licence) => return None,
                Some(licence) => format!("is under {licence}, which is not among the licences that we accept"),
            };
            Some(Violation::of(LOCK_FILE, format!("{} {} {problem}", package.name, package.version)))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// A package of ours, and the names in its manifest.
    fn ours(name: &str, uses: &[&str]) -> Value {
        let uses: Vec<Value> = uses.iter().map(|name| json!({"name": name, "kind": null})).collect();
        json!({"name": name, "version": "0.1.0", "id": name, "manifest_path": format!("/r/{name}/Cargo.toml"), "dependencies": uses})
    }

    fn foreign(name: &str, version: &str, licence: Value) -> Value {
        json!({"name": name, "version": version, "id": format!("{name}@{version}"), "license": licence, "source": "registry+x"})
    }

    fn broken(packages: &[Value], tree: &str) -> Vec<String> {
        let members: Vec<&Value> =
            packages.iter().filter(|package| package["source"].is_null()).map(|package| &package["id"]).collect();
        let metadata = json!({"workspace_root": "/r", "workspace_members": members, "packages": packages});
        check(&Graph::of(&metadata, tree)).iter().map(Violation::to_string).collect()
    }

    #[test]
    fn the_planes_never_know_each_other() {
        let control = ours("penstock-control-plane", &["penstock-data-plane", "penstock-model"]);
        let said = broken(&[control, ours("penstock-data-plane", &[]), ours("penstock-model", &[])], "");
        assert_eq!(
            said,
            ["penstock-control-plane/Cargo.toml: penstock-control-plane must not depend on penstock-data-plane"]
        );
    }

    #[test]
    fn an_arrow_for_tests_is_an_arrow() {
        let mut model = ours("penstock-model", &[]);
        model["dependencies"] = json!([{"name": "penstock-proto", "kind": "dev"}]);
        assert_eq!(broken(&[model, ours("penstock-proto", &[])], "").len(), 1);
    }

    #[test]
    fn a_new_package_is_asked_for_its_arrows() {
        assert_eq!(broken(&[ours("penstock-console", &[])], "").len(), 1);
    }

    #[test]
    fn the_model_stays_pure() {
        assert_eq!(broken(&[ours("penstock-model", MODEL_USES)], ""), [""; 0]);
        assert_eq!(broken(&[ours("penstock-model", &["tokio"])], "").len(), 1);
    }

    #[test]
    fn two_versions_of_one_world_are_found() {
        let mit = || json!("MIT");
        assert_eq!(broken(&[foreign("tonic", "0.13.0", mit()), foreign("tonic", "0.14.9", mit())], "").len(), 1);
        assert_eq!(broken(&[foreign("syn", "2.0.0", mit()), foreign("syn", "3.0.0", mit())], ""), [""; 0]);
    }

    #[test]
    fn crates_that_must_not_be_built_are_found_where_they_are_built() {
        assert_eq!(broken(&[foreign("ring", "0.17.14", json!("ISC"))], "rustls v0.23.0\n"), [""; 0]);
        assert_eq!(broken(&[], "rustls v0.23.0\nring v0.17.14\n").len(), 1);
    }

    #[test]
    fn licences_and_sources_are_looked_at() {
        assert_eq!(broken(&[foreign("a", "1.0.0", json!("GPL-3.0-only"))], "").len(), 1);
        assert_eq!(broken(&[foreign("a", "1.0.0", Value::Null)], "").len(), 1);
        let mut elsewhere = foreign("a", "1.0.0", json!("MIT"));
        elsewhere["source"] = json!("git+x");
        assert_eq!(broken(&[elsewhere], "").len(), 1);
    }
}
