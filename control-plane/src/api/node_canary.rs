//! Node canaries, as calls of the deployment service.

use super::{Management, required, wire};
use crate::app::{Error, Written};
use crate::node_canary::{Picture, Share, State, Terms, Wanted, Which};
use penstock_model::deployment::Deployment;
use penstock_model::figures::Figures;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tonic::Status;
use wire::node_canary_settings::Share as WireShare;

/// How long a deployment is watched when the caller does not say, in seconds.
const WATCH_S_DEFAULT: u64 = 300;
/// Shortest and longest time that a deployment is watched, in seconds.
const WATCH_S_MIN: u64 = 1;
const WATCH_S_MAX: u64 = 86_400;
/// What is allowed to a deployment when the caller does not say.
const ERROR_RATE_INCREASE_DEFAULT: f64 = 0.01;
const DURATION_RATIO_DEFAULT: f64 = 1.5;
const REQUESTS_MIN_DEFAULT: u64 = 100;
/// Calls that watch node canaries at a time.
pub(super) const WATCHERS_MAX: usize = 256;
/// Pictures on their way to somebody who watches.
const PICTURES_MAX: usize = 2;

fn invalid(field: &str, reason: impl Into<String>) -> Error {
    Error::invalid(format!("nodeCanary.{field}"), reason)
}

/// # Errors
/// A field is out of bounds.
fn terms(settings: &wire::NodeCanarySettings) -> Result<Terms, Error> {
    let bounds = Duration::from_secs(WATCH_S_MIN)..=Duration::from_secs(WATCH_S_MAX);
    let watch = match settings.watch {
        None => Some(Duration::from_secs(WATCH_S_DEFAULT)),
        Some(asked) => Duration::try_from(asked).ok().filter(|asked| bounds.contains(asked)),
    };
    let watch = watch.ok_or_else(|| invalid("watch", format!("must be {WATCH_S_MIN} to {WATCH_S_MAX} s")))?;
    let error_rate_increase_max = settings.error_rate_increase_max.unwrap_or(ERROR_RATE_INCREASE_DEFAULT);
    if !(0.0..=1.0).contains(&error_rate_increase_max) {
        return Err(invalid("errorRateIncreaseMax", "must be 0 to 1"));
    }
    let duration_ratio_max = settings.duration_ratio_max.unwrap_or(DURATION_RATIO_DEFAULT);
    if !(duration_ratio_max.is_finite() && duration_ratio_max >= 1.0) {
        return Err(invalid("durationRatioMax", "must be at least 1"));
    }
    let requests_min = settings.requests_min.unwrap_or(REQUESTS_MIN_DEFAULT);
    Ok(Terms { watch, error_rate_increase_max, duration_ratio_max, requests_min })
}

/// # Errors
/// There is none, or it is out of bounds.
fn share(settings: &wire::NodeCanarySettings) -> Result<Share, Error> {
    match settings.share {
        Some(WireShare::NodeCount(count)) if count > 0 => Ok(Share::Count(count as usize)),
        Some(WireShare::NodePercent(percent)) if percent > 0.0 && percent < 100.0 => Ok(Share::Percent(percent)),
        Some(WireShare::NodeCount(_)) => Err(invalid("nodeCount", "must be at least 1")),
        Some(WireShare::NodePercent(_)) => Err(invalid("nodePercent", "must be more than 0 and less than 100")),
        None => Err(invalid("share", "must say nodeCount or nodePercent")),
    }
}

impl Management {
    /// Deploys to some nodes first.
    pub(super) async fn begin_node_canary(
        &self,
        request: wire::CreateDeploymentRequest,
        settings: wire::NodeCanarySettings,
    ) -> Result<Written<Deployment>, Error> {
        let (share, terms) = (share(&settings)?, terms(&settings)?);
        for (is_set, field) in [
            (request.canary_settings.is_some(), "canarySettings"),
            (!request.variables.is_empty(), "variables"),
            (request.wait_for > wire::WaitFor::None.into(), "waitFor"),
        ] {
            if is_set {
                return Err(Error::invalid(field, "cannot be combined with nodeCanary"));
            }
        }
        let stage = request.stage_name.filter(|name| !name.is_empty());
        let wanted = Wanted {
            api: request.rest_api_id.into(),
            stage: required("stageName", stage)?.into(),
            description: request.description,
            share,
            terms,
        };
        self.node_canaries.begin(wanted).await
    }

