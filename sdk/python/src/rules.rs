//! Rules as the server has them, evaluated when Python asks: conditions in plain words or PromQL, `for`, `recover`, `no_data`.

use crate::errors;
use crate::store::Store;
use lapwing::sdk::fork_gate;
use lapwing_judge::rules::{
    OwnRule, QueryEvaluator, Replay, RuleGroup, Rules, RulesOptions, RulesState, Tick, compile_own_rules,
};
use lapwing_query::QueryOptions;
use lapwing_store::metrics::MetricsStore;
use lapwing_types::{Alert, AlertEvent, AlertState, Labels};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use serde_json::{Value, json};
use std::sync::{Mutex, PoisonError};

struct Judging {
    rules: Rules,
    state: RulesState,
    last_ms: i64,
}

/// Rules and what they remember.
#[pyclass(frozen, module = "lapwing._native")]
pub(crate) struct RuleSet {
    judging: Mutex<Judging>,
}

fn group_of(json: &str, options: &RulesOptions) -> PyResult<RuleGroup> {
    let own: Vec<OwnRule> = serde_json::from_str(json).map_err(|e| errors::value(&e))?;
    let numbered: Vec<(OwnRule, u64)> = own.into_iter().zip(1..).collect();
    compile_own_rules("python", &numbered, options).map_err(|problems| {
        let reasons: Vec<String> = problems.into_iter().map(|p| p.reason).collect();
        PyValueError::new_err(reasons.join("; "))
    })
}

fn compile(json: &str) -> PyResult<Rules> {
    let options = RulesOptions::default();
    Ok(Rules::new(vec![group_of(json, &options)?], options))
}

fn pairs(labels: &Labels) -> serde_json::Map<String, Value> {
    labels.iter().map(|(n, v)| (n.to_owned(), json!(v))).collect()
}

fn alert(alert: &Alert) -> Value {
    json!({
        "name": alert.name(),
        "labels": pairs(&alert.labels),
        "annotations": pairs(&alert.annotations),
        "severity": alert.severity().as_str(),
        "starts_at_ms": alert.starts_at_ms,
        "ends_at_ms": alert.ends_at_ms,
    })
}

/// One look of rules at a store. What they write about themselves is kept there, so that rules may speak of other rules.
fn evaluate(judging: &mut Judging, store: &MetricsStore, now_ms: i64) -> PyResult<Tick> {
    let snapshot = store.snapshot();
    let mut evaluator = QueryEvaluator::new(&snapshot, QueryOptions::default(), 1);
    let tick = judging
        .rules
        .evaluate_at(now_ms, &mut evaluator, &mut judging.state);
    let mut appender = store.appender("rules", now_ms);
    appender.append_batch(&tick.samples);
    appender.commit().map_err(|e| errors::runtime(&e))?;
    // Nothing of ours is written to disk: the rows to sync are dropped.
    let _ = judging.state.take_changes();
    Ok(tick)
}

fn happened(event: &AlertEvent) -> Value {
    let mut shown = alert(&event.alert);
    shown["kind"] = json!(event.kind);
    shown["at_ms"] = json!(event.at_ms);
    shown["value"] = if event.value.is_finite() {
        json!(event.value)
    } else {
        Value::Null
    };
    shown
}

fn told(judging: &Judging, tick: &Tick) -> Value {
    let events: Vec<Value> = tick.events.iter().map(happened).collect();
    let rules: Vec<Value> = judging
        .rules
        .view(&judging.state)
        .into_iter()
        .flat_map(|group| group.rules)
        .map(|rule| json!({"name": rule.name, "state": rule.state, "health": rule.health, "error": rule.last_error}))
        .collect();
    let firing: Vec<Value> = judging.rules.firing(&judging.state).iter().map(alert).collect();
    json!({"events": events, "firing": firing, "rules": rules})
}

#[pymethods]
impl RuleSet {
    /// From a JSON list of rules.
    #[new]
    fn new(rules: &str) -> PyResult<Self> {
        Ok(RuleSet {
            judging: Mutex::new(Judging {
                rules: compile(rules)?,
                state: RulesState::default(),
                last_ms: 0,
            }),
        })
    }

