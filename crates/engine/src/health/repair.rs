//! Which repairs are due, and what is written down about them. Decides with `judge::health`; `runner` acts afterwards.

use super::board::Board;
use super::event::AuditEntry;
use super::spec::{Action, RecoverySpec};
use lapwing_judge::health::{RecoveryEvent, RecoveryFacts, RecoveryPhase, RecoveryState, ShardFact};
use lapwing_types::HealthState;
use std::collections::BTreeSet;

/// Something to be done, after the write that says so.
#[derive(Clone, Debug)]
pub(super) struct Effect {
    pub(super) target: String,
    pub(super) name: String,
    pub(super) action: Action,
    pub(super) timeout_ms: i64,
}

/// A repair bound to what it repairs.
struct Bound {
    /// `check/NAME` or `model/NAME`.
    target: String,
    spec: RecoverySpec,
    facts: RecoveryFacts,
}

fn key(target: &str, name: &str) -> String {
    format!("repair/{target}/{name}")
}

impl Board {
    /// Repairs that were not known a moment ago. What was under way when the process ended is over.
    pub(super) fn resume_repairs(&mut self, now_ms: i64) {
        for bound in self.bound(now_ms) {
            let key = key(&bound.target, &bound.spec.name);
            if self.repairs.contains_key(&key) {
                continue;
            }
            let kept = self.rows.get(&key).cloned();
            let mut state: RecoveryState = kept
                .and_then(|v| serde_json::from_value(v).ok())
                .unwrap_or_default();
            let events = state.resume(&bound.spec.policy, now_ms);
            self.keep_repair(&key, state);
            self.note_events(&bound, &events, ("lapwing", ""), now_ms);
        }
    }

    /// Of all repairs that something names.
    pub(super) fn repair_keys(&self) -> BTreeSet<String> {
        let models = self.options.models.iter().flat_map(|m| {
            let target = format!("model/{}", m.name);
            m.recovery.iter().map(move |r| key(&target, &r.name))
        });
        let checks = self.options.checks.iter().flat_map(|c| {
            let target = format!("check/{}", c.name);
            c.recovery.iter().map(move |r| key(&target, &r.name))
        });
        models.chain(checks).collect()
    }

    pub(super) fn decide_repairs(&mut self, now_ms: i64) {
        if self.repairs.is_empty() {
            return;
        }
        for mut bound in self.bound(now_ms) {
            let key = key(&bound.target, &bound.spec.name);
            let Some(mut state) = self.repairs.get(&key).cloned() else {
                continue;
            };
            let before = state.clone();
            bound.facts.is_busy = self.is_busy(&bound.target, &key);
            let events = state.decide(&bound.spec.policy, bound.facts, now_ms);
            if state != before {
                self.keep_repair(&key, state);
            }
            self.note_events(&bound, &events, ("lapwing", ""), now_ms);
        }
    }

    /// A person says yes; the words say what followed. `None` when there is no such repair.
    pub(super) fn approve(
        &mut self,
        target: &str,
        name: &str,
        by: &str,
        now_ms: i64,
    ) -> Option<Vec<RecoveryEvent>> {
        let mut bound = self
            .bound(now_ms)
            .into_iter()
            .find(|b| b.target == target && b.spec.name == name)?;
        let key = key(target, name);
        let mut state = self.repairs.get(&key)?.clone();
        bound.facts.is_busy = self.is_busy(target, &key);
        let events = state.approve(&bound.spec.policy, bound.facts, now_ms);
        self.keep_repair(&key, state);
        self.note_events(&bound, &events, (by, "approved"), now_ms);
        Some(events)
    }

    /// What would be done now for this target's state, without doing it.
    pub(super) fn rehearse(&self, target: &str, name: &str, now_ms: i64) -> Option<Vec<RecoveryEvent>> {
        let mut bound = self
            .bound(now_ms)
            .into_iter()
            .find(|b| b.target == target && b.spec.name == name)?;
        let key = key(target, name);
        let mut state = self.repairs.get(&key)?.clone();
        bound.facts.is_busy = self.is_busy(target, &key);
        Some(state.decide(&bound.spec.policy, bound.facts, now_ms))
    }

    /// The action came to its end.
    pub(super) fn repaired(&mut self, effect: &Effect, result: &Result<String, String>, now_ms: i64) {
        let found = self.bound(now_ms).into_iter();
        let Some(bound) = found
            .into_iter()
            .find(|b| b.target == effect.target && b.spec.name == effect.name)
        else {
            return;
        };
        let key = key(&effect.target, &effect.name);
        let Some(mut state) = self.repairs.get(&key).cloned() else {
            return;
        };
        let events = state.done(result.is_ok(), &bound.spec.policy, now_ms);
        self.keep_repair(&key, state);
        let (Ok(detail) | Err(detail)) = result;
        let step = if result.is_ok() {
            "action_done"
        } else {
            "action_error"
        };
        self.audit(&bound, step, ("lapwing", detail), now_ms);
        self.note_events(&bound, &events, ("lapwing", ""), now_ms);
        if result.is_err() {
            self.tell_shards(&effect.target, &ShardFact::RestartFailed, now_ms);
        }
    }

