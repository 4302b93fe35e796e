//! [`RoutingTable`]: host and base path to a stage.

use super::domains::{BasePath, BasePaths, Domains, Leads, Names, host_name};
use super::stage::StageTable;
use crate::bundle::{BundleKey, Hash};
use crate::domain::{BasePathMapping, CATCH_ALL};
use crate::id::{RestApiId, Version};
use foldhash::fast::FixedState;
use std::ops::Range;
use std::sync::Arc;

/// Everything that a node serves. Immutable; a request loads it once.
#[derive(Debug, Default)]
pub struct RoutingTable {
    version: Version,
    root_hash: Hash,
    /// Ordered by API, then name.
    stages: Vec<Entry>,
    /// Where in `stages` those of an API are.
    apis: Arc<Names<RestApiId, Range<usize>>>,
    domains: Arc<Domains>,
    route_count: usize,
    has_events: bool,
}

/// A stage, and what is asked of each one when a table is put together: a table of thousands is, at every change.
#[derive(Clone, Debug)]
struct Entry {
    stage: Arc<StageTable>,
    route_count: usize,
    has_events: bool,
}

/// The stages of one API, ordered by name.
#[derive(Clone, Copy, Debug)]
struct Stages<'t>(&'t [Entry]);

/// Through what a host leads to a stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Door<'t> {
    /// A domain name that is mapped, in lower case.
    Domain(&'t str),
    /// `{restApiId}.execute-api.…`
    ExecuteApi,
    /// The domain `*`, which takes every other host.
    CatchAll,
}

/// What stands behind a door.
enum Behind<'t> {
    BasePaths(&'t BasePaths),
    Stages(Stages<'t>),
}

/// The stage that a request reaches, and where its own path begins.
#[derive(Debug)]
pub struct Located<'t, 'p> {
    /// How it was found.
    pub door: Door<'t>,
    /// The stage.
    pub stage: &'t Arc<StageTable>,
    /// The path behind stage or base path, with exactly one leading slash.
    pub route_path: &'p str,
    /// What the base path mapping matched, for example `/v1`; empty at the root and for execute-api hosts.
    pub base_path: &'t str,
}

/// A way to a stage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entrance {
    /// A host that leads to it.
    pub host: String,
    /// What stands before the stage's own paths; empty at the root, and without a slash at its end.
    pub path: String,
}

/// Why a request reaches no stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LocateError {
    /// No API has this host.
    UnknownHost,
    /// The host is known, but nothing is behind this base path or stage.
    UnknownStage,
}

impl RoutingTable {
    /// The table of a node that has no configuration yet: it knows no host.
    pub fn empty() -> Self {
        Self::default()
    }

    /// Puts compiled stages and base path mappings together.
    pub fn assemble(
        version: Version,
        root_hash: Hash,
        stages: Vec<Arc<StageTable>>,
        base_path_mappings: impl Into<Arc<[BasePathMapping]>>,
    ) -> Self {
        Self::empty().followed_by(version, root_hash, stages, base_path_mappings.into())
    }

    /// The same as [`Self::assemble`], made of this table: what did not change since is shared with it.
    pub fn followed_by(
        &self,
        version: Version,
        root_hash: Hash,
        mut stages: Vec<Arc<StageTable>>,
        base_path_mappings: Arc<[BasePathMapping]>,
    ) -> Self {
        if !stages.is_sorted_by_key(|stage| stage.key()) {
            stages.sort_by(|a, b| a.key().cmp(b.key()));
        }
        let mut has_same_keys = stages.len() == self.stages.len();
        let stages: Vec<Entry> = stages
            .into_iter()
            .enumerate()
            .map(|(at, stage)| {
                let before = self.stages.get(at);
                if let Some(same) = before.filter(|before| Arc::ptr_eq(&before.stage, &stage)) {
                    return same.clone();
                }
                has_same_keys &= before.is_some_and(|before| before.stage.key() == stage.key());
                Entry { route_count: stage.route_count(), has_events: stage.has_events(), stage }
            })
            .collect();
        let apis = if has_same_keys { Arc::clone(&self.apis) } else { Arc::new(ranges(&stages)) };
        let domains = match has_same_keys && Arc::ptr_eq(&self.domains.mappings, &base_path_mappings) {
            true => Arc::clone(&self.domains),
            false => Arc::new(Domains::new(base_path_mappings, |base| leads(base, &stages, &apis))),
        };
        let route_count = stages.iter().map(|entry| entry.route_count).sum();
        let has_events = stages.iter().any(|entry| entry.has_events);
        Self { version, root_hash, stages, apis, domains, route_count, has_events }
    }

