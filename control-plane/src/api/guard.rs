//! The door before every service: who calls, and whether the call is theirs to make.
//!
//! Stands between the server and the routes, made by `process`. It asks `security` and puts the answer where the pipeline
//! finds it; services know nothing of it. A call that lasts is asked about again when the answer may have changed.

use super::permissions;
use crate::connection::ConnectInfo;
use crate::security::{Ask, Code, Denied, Security};
use crate::throttle::Throttle;
use bytes::Bytes;
use http::header::AUTHORIZATION;
use http::{HeaderMap, Request, Response};
use http_body::Frame;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tonic::Status;
use tonic::body::Body;
use tonic::codegen::Service;

/// Longest name of a call that is kept, in characters: a caller may ask for anything, and a refusal repeats it.
const RPC_CHARS_MAX: usize = 200;

/// A future of an answer.
type Answering<E> = Pin<Box<dyn Future<Output = Result<Response<Body>, E>> + Send>>;

/// Services behind the door.
#[derive(Clone, Debug)]
pub(crate) struct Guard<S> {
    services: S,
    security: Arc<Security>,
    denials: Arc<Throttle>,
}

impl<S> Guard<S> {
    pub(crate) fn new(services: S, security: Arc<Security>) -> Self {
        Self { services, security, denials: Arc::default() }
    }

    fn refuse(&self, ask: &Ask, denied: Denied) -> Response<Body> {
        if let Some(unsaid) = self.denials.may_speak() {
            let peer = ask.peer.address.map(|address| address.to_string());
            tracing::warn!(peer, rpc = ask.rpc, reason = denied.text, unsaid, "a call is refused");
        }
        Status::from(denied).into_http()
    }
}

impl<S> Service<Request<Body>> for Guard<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible> + Send,
    S::Future: Send + 'static,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Answering<Infallible>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.services.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        let path = request.uri().path().trim_start_matches('/');
        let permission = permissions::needed(path);
        let rpc = path.chars().take(RPC_CHARS_MAX).collect();
        let connection = request.extensions().get::<ConnectInfo>().cloned().unwrap_or_default();
        // Nobody behind the door needs it, so nobody can log it.
        let authorization = request.headers_mut().remove(AUTHORIZATION);
        let ask = Ask { permission, rpc, peer: connection.peer, authorization };
        let changes = self.security.changes();
        let caller = match self.security.admit(&ask) {
            Ok(caller) => caller,
            Err(denied) => {
                let refused = self.refuse(&ask, denied);
                return Box::pin(std::future::ready(Ok(refused)));
            }
        };
        // Where the transport's own types are looked for.
        if let Some(tcp) = connection.tcp {
            request.extensions_mut().insert(tcp);
        }
        let answer = caller.scope(self.services.call(request));
        if !permissions::lasts(ask.permission) {
            return Box::pin(answer);
        }
        let security = Arc::clone(&self.security);
        Box::pin(async move {
            let (head, body) = answer.await?.into_parts();
            let revoked = Box::pin(async move {
                let mut changes = changes;
                loop {
                    if changes.changed().await.is_err() {
                        // The security outlives every call, being held here.
                        std::future::pending::<()>().await;
                    }
                    if let Err(denied) = security.admit(&ask) {
                        tracing::warn!(peer = ?ask.peer.address, rpc = ask.rpc, "a credential is no longer valid: its call ends");
                        return Status::from(denied);
                    }
                }
            });
            Ok(Response::from_parts(head, Body::new(Revocable { body, revoked: Some(revoked) })))
        })
    }
}

/// An answer that ends when the caller may no longer have it.
struct Revocable {
    body: Body,
    /// `None` once it has been said.
    revoked: Option<Pin<Box<dyn Future<Output = Status> + Send>>>,
}

impl http_body::Body for Revocable {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let Some(revoked) = &mut self.revoked else { return Poll::Ready(None) };
        if let Poll::Ready(status) = revoked.as_mut().poll(context) {
            self.revoked = None;
            // Lets go of whoever speaks behind it.
            self.body = Body::empty();
            let mut trailers = HeaderMap::new();
            return Poll::Ready(Some(status.add_header(&mut trailers).map(|()| Frame::trailers(trailers))));
        }
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }
}

impl From<Denied> for Status {
    fn from(denied: Denied) -> Self {
        match denied.code {
            Code::Unauthenticated => Self::unauthenticated(denied.text),
            Code::PermissionDenied => Self::permission_denied(denied.text),
        }
    }
}
