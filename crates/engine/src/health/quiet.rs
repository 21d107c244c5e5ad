//! Why nobody is paged about something that fails: it is a consequence of something else, or under planned work.
//!
//! The rules of the pack `health` leave out what is suppressed, so no alert ever begins. The record says it all the same,
//! under the alert that there would have been: once when it begins, and again when the reason changes.

use super::board::Board;
use lapwing_types::{
    ALERT_NAME, Decision, DecisionReason, DecisionStep, Fingerprint, HealthState, SEVERITY_LABEL,
};

/// The alerts of the pack `health` by whom they are about and how bad it is, with their severities.
const ALERTS: [(&str, HealthState, &str, &str); 6] = [
    ("model", HealthState::Critical, "model_critical", "critical"),
    ("model", HealthState::Unhealthy, "model_unhealthy", "critical"),
    ("model", HealthState::Degraded, "model_degraded", "warning"),
    ("check", HealthState::Critical, "check_failing", "critical"),
    ("check", HealthState::Unhealthy, "check_failing", "critical"),
    ("check", HealthState::Degraded, "check_degraded", "warning"),
];

/// Something that is looked at: a model, or a check that stands alone.
#[derive(Clone, Copy)]
pub(super) enum Subject {
    Model(usize),
    Check(usize),
}

impl Board {
    /// `why` is what keeps it quiet, if anything does.
    pub(super) fn note_quiet(
        &mut self,
        subject: Subject,
        why: Option<(DecisionReason, String)>,
        now_ms: i64,
    ) {
        let (kind, name, state) = match subject {
            Subject::Model(m) => ("model", &self.options.models[m].name, self.models[m].row.state),
            Subject::Check(i) => (
                "check",
                &self.options.checks[i].name,
                self.checks[i].row.state.state,
            ),
        };
        let node = format!("{kind}/{name}");
        let alert = ALERTS.iter().find(|(of, bad, ..)| *of == kind && *bad == state);
        let (Some((_, _, alertname, severity)), Some((reason, detail))) = (alert, why) else {
            self.quiet.remove(&node);
            return;
        };
        let said = format!("{alertname} {detail}");
        if self.quiet.insert(node, said.clone()).as_ref() == Some(&said) {
            return;
        }
        let scope = [("scope", "check".to_owned())];
        let series = match subject {
            Subject::Model(m) => self.models[m].labels.labels("lapwing_health_state", &[]),
            Subject::Check(i) => self.checks[i].labels.labels("lapwing_health_state", &scope),
        };
        let mut labels = series.without_name().to_builder();
        labels.set(ALERT_NAME, *alertname);
        labels.set(SEVERITY_LABEL, *severity);
        self.decisions.push(Decision {
            at_ms: now_ms,
            fingerprint: Fingerprint::of(&labels.build()),
            alertname: (*alertname).to_owned(),
            step: DecisionStep::Health,
            reason,
            detail,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lapwing_judge::packs::PACKS;

    #[test]
    fn the_pack_has_every_alert_that_is_named_here() {
        let pack = PACKS.iter().find(|p| p.name == "health").unwrap();
        let rules = pack.rules().unwrap();
        for (kind, _, alert, severity) in ALERTS {
            let (rule, _) = rules.iter().find(|(r, _)| r.name == alert).unwrap();
            assert_eq!(rule.severity.as_str(), severity, "{alert}");
            assert!(rule.condition.contains(&format!("scope=\"{kind}\"")), "{alert}");
            assert!(rule.condition.contains("lapwing_health_suppressed"), "{alert}");
        }
    }
}
