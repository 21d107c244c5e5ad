//! The shards that serve one model, and who of them may serve.
//!
//! ```text
//! HEALTHY ⇄ SUSPECT ──streak──▶ DEAD ──restart──▶ RESTARTING ──answers──▶ STALE ──expected weights──▶ HEALTHY
//!                                 └────────answers by itself──────────────▲ └─streak─▶ DEAD
//!                                 restarts used up ──▶ RETIRED (an operator's reset leads out)
//! ```
//!
//! Invariants: a shard that left the serving set comes back only at the expected weights, never by answering probes;
//! probe failures and request failures are two streaks, and neither's success clears the other; every change of the
//! serving set raises the membership epoch.

use lapwing_types::ShardState;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FleetPolicy {
    pub unhealthy_threshold: u32,
    pub healthy_threshold: u32,
    pub restart_attempts_max: u32,
    /// With fewer that serve the fleet is exhausted.
    pub healthy_shards_min: u32,
}

impl Default for FleetPolicy {
    fn default() -> Self {
        FleetPolicy {
            unhealthy_threshold: 3,
            healthy_threshold: 2,
            restart_attempts_max: 5,
            healthy_shards_min: 1,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shard {
    pub state: ShardState,
    pub since_ms: i64,
    pub probe_failures: u32,
    pub request_failures: u32,
    /// Probes in a row that it answered.
    pub answers: u32,
    pub restart_attempts: u32,
    pub version: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ShardFact {
    Probe {
        ok: bool,
    },
    Request {
        ok: bool,
    },
    /// Somebody began to restart it.
    RestartBegun,
    RestartFailed,
    /// The weights that it says it serves.
    Weights {
        version: String,
    },
    /// An operator gives a retired shard another life.
    Reset,
    Retire,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ShardReason {
    FirstFault,
    Recovered,
    ProbeFailures,
    RequestFailures,
    RestartBegun,
    RestartFailed,
    RestartsUsedUp,
    AnswersUnverified,
    WrongWeights,
    ExpectedWeights,
    Operator,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShardEvent {
    pub shard: String,
    pub from: ShardState,
    pub to: ShardState,
    pub reason: ShardReason,
    pub epoch: u64,
    pub at_ms: i64,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Fleet {
    /// Without one, any weights are the expected ones.
    pub expected: Option<String>,
    pub shards: BTreeMap<String, Shard>,
    pub epoch: u64,
}

impl Fleet {
    /// A new shard serves nobody until its weights are known to be right.
    pub fn add(&mut self, name: &str, now_ms: i64) {
        self.shards.entry(name.to_owned()).or_insert(Shard {
            state: ShardState::Stale,
            since_ms: now_ms,
            probe_failures: 0,
            request_failures: 0,
            answers: 0,
            restart_attempts: 0,
            version: None,
        });
    }

    /// From now on these weights are the right ones. Shards are measured by it when they next say what they serve.
    pub fn expect(&mut self, version: Option<String>) {
        self.expected = version;
    }

    pub fn serving(&self) -> usize {
        self.shards.values().filter(|s| s.state.serves()).count()
    }

    pub fn is_exhausted(&self, policy: &FleetPolicy) -> bool {
        (self.serving() as u64) < u64::from(policy.healthy_shards_min)
    }

    pub fn observe(
        &mut self,
        name: &str,
        fact: &ShardFact,
        policy: &FleetPolicy,
        now_ms: i64,
    ) -> Option<ShardEvent> {
        let expected = self.expected.clone();
        let shard = self.shards.get_mut(name)?;
        let from = shard.state;
        let (to, reason) = shard.next(fact, expected.as_deref(), policy)?;
        if from.serves() != to.serves() {
            self.epoch += 1;
        }
        shard.enter(to, now_ms);
        Some(ShardEvent {
            shard: name.to_owned(),
            from,
            to,
            reason,
            epoch: self.epoch,
            at_ms: now_ms,
        })
    }
}

impl Shard {
    /// Why it does not serve as it should, for a person; nothing where it does.
    pub fn why(&self, expected: Option<&str>) -> Option<String> {
        let looks = |n: u32| format!("{n} {} in a row failed", if n == 1 { "look" } else { "looks" });
        let why = match (self.state, &self.version, expected) {
            (ShardState::Healthy, ..) => return None,
            (ShardState::Stale, Some(version), Some(expected)) if version != expected => {
                format!("it serves {version}, and {expected} is expected")
            }
            (ShardState::Stale, None, Some(expected)) => format!(
                "it has not said which version it serves, and {expected} is expected; a probe learns it from http: {{ path, version }}"
            ),
            (ShardState::Stale, ..) => "it has not answered often enough yet".to_owned(),
            (ShardState::Suspect, ..) if self.probe_failures > 0 => looks(self.probe_failures),
            (ShardState::Suspect, ..) => format!("{} of its requests failed", self.request_failures),
            (ShardState::Dead, ..) if self.probe_failures > 0 => looks(self.probe_failures),
            (ShardState::Dead, ..) => "it does not answer".to_owned(),
            (ShardState::Restarting, ..) => "it is being restarted".to_owned(),
            (ShardState::Retired, ..) => {
                format!("it was taken out after {} restarts", self.restart_attempts)
            }
        };
        Some(why)
    }

    fn enter(&mut self, to: ShardState, now_ms: i64) {
        self.state = to;
        self.since_ms = now_ms;
        match to {
            ShardState::Healthy => {
                (self.probe_failures, self.request_failures) = (0, 0);
                self.restart_attempts = 0;
            }
            ShardState::Suspect => self.answers = 0,
            ShardState::Dead | ShardState::Restarting | ShardState::Retired => {
                self.answers = 0;
                // What it served before says nothing of what it will serve.
                self.version = None;
            }
            ShardState::Stale => (self.probe_failures, self.request_failures) = (0, 0),
        }
    }

    fn next(
        &mut self,
        fact: &ShardFact,
        expected: Option<&str>,
        policy: &FleetPolicy,
    ) -> Option<(ShardState, ShardReason)> {
        let went = match fact {
            ShardFact::Retire if self.state != ShardState::Retired => {
                return Some((ShardState::Retired, ShardReason::Operator));
            }
            ShardFact::Reset if self.state == ShardState::Retired => {
                self.restart_attempts = 0;
                return Some((ShardState::Dead, ShardReason::Operator));
            }
            _ if self.state == ShardState::Retired => return None,
            ShardFact::Probe { ok } => self.probed(*ok, policy),
            ShardFact::Request { ok } => self.requested(*ok, policy),
            ShardFact::RestartBegun => self.restarted(policy),
            ShardFact::RestartFailed => (self.state == ShardState::Restarting)
                .then_some((ShardState::Dead, ShardReason::RestartFailed)),
            ShardFact::Weights { version } => self.weighed(version, expected, policy),
            ShardFact::Reset | ShardFact::Retire => None,
        };
        went.filter(|(to, _)| *to != self.state)
    }

    fn probed(&mut self, ok: bool, policy: &FleetPolicy) -> Option<(ShardState, ShardReason)> {
        if ok {
            self.probe_failures = 0;
            self.answers = self.answers.saturating_add(1);
            let enough = self.answers >= policy.healthy_threshold.max(1);
            return match self.state {
                ShardState::Suspect if enough && self.request_failures == 0 => {
                    Some((ShardState::Healthy, ShardReason::Recovered))
                }
                ShardState::Dead | ShardState::Restarting if enough => {
                    Some((ShardState::Stale, ShardReason::AnswersUnverified))
                }
                _ => None,
            };
        }
        self.answers = 0;
        self.probe_failures = self.probe_failures.saturating_add(1);
        let over = self.probe_failures >= policy.unhealthy_threshold.max(1);
        self.faulty(over, ShardReason::ProbeFailures)
    }

    fn requested(&mut self, ok: bool, policy: &FleetPolicy) -> Option<(ShardState, ShardReason)> {
        if ok {
            self.request_failures = 0;
            let enough = self.answers >= policy.healthy_threshold.max(1);
            let is_well = self.state == ShardState::Suspect && self.probe_failures == 0 && enough;
            return is_well.then_some((ShardState::Healthy, ShardReason::Recovered));
        }
        self.request_failures = self.request_failures.saturating_add(1);
        let over = self.request_failures >= policy.unhealthy_threshold.max(1);
        self.faulty(over, ShardReason::RequestFailures)
    }

    fn faulty(&self, over: bool, reason: ShardReason) -> Option<(ShardState, ShardReason)> {
        match self.state {
            ShardState::Healthy | ShardState::Suspect | ShardState::Stale if over => {
                Some((ShardState::Dead, reason))
            }
            ShardState::Healthy => Some((ShardState::Suspect, ShardReason::FirstFault)),
            _ => None,
        }
    }

    fn restarted(&mut self, policy: &FleetPolicy) -> Option<(ShardState, ShardReason)> {
        if self.state == ShardState::Restarting {
            return None;
        }
        if self.restart_attempts >= policy.restart_attempts_max {
            return Some((ShardState::Retired, ShardReason::RestartsUsedUp));
        }
        self.restart_attempts += 1;
        Some((ShardState::Restarting, ShardReason::RestartBegun))
    }

    fn weighed(
        &mut self,
        version: &str,
        expected: Option<&str>,
        policy: &FleetPolicy,
    ) -> Option<(ShardState, ShardReason)> {
        self.version = Some(version.to_owned());
        let is_right = expected.is_none_or(|e| e == version);
        match self.state {
            ShardState::Healthy | ShardState::Suspect if !is_right => {
                Some((ShardState::Stale, ShardReason::WrongWeights))
            }
            ShardState::Stale if is_right && self.answers >= policy.healthy_threshold.max(1) => {
                Some((ShardState::Healthy, ShardReason::ExpectedWeights))
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn policy() -> FleetPolicy {
        FleetPolicy::default()
    }

    fn weights(version: &str) -> ShardFact {
        ShardFact::Weights {
            version: version.to_owned(),
        }
    }

    fn serving_fleet() -> Fleet {
        let mut fleet = Fleet::default();
        fleet.expect(Some("v1".to_owned()));
        fleet.add("a", 0);
        for fact in [
            ShardFact::Probe { ok: true },
            ShardFact::Probe { ok: true },
            weights("v1"),
        ] {
            fleet.observe("a", &fact, &policy(), 1);
        }
        assert_eq!(fleet.shards["a"].state, ShardState::Healthy);
        fleet
    }

    fn after(fleet: &mut Fleet, facts: &[ShardFact]) -> ShardState {
        for fact in facts {
            fleet.observe("a", fact, &policy(), 2);
        }
        fleet.shards["a"].state
    }

    const OK: ShardFact = ShardFact::Probe { ok: true };
    const NO: ShardFact = ShardFact::Probe { ok: false };
    const BROKEN: ShardFact = ShardFact::Request { ok: false };

    #[test]
    fn a_wedged_engine_that_answers_probes_dies_of_its_requests() {
        let mut fleet = serving_fleet();
        assert_eq!(after(&mut fleet, &[BROKEN, OK, OK, OK]), ShardState::Suspect);
        assert_eq!(after(&mut fleet, &[BROKEN, OK, BROKEN]), ShardState::Dead);
    }

    #[test]
    fn a_shard_that_does_not_serve_says_why() {
        let mut fleet = serving_fleet();
        let why = |fleet: &Fleet| fleet.shards["a"].why(fleet.expected.as_deref());
        assert_eq!(why(&fleet), None);
        after(&mut fleet, &[NO]);
        assert_eq!(why(&fleet).unwrap(), "1 look in a row failed");
        let mut stale = serving_fleet();
        after(&mut stale, &[weights("v0")]);
        assert_eq!(why(&stale).unwrap(), "it serves v0, and v1 is expected");
        let mut silent = Fleet::default();
        silent.expect(Some("v1".to_owned()));
        silent.add("a", 0);
        assert!(
            why(&silent)
                .unwrap()
                .starts_with("it has not said which version it serves, and v1 is expected")
        );
    }

    #[test]
    fn answering_probes_does_not_let_a_shard_back_in() {
        let mut fleet = serving_fleet();
        let epoch = fleet.epoch;
        assert_eq!(after(&mut fleet, &[NO, NO]), ShardState::Suspect);
        assert_eq!(fleet.epoch, epoch, "a suspect still serves");
        assert_eq!(after(&mut fleet, &[NO]), ShardState::Dead);
        assert_eq!(fleet.epoch, epoch + 1);
        assert_eq!(after(&mut fleet, &[OK, OK, OK, OK]), ShardState::Stale);
        assert_eq!(after(&mut fleet, &[weights("v0"), OK]), ShardState::Stale);
        assert_eq!(after(&mut fleet, &[weights("v1")]), ShardState::Healthy);
        assert_eq!(fleet.epoch, epoch + 2);
    }

    #[test]
    fn old_weights_leave_the_serving_set_and_restarts_are_used_up() {
        let mut fleet = serving_fleet();
        fleet.expect(Some("v2".to_owned()));
        assert_eq!(after(&mut fleet, &[weights("v1")]), ShardState::Stale);
        let restart = [ShardFact::RestartBegun, ShardFact::RestartFailed];
        for _ in 0..5 {
            assert_eq!(after(&mut fleet, &restart), ShardState::Dead);
        }
        assert_eq!(after(&mut fleet, &restart), ShardState::Retired);
        assert_eq!(after(&mut fleet, &[OK, OK, weights("v2")]), ShardState::Retired);
        assert!(fleet.is_exhausted(&policy()));
        assert_eq!(after(&mut fleet, &[ShardFact::Reset]), ShardState::Dead);
    }

    fn facts() -> impl Strategy<Value = Vec<ShardFact>> {
        let one = prop_oneof![
            6 => any::<bool>().prop_map(|ok| ShardFact::Probe { ok }),
            4 => any::<bool>().prop_map(|ok| ShardFact::Request { ok }),
            1 => Just(ShardFact::RestartBegun),
            1 => Just(ShardFact::RestartFailed),
            3 => (1u8..3).prop_map(|v| ShardFact::Weights { version: format!("v{v}") }),
            1 => Just(ShardFact::Reset),
        ];
        proptest::collection::vec(one, 0..300)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]
        #[test]
        fn nobody_is_resurrected_without_the_expected_weights(facts in facts()) {
            let mut fleet = serving_fleet();
            let mut epoch = fleet.epoch;
            for (i, fact) in facts.iter().enumerate() {
                let event = fleet.observe("a", fact, &policy(), i as i64);
                let shard = &fleet.shards["a"];
                prop_assert!(shard.restart_attempts <= policy().restart_attempts_max);
                let Some(event) = event else { continue };
                prop_assert_eq!(event.to, shard.state);
                prop_assert_eq!(fleet.epoch, epoch + u64::from(event.from.serves() != event.to.serves()));
                epoch = fleet.epoch;
                if event.to.serves() && !event.from.serves() {
                    prop_assert_eq!(fact, &weights("v1"));
                }
                if event.to == ShardState::Healthy {
                    prop_assert_eq!(shard.version.as_deref(), Some("v1"));
                }
            }
        }
    }
}
