//! Whether what is tried does as well as what the others have.

use super::Terms;
use penstock_model::figures::Figures;
use std::time::Duration;

/// How much longer requests may take whatever the ratio, in microseconds: of what takes next to nothing, a multiple is next
/// to nothing too.
const DURATION_SLACK_US: u64 = 5_000;
/// The percentile that is compared.
const PERCENT: u32 = 95;

/// What is wrong with it as far as one can say now, in words.
pub(super) fn fault(terms: &Terms, canary: &Figures, others: &Figures) -> Option<String> {
    if canary.requests < terms.requests_min.max(1) {
        return None;
    }
    let (rate, usual) = (canary.error_rate(), others.error_rate());
    if rate > usual + terms.error_rate_increase_max {
        return Some(format!(
            "{} of {} requests failed there, {} of {} on the other nodes",
            canary.errors, canary.requests, others.errors, others.requests
        ));
    }
    if others.requests < terms.requests_min.max(1) {
        return None;
    }
    let (took, usual) = (canary.durations.percentile_us(PERCENT), others.durations.percentile_us(PERCENT));
    if took as f64 > usual as f64 * terms.duration_ratio_max + DURATION_SLACK_US as f64 {
        return Some(format!(
            "95 of 100 requests took up to {} ms there, up to {} ms on the other nodes",
            Duration::from_micros(took).as_millis(),
            Duration::from_micros(usual).as_millis()
        ));
    }
    None
}

/// What is wrong with it when the time is over.
pub(super) fn last_fault(terms: &Terms, canary: &Figures, others: &Figures) -> Option<String> {
    if canary.requests < terms.requests_min {
        let needed = terms.requests_min;
        return Some(format!("only {} requests ended there, {needed} are needed to judge", canary.requests));
    }
    fault(terms, canary, others)
}

#[cfg(test)]
mod tests {
    use super::*;
    use penstock_model::figures::{Durations, bucket_of};

    const TERMS: Terms = Terms {
        watch: Duration::from_secs(60),
        error_rate_increase_max: 0.01,
        duration_ratio_max: 1.5,
        requests_min: 100,
    };

    fn figures(requests: u64, errors: u64, ms: u64) -> Figures {
        let durations = Durations::from_counts([(bucket_of(ms * 1_000), requests)]).unwrap();
        Figures { requests, errors, durations }
    }

    #[test]
    fn errors_are_compared_with_the_others() {
        for (canary, others, is_bad) in [
            (figures(1_000, 0, 1), figures(1_000, 0, 1), false),
            (figures(1_000, 10, 1), figures(1_000, 0, 1), false),
            (figures(1_000, 11, 1), figures(1_000, 0, 1), true),
            // Where many fail anyway, many may.
            (figures(1_000, 300, 1), figures(1_000, 300, 1), false),
            (figures(1_000, 320, 1), figures(1_000, 300, 1), true),
            // Nobody else has any requests: then none may fail.
            (figures(1_000, 20, 1), figures(0, 0, 1), true),
            (figures(99, 99, 1), figures(1_000, 0, 1), false),
        ] {
            let found = fault(&TERMS, &canary, &others);
            assert_eq!(found.is_some(), is_bad, "{found:?}");
        }
    }

    #[test]
    fn durations_are_compared_with_the_others() {
        for (canary_ms, others_ms, others_count, is_bad) in [
            (100, 100, 1_000, false),
            (140, 100, 1_000, false),
            (220, 100, 1_000, true),
            // Four times of nothing is nothing.
            (4, 1, 1_000, false),
            (40, 1, 1_000, true),
            (40, 1, 99, false),
        ] {
            let found = fault(&TERMS, &figures(1_000, 0, canary_ms), &figures(others_count, 0, others_ms));
            assert_eq!(found.is_some(), is_bad, "{canary_ms} against {others_ms}: {found:?}");
        }
    }

    #[test]
    fn too_few_requests_are_no_proof() {
        let others = figures(1_000, 0, 1);
        assert!(last_fault(&TERMS, &figures(99, 0, 1), &others).unwrap().contains("99 requests"));
        assert_eq!(last_fault(&TERMS, &figures(100, 0, 1), &others), None);
        let none = Terms { requests_min: 0, ..TERMS };
        assert_eq!(last_fault(&none, &Figures::default(), &Figures::default()), None);
        assert!(last_fault(&none, &figures(1, 1, 1), &Figures::default()).is_some());
    }
}
