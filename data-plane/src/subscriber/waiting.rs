//! Waits for what may not be there; then they last for ever, and another one wins.

use super::connection::{Connecting, Connection, End};
use super::keeper::Keeper;
use super::{Compiling, Subscribed, build};
use crate::subscription::Event;
use penstock_proto::discovery::v1 as wire;
use tokio::sync::mpsc;

pub(super) async fn opened(connecting: Option<&mut (usize, Connecting)>) -> (usize, Result<Connection, String>) {
    match connecting {
        Some((address, connecting)) => (*address, connecting.await),
        None => std::future::pending().await,
    }
}

pub(super) async fn kept(keeper: Option<&mut Keeper>) -> Event<Subscribed> {
    match keeper {
        Some(keeper) => keeper.done().await,
        None => std::future::pending().await,
    }
}

pub(super) async fn next_message(connection: Option<&mut Connection>) -> Result<wire::ControlMessage, End> {
    match connection {
        Some(connection) => connection.next().await,
        None => std::future::pending().await,
    }
}

pub(super) async fn room(
    sender: Option<mpsc::Sender<wire::NodeMessage>>,
) -> Option<mpsc::OwnedPermit<wire::NodeMessage>> {
    match sender {
        // A stream that takes nothing any more is about to end, which `next_message` reports.
        Some(sender) => match sender.reserve_owned().await {
            Ok(permit) => Some(permit),
            Err(_) => std::future::pending().await,
        },
        None => std::future::pending().await,
    }
}

pub(super) async fn compiled(compiling: Option<&mut (u64, Compiling)>) -> (u64, Vec<build::Compiled>) {
    match compiling {
        // `compile` catches panics; a task that was lost nevertheless leaves its bundles refused.
        Some((build, task)) => (*build, task.await.unwrap_or_default()),
        None => std::future::pending().await,
    }
}
