//! Requests that are sent again because their upstream failed: off unless an operator wants it, and never more than a part of
//! all requests.

use super::TargetKey;
use super::address::Lease;
use super::pool::Upstreams;
use super::request::UpstreamRequest;
use super::sender::is_lost_upstream;
use super::target::{Target, is_gateway_error};
use crate::body::Incoming;
use crate::error::ProxyError;
use crate::limits::{UPSTREAM_RETRIES_MIN, UPSTREAM_RETRY_WINDOW_S};
use crate::message::Response;
use crate::metrics::Cause;
use std::rc::Rc;
use tokio::time::Instant;

/// What an operator allows.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct RetrySettings {
    /// How often one request is sent again at most; 0: never.
    pub(crate) attempts: u32,
    /// How many retries there may be of the requests of the last seconds, in percent.
    pub(crate) budget_percent: u32,
}

/// Requests and retries of one target in the last seconds. No clock: whoever asks says what second it is.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Budget {
    seconds: [Second; UPSTREAM_RETRY_WINDOW_S],
    /// The newest of them.
    now_s: u64,
}

#[derive(Clone, Copy, Debug, Default)]
struct Second {
    requests: u32,
    retries: u32,
}

impl Budget {
    /// Counts a request.
    pub(super) fn request(&mut self, now_s: u64) {
        let second = self.second(now_s);
        second.requests = second.requests.saturating_add(1);
    }

    /// Takes a retry out of it, if there is one.
    pub(super) fn take(&mut self, now_s: u64, percent: u32) -> bool {
        self.second(now_s);
        let sum = |count: fn(&Second) -> u32| self.seconds.iter().map(|second| u64::from(count(second))).sum::<u64>();
        let (requests, retries) = (sum(|second| second.requests), sum(|second| second.retries));
        let allowed = (requests * u64::from(percent) / 100).max(u64::from(UPSTREAM_RETRIES_MIN));
        let takes = retries < allowed;
        if takes {
            self.second(now_s).retries += 1;
        }
        takes
    }

    /// The second that it is, with all that are over forgotten.
    fn second(&mut self, now_s: u64) -> &mut Second {
        let window = UPSTREAM_RETRY_WINDOW_S as u64;
        let gone = now_s.saturating_sub(self.now_s).min(window);
        for second in 1..=gone {
            self.seconds[((self.now_s + second) % window) as usize] = Second::default();
        }
        self.now_s = self.now_s.max(now_s);
        &mut self.seconds[(self.now_s % window) as usize]
    }
}

/// Why the request may be sent again, if it may: the upstream has said nothing, or that it cannot answer for now.
fn cause(sent: &Result<(Response<Incoming>, Lease), ProxyError>) -> Option<Cause> {
    match sent {
        Ok((response, _)) => is_gateway_error(response.head.status).then_some(Cause::Status),
        Err(error) => is_lost_upstream(error).then_some(Cause::Lost),
    }
}

impl Upstreams {
    /// Sends a request that means the same twice (RFC 9110 section 9.2.2), and once more, on another address if there is one,
    /// while its upstream fails and the budget allows it.
    ///
    /// # Errors
    /// As the last attempt.
    pub(super) async fn send_repeatedly(
        &self,
        key: &TargetKey,
        target: &Rc<Target>,
        mut request: Box<UpstreamRequest>,
    ) -> Result<(Response<Incoming>, Lease), ProxyError> {
        let mut avoided = Vec::new();
        let mut left = self.retries.attempts;
        loop {
            let again = if left > 0 { request.repeated() } else { None };
            let sent = self.attempt(key, target, request, &mut avoided).await;
            let (Some(cause), Some(again)) = (cause(&sent), again) else { return sent };
            if !self.may_retry(target) {
                self.figures.retry_refused();
                return sent;
            }
            self.figures.retried(cause);
            if let Ok((response, lease)) = sent {
                avoided.push(lease.busy.address().at);
                // It goes back to the others if nothing of the answer is left to be read.
                drop(response);
                lease.release(Instant::now());
            }
            (request, left) = (again, left - 1);
        }
    }

    /// Counts a request of a target against which retries are held.
    pub(super) fn count_request(&self, target: &Target) {
        let mut budget = target.budget.get();
        budget.request(self.second());
        target.budget.set(budget);
    }

    fn may_retry(&self, target: &Target) -> bool {
        let mut budget = target.budget.get();
        let takes = budget.take(self.second(), self.retries.budget_percent);
        target.budget.set(budget);
        takes
    }

    fn second(&self) -> u64 {
        Instant::now().duration_since(self.begun).as_secs()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn takes(budget: &mut Budget, now_s: u64) -> u32 {
        let mut taken = 0;
        while budget.take(now_s, 20) {
            taken += 1;
        }
        taken
    }

    #[test]
    fn a_fifth_of_the_requests_may_be_sent_again() {
        let mut budget = Budget::default();
        for _ in 0..1_000 {
            budget.request(3);
        }
        assert_eq!(takes(&mut budget, 3), 200);
        for _ in 0..500 {
            budget.request(5);
        }
        assert_eq!(takes(&mut budget, 5), 100);
    }

    #[test]
    fn a_target_that_is_seldom_called_has_retries_too() {
        let mut budget = Budget::default();
        budget.request(0);
        assert_eq!(takes(&mut budget, 0), UPSTREAM_RETRIES_MIN);
        assert_eq!(takes(&mut budget, 9), 0);
        assert_eq!(takes(&mut budget, 10), UPSTREAM_RETRIES_MIN);
    }

    #[test]
    fn what_is_over_is_forgotten() {
        let mut budget = Budget::default();
        for second in 0..10 {
            for _ in 0..100 {
                budget.request(second);
            }
        }
        assert_eq!(takes(&mut budget, 9), 200);
        // The retries were all in the last of the ten seconds, and count for nine more.
        assert_eq!(takes(&mut budget, 18), 0);
        assert_eq!(takes(&mut budget, 19), UPSTREAM_RETRIES_MIN);
        assert_eq!(takes(&mut budget, 1_000_000), UPSTREAM_RETRIES_MIN);
    }

    #[test]
    fn a_clock_that_stands_still_or_goes_back_breaks_nothing() {
        let mut budget = Budget::default();
        budget.request(100);
        budget.request(7);
        assert_eq!(takes(&mut budget, 50), UPSTREAM_RETRIES_MIN);
    }
}
