//! One file for each noun or verb of the command line: its arguments, and what it asks of the control plane.
//!
//! Commands hold no rule of the gateway: what is valid the control plane says. They know `client` for the way there
//! and `output` for the answer.

pub(crate) mod api;
mod api_content;
mod api_update;
pub(crate) mod audit;
pub(crate) mod backup;
pub(crate) mod canary;
pub(crate) mod completions;
pub(crate) mod deploy;
pub(crate) mod deployment;
pub(crate) mod documents;
pub(crate) mod domain;
pub(crate) mod explain;
pub(crate) mod fleet;
pub(crate) mod gateway_response;
pub(crate) mod healthcheck;
pub(crate) mod integration;
pub(crate) mod method;
pub(crate) mod method_settings;
pub(crate) mod node_canary;
mod preview;
pub(crate) mod resource;
pub(crate) mod responses;
pub(crate) mod rollback;
pub(crate) mod rollout;
pub(crate) mod stage;

use std::collections::BTreeMap;
use std::time::Duration;

use penstock_proto::management::v1 as pb;

use crate::args::{Command, Global};
use crate::client::{CALL_MS_DEFAULT, ControlPlane, Identity};
use crate::exit::Failure;
use crate::output::Output;

/// What commands are given.
#[derive(Debug, Clone)]
pub(crate) struct Context {
    address: String,
    identity: Identity,
    timeout: Option<Duration>,
    /// Where answers go.
    pub(crate) output: Output,
}

impl Context {
    /// As the global flags say.
    pub(crate) fn new(global: Global) -> Self {
        let identity = Identity { settings: global.link, token_file: global.token_file };
        Self { address: global.control_plane, identity, timeout: global.timeout, output: Output::new(global.output) }
    }

    /// Opens the connection to the control plane.
    ///
    /// # Errors
    /// As [`ControlPlane::connect`].
    pub(crate) async fn connect(&self) -> Result<ControlPlane, Failure> {
        self.connect_for(Duration::from_millis(CALL_MS_DEFAULT)).await
    }

    /// The same for calls that may take so long, if the user does not say how long.
    ///
    /// # Errors
    /// As [`ControlPlane::connect`].
    pub(crate) async fn connect_for(&self, default: Duration) -> Result<ControlPlane, Failure> {
        let timeout = self.timeout.unwrap_or(default);
        ControlPlane::connect(&self.address, self.identity.clone(), timeout).await
    }
}

/// Runs a command that is a client.
///
/// # Errors
/// Whatever the command cannot do.
pub(crate) async fn run(command: Command, context: &Context) -> Result<(), Failure> {
    match command {
        Command::Up(up) => up.run(context.identity.settings.trust_network).await,
        Command::Api(api) => Box::pin(api.run(context)).await,
        Command::Resource(resource) => Box::pin(resource.run(context)).await,
        Command::Method(method) => Box::pin(method.run(context)).await,
        Command::Integration(integration) => Box::pin(integration.run(context)).await,
        Command::GatewayResponse(response) => Box::pin(response.run(context)).await,
        Command::Deploy(deploy) => Box::pin(deploy.run(context)).await,
        Command::Deployment(deployment) => Box::pin(deployment.run(context)).await,
        Command::Stage(stage) => Box::pin(stage.run(context)).await,
        Command::Domain(domain) => Box::pin(domain.run(context)).await,
        Command::Explain(explain) => Box::pin(explain.run(context)).await,
        Command::Routes(routes) => Box::pin(routes.run(context)).await,
        Command::Nodes(nodes) => Box::pin(nodes.run(context)).await,
        Command::Config(config) => Box::pin(config.run(context)).await,
        Command::Audit(audit) => Box::pin(audit.run(context)).await,
        Command::Backup(backup) => Box::pin(backup.run(context)).await,
        Command::Restore(restore) => Box::pin(restore.run(context)).await,
        Command::Healthcheck(healthcheck) => healthcheck.run(context.timeout),
        Command::Completions(completions) => completions.run(),
    }
}

/// The map that repeated `key=value` flags make; the last of equal keys wins.
fn map<V>(pairs: Vec<(String, V)>) -> BTreeMap<String, V> {
    pairs.into_iter().collect()
}

/// A time as people read it, to the second.
fn time(timestamp: Option<prost_types::Timestamp>) -> String {
    let whole = timestamp.map(|timestamp| prost_types::Timestamp { nanos: 0, ..timestamp });
    whole.map_or_else(String::new, |timestamp| timestamp.to_string())
}

fn mask(paths: Vec<&str>) -> Option<prost_types::FieldMask> {
    Some(prost_types::FieldMask { paths: paths.into_iter().map(ToOwned::to_owned).collect() })
}

/// The name where it is enough, with the id where several APIs share it.
fn api_name(id: &str, apis: &[pb::RestApi]) -> String {
    let Some(api) = apis.iter().find(|api| api.id == id) else { return id.to_owned() };
    let shared = apis.iter().filter(|other| other.name == api.name).count() > 1;
    if shared { format!("{} ({id})", api.name) } else { api.name.clone() }
}

/// `1 route`, `2 routes`.
fn count(number: impl Into<i64>, noun: &str) -> String {
    let number = number.into();
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_to_the_second() {
        let timestamp = prost_types::Timestamp { seconds: 1_700_000_000, nanos: 123_456_789 };
        assert_eq!(time(Some(timestamp)), "2023-11-14T22:13:20Z");
        assert_eq!(time(None), "");
    }

    #[test]
    fn an_id_is_added_only_where_names_are_shared() {
        let api = |id: &str, name: &str| pb::RestApi { id: id.into(), name: name.into(), ..Default::default() };
        let apis = [api("a", "images"), api("b", "files"), api("c", "files")];
        assert_eq!(api_name("a", &apis), "images");
        assert_eq!(api_name("c", &apis), "files (c)");
        assert_eq!(api_name("gone", &apis), "gone");
    }

    #[test]
    fn one_is_not_plural() {
        assert_eq!(count(1, "route"), "1 route");
        assert_eq!(count(0, "route"), "0 routes");
    }

    #[test]
    fn the_last_of_equal_keys_wins() {
        assert_eq!(map(vec![("a".into(), 1), ("a".into(), 2)]), BTreeMap::from([("a".into(), 2)]));
    }
}
