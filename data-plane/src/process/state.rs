//! The state directory of a process that starts, as far as it has one.

use super::BUILD;
use crate::settings::Settings;
use crate::state_dir::{InUse, Opened, Opener, StateDir};
use crate::subscriber::{self, SubscriberStatus};

/// Takes the state directory into use, if there is to be one.
pub(super) fn open_state(settings: &Settings) -> Result<Option<Opened>, InUse> {
    let Some(directory) = &settings.state_dir else { return Ok(None) };
    let opener = Opener {
        node_id: settings.node_id.clone(),
        new_node_id: settings.lasting_node_name(),
        build: BUILD,
        now_ms: subscriber::now_ms(),
    };
    let opened = StateDir::open(directory, opener)?;
    let directory = directory.display();
    match (&opened.kept, &opened.problem) {
        (_, Some(problem)) => tracing::error!(problem, "nothing that was kept can serve; waiting for a control plane"),
        (Some(kept), None) => {
            let (version, age_seconds) = (kept.manifest().version, kept.confirmed_age().as_secs());
            tracing::info!(%directory, %version, age_seconds, "starting with what was kept");
        }
        (None, None) => tracing::info!(%directory, "nothing was kept yet; waiting for a control plane"),
    }
    Ok(Some(opened))
}

/// The node's name, and what the subscriber keeps, which is shown from now on.
pub(super) fn begin_keeping(
    settings: &Settings,
    opened: Option<Opened>,
    status: &SubscriberStatus,
) -> (String, Option<subscriber::State>) {
    let Some(Opened { state_dir, node_id, kept, problem }) = opened else { return (settings.node_name(), None) };
    status.begin_keeping(subscriber::Keeping {
        directory: settings.state_dir.clone().unwrap_or_default(),
        read_problem: problem,
        ..subscriber::Keeping::default()
    });
    (node_id, state_dir.map(|state_dir| subscriber::State { state_dir, kept }))
}
