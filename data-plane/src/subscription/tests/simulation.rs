//! Random lives of a node: an honest control plane, a lying one, cuts, delays and time, all drawn from one seed. The
//! invariants are checked after every step; a failure names its seed, and the seed tells the same story again.

mod disk;
mod lies;

use super::*;
use disk::Disk;
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};

const SEEDS: u64 = 400;
const STEPS: usize = 600;
const HONEST_STEPS_MAX: usize = 6_000;
/// So short that streams are left many times.
const STREAM_AGE_MAX: Duration = Duration::from_secs(20);
const APIS: [&str; 5] = ["a", "b", "c", "d", "e"];

/// xorshift64.
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        // Not 0, where it stands still, and not near it, where it begins slowly.
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    pub(super) fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % bound as u64).unwrap()
    }

    pub(super) fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }
}

/// A control plane that follows the protocol, and whose words may be turned around on their way.
#[derive(Default)]
struct Control {
    newest: Option<Manifest>,
    texts: HashMap<Hash, String>,
    /// What the node holds or refused, as far as this stream knows.
    known: HashSet<Hash>,
    held_before: HashSet<Hash>,
    greeted: bool,
    unanswered: Option<Manifest>,
    answered: Option<Hash>,
}

struct World {
    random: Random,
    now: Duration,
    node: Node,
    control: Control,
    connect: Option<Duration>,
    up: bool,
    on_the_way: VecDeque<Incoming>,
    job: Option<(u64, Vec<Uncompiled>)>,
    live: Option<Table<Part>>,
    /// Every manifest that the node could have verified.
    delivered: HashMap<(Version, Hash), Manifest>,
    /// Of the activation that was delivered last.
    policy: Option<Policy>,
    applied: Option<(Version, Hash)>,
    /// Whether the node has a disk.
    is_keeping: bool,
    disk: Disk,
    /// A process begins with what was kept, and does not serve yet.
    resuming: bool,
    starts: u64,
    /// Processes that came to serve what was kept.
    resumed: u64,
    /// A second stream is being opened.
    moving: bool,
}

impl World {
    fn new(seed: u64) -> Self {
        let (mut node, first) = Node::new(seed);
        let is_keeping = !seed.is_multiple_of(4);
        let first = if is_keeping { node.resume(Duration::ZERO, None) } else { vec![first] };
        let node = node.with_stream_age_max(STREAM_AGE_MAX);
        let mut world = Self {
            random: Random::new(seed),
            now: Duration::ZERO,
            node,
            control: Control::default(),
            connect: None,
            up: false,
            on_the_way: VecDeque::new(),
            job: None,
            live: None,
            delivered: HashMap::new(),
            policy: None,
            applied: None,
            is_keeping,
            disk: Disk::default(),
            resuming: false,
            starts: seed,
            resumed: 0,
            moving: false,
        };
        world.obey(first);
        world
    }

    fn tell(&mut self, event: Event<Part>) {
        let actions = self.node.handle(self.now, event);
        self.obey(actions);
        self.check();
    }

    fn obey(&mut self, actions: Vec<Action<Part>>) {
        for action in actions {
            match action {
                Action::Connect { after, to } => {
                    assert!(self.connect.is_none(), "it connects once");
                    assert!(after > Duration::ZERO || to == Address::Same);
                    assert!(after <= Duration::from_millis(SUPERSEDED_MS_MAX));
                    (self.up, self.moving, self.resuming) = (false, false, false);
                    self.on_the_way.clear();
                    self.connect = Some(self.now + after);
                }
                Action::Send(message) => {
                    assert!(self.up, "it speaks on an open stream only: {message:?}");
                    self.heard(message);
                }
                Action::Close { reason } => {
                    assert!(!reason.is_empty());
                    (self.up, self.moving) = (false, false);
                }
                Action::Compile { build, bundles } => {
                    for bundle in &bundles {
                        assert_eq!(bundle_hash(&bundle.bytes), bundle.hash, "unverified bytes are never compiled");
                    }
                    self.job = Some((build, bundles));
                }
                Action::Swap(table) if self.resuming => self.swap_resumed(table),
                Action::Swap(table) => self.swap(table),
                Action::Keep(to_keep) => self.begin_writing(to_keep),
                Action::Note { version, root_hash } => {
                    assert!(self.up && self.node.kept() == Some((version, root_hash)));
                }
                Action::Move { draw: _ } => {
                    assert!(self.up && !self.moving, "it looks for one more stream at a time");
                    self.moving = true;
                }
                Action::Discard { reason } => panic!("what compiled once compiles again: {reason}"),
            }
        }
    }