    /// Shows how a node canary fares until it has ended.
    pub(super) fn node_canary_pictures(
        &self,
        request: wire::WatchNodeCanaryRequest,
    ) -> Result<mpsc::Receiver<Result<wire::NodeCanary, Status>>, Error> {
        let busy = |_| Error::Unavailable(format!("{WATCHERS_MAX} calls watch node canaries already: try again"));
        let place = Arc::clone(&self.watchers).try_acquire_owned().map_err(busy)?;
        let which = Which { api: request.rest_api_id, stage: request.stage_name.into() };
        let mut seen = self.node_canaries.watch(&which).ok_or_else(|| none_of(&which))?;
        let (sender, pictures) = mpsc::channel(PICTURES_MAX);
        tokio::spawn(async move {
            // Held as long as somebody watches.
            let _place = place;
            loop {
                let picture = seen.borrow_and_update().clone();
                let is_over = picture.state.is_over();
                if sender.send(Ok(picture.into())).await.is_err() || is_over {
                    return;
                }
                tokio::select! {
                    changed = seen.changed() => if changed.is_err() { return },
                    () = sender.closed() => return,
                }
            }
        });
        Ok(pictures)
    }

    /// Ends a node canary.
    pub(super) async fn end_node_canary(&self, request: wire::EndNodeCanaryRequest) -> Result<wire::NodeCanary, Error> {
        let which = Which { api: request.rest_api_id, stage: request.stage_name.into() };
        let ended = self.node_canaries.end(&which, request.promote).await;
        ended.map(Into::into).ok_or_else(|| none_of(&which))
    }
}

fn none_of(which: &Which) -> Error {
    let Which { api, stage } = which;
    let text = "has no node canary on this control plane, or it was ended by a restart, which takes its nodes back";
    Error::NotFound(format!("stage {api}/{stage} {text}"))
}

impl From<Picture> for wire::NodeCanary {
    fn from(picture: Picture) -> Self {
        let state = match picture.state {
            State::Starting => wire::NodeCanaryState::NodeCanaryStarting,
            State::Watching => wire::NodeCanaryState::NodeCanaryWatching,
            State::Promoted => wire::NodeCanaryState::NodeCanaryPromoted,
            State::Ended => wire::NodeCanaryState::NodeCanaryEnded,
        };
        Self {
            rest_api_id: picture.key.rest_api_id.to_string(),
            stage_name: picture.key.stage_name.to_string(),
            deployment_id: picture.deployment.to_string(),
            state: state.into(),
            node_ids: picture.nodes.iter().map(ToString::to_string).collect(),
            // None is longer than the bound above.
            watched: prost_types::Duration::try_from(picture.watched).ok(),
            watch: prost_types::Duration::try_from(picture.watch).ok(),
            canary: Some(figures(&picture.canary)),
            others: Some(figures(&picture.others)),
            reason: picture.reason,
            version: picture.version.0,
        }
    }
}

fn figures(figures: &Figures) -> wire::NodeCanaryFigures {
    wire::NodeCanaryFigures {
        requests: figures.requests,
        errors: figures.errors,
        duration_p50_us: figures.durations.percentile_us(50),
        duration_p95_us: figures.durations.percentile_us(95),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> wire::NodeCanarySettings {
        wire::NodeCanarySettings { share: Some(WireShare::NodeCount(1)), ..Default::default() }
    }

    #[test]
    fn what_is_not_said_has_a_default() {
        let found = terms(&settings()).unwrap();
        assert_eq!((found.watch, found.requests_min), (Duration::from_secs(300), 100));
        assert_eq!((found.error_rate_increase_max, found.duration_ratio_max), (0.01, 1.5));
        let zero = wire::NodeCanarySettings { requests_min: Some(0), ..settings() };
        assert_eq!(terms(&zero).unwrap().requests_min, 0);
    }

    #[test]
    fn every_bad_field_is_named() {
        let seconds = |seconds| Some(prost_types::Duration { seconds, nanos: 0 });
        for (bad, field) in [
            (wire::NodeCanarySettings { watch: seconds(0), ..settings() }, "watch"),
            (wire::NodeCanarySettings { watch: seconds(-5), ..settings() }, "watch"),
            (wire::NodeCanarySettings { watch: seconds(86_401), ..settings() }, "watch"),
            (wire::NodeCanarySettings { error_rate_increase_max: Some(1.1), ..settings() }, "errorRateIncreaseMax"),
            (
                wire::NodeCanarySettings { error_rate_increase_max: Some(f64::NAN), ..settings() },
                "errorRateIncreaseMax",
            ),
            (wire::NodeCanarySettings { duration_ratio_max: Some(0.9), ..settings() }, "durationRatioMax"),
            (wire::NodeCanarySettings { duration_ratio_max: Some(f64::INFINITY), ..settings() }, "durationRatioMax"),
        ] {
            let error = terms(&bad).unwrap_err().to_string();
            assert!(error.contains(&format!("nodeCanary.{field}")), "{error}");
        }
        for (bad, field) in [
            (None, "share"),
            (Some(WireShare::NodeCount(0)), "nodeCount"),
            (Some(WireShare::NodePercent(0.0)), "nodePercent"),
            (Some(WireShare::NodePercent(100.0)), "nodePercent"),
            (Some(WireShare::NodePercent(f64::NAN)), "nodePercent"),
        ] {
            let error = share(&wire::NodeCanarySettings { share: bad, ..settings() }).unwrap_err().to_string();
            assert!(error.contains(&format!("nodeCanary.{field}")), "{error}");
        }
    }
}
