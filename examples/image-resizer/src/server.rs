//! Sockets: accepts connections up to a limit, speaks HTTP/1.1 on them, and drains them at the end.
//!
//! Called by `main`, by `penstock up --demo` and by tests. It never looks into a request.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::{JoinError, JoinSet};
use tokio::time::{sleep, timeout};
use tracing::{debug, error, info, warn};

use crate::admission::Admission;
use crate::limits::{ACCEPT_RETRY_MS, CONNECTIONS_MAX, DRAIN_MS_MAX, HEAD_BYTES_MAX, HEAD_WAIT_MS_MAX};
use crate::service::respond;
use crate::settings::Settings;

/// Says that there is no listener, and so no server.
#[derive(Debug, thiserror::Error)]
#[error("binding {address}")]
pub struct BindError {
    /// The address that was asked for.
    pub address: SocketAddr,
    /// What the operating system said.
    #[source]
    pub source: io::Error,
}

/// A server that holds its socket and does not serve yet: connections wait in the backlog until [`Bound::run`].
#[derive(Debug)]
pub struct Bound {
    listener: TcpListener,
    local_addr: SocketAddr,
    admission: Admission,
}

/// Takes the socket that `settings` name.
///
/// # Errors
/// [`BindError`] when the address is taken, or not ours.
pub async fn bind(settings: Settings) -> Result<Bound, BindError> {
    bind_with(settings, Admission::for_this_machine()).await
}

async fn bind_with(settings: Settings, admission: Admission) -> Result<Bound, BindError> {
    let address = settings.listen;
    let failed = |source| BindError { address, source };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let local_addr = listener.local_addr().map_err(failed)?;
    Ok(Bound { listener, local_addr, admission })
}

impl Bound {
    /// The address that clients reach, with the real port where the settings said 0.
    pub fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// Serves until `shutdown` completes, then closes the listener and lets requests in flight finish, for eight
    /// seconds at most.
    pub async fn run(self, shutdown: impl Future<Output = ()>) {
        let Self { listener, local_addr, admission } = self;
        info!(address = %local_addr, "serving");
        let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        let (drain, draining) = watch::channel(false);
        let mut connections = JoinSet::new();
        let mut shutdown = pin!(shutdown);
        loop {
            let accepted = tokio::select! {
                biased;
                () = &mut shutdown => break,
                Some(ended) = connections.join_next() => {
                    report(ended);
                    continue;
                }
                accepted = accept(&listener, &places) => accepted,
            };
            if let Some((stream, place)) = accepted {
                connections.spawn(serve(stream, place, admission.clone(), draining.clone()));
            }
        }
        drop(listener);
        info!(connections = connections.len(), "draining");
        drain.send_replace(true);
        finish(connections).await;
    }
}

/// One connection and the place that it takes, or nothing after a failure that may pass.
async fn accept(listener: &TcpListener, places: &Arc<Semaphore>) -> Option<(TcpStream, OwnedSemaphorePermit)> {
    let place = Arc::clone(places).acquire_owned().await.expect("the semaphore is never closed");
    match listener.accept().await {
        Ok((stream, _)) => Some((stream, place)),
        Err(error) => {
            warn!(%error, "accepting a connection failed");
            sleep(Duration::from_millis(ACCEPT_RETRY_MS)).await;
            None
        }
    }
}

async fn serve(
    stream: TcpStream,
    place: OwnedSemaphorePermit,
    admission: Admission,
    mut draining: watch::Receiver<bool>,
) {
    // Answers are written in one piece; waiting for more to send would only delay them.
    if let Err(error) = stream.set_nodelay(true) {
        debug!(%error, "setting TCP_NODELAY failed");
    }
    let service = service_fn(|request| {
        let admission = admission.clone();
        async move { Ok::<_, Infallible>(respond(request, admission).await) }
    });
    let mut connection = pin!(
        http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(Duration::from_millis(HEAD_WAIT_MS_MAX))
            .max_header_size(HEAD_BYTES_MAX)
            .serve_connection(TokioIo::new(stream), service)
    );
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = told_to_drain(&mut draining) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        debug!(%error, "connection ended early");
    }
    drop(place);
}

async fn told_to_drain(draining: &mut watch::Receiver<bool>) {
    // An error means that the server was dropped without draining; either way no new request is wanted.
    let _ = draining.wait_for(|draining| *draining).await;
}

async fn finish(mut connections: JoinSet<()>) {
    let all = async {
        while let Some(ended) = connections.join_next().await {
            report(ended);
        }
    };
    if timeout(Duration::from_millis(DRAIN_MS_MAX), all).await.is_err() {
        warn!(connections = connections.len(), "drain deadline passed, cutting what is left");
        connections.shutdown().await;
    }
    info!("stopped");
}

fn report(ended: Result<(), JoinError>) {
    if let Err(error) = ended
        && error.is_panic()
    {
        error!(%error, "a connection panicked");
    }
}

#[cfg(test)]
mod tests;
