//! [`WorkerMetrics`]: what each request and connection adds to the metrics, on a page that only its worker writes.
//!
//! So a request writes where no other core does, without a lock and without an atomic exchange. Whoever asks for the metrics
//! adds the pages up.

use super::{ClassLabel, Metrics, ReasonLabel};
use crate::overload::{Overload, WorkerLoad};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Unit;
use std::fmt;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The class of each status by its first digit; 0 is a cut before any answer.
const CLASSES: [&str; 6] = ["none", "1xx", "2xx", "3xx", "4xx", "5xx"];
/// Upper bound of the first bucket of durations, in microseconds. Each following one is twice as much.
const FIRST_BUCKET_US: u64 = 500;
/// Buckets of durations, before the one without a bound.
const BUCKETS: usize = 18;

/// The counts of one worker. Only that worker writes.
#[derive(Debug, Default)]
struct Page {
    responses: [AtomicU64; CLASSES.len()],
    requests_begun: AtomicU64,
    requests_ended: AtomicU64,
    connections_begun: AtomicU64,
    connections_ended: AtomicU64,
    request_bytes: AtomicU64,
    response_bytes: AtomicU64,
    duration_us: AtomicU64,
    /// The last one has no bound.
    durations: [AtomicU64; BUCKETS + 1],
}

/// Adds to a counter that has one writer.
fn add(counter: &AtomicU64, more: u64) {
    counter.store(counter.load(Ordering::Relaxed).wrapping_add(more), Ordering::Release);
}

/// The bucket of a duration in microseconds.
fn bucket_of(us: u64) -> usize {
    let fulls = us.saturating_sub(1) / FIRST_BUCKET_US;
    ((u64::BITS - fulls.leading_zeros()) as usize).min(BUCKETS)
}

/// The metrics as one worker writes them.
#[derive(Debug)]
pub(crate) struct WorkerMetrics {
    page: Arc<Page>,
    all: Arc<Metrics>,
    load: WorkerLoad,
}

impl WorkerMetrics {
    /// A page of its own beside those of the other workers.
    pub(crate) fn new(all: Arc<Metrics>, overload: Arc<Overload>) -> Rc<Self> {
        let page = Arc::<Page>::default();
        all.workers.lock().push(Arc::clone(&page));
        Rc::new(Self { page, all, load: WorkerLoad::new(overload) })
    }

    pub(crate) fn connection_began(&self) {
        add(&self.page.connections_begun, 1);
    }

    pub(crate) fn connection_ended(&self) {
        add(&self.page.connections_ended, 1);
    }

    pub(crate) fn request_began(&self) {
        add(&self.page.requests_begun, 1);
        self.load.request_began();
    }

    /// Whether a request that has begun is refused because the process has as much to do as it may.
    pub(crate) fn sheds(&self) -> bool {
        self.load.sheds()
    }

    /// Counts one request to its end: its status, or 0 when there was no answer, and the bytes of both bodies.
    pub(crate) fn request_ended(&self, status: u16, request_bytes: u64, response_bytes: u64, duration: Duration) {
        let page = &*self.page;
        let class = page.responses.get(usize::from(status / 100)).unwrap_or(&page.responses[0]);
        add(class, 1);
        add(&page.request_bytes, request_bytes);
        add(&page.response_bytes, response_bytes);
        let us = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        add(&page.duration_us, us);
        if let Some(bucket) = page.durations.get(bucket_of(us)) {
            add(bucket, 1);
        }
        add(&page.requests_ended, 1);
        self.load.request_ended();
    }

    /// Counts one failure. Failures are rare, or at least not fast.
    pub(crate) fn failure(&self, reason: &'static str) {
        self.all.failures.get_or_create(&ReasonLabel { reason }).inc();
    }
}

/// The pages of all workers.
#[derive(Clone, Debug, Default)]
pub(super) struct Workers {
    pages: Arc<Mutex<Vec<Arc<Page>>>>,
}

impl Workers {
    fn lock(&self) -> MutexGuard<'_, Vec<Arc<Page>>> {
        // A list that only grows by one push.
        self.pages.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn sum(&self, counter: impl Fn(&Page) -> &AtomicU64) -> u64 {
        self.lock().iter().map(|page| counter(page).load(Ordering::Acquire)).fold(0, u64::wrapping_add)
    }

    /// How many have begun and not ended.
    fn under_way(&self, begun: impl Fn(&Page) -> &AtomicU64, ended: impl Fn(&Page) -> &AtomicU64) -> i64 {
        // In this order, so that what has ended has also begun.
        let ended = self.sum(ended);
        i64::try_from(self.sum(begun).saturating_sub(ended)).unwrap_or(i64::MAX)
    }