    /// The manifest's version.
    pub fn version(&self) -> Version {
        self.version
    }

    /// The manifest's root hash.
    pub fn root_hash(&self) -> Hash {
        self.root_hash
    }

    /// Number of (resource, method) pairs over all stages.
    pub fn route_count(&self) -> usize {
        self.route_count
    }

    /// Whether a request to any stage may become a function's event.
    pub fn has_events(&self) -> bool {
        self.has_events
    }

    /// Every stage, by API and name.
    pub fn stages(&self) -> impl Iterator<Item = &Arc<StageTable>> {
        self.stages.iter().map(|entry| &entry.stage)
    }

    /// Finds the stage of a request: by domain name, else by execute-api host, else by the catch-all domain.
    ///
    /// `host` may carry a port; `path` begins with a slash and has no query.
    ///
    /// # Errors
    /// When nothing is there; the two cases have different answers (section d.2).
    pub fn locate<'t, 'p>(&'t self, host: &str, path: &'p str) -> Result<Located<'t, 'p>, LocateError> {
        match self.enter(&host_name(host)).ok_or(LocateError::UnknownHost)? {
            (door, Behind::BasePaths(base_paths)) => self.below(door, base_paths, path),
            (door, Behind::Stages(stages)) => stages.by_first_segment(door, path).ok_or(LocateError::UnknownStage),
        }
    }

    /// What a host leads to, for whoever has to say why a path leads nowhere: the base paths in the order in which they
    /// are asked, or the names of stages. `None` when no API has this host.
    pub fn doors(&self, host: &str) -> Option<(Door<'_>, Vec<String>)> {
        let (door, behind) = self.enter(&host_name(host))?;
        let mut names: Vec<String> = match behind {
            Behind::BasePaths(base_paths) => return Some((door, base_paths.names())),
            Behind::Stages(stages) => {
                let reached = stages.iter().filter(|stage| stage.has_execute_api());
                reached.map(|stage| format!("/{}", stage.key().stage_name)).collect()
            }
        };
        names.sort();
        Some((door, names))
    }

    /// The ways to a stage: its host of its own, and the base paths that lead to it, in no order.
    pub fn entrances(&self, key: &BundleKey) -> Vec<Entrance> {
        let Some(stage) =
            self.of_api(key.rest_api_id.as_str()).and_then(|stages| stages.named(key.stage_name.as_str()))
        else {
            return Vec::new();
        };
        let own = stage.has_execute_api().then(|| Entrance {
            host: format!("{}.execute-api", key.rest_api_id),
            path: format!("/{}", key.stage_name),
        });
        let mapped = self.domains.by_name.iter().flat_map(|(domain, base_paths)| {
            let leading = base_paths.sorted.iter().filter(|base| base.api == key.rest_api_id);
            leading.filter_map(move |base| match &base.stage {
                Some(name) if *name != key.stage_name => None,
                Some(_) => Some(Entrance { host: domain.to_string(), path: base.path.to_string() }),
                None => Some(Entrance { host: domain.to_string(), path: format!("{}/{}", base.path, key.stage_name) }),
            })
        });
        own.into_iter().chain(mapped).collect()
    }

    fn enter(&self, host: &str) -> Option<(Door<'_>, Behind<'_>)> {
        if let Some((name, base_paths)) = self.domains.by_name.get_key_value(host) {
            let door = if **name == *CATCH_ALL { Door::CatchAll } else { Door::Domain(name) };
            return Some((door, Behind::BasePaths(base_paths)));
        }
        if let Some(stages) = self.execute_api(host) {
            return Some((Door::ExecuteApi, Behind::Stages(stages)));
        }
        self.domains.by_name.get(CATCH_ALL).map(|base_paths| (Door::CatchAll, Behind::BasePaths(base_paths)))
    }

