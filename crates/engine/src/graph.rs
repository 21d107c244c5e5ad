//! The graph of an alert: value against threshold, for the pages that carry pictures.
//!
//! The alert of a rule is drawn from what the rule compares; one that another program sent, from the expression in its
//! address, if its samples are here. Whatever goes wrong, the page leaves without a picture: one is drawn at a time, and
//! nobody waits for it longer than [`DRAWING_TIME_MAX`].

use crate::compute::Compute;
use crate::paging::Paging;
use crate::queries::{Queries, QueryRequest, StepRange};
use lapwing_chart::{AlertGraph, Unit, alert_graph, to_png};
use lapwing_judge::rules::{Alerting, Drawn, Rule, RuleKind};
use lapwing_notify::message::{Notification, Picture};
use lapwing_query::{QueryValue, Series};
use lapwing_types::{Alert, Labels, METRIC_NAME};
use std::time::Duration;

/// A page waits no longer for its picture.
const DRAWING_TIME_MAX: Duration = Duration::from_secs(3);
/// What was before it began is half of what one wants to see.
const BEFORE_MS: i64 = 3_600_000;
/// Of a long trouble, the last day.
const SPAN_MS_MAX: i64 = 24 * 3_600_000;
const POINTS: i64 = 240;
/// Pictures in mails and chats are looked at on screens with two pixels for one.
const SCALE: f32 = 2.0;

pub(crate) struct Graphs {
    queries: Queries,
    /// In a storm pictures are the last thing that the machine should be busy with.
    pool: Compute,
}

/// What is drawn, and what it is called.
struct Plan {
    alert: Alert,
    drawn: Drawn,
    /// As it was written.
    condition: String,
    for_ms: i64,
    range: StepRange,
}

impl Graphs {
    pub(crate) fn new(queries: Queries) -> Self {
        Graphs {
            queries,
            pool: Compute::new("graph", 1),
        }
    }

    /// Nothing where there is nothing to draw, or not in time.
    pub(crate) async fn draw(&self, paging: &Paging, notification: &Notification) -> Option<Picture> {
        let plan = plan(paging, notification)?;
        tokio::time::timeout(DRAWING_TIME_MAX, self.carry_out(plan))
            .await
            .ok()
            .flatten()
    }

    async fn carry_out(&self, plan: Plan) -> Option<Picture> {
        let request = QueryRequest {
            expr: plan.drawn.expr.clone(),
            lookback_ms: None,
            timeout_ms: i64::try_from(DRAWING_TIME_MAX.as_millis()).ok(),
            explain: false,
        };
        let answered = self.queries.range(request, plan.range).await.ok()?;
        let QueryValue::Matrix(series) = answered.result.value else {
            return None;
        };
        let graph = graph_of(&plan, series)?;
        let text = words(&graph);
        let png = self.pool.run(move || to_png(&alert_graph(&graph), SCALE)).await;
        match png {
            Ok(Ok(png)) => Some(Picture { png, text }),
            Ok(Err(error)) => {
                tracing::warn!(%error, "the graph of an alert could not be drawn");
                None
            }
            Err(_) => None,
        }
    }
}

/// The worst of what fires, the oldest first.
fn plan(paging: &Paging, notification: &Notification) -> Option<Plan> {
    let now_ms = notification.now_ms;
    let firing = notification.alerts.iter().filter(|a| !a.is_resolved_at(now_ms));
    let alert = firing.min_by_key(|a| (std::cmp::Reverse(a.severity()), a.starts_at_ms))?;
    let of_rule = paging.look_at_rules(|rules, _| {
        let mut all = rules.groups().iter().flat_map(|g| &g.rules);
        all.find_map(|rule| said_by(rule, alert))
    });
    let (drawn, condition, for_ms) = match of_rule {
        Some(found) => found,
        None => {
            let expr = expr_of_address(&alert.generator_url)?;
            (Drawn::of_filter(&expr), expr, 0)
        }
    };
    Some(Plan {
        range: range_of(alert.starts_at_ms - for_ms, now_ms),
        alert: alert.clone(),
        drawn,
        condition,
        for_ms,
    })
}

/// Counted from the end: the newest samples, for a new series the only ones, stand at the last point.
fn range_of(pending_ms: i64, now_ms: i64) -> StepRange {
    let start_ms = (pending_ms - BEFORE_MS).max(now_ms - SPAN_MS_MAX);
    let step_ms = ((now_ms - start_ms) / POINTS / 1000 * 1000).max(1000);
    StepRange {
        start_ms: now_ms - (now_ms - start_ms) / step_ms * step_ms,
        end_ms: now_ms,
        step_ms,
    }
}

/// A rule that bears the alert's name and puts no other labels on it than the alert has.
fn said_by(rule: &Rule, alert: &Alert) -> Option<(Drawn, String, i64)> {
    let RuleKind::Alerting(alerting) = &rule.kind else {
        return None;
    };
    let fits = |(name, value): &(String, String)| {
        value.contains("{{") || alert.labels.get(name).unwrap_or("") == value
    };
    let is_it = rule.name == alert.name() && rule.labels.iter().all(fits);
    let Alerting {
        condition, for_ms, ..
    } = &**alerting;
    is_it.then(|| (condition.drawn(), rule.expr.clone(), *for_ms))
}

/// `…/graph?g0.expr=up+%3D%3D+0&g0.tab=1`, as Prometheus writes it and we do.
fn expr_of_address(address: &str) -> Option<String> {
    let (_, query) = address.split_once('?')?;
    let value = query.split('&').find_map(|pair| pair.strip_prefix("g0.expr="))?;
    let mut bytes = Vec::with_capacity(value.len());
    let mut rest = value.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let digits = [rest.next()?, rest.next()?];
                let digits = std::str::from_utf8(&digits).ok()?;
                u8::from_str_radix(digits, 16).ok()?
            }
            byte => byte,
        });
    }
    String::from_utf8(bytes).ok().filter(|expr| !expr.is_empty())
}

