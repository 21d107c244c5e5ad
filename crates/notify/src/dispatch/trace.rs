//! Where an alert with these labels would go, and why: the walk of dispatch, told and not done.

use super::dispatcher::Dispatcher;
use crate::config::{GroupBy, Route};
use lapwing_types::{Labels, format_duration_ms};
use serde::{Deserialize, Serialize};

/// What became of an alert at one route.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The alert stays here: its receiver is told.
    Taken,
    /// It matches, and a route below takes it.
    PassedOn,
    /// A matcher does not hold.
    NotMatched,
    /// An earlier route took it and does not continue.
    NotReached,
    /// Nobody asked.
    Untested,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct MatcherView {
    pub text: String,
    /// What the alert has for this label; absent without an alert.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub found: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub holds: Option<bool>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RouteView {
    pub id: String,
    pub receiver: String,
    pub verdict: Verdict,
    pub matchers: Vec<MatcherView>,
    pub group_by: Vec<String>,
    /// The labels that name the alert's group, where it is taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<Labels>,
    pub group_wait: String,
    pub group_interval: String,
    pub repeat_interval: String,
    pub continues: bool,
    pub mute_time_intervals: Vec<String>,
    pub active_time_intervals: Vec<String>,
    pub routes: Vec<RouteView>,
}

