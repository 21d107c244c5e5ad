//! One tick: every group that is due is evaluated at its slots, in order.

use super::alerting::{Evaluation, event_of, generator_url};
use super::evaluate::{Evaluate, Evaluated};
use super::group::{Rule, RuleGroup, RuleKind, RulesOptions};
use super::schedule::{due, slot_before};
use super::state::{GroupMemory, Instance, Now, RuleMemory, RulesState};
use super::template::Expander;
use lapwing_types::{
    ALERT_NAME, Alert, AlertEvent, AlertEventKind, AlertState, Counts, Decision, DecisionReason,
    DecisionStep, FloatHistogram, Histogram, Labels, METRIC_NAME, RuleRef, Sample, SeriesWrite, WriteBatch,
    stale_nan,
};
use std::collections::{HashMap, HashSet};
use std::hash::{Hash, Hasher};

/// All rules that are in force.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    pub(crate) groups: Vec<RuleGroup>,
    pub(crate) options: RulesOptions,
    /// Of all keys: tells whether the state has been compared with these rules already.
    generation: u64,
}

/// What a tick found out.
#[derive(Debug, Default)]
pub struct Tick {
    /// Recorded series, `ALERTS`, `ALERTS_FOR_STATE` and staleness markers.
    pub samples: WriteBatch,
    pub events: Vec<AlertEvent>,
    pub decisions: Vec<Decision>,
    pub evaluations: u64,
    pub failures: u64,
    /// Slots are left that were due: tick again soon.
    pub more: bool,
}

impl Rules {
    /// Groups whose file and name are taken already are the later ones' loss; the caller has validated.
    pub fn new(mut groups: Vec<RuleGroup>, options: RulesOptions) -> Self {
        for group in &mut groups {
            group.assign_keys();
        }
        let mut hasher = std::hash::DefaultHasher::new();
        for rule in groups.iter().flat_map(|g| &g.rules) {
            rule.key.hash(&mut hasher);
        }
        Rules {
            groups,
            options,
            generation: hasher.finish(),
        }
    }

    pub fn groups(&self) -> &[RuleGroup] {
        &self.groups
    }

    pub fn options(&self) -> &RulesOptions {
        &self.options
    }

    /// What fires, as the state has it: for whoever must agree with it after a start.
    pub fn firing(&self, state: &RulesState) -> Vec<Alert> {
        let mut all = Vec::new();
        for group in &self.groups {
            for rule in &group.rules {
                let memory = state.rules.get(&rule.key).into_iter();
                let instances = memory.flat_map(|m| m.instances.values());
                for instance in instances.filter(|i| i.state == AlertState::Firing) {
                    let at_ms = instance.fired_at_ms.unwrap_or(instance.active_at_ms);
                    let mut alert = event_of(group, rule, instance, (AlertEventKind::Firing, at_ms)).alert;
                    if let RuleKind::Alerting(alerting) = &rule.kind {
                        alert.generator_url =
                            generator_url(&self.options.external_url, alerting.condition.expr());
                    }
                    all.push(alert);
                }
            }
        }
        all
    }

    /// Evaluates what is due. The first time a group is seen, its first slot is the next one.
    pub fn tick(&self, now_ms: i64, evaluator: &mut dyn Evaluate, state: &mut RulesState) -> Tick {
        let mut tick = Tick::default();
        if state.compared_with != Some(self.generation) {
            self.forget_removed(now_ms, state, &mut tick);
            state.compared_with = Some(self.generation);
        }
        evaluator.prepare(self.questions(now_ms, state));
        for group in &self.groups {
            let key = group.key();
            let Some(memory) = state.groups.get(&key).cloned() else {
                let first = GroupMemory {
                    last_slot_ms: slot_before(group, now_ms),
                    slots_skipped: 0,
                };
                state.groups.insert(key, first);
                continue;
            };
            let due = due(group, memory.last_slot_ms, now_ms, &self.options);
            tick.more |= due.more;
            let mut previous_ms = memory.last_slot_ms;
            for slot_ms in &due.slots_ms {
                let written = self.slot(group, (*slot_ms, previous_ms), (evaluator, state), &mut tick);
                tick.samples.series.extend(written);
                previous_ms = *slot_ms;
            }
            if previous_ms != memory.last_slot_ms || due.skipped > 0 {
                let updated = GroupMemory {
                    last_slot_ms: previous_ms,
                    slots_skipped: memory.slots_skipped + due.skipped,
                };
                state.groups.insert(key, updated);
            }
        }
        self.keep_what_others_say(state, &mut tick.events);
        tick.decisions = tick.events.iter().map(decision).collect();
        tick
    }