    fn swap(&mut self, table: Table<Part>) {
        let manifest = &self.delivered[&(table.version, table.root_hash)];
        assert_eq!(manifest_root_hash(&manifest.bundles, &manifest.base_path_mappings), table.root_hash);
        if let Some(before) = &self.live {
            assert!(table.version >= before.version, "versions only grow");
        }
        let previous = |key: &BundleKey| self.live.iter().flat_map(|live| &live.stages).find(|part| part.key == *key);
        let mut expected = Vec::new();
        for bundle in &manifest.bundles {
            if self.control.texts[&bundle.hash].starts_with("bad") {
                assert_ne!(self.policy, Some(Policy::AllOrNothing));
                expected.extend(previous(&bundle.key).cloned());
            } else {
                expected.push(Part { key: bundle.key.clone(), hash: bundle.hash });
            }
        }
        assert_eq!(table.stages, expected);
        let count = table.stages.len() as u64;
        self.live = Some(table);
        self.tell(Event::Swapped { result: Ok(count) });
    }

    /// The control plane hears the node.
    fn heard(&mut self, message: Outgoing) {
        let live = self.live.as_ref().map(|table| (table.version, table.root_hash));
        match message {
            Outgoing::Hello { serving, held_bundles, refused_bundles } => {
                assert_eq!(serving, live);
                let held: Vec<Hash> = self.live.iter().flat_map(|table| &table.stages).map(|part| part.hash).collect();
                assert_eq!(held_bundles, held, "it claims what it holds, and nothing else");
                self.control.known = held_bundles.into_iter().chain(refused_bundles).collect();
                self.control.greeted = true;
            }
            Outgoing::Applied { version, root_hash, route_count, .. } => {
                assert_eq!(live, Some((version, root_hash)), "applied means serving");
                assert_eq!(route_count, self.live.as_ref().unwrap().stages.len() as u64);
                self.applied = Some((version, root_hash));
                self.control.unanswered = None;
            }
            Outgoing::Refused { version, bundle: Some(hash), .. } => {
                assert!(self.control.texts[&hash].starts_with("bad"), "a good bundle of {version} was refused");
            }
            Outgoing::Refused { version, bundle: None, .. } => {
                if self.control.unanswered.as_ref().is_none_or(|manifest| manifest.version != version) {
                    return;
                }
                // Nothing of it is held, but for what was held before and what was refused.
                let known = std::mem::take(&mut self.control.held_before);
                let texts = &self.control.texts;
                self.control.known.retain(|hash| known.contains(hash) || texts[hash].starts_with("bad"));
                self.control.unanswered = None;
            }
            Outgoing::Heartbeat { serving } => assert_eq!(serving, live),
        }
    }

    fn check(&self) {
        let live = self.live.as_ref().map(|table| (table.version, table.root_hash));
        assert!(self.node.swapping.is_some() || self.node.serving() == live);
        if !self.resuming {
            assert_eq!(self.node.is_connected(), self.up || self.connect.is_none());
        }
        self.check_disk();
        assert!(self.node.buffered_bytes() <= SYNC_BYTES_MAX);
    }

    fn publish(&mut self) {
        let mut bundles = Vec::new();
        for api in APIS {
            if self.random.chance(80) {
                let kind = if self.random.chance(15) { "bad" } else { "good" };
                let text = format!("{kind} {api} {}", self.random.below(3));
                self.control.texts.insert(bundle_hash(text.as_bytes()), text.clone());
                bundles.push((api, text));
            }
        }
        let bundles: Vec<(&str, &str)> = bundles.iter().map(|(api, text)| (*api, text.as_str())).collect();
        let before = self.control.newest.as_ref().map(|m| m.version.0).max(self.live.as_ref().map(|t| t.version.0));
        self.control.newest = Some(manifest(before.unwrap_or_default() + 1, &bundles));
        self.control.answered = None;
    }

    /// The control plane says everything up to the activation, as far as the node lacks it.
    fn push(&mut self) {
        let control = &mut self.control;
        let Some(newest) = control.newest.clone().filter(|m| control.answered != Some(m.root_hash)) else { return };
        if !control.greeted || control.unanswered.is_some() {
            return;
        }
        let listed: HashSet<Hash> = newest.bundles.iter().map(|bundle| bundle.hash).collect();
        control.held_before = control.known.clone();
        control.known.retain(|hash| listed.contains(hash));
        self.on_the_way.push_back(Incoming::Manifest(newest.clone()));
        for bundle in &newest.bundles {
            if control.known.insert(bundle.hash) {
                let text = control.texts[&bundle.hash].clone();
                let cut = 1 + self.random.below(text.len() - 1);
                let (first, second) = (&text.as_bytes()[..cut], &text.as_bytes()[cut..]);
                for (offset, data, last) in [(0, first, false), (cut as u64, second, true)] {
                    let data = Bytes::copy_from_slice(data);
                    self.on_the_way.push_back(Incoming::Chunk(Chunk { hash: bundle.hash, offset, data, last }));
                }
            }
        }
        let policy = if self.random.chance(30) { Policy::AllOrNothing } else { Policy::Quarantine };
        self.on_the_way.push_back(activate(&newest, policy));
        control.answered = Some(newest.root_hash);
        control.unanswered = Some(newest);
    }