    fn durations(&self) -> ([(f64, u64); BUCKETS + 1], f64) {
        let bound_s = |bucket: usize| match bucket {
            BUCKETS => f64::INFINITY,
            _ => Duration::from_micros(FIRST_BUCKET_US << bucket).as_secs_f64(),
        };
        let buckets = std::array::from_fn(|bucket| {
            let durations = self.lock().iter().map(|page| page.durations[bucket].load(Ordering::Acquire)).sum();
            (bound_s(bucket), durations)
        });
        (buckets, Duration::from_micros(self.sum(|page| &page.duration_us)).as_secs_f64())
    }
}

impl Collector for Workers {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), fmt::Error> {
        let mut descriptor =
            encoder.encode_descriptor("responses", "Answers by class of status", None, MetricType::Counter)?;
        for (at, class) in CLASSES.into_iter().enumerate() {
            let count = self.sum(|page| &page.responses[at]);
            descriptor.encode_family(&ClassLabel { class })?.encode_counter::<NoLabelSet, _, u64>(&count, None)?;
        }
        for (name, help, unit, count) in [
            ("connections_accepted", "Client connections accepted", None, self.sum(|page| &page.connections_begun)),
            ("request_body", "Payload received", Some(&Unit::Bytes), self.sum(|page| &page.request_bytes)),
            ("response_body", "Payload sent", Some(&Unit::Bytes), self.sum(|page| &page.response_bytes)),
        ] {
            let mut descriptor = encoder.encode_descriptor(name, help, unit, MetricType::Counter)?;
            descriptor.encode_counter::<NoLabelSet, _, u64>(&count, None)?;
        }
        let requests = self.under_way(|page| &page.requests_begun, |page| &page.requests_ended);
        let connections = self.under_way(|page| &page.connections_begun, |page| &page.connections_ended);
        for (name, help, value) in [
            ("requests_active", "Requests under way", requests),
            ("connections_active", "Client connections open", connections),
        ] {
            encoder.encode_descriptor(name, help, None, MetricType::Gauge)?.encode_gauge(&value)?;
        }
        let help = "From the request head to the last byte of the answer";
        let descriptor =
            encoder.encode_descriptor("request_duration", help, Some(&Unit::Seconds), MetricType::Histogram)?;
        Histogram(self).encode(descriptor)
    }
}

/// The durations of all requests.
struct Histogram<'a>(&'a Workers);

impl EncodeMetric for Histogram<'_> {
    fn encode(&self, mut encoder: MetricEncoder) -> Result<(), fmt::Error> {
        let (buckets, sum) = self.0.durations();
        let count = buckets.iter().map(|(_, requests)| requests).sum();
        encoder.encode_histogram::<NoLabelSet>(sum, count, &buckets, None)
    }

    fn metric_type(&self) -> MetricType {
        MetricType::Histogram
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_are_twice_as_wide_each_time() {
        for (us, bucket) in [
            (0, 0),
            (500, 0),
            (501, 1),
            (1_000, 1),
            (1_001, 2),
            (2_000, 2),
            (2_001, 3),
            (FIRST_BUCKET_US << 17, 17),
            ((FIRST_BUCKET_US << 17) + 1, BUCKETS),
            (u64::MAX, BUCKETS),
        ] {
            assert_eq!(bucket_of(us), bucket, "{us}");
        }
    }

    #[test]
    fn the_pages_of_all_workers_are_added_up() {
        let metrics = Arc::new(Metrics::new());
        let worker = || WorkerMetrics::new(Arc::clone(&metrics), Arc::new(Overload::unlimited()));
        let (one, other) = (worker(), worker());
        one.connection_began();
        other.connection_began();
        other.connection_ended();
        for _ in 0..3 {
            one.request_began();
        }
        one.request_ended(204, 3, 4, Duration::from_micros(400));
        other.request_began();
        other.request_ended(999, 10, 20, Duration::from_secs(3_600));
        other.failure("no_route");
        let text = metrics.render().expect("renders");
        for line in [
            r#"penstock_proxy_responses_total{class="2xx"} 1"#,
            r#"penstock_proxy_responses_total{class="none"} 1"#,
            "penstock_proxy_connections_accepted_total 2",
            "penstock_proxy_connections_active 1",
            "penstock_proxy_requests_active 2",
            "penstock_proxy_request_body_bytes_total 13",
            "penstock_proxy_response_body_bytes_total 24",
            "penstock_proxy_request_duration_seconds_sum 3600.0004",
            "penstock_proxy_request_duration_seconds_count 2",
            r#"penstock_proxy_request_duration_seconds_bucket{le="0.0005"} 1"#,
            r#"penstock_proxy_request_duration_seconds_bucket{le="65.536"} 1"#,
            r#"penstock_proxy_request_duration_seconds_bucket{le="+Inf"} 2"#,
            r#"penstock_proxy_failures_total{reason="no_route"} 1"#,
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is missing in {text}");
        }
    }
}
