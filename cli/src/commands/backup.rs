//! `penstock backup` and `penstock restore`: everything that is configured, in one file.
//!
//! A backup gets its name when it is complete, read again and on the disk. A file that is no backup is not even sent.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use penstock_control_plane::backup::{Counts, Header, Item, Reader};
use penstock_proto::management::v1 as pb;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use super::{Context, count};
use crate::args::Confirmation;
use crate::client::ControlPlane;
use crate::exit::{Doing, Failure};
use crate::output::warn;

/// Bytes of a file that travel as one message.
const PIECE_BYTES: usize = 256 * 1024;
/// Pieces that wait for the control plane.
const PIECES_WAITING_MAX: usize = 4;
/// How long a restore may take when the user does not say, in milliseconds.
const RESTORE_MS_DEFAULT: u64 = 1_800_000;

/// Write everything that is configured to a file, while changes go on
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  penstock backup gateway-2026-11-28.backup

The file holds one consistent state, and a checksum of itself. It appears under
its name once it is complete and on the disk; a file that is there already is
never overwritten. Only its owner may read it: it holds stage variables.")]
pub(crate) struct Backup {
    /// Where to; must not exist
    file: PathBuf,
}

/// Put a backup in the place of what is configured, all or nothing
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  penstock restore gateway-2026-11-28.backup
  penstock restore gateway-2026-11-28.backup --replace --yes

The backup may come from another database than the control plane has now. What
it holds is published under a new version, so proxies take it at once.")]
pub(crate) struct Restore {
    /// A file that `penstock backup` wrote
    file: PathBuf,
    /// Delete everything that is configured now, instead of refusing when there is anything
    #[arg(long)]
    replace: bool,
    #[command(flatten)]
    confirmation: Confirmation,
}

impl Backup {
    /// # Errors
    /// The file exists or cannot be written, and whatever the control plane refuses.
    pub(crate) async fn run(self, context: &Context) -> Result<(), Failure> {
        if self.file.exists() {
            return Err(taken(&self.file));
        }
        let control_plane = context.connect().await?;
        let doing = "backing up the configuration";
        let mut stream = control_plane.backups().backup(pb::BackupRequest {}).await.doing(doing)?;
        let failed = |source| Failure::Writing { path: self.file.clone(), source };
        let mut file = Unfinished::create(&self.file).map_err(failed)?;
        let mut check = Check::default();
        loop {
            let next = stream.message().await;
            let Some(piece) =
                next.map_err(|status| Failure::Refused { doing: doing.into(), status: Box::new(status) })?
            else {
                break;
            };
            check.take(&piece.data).map_err(|reason| Failure::Failed(format!("{doing}: {reason}")))?;
            file.write(&piece.data).map_err(failed)?;
        }
        let bytes = file.bytes;
        let summary = check.end().map_err(|reason| Failure::Failed(format!("{doing}: {reason}")))?;
        match file.finish() {
            Err(source) if source.kind() == io::ErrorKind::AlreadyExists => return Err(taken(&self.file)),
            finished => finished.map_err(failed)?,
        }
        context.output.done(&summary, || {
            format!("Wrote {}: {}, version {}, {bytes} bytes.", self.file.display(), sizes(&summary), summary.version)
        })
    }
}

impl Restore {
    /// # Errors
    /// The file is no backup, and whatever the control plane refuses.
    pub(crate) async fn run(self, context: &Context) -> Result<(), Failure> {
        let summary = check_file(&self.file)?;
        if self.replace {
            let question = format!("Delete everything that is configured, and put {} in its place?", sizes(&summary));
            self.confirmation.ask(&question)?;
        }
        let control_plane = context.connect_for(Duration::from_millis(RESTORE_MS_DEFAULT)).await?;
        let answer = self.send(&control_plane).await?;
        context.output.done(&answer, || {
            let backup = answer.backup.clone().unwrap_or_default();
            format!("Restored {}, published as version {}.", sizes(&backup), answer.version)
        })?;
        let backup = answer.backup.unwrap_or_default();
        if backup.root_hash != answer.root_hash {
            warn(&format!("release {} encoded it in another way than this control plane does", backup.program));
        }
        Ok(())
    }