    /// Evaluates every group once at `now_ms`, due or not: for whoever decides himself when to look, such as a program that
    /// checks its alerts by calling for it. A call that is not later than the last one evaluates nothing.
    pub fn evaluate_at(&self, now_ms: i64, evaluator: &mut dyn Evaluate, state: &mut RulesState) -> Tick {
        let mut tick = Tick::default();
        if state.compared_with != Some(self.generation) {
            self.forget_removed(now_ms, state, &mut tick);
            state.compared_with = Some(self.generation);
        }
        for group in &self.groups {
            let key = group.key();
            let before = state.groups.get(&key).map_or(now_ms - 1, |m| m.last_slot_ms);
            if now_ms <= before {
                continue;
            }
            let written = self.slot(group, (now_ms, before), (evaluator, state), &mut tick);
            tick.samples.series.extend(written);
            let memory = GroupMemory {
                last_slot_ms: now_ms,
                slots_skipped: 0,
            };
            state.groups.insert(key, memory);
        }
        self.keep_what_others_say(state, &mut tick.events);
        tick.decisions = tick.events.iter().map(decision).collect();
        tick
    }

    /// Two rules may speak of one alert, by name and labels. It ends with the last of them: an end that one of them says
    /// while the other fires would be a false one.
    fn keep_what_others_say(&self, state: &RulesState, events: &mut [AlertEvent]) {
        let is_end =
            |e: &AlertEvent| matches!(e.kind, AlertEventKind::Resolved | AlertEventKind::RuleRemoved);
        let ended: HashSet<Labels> = events
            .iter()
            .filter(|e| is_end(e))
            .map(|e| e.alert.labels.clone())
            .collect();
        if ended.is_empty() {
            return;
        }
        let rules = self.groups.iter().flat_map(|g| &g.rules);
        let instances = rules
            .filter_map(|rule| state.rules.get(&rule.key))
            .flat_map(|memory| memory.instances.values());
        let said: HashSet<&Labels> = instances
            .filter(|i| i.state == AlertState::Firing && ended.contains(&i.labels))
            .map(|i| &i.labels)
            .collect();
        for event in events.iter_mut().filter(|e| is_end(e)) {
            if said.contains(&event.alert.labels) {
                event.kind = AlertEventKind::Kept;
                event.alert.ends_at_ms = None;
            }
        }
    }

    /// Expressions of alerting rules that are due and read nothing that rules write: these are independent of each other.
    fn questions(&self, now_ms: i64, state: &RulesState) -> Vec<(String, i64)> {
        let recorded: HashSet<&str> = self
            .groups
            .iter()
            .flat_map(|g| &g.rules)
            .filter(|r| matches!(r.kind, RuleKind::Recording))
            .map(|r| r.name.as_str())
            .chain(["ALERTS", "ALERTS_FOR_STATE"])
            .collect();
        let depends = |expr: &str| {
            let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
            // A selector that names no metric may read anything.
            expr.contains("__name__") || expr.split(|c| !is_word(c)).any(|w| recorded.contains(w))
        };
        let mut questions = Vec::new();
        for group in &self.groups {
            let Some(memory) = state.groups.get(&group.key()) else {
                continue;
            };
            for slot_ms in due(group, memory.last_slot_ms, now_ms, &self.options).slots_ms {
                for rule in &group.rules {
                    if let RuleKind::Alerting(alerting) = &rule.kind
                        && !depends(alerting.condition.expr())
                    {
                        let at_ms = slot_ms - group.query_offset_ms;
                        questions.push((alerting.condition.expr().to_owned(), at_ms));
                    }
                }
            }
        }
        questions
    }

