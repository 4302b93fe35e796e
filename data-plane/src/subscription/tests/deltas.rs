//! The promise that deltas rest on: a node that was brought here by any sequence of changes, over streams that lost, doubled,
//! cut and repeated what was said, and across new processes, serves what one would that got everything at once.
//!
//! With real bundles, the real compiler and a real table. Everything is drawn from a seed; a failure names it.

use super::*;
use crate::live_table::LiveTable;
use crate::subscriber::build;
use penstock_model::bundle::{Bundle, ManifestDelta};
use penstock_model::definition::ApiDefinition;
use penstock_model::deployment::Stage as DeployedStage;
use penstock_model::domain::BasePathMapping;
use penstock_model::integration::{Integration, IntegrationType};
use penstock_model::method::{Method, Verb};
use penstock_model::resource::Resource;
use penstock_model::table::{Plan, Route, RoutingTable, StageTable};
use penstock_proto::convert::{decode_bundle, encode_bundle};
use simulation::Random;
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

const SEEDS: u64 = 40;
const EDITS: usize = 25;
const FAULTY_STEPS_MAX: usize = 60;
const HONEST_STEPS_MAX: usize = 400;

const APIS: [&str; 4] = ["a", "b", "c", "d"];
const STAGES: [&str; 2] = ["prod", "dev"];
const DOMAINS: [&str; 3] = ["*", "one.test", "two.test"];
const BASE_PATHS: [&str; 3] = ["", "v1", "v1/deep"];
const PATHS: [&str; 6] = ["/", "/x", "/x/{id}", "/x/y", "/{proxy+}", "/z/{id}/w"];
const VERBS: [Verb; 3] = [Verb::Get, Verb::Post, Verb::Any];

type Tables = Subscription<Arc<StageTable>>;

/// What operators made: each route of each stage leads to a numbered place.
#[derive(Default)]
struct Store {
    stages: BTreeMap<BundleKey, BTreeMap<(&'static str, &'static str), u64>>,
    mappings: BTreeMap<(&'static str, &'static str), BundleKey>,
    version: u64,
}

/// A manifest, and the bytes of its bundles.
#[derive(Clone)]
struct Published {
    manifest: Manifest,
    bundles: BTreeMap<Hash, Bytes>,
}

impl Store {
    fn edit(&mut self, random: &mut Random) {
        let key = BundleKey {
            rest_api_id: APIS[random.below(APIS.len())].into(),
            stage_name: STAGES[random.below(STAGES.len())].into(),
        };
        let route = (VERBS[random.below(VERBS.len())].as_str(), PATHS[random.below(PATHS.len())]);
        let place = random.below(1_000) as u64;
        match random.below(10) {
            0 => _ = self.stages.remove(&key),
            1..=5 => _ = self.stages.entry(key).or_default().insert(route, place),
            6 => _ = self.stages.get_mut(&key).and_then(|routes| routes.remove(&route)),
            at => {
                let at = (DOMAINS[random.below(DOMAINS.len())], BASE_PATHS[at % BASE_PATHS.len()]);
                if random.chance(70) {
                    self.mappings.insert(at, key);
                } else {
                    self.mappings.remove(&at);
                }
            }
        }
    }

    fn publish(&mut self) -> Published {
        self.version += 1;
        let encoded: Vec<_> =
            self.stages.iter().map(|(key, routes)| (key, encode_bundle(&bundle(key, routes)))).collect();
        let refer = |(key, bytes): &(&BundleKey, Bytes)| BundleRef {
            key: (*key).clone(),
            hash: bundle_hash(bytes),
            size_bytes: bytes.len() as u64,
        };
        let bundles: Vec<BundleRef> = encoded.iter().map(refer).collect();
        let mapping = |((domain, base_path), key): (&(&str, &str), &BundleKey)| BasePathMapping {
            domain_name: (*domain).into(),
            base_path: (*base_path).into(),
            rest_api_id: key.rest_api_id.clone(),
            stage: Some(key.stage_name.clone()),
            ..BasePathMapping::default()
        };
        let base_path_mappings: Arc<[_]> = self.mappings.iter().map(mapping).collect();
        let root_hash = manifest_root_hash(&bundles, &base_path_mappings);
        let manifest = Manifest { version: Version(self.version), root_hash, bundles, base_path_mappings };
        Published { manifest, bundles: encoded.into_iter().map(|(_, bytes)| (bundle_hash(&bytes), bytes)).collect() }
    }
}

