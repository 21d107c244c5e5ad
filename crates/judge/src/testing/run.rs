//! One test: samples in, rules over them, and what is not as expected.

use super::file::{AlertTest, ExpectedAlert, ExpectedSample, ExprTest, TestCase, TestFile, duration};
use super::histogram::{Written, parse_histogram, shown as shown_histogram};
use super::series::{parse_labels, parse_series};
use crate::rules::{Evaluated, NoSeries, Replay, RuleGroup};
use lapwing_types::{ALERT_NAME, AlertEvent, Labels, SeriesWrite, parse_duration_ms};
use std::collections::BTreeMap;

/// What was not as expected, and where the expectation stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    pub line: u64,
    pub what: String,
    /// One a line, with `-` and `+`.
    pub expected: Vec<String>,
    pub got: Vec<String>,
}

impl Failure {
    pub fn said(line: u64, what: impl Into<String>) -> Failure {
        Failure {
            line,
            what: what.into(),
            expected: Vec::new(),
            got: Vec::new(),
        }
    }
}

/// `see` is shown the events of each evaluation as it happens, and after the last alert test of it is over.
pub fn run_case(
    file: &TestFile,
    test: &TestCase,
    (mut groups, start_ms): (Vec<RuleGroup>, i64),
    see: &mut dyn FnMut(i64, &[AlertEvent]),
) -> Vec<Failure> {
    let mut failures = Vec::new();
    let (interval_ms, options, series) = match prepare(file, test, start_ms) {
        Ok(ready) => ready,
        Err(failure) => return vec![failure],
    };
    for group in &mut groups {
        group.interval_ms = interval_ms;
    }
    let place = |g: &RuleGroup| file.group_eval_order.iter().position(|n| *n == g.name);
    groups.sort_by_key(|g| place(g).unwrap_or(usize::MAX));
    let mut replay = Replay::new(groups, options, &NoSeries, start_ms);
    replay.given(&series);
    let times = |text: &str, line: u64, failures: &mut Vec<Failure>| match parse_duration_ms(text) {
        Ok(ms) => Some(start_ms + ms),
        Err(e) => {
            failures.push(Failure::said(line, format!("eval_time: {e}")));
            None
        }
    };
    let mut alert_tests = Vec::new();
    for t in &test.alert_rule_test {
        let at = times(&t.value.eval_time, t.referenced.line(), &mut failures);
        alert_tests.extend(at.map(|at| (at, t)));
    }
    let mut expr_tests = Vec::new();
    for t in &test.promql_expr_test {
        let at = times(&t.value.eval_time, t.referenced.line(), &mut failures);
        expr_tests.extend(at.map(|at| (at, t)));
    }
    let last = alert_tests
        .iter()
        .map(|t| t.0)
        .chain(expr_tests.iter().map(|t| t.0))
        .max();
    let watched = match test.until.as_deref().map(parse_duration_ms).transpose() {
        Ok(until) => until.map(|ms| start_ms + ms),
        Err(e) => return vec![Failure::said(1, format!("until: {e}"))],
    };
    let floats_end = |s: &SeriesWrite| s.samples.last().map(|s| s.t_ms);
    let histograms_end = |s: &SeriesWrite| s.histograms.last().map(|(t_ms, _)| *t_ms);
    let ends = series.iter().map(|s| floats_end(s).max(histograms_end(s)));
    let end_of_series = ends.max().flatten();
    let pages_end = test.pages.as_ref().and(end_of_series);
    let end_ms = last.max(watched.or(pages_end)).unwrap_or(start_ms);
    let mut now_ms = start_ms;
    while now_ms <= end_ms {
        let tick = replay.tick(now_ms);
        for (_, t) in alert_tests
            .iter()
            .filter(|(at, _)| (now_ms..now_ms + interval_ms).contains(at))
        {
            failures.extend(check_alerts(&replay, &t.value, t.referenced.line()));
        }
        see(now_ms, &tick.events);
        now_ms += interval_ms;
    }
    for (at_ms, t) in expr_tests {
        failures.extend(check_expr(
            &replay,
            (&t.value, t.referenced.line()),
            at_ms,
            file.fuzzy_compare,
        ));
    }
    failures
}

type Ready = (i64, crate::rules::RulesOptions, Vec<SeriesWrite>);

fn prepare(file: &TestFile, test: &TestCase, start_ms: i64) -> Result<Ready, Failure> {
    let said = |e: String| Failure::said(1, e);
    let interval_ms = file.interval_ms().map_err(said)?;
    let between_ms = duration("interval", test.interval.as_deref(), interval_ms).map_err(said)?;
    let mut series = Vec::new();
    for given in &test.input_series {
        let parsed = parse_series(&given.value.series, &given.value.values, (start_ms, between_ms));
        series.push(parsed.map_err(|e| Failure::said(given.referenced.line(), e.to_string()))?);
    }
    Ok((interval_ms, file.options(test).map_err(said)?, series))
}

