//! What becomes of the requests of a stage, told to a control plane that compares deployments. Beside the subscription, since
//! nothing that serves depends on it.

use crate::measuring::{Measurement, Measuring};
use penstock_model::bundle::BundleKey;
use penstock_model::figures::Figures;
use penstock_proto::discovery::v1 as wire;
use wire::control_message::Kind as FromControl;
use wire::node_message::Kind as FromNode;

/// Begins or ends to measure, if the control plane says so.
pub(super) fn hear(message: &wire::ControlMessage, measuring: &Measuring) {
    let Some(FromControl::MeasureStage(stage)) = &message.kind else { return };
    let key =
        BundleKey { rest_api_id: stage.rest_api_id.as_str().into(), stage_name: stage.stage_name.as_str().into() };
    let is_wanted = !stage.rest_api_id.is_empty();
    tracing::info!(api = %key.rest_api_id, stage = %key.stage_name, is_wanted, "the control plane compares deployments");
    measuring.measure(is_wanted.then_some(Measurement { key, number: stage.measurement }));
}

/// What was counted so far; `None`: nothing is measured.
pub(super) fn message(measuring: &Measuring) -> Option<wire::NodeMessage> {
    let (Measurement { key, number }, deployments) = measuring.figures()?;
    let figures = wire::StageFigures {
        rest_api_id: key.rest_api_id.to_string(),
        stage_name: key.stage_name.to_string(),
        deployments: deployments.into_iter().map(|(id, figures)| said(id, &figures)).collect(),
        measurement: number,
    };
    Some(wire::NodeMessage { kind: Some(FromNode::StageFigures(figures)) })
}

fn said(deployment_id: String, figures: &Figures) -> wire::DeploymentFigures {
    let count = |(bucket, requests): (usize, u64)| wire::DurationCount {
        // There are few buckets.
        bucket: u32::try_from(bucket).unwrap_or(u32::MAX),
        requests,
    };
    let durations = figures.durations.counts().map(count).collect();
    wire::DeploymentFigures { deployment_id, requests: figures.requests, errors: figures.errors, durations }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measure(measuring: &Measuring, api: &str) {
        let stage = wire::MeasureStage { rest_api_id: api.to_owned(), stage_name: "v1".to_owned(), measurement: 5 };
        hear(&wire::ControlMessage { kind: Some(FromControl::MeasureStage(stage)) }, measuring);
    }

    #[test]
    fn it_tells_as_long_as_it_is_asked_to() {
        let measuring = Measuring::default();
        assert_eq!(message(&measuring), None);
        measure(&measuring, "a");
        hear(&wire::ControlMessage { kind: None }, &measuring);
        let Some(FromNode::StageFigures(figures)) = message(&measuring).and_then(|message| message.kind) else {
            panic!("it is measured")
        };
        assert_eq!(figures.measurement, 5);
        assert_eq!(
            (figures.rest_api_id.as_str(), figures.stage_name.as_str(), figures.deployments.len()),
            ("a", "v1", 0)
        );
        measure(&measuring, "");
        assert_eq!(message(&measuring), None);
    }

    #[test]
    fn only_buckets_that_hold_something_travel() {
        let durations = penstock_model::figures::Durations::from_counts([(0, 2), (9, 1)]).unwrap();
        let said = said("d".to_owned(), &Figures { requests: 3, errors: 1, durations });
        let counts: Vec<_> = said.durations.iter().map(|count| (count.bucket, count.requests)).collect();
        assert_eq!((said.requests, said.errors, counts), (3, 1, vec![(0, 2), (9, 1)]));
    }
}
