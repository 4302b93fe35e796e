//! A node's disk in the simulation: writings that succeed, fail or are cut by the end of the process, and new processes that
//! begin with what there is.

use super::*;

/// What is on the disk, and what is on its way there.
#[derive(Default)]
pub(super) struct Disk {
    bundles: HashMap<Hash, Bytes>,
    record: Option<Record>,
    writing: Option<Record>,
    /// What the node must believe to be durable.
    known: Option<(Version, Hash)>,
}

#[derive(Clone)]
struct Record {
    to_keep: ToKeep,
    /// What served when it was asked to be kept.
    stages: Vec<Part>,
}

impl Disk {
    fn write_bundles(&mut self, record: &Record, most: usize) {
        let bundles = record.to_keep.bundles.iter().take(most);
        self.bundles.extend(bundles.map(|(hash, bytes)| (*hash, bytes.clone())));
    }

    fn finish(&mut self, record: Record) {
        self.write_bundles(&record, usize::MAX);
        let needed: HashSet<Hash> = record.to_keep.serving().collect();
        for hash in &needed {
            assert!(self.bundles.contains_key(hash), "a manifest on the disk finds its bundles");
        }
        let served: HashSet<Hash> = record.stages.iter().map(|part| part.hash).collect();
        assert_eq!(needed, served, "what is kept is what served");
        self.bundles.retain(|hash, _| needed.contains(hash));
        self.record = Some(record);
    }
}

impl World {
    pub(super) fn begin_writing(&mut self, to_keep: ToKeep) {
        assert!(self.disk.writing.is_none(), "one writing at a time");
        let live = self.live.as_ref().expect("something serves");
        assert_eq!(to_keep.manifest.version, live.version, "only the newest is written");
        self.disk.writing = Some(Record { to_keep, stages: live.stages.clone() });
    }

    /// What is being written ends.
    pub(super) fn end_writing(&mut self, lies: bool) {
        let Some(record) = self.disk.writing.take() else { return };
        let result = if lies && self.random.chance(40) {
            self.disk.write_bundles(&record, self.random.below(3));
            Err("the disk is full".to_owned())
        } else {
            self.disk.known = Some((record.to_keep.manifest.version, record.to_keep.manifest.root_hash));
            self.disk.finish(record);
            Ok(())
        };
        self.tell(Event::Kept { result });
    }

    /// The process dies, and another one begins.
    pub(super) fn restart(&mut self) {
        if let Some(record) = self.disk.writing.take() {
            match self.random.below(3) {
                0 => self.disk.finish(record),
                most => self.disk.write_bundles(&record, most - 1),
            }
        }
        (self.up, self.moving, self.connect, self.job, self.live) = (false, false, None, None, None);
        self.on_the_way.clear();
        self.starts += 1;
        let (node, _) = Node::new(self.starts * 31 + 7);
        self.node = node.with_stream_age_max(STREAM_AGE_MAX);
        let kept = self.read();
        self.disk.known = kept.as_ref().map(|kept| (kept.manifest().version, kept.manifest().root_hash));
        self.resuming = kept.is_some();
        let actions = self.node.resume(self.now, kept);
        self.obey(actions);
        self.check();
    }

    fn read(&mut self) -> Option<Kept> {
        let record = self.disk.record.as_ref()?;
        let is_damaged = self.random.chance(10);
        let kept = Kept::verify(
            record.to_keep.manifest.clone(),
            record.to_keep.quarantined.clone(),
            self.random.chance(50),
            Duration::from_millis(self.random.below(100_000) as u64),
            |hash| match is_damaged {
                true => Ok(Bytes::from_static(b"dust")),
                false => self.disk.bundles.get(hash).cloned().ok_or_else(|| "it is missing".to_owned()),
            },
        );
        match kept {
            Ok(kept) => Some(kept),
            Err(reason) => {
                assert!(is_damaged, "what was written cannot be read: {reason}");
                self.disk.record = None;
                None
            }
        }
    }

    /// The table of a process that begins with what was kept.
    pub(super) fn swap_resumed(&mut self, table: Table<Part>) {
        let record = self.disk.record.as_ref().expect("it was read");
        assert_eq!(table.version, record.to_keep.manifest.version);
        assert_eq!(table.stages, record.stages, "it serves exactly what served");
        let count = table.stages.len() as u64;
        self.live = Some(table);
        self.resumed += 1;
        self.tell(Event::Swapped { result: Ok(count) });
    }

    pub(super) fn check_disk(&self) {
        assert!(!self.node.is_confirmed() || self.node.is_connected());
        if !self.resuming {
            assert_eq!(self.node.kept(), self.disk.known.filter(|_| self.is_keeping));
        }
        if let Some(age) = self.node.confirmed_age(self.now) {
            assert!(!self.node.is_stale(self.now, age + Duration::from_millis(1)));
        }
    }
}
