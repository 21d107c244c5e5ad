//! One evaluation of one alerting rule: what is true now moves instances through pending, firing and resolved.
//!
//! Invariants:
//! - A failed evaluation, or one beyond the group's `limit`, changes nothing: an error never resolves an alert.
//! - An instance's `active_at` is the first slot at which it was true; time during which a restart kept us from seeing it
//!   does not count towards `for`.
//! - `for: 0` fires in the slot in which it became true.

use super::condition::{Condition, NoData};
use super::group::{Alerting, Rule, RuleGroup};
use super::state::{Hold, Instance, Known, Now, RuleMemory};
use super::template::Expander;
use lapwing_types::{
    ALERT_NAME, Alert, AlertEvent, AlertEventKind, AlertState, Fingerprint, Labels, METRIC_NAME,
};
use std::collections::HashMap;

/// How many vanished label sets a rule with `no_data` remembers.
const KNOWN_MAX: usize = 10_000;
/// A label set that has been missing for this long is forgotten: it was taken out of service.
const FORGET_AFTER_MS: i64 = 24 * 3_600_000;

pub(super) struct Evaluation<'a> {
    pub(super) group: &'a RuleGroup,
    pub(super) rule: &'a Rule,
    pub(super) alerting: &'a Alerting,
    pub(super) slot_ms: i64,
    pub(super) previous_slot_ms: i64,
    pub(super) hold: Hold,
    pub(super) expander: Expander<'a>,
}

#[derive(Default)]
pub(super) struct Verdict {
    pub(super) memory: RuleMemory,
    pub(super) now: HashMap<Fingerprint, Now>,
    pub(super) events: Vec<AlertEvent>,
}

struct Observed {
    labels: Labels,
    annotations: Labels,
    value: f64,
    is_true: bool,
}