/// Everything that would become of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Traced {
    /// In the order in which they are told, each once.
    pub receivers: Vec<String>,
    /// Ids of silences that would keep it quiet.
    pub silenced_by: Vec<String>,
    /// The firing alert that would keep it quiet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inhibited_by: Option<InhibitedView>,
    /// Rules that would keep it quiet while one of their sources fires.
    #[serde(default)]
    pub inhibitable_by: Vec<InhibitRuleView>,
    /// One for each route that takes it.
    #[serde(default)]
    pub told: Vec<ToldView>,
    /// Who is told when nobody acknowledges it.
    #[serde(default)]
    pub escalations: Vec<StepView>,
    pub route: RouteView,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct InhibitedView {
    pub fingerprint: String,
    pub rule: String,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct InhibitRuleView {
    pub rule: String,
    pub source: Vec<String>,
    /// Labels that must be the same on both.
    pub equal: Vec<String>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ToldView {
    pub receiver: String,
    /// Kinds of its channels; none tells nobody.
    pub channels: Vec<String>,
    pub group: Labels,
    pub group_wait: String,
    pub group_interval: String,
    pub repeat_interval: String,
    /// Time intervals that keep this route quiet now.
    pub muted_by: Vec<String>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct StepView {
    pub chain: String,
    pub after: String,
    /// `schedule models`.
    pub to: String,
    /// Who that is now; absent when nobody is on call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receiver: Option<String>,
    pub repeat: u32,
}

impl Dispatcher {
    pub fn trace(&self, labels: &Labels, now_ms: i64) -> Traced {
        let config = self.config();
        let told: Vec<ToldView> = config
            .route
            .matching(labels)
            .into_iter()
            .map(|route| self.told_by(route, labels, now_ms))
            .collect();
        let mut receivers: Vec<String> = Vec::new();
        for one in &told {
            if !receivers.contains(&one.receiver) {
                receivers.push(one.receiver.clone());
            }
        }
        let inhibited_by = self
            .inhibition
            .source_of(&config.inhibit_rules, labels)
            .map(|(print, rule)| InhibitedView {
                fingerprint: print.to_string(),
                rule: rule.to_owned(),
            });
        let targets = config.inhibit_rules.iter().filter(|r| r.is_target(labels));
        Traced {
            receivers,
            silenced_by: self.silences_of(labels, now_ms),
            inhibited_by,
            inhibitable_by: targets
                .map(|rule| InhibitRuleView {
                    rule: rule.name.clone(),
                    source: rule.source.iter().map(ToString::to_string).collect(),
                    equal: rule.equal.clone(),
                })
                .collect(),
            told,
            escalations: self.escalations_of(labels, now_ms),
            route: trace_route(&config.route, Some(labels), true),
        }
    }

    fn told_by(&self, route: &Route, labels: &Labels, now_ms: i64) -> ToldView {
        let receiver = self.config().receivers.get(&route.receiver);
        let channels = receiver.into_iter().flat_map(|r| &r.channels);
        ToldView {
            receiver: route.receiver.clone(),
            channels: channels.map(|c| c.kind().to_owned()).collect(),
            group: route.group_by.labels_of(labels),
            group_wait: format_duration_ms(route.group_wait_ms),
            group_interval: format_duration_ms(route.group_interval_ms),
            repeat_interval: format_duration_ms(route.repeat_interval_ms),
            muted_by: self.muting_intervals(route, now_ms),
        }
    }

    fn escalations_of(&self, labels: &Labels, now_ms: i64) -> Vec<StepView> {
        let extras = &self.config().extras;
        let chains = extras.escalations.iter();
        let concerned = chains.filter(|c| c.matchers.iter().all(|m| m.matches_labels(labels)));
        let steps = concerned.flat_map(|chain| chain.steps.iter().map(move |step| (chain, step)));
        steps
            .map(|(chain, step)| StepView {
                chain: chain.name.clone(),
                after: format_duration_ms(step.after_ms),
                to: step.whom.to_string(),
                receiver: extras
                    .receiver_of(&step.whom, now_ms)
                    .map(|(receiver, _)| receiver),
                repeat: step.repeat,
            })
            .collect()
    }
}

/// The same walk as `Route::matching`, telling what happened at every route; a test holds the two together.
pub fn trace_route(route: &Route, labels: Option<&Labels>, is_reached: bool) -> RouteView {
    let matchers: Vec<MatcherView> = route
        .matchers
        .iter()
        .map(|m| MatcherView {
            text: m.to_string(),
            found: labels.map(|l| l.get(&m.name).unwrap_or("").to_owned()),
            holds: labels.map(|l| m.matches_labels(l)),
        })
        .collect();
    let matched = labels.is_some() && is_reached && matchers.iter().all(|m| m.holds == Some(true));
    let mut open = matched;
    let mut below = false;
    let mut routes = Vec::with_capacity(route.routes.len());
    for child in &route.routes {
        let view = trace_route(child, labels, open);
        let took = matches!(view.verdict, Verdict::Taken | Verdict::PassedOn);
        below |= took;
        open &= !took || child.goes_on;
        routes.push(view);
    }
    let verdict = match (labels, is_reached, matched, below) {
        (None, ..) => Verdict::Untested,
        (_, false, ..) => Verdict::NotReached,
        (_, _, false, _) => Verdict::NotMatched,
        (_, _, _, true) => Verdict::PassedOn,
        _ => Verdict::Taken,
    };
    RouteView {
        id: route.id.clone(),
        receiver: route.receiver.clone(),
        verdict,
        matchers,
        group_by: match &route.group_by {
            GroupBy::All => vec!["...".to_owned()],
            GroupBy::Labels(names) => names.clone(),
        },
        group: labels
            .filter(|_| verdict == Verdict::Taken)
            .map(|l| route.group_by.labels_of(l)),
        group_wait: format_duration_ms(route.group_wait_ms),
        group_interval: format_duration_ms(route.group_interval_ms),
        repeat_interval: format_duration_ms(route.repeat_interval_ms),
        continues: route.goes_on,
        mute_time_intervals: route.mute_time_intervals.clone(),
        active_time_intervals: route.active_time_intervals.clone(),
        routes,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::load_notify_config;
    use crate::dispatch::DispatchState;
    use std::sync::Arc;

    const TREE: &str = r#"
route:
  receiver: root
  routes:
    - receiver: a
      matchers: [severity="critical"]
      continue: true
      routes:
        - receiver: a1
          matchers: [team="x"]
        - receiver: a2
          matchers: [team=~"x|y"]
    - receiver: b
      matchers: [team="x"]
    - receiver: c
      matchers: [severity="critical"]
receivers: [{ name: root }, { name: a }, { name: a1 }, { name: a2 }, { name: b }, { name: c }]
"#;

    fn taken(view: &RouteView, out: &mut Vec<String>) {
        view.routes.iter().for_each(|r| taken(r, out));
        if view.verdict == Verdict::Taken {
            out.push(view.id.clone());
        }
    }

    fn verdict(view: &RouteView, receiver: &str) -> Option<Verdict> {
        if view.receiver == receiver {
            return Some(view.verdict);
        }
        view.routes.iter().find_map(|r| verdict(r, receiver))
    }

    #[test]
    fn the_trace_agrees_with_what_dispatch_does() {
        let config = load_notify_config(TREE, &[], "").expect("it is valid");
        for severity in ["critical", "warning", ""] {
            for team in ["x", "y", "z", ""] {
                let labels = Labels::from_pairs([("severity", severity), ("team", team)]).unwrap();
                let mut ids = Vec::new();
                taken(&trace_route(&config.route, Some(&labels), true), &mut ids);
                let real: Vec<String> = config
                    .route
                    .matching(&labels)
                    .iter()
                    .map(|r| r.id.clone())
                    .collect();
                assert_eq!(ids, real, "{labels}");
            }
        }
    }

    #[test]
    fn every_route_says_why() {
        let config = load_notify_config(TREE, &[], "").expect("it is valid");
        let labels = Labels::from_pairs([("severity", "critical"), ("team", "x")]).unwrap();
        let view = trace_route(&config.route, Some(&labels), true);
        for (receiver, expect) in [
            ("root", Verdict::PassedOn),
            ("a", Verdict::PassedOn),
            ("a1", Verdict::Taken),
            ("a2", Verdict::NotReached),
            ("b", Verdict::Taken),
            ("c", Verdict::NotReached),
        ] {
            assert_eq!(verdict(&view, receiver), Some(expect), "{receiver}");
        }
    }

    #[test]
    fn everything_that_could_keep_it_quiet_or_wake_more_is_named() {
        let yaml = r#"
route:
  receiver: nobody
  group_by: [model]
  routes: [{ receiver: team, matchers: ["model=chat"], mute_time_intervals: [always] }]
receivers:
  - { name: nobody }
  - { name: team, webhook_configs: [{ url: "http://127.0.0.1:1/" }] }
  - { name: ana-phone }
time_intervals: [{ name: always, time_intervals: [{ times: [{ start_time: "00:00", end_time: "24:00" }] }] }]
inhibit_rules: [{ name: root, source_matchers: [severity="critical"], target_matchers: [severity="warning"], equal: [model] }]
lapwing:
  people: [{ name: ana, receiver: ana-phone }]
  escalations: [{ name: e, matchers: [severity="warning"], steps: [{ after: 5m, person: ana, repeat: 2 }] }]
  recurring_silences: [{ name: nightly, matchers: ["model=chat"], during: [always] }]
"#;
        let config = load_notify_config(yaml, &[], "").unwrap();
        let mut dispatcher = Dispatcher::new(Arc::new(config), DispatchState::default(), 0);
        let labels = |severity: &str| {
            Labels::from_pairs([("alertname", "a"), ("model", "chat"), ("severity", severity)]).unwrap()
        };
        let before = dispatcher.trace(&labels("warning"), 1_000);
        assert_eq!(before.receivers, ["team"]);
        assert_eq!(before.silenced_by, ["recurring/nightly"]);
        assert_eq!(before.told[0].channels, ["webhook"]);
        assert_eq!(before.told[0].muted_by, ["always"]);
        assert_eq!(before.told[0].group.to_string(), r#"{model="chat"}"#);
        assert!(before.inhibited_by.is_none());
        assert_eq!(before.inhibitable_by[0].source, [r#"severity="critical""#]);
        let step = &before.escalations[0];
        assert_eq!(
            (&*step.after, &*step.to, step.receiver.as_deref()),
            ("5m", "person ana", Some("ana-phone"))
        );
        dispatcher.apply_alerts(
            [lapwing_types::Alert {
                labels: labels("critical"),
                ..lapwing_types::Alert::default()
            }],
            1_000,
        );
        let after = dispatcher.trace(&labels("warning"), 2_000);
        assert_eq!(after.inhibited_by.unwrap().rule, "root");
        assert!(
            dispatcher
                .trace(&labels("critical"), 2_000)
                .escalations
                .is_empty()
        );
    }
}
