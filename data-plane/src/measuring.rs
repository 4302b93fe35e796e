//! [`Measuring`]: what becomes of the requests of one stage, while a control plane wants to know: it compares a deployment
//! on some nodes with the one on the others.
//!
//! Mostly nobody wants to, and then a request looks at one flag. The subscriber says what is measured and sends the figures.

use crate::limits::MEASURED_DEPLOYMENTS_MAX;
use penstock_model::bundle::BundleKey;
use penstock_model::figures::{BUCKETS, Durations, Figures, bucket_of};
use penstock_model::table::StageSettings;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// A handle that is cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Measuring {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    is_on: AtomicBool,
    stage: Mutex<Option<Measured>>,
}

/// What is to be measured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Measurement {
    /// Which stage.
    pub(crate) key: BundleKey,
    /// By which whoever wants it tells it from others.
    pub(crate) number: u64,
}

/// A stage, and the counters of its deployments.
#[derive(Debug)]
struct Measured {
    measurement: Measurement,
    deployments: Vec<(String, Arc<Counters>)>,
}

/// Where requests of one deployment are counted, by every worker.
#[derive(Debug)]
pub(crate) struct Counters {
    requests: AtomicU64,
    errors: AtomicU64,
    durations: [AtomicU64; BUCKETS],
}

impl Default for Counters {
    fn default() -> Self {
        let durations = [const { AtomicU64::new(0) }; BUCKETS];
        Self { requests: AtomicU64::new(0), errors: AtomicU64::new(0), durations }
    }
}

impl Counters {
    /// A request has ended.
    pub(crate) fn count(&self, failed: bool, duration: Duration) {
        let us = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        if let Some(bucket) = self.durations.get(bucket_of(us)) {
            bucket.fetch_add(1, Ordering::Relaxed);
        }
        self.errors.fetch_add(failed.into(), Ordering::Relaxed);
        self.requests.fetch_add(1, Ordering::Release);
    }

    fn figures(&self) -> Figures {
        // First, so that whatever is counted here is counted below too.
        let requests = self.requests.load(Ordering::Acquire);
        let counts = self.durations.iter().map(|bucket| bucket.load(Ordering::Relaxed)).enumerate();
        let durations = Durations::from_counts(counts).unwrap_or_default();
        Figures { requests, errors: self.errors.load(Ordering::Relaxed).min(requests), durations }
    }
}

impl Measuring {
    /// Measures this stage from now on, beginning at nothing, or none.
    pub(crate) fn measure(&self, measurement: Option<Measurement>) {
        let is_on = measurement.is_some();
        *self.lock() = measurement.map(|measurement| Measured { measurement, deployments: Vec::new() });
        self.shared.is_on.store(is_on, Ordering::Release);
    }

    /// Where a request that met `stage` is to be counted.
    pub(crate) fn counters(&self, stage: &StageSettings) -> Option<Arc<Counters>> {
        if !self.shared.is_on.load(Ordering::Acquire) {
            return None;
        }
        let mut measured = self.lock();
        let measured = measured.as_mut().filter(|measured| measured.measurement.key == *stage.key)?;
        let deployments = &mut measured.deployments;
        if let Some((_, counters)) = deployments.iter().find(|(id, _)| *id == stage.deployment_id) {
            return Some(Arc::clone(counters));
        }
        if deployments.len() >= MEASURED_DEPLOYMENTS_MAX {
            return None;
        }
        let counters = Arc::<Counters>::default();
        deployments.push((stage.deployment_id.clone(), Arc::clone(&counters)));
        Some(counters)
    }

    /// What was counted, by deployment; `None`: nothing is measured.
    pub(crate) fn figures(&self) -> Option<(Measurement, Vec<(String, Figures)>)> {
        let measured = self.lock();
        let measured = measured.as_ref()?;
        let figures = measured.deployments.iter().map(|(id, counters)| (id.clone(), counters.figures())).collect();
        Some((measured.measurement.clone(), figures))
    }

    fn lock(&self) -> MutexGuard<'_, Option<Measured>> {
        // Every change is an assignment or a push.
        self.shared.stage.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use penstock_model::bundle::Bundle;
    use penstock_model::definition::ApiDefinition;
    use penstock_model::deployment::Stage;
    use penstock_model::table::StageTable;

    fn stage(api: &str, deployment: &str) -> Arc<StageSettings> {
        let mut definition = ApiDefinition::default();
        definition.rest_api.id = api.into();
        let stage = Stage {
            rest_api_id: api.into(),
            stage_name: "v1".into(),
            deployment_id: deployment.into(),
            ..Stage::default()
        };
        let table = StageTable::compile(&Bundle::new(definition, stage)).expect("nothing is wrong with it");
        Arc::clone(table.settings())
    }

    fn of(stage: &StageSettings) -> Option<Measurement> {
        Some(Measurement { key: (*stage.key).clone(), number: 7 })
    }

    fn counted(measuring: &Measuring) -> Vec<(String, u64, u64)> {
        let (_, figures) = measuring.figures().expect("something is measured");
        figures.into_iter().map(|(id, figures)| (id, figures.requests, figures.errors)).collect()
    }

    #[test]
    fn only_the_stage_that_is_measured_is_counted_and_by_deployment() {
        let measuring = Measuring::default();
        let (old, new, other) = (stage("a", "d1"), stage("a", "d2"), stage("b", "d1"));
        assert!(measuring.counters(&old).is_none() && measuring.figures().is_none());

        measuring.measure(of(&old));
        let first = measuring.counters(&old).expect("it is measured");
        measuring.counters(&new).expect("it is measured").count(true, Duration::from_millis(3));
        first.count(false, Duration::from_micros(7));
        first.count(true, Duration::MAX);
        assert!(measuring.counters(&other).is_none());
        assert_eq!(counted(&measuring), [("d1".to_owned(), 2, 1), ("d2".to_owned(), 1, 1)]);

        measuring.measure(of(&old));
        first.count(false, Duration::ZERO);
        assert_eq!(counted(&measuring), [], "it begins at nothing, and late requests are not its own");
        measuring.measure(None);
        assert!(measuring.counters(&old).is_none() && measuring.figures().is_none());
    }

    #[test]
    fn deployments_are_bounded() {
        let measuring = Measuring::default();
        measuring.measure(of(&stage("a", "d")));
        let counted = (0..2 * MEASURED_DEPLOYMENTS_MAX)
            .filter(|number| measuring.counters(&stage("a", &number.to_string())).is_some());
        assert_eq!(counted.count(), MEASURED_DEPLOYMENTS_MAX);
    }
}