    fn of_api(&self, api: &str) -> Option<Stages<'_>> {
        self.apis.get(api).and_then(|range| self.stages.get(range.clone())).map(Stages)
    }

    fn execute_api(&self, host: &str) -> Option<Stages<'_>> {
        let (api, rest) = host.split_once('.')?;
        let known = rest == "execute-api" || rest.starts_with("execute-api.");
        if known { self.of_api(api) } else { None }
    }

    fn below<'t, 'p>(
        &'t self,
        door: Door<'t>,
        base_paths: &'t BasePaths,
        path: &'p str,
    ) -> Result<Located<'t, 'p>, LocateError> {
        let path = one_leading_slash(path);
        let (base_path, leads, rest) = base_paths.longest(path).ok_or(LocateError::UnknownStage)?;
        let located = match leads {
            Leads::Stage(at) => self.stages.get(*at).map(|entry| Located {
                door,
                stage: &entry.stage,
                route_path: one_leading_slash(rest),
                base_path,
            }),
            Leads::ByName(range) => {
                let stages = self.stages.get(range.clone()).map(Stages);
                let found = stages.and_then(|stages| stages.by_first_segment(door, rest));
                found.map(|found| Located { base_path, ..found })
            }
            Leads::Nowhere => None,
        };
        located.ok_or(LocateError::UnknownStage)
    }
}

/// Where a base path leads, of these stages.
fn leads(base: &BasePath, stages: &[Entry], apis: &Names<RestApiId, Range<usize>>) -> Leads {
    let Some(range) = apis.get(&base.api).cloned() else { return Leads::Nowhere };
    let Some(name) = &base.stage else { return Leads::ByName(range) };
    let at = stages.get(range.clone()).and_then(|of_api| Stages(of_api).at(name.as_str()));
    at.map_or(Leads::Nowhere, |at| Leads::Stage(range.start + at))
}

/// Where the stages of each API are, of stages in the order of their keys.
fn ranges(stages: &[Entry]) -> Names<RestApiId, Range<usize>> {
    let mut ranges: Names<RestApiId, Range<usize>> =
        Names::with_capacity_and_hasher(stages.len(), FixedState::default());
    for (at, entry) in stages.iter().enumerate() {
        ranges.entry(entry.stage.key().rest_api_id.clone()).or_insert(at..at).end = at + 1;
    }
    ranges
}

impl<'t> Stages<'t> {
    fn iter(self) -> impl Iterator<Item = &'t Arc<StageTable>> {
        self.0.iter().map(|entry| &entry.stage)
    }

    fn named(self, name: &str) -> Option<&'t Arc<StageTable>> {
        self.0.get(self.at(name)?).map(|entry| &entry.stage)
    }

    fn at(self, name: &str) -> Option<usize> {
        self.0.binary_search_by(|entry| entry.stage.key().stage_name.as_str().cmp(name)).ok()
    }

    /// Takes the stage from the first segment. Extra slashes before it are ignored, and those behind it do not count for
    /// matching (section d.1).
    fn by_first_segment<'p>(self, door: Door<'t>, path: &'p str) -> Option<Located<'t, 'p>> {
        let path = path.trim_start_matches('/');
        let (name, rest) = match path.find('/') {
            Some(at) => path.split_at(at),
            None => (path, "/"),
        };
        let stage = self.named(name)?;
        (stage.has_execute_api() || door != Door::ExecuteApi).then(|| Located {
            door,
            stage,
            route_path: one_leading_slash(rest),
            base_path: "",
        })
    }
}

/// The path from the last of its leading slashes on; `/` for an empty one.
fn one_leading_slash(path: &str) -> &str {
    let extra = path.bytes().take_while(|&byte| byte == b'/').count();
    match extra {
        0 => "/",
        _ => &path[extra - 1..],
    }
}
