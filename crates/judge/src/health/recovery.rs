//! Whether to repair now, and whether a repair worked. Decides; the engine acts and reports back.
//!
//! ```text
//! Idle ──state holds──▶ (approval?) AwaitingApproval ──approved──▶ Running ──done──▶ Verifying ──better──▶ Idle
//!   ▲                                                                 │ failed           │ deadline passed
//!   └───────────────── back-off over ◀──────────────── Waiting ◀──────┴──────────────────┘
//! ```
//!
//! Never: more starts in any hour than the budget, a start within the cooldown or the back-off, two at a time on one
//! target (the engine says whether the target is busy), a second escalation for one illness.

use lapwing_types::HealthState;
use serde::{Deserialize, Serialize};

const HOUR_MS: i64 = 3_600_000;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RecoveryPolicy {
    /// The mildest state that asks for it.
    pub on: HealthState,
    /// Starts in any hour.
    pub per_hour_max: u32,
    /// From the end of one attempt to the next start.
    pub cooldown_ms: i64,
    /// After a failed attempt; doubles with each further one, up to [`RecoveryPolicy::backoff_max_ms`].
    pub backoff_ms: i64,
    pub backoff_max_ms: i64,
    /// Says what it would do, and does nothing.
    pub is_dry_run: bool,
    pub needs_approval: bool,
    /// How long after the action the target may take to get well.
    pub verify_within_ms: i64,
    /// Failed attempts in a row after which a person must come.
    pub escalate_after: u32,
}

impl Default for RecoveryPolicy {
    fn default() -> Self {
        RecoveryPolicy {
            on: HealthState::Unhealthy,
            per_hour_max: 3,
            cooldown_ms: 60_000,
            backoff_ms: 60_000,
            backoff_max_ms: 1_800_000,
            is_dry_run: false,
            needs_approval: false,
            verify_within_ms: 120_000,
            escalate_after: 2,
        }
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "phase")]
pub enum RecoveryPhase {
    #[default]
    Idle,
    AwaitingApproval {
        since_ms: i64,
    },
    Running {
        since_ms: i64,
    },
    Verifying {
        until_ms: i64,
    },
    Waiting {
        until_ms: i64,
    },
}

/// What is remembered of one action bound to one target; kept over restarts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RecoveryState {
    pub phase: RecoveryPhase,
    /// Starts within the last hour, ascending.
    pub started_ms: Vec<i64>,
    pub failed_in_a_row: u32,
    pub is_escalated: bool,
    /// What was refused last, so that it is said once and not at every look.
    pub refused: Option<RecoveryRefusal>,
}

