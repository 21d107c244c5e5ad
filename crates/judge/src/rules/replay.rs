//! Rules over the past, or over a table: the same tick as in production, with a clock that goes where it is told.
//!
//! Nothing is written anywhere: what rules record is laid over the source for as long as the replay lives.

use super::evaluate::{Evaluate, Evaluated};
use super::group::{RuleGroup, RulesOptions};
use super::query::QueryEvaluator;
use super::state::RulesState;
use super::tick::{Rules, Tick};
use lapwing_query::QueryOptions;
use lapwing_store::SeriesSource;
use lapwing_types::{AlertEvent, AlertEventKind, Labels, SeriesWrite};
use serde::Serialize;
use std::collections::BTreeMap;

pub struct Replay<'a> {
    rules: Rules,
    state: RulesState,
    evaluator: QueryEvaluator<'a>,
}

/// From firing to resolved.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FiredInterval {
    pub rule: String,
    pub labels: Labels,
    pub start_ms: i64,
    /// None: it fires still.
    pub end_ms: Option<i64>,
    /// At the start.
    pub value: f64,
}

/// What a rule set would have done.
#[derive(Clone, Debug, Default)]
pub struct Replayed {
    pub intervals: Vec<FiredInterval>,
    pub evaluations: u64,
    /// Rule and reason, each once.
    pub failures: BTreeMap<String, String>,
}

impl<'a> Replay<'a> {
    /// The first slot of every group is `start_ms`, the others follow at its interval.
    pub fn new(
        mut groups: Vec<RuleGroup>,
        options: RulesOptions,
        source: &'a dyn SeriesSource,
        start_ms: i64,
    ) -> Self {
        for group in &mut groups {
            group.phase_ms = Some(start_ms.rem_euclid(group.interval_ms.max(1)));
        }
        let options = RulesOptions {
            catch_up_max_ms: i64::MAX / 4,
            slots_per_tick_max: usize::MAX,
            ..options
        };
        let mut replay = Replay {
            rules: Rules::new(groups, options),
            state: RulesState::default(),
            evaluator: QueryEvaluator::new(source, QueryOptions::default(), 1),
        };
        // The first sight of a group evaluates nothing: it says after which slot the next one comes.
        replay.tick(start_ms - 1);
        replay
    }

    /// Samples that the source does not have.
    pub fn given(&mut self, written: &[SeriesWrite]) {
        self.evaluator.remember(written);
    }

    /// Evaluates every slot until `to_ms`, in order of time across groups.
    pub fn tick(&mut self, to_ms: i64) -> Tick {
        self.rules.tick(to_ms, &mut self.evaluator, &mut self.state)
    }

    /// The greatest step that lands on every slot.
    pub fn step_ms(&self) -> i64 {
        let intervals = self.rules.groups().iter().map(|g| g.interval_ms.max(1));
        intervals.reduce(gcd).unwrap_or(60_000)
    }

    /// Answers over the source and what was recorded.
    pub fn ask(&self, expr: &str, at_ms: i64) -> Result<Vec<Evaluated>, String> {
        self.evaluator.instant(expr, at_ms).map_err(|e| e.reason)
    }

    pub fn rules(&self) -> &Rules {
        &self.rules
    }

    pub fn state(&self) -> &RulesState {
        &self.state
    }

    /// From `start_ms` to `end_ms`; each tick's events are shown to `see` as they happen.
    pub fn run(
        &mut self,
        (start_ms, end_ms): (i64, i64),
        see: &mut dyn FnMut(i64, &[AlertEvent]),
    ) -> Replayed {
        let step_ms = self.step_ms();
        let mut replayed = Replayed::default();
        let mut open: BTreeMap<(String, Labels), usize> = BTreeMap::new();
        let mut now_ms = start_ms;
        while now_ms <= end_ms {
            let tick = self.tick(now_ms);
            replayed.evaluations += tick.evaluations;
            if tick.failures > 0 {
                replayed.failures.extend(self.failures());
            }
            for event in &tick.events {
                note(event, &mut open, &mut replayed.intervals);
            }
            see(now_ms, &tick.events);
            now_ms += step_ms;
        }
        replayed
    }

    fn failures(&self) -> Vec<(String, String)> {
        let groups = self.rules.view(&self.state);
        let rules = groups.into_iter().flat_map(|g| g.rules);
        rules.filter_map(|r| r.last_error.map(|e| (r.name, e))).collect()
    }
}

fn note(
    event: &AlertEvent,
    open: &mut BTreeMap<(String, Labels), usize>,
    intervals: &mut Vec<FiredInterval>,
) {
    let key = (event.rule.rule.clone(), event.alert.labels.clone());
    match event.kind {
        AlertEventKind::Firing => {
            open.insert(key, intervals.len());
            intervals.push(FiredInterval {
                rule: event.rule.rule.clone(),
                labels: event.alert.labels.clone(),
                start_ms: event.at_ms,
                end_ms: None,
                value: event.value,
            });
        }
        AlertEventKind::Resolved | AlertEventKind::RuleRemoved => {
            if let Some(interval) = open.remove(&key).and_then(|i| intervals.get_mut(i)) {
                interval.end_ms = Some(event.at_ms);
            }
        }
        _ => {}
    }
}

fn gcd(a: i64, b: i64) -> i64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// A source without anything: what is given to a replay lies over it.
pub struct NoSeries;

impl SeriesSource for NoSeries {
    fn select(
        &self,
        _: &lapwing_store::Selection,
    ) -> Result<Vec<lapwing_store::SelectedSeries>, lapwing_store::ReadError> {
        Ok(Vec::new())
    }

    fn label_names(&self, _: &lapwing_store::Selection) -> Result<Vec<String>, lapwing_store::ReadError> {
        Ok(Vec::new())
    }

    fn label_values(
        &self,
        _: &str,
        _: &lapwing_store::Selection,
    ) -> Result<Vec<String>, lapwing_store::ReadError> {
        Ok(Vec::new())
    }
}
