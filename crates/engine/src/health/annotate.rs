//! What health knows, put on an alert before it is told: why, what else follows from it, and what was done about it.
//!
//! A rule sees one number; the person who is woken asks for the failed look, its phases, the host and the repairs first. Only
//! alerts that carry the name of a model or a check that is not well get something, and nothing that a rule wrote is
//! overwritten.

use super::board::{Board, LastLook};
use super::job::Health;
use lapwing_judge::health::Cause;
use lapwing_types::{AlertEvent, AlertEventKind, HealthState, Labels, format_duration_ms, format_number};
use serde_json::Value;

pub(super) const DIAGNOSIS: &str = "diagnosis";
pub(super) const REPAIRS: &str = "repairs";
pub(super) const CONSEQUENCES: &str = "consequences";
/// An annotation is read on a telephone.
const LOOKS_MAX: usize = 3;
const CONSEQUENCES_MAX: usize = 10;
const STEPS_MAX: usize = 6;
/// Repairs and diagnoses older than this belong to another incident.
const RECENT_MS: i64 = 3_600_000;

/// Of whom an alert speaks.
pub(super) struct Subject {
    /// `model/NAME` or `check/NAME`.
    node: String,
    checks: Vec<usize>,
    state: HealthState,
}

impl Health {
    /// Called before an event goes to dispatch.
    pub(crate) fn annotate(&self, event: &mut AlertEvent, now_ms: i64) {
        if !event.kind.concerns_dispatch() {
            return;
        }
        let found = self.change(|board| {
            let subject = board.subject_of(&event.alert.labels)?;
            board.judge_what_is_new(now_ms);
            Some(board.tell(&subject, event.kind, now_ms))
        });
        let mut annotations = event.alert.annotations.to_builder();
        for (name, text) in found.into_iter().flatten() {
            if event.alert.annotations.get(name).is_none() {
                annotations.set(name, text);
            }
        }
        event.alert.annotations = annotations.build();
    }
}

impl Board {
    pub(super) fn subject_of(&self, labels: &Labels) -> Option<Subject> {
        if let Some(name) = labels.get("check").filter(|n| !n.is_empty()) {
            let i = *self.by_name.get(name)?;
            return Some(Subject {
                node: format!("check/{name}"),
                checks: vec![i],
                state: self.checks[i].row.state.state,
            });
        }
        let name = labels.get("model").filter(|n| !n.is_empty())?;
        let m = self.model_at(name)?;
        Some(Subject {
            node: format!("model/{name}"),
            checks: self.models[m].checks.clone(),
            state: self.models[m].row.state,
        })
    }

    pub(super) fn tell(
        &self,
        subject: &Subject,
        kind: AlertEventKind,
        now_ms: i64,
    ) -> Vec<(&'static str, String)> {
        let mut told = Vec::new();
        let is_over = matches!(kind, AlertEventKind::Resolved | AlertEventKind::RuleRemoved);
        if !is_over && subject.state >= HealthState::Degraded {
            told.push((DIAGNOSIS, self.diagnosis_text(subject, now_ms)));
            told.push((CONSEQUENCES, self.consequences_text(&subject.node)));
        }
        if is_over
            && subject.state.is_failing()
            && let Some(Cause::ConsequenceOf { root }) = self.causes.get(&subject.node)
        {
            let name = subject.node.split_once('/').map_or("", |(_, name)| name);
            let text = format!("{name} still fails: it follows from {root}, which is told instead");
            told.push((DIAGNOSIS, text));
        }
        told.push((REPAIRS, self.repairs_text(&subject.node, now_ms)));
        told.retain(|(_, text)| !text.is_empty());
        told
    }

