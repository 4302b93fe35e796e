//! Backups as streams of bytes. What is in them the application knows.

use super::{Management, wire};
use crate::app::{App, Caller, Error, Restored, Result, Sink, Source, Written};
use crate::backup::{Counts, Header};
use async_trait::async_trait;
use bytes::Bytes;
use penstock_proto::convert::timestamp;
use std::pin::Pin;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_stream::Stream;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};
use wire::backup_service_server::BackupService;

/// Pieces of a backup that wait for a slow reader.
const PIECES_WAITING_MAX: usize = 4;
/// Longest wait for a reader, or for a writer, to go on, in milliseconds. A database holds a state or a lock meanwhile.
const PIECE_MS_MAX: u64 = 20_000;

type Pieces = mpsc::Sender<std::result::Result<wire::BackupResponse, Status>>;

struct Outbound(Pieces);

#[async_trait]
impl Sink for Outbound {
    async fn put(&mut self, piece: Bytes) -> Result<()> {
        let sent = self.0.send(Ok(wire::BackupResponse { data: piece.into() }));
        match timeout(Duration::from_millis(PIECE_MS_MAX), sent).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(Error::Unavailable("the reader of the backup has left".to_owned())),
            Err(_) => Err(Error::Unavailable("the backup is read too slowly".to_owned())),
        }
    }
}

struct Inbound {
    first: Option<Bytes>,
    rest: Streaming<wire::RestoreRequest>,
}

#[async_trait]
impl Source for Inbound {
    async fn next(&mut self) -> Result<Option<Bytes>> {
        if let Some(first) = self.first.take() {
            return Ok(Some(first));
        }
        Ok(next(&mut self.rest).await?.map(|message| message.data.into()))
    }
}

async fn next(stream: &mut Streaming<wire::RestoreRequest>) -> Result<Option<wire::RestoreRequest>> {
    match timeout(Duration::from_millis(PIECE_MS_MAX), stream.message()).await {
        Ok(Ok(message)) => Ok(message),
        Ok(Err(_)) => Err(Error::Unavailable("the backup ended in the middle: nothing was changed".to_owned())),
        Err(_) => Err(Error::Unavailable("the backup comes too slowly: nothing was changed".to_owned())),
    }
}

#[tonic::async_trait]
impl BackupService for Management {
    type BackupStream = Pin<Box<dyn Stream<Item = std::result::Result<wire::BackupResponse, Status>> + Send>>;

    async fn backup(
        &self,
        _: Request<wire::BackupRequest>,
    ) -> std::result::Result<Response<Self::BackupStream>, Status> {
        let (pieces, stream) = mpsc::channel(PIECES_WAITING_MAX);
        // Ends with the stream: then nobody takes the next piece.
        tokio::spawn(send(self.app.clone(), pieces));
        Ok(Response::new(Box::pin(ReceiverStream::new(stream))))
    }

    async fn restore(
        &self,
        request: Request<Streaming<wire::RestoreRequest>>,
    ) -> std::result::Result<Response<wire::RestoreResponse>, Status> {
        let mut stream = request.into_inner();
        let first = next(&mut stream).await?.unwrap_or_default();
        let mut source = Inbound { first: Some(first.data.into()), rest: stream };
        let app = self.app.clone();
        // A caller who hangs up cannot separate what is stored from what is published.
        let restored = async move { app.restore(first.replace, &mut source).await };
        let restored = tokio::spawn(Caller::current().scope(restored));
        let restored = restored.await.map_err(|error| Error::internal("restoring a backup", error))??;
        Ok(Response::new(restored.into()))
    }
}

async fn send(app: App, pieces: Pieces) {
    let mut sink = Outbound(pieces.clone());
    if let Err(error) = Box::pin(app.backup(&mut sink)).await {
        // Nobody may be there to hear it.
        let _ = pieces.send(Err(error.into())).await;
    }
}

impl From<Written<Restored>> for wire::RestoreResponse {
    fn from(restored: Written<Restored>) -> Self {
        let Restored { header, counts, root_hash } = restored.value;
        Self { backup: Some(summary(header, &counts)), version: restored.version.0, root_hash: root_hash.to_string() }
    }
}

fn summary(header: Header, counts: &Counts) -> wire::BackupSummary {
    // Limits keep all of them far below.
    let number = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
    wire::BackupSummary {
        version: header.version,
        root_hash: header.root_hash,
        created_date: timestamp(header.created_at_ms),
        program: header.program,
        rest_api_count: number(counts.rest_apis),
        resource_count: number(counts.resources),
        method_count: number(counts.methods),
        deployment_count: number(counts.deployments),
        stage_count: number(counts.stages),
        domain_name_count: number(counts.domain_names),
        base_path_mapping_count: number(counts.base_path_mappings),
    }
}
