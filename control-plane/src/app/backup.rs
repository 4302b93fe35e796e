//! Backup and restore, while everything runs.
//!
//! A backup is one consistent state; writers do not wait for it. A restore is one change: all of it, or nothing.

use super::error::{Error, Result};
use super::limits::{
    AUDIT_ENTRIES_MAX, BACKUP_PAGE, BACKUP_PIECE_BYTES, BACKUPS_AT_ONCE_MAX, BASE_PATH_MAPPINGS_MAX, DOMAIN_NAMES_MAX,
    REST_APIS_MAX, RESTORED_VERSIONS_SKIPPED, STAGES_MAX,
};
use super::{App, Caller, Written, recorded};
use crate::backup::{Counts, FORMAT, Header, Item, ReadError, Reader, Record, WriteError, Writer};
use crate::store::{Counted, Reads, StoreError, Writes};
use async_trait::async_trait;
use bytes::Bytes;
use penstock_model::bundle::Hash;
use penstock_model::id::{RestApiId, Version};
use std::sync::Arc;

/// Where the bytes of a backup go.
#[async_trait]
pub trait Sink: Send {
    /// Takes the next piece.
    ///
    /// # Errors
    /// Nobody takes it, or not in time: the backup ends.
    async fn put(&mut self, piece: Bytes) -> Result<()>;
}

/// Where the bytes of a backup come from.
#[async_trait]
pub trait Source: Send {
    /// The next piece; `None` at the end.
    ///
    /// # Errors
    /// There is no end in time: the restore leaves nothing behind.
    async fn next(&mut self) -> Result<Option<Bytes>>;
}

/// What a restore put into the store.
#[derive(Clone, Debug)]
pub struct Restored {
    /// Of the backup.
    pub header: Header,
    /// Objects.
    pub counts: Counts,
    /// What is published now. Another one than the backup's where another release made that.
    pub root_hash: Hash,
}

impl App {
    /// Writes everything that is stored, as it is in one moment.
    ///
    /// # Errors
    /// The store cannot be read, or nobody takes what was read.
    pub async fn backup(&self, sink: &mut dyn Sink) -> Result<()> {
        let Ok(_place) = self.shared.backups.try_acquire() else {
            let reason = format!("{BACKUPS_AT_ONCE_MAX} backups are being made already: try again");
            return Err(Error::Unavailable(reason));
        };
        let mut reads = self.read().await?;
        let published = reads.published().await?;
        let header = Header {
            penstock_backup: FORMAT,
            program: env!("CARGO_PKG_VERSION").to_owned(),
            created_at_ms: self.shared.surroundings.now_ms(),
            version: published.version.0,
            root_hash: published.root_hash.unwrap_or_default().to_string(),
        };
        let mut out = Out::begin(sink, &header)?;
        let mut after = String::new();
        loop {
            let apis = reads.rest_apis(None, &after, BACKUP_PAGE).await?;
            let Some(last) = apis.last() else { break };
            after = last.id.to_string();
            for api in apis {
                let id = api.id.clone();
                out.record(Record::RestApi(api)).await?;
                write_definition(&mut *reads, &mut out, &id).await?;
                write_deployments(&mut *reads, &mut out, &id).await?;
                write_stages(&mut *reads, &mut out, &id).await?;
            }
        }
        write_domains(&mut *reads, &mut out).await?;
        out.end().await
    }

    /// Puts a backup in the place of what is stored: of nothing, unless `replace` says that it may be more. Published
    /// under a version that no node can have seen.
    ///
    /// # Errors
    /// Something is stored, or what comes is no backup. Then nothing has changed.
    pub async fn restore(&self, replace: bool, source: &mut dyn Source) -> Result<Written<Restored>> {
        let _place = self.place()?;
        let _turn = self.turn().await?;
        let (mut tx, recording) = recorded::record(self.shared.store.begin().await?);
        if replace {
            wipe(&mut *tx).await?;
        } else if !is_empty(&mut *tx).await? {
            let reason = "something is stored here already: restore into an empty store, or say that it is to be \
                          replaced, which deletes what is stored";
            return Err(Error::FailedPrecondition(reason.to_owned()));
        }
        let (header, counts) = read_all(source, &mut *tx).await?;
        check_counts(&counts)?;
        let newest = self.newest();
        let publication = self.shared.everything(&mut *tx, &newest).await?;
        let root_hash = publication.manifest.root_hash;
        let above = newest.version.max(Version(header.version.saturating_add(RESTORED_VERSIONS_SKIPPED)));
        let version = tx.publish(root_hash, above, None).await?;
        let written = recorded::take(&recording);
        let entry = written.row(Caller::current(), self.shared.surroundings.now_ms(), version)?;
        if let Some(entry) = entry {
            tx.insert_audit_row(&entry).await?;
            tx.trim_audit(AUDIT_ENTRIES_MAX).await?;
        }
        tx.commit().await?;
        self.shared.publisher.publish_alone(Arc::new(publication.numbered(version)));
        Ok(Written { value: Restored { header, counts, root_hash }, version })
    }
}