    fn slot(
        &self,
        group: &RuleGroup,
        (slot_ms, previous_slot_ms): (i64, i64),
        (evaluator, state): (&mut dyn Evaluate, &mut RulesState),
        tick: &mut Tick,
    ) -> Vec<SeriesWrite> {
        let hold = state.hold(&group.key(), slot_ms);
        let mut all = Vec::new();
        for rule in &group.rules {
            tick.evaluations += 1;
            let before = state.rules.get(&rule.key).cloned().unwrap_or_default();
            let begun_s = evaluator.stopwatch_s();
            let expander = Expander {
                evaluator,
                options: &self.options,
                at_ms: slot_ms - group.query_offset_ms,
            };
            let result = match &rule.kind {
                RuleKind::Recording => record(group, rule, &expander, &before)
                    .map(|(memory, written)| (memory, HashMap::new(), Vec::new(), written)),
                RuleKind::Alerting(alerting) => {
                    let evaluation = Evaluation {
                        group,
                        rule,
                        alerting,
                        slot_ms,
                        previous_slot_ms,
                        hold,
                        expander,
                    };
                    evaluation.run(&before).map(|verdict| {
                        let at_ms = slot_ms - group.query_offset_ms;
                        let written = alert_samples(&before, &verdict.memory, at_ms);
                        (verdict.memory, verdict.now, verdict.events, written)
                    })
                }
            };
            let asked = match &rule.kind {
                RuleKind::Recording => rule.expr.as_str(),
                RuleKind::Alerting(alerting) => alerting.condition.expr(),
            };
            let status = state.status.entry(rule.key.clone()).or_default();
            status.last_evaluation_ms = Some(slot_ms);
            status.took_s = evaluator.stopwatch_s() - begun_s
                + evaluator.prepared_s(asked, slot_ms - group.query_offset_ms);
            match result {
                Err(reason) => {
                    tick.failures += 1;
                    status.last_error = Some(reason);
                }
                Ok((memory, now, events, written)) => {
                    status.last_error = None;
                    status.now = keep_active(now, &memory);
                    if memory != before {
                        state.rules.insert(rule.key.clone(), memory);
                    }
                    tick.events.extend(events);
                    evaluator.remember(&written);
                    all.extend(written);
                }
            }
        }
        all
    }

    /// Rules that left the configuration take their alerts and their series with them.
    fn forget_removed(&self, now_ms: i64, state: &mut RulesState, tick: &mut Tick) {
        let rules: HashSet<&str> = self
            .groups
            .iter()
            .flat_map(|g| g.rules.iter().map(|r| r.key.as_str()))
            .collect();
        let gone: Vec<String> = state
            .rules
            .keys()
            .filter(|k| !rules.contains(k))
            .map(str::to_owned)
            .collect();
        for key in gone {
            let Some(memory) = state.rules.remove(&key) else {
                continue;
            };
            state.status.remove(&key);
            for instance in memory.instances.values() {
                tick.events.push(removed(&key, instance, now_ms));
            }
            let after = RuleMemory::default();
            tick.samples.series.extend(alert_samples(&memory, &after, now_ms));
            tick.samples.series.extend(
                memory
                    .recorded
                    .iter()
                    .map(|l| write(l.clone(), now_ms, stale_nan())),
            );
        }
        let groups: HashSet<String> = self.groups.iter().map(RuleGroup::key).collect();
        let gone: Vec<String> = state
            .groups
            .keys()
            .filter(|k| !groups.contains(*k))
            .map(str::to_owned)
            .collect();
        for key in gone {
            state.groups.remove(&key);
        }
    }
}

fn keep_active(
    now: HashMap<lapwing_types::Fingerprint, Now>,
    memory: &RuleMemory,
) -> HashMap<lapwing_types::Fingerprint, Now> {
    now.into_iter()
        .filter(|(print, _)| memory.instances.contains_key(print))
        .collect()
}

fn removed(key: &str, instance: &Instance, now_ms: i64) -> AlertEvent {
    let mut parts = key.split(super::group::SEPARATOR).map(str::to_owned);
    let mut next = || parts.next().unwrap_or_default();
    let (file, group, _, rule) = (next(), next(), next(), next());
    let shell = RuleGroup {
        file,
        name: group,
        interval_ms: 1,
        query_offset_ms: 0,
        limit: 0,
        phase_ms: None,
        rules: Vec::new(),
    };
    let rule = Rule {
        name: rule,
        expr: String::new(),
        labels: Vec::new(),
        kind: RuleKind::Recording,
        line: 0,
        key: String::new(),
    };
    let kind = match instance.state {
        AlertState::Firing => AlertEventKind::RuleRemoved,
        _ => AlertEventKind::PendingEnded,
    };
    event_of(&shell, &rule, instance, (kind, now_ms))
}

