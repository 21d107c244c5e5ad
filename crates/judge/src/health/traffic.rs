//! Real requests as looks: a window of them passes or fails by the share that failed.
//!
//! The verdict feeds a `CheckState` of its own. A wedged engine answers its health probe and fails its users; that shows
//! here and nowhere else. A window with too few requests says nothing.

use lapwing_types::Verdict;
use serde::{Deserialize, Serialize};

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrafficPolicy {
    /// Share of requests from which on it is degraded.
    pub degraded: f64,
    /// Share of requests from which on it fails.
    pub unhealthy: f64,
    /// Below so many requests in a window one failure would be a large share.
    pub requests_min: f64,
}

impl Default for TrafficPolicy {
    fn default() -> Self {
        TrafficPolicy {
            degraded: 0.05,
            unhealthy: 0.5,
            requests_min: 5.0,
        }
    }
}

/// What a window of requests says.
pub fn traffic_verdict(requests: f64, failed: f64, policy: &TrafficPolicy) -> Verdict {
    if !(requests.is_finite() && failed.is_finite()) || requests <= 0.0 || requests < policy.requests_min {
        return Verdict::Unjudged;
    }
    let share = failed / requests;
    if share >= policy.unhealthy {
        Verdict::Fail
    } else if share >= policy.degraded {
        Verdict::Degraded
    } else {
        Verdict::Pass
    }
}

#[cfg(test)]
mod tests {
    use super::super::{CheckPolicy, CheckState};
    use super::*;
    use lapwing_types::HealthState;

    #[test]
    fn shares_decide_and_few_requests_say_nothing() {
        let policy = TrafficPolicy::default();
        for (requests, failed, expect) in [
            (100.0, 0.0, Verdict::Pass),
            (100.0, 5.0, Verdict::Degraded),
            (100.0, 50.0, Verdict::Fail),
            (4.0, 4.0, Verdict::Unjudged),
            (0.0, 0.0, Verdict::Unjudged),
            (f64::NAN, 1.0, Verdict::Unjudged),
        ] {
            assert_eq!(
                traffic_verdict(requests, failed, &policy),
                expect,
                "{failed} of {requests}"
            );
        }
    }

    #[test]
    fn a_good_probe_does_not_hide_failing_requests() {
        let (mut probes, mut traffic) = (CheckState::default(), CheckState::default());
        let policy = CheckPolicy::default();
        for now_ms in 1..=10 {
            probes.observe(Verdict::Pass, &policy, now_ms);
            traffic.observe(
                traffic_verdict(20.0, 15.0, &TrafficPolicy::default()),
                &policy,
                now_ms,
            );
        }
        assert_eq!(probes.state, HealthState::Healthy);
        assert_eq!(probes.state.max(traffic.state), HealthState::Unhealthy);
    }
}
