//! The state of one check from its looks: streaks decide, a single look never does.
//!
//! 1. A fault counts towards the worse state, a pass towards the better; looks that say nothing count for neither.
//! 2. `failures` looks in a row at least as bad as a state lead into it; `passes` looks in a row that are better lead out.
//! 3. What is unknown becomes healthy with its first pass: there is nothing it could flap from.
//!
//! Probes and real traffic each have a `CheckState` of their own, so that a good probe cannot end a streak of failing
//! requests.

use lapwing_types::{HealthState, Verdict};
use serde::{Deserialize, Serialize};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckPolicy {
    /// Bad looks in a row that lead into a worse state.
    pub failures: u32,
    /// Better looks in a row that lead out of it.
    pub passes: u32,
    /// Without a look for so long nothing is known any more.
    pub stale_after_ms: i64,
}

impl Default for CheckPolicy {
    fn default() -> Self {
        CheckPolicy {
            failures: 3,
            passes: 2,
            stale_after_ms: 300_000,
        }
    }
}

/// What is remembered of one check; kept over restarts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CheckState {
    pub state: HealthState,
    /// When it became so; 0 before the first look.
    pub since_ms: i64,
    /// The last look that said something.
    pub seen_ms: i64,
    /// Looks in a row that failed.
    pub failing: u32,
    /// Looks in a row that were degraded or failed.
    pub bad: u32,
    /// Looks in a row that did not fail.
    pub alive: u32,
    /// Looks in a row that passed.
    pub good: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StateChange {
    pub from: HealthState,
    pub to: HealthState,
    pub at_ms: i64,
}

impl CheckState {
    pub fn observe(&mut self, verdict: Verdict, policy: &CheckPolicy, now_ms: i64) -> Option<StateChange> {
        let (failures, passes) = (policy.failures.max(1), policy.passes.max(1));
        match verdict {
            Verdict::Unjudged => return None,
            Verdict::Pass => {
                (self.failing, self.bad) = (0, 0);
                self.alive = self.alive.saturating_add(1);
                self.good = self.good.saturating_add(1);
            }
            Verdict::Degraded => {
                (self.failing, self.good) = (0, 0);
                self.bad = self.bad.saturating_add(1);
                self.alive = self.alive.saturating_add(1);
            }
            Verdict::Fail => {
                (self.alive, self.good) = (0, 0);
                self.failing = self.failing.saturating_add(1);
                self.bad = self.bad.saturating_add(1);
            }
        }
        self.seen_ms = now_ms;
        let next = match self.state {
            _ if self.failing >= failures => HealthState::Unhealthy,
            HealthState::Unknown if self.good > 0 => HealthState::Healthy,
            HealthState::Unknown | HealthState::Healthy if self.bad >= failures => HealthState::Degraded,
            HealthState::Degraded | HealthState::Unhealthy | HealthState::Critical if self.good >= passes => {
                HealthState::Healthy
            }
            // Alive again, but not all of the last looks were good.
            HealthState::Unhealthy | HealthState::Critical if self.alive >= passes && self.bad > 0 => {
                HealthState::Degraded
            }
            same => same,
        };
        self.turn(next, now_ms)
    }

    /// How far the last looks lead away from this state, as two streaks no longer than the thresholds ask; zeroes when they
    /// confirm it. Whoever keeps states over a crash writes one down when this changes, and forgets no streak.
    pub fn leaning(&self, policy: &CheckPolicy) -> (u32, u32) {
        let (failures, passes) = (policy.failures.max(1), policy.passes.max(1));
        match self.state {
            HealthState::Unknown | HealthState::Healthy => {
                (self.failing.min(failures), self.bad.min(failures))
            }
            HealthState::Degraded => (self.failing.min(failures), self.good.min(passes)),
            HealthState::Unhealthy | HealthState::Critical => (self.alive.min(passes), self.good.min(passes)),
        }
    }

    /// Nothing was heard for too long: what it was then says nothing of now. The streaks begin anew.
    pub fn expire(&mut self, policy: &CheckPolicy, now_ms: i64) -> Option<StateChange> {
        let silent_ms = now_ms - self.seen_ms;
        if self.state == HealthState::Unknown || silent_ms < policy.stale_after_ms {
            return None;
        }
        (self.failing, self.bad, self.alive, self.good) = (0, 0, 0, 0);
        self.turn(HealthState::Unknown, now_ms)
    }

