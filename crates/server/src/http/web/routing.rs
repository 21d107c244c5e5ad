//! Where an alert with these labels would go, and why.

use crate::http::AppState;
use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use lapwing_notify::config::{GroupBy, Route};
use lapwing_types::{Labels, format_duration_ms};
use serde::{Deserialize, Serialize};

/// What became of an alert at one route.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Verdict {
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

#[derive(Debug, Serialize)]
struct MatcherView {
    text: String,
    /// What the alert has for this label; absent without an alert.
    #[serde(skip_serializing_if = "Option::is_none")]
    found: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    holds: Option<bool>,
}

#[derive(Debug, Serialize)]
struct RouteView {
    id: String,
    receiver: String,
    verdict: Verdict,
    matchers: Vec<MatcherView>,
    group_by: Vec<String>,
    /// The labels that name the alert's group, where it is taken.
    #[serde(skip_serializing_if = "Option::is_none")]
    group: Option<Labels>,
    group_wait: String,
    group_interval: String,
    repeat_interval: String,
    continues: bool,
    mute_time_intervals: Vec<String>,
    active_time_intervals: Vec<String>,
    routes: Vec<RouteView>,
}

pub(super) async fn tree(State(state): State<AppState>) -> Response {
    let config = state.engine.paging().look(|d| d.config().clone());
    Json(trace(&config.route, None, true)).into_response()
}

#[derive(Debug, Deserialize)]
pub(super) struct TestRequest {
    labels: Labels,
}

#[derive(Debug, Serialize)]
struct TestAnswer {
    /// In the order in which they are told, each once.
    receivers: Vec<String>,
    /// Ids of silences that would keep it quiet.
    silenced_by: Vec<String>,
    route: RouteView,
}

pub(super) async fn test(State(state): State<AppState>, Json(request): Json<TestRequest>) -> Response {
    let now_ms = state.engine.now_ms();
    let (config, silenced_by) = state
        .engine
        .paging()
        .look(|d| (d.config().clone(), d.silences_of(&request.labels, now_ms)));
    let mut receivers: Vec<String> = Vec::new();
    for route in config.route.matching(&request.labels) {
        if !receivers.contains(&route.receiver) {
            receivers.push(route.receiver.clone());
        }
    }
    Json(TestAnswer {
        receivers,
        silenced_by,
        route: trace(&config.route, Some(&request.labels), true),
    })
    .into_response()
}

/// The same walk as [`Route::matching`], telling what happened at every route; a test holds the two together.
fn trace(route: &Route, labels: Option<&Labels>, is_reached: bool) -> RouteView {
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
        let view = trace(child, labels, open);
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
    use lapwing_notify::config::load_notify_config;

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
                taken(&trace(&config.route, Some(&labels), true), &mut ids);
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
        let view = trace(&config.route, Some(&labels), true);
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
}
