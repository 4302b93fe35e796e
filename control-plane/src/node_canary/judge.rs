//! Whether what is tried does as well as what the others have.

use super::Terms;
use penstock_model::figures::Figures;
use std::time::Duration;

/// How much longer requests may take whatever the ratio, in microseconds: of what takes next to nothing, a multiple is next
/// to nothing too.
const DURATION_SLACK_US: u64 = 5_000;
/// How many standard errors count as chance: with fewer, looking five times a second would find a difference soon where none is.
const STANDARD_ERRORS: f64 = 3.0;
/// The percentile that is compared.
const PERCENT: u32 = 95;

/// What is wrong with it as far as one can say now, in words.
pub(super) fn fault(terms: &Terms, canary: &Figures, others: &Figures) -> Option<String> {
    if canary.requests < terms.requests_min.max(1) {
        return None;
    }
    let (rate, usual) = (canary.error_rate(), others.error_rate());
    if rate > usual + terms.error_rate_increase_max + chance(terms, canary, others) {
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

/// By how much the shares of failed requests may differ by chance, of 1: [`STANDARD_ERRORS`] of the difference of two shares
/// that are the same but for that. Others with too few requests do not blur what is plain without them.
fn chance(terms: &Terms, canary: &Figures, others: &Figures) -> f64 {
    let (some, most) = (canary.requests as f64, others.requests as f64);
    let (share, per_request) = match others.requests < terms.requests_min.max(1) {
        true => (canary.error_rate(), 1.0 / some),
        false => ((canary.errors + others.errors) as f64 / (some + most), 1.0 / some + 1.0 / most),
    };
    STANDARD_ERRORS * (share * (1.0 - share) * per_request).sqrt()
}

/// Why it is good enough, in words: what was compared, and what was not.
pub(super) fn praise(terms: &Terms, canary: &Figures, others: &Figures) -> &'static str {
    if canary.requests == 0 {
        "no requests came, and none were asked for"
    } else if others.requests < terms.requests_min.max(1) {
        "too few requests failed there; the other nodes had too few to compare durations with"
    } else {
        "it did as well as what the other nodes serve"
    }
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
            // 1.1 % more, which may be chance of a thousand, and not of a hundred thousand.
            (figures(1_000, 11, 1), figures(1_000, 0, 1), false),
            (figures(100_000, 1_100, 1), figures(100_000, 0, 1), true),
            (figures(1_000, 40, 1), figures(1_000, 0, 1), true),
            // Where many fail anyway, many may.
            (figures(1_000, 300, 1), figures(1_000, 300, 1), false),
            (figures(1_000, 320, 1), figures(1_000, 300, 1), false),
            (figures(1_000, 400, 1), figures(1_000, 300, 1), true),
            (figures(100, 9, 1), figures(1_000, 50, 1), false),
            (figures(100, 20, 1), figures(1_000, 50, 1), true),
            (figures(100, 100, 1), figures(10, 10, 1), false),
            // Nobody else has any requests: then none may fail.
            (figures(1_000, 30, 1), figures(0, 0, 1), true),
            (figures(100, 50, 1), figures(1, 0, 1), true),
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
    fn it_says_what_was_compared() {
        let none = Figures::default();
        for (canary, others, word) in [
            (&none, &none, "no requests came"),
            (&figures(100, 0, 1), &figures(99, 0, 1), "too few to compare"),
            (&figures(100, 0, 1), &figures(100, 0, 1), "as well as"),
        ] {
            assert!(praise(&TERMS, canary, others).contains(word));
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
