//! `models[].objectives`: what a model promises becomes rules like any other, in `/api/v1/rules` and `rules explain`.
//!
//! A promise of availability is a burn-rate rule over `lapwing_model_available`, which health writes: two long windows with a
//! short one each that page, and one of days that warns. Over less than three days there is none of it, and a warning says so
//! where the window stands.

use crate::config::diagnostic::Diagnostics;
use crate::config::yaml::Position;
use lapwing::health::ModelSpec;
use lapwing_judge::rules::{
    BURN_PERIOD_MIN_MS, BurnShape, OwnRule, RuleGroup, RulesOptions, Share, compile_own_rules,
};
use lapwing_types::{Severity, format_duration_ms};

/// Where `/api/v1/rules` says that they come from.
const FILE: &str = "models/objectives";

/// Whether a promise over this time is watched by a burn-rate rule.
pub(super) fn is_watched(window_ms: i64) -> bool {
    window_ms >= BURN_PERIOD_MIN_MS
}

pub(super) fn rules(
    models: &[ModelSpec],
    options: &RulesOptions,
    (written, notes): (&mut Vec<OwnRule>, &mut Diagnostics),
) -> Option<RuleGroup> {
    let promised: Vec<OwnRule> = models.iter().filter_map(availability_rule).collect();
    if promised.is_empty() {
        return None;
    }
    let numbered: Vec<(OwnRule, u64)> = promised.iter().map(|rule| (rule.clone(), 0)).collect();
    match compile_own_rules(FILE, &numbered, options) {
        Ok(group) => {
            written.extend(promised);
            Some(group)
        }
        Err(errors) => {
            for error in errors {
                notes.error(
                    Position::default(),
                    "models",
                    format!("objectives: {}", error.reason),
                );
            }
            None
        }
    }
}

fn availability_rule(model: &ModelSpec) -> Option<OwnRule> {
    let objective = model.objectives.availability?;
    if !is_watched(model.objectives.window_ms) {
        return None;
    }
    let name = &model.name;
    Some(OwnRule {
        name: format!("{name}_availability"),
        burn_rate: Some(BurnShape {
            objective: Some(Share(objective)),
            available: Some(format!("lapwing_model_available{{model={name:?}}}")),
            by: vec!["model".to_owned()],
            period: Some(format_duration_ms(model.objectives.window_ms)),
            ..BurnShape::default()
        }),
        severity: Severity::Critical,
        owner: model.owner.clone(),
        model: Some(name.clone()),
        summary: Some(format!(
            "{name} spends its error budget {{{{ $value | humanize }}}} times too fast to stay {} available",
            percent(objective)
        )),
        enabled: true,
        ..OwnRule::default()
    })
}

/// `99.5%` rather than `99.50000000000001%`.
fn percent(share: f64) -> String {
    format!("{}%", (share * 1e8).round() / 1e6)
}

#[cfg(test)]
mod tests {
    use crate::config::{Level, load_text};

    const MODEL: &str = "models:\n  - name: chat\n    endpoints: [{ url: http://a }]\n    owner: ml\n    objectives: { availability: 99.5% }\n";

    #[test]
    fn a_promise_of_availability_is_a_burn_rate_rule() {
        let config = load_text("lapwing.yml", MODEL, &|_| None).config.unwrap();
        let groups = &config.alerting.paging.groups;
        let group = groups.iter().find(|g| g.file == "models/objectives").unwrap();
        let alerts: Vec<&str> = group.rules.iter().map(|r| r.name.as_str()).collect();
        let records = ["lapwing_burn_rate"; 5];
        assert_eq!(alerts, [&records[..], &["chat_availability"; 2]].concat());
        assert_eq!(
            group.rules[0].expr,
            "(1 - avg by (model) (avg_over_time(lapwing_model_available{model=\"chat\"}[5m]))) / 0.005"
        );
        let written = &config.alerting.own_rules;
        let rule = written.iter().find(|r| r.name == "chat_availability").unwrap();
        assert_eq!(
            (rule.owner.as_deref(), rule.model.as_deref()),
            (Some("ml"), Some("chat"))
        );
        assert!(rule.summary.as_deref().unwrap().contains("99.5% available"));
    }

    #[test]
    fn no_promise_no_rule() {
        let text = MODEL.replace("availability: 99.5%", "p95_latency: 2s");
        let config = load_text("lapwing.yml", &text, &|_| None).config.unwrap();
        let groups = &config.alerting.paging.groups;
        assert!(groups.iter().all(|g| g.file != "models/objectives"));
    }

    #[test]
    fn a_promise_over_too_short_a_time_has_no_rule_and_a_warning() {
        let text = MODEL.replace("availability: 99.5%", "availability: 99.5%, window: 1d");
        let loaded = load_text("lapwing.yml", &text, &|_| None);
        let said = &loaded.diagnostics[0];
        assert_eq!((said.level, said.line), (Level::Warning, 5), "{said:?}");
        assert!(said.path.ends_with("objectives.window"), "{said:?}");
        let groups = &loaded.config.unwrap().alerting.paging.groups;
        assert!(groups.iter().all(|g| g.file != "models/objectives"));
    }
}