fn record(
    group: &RuleGroup,
    rule: &Rule,
    expander: &Expander<'_>,
    before: &RuleMemory,
) -> Result<(RuleMemory, Vec<SeriesWrite>), String> {
    let vector = expander
        .evaluator
        .instant(&rule.expr, expander.at_ms)
        .map_err(|e| e.reason)?;
    if group.limit > 0 && vector.len() > group.limit {
        return Err(format!(
            "exceeded limit of {} with {} series",
            group.limit,
            vector.len()
        ));
    }
    let mut recorded = HashSet::with_capacity(vector.len());
    let mut written = Vec::with_capacity(vector.len());
    for element in vector {
        let mut builder = element.labels.to_builder();
        builder.set(METRIC_NAME, &*rule.name);
        for (name, value) in &rule.labels {
            builder.set(name, value.clone());
        }
        let labels = builder.build();
        if !recorded.insert(labels.clone()) {
            return Err(
                "vector contains metrics with the same labelset after applying rule labels".to_owned(),
            );
        }
        written.push(series(labels, expander.at_ms, element));
    }
    for labels in before.recorded.iter().filter(|l| !recorded.contains(*l)) {
        written.push(write(labels.clone(), expander.at_ms, stale_nan()));
    }
    let mut recorded: Vec<Labels> = recorded.into_iter().collect();
    recorded.sort();
    let memory = RuleMemory {
        recorded,
        ..RuleMemory::default()
    };
    Ok((memory, written))
}

fn series(labels: Labels, at_ms: i64, element: Evaluated) -> SeriesWrite {
    match element.histogram {
        None => write(labels, at_ms, element.value),
        Some(histogram) => SeriesWrite {
            labels,
            histograms: vec![(at_ms, from_float(&histogram))],
            ..SeriesWrite::default()
        },
    }
}

fn from_float(h: &FloatHistogram) -> Histogram {
    Histogram {
        reset_hint: h.reset_hint,
        schema: h.schema,
        zero_threshold: h.zero_threshold,
        sum: h.sum,
        positive_spans: h.positive_spans.clone(),
        negative_spans: h.negative_spans.clone(),
        counts: Counts::Float {
            count: h.count,
            zero: h.zero_count,
            positive: h.positive.clone(),
            negative: h.negative.clone(),
        },
        custom_bounds: h.custom_bounds.clone(),
    }
}

fn write(labels: Labels, t_ms: i64, value: f64) -> SeriesWrite {
    SeriesWrite {
        labels,
        samples: vec![Sample { t_ms, value }],
        ..SeriesWrite::default()
    }
}

/// `ALERTS` and `ALERTS_FOR_STATE` of what is pending or firing, and markers for what was and is no longer.
fn alert_samples(before: &RuleMemory, after: &RuleMemory, at_ms: i64) -> Vec<SeriesWrite> {
    let mut out = Vec::with_capacity(2 * after.instances.len());
    for instance in after.instances.values() {
        out.push(write(alerts_labels(instance), at_ms, 1.0));
        out.push(write(
            for_state_labels(instance),
            at_ms,
            (instance.active_at_ms as f64 / 1000.0).trunc(),
        ));
    }
    for (print, old) in &before.instances {
        let new = after.instances.get(print);
        if new.is_none_or(|n| n.state != old.state) {
            out.push(write(alerts_labels(old), at_ms, stale_nan()));
        }
        if new.is_none() {
            out.push(write(for_state_labels(old), at_ms, stale_nan()));
        }
    }
    out
}

fn alerts_labels(instance: &Instance) -> Labels {
    let mut builder = instance.labels.to_builder();
    builder.set(METRIC_NAME, "ALERTS");
    builder.set("alertstate", instance.state.as_str());
    builder.build()
}

fn for_state_labels(instance: &Instance) -> Labels {
    let mut builder = instance.labels.to_builder();
    builder.set(METRIC_NAME, "ALERTS_FOR_STATE");
    builder.build()
}

fn decision(event: &AlertEvent) -> Decision {
    let RuleRef { file, group, rule } = &event.rule;
    Decision {
        at_ms: event.at_ms,
        fingerprint: event.alert.fingerprint(),
        alertname: event.alert.labels.get(ALERT_NAME).unwrap_or("").to_owned(),
        step: DecisionStep::Rule,
        reason: match event.kind {
            AlertEventKind::Pending => DecisionReason::Pending,
            AlertEventKind::PendingEnded => DecisionReason::PendingEnded,
            AlertEventKind::Firing | AlertEventKind::Updated => DecisionReason::Firing,
            AlertEventKind::Kept => DecisionReason::Kept,
            AlertEventKind::Resolved => DecisionReason::Resolved,
            AlertEventKind::RuleRemoved => DecisionReason::RuleRemoved,
            AlertEventKind::Held => DecisionReason::Held,
        },
        detail: format!(
            "rule {rule:?} of group {group:?} in {file:?}, value {}",
            event.value
        ),
    }
}