    /// One at a time per target.
    fn is_busy(&self, target: &str, but: &str) -> bool {
        let prefix = format!("repair/{target}/");
        let of_target = self
            .repairs
            .range(prefix.clone()..)
            .take_while(|(key, _)| key.starts_with(&prefix));
        of_target.filter(|(key, _)| *key != but).any(|(_, s)| {
            matches!(
                s.phase,
                RecoveryPhase::Running { .. } | RecoveryPhase::Verifying { .. }
            )
        })
    }

    fn bound(&self, now_ms: i64) -> Vec<Bound> {
        let mut all = Vec::new();
        let mut add = |target: String, specs: &[RecoverySpec], (state, planned): (HealthState, bool)| {
            for spec in specs {
                all.push(Bound {
                    facts: RecoveryFacts {
                        state,
                        is_busy: false,
                        is_in_maintenance: planned,
                        is_consequence: self.excuse(&target, now_ms).is_some(),
                    },
                    target: target.clone(),
                    spec: spec.clone(),
                });
            }
        };
        for (spec, live) in self.options.models.iter().zip(&self.models) {
            if !spec.recovery.is_empty() {
                let planned = self.maintenance_of(&spec.name, None, now_ms).is_some();
                add(
                    format!("model/{}", spec.name),
                    &spec.recovery,
                    (live.row.state, planned),
                );
            }
        }
        for (spec, live) in self.options.checks.iter().zip(&self.checks) {
            if !spec.recovery.is_empty() {
                let model = spec.model.as_ref().map(|p| p.model.as_str());
                let planned = self.maintenance_of(&spec.name, model, now_ms).is_some();
                add(
                    format!("check/{}", spec.name),
                    &spec.recovery,
                    (live.row.state.state, planned),
                );
            }
        }
        all
    }

    fn keep_repair(&mut self, key: &str, state: RecoveryState) {
        self.rows
            .insert(key, serde_json::to_value(&state).unwrap_or_default());
        self.repairs.insert(key.to_owned(), state);
    }

    fn note_events(
        &mut self,
        bound: &Bound,
        events: &[RecoveryEvent],
        (by, detail): (&str, &str),
        now_ms: i64,
    ) {
        for event in events {
            let mut said = detail.to_owned();
            let step = match event {
                RecoveryEvent::Refused(refusal) => {
                    said = word(refusal);
                    "refused".to_owned()
                }
                other => word(other),
            };
            self.audit(bound, &step, (by, &said), now_ms);
            if *event == RecoveryEvent::Start {
                self.effects.push(Effect {
                    target: bound.target.clone(),
                    name: bound.spec.name.clone(),
                    action: bound.spec.action.clone(),
                    timeout_ms: bound.spec.timeout_ms,
                });
                self.tell_shards(&bound.target, &ShardFact::RestartBegun, now_ms);
            }
        }
    }

    /// A repair of a model restarts those of its shards that are dead.
    fn tell_shards(&mut self, target: &str, fact: &ShardFact, now_ms: i64) {
        let Some(model) = target.strip_prefix("model/") else {
            return;
        };
        let Some(m) = self.model_at(model) else {
            return;
        };
        let down: Vec<String> = self.models[m]
            .row
            .fleet
            .shards
            .iter()
            .filter(|(_, s)| !s.state.serves())
            .map(|(name, _)| name.clone())
            .collect();
        for shard in down {
            self.shard_fact(model, &shard, fact, now_ms);
        }
    }

    fn audit(&mut self, bound: &Bound, step: &str, (by, detail): (&str, &str), now_ms: i64) {
        tracing::info!(
            target = bound.target,
            action = bound.spec.name,
            step,
            detail,
            "repair"
        );
        let (name, kind) = (&bound.spec.name, bound.spec.action.kind());
        self.record_audit(AuditEntry {
            at_ms: now_ms,
            target: bound.target.clone(),
            // One without a name is called as its kind.
            action: if name == kind {
                kind.to_owned()
            } else {
                format!("{name} ({kind})")
            },
            step: step.to_owned(),
            by: by.to_owned(),
            detail: detail.chars().take(500).collect(),
        });
    }
}

/// The word that serde writes for it.
pub(super) fn word(value: &impl serde::Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => word,
        Ok(other) => other.to_string(),
        Err(_) => String::new(),
    }
}