/// The series of this alert, and what to write beside them; nothing without a single point.
fn graph_of(plan: &Plan, series: Vec<Series>) -> Option<AlertGraph> {
    let of_alert = |s: &Series| {
        let mut pairs = s.labels.iter().filter(|(name, _)| *name != METRIC_NAME);
        pairs.all(|(name, value)| plan.alert.labels.get(name).is_none_or(|has| has == value))
    };
    let (alert, range) = (&plan.alert, plan.range);
    let series: Vec<(String, Vec<(i64, f64)>)> = series
        .into_iter()
        .filter(|s| !s.floats.is_empty() && of_alert(s))
        .map(|s| (name_of(&s.labels, &alert.labels), s.floats))
        .collect();
    if series.is_empty() {
        return None;
    }
    let since_ms = alert.starts_at_ms.max(range.start_ms);
    let pending_ms = (alert.starts_at_ms - plan.for_ms).max(range.start_ms);
    Some(AlertGraph {
        title: format!("{}{}", alert.name(), subject(&alert.labels)),
        expr: plan.condition.clone(),
        unit: Unit::of_expr(&plan.drawn.expr),
        start_ms: range.start_ms,
        end_ms: range.end_ms,
        step_ms: range.step_ms,
        threshold: plan.drawn.threshold,
        pending: (pending_ms < since_ms)
            .then_some((pending_ms, since_ms))
            .into_iter()
            .collect(),
        firing: vec![(since_ms, range.end_ms)],
        series,
    })
}

/// Where it is, in the words that most alerts have.
fn subject(labels: &Labels) -> String {
    let found = ["model", "instance", "job"]
        .into_iter()
        .find_map(|name| labels.get(name));
    found.map(|value| format!(" · {value}")).unwrap_or_default()
}

/// What tells the series from others of the same alert.
fn name_of(labels: &Labels, alert: &Labels) -> String {
    let own = labels
        .iter()
        .filter(|(name, _)| *name != METRIC_NAME && alert.get(name).is_none());
    let own: Vec<String> = own.map(|(name, value)| format!("{name}={value}")).collect();
    match own.as_slice() {
        [] => labels.metric_name().unwrap_or("value").to_owned(),
        several => several.join(", "),
    }
}

/// The picture in words.
fn words(graph: &AlertGraph) -> String {
    let last = graph.series.first().and_then(|(_, points)| points.last());
    let value = last
        .map(|(_, v)| format!(": {}", graph.unit.show(*v)))
        .unwrap_or_default();
    let threshold = graph
        .threshold
        .map(|t| format!(" against {}", graph.unit.show(t)));
    format!("{}{value}{}", graph.title, threshold.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_holds_its_expression() {
        let check = |address: &str, expect: Option<&str>| {
            assert_eq!(expr_of_address(address).as_deref(), expect, "{address}");
        };
        check(
            "http://p:9090/graph?g0.expr=up+%3D%3D+0&g0.tab=1",
            Some("up == 0"),
        );
        check(
            "http://p/graph?g0.tab=1&g0.expr=a%7Bb%3D%22%C3%A4%22%7D",
            Some("a{b=\"ä\"}"),
        );
        check("http://p/graph?g0.expr=%4", None);
        check("http://p/graph?g0.expr=", None);
        check("http://p/graph", None);
    }

    #[test]
    fn the_last_point_is_now() {
        for (pending_ms, now_ms) in [(999, 1_001), (5_000_017, 9_000_123), (17, 900_000_777)] {
            let range = range_of(pending_ms, now_ms);
            assert_eq!((range.end_ms - range.start_ms) % range.step_ms, 0, "{range:?}");
            assert_eq!(range.end_ms, now_ms);
            assert!((range.end_ms - range.start_ms) / range.step_ms <= 2 * POINTS);
        }
    }

    #[test]
    fn only_series_of_the_alert_are_drawn() {
        let labels = |pairs: &[(&str, &str)]| Labels::from_pairs(pairs.iter().copied()).unwrap();
        let series = |pairs: &[(&str, &str)]| Series {
            labels: labels(pairs),
            floats: vec![(1_000, 0.97)],
            histograms: Vec::new(),
        };
        let plan = Plan {
            alert: Alert {
                labels: labels(&[("alertname", "Hot"), ("instance", "a"), ("severity", "critical")]),
                starts_at_ms: 900,
                ..Alert::default()
            },
            drawn: Drawn::of_filter("usage_ratio > 0.9"),
            condition: "usage_ratio > 0.9".to_owned(),
            for_ms: 500,
            range: StepRange {
                start_ms: 0,
                end_ms: 1_000,
                step_ms: 100,
            },
        };
        let found = vec![
            series(&[("__name__", "usage_ratio"), ("instance", "a"), ("cpu", "0")]),
            series(&[("__name__", "usage_ratio"), ("instance", "b"), ("cpu", "0")]),
        ];
        let graph = graph_of(&plan, found).unwrap();
        assert_eq!(graph.series.len(), 1);
        assert_eq!(graph.series[0].0, "cpu=0");
        assert_eq!((graph.threshold, graph.unit), (Some(0.9), Unit::Ratio));
        assert_eq!(
            (graph.pending, graph.firing),
            (vec![(400, 900)], vec![(900, 1_000)])
        );
        assert_eq!(
            words(&graph_of(&plan, vec![series(&[])]).unwrap()),
            "Hot · a: 97 % against 90 %"
        );
        assert!(graph_of(&plan, vec![series(&[("instance", "b")])]).is_none());
    }
}