/// What is so now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecoveryFacts {
    pub state: HealthState,
    /// Another action is under way on this target.
    pub is_busy: bool,
    /// Planned work: nothing is repaired then.
    pub is_in_maintenance: bool,
    /// It is ill only because something that it depends on is.
    pub is_consequence: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RecoveryRefusal {
    BudgetUsedUp,
    TargetBusy,
    Maintenance,
    Consequence,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RecoveryEvent {
    /// The engine must act now and report with [`RecoveryState::done`].
    Start,
    WouldStart,
    ApprovalAsked,
    Refused(RecoveryRefusal),
    Worked,
    ActionFailed,
    DidNotHelp,
    /// It got well without us.
    NoLongerNeeded,
    Escalated,
    Interrupted,
}

impl RecoveryState {
    pub fn decide(
        &mut self,
        policy: &RecoveryPolicy,
        facts: RecoveryFacts,
        now_ms: i64,
    ) -> Vec<RecoveryEvent> {
        self.started_ms.retain(|at| now_ms - at < HOUR_MS);
        let is_ill = facts.state >= policy.on;
        match self.phase {
            RecoveryPhase::Running { .. } => Vec::new(),
            RecoveryPhase::Verifying { until_ms }
                if facts.state == HealthState::Healthy || !is_ill && now_ms >= until_ms =>
            {
                self.got_well(policy, now_ms);
                vec![RecoveryEvent::Worked]
            }
            RecoveryPhase::Verifying { until_ms } if now_ms >= until_ms => {
                self.fail(RecoveryEvent::DidNotHelp, policy, now_ms)
            }
            RecoveryPhase::Verifying { .. } => Vec::new(),
            RecoveryPhase::AwaitingApproval { .. } if !is_ill => {
                self.phase = RecoveryPhase::Idle;
                vec![RecoveryEvent::NoLongerNeeded]
            }
            RecoveryPhase::AwaitingApproval { .. } => Vec::new(),
            RecoveryPhase::Waiting { until_ms } if now_ms < until_ms => Vec::new(),
            RecoveryPhase::Waiting { .. } | RecoveryPhase::Idle if is_ill => {
                self.phase = RecoveryPhase::Idle;
                self.want_to_start(policy, facts, now_ms)
            }
            RecoveryPhase::Waiting { .. } | RecoveryPhase::Idle => {
                self.phase = RecoveryPhase::Idle;
                if facts.state == HealthState::Healthy {
                    (self.failed_in_a_row, self.is_escalated, self.refused) = (0, false, None);
                }
                Vec::new()
            }
        }
    }

    /// A person says yes.
    pub fn approve(
        &mut self,
        policy: &RecoveryPolicy,
        facts: RecoveryFacts,
        now_ms: i64,
    ) -> Vec<RecoveryEvent> {
        if !matches!(self.phase, RecoveryPhase::AwaitingApproval { .. }) {
            return Vec::new();
        }
        self.started_ms.retain(|at| now_ms - at < HOUR_MS);
        match self.refusal(policy, facts) {
            Some(refusal) => vec![RecoveryEvent::Refused(refusal)],
            None => self.start(policy, now_ms),
        }
    }

    /// The action came to its end.
    pub fn done(&mut self, succeeded: bool, policy: &RecoveryPolicy, now_ms: i64) -> Vec<RecoveryEvent> {
        if !matches!(self.phase, RecoveryPhase::Running { .. }) {
            return Vec::new();
        }
        if succeeded {
            self.phase = RecoveryPhase::Verifying {
                until_ms: now_ms + policy.verify_within_ms,
            };
            Vec::new()
        } else {
            self.fail(RecoveryEvent::ActionFailed, policy, now_ms)
        }
    }

    /// The process ended while an action ran: nobody knows how far it came, so it counts as failed.
    pub fn resume(&mut self, policy: &RecoveryPolicy, now_ms: i64) -> Vec<RecoveryEvent> {
        match self.phase {
            RecoveryPhase::Running { .. } => self.fail(RecoveryEvent::Interrupted, policy, now_ms),
            _ => Vec::new(),
        }
    }

    fn want_to_start(
        &mut self,
        policy: &RecoveryPolicy,
        facts: RecoveryFacts,
        now_ms: i64,
    ) -> Vec<RecoveryEvent> {
        if let Some(refusal) = self.refusal(policy, facts) {
            let is_news = self.refused.replace(refusal) != Some(refusal);
            let mut events = if is_news {
                vec![RecoveryEvent::Refused(refusal)]
            } else {
                Vec::new()
            };
            // A budget that is used up while it is still ill is past what we can do.
            if refusal == RecoveryRefusal::BudgetUsedUp {
                events.extend(self.escalate());
            }
            return events;
        }
        self.refused = None;
        if policy.needs_approval {
            self.phase = RecoveryPhase::AwaitingApproval { since_ms: now_ms };
            return vec![RecoveryEvent::ApprovalAsked];
        }
        self.start(policy, now_ms)
    }

    fn refusal(&self, policy: &RecoveryPolicy, facts: RecoveryFacts) -> Option<RecoveryRefusal> {
        if facts.is_in_maintenance {
            Some(RecoveryRefusal::Maintenance)
        } else if facts.is_consequence {
            Some(RecoveryRefusal::Consequence)
        } else if facts.is_busy {
            Some(RecoveryRefusal::TargetBusy)
        } else if self.started_ms.len() as u64 >= u64::from(policy.per_hour_max) {
            Some(RecoveryRefusal::BudgetUsedUp)
        } else {
            None
        }
    }

    fn start(&mut self, policy: &RecoveryPolicy, now_ms: i64) -> Vec<RecoveryEvent> {
        self.started_ms.push(now_ms);
        if policy.is_dry_run {
            self.phase = RecoveryPhase::Waiting {
                until_ms: now_ms + policy.cooldown_ms.max(policy.backoff_ms),
            };
            return vec![RecoveryEvent::WouldStart];
        }
        self.phase = RecoveryPhase::Running { since_ms: now_ms };
        vec![RecoveryEvent::Start]
    }

    fn got_well(&mut self, policy: &RecoveryPolicy, now_ms: i64) {
        (self.failed_in_a_row, self.is_escalated, self.refused) = (0, false, None);
        self.phase = RecoveryPhase::Waiting {
            until_ms: now_ms + policy.cooldown_ms,
        };
    }

    fn fail(&mut self, event: RecoveryEvent, policy: &RecoveryPolicy, now_ms: i64) -> Vec<RecoveryEvent> {
        self.failed_in_a_row = self.failed_in_a_row.saturating_add(1);
        let doublings = (self.failed_in_a_row - 1).min(20);
        let backoff_ms = policy
            .backoff_ms
            .saturating_mul(1 << doublings)
            .min(policy.backoff_max_ms.max(policy.backoff_ms));
        self.phase = RecoveryPhase::Waiting {
            until_ms: now_ms.saturating_add(backoff_ms.max(policy.cooldown_ms)),
        };
        let mut events = vec![event];
        if self.failed_in_a_row >= policy.escalate_after {
            events.extend(self.escalate());
        }
        events
    }

    fn escalate(&mut self) -> Option<RecoveryEvent> {
        let is_first = !std::mem::replace(&mut self.is_escalated, true);
        is_first.then_some(RecoveryEvent::Escalated)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn facts(state: HealthState) -> RecoveryFacts {
        RecoveryFacts {
            state,
            is_busy: false,
            is_in_maintenance: false,
            is_consequence: false,
        }
    }

    const ILL: HealthState = HealthState::Unhealthy;
    const WELL: HealthState = HealthState::Healthy;

    #[test]
    fn a_repair_that_works_and_one_that_does_not() {
        let policy = RecoveryPolicy::default();
        let mut state = RecoveryState::default();
        assert_eq!(state.decide(&policy, facts(ILL), 0), [RecoveryEvent::Start]);
        assert_eq!(state.decide(&policy, facts(ILL), 10), []);
        assert_eq!(state.done(true, &policy, 1000), []);
        assert_eq!(state.decide(&policy, facts(WELL), 2000), [RecoveryEvent::Worked]);
        assert_eq!(state.decide(&policy, facts(ILL), 3000), [], "cooling down");
        assert_eq!(state.decide(&policy, facts(ILL), 62_000), [RecoveryEvent::Start]);
        assert_eq!(state.done(false, &policy, 62_000), [RecoveryEvent::ActionFailed]);
        assert_eq!(state.decide(&policy, facts(ILL), 122_000), [RecoveryEvent::Start]);
        state.done(true, &policy, 122_000);
        assert_eq!(
            state.decide(&policy, facts(ILL), 242_000),
            [RecoveryEvent::DidNotHelp, RecoveryEvent::Escalated]
        );
        assert_eq!(
            state.decide(&policy, facts(ILL), 400_000),
            [RecoveryEvent::Refused(RecoveryRefusal::BudgetUsedUp)],
            "three in this hour, and a person knows already"
        );
        assert_eq!(state.decide(&policy, facts(ILL), 400_001), []);
    }

    #[test]
    fn approval_dry_run_and_planned_work() {
        let policy = RecoveryPolicy {
            needs_approval: true,
            ..RecoveryPolicy::default()
        };
        let mut state = RecoveryState::default();
        assert_eq!(state.approve(&policy, facts(ILL), 0), []);
        assert_eq!(
            state.decide(&policy, facts(ILL), 0),
            [RecoveryEvent::ApprovalAsked]
        );
        assert_eq!(state.approve(&policy, facts(ILL), 5), [RecoveryEvent::Start]);
        let dry = RecoveryPolicy {
            is_dry_run: true,
            ..RecoveryPolicy::default()
        };
        let mut state = RecoveryState::default();
        assert_eq!(state.decide(&dry, facts(ILL), 0), [RecoveryEvent::WouldStart]);
        assert_eq!(state.decide(&dry, facts(ILL), 1), []);
        let mut state = RecoveryState::default();
        let planned = RecoveryFacts {
            is_in_maintenance: true,
            ..facts(ILL)
        };
        assert_eq!(
            state.decide(&RecoveryPolicy::default(), planned, 0),
            [RecoveryEvent::Refused(RecoveryRefusal::Maintenance)]
        );
    }

    #[test]
    fn what_was_running_at_a_crash_counts_as_failed() {
        let policy = RecoveryPolicy::default();
        let mut state = RecoveryState::default();
        state.decide(&policy, facts(ILL), 0);
        let json = serde_json::to_string(&state).unwrap();
        let mut state: RecoveryState = serde_json::from_str(&json).unwrap();
        assert_eq!(state.resume(&policy, 5), [RecoveryEvent::Interrupted]);
        assert_eq!(state.decide(&policy, facts(ILL), 10), []);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1000))]
        /// Whatever happens: the budget of any hour holds, the cooldown holds, and nothing starts while something runs.
        #[test]
        fn never_beyond_its_budget(
            steps in proptest::collection::vec((0i64..400_000, 0u8..8), 1..300),
            per_hour_max in 0u32..5,
            needs_approval: bool,
        ) {
            let policy = RecoveryPolicy { per_hour_max, needs_approval, ..RecoveryPolicy::default() };
            let mut state = RecoveryState::default();
            let (mut now_ms, mut starts, mut running) = (0, Vec::new(), false);
            let mut ended_ms = i64::MIN / 2;
            for (step_ms, what) in steps {
                now_ms += step_ms;
                let events = match what {
                    0 => state.done(true, &policy, now_ms),
                    1 => state.done(false, &policy, now_ms),
                    2 | 3 => state.decide(&policy, facts(WELL), now_ms),
                    4 => state.approve(&policy, facts(ILL), now_ms),
                    5 => state.decide(&policy, RecoveryFacts { is_busy: true, ..facts(ILL) }, now_ms),
                    _ => state.decide(&policy, facts(ILL), now_ms),
                };
                if what < 2 && running {
                    running = false;
                    ended_ms = now_ms;
                }
                if events.contains(&RecoveryEvent::Start) {
                    prop_assert!(!running && what != 5);
                    prop_assert!(now_ms - ended_ms >= policy.cooldown_ms || needs_approval);
                    running = true;
                    starts.push(now_ms);
                    let in_hour = starts.iter().filter(|at| now_ms - **at < HOUR_MS).count();
                    prop_assert!(in_hour as u32 <= per_hour_max, "{in_hour} starts in an hour");
                }
            }
        }
    }
}