impl Evaluation<'_> {
    pub(super) fn run(&self, before: &RuleMemory) -> Result<Verdict, String> {
        let mut observed = self.observe(before)?;
        let mut verdict = Verdict {
            memory: before.clone(),
            ..Verdict::default()
        };
        if self.alerting.no_data != NoData::Ok {
            self.note_missing(&mut observed, &mut verdict.memory);
        }
        for (print, seen) in &observed {
            if seen.is_true {
                self.true_now(*print, seen, &mut verdict);
            }
            verdict.now.insert(
                *print,
                Now {
                    value: seen.value,
                    annotations: seen.annotations.clone(),
                },
            );
        }
        let absent: Vec<Fingerprint> = verdict
            .memory
            .instances
            .keys()
            .filter(|print| !observed.get(print).is_some_and(|o| o.is_true))
            .copied()
            .collect();
        for print in absent {
            self.not_true_now(print, observed.contains_key(&print), &mut verdict);
        }
        if self.group.limit > 0 && verdict.memory.instances.len() > self.group.limit {
            return Err(format!(
                "exceeded limit of {} with {} alerts; the state is as before",
                self.group.limit,
                verdict.memory.instances.len()
            ));
        }
        Ok(verdict)
    }

    fn observe(&self, before: &RuleMemory) -> Result<HashMap<Fingerprint, Observed>, String> {
        let condition = &self.alerting.condition;
        let at_ms = self.slot_ms - self.group.query_offset_ms;
        let vector = self
            .expander
            .evaluator
            .instant(condition.expr(), at_ms)
            .map_err(|e| e.reason)?;
        let mut observed = HashMap::with_capacity(vector.len());
        for element in vector {
            let labels = self.labels(&element.labels, element.value);
            let print = Fingerprint::of(&labels);
            let active = before.instances.contains_key(&print);
            let is_true = condition.holds(element.value, active);
            let annotations = if is_true {
                self.annotations(&element.labels, element.value)
            } else {
                Labels::empty()
            };
            let twice = observed.insert(
                print,
                Observed {
                    labels,
                    annotations,
                    value: element.value,
                    is_true,
                },
            );
            if twice.is_some() {
                return Err(
                    "vector contains metrics with the same labelset after applying alert labels".to_owned(),
                );
            }
        }
        Ok(observed)
    }

    fn labels(&self, series: &Labels, value: f64) -> Labels {
        let mut builder = series.to_builder();
        builder.remove(METRIC_NAME);
        for (name, text) in &self.rule.labels {
            let value = self.expander.expand(&self.rule.name, text, series, value);
            builder.set(name, value);
        }
        builder.set(ALERT_NAME, &*self.rule.name);
        builder.build()
    }

    fn annotations(&self, series: &Labels, value: f64) -> Labels {
        let mut builder = Labels::empty().to_builder();
        for (name, text) in &self.alerting.annotations {
            builder.set(name, self.expander.expand(&self.rule.name, text, series, value));
        }
        builder.build()
    }

    /// Keeps the list of label sets seen; with `no_data: alert` a missing one counts as true.
    fn note_missing(&self, observed: &mut HashMap<Fingerprint, Observed>, memory: &mut RuleMemory) {
        for (print, seen) in observed.iter() {
            let known = memory.known.get(print);
            if known.is_some_and(|k| k.missing_since_ms.is_none()) || memory.known.len() >= KNOWN_MAX {
                continue;
            }
            memory.known.insert(
                *print,
                Known {
                    labels: seen.labels.clone(),
                    missing_since_ms: None,
                },
            );
        }
        if self.hold != Hold::No {
            return;
        }
        let now = self.slot_ms;
        for (print, known) in &mut memory.known {
            if !observed.contains_key(print) {
                known.missing_since_ms.get_or_insert(now);
            }
        }
        memory.known.retain(|_, k| {
            k.missing_since_ms
                .is_none_or(|since| now - since < FORGET_AFTER_MS)
        });
        if self.alerting.no_data != NoData::Alert {
            return;
        }
        let mut missing: Vec<Labels> = memory
            .known
            .values()
            .filter(|k| k.missing_since_ms.is_some())
            .map(|k| k.labels.clone())
            .collect();
        if memory.known.is_empty() && observed.is_empty() {
            missing.push(self.labels(&Labels::empty(), f64::NAN));
        }
        for labels in missing {
            let mut annotations = self.annotations(&labels, f64::NAN).to_builder();
            annotations.set("no_data", "there is no data for this rule");
            observed.insert(
                Fingerprint::of(&labels),
                Observed {
                    labels,
                    annotations: annotations.build(),
                    value: f64::NAN,
                    is_true: true,
                },
            );
        }
    }

    fn true_now(&self, print: Fingerprint, seen: &Observed, verdict: &mut Verdict) {
        let now = self.slot_ms;
        let is_new = !verdict.memory.instances.contains_key(&print);
        let instance = verdict.memory.instances.entry(print).or_insert_with(|| Instance {
            labels: seen.labels.clone(),
            annotations: seen.annotations.clone(),
            state: AlertState::Pending,
            active_at_ms: now,
            fired_at_ms: None,
            keep_since_ms: None,
            held_since_ms: None,
        });
        instance.keep_since_ms = None;
        instance.held_since_ms = None;
        let ripe = now - instance.active_at_ms >= self.alerting.for_ms;
        let kind = match instance.state {
            AlertState::Firing if instance.annotations != seen.annotations => {
                instance.annotations = seen.annotations.clone();
                Some(AlertEventKind::Updated)
            }
            AlertState::Firing => None,
            _ if ripe && self.hold != Hold::Everything => {
                instance.state = AlertState::Firing;
                instance.fired_at_ms = Some(now);
                instance.annotations = seen.annotations.clone();
                Some(AlertEventKind::Firing)
            }
            _ => is_new.then_some(AlertEventKind::Pending),
        };
        if let Some(kind) = kind {
            let event = self.event(kind, instance, seen.value);
            verdict.events.push(event);
        }
    }

    /// The instance was true before and is not now; `seen`: because it was seen to be false.
    fn not_true_now(&self, print: Fingerprint, seen: bool, verdict: &mut Verdict) {
        let now = self.slot_ms;
        let Some(instance) = verdict.memory.instances.get_mut(&print) else {
            return;
        };
        let value = verdict.now.get(&print).map_or(f64::NAN, |n| n.value);
        let keeps = self.alerting.no_data == NoData::Keep
            && matches!(self.alerting.condition, Condition::Threshold { .. });
        if !seen && (self.hold != Hold::No || keeps) {
            // The time that passed unseen does not bring it nearer to firing.
            if instance.state == AlertState::Pending {
                instance.active_at_ms += now - self.previous_slot_ms;
            }
            if instance.held_since_ms.is_none() {
                instance.held_since_ms = Some(now);
                let event = self.event(AlertEventKind::Held, instance, value);
                verdict.events.push(event);
            }
            return;
        }
        if instance.state == AlertState::Firing && self.alerting.keep_firing_for_ms > 0 {
            let is_first = instance.keep_since_ms.is_none();
            let since = *instance.keep_since_ms.get_or_insert(now);
            if now - since < self.alerting.keep_firing_for_ms {
                if is_first {
                    let event = self.event(AlertEventKind::Kept, instance, value);
                    verdict.events.push(event);
                }
                return;
            }
        }
        let kind = match instance.state {
            AlertState::Firing => AlertEventKind::Resolved,
            _ => AlertEventKind::PendingEnded,
        };
        let event = self.event(kind, instance, value);
        verdict.events.push(event);
        verdict.memory.instances.remove(&print);
    }

    fn event(&self, kind: AlertEventKind, instance: &Instance, value: f64) -> AlertEvent {
        let mut event = event_of(self.group, self.rule, instance, (kind, self.slot_ms));
        event.value = value;
        event.alert.generator_url = generator_url(
            &self.expander.options.external_url,
            self.alerting.condition.expr(),
        );
        event
    }
}

/// What the world hears of an instance; its value is unknown here.
pub(super) fn event_of(
    group: &RuleGroup,
    rule: &Rule,
    instance: &Instance,
    (kind, at_ms): (AlertEventKind, i64),
) -> AlertEvent {
    let ended = matches!(
        kind,
        AlertEventKind::Resolved | AlertEventKind::RuleRemoved | AlertEventKind::PendingEnded
    );
    AlertEvent {
        at_ms,
        kind,
        rule: group.rule_ref(rule),
        value: f64::NAN,
        alert: Alert {
            labels: instance.labels.clone(),
            annotations: instance.annotations.clone(),
            starts_at_ms: instance.fired_at_ms.unwrap_or(instance.active_at_ms),
            ends_at_ms: ended.then_some(at_ms),
            expires: false,
            updated_at_ms: at_ms,
            generator_url: String::new(),
        },
    }
}

pub(super) fn generator_url(external_url: &str, expr: &str) -> String {
    let mut encoded = String::with_capacity(expr.len() * 2);
    for byte in expr.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                encoded.push(char::from(byte));
            }
            b' ' => encoded.push('+'),
            byte => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    format!(
        "{}/graph?g0.expr={encoded}&g0.tab=1",
        external_url.trim_end_matches('/')
    )
}