    /// Other rules; those that stay keep what they remember.
    fn replace(&self, rules: &str) -> PyResult<()> {
        let rules = compile(rules)?;
        self.lock().rules = rules;
        Ok(())
    }

    /// Looks now: what happened, what fires, how each rule stands; JSON.
    fn check(&self, py: Python<'_>, store: &Store, now_ms: i64) -> PyResult<String> {
        let store = store.store.clone();
        py.detach(|| {
            let _gate = fork_gate();
            let mut judging = self.lock();
            // Two looks in one millisecond are two looks.
            let now_ms = now_ms.max(judging.last_ms + 1);
            judging.last_ms = now_ms;
            let tick = evaluate(&mut judging, &store, now_ms)?;
            Ok(told(&judging, &tick).to_string())
        })
    }

    /// What the first rule became, as JSON.
    #[staticmethod]
    fn explain(rule: &str) -> PyResult<String> {
        let rule: OwnRule = serde_json::from_str(rule).map_err(|e| errors::value(&e))?;
        let explained = lapwing_judge::rules::explain(&rule).map_err(PyValueError::new_err)?;
        serde_json::to_string(&explained).map_err(|e| errors::runtime(&e))
    }

    /// Whether the condition of the first rule is true of the store now, for any label set: `for` does not count.
    #[staticmethod]
    fn is_true(rule: &str, store: &Store, now_ms: i64) -> PyResult<bool> {
        let mut own: OwnRule = serde_json::from_str(rule).map_err(|e| errors::value(&e))?;
        own.for_ = None;
        own.enabled = true;
        let json = serde_json::to_string(&[own]).map_err(|e| errors::runtime(&e))?;
        let mut judging = Judging {
            rules: compile(&json)?,
            state: RulesState::default(),
            last_ms: now_ms,
        };
        let tick = evaluate(&mut judging, &store.store, now_ms)?;
        let failed = judging
            .rules
            .view(&judging.state)
            .into_iter()
            .flat_map(|g| g.rules)
            .find_map(|r| r.last_error);
        match failed {
            Some(reason) => Err(PyValueError::new_err(reason)),
            None => Ok(tick
                .events
                .iter()
                .any(|e| e.kind == lapwing_types::AlertEventKind::Firing)),
        }
    }

    /// What the rules would have done over a range of the store, as the server's back-test has it: what they record is laid over the past, and
    /// nothing is kept. Events, and the reasons of rules that failed, as JSON.
    #[staticmethod]
    fn backtest(
        py: Python<'_>,
        rules: &str,
        store: &Store,
        start_ms: i64,
        end_ms: i64,
        step_ms: i64,
    ) -> PyResult<String> {
        if step_ms <= 0 || end_ms < start_ms {
            return Err(PyValueError::new_err(
                "a back-test needs a step and a range that does not end before it starts",
            ));
        }
        let options = RulesOptions {
            interval_ms: step_ms,
            ..RulesOptions::default()
        };
        let mut group = group_of(rules, &options)?;
        group.interval_ms = step_ms;
        let store = store.store.clone();
        py.detach(|| {
            let snapshot = {
                let _gate = fork_gate();
                store.snapshot()
            };
            let mut replay = Replay::new(vec![group], options, &snapshot, start_ms);
            let mut events = Vec::new();
            let replayed = replay.run((start_ms, end_ms), &mut |_, told| {
                events.extend(told.iter().map(happened));
            });
            Ok(json!({"events": events, "failures": replayed.failures}).to_string())
        })
    }

    /// How many label sets of rules are pending or firing.
    fn active(&self) -> usize {
        let judging = self.lock();
        let views = judging.rules.alerts_view(&judging.state);
        views
            .alerts
            .iter()
            .filter(|a| a.state != AlertState::Inactive.as_str())
            .count()
    }
}

impl RuleSet {
    fn lock(&self) -> std::sync::MutexGuard<'_, Judging> {
        self.judging.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(crate) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<RuleSet>()
}
