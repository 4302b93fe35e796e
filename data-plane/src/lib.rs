//! Penstock's data plane: a proxy that streams requests through a routing table which is swapped while they run.
//!
//! A request crosses `server` (accept, framing) → `gateway` (all control flow) → `live_table` (one load) → the model
//! (resolve) → `forward` (heads by the model, bodies by `body`) → `upstream` (send); `record` writes what became of it. A
//! configuration crosses `subscriber` → `subscription` → the model (compile) → `live_table` (swap), and rests in `state_dir`.
//!
//! Each worker is a thread with its own runtime, listener and upstream connections; the subscription and the operators'
//! pages live on a runtime apart.

mod access_log;
mod body;
mod call;
mod causes;
mod deadline;
mod error;
mod finish;
mod forward;
pub mod framing;
mod function;
mod gateway;
mod http1;
mod http2;
mod identity;
pub mod ledger;
mod limits;
pub mod live_table;
pub mod measuring;
mod memory;
mod message;
mod metrics;
mod ops;
mod outgoing;
mod overload;
mod patience;
mod process;
pub mod recent;
mod record;
mod request_side;
mod response_side;
mod routes;
mod server;
mod services;
mod settings;
mod shares;
pub mod state_dir;
pub mod subscriber;
pub mod subscription;
mod transform;
mod upstream;

pub use access_log::AccessLogFormat;
pub use process::{BindError, Bound, RunError, bind, run};
pub use settings::{AwsSigning, LambdaInvokeBy, Settings, StalePolicy};
