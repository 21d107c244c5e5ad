//! Was it slow, or were we? A process that does not get to run sees every answer late, and must not blame who answered.
//!
//! While anything is watched, a timer beats twenty times a second; how late a beat comes is time in which this process could do
//! nothing. A look that ran out of time, or took too long, while a quarter of that time was lost so says nothing about its target:
//! its next look is the next try. What came back in time, or was wrong, was so however late we saw it, and counts.
//!
//! Must never happen here: a lock in the beat's way. A board that is busy is no starvation.

use crate::meter::Latency;
use lapwing_types::{ProbeOutcome, ProbeReason, Verdict};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

const BEAT: Duration = Duration::from_millis(50);
/// Later than the grain of timers and of a scheduler that shares fairly.
const LATE_NS_MIN: u64 = 10_000_000;
/// Of the time that a look took, so much lost makes it worthless. Less leaves the target most of the time that its owner gave it.
const LOST_SHARE: f64 = 0.25;

/// How much time was lost since the start, as far as the beats tell.
#[derive(Debug)]
pub(super) struct Pulse {
    /// When the next beat is due; 0 while none is.
    due_ns: AtomicU64,
    lost_ns: AtomicU64,
    is_wanted: AtomicBool,
    late: Latency,
}

impl Pulse {
    pub(super) fn new(late: Latency) -> Self {
        Pulse {
            due_ns: AtomicU64::new(0),
            lost_ns: AtomicU64::new(0),
            is_wanted: AtomicBool::new(false),
            late,
        }
    }

    /// Without anything to look at there is nobody to blame.
    pub(super) fn want(&self, is_wanted: bool) {
        self.is_wanted.store(is_wanted, Ordering::Relaxed);
    }

    /// Time lost until now, with what the beat that is overdue will add.
    pub(super) fn lost_ns(&self, now_ns: u64) -> u64 {
        let due_ns = self.due_ns.load(Ordering::Relaxed);
        self.lost_ns.load(Ordering::Relaxed) + overdue_ns(due_ns, now_ns)
    }

    /// Gives how long to wait for the next beat.
    fn beat(&self, now_ns: u64) -> Duration {
        let next_ns = match self.is_wanted.load(Ordering::Relaxed) {
            true => now_ns + BEAT.as_nanos() as u64,
            false => 0,
        };
        let late_ns = overdue_ns(self.due_ns.swap(next_ns, Ordering::Relaxed), now_ns);
        self.lost_ns.fetch_add(late_ns, Ordering::Relaxed);
        self.late.observe_s(late_ns as f64 / 1e9);
        BEAT
    }

    /// Until it is dropped.
    pub(super) async fn run(&self) {
        loop {
            tokio::time::sleep(self.beat(crate::clock::process_nanos())).await;
        }
    }
}

fn overdue_ns(due_ns: u64, now_ns: u64) -> u64 {
    let late_ns = now_ns.saturating_sub(due_ns);
    if due_ns == 0 || late_ns < LATE_NS_MIN {
        return 0;
    }
    late_ns
}

/// Takes back what a look says of its target where the time that it measured was not the target's. True when it did.
pub(super) fn discount(outcome: &mut ProbeOutcome, lost_s: f64) -> bool {
    let is_of_time = matches!(outcome.reason, Some(ProbeReason::Timeout | ProbeReason::Latency));
    let is_ours = lost_s > 0.0 && lost_s >= outcome.duration_s * LOST_SHARE;
    if !is_of_time || !is_ours || outcome.verdict == Verdict::Unjudged {
        return false;
    }
    let (lost_ms, took_ms) = (lost_s * 1000.0, outcome.duration_s * 1000.0);
    let detail = format!(
        "Lapwing itself did not get to run for {lost_ms:.0} of {took_ms:.0} ms ({})",
        outcome.detail
    );
    let judged = ProbeOutcome::fault(Verdict::Unjudged, ProbeReason::OwnDelay, detail);
    (outcome.verdict, outcome.reason, outcome.detail) = (judged.verdict, judged.reason, judged.detail);
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::meter::Meter;

    const MS: u64 = 1_000_000;

    fn pulse() -> Pulse {
        let pulse = Pulse::new(Meter::new().latency("late", "", &[]));
        pulse.want(true);
        pulse
    }

    #[test]
    fn what_is_lost_is_what_the_beats_are_late() {
        let pulse = pulse();
        pulse.beat(1000 * MS);
        pulse.beat(1052 * MS);
        assert_eq!(pulse.lost_ns(1100 * MS), 0, "the grain of a timer");
        pulse.beat(1402 * MS);
        assert_eq!(pulse.lost_ns(1402 * MS), 300 * MS);
        assert_eq!(pulse.lost_ns(1460 * MS), 300 * MS);
        assert_eq!(
            pulse.lost_ns(1552 * MS),
            400 * MS,
            "a beat that is overdue counts before it comes"
        );
        pulse.beat(1552 * MS);
        assert_eq!(pulse.lost_ns(1552 * MS), 400 * MS, "and once");
    }

    #[test]
    fn while_nothing_is_watched_nothing_is_lost() {
        let pulse = pulse();
        pulse.beat(1000 * MS);
        pulse.want(false);
        pulse.beat(1050 * MS);
        assert_eq!(pulse.lost_ns(9000 * MS), 0);
        pulse.want(true);
        pulse.beat(9000 * MS);
        assert_eq!(pulse.lost_ns(9010 * MS), 0);
    }

    fn check((verdict, reason, took_s): (Verdict, ProbeReason, f64), lost_s: f64, expect: bool) {
        let mut outcome = ProbeOutcome::fault(verdict, reason, "why");
        outcome.duration_s = took_s;
        let before = outcome.clone();
        assert_eq!(discount(&mut outcome, lost_s), expect, "{before:?} {lost_s}");
        if expect {
            assert_eq!(
                (outcome.verdict, outcome.reason),
                (Verdict::Unjudged, Some(ProbeReason::OwnDelay))
            );
            assert!(outcome.detail.contains("did not get to run") && outcome.detail.contains("why"));
        } else {
            assert_eq!(outcome, before);
        }
    }

    #[test]
    fn who_was_slow_while_we_were_is_not_blamed() {
        check((Verdict::Fail, ProbeReason::Timeout, 1.0), 0.3, true);
        check((Verdict::Degraded, ProbeReason::Latency, 0.4), 0.1, true);
        check((Verdict::Fail, ProbeReason::Timeout, 1.0), 0.2, false);
        check((Verdict::Fail, ProbeReason::Timeout, 0.0), 0.0, false);
        check((Verdict::Fail, ProbeReason::Status, 1.0), 0.9, false);
        check((Verdict::Unjudged, ProbeReason::Timeout, 1.0), 0.9, false);
    }
}