    fn deliver(&mut self, lies: bool) {
        let Some(mut message) = self.on_the_way.pop_front() else { return };
        if lies && self.random.chance(8) {
            match self.random.below(4) {
                0 => return,
                1 => self.on_the_way.push_front(message.clone()),
                _ => self.twist(&mut message),
            }
        }
        if let Incoming::Manifest(manifest) = &message
            && manifest_root_hash(&manifest.bundles, &manifest.base_path_mappings) == manifest.root_hash
        {
            self.delivered.insert((manifest.version, manifest.root_hash), manifest.clone());
        }
        if let Incoming::Activate { policy, .. } = &message {
            self.policy = Some(*policy);
        }
        self.tell(Event::Received(message));
    }

    fn step(&mut self, lies: bool) {
        match self.random.below(14) {
            0 if lies => self.publish(),
            0..=1 => self.push(),
            2..=6 => self.deliver(lies),
            7 => {
                if let Some((build, bundles)) = self.job.take() {
                    self.tell(Event::Compiled { build, results: compile(bundles) });
                }
            }
            8 => self.tell_heartbeat(),
            9 => {
                self.now += Duration::from_millis(self.random.below(1_500) as u64);
                self.tell(Event::Tick);
            }
            10 if lies && self.random.chance(20) && self.up => {
                self.tell(Event::Closed { reason: "cut".to_owned(), superseded: false });
            }
            11 => self.end_writing(lies),
            12 if lies && self.is_keeping && self.random.chance(15) => self.restart(),
            12 if self.moving => self.end_moving(lies),
            _ => self.connect(lies),
        }
    }

    fn end_moving(&mut self, lies: bool) {
        self.moving = false;
        if lies && self.random.chance(50) {
            self.tell(Event::NotMoved);
            return;
        }
        self.on_the_way.clear();
        self.greet();
    }

    /// A new stream is open.
    fn greet(&mut self) {
        self.control.greeted = false;
        self.control.unanswered = None;
        self.control.answered = None;
        self.tell(Event::Connected);
    }

    fn tell_heartbeat(&mut self) {
        if self.up {
            let newest = self.control.newest.as_ref().map(|m| m.version).unwrap_or_default();
            self.tell(Event::Received(Incoming::Heartbeat { newest }));
        }
    }

    fn connect(&mut self, lies: bool) {
        let Some(at) = self.connect.take() else { return };
        self.now = self.now.max(at);
        if lies && self.random.chance(30) {
            let superseded = self.random.chance(15);
            self.tell(Event::Closed { reason: "nobody there".to_owned(), superseded });
            return;
        }
        self.up = true;
        self.greet();
    }

    /// With an honest control plane and a clean configuration the node comes to serve the newest.
    fn recover(&mut self) {
        let before = self.control.newest.as_ref().map(|m| m.version.0).max(self.live.as_ref().map(|t| t.version.0));
        let texts = ["good a 9", "good b 9"];
        for text in texts {
            self.control.texts.insert(bundle_hash(text.as_bytes()), text.to_owned());
        }
        let newest = manifest(before.unwrap_or_default() + 1, &[("a", texts[0]), ("b", texts[1])]);
        let goal = Some((newest.version, newest.root_hash));
        if self.up {
            // Words were lost; a control plane that waits in vain for an answer ends the stream.
            self.tell(Event::Closed { reason: "no answer".to_owned(), superseded: false });
        }
        self.control.newest = Some(newest);
        self.control.answered = None;
        for _ in 0..HONEST_STEPS_MAX {
            if self.applied == goal && (!self.is_keeping || self.node.kept() == goal) {
                return;
            }
            self.step(false);
        }
        panic!("it never came to {goal:?}, but serves {:?} and keeps {:?}", self.node.serving(), self.node.kept());
    }
}

#[test]
fn no_life_breaks_an_invariant_and_each_recovers() {
    let (mut swaps, mut resumed) = (0, 0);
    for seed in 1..=SEEDS {
        let life = || {
            let mut world = World::new(seed);
            for _ in 0..STEPS {
                world.step(true);
            }
            let swapped = world.applied.is_some();
            world.recover();
            (swapped, world.resumed)
        };
        match catch_unwind(AssertUnwindSafe(life)) {
            Ok((swapped, times)) => {
                swaps += u64::from(swapped);
                resumed += times;
            }
            Err(_) => panic!("the life of seed {seed} broke"),
        }
    }
    assert!(swaps > SEEDS / 2, "only {swaps} lives of {SEEDS} applied anything: they test little");
    assert!(resumed > SEEDS, "only {resumed} processes began with what was kept: they test little");
}