    fn diagnosis_text(&self, subject: &Subject, now_ms: i64) -> String {
        let mut lines: Vec<String> = subject
            .checks
            .iter()
            .map(|i| (&self.options.checks[*i], &self.checks[*i]))
            .filter(|(_, live)| live.row.state.state >= HealthState::Degraded)
            .take(LOOKS_MAX)
            .filter_map(|(spec, live)| {
                let bad = live.row.last_bad.as_ref()?;
                let good = live.row.last_good.as_ref().map_or_else(
                    || "never good".to_owned(),
                    |good| format!("last good {} ago", ago(now_ms - good.at_ms)),
                );
                Some(format!(
                    "{} is {}: {} ({good})",
                    spec.name,
                    live.row.state.state,
                    said(bad)
                ))
            })
            .collect();
        if let Some(Cause::ConsequenceOf { root }) = self.causes.get(&subject.node) {
            lines.push(format!("it follows from {root}"));
        }
        let newest = self
            .events
            .iter()
            .rev()
            .take_while(|e| now_ms - e.at_ms < RECENT_MS)
            .filter(|e| e.subject == subject.node)
            .take_while(|e| e.is_of_trouble())
            .find(|e| !e.diagnosis.is_null());
        if let Some(event) = newest {
            let moved = event.diagnosis["moved"].as_array().into_iter().flatten();
            let moved: Vec<&str> = moved.filter_map(Value::as_str).take(LOOKS_MAX).collect();
            lines.extend((!moved.is_empty()).then(|| format!("moved: {}", moved.join(", "))));
            let said = |what: &str| {
                Some(format!(
                    "{}: {}",
                    what.replace('_', " "),
                    event.diagnosis[what].as_str()?
                ))
            };
            lines.extend(said("changed"));
            lines.extend(said("gpu_events"));
            let host = event.diagnosis["host"].as_object().into_iter().flatten();
            let host: Vec<String> = host
                .filter_map(|(name, value)| Some(format!("{name} {}", short(value.as_f64()?))))
                .collect();
            let name = event.diagnosis["host"]["name"].as_str().unwrap_or("host");
            lines.extend((!host.is_empty()).then(|| format!("{name}: {}", host.join(", "))));
        }
        lines.join("\n")
    }

    fn consequences_text(&self, node: &str) -> String {
        let all = self.consequences_of(node);
        let more = all.len().saturating_sub(CONSEQUENCES_MAX);
        let mut text = all[..all.len() - more].join(", ");
        if more > 0 {
            text.push_str(&format!(" and {more} more"));
        }
        text
    }

    /// The steps of each action, oldest first.
    fn repairs_text(&self, node: &str, now_ms: i64) -> String {
        let recent: Vec<_> = self
            .audit
            .iter()
            .filter(|e| e.target == node && now_ms - e.at_ms < RECENT_MS)
            .collect();
        let mut lines: Vec<(&str, Vec<&str>)> = Vec::new();
        for entry in &recent[recent.len().saturating_sub(STEPS_MAX)..] {
            match lines.iter_mut().find(|(action, _)| *action == entry.action) {
                Some((_, steps)) => steps.push(&entry.step),
                None => lines.push((&entry.action, vec![&entry.step])),
            }
        }
        let lines = lines
            .iter()
            .map(|(action, steps)| format!("{action}: {}", steps.join(" → ")));
        lines.collect::<Vec<_>>().join("\n")
    }
}

/// `timeout: no answer within 2000 ms; connect 0.001 s, processing 2 s`.
fn said(look: &LastLook) -> String {
    let reason = look.reason.map(|r| format!("{r}: ")).unwrap_or_default();
    let phases: Vec<String> = look
        .phases
        .iter()
        .filter(|(_, seconds)| *seconds >= 0.001)
        .map(|(phase, seconds)| format!("{} {} s", phase.as_str(), short(*seconds)))
        .collect();
    let phases = if phases.is_empty() {
        String::new()
    } else {
        format!("; {}", phases.join(", "))
    };
    format!("{reason}{}{phases}", look.detail)
}

fn ago(ms: i64) -> String {
    format_duration_ms(ms.max(0) / 1000 * 1000)
}

/// Three digits say enough.
fn short(value: f64) -> String {
    format_number((value * 1000.0).round() / 1000.0)
}