/// Lines on their way into a sink, in pieces.
struct Out<'a> {
    writer: Writer,
    buffer: Vec<u8>,
    sink: &'a mut dyn Sink,
}

impl<'a> Out<'a> {
    fn begin(sink: &'a mut dyn Sink, header: &Header) -> Result<Self> {
        let mut buffer = Vec::new();
        let writer = Writer::begin(&mut buffer, header)?;
        Ok(Self { writer, buffer, sink })
    }

    async fn record(&mut self, record: Record) -> Result<()> {
        self.writer.record(&mut self.buffer, &record)?;
        drop(record);
        if self.buffer.len() < BACKUP_PIECE_BYTES {
            return Ok(());
        }
        self.flush().await
    }

    async fn end(mut self) -> Result<()> {
        let writer = std::mem::take(&mut self.writer);
        writer.end(&mut self.buffer)?;
        self.flush().await
    }

    /// Sends what is there. A piece travels as one message, so a long line is several.
    async fn flush(&mut self) -> Result<()> {
        let mut all = Bytes::from(std::mem::take(&mut self.buffer));
        while !all.is_empty() {
            let piece = all.split_to(all.len().min(BACKUP_PIECE_BYTES));
            self.sink.put(piece).await?;
        }
        Ok(())
    }
}

async fn write_definition(reads: &mut dyn Reads, out: &mut Out<'_>, api: &RestApiId) -> Result<()> {
    let mut after = String::new();
    loop {
        let resources = reads.resources(api, &after, BACKUP_PAGE).await?;
        let Some(last) = resources.last() else { break };
        after = last.id.to_string();
        for resource in resources {
            out.record(Record::Resource(resource)).await?;
        }
    }
    let mut after = (String::new(), String::new());
    loop {
        let methods = reads.methods(api, (&after.0, &after.1), BACKUP_PAGE).await?;
        let Some(last) = methods.last() else { return Ok(()) };
        after = (last.resource_id.to_string(), last.http_method.as_str().to_owned());
        for method in methods {
            out.record(Record::Method(method)).await?;
        }
    }
}

/// The oldest first: they are numbered in the order in which they are put back.
async fn write_deployments(reads: &mut dyn Reads, out: &mut Out<'_>, api: &RestApiId) -> Result<()> {
    let mut all = Vec::new();
    let mut before = i64::MAX;
    loop {
        let page = reads.deployments(api, before, BACKUP_PAGE).await?;
        let Some((number, _)) = page.last() else { break };
        before = *number;
        all.extend(page.into_iter().map(|(_, deployment)| deployment));
    }
    while let Some(deployment) = all.pop() {
        let missing = || Error::internal("backing up a deployment", "its snapshot is missing");
        let snapshot = reads.snapshot(api, &deployment.id).await?.ok_or_else(missing)?;
        out.record(Record::Deployment { deployment, snapshot }).await?;
    }
    Ok(())
}

async fn write_stages(reads: &mut dyn Reads, out: &mut Out<'_>, api: &RestApiId) -> Result<()> {
    let mut after = String::new();
    loop {
        let stages = reads.stages_of_api(api, &after, BACKUP_PAGE).await?;
        let Some(last) = stages.last() else { return Ok(()) };
        after = last.stage_name.to_string();
        for stage in stages {
            out.record(Record::Stage(stage)).await?;
        }
    }
}