    fn turn(&mut self, to: HealthState, now_ms: i64) -> Option<StateChange> {
        if self.since_ms == 0 {
            self.since_ms = now_ms;
        }
        if to == self.state {
            return None;
        }
        let from = std::mem::replace(&mut self.state, to);
        self.since_ms = now_ms;
        Some(StateChange {
            from,
            to,
            at_ms: now_ms,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// One letter per look: `p`ass, `d`egraded, `f`ail, `u`njudged; one letter per state: H, D, U, `?`.
    fn check(looks: &str, expect: &str) {
        let mut check = CheckState::default();
        let states: String = looks
            .chars()
            .zip(1..)
            .map(|(look, now_ms)| {
                let verdict = match look {
                    'p' => Verdict::Pass,
                    'd' => Verdict::Degraded,
                    'f' => Verdict::Fail,
                    _ => Verdict::Unjudged,
                };
                check.observe(verdict, &CheckPolicy::default(), now_ms);
                match check.state {
                    HealthState::Healthy => 'H',
                    HealthState::Degraded => 'D',
                    HealthState::Unknown => '?',
                    _ => 'U',
                }
            })
            .collect();
        assert_eq!(states, expect, "{looks}");
    }

    #[test]
    fn streaks_decide() {
        check("pffpff", "HHHHHH");
        check("pfffpp", "HHHUUH");
        check("fff", "??U");
        check("pddd", "HHHD");
        check("pfffdd", "HHHUUD");
        check("pfffpdp", "HHHUUDD");
        check("pfuuff", "HHHHHU");
        check("pfffpfpfp", "HHHUUUUUU");
    }

    #[test]
    fn silence_makes_unknown() {
        let mut check = CheckState::default();
        let policy = CheckPolicy::default();
        check.observe(Verdict::Pass, &policy, 1000);
        assert_eq!(check.expire(&policy, 300_999), None);
        assert_eq!(
            check.expire(&policy, 301_000).map(|c| c.to),
            Some(HealthState::Unknown)
        );
        assert_eq!(check.expire(&policy, 900_000), None);
    }

    #[test]
    fn a_streak_is_told_of_only_while_it_leads_away() {
        let policy = CheckPolicy::default();
        let mut check = CheckState::default();
        let mut leanings = Vec::new();
        for (look, now_ms) in "ppfpfffffpp".chars().zip(1..) {
            let verdict = if look == 'p' { Verdict::Pass } else { Verdict::Fail };
            check.observe(verdict, &policy, now_ms);
            leanings.push(check.leaning(&policy));
        }
        let expect = [
            (0, 0),
            (0, 0),
            (1, 1),
            (0, 0),
            (1, 1),
            (2, 2),
            (0, 0),
            (0, 0),
            (0, 0),
            (1, 1),
            (0, 0),
        ];
        assert_eq!(leanings, expect);
    }

    fn verdicts() -> impl Strategy<Value = Vec<Verdict>> {
        let one = prop_oneof![
            4 => Just(Verdict::Pass),
            2 => Just(Verdict::Degraded),
            4 => Just(Verdict::Fail),
            1 => Just(Verdict::Unjudged),
        ];
        proptest::collection::vec(one, 0..200)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]
        /// No flapping faster than the thresholds allow: between two changes lie as many looks as the later one needs.
        #[test]
        fn never_flaps_faster_than_its_thresholds(looks in verdicts(), failures in 1u32..6, passes in 1u32..6) {
            let policy = CheckPolicy { failures, passes, stale_after_ms: i64::MAX };
            let mut check = CheckState::default();
            for (i, look) in looks.iter().enumerate() {
                let Some(change) = check.observe(*look, &policy, i as i64 + 1) else { continue };
                let last: Vec<Verdict> = looks[..=i].iter().rev().filter(|v| **v != Verdict::Unjudged).copied().collect();
                let run = |fits: fn(&Verdict) -> bool| last.iter().take_while(|v| fits(v)).count() as u32;
                match (change.from, change.to) {
                    (HealthState::Unknown, HealthState::Healthy) => prop_assert!(run(|v| *v == Verdict::Pass) >= 1),
                    (_, HealthState::Healthy) => prop_assert!(run(|v| *v == Verdict::Pass) >= passes),
                    (_, HealthState::Unhealthy) => prop_assert!(run(|v| *v == Verdict::Fail) >= failures),
                    (HealthState::Unhealthy, HealthState::Degraded) => prop_assert!(run(|v| *v != Verdict::Fail) >= passes),
                    (_, to) => {
                        prop_assert_eq!(to, HealthState::Degraded);
                        prop_assert!(run(|v| *v != Verdict::Pass) >= failures);
                    }
                }
            }
        }
    }
}
