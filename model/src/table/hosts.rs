//! [`RoutingTable`]: host and base path to a stage.

use super::stage::StageTable;
use crate::bundle::{BundleKey, Hash};
use crate::domain::{BasePathMapping, CATCH_ALL};
use crate::id::{RestApiId, StageName, Version};
use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

/// Everything that a node serves. Immutable; a request loads it once.
#[derive(Debug, Default)]
pub struct RoutingTable {
    version: Version,
    root_hash: Hash,
    apis: HashMap<RestApiId, Stages>,
    domains: HashMap<Box<str>, BasePaths>,
    route_count: usize,
    has_events: bool,
}

#[derive(Debug, Default)]
struct Stages(HashMap<StageName, Arc<StageTable>>);

/// The base paths of one domain.
#[derive(Debug, Default)]
struct BasePaths {
    /// By path.
    sorted: Vec<BasePath>,
    /// Of the one with the most.
    segments_max: usize,
}

#[derive(Debug)]
struct BasePath {
    /// Empty for the root; otherwise `/a/b`.
    path: Box<str>,
    api: RestApiId,
    stage: Option<StageName>,
}

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
    Stages(&'t Stages),
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
        base_path_mappings: &[BasePathMapping],
    ) -> Self {
        let mut apis: HashMap<RestApiId, Stages> = HashMap::with_capacity(stages.len());
        let route_count = stages.iter().map(|stage| stage.route_count()).sum();
        let has_events = stages.iter().any(|stage| stage.has_events());
        for stage in stages {
            let key = stage.key();
            apis.entry(key.rest_api_id.clone()).or_default().0.insert(key.stage_name.clone(), stage);
        }
        let mut domains: HashMap<Box<str>, BasePaths> = HashMap::new();
        for mapping in base_path_mappings {
            let domain = host_name(&mapping.domain_name);
            let base_paths = match domains.get_mut(&*domain) {
                Some(base_paths) => base_paths,
                None => domains.entry(domain.into()).or_default(),
            };
            base_paths.sorted.push(BasePath {
                path: if mapping.base_path.is_empty() { "".into() } else { ["/", &mapping.base_path].concat().into() },
                api: mapping.rest_api_id.clone(),
                stage: mapping.stage.clone(),
            });
        }
        for base_paths in domains.values_mut() {
            base_paths.sorted.sort_unstable_by(|a, b| a.path.cmp(&b.path));
            base_paths.segments_max = base_paths.sorted.iter().map(BasePath::segments).max().unwrap_or(0);
        }
        Self { version, root_hash, apis, domains, route_count, has_events }
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

    /// Every stage, in no order.
    pub fn stages(&self) -> impl Iterator<Item = &Arc<StageTable>> {
        self.apis.values().flat_map(|stages| stages.0.values())
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
                let reached = stages.0.iter().filter(|(_, stage)| stage.has_execute_api());
                reached.map(|(name, _)| format!("/{name}")).collect()
            }
        };
        names.sort();
        Some((door, names))
    }

    /// The ways to a stage: its host of its own, and the base paths that lead to it, in no order.
    pub fn entrances(&self, key: &BundleKey) -> Vec<Entrance> {
        let Some(stage) = self.apis.get(&key.rest_api_id).and_then(|stages| stages.0.get(&key.stage_name)) else {
            return Vec::new();
        };
        let own = stage.has_execute_api().then(|| Entrance {
            host: format!("{}.execute-api", key.rest_api_id),
            path: format!("/{}", key.stage_name),
        });
        let mapped = self.domains.iter().flat_map(|(domain, base_paths)| {
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
        if let Some((name, base_paths)) = self.domains.get_key_value(host) {
            let door = if **name == *CATCH_ALL { Door::CatchAll } else { Door::Domain(name) };
            return Some((door, Behind::BasePaths(base_paths)));
        }
        if let Some(stages) = self.execute_api(host) {
            return Some((Door::ExecuteApi, Behind::Stages(stages)));
        }
        self.domains.get(CATCH_ALL).map(|base_paths| (Door::CatchAll, Behind::BasePaths(base_paths)))
    }

    fn execute_api(&self, host: &str) -> Option<&Stages> {
        let (api, rest) = host.split_once('.')?;
        let known = rest == "execute-api" || rest.starts_with("execute-api.");
        if known { self.apis.get(api) } else { None }
    }

    fn below<'t, 'p>(
        &'t self,
        door: Door<'t>,
        base_paths: &'t BasePaths,
        path: &'p str,
    ) -> Result<Located<'t, 'p>, LocateError> {
        let path = one_leading_slash(path);
        let (base, rest) = base_paths.longest(path).ok_or(LocateError::UnknownStage)?;
        let stages = self.apis.get(&base.api).ok_or(LocateError::UnknownStage)?;
        let located = match &base.stage {
            Some(name) => stages.0.get(name).map(|stage| Located {
                door,
                stage,
                route_path: one_leading_slash(rest),
                base_path: "",
            }),
            None => stages.by_first_segment(door, rest),
        };
        located.map(|found| Located { base_path: &base.path, ..found }).ok_or(LocateError::UnknownStage)
    }
}

impl BasePaths {
    /// The longest base path that `path` begins with, whole segments only, and what is behind it. Looked up once for each
    /// number of segments that a base path has, however many base paths there are.
    fn longest<'p>(&self, path: &'p str) -> Option<(&BasePath, &'p str)> {
        let slashes = path.bytes().enumerate().filter(|(_, byte)| *byte == b'/');
        let mut end = slashes.map(|(at, _)| at).nth(self.segments_max + 1).unwrap_or(path.len());
        loop {
            let (begin, rest) = path.split_at_checked(end)?;
            if let Ok(at) = self.sorted.binary_search_by(|base| (*base.path).cmp(begin)) {
                return self.sorted.get(at).map(|base| (base, rest));
            }
            end = begin.rfind('/')?;
        }
    }

    /// In the order in which they are asked.
    fn names(&self) -> Vec<String> {
        let mut asked: Vec<&BasePath> = self.sorted.iter().collect();
        asked.sort_by(|a, b| b.path.len().cmp(&a.path.len()).then_with(|| a.path.cmp(&b.path)));
        asked.into_iter().map(BasePath::to_string).collect()
    }
}

