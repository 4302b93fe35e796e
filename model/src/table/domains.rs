//! [`Domains`]: what domain names and base paths lead to.

use crate::domain::BasePathMapping;
use crate::id::{RestApiId, StageName};
use foldhash::fast::FixedState;
use smol_str::SmolStr;
use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

/// Names that operators have chosen. What clients ask for is only looked up, so nobody can fill one with names that meet.
pub(super) type Names<K, V> = HashMap<K, V, FixedState>;

/// Where a base path leads, as places in the list of a table's stages. Found when the table is put together: a request would have to go
/// from name to name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Leads {
    Stage(usize),
    /// To that one of these which the path's next segment names.
    ByName(Range<usize>),
    /// To none that there is.
    Nowhere,
}

/// What domain names lead to.
#[derive(Debug, Default)]
pub(super) struct Domains {
    /// What they were made of.
    pub(super) mappings: Arc<[BasePathMapping]>,
    pub(super) by_name: Names<SmolStr, BasePaths>,
}

/// The base paths of one domain.
#[derive(Debug, Default)]
pub(super) struct BasePaths {
    /// By path.
    pub(super) sorted: Vec<BasePath>,
    by_path: Names<SmolStr, Leads>,
    /// Of the one with the most.
    segments_max: usize,
}

#[derive(Debug)]
pub(super) struct BasePath {
    /// Empty for the root; otherwise `/a/b`.
    pub(super) path: SmolStr,
    pub(super) api: RestApiId,
    pub(super) stage: Option<StageName>,
}

impl Domains {
    /// `leads` says where a base path leads.
    pub(super) fn new(mappings: Arc<[BasePathMapping]>, leads: impl Fn(&BasePath) -> Leads) -> Self {
        let mut by_name: Names<SmolStr, BasePaths> = Names::default();
        for mapping in &*mappings {
            let domain = host_name(&mapping.domain_name);
            let base_paths = match by_name.get_mut(&*domain) {
                Some(base_paths) => base_paths,
                None => by_name.entry(domain.into()).or_default(),
            };
            base_paths.sorted.push(BasePath {
                path: if mapping.base_path.is_empty() { "".into() } else { ["/", &mapping.base_path].concat().into() },
                api: mapping.rest_api_id.clone(),
                stage: mapping.stage.clone(),
            });
        }
        for base_paths in by_name.values_mut() {
            base_paths.sorted.sort_unstable_by(|a, b| a.path.cmp(&b.path));
            base_paths.by_path = base_paths.sorted.iter().map(|base| (base.path.clone(), leads(base))).collect();
            base_paths.segments_max = base_paths.sorted.iter().map(BasePath::segments).max().unwrap_or(0);
        }
        Self { mappings, by_name }
    }
}

impl BasePaths {
    /// The longest base path that `path` begins with, whole segments only, where it leads, and what is behind it. Looked up once for
    /// each number of segments that a base path has, however many base paths there are.
    pub(super) fn longest<'p>(&self, path: &'p str) -> Option<(&str, &Leads, &'p str)> {
        let slashes = path.bytes().enumerate().filter(|(_, byte)| *byte == b'/');
        let mut end = slashes.map(|(at, _)| at).nth(self.segments_max + 1).unwrap_or(path.len());
        loop {
            let (begin, rest) = path.split_at_checked(end)?;
            if let Some((base, leads)) = self.by_path.get_key_value(begin) {
                return Some((base, leads, rest));
            }
            end = memchr::memrchr(b'/', begin.as_bytes())?;
        }
    }

    /// In the order in which they are asked.
    pub(super) fn names(&self) -> Vec<String> {
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

/// The host in lower case without its port and without the root label's dot.
pub(super) fn host_name(host: &str) -> Cow<'_, str> {
    let name = match memchr::memrchr(b':', host.as_bytes()) {
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
