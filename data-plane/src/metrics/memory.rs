//! [`MemoryLaw`]: what the process holds, part by part, as the law of memory has it, beside what the kernel says that it has.

use crate::memory::{Part, held, resident_bytes};
use crate::overload::Overload;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric as _};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Unit;
use std::fmt;
use std::sync::{Arc, OnceLock};

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PartLabel {
    part: &'static str,
}

/// Adds the pages of all threads up when somebody asks.
#[derive(Clone, Debug, Default)]
pub(super) struct MemoryLaw(Arc<OnceLock<Arc<Overload>>>);

impl MemoryLaw {
    /// Shows what this one goes by.
    pub(super) fn watch(&self, overload: &Arc<Overload>) {
        // A process has one.
        let _ = self.0.set(Arc::clone(overload));
    }
}

impl Collector for MemoryLaw {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), fmt::Error> {
        let Some(overload) = self.0.get() else { return Ok(()) };
        let help = "What the process holds by the law of memory; pipes are the kernel's, and not in the sum";
        let mut parts = encoder.encode_descriptor("memory", help, Some(&Unit::Bytes), MetricType::Gauge)?;
        let counted = Part::ALL.into_iter().map(|part| (part.name(), held(part) * part.bytes()));
        let others = [("fixed", overload.fixed_bytes()), ("collected", overload.collected_bytes())];
        for (part, bytes) in others.into_iter().chain(counted) {
            ConstGauge::new(bytes).encode(parts.encode_family(&PartLabel { part })?)?;
        }
        let resident = resident_bytes().and_then(|bytes| i64::try_from(bytes).ok());
        for (name, help, unit, value) in [
            ("memory_budget", "What it may hold", Some(&Unit::Bytes), Some(overload.budget_bytes())),
            ("resident", "What it has, as the kernel counts", Some(&Unit::Bytes), resident),
            ("shedding", "Whether new requests are refused", None, Some(overload.sheds().into())),
        ] {
            if let Some(value) = value {
                let gauge = encoder.encode_descriptor(name, help, unit, MetricType::Gauge)?;
                ConstGauge::new(value).encode(gauge)?;
            }
        }
        Ok(())
    }
}
