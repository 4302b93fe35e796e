//! A Lambda service of our own: the two Invoke APIs as a gateway meets them, functions that are closures or real programs,
//! and a record of everything that was asked.
//!
//! A test starts a [`LambdaService`], gives it functions by name, and points a gateway (or a client) at its address. It
//! checks no signature, because a test reads those from the record; it never retries, and it keeps no versions: every
//! version and alias of a function is the same function.

pub mod eventstream;
mod invocation;
mod invoke_api;
mod real_function;
mod reply;
mod runtime_api;

pub use invocation::Invocation;
pub use real_function::RealFunction;
pub use reply::{Gate, Piece, Reply};

use crate::upstream::Upstream;
use crate::wait::until;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use std::collections::HashMap;
use std::convert::Infallible;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use tokio::net::TcpStream;

/// The region that the service says it is in.
pub const REGION: &str = "us-east-1";

/// The account that its functions belong to.
pub const ACCOUNT: &str = "123456789012";

/// A Lambda service that runs until it is dropped, with its functions.
pub struct LambdaService {
    /// Where it listens, without TLS.
    pub address: SocketAddr,
    state: Arc<State>,
    server: Upstream,
}

/// What all connections share.
#[derive(Default)]
struct State {
    functions: Mutex<HashMap<String, Function>>,
    invocations: Mutex<Vec<Invocation>>,
}

/// What is behind a name.
#[derive(Clone)]
enum Function {
    Closure(Arc<dyn Fn(&Invocation) -> Reply + Send + Sync>),
    Real(Arc<RealFunction>),
}

impl LambdaService {
    /// A service without functions.
    pub async fn start() -> Self {
        let state = Arc::new(State::default());
        let shared = Arc::clone(&state);
        let server = Upstream::tcp(move |stream| serve(stream, Arc::clone(&shared))).await;
        Self { address: server.address, state, server }
    }

    /// Its endpoint, as a client is told it.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The full ARN of a function.
    pub fn arn(name: &str) -> String {
        format!("arn:aws:lambda:{REGION}:{ACCOUNT}:function:{name}")
    }

    /// Puts a closure behind a name, in place of what was there.
    pub fn closure(&self, name: &str, function: impl Fn(&Invocation) -> Reply + Send + Sync + 'static) {
        self.put(name, Function::Closure(Arc::new(function)));
    }

    /// Puts one reply behind a name: whoever invokes it a second time gets a function error.
    pub fn once(&self, name: &str, reply: Reply) {
        let reply = Mutex::new(Some(reply));
        self.closure(name, move |invocation| {
            let reply = reply.lock().unwrap().take();
            reply.unwrap_or_else(|| invocation.error("Once", "this function had one reply, and gave it"))
        });
    }

    /// Puts a real program behind a name.
    pub fn real(&self, name: &str, function: RealFunction) {
        self.put(name, Function::Real(Arc::new(function)));
    }

    /// Removes what is behind a name.
    pub fn remove(&self, name: &str) {
        self.state.functions.lock().unwrap().remove(name);
    }

    /// Everything that it was asked so far, what it refused included, in the order in which requests were complete.
    pub fn invocations(&self) -> Vec<Invocation> {
        self.state.invocations.lock().unwrap().clone()
    }

    /// The newest of them.
    ///
    /// # Panics
    /// When nobody has asked anything.
    pub fn last(&self) -> Invocation {
        self.state.invocations.lock().unwrap().last().cloned().expect("nothing was invoked")
    }

    /// Waits until it was asked this often.
    pub async fn asked(&self, times: usize) {
        until("invocations", async || self.state.invocations.lock().unwrap().len(), |&now| now >= times).await;
    }

    /// Connections that are open now.
    pub fn open(&self) -> usize {
        self.server.open()
    }

    fn put(&self, name: &str, function: Function) {
        self.state.functions.lock().unwrap().insert(name.to_owned(), function);
    }
}

async fn serve(stream: TcpStream, state: Arc<State>) {
    let service = service_fn(|request| {
        let state = Arc::clone(&state);
        Box::pin(async move { Ok::<_, Infallible>(invoke_api::answer(&state, request).await) })
    });
    let mut connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    let ended = poll_fn(|context| connection.poll_without_shutdown(context)).await;
    let stream = connection.into_parts().io.into_inner();
    if ended.is_err() {
        // A body of ours that breaks shall break the connection too: without this it would end in peace.
        let _ = stream.set_zero_linger();
    }
}