fn check_alerts(replay: &Replay<'_>, test: &AlertTest, line: u64) -> Option<Failure> {
    let exists = replay
        .rules()
        .groups()
        .iter()
        .flat_map(|g| &g.rules)
        .any(|r| r.name == test.alertname);
    if !exists {
        return Some(Failure::said(
            line,
            format!("no rule is called {:?}", test.alertname),
        ));
    }
    let all = replay.rules().alerts_view(replay.state()).alerts;
    let firing = all
        .into_iter()
        .filter(|a| a.state == "firing" && a.labels.get(ALERT_NAME) == Some(test.alertname.as_str()));
    let mut got: Vec<String> = firing.map(|a| shown(&a.labels, a.annotations.iter())).collect();
    let mut expected: Vec<String> = test
        .exp_alerts
        .iter()
        .map(|e| shown_expected(e, &test.alertname))
        .collect();
    got.sort();
    expected.sort();
    let what = format!("alertname {}, time {}", test.alertname, test.eval_time);
    (got != expected).then_some(Failure {
        line,
        what,
        expected,
        got,
    })
}

fn shown_expected(expected: &ExpectedAlert, alertname: &str) -> String {
    let mut builder = Labels::empty().to_builder();
    builder.set(ALERT_NAME, alertname);
    for (name, value) in &expected.exp_labels {
        builder.set(name, value.as_str());
    }
    let annotations = expected
        .exp_annotations
        .iter()
        .map(|(n, v)| (n.as_str(), v.as_str()));
    shown(&builder.build(), annotations)
}

fn shown<'a>(labels: &Labels, annotations: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    let annotations: BTreeMap<&str, &str> = annotations.collect();
    format!("{labels} {annotations:?}")
}

fn check_expr(
    replay: &Replay<'_>,
    (test, line): (&ExprTest, u64),
    at_ms: i64,
    fuzzy: bool,
) -> Option<Failure> {
    let what = format!("expr {:?}, time {}", test.expr, test.eval_time);
    let answer = match replay.ask(&test.expr, at_ms) {
        Ok(answer) => answer,
        Err(reason) => return Some(Failure::said(line, format!("{what}: {reason}"))),
    };
    let mut got = answer;
    let mut expected: Vec<(Labels, Expected)> = Vec::new();
    for sample in &test.exp_samples {
        match expectation(sample) {
            Ok(one) => expected.push(one),
            Err(e) => return Some(Failure::said(line, format!("{what}: {e}"))),
        }
    }
    got.sort_by(|a, b| a.labels.cmp(&b.labels));
    expected.sort_by(|a, b| a.0.cmp(&b.0));
    let pairs = got.iter().zip(&expected);
    let mut same = pairs.map(|(g, (labels, e))| g.labels == *labels && e.is(g, fuzzy));
    let equal = got.len() == expected.len() && same.all(|is| is);
    let hints_count = expected.iter().any(|(_, e)| e.names_a_hint());
    (!equal).then(|| Failure {
        line,
        what,
        expected: expected
            .iter()
            .map(|(l, e)| format!("{l} {}", e.shown()))
            .collect(),
        got: got.iter().map(|e| shown_answer(e, hints_count)).collect(),
    })
}

/// What a question should be answered with.
enum Expected {
    Float(f64),
    Histogram(Written),
}

impl Expected {
    fn is(&self, got: &Evaluated, fuzzy: bool) -> bool {
        let same = |a: f64, b: f64| {
            a == b || (a.is_nan() && b.is_nan()) || (fuzzy && (a - b).abs() <= 1e-12 * a.abs().max(b.abs()))
        };
        match (self, &got.histogram) {
            (Expected::Float(value), None) => same(got.value, *value),
            (Expected::Histogram(written), Some(histogram)) => written.is(histogram),
            _ => false,
        }
    }

    fn names_a_hint(&self) -> bool {
        matches!(self, Expected::Histogram(written) if written.hint_is_set)
    }

    fn shown(&self) -> String {
        match self {
            Expected::Float(value) => value.to_string(),
            Expected::Histogram(written) => written.shown(),
        }
    }
}

fn expectation(sample: &ExpectedSample) -> Result<(Labels, Expected), String> {
    let labels = parse_labels(&sample.labels).map_err(|e| e.to_string())?;
    let expected = match sample.histogram.as_deref().filter(|text| !text.is_empty()) {
        None => Expected::Float(sample.value),
        Some(text) => {
            let written = parse_histogram(text).map_err(|e| format!("histogram {text:?}: {e}"))?;
            Expected::Histogram(written)
        }
    };
    Ok((labels, expected))
}

fn shown_answer(answer: &Evaluated, with_hint: bool) -> String {
    match &answer.histogram {
        None => format!("{} {}", answer.labels, answer.value),
        Some(histogram) => format!("{} {}", answer.labels, shown_histogram(histogram, with_hint)),
    }
}