impl BasePath {
    fn segments(&self) -> usize {
        self.path.bytes().filter(|byte| *byte == b'/').count()
    }
}

impl fmt::Display for BasePath {
    /// With the stage in braces where the path's next segment names it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.stage {
            Some(_) if self.path.is_empty() => f.write_str("/"),
            Some(_) => f.write_str(&self.path),
            None => write!(f, "{}/{{stage}}", self.path),
        }
    }
}

impl Stages {
    /// Takes the stage from the first segment. Extra slashes before it are ignored, and those behind it do not count for
    /// matching (section d.1).
    fn by_first_segment<'t, 'p>(&'t self, door: Door<'t>, path: &'p str) -> Option<Located<'t, 'p>> {
        let path = path.trim_start_matches('/');
        let (name, rest) = match path.find('/') {
            Some(at) => path.split_at(at),
            None => (path, "/"),
        };
        let stage = self.0.get(name)?;
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

/// The host in lower case without its port and without the root label's dot.
fn host_name(host: &str) -> Cow<'_, str> {
    let name = match host.rfind(':') {
        // The last colon of an IPv6 literal without port stands inside the brackets.
        Some(at) if !host.ends_with(']') => &host[..at],
        _ => host,
    };
    let name = name.strip_suffix('.').unwrap_or(name);
    if name.bytes().any(|byte| byte.is_ascii_uppercase()) {
        Cow::Owned(name.to_ascii_lowercase())
    } else {
        Cow::Borrowed(name)
    }
}