fn bundle(key: &BundleKey, routes: &BTreeMap<(&'static str, &'static str), u64>) -> Bundle {
    let mut definition = ApiDefinition::default();
    definition.rest_api.id = key.rest_api_id.clone();
    for ((verb, path), place) in routes {
        if definition.resource_at(path).is_none() {
            let resource = Resource { id: (*path).into(), path: (*path).to_owned(), ..Resource::default() };
            definition.resources.push(resource);
        }
        let mut method = Method::new(key.rest_api_id.clone(), (*path).into(), Verb::parse(verb).unwrap());
        let uri = format!("http://up.test/{place}");
        method.integration = Some(Integration::new(IntegrationType::HttpProxy, Some(Verb::Any), uri));
        definition.methods.push(method);
    }
    let (rest_api_id, stage_name) = (key.rest_api_id.clone(), key.stage_name.clone());
    Bundle::new(definition, DeployedStage { rest_api_id, stage_name, ..DeployedStage::default() })
}

/// A node with its live table and its disk.
struct Machine {
    node: Tables,
    live: LiveTable,
    said: Vec<Outgoing>,
    wants_stream: bool,
    /// What is compiled; the result comes when the test says so.
    job: Option<(u64, Vec<Uncompiled>)>,
    record: Option<ToKeep>,
    disk: BTreeMap<Hash, Bytes>,
}

impl Machine {
    /// A new process, on the disk of the one before.
    fn start(seed: u64, record: Option<ToKeep>, disk: BTreeMap<Hash, Bytes>) -> Self {
        let (mut node, _) = Tables::new(seed);
        let kept = record.as_ref().map(|record| {
            let read = |hash: &Hash| disk.get(hash).cloned().ok_or_else(|| "it is missing".to_owned());
            Kept::verify(record.manifest.clone(), record.quarantined.clone(), true, Duration::ZERO, read).unwrap()
        });
        let actions = node.resume(Duration::ZERO, kept);
        let live = LiveTable::new();
        let mut machine = Self { node, live, said: Vec::new(), wants_stream: false, job: None, record, disk };
        machine.obey(actions);
        machine.work();
        machine
    }

    fn tell(&mut self, event: Event<Arc<StageTable>>) {
        let actions = self.node.handle(Duration::ZERO, event);
        self.obey(actions);
    }

    fn obey(&mut self, actions: Vec<Action<Arc<StageTable>>>) {
        for action in actions {
            match action {
                Action::Connect { .. } => self.wants_stream = true,
                Action::Send(message) => self.said.push(message),
                Action::Compile { build, bundles } => self.job = Some((build, bundles)),
                Action::Swap(table) => {
                    let result = Ok(build::swap(&self.live, table));
                    self.tell(Event::Swapped { result });
                }
                Action::Keep(to_keep) => {
                    self.disk.extend(to_keep.bundles.clone());
                    let needed: HashSet<Hash> = to_keep.serving().collect();
                    self.disk.retain(|hash, _| needed.contains(hash));
                    self.record = Some(to_keep);
                    self.tell(Event::Kept { result: Ok(()) });
                }
                Action::Discard { reason } => panic!("{reason}"),
                Action::Close { .. } | Action::Move { .. } | Action::Note { .. } => {}
            }
        }
    }

    fn work(&mut self) {
        if let Some((build, bundles)) = self.job.take() {
            self.tell(Event::Compiled { build, results: build::compile(bundles) });
        }
    }
}

/// What a control plane says on one stream, whose node holds `held` and, if it is known, serves `base`.
fn words(
    published: &Published,
    held: &HashSet<Hash>,
    base: Option<&Manifest>,
    random: &mut Random,
) -> VecDeque<Incoming> {
    let Manifest { version, root_hash, .. } = published.manifest;
    let mut words = VecDeque::from([match base {
        Some(base) => Incoming::Delta(ManifestDelta::between(base, &published.manifest)),
        None => Incoming::Manifest(published.manifest.clone()),
    }]);
    for (hash, bytes) in published.bundles.iter().filter(|(hash, _)| !held.contains(hash)) {
        let cut = 1 + random.below(bytes.len() - 1);
        for (data, offset, last) in [(bytes.slice(..cut), 0, false), (bytes.slice(cut..), cut as u64, true)] {
            words.push_back(Incoming::Chunk(Chunk { hash: *hash, offset, data, last }));
        }
    }
    words.push_back(Incoming::Activate { version, root_hash, policy: Policy::Quarantine });
    words
}