async fn write_domains(reads: &mut dyn Reads, out: &mut Out<'_>) -> Result<()> {
    let mut after = String::new();
    loop {
        let domains = reads.domain_names(&after, BACKUP_PAGE).await?;
        let Some(last) = domains.last() else { break };
        after.clone_from(&last.domain_name);
        for domain in domains {
            out.record(Record::DomainName(domain)).await?;
        }
    }
    let mut after = (String::new(), String::new());
    loop {
        let mappings = reads.base_path_mappings((&after.0, &after.1), BACKUP_PAGE).await?;
        let Some(last) = mappings.last() else { return Ok(()) };
        after = (last.domain_name.clone(), last.base_path.clone());
        for mapping in mappings {
            out.record(Record::BasePathMapping(mapping)).await?;
        }
    }
}

/// Whether there is nothing that a restore would meet.
async fn is_empty(reads: &mut dyn Writes) -> Result<bool> {
    Ok(reads.count(Counted::RestApis).await? == 0 && reads.count(Counted::DomainNames).await? == 0)
}

/// Deletes everything. What belongs to an API or a domain goes with it.
async fn wipe(tx: &mut dyn Writes) -> Result<()> {
    loop {
        let domains = tx.domain_names("", BACKUP_PAGE).await?;
        if domains.is_empty() {
            break;
        }
        for domain in domains {
            tx.delete_domain_name(&domain.domain_name).await?;
        }
    }
    loop {
        let apis = tx.rest_apis(None, "", BACKUP_PAGE).await?;
        if apis.is_empty() {
            return Ok(());
        }
        for api in apis {
            tx.delete_rest_api(&api.id).await?;
        }
    }
}

/// Writes what comes, and believes it when its end has come.
async fn read_all(source: &mut dyn Source, tx: &mut dyn Writes) -> Result<(Header, Counts)> {
    let (mut reader, mut header, mut counts) = (Reader::default(), None, Counts::default());
    while let Some(piece) = source.next().await? {
        reader.push(&piece);
        while let Some(item) = reader.next_item()? {
            match item {
                Item::Header(first) => header = Some(first),
                Item::Record(record) => {
                    counts.add(&record);
                    write(tx, *record).await.map_err(|error| misfit(error, reader.line()))?;
                }
            }
        }
    }
    reader.finish()?;
    header.map(|header| (header, counts)).ok_or_else(|| ReadError::NoBackup.into())
}

async fn write(tx: &mut dyn Writes, record: Record) -> std::result::Result<(), StoreError> {
    match record {
        Record::RestApi(api) => tx.insert_rest_api(&api).await,
        Record::Resource(resource) => tx.insert_resource(&resource).await,
        Record::Method(method) => tx.insert_method(&method).await,
        Record::Deployment { deployment, snapshot } => tx.insert_deployment(&deployment, &snapshot).await,
        Record::Stage(stage) => tx.insert_stage(&stage).await,
        Record::DomainName(domain) => tx.insert_domain_name(&domain).await,
        Record::BasePathMapping(mapping) => tx.insert_base_path_mapping(&mapping).await,
    }
}

/// A line that the store does not take is the backup's fault.
fn misfit(error: StoreError, line: u64) -> Error {
    let reason = match error {
        StoreError::Taken => "has an object that was there already",
        StoreError::Reference => "refers to an object that is not there",
        StoreError::Nul(_) => "has the character U+0000 where PostgreSQL cannot hold it",
        other => return other.into(),
    };
    Error::invalid("", format!("line {line} of the backup {reason}"))
}

/// What one control plane keeps at most. Rules of single objects are not looked at: what an older release took is
/// restored as it was, as it would have stayed in its database.
fn check_counts(counts: &Counts) -> Result<()> {
    let limits = [
        ("APIs", counts.rest_apis, REST_APIS_MAX),
        ("stages", counts.stages, STAGES_MAX),
        ("domain names", counts.domain_names, DOMAIN_NAMES_MAX),
        ("base path mappings", counts.base_path_mappings, BASE_PATH_MAPPINGS_MAX),
    ];
    match limits.into_iter().find(|(_, count, max)| count > max) {
        Some((what, count, max)) => {
            Err(Error::Exhausted(format!("the backup has {count} {what}, and there can be at most {max}")))
        }
        None => Ok(()),
    }
}

impl From<ReadError> for Error {
    fn from(error: ReadError) -> Self {
        Self::invalid("", error.to_string())
    }
}

impl From<WriteError> for Error {
    fn from(error: WriteError) -> Self {
        Self::internal("writing a backup", error)
    }
}
