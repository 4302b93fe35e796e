//! [`MeasuredStage`]: of which stage a node is to tell what becomes of its requests, and what it tells.

use super::End;
use crate::fleet::StageFigures;
use crate::publisher::Measurement;
use penstock_model::figures::{Durations, Figures};
use penstock_proto::discovery::v1 as wire;
use wire::control_message::Kind;

/// Most deployments of which a node tells at once.
const DEPLOYMENTS_MAX: usize = 8;
/// Longest id of a deployment that is taken from a node, in bytes.
const DEPLOYMENT_ID_BYTES_MAX: usize = 64;

/// What one node measures.
#[derive(Debug)]
pub(super) struct MeasuredStage {
    /// Whether the node can.
    is_able: bool,
    wanted: Option<Measurement>,
    said: Option<Measurement>,
}

impl MeasuredStage {
    pub(super) fn new(is_able: bool) -> Self {
        Self { is_able, wanted: None, said: None }
    }

    /// From now on this is to be measured.
    pub(super) fn want(&mut self, measurement: Option<&Measurement>) {
        if self.is_able && self.wanted.as_ref() != measurement {
            self.wanted = measurement.cloned();
        }
    }

    /// Whether [`Self::next_message`] has one.
    pub(super) fn has_message(&self) -> bool {
        self.wanted != self.said
    }

    /// What the node is to be told.
    pub(super) fn next_message(&mut self) -> Option<wire::ControlMessage> {
        if !self.has_message() {
            return None;
        }
        self.said = self.wanted.clone();
        let stage = self.said.as_ref().map(|Measurement { key, number }| wire::MeasureStage {
            rest_api_id: key.rest_api_id.to_string(),
            stage_name: key.stage_name.to_string(),
            measurement: *number,
        });
        Some(wire::ControlMessage { kind: Some(Kind::MeasureStage(stage.unwrap_or_default())) })
    }

    /// What the node tells; `None`: of something that nobody asks about any more.
    ///
    /// # Errors
    /// It tells what cannot be.
    pub(super) fn hear(&self, figures: wire::StageFigures) -> Result<Option<StageFigures>, End> {
        let named = |said: &&Measurement| {
            let key = &said.key;
            said.number == figures.measurement
                && key.rest_api_id.as_str() == figures.rest_api_id
                && key.stage_name.as_str() == figures.stage_name
        };
        let Some(Measurement { key, number }) = self.said.as_ref().filter(named) else { return Ok(None) };
        if figures.deployments.len() > DEPLOYMENTS_MAX {
            return Err(End::Violation(format!("stage_figures.deployments must be at most {DEPLOYMENTS_MAX}")));
        }
        let mut deployments = Vec::with_capacity(figures.deployments.len());
        for one in figures.deployments {
            if one.deployment_id.len() > DEPLOYMENT_ID_BYTES_MAX {
                let text = format!("stage_figures.deployment_id must have at most {DEPLOYMENT_ID_BYTES_MAX} bytes");
                return Err(End::Violation(text));
            }
            let counts = one.durations.iter().map(|count| (count.bucket as usize, count.requests));
            let unknown = || End::Violation("stage_figures.durations names a bucket that there is not".to_owned());
            let durations = Durations::from_counts(counts).ok_or_else(unknown)?;
            let figures = Figures { requests: one.requests, errors: one.errors.min(one.requests), durations };
            deployments.push((one.deployment_id.into(), figures));
        }
        Ok(Some(StageFigures { key: key.clone(), measurement: *number, deployments }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use penstock_model::bundle::BundleKey;

    fn of(api: &str, number: u64) -> Measurement {
        Measurement { key: BundleKey { rest_api_id: api.into(), stage_name: "v1".into() }, number }
    }

    fn told(stage: &mut MeasuredStage) -> Option<String> {
        stage.next_message().map(|message| match message.kind {
            Some(Kind::MeasureStage(stage)) => stage.rest_api_id,
            other => panic!("{other:?}"),
        })
    }

    #[test]
    fn a_node_is_told_once_what_to_measure_and_when_to_stop() {
        let mut stage = MeasuredStage::new(true);
        assert_eq!(told(&mut stage), None);
        stage.want(Some(&of("a", 1)));
        stage.want(Some(&of("a", 1)));
        assert_eq!((told(&mut stage), told(&mut stage)), (Some("a".to_owned()), None));
        stage.want(None);
        stage.want(Some(&of("a", 2)));
        assert_eq!(told(&mut stage), Some("a".to_owned()), "another one of the same stage begins at nothing");
        stage.want(None);
        assert_eq!((told(&mut stage), told(&mut stage)), (Some(String::new()), None));

        let mut unable = MeasuredStage::new(false);
        unable.want(Some(&of("a", 1)));
        assert_eq!(told(&mut unable), None, "an older node would not know what it means");
    }

    #[test]
    fn what_a_node_tells_is_bounded() {
        let mut stage = MeasuredStage::new(true);
        stage.want(Some(&of("a", 1)));
        told(&mut stage);
        let one = || wire::DeploymentFigures {
            deployment_id: "d".to_owned(),
            requests: 2,
            errors: 9,
            durations: vec![wire::DurationCount { bucket: 5, requests: 2 }],
        };
        let figures = |deployments| wire::StageFigures {
            rest_api_id: "a".to_owned(),
            stage_name: "v1".to_owned(),
            deployments,
            measurement: 1,
        };
        let heard = stage.hear(figures(vec![one()])).unwrap().unwrap();
        assert_eq!((heard.key, heard.deployments[0].1.errors), (of("a", 1).key, 2));
        assert_eq!(stage.hear(wire::StageFigures { measurement: 0, ..figures(vec![one()]) }).unwrap(), None);
        assert_eq!(stage.hear(wire::StageFigures { rest_api_id: "b".to_owned(), ..figures(vec![]) }).unwrap(), None);

        let long = wire::DeploymentFigures { deployment_id: "d".repeat(DEPLOYMENT_ID_BYTES_MAX + 1), ..one() };
        let strange = wire::DurationCount { bucket: u32::MAX, requests: 1 };
        let strange = wire::DeploymentFigures { durations: vec![strange], ..one() };
        for bad in [vec![one(); DEPLOYMENTS_MAX + 1], vec![long], vec![strange]] {
            assert!(matches!(stage.hear(figures(bad)), Err(End::Violation(_))));
        }
    }
}