/// Both ends, and the line between them.
struct Line {
    random: Random,
    machine: Machine,
    starts: u64,
    published: Published,
    on_the_way: VecDeque<Incoming>,
    /// What was on the way when the last stream ended.
    left_over: VecDeque<Incoming>,
    told: Option<Version>,
    /// Manifests that were said as what differs.
    deltas: u64,
}

impl Line {
    fn deliver(&mut self, with_faults: bool) {
        let Some(mut message) = self.on_the_way.pop_front() else { return };
        if with_faults && self.random.chance(10) {
            match self.random.below(4) {
                0 => return,
                1 => self.on_the_way.push_front(message.clone()),
                2 => {
                    if let Incoming::Chunk(chunk) = &mut message {
                        chunk.data.truncate(self.random.below(chunk.data.len()));
                    }
                }
                // Somebody in the middle repeats what he should have forgotten.
                _ => self.on_the_way.extend(self.left_over.drain(..)),
            }
        }
        self.machine.tell(Event::Received(message));
    }

    /// The stream ends, and there is a new one.
    fn reconnect(&mut self) {
        if self.machine.node.is_connected() {
            self.machine.tell(Event::Closed { reason: "cut".to_owned(), superseded: false });
        }
        self.left_over = std::mem::take(&mut self.on_the_way);
        self.machine.wants_stream = false;
        self.machine.said.clear();
        self.machine.tell(Event::Connected);
        self.told = None;
    }

    /// The control plane says the newest as soon as it may.
    fn speak(&mut self) {
        let newest = self.published.manifest.version;
        let is_answered = self.machine.said.iter().rev().find_map(|message| match message {
            Outgoing::Applied { version, .. } | Outgoing::Refused { version, bundle: None, .. } => Some(*version),
            _ => None,
        });
        if self.told.is_some_and(|told| told == newest || is_answered != Some(told)) {
            return;
        }
        let serving = self.machine.node.serving.iter().flat_map(|serving| serving.stages.values());
        let held: HashSet<Hash> = match self.random.chance(90) {
            true => serving.map(|(hash, _)| *hash).collect(),
            // Another control plane, that knows less of the node.
            false => HashSet::new(),
        };
        // Known from its answers on this stream; otherwise everything is said.
        let base = self.machine.node.serving.as_ref().map(|serving| serving.manifest.clone());
        let base = base.filter(|_| is_answered.is_some() && self.random.chance(80));
        self.deltas += u64::from(base.is_some());
        let words = words(&self.published, &held, base.as_ref(), &mut self.random);
        self.on_the_way.extend(words);
        self.told = Some(newest);
    }

    fn step(&mut self, with_faults: bool) {
        if self.machine.wants_stream {
            return self.reconnect();
        }
        match self.random.below(20) {
            0 if with_faults => self.reconnect(),
            1 if with_faults && self.random.chance(30) => {
                self.starts += 1;
                let (record, disk) = (self.machine.record.clone(), self.machine.disk.clone());
                self.machine = Machine::start(self.starts, record, disk);
            }
            2..=6 => self.machine.work(),
            7..=9 => self.speak(),
            _ => self.deliver(with_faults),
        }
    }

    /// Words may be lost for good by now, so a new stream; and then nothing goes wrong any more.
    fn settle(&mut self) {
        self.reconnect();
        self.left_over.clear();
        let newest = (self.published.manifest.version, self.published.manifest.root_hash);
        for _ in 0..HONEST_STEPS_MAX {
            if self.machine.node.serving() == Some(newest) && self.machine.job.is_none() {
                return;
            }
            self.step(false);
        }
        panic!("it never came to serve {newest:?}, but {:?}", self.machine.node.serving());
    }
}