    async fn send(&self, control_plane: &ControlPlane) -> Result<pb::RestoreResponse, Failure> {
        let (pieces, stream) = mpsc::channel(PIECES_WAITING_MAX);
        let (path, replace) = (self.file.clone(), self.replace);
        let reader = tokio::task::spawn_blocking(move || {
            let mut file = File::open(path)?;
            let mut first = true;
            while let Some(data) = piece(&mut file)? {
                let request = pb::RestoreRequest { replace: replace && first, data };
                first = false;
                // The control plane has ended the call; its answer says why.
                if pieces.blocking_send(request).is_err() {
                    break;
                }
            }
            io::Result::Ok(())
        });
        let answer = control_plane.backups().restore(ReceiverStream::new(stream)).await;
        let answer = answer.doing(format!("restoring {}", self.file.display()));
        let read = reader.await.map_err(|error| Failure::Failed(format!("reading the backup: {error}")))?;
        // A file that ends early is refused there; here is why it did.
        read.map_err(|source| Failure::Reading { path: self.file.clone(), source })?;
        answer
    }
}

fn taken(path: &Path) -> Failure {
    Failure::Conflict(format!("{} exists already, and backups overwrite nothing", path.display()))
}

/// The next bytes of a file.
fn piece(file: &mut File) -> io::Result<Option<Vec<u8>>> {
    let mut data = Vec::with_capacity(PIECE_BYTES);
    file.take(PIECE_BYTES as u64).read_to_end(&mut data)?;
    Ok(Some(data).filter(|data| !data.is_empty()))
}

/// Reads a whole file before anything is asked of anybody.
fn check_file(path: &Path) -> Result<pb::BackupSummary, Failure> {
    let failed = |source| Failure::Reading { path: path.to_owned(), source };
    let damaged = |reason| Failure::Failed(format!("{}: {reason}", path.display()));
    let mut file = File::open(path).map_err(failed)?;
    let mut check = Check::default();
    while let Some(data) = piece(&mut file).map_err(failed)? {
        check.take(&data).map_err(damaged)?;
    }
    check.end().map_err(damaged)
}

/// Reads along, and says whether it was a backup.
#[derive(Default)]
struct Check {
    reader: Reader,
    header: Option<Header>,
    counts: Counts,
}

impl Check {
    fn take(&mut self, data: &[u8]) -> Result<(), String> {
        self.reader.push(data);
        while let Some(item) = self.reader.next_item().map_err(|error| error.to_string())? {
            match item {
                Item::Header(header) => self.header = Some(header),
                Item::Record(record) => self.counts.add(&record),
            }
        }
        Ok(())
    }

    fn end(self) -> Result<pb::BackupSummary, String> {
        self.reader.finish().map_err(|error| error.to_string())?;
        let header = self.header.ok_or("its first line is missing")?;
        let number = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
        Ok(pb::BackupSummary {
            version: header.version,
            root_hash: header.root_hash,
            created_date: penstock_proto::convert::timestamp(header.created_at_ms),
            program: header.program,
            rest_api_count: number(self.counts.rest_apis),
            resource_count: number(self.counts.resources),
            method_count: number(self.counts.methods),
            deployment_count: number(self.counts.deployments),
            stage_count: number(self.counts.stages),
            domain_name_count: number(self.counts.domain_names),
            base_path_mapping_count: number(self.counts.base_path_mappings),
        })
    }
}

fn sizes(summary: &pb::BackupSummary) -> String {
    [
        count(summary.rest_api_count, "API"),
        count(summary.deployment_count, "deployment"),
        count(summary.stage_count, "stage"),
        count(summary.domain_name_count, "domain"),
    ]
    .join(", ")
}

/// A file under another name, which goes when nobody finishes it.
struct Unfinished {
    file: File,
    temporary: PathBuf,
    path: PathBuf,
    bytes: u64,
}

impl Unfinished {
    fn create(path: &Path) -> io::Result<Self> {
        let name = path.file_name().ok_or(io::ErrorKind::InvalidFilename)?.to_string_lossy();
        let temporary = path.with_file_name(format!(".{name}.{}.unfinished", std::process::id()));
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary)?;
        Ok(Self { file, temporary, path: path.to_owned(), bytes: 0 })
    }

    fn write(&mut self, data: &[u8]) -> io::Result<()> {
        self.file.write_all(data)?;
        self.bytes += data.len() as u64;
        Ok(())
    }

    /// Gives it its name. A second name, and not another one: a rename would overwrite what came meanwhile.
    fn finish(self) -> io::Result<()> {
        self.file.sync_all()?;
        fs::hard_link(&self.temporary, &self.path)?;
        let directory = self.path.parent().filter(|parent| !parent.as_os_str().is_empty());
        File::open(directory.unwrap_or(Path::new(".")))?.sync_all()
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        // What stays behind has a name that says what it is.
        let _ = fs::remove_file(&self.temporary);
    }
}