/// A node that never heard anything, and hears everything.
fn full_sync(published: &Published, random: &mut Random) -> Arc<RoutingTable> {
    let mut machine = Machine::start(1, None, BTreeMap::new());
    machine.tell(Event::Connected);
    for message in words(published, &HashSet::new(), None, random) {
        machine.tell(Event::Received(message));
    }
    machine.work();
    machine.live.load()
}

/// The table without any protocol.
fn assembled(published: &Published) -> RoutingTable {
    let compile = |bytes: &Bytes| Arc::new(StageTable::compile(&decode_bundle(bytes).unwrap()).unwrap());
    let Manifest { version, root_hash, base_path_mappings, .. } = &published.manifest;
    let stages = published.bundles.values().map(compile).collect();
    RoutingTable::assemble(*version, *root_hash, stages, Arc::clone(base_path_mappings))
}

fn describe(route: &Route) -> String {
    let Plan::Http(plan) = &route.plan else { panic!("every route leads to an upstream") };
    let stage = (&route.stage.key, &route.resource.id, route.verb, &route.resource.path);
    format!("{stage:?} {:?} {:?} {:?}", plan.uri, plan.style, route.timeout_ms)
}

/// What every request meets that this test can think of.
fn answers(table: &RoutingTable) -> Vec<(String, String)> {
    let gates = APIS.iter().map(|api| format!("{api}.execute-api.test"));
    let hosts: Vec<String> = DOMAINS.iter().map(|domain| domain.replace('*', "other.test")).chain(gates).collect();
    let mut answers = Vec::new();
    for host in &hosts {
        for prefix in ["", "/v1", "/v1/deep", "/prod", "/dev"] {
            for path in ["/", "/x", "/x/1", "/x/y", "/z/1/w", "/q/r/s"] {
                for method in [http::Method::GET, http::Method::POST, http::Method::DELETE] {
                    let target = format!("{prefix}{path}");
                    let answer = match table.locate(host, &target) {
                        Ok(found) => found.stage.resolve(&method, found.route_path).map(|route| describe(route)),
                        Err(error) => Some(format!("{error:?}")),
                    };
                    answers.push((format!("{method} {host}{target}"), answer.unwrap_or_default()));
                }
            }
        }
    }
    answers
}

#[test]
fn any_sequence_of_changes_leads_to_the_table_of_a_full_sync() {
    let (mut found, mut deltas) = (HashSet::new(), 0);
    for seed in 1..=SEEDS {
        let life = || {
            let mut random = Random::new(seed);
            let mut store = Store::default();
            let published = store.publish();
            let machine = Machine::start(seed, None, BTreeMap::new());
            let random_too = Random::new(seed + 1_000);
            let mut line = Line {
                random: random_too,
                machine,
                starts: seed * 1_000,
                published,
                on_the_way: VecDeque::new(),
                left_over: VecDeque::new(),
                told: None,
                deltas: 0,
            };
            let mut met = HashSet::new();
            for _ in 0..EDITS {
                for _ in 0..=random.below(3) {
                    store.edit(&mut random);
                    line.published = store.publish();
                    for _ in 0..random.below(FAULTY_STEPS_MAX) {
                        line.step(true);
                    }
                }
                line.settle();
                let (table, whole) = (line.machine.live.load(), full_sync(&line.published, &mut random));
                assert_eq!((table.version(), table.root_hash()), (whole.version(), whole.root_hash()));
                assert_eq!(table.root_hash(), line.published.manifest.root_hash);
                assert_eq!(table.route_count(), whole.route_count());
                let (left, right) = (answers(&table), answers(&whole));
                assert_eq!(left, right);
                assert_eq!(left, answers(&assembled(&line.published)), "and both serve what was published");
                met.extend(left.into_iter().map(|(_, answer)| answer));
            }
            (met, line.deltas)
        };
        let lived = catch_unwind(AssertUnwindSafe(life));
        let (met, said) = lived.unwrap_or_else(|_| panic!("the life of seed {seed} broke"));
        found.extend(met);
        deltas += said;
    }
    assert!(found.len() > 500, "requests met only {} different things: this tests little", found.len());
    assert!(deltas > 300, "only {deltas} manifests were said as what differs: this tests little");
}
