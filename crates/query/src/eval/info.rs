//! `info`: labels of info metrics (`target_info` and its like) added to the series of the same target.

use super::binary::braces;
use super::grid::{Grid, is_absent};
use super::{Evaluated, Evaluator, Steps};
use crate::error::QueryError;
use crate::promql::{Call, Expr, ExprKind, VectorSelector};
use hashbrown::{HashMap, HashSet};
use lapwing_types::{FloatHistogram, Labels, METRIC_NAME, MatchOp, Matcher};
use std::sync::Arc;

/// Labels by which a target is known.
const IDENTIFYING: [&str; 2] = ["instance", "job"];
const DEFAULT_INFO_METRIC: &str = "target_info";
/// What is an info metric when the selector only says which ones not to take.
const ANY_INFO_METRIC: &str = ".+_info";

/// Which info metric of which target.
type Key = (String, Option<String>, Option<String>);

fn key(name: &str, labels: &Labels) -> Key {
    let of = |label: &str| labels.get(label).map(str::to_owned);
    (name.to_owned(), of(IDENTIFYING[0]), of(IDENTIFYING[1]))
}

/// One info series: its labels, and the time of the sample that each step sees.
struct InfoSeries {
    labels: Labels,
    key: Key,
    times: Vec<Option<i64>>,
}

impl Evaluator<'_> {
    pub(super) fn info(&self, call: &Call, steps: Steps) -> Evaluated<Grid> {
        let base = self.vector(&call.args[0], steps)?;
        let selector = call.args.get(1).and_then(|arg| match &arg.kind {
            ExprKind::Vector(selector) => Some(selector),
            _ => None,
        });
        let (name_matchers, data_matchers) = matchers(selector)?;
        let is_info = |labels: &Labels| {
            let name = labels.metric_name().unwrap_or("");
            name_matchers.iter().all(|m| m.matches(name))
        };
        let ignored: Vec<bool> = base.rows.iter().map(|row| is_info(&row.labels)).collect();
        let infos = self.info_series(
            &base,
            &ignored,
            (&name_matchers, &data_matchers),
            (&call.args[0], steps),
        )?;
        combine(&base, &ignored, &infos, &data_matchers)
    }

    fn info_series(
        &self,
        base: &Grid,
        ignored: &[bool],
        (name_matchers, data_matchers): (&[Matcher], &[Matcher]),
        (argument, steps): (&Expr, Steps),
    ) -> Evaluated<Vec<InfoSeries>> {
        let mut values: HashMap<&str, HashSet<&str>> = HashMap::new();
        for (row, _) in base.rows.iter().zip(ignored).filter(|(_, ignored)| !**ignored) {
            for label in IDENTIFYING {
                if let Some(value) = row.labels.get(label) {
                    values.entry(label).or_default().insert(value);
                }
            }
        }
        if values.is_empty() {
            return Ok(Vec::new());
        }
        let mut all: Vec<Matcher> = name_matchers.to_vec();
        for (label, values) in values {
            let mut quoted: Vec<String> = values.iter().map(|v| regex::escape(v)).collect();
            quoted.sort();
            let matcher = Matcher::new(MatchOp::Regex, label, quoted.join("|"))
                .map_err(|error| QueryError::execution(error.to_string()))?;
            all.push(matcher);
        }
        all.extend_from_slice(data_matchers);
        let (from, to) = self.info_range(argument, steps)?;
        let mut out = Vec::new();
        for one in self.select(&all, (from, to), self.instant_tier())?.iter() {
            self.check_interrupt()?;
            let mut points = lapwing_store::SeriesPoints::default();
            one.reader.read(from, to, &mut points)?;
            out.push(InfoSeries {
                key: key(one.labels.metric_name().unwrap_or(""), &one.labels),
                labels: one.labels.clone(),
                times: sample_times(&points, self.options.lookback_ms, steps)?,
            });
        }
        Ok(out)
    }

    /// Each step sees the info series of its own time, but what is read of them is what the first selector in the argument reads.
    /// So the labels of a look into the past are those of the present, as long as its range reaches there.
    fn info_range(&self, argument: &Expr, steps: Steps) -> Evaluated<(i64, i64)> {
        let (at_ms, offset_ms) = match first_selector(argument) {
            Some(selector) => (self.at_ms(selector.at), self.offset_ms(&selector.offset)?),
            None => (None, 0),
        };
        let first = at_ms.unwrap_or(steps.start_ms).saturating_sub(offset_ms);
        let last = at_ms.unwrap_or(steps.end_ms).saturating_sub(offset_ms);
        Ok((first.saturating_sub(self.options.lookback_ms) + 1, last))
    }
}

/// Matchers of the metric's name, and those of data labels. Names are never open to all metrics: a selector without a name
/// means `target_info`, one that only excludes names means whatever else is called an info metric.
fn matchers(selector: Option<&VectorSelector>) -> Evaluated<(Vec<Matcher>, Vec<Matcher>)> {
    let given = selector.map(|s| s.matchers.as_slice()).unwrap_or_default();
    let (mut names, data): (Vec<Matcher>, Vec<Matcher>) =
        given.iter().cloned().partition(|m| m.name == METRIC_NAME);
    let excludes = |m: &Matcher| matches!(m.op, MatchOp::NotEqual | MatchOp::NotRegex);
    if names.is_empty() {
        names.push(Matcher::equal(METRIC_NAME, DEFAULT_INFO_METRIC));
    } else if names.iter().all(excludes) {
        let any = Matcher::new(MatchOp::Regex, METRIC_NAME, ANY_INFO_METRIC)
            .map_err(|error| QueryError::execution(error.to_string()))?;
        names.push(any);
    }
    Ok((names, data))
}

fn first_selector(expr: &Expr) -> Option<&VectorSelector> {
    match &expr.kind {
        ExprKind::Vector(selector) => Some(selector),
        ExprKind::Matrix(matrix) => Some(&matrix.vector),
        ExprKind::Subquery(subquery) => first_selector(&subquery.expr),
        ExprKind::Call(call) => call.args.iter().find_map(first_selector),
        ExprKind::Aggregate(aggregate) => first_selector(&aggregate.expr),
        ExprKind::Binary(binary) => first_selector(&binary.left).or_else(|| first_selector(&binary.right)),
        ExprKind::Unary(_, inner) | ExprKind::Paren(inner) => first_selector(inner),
        ExprKind::Number { .. } | ExprKind::Str(_) => None,
    }
}

fn sample_times(
    points: &lapwing_store::SeriesPoints,
    lookback_ms: i64,
    steps: Steps,
) -> Evaluated<Vec<Option<i64>>> {
    steps
        .times()
        .map(|reference| {
            let newest = points
                .times_ms
                .partition_point(|t| *t <= reference)
                .checked_sub(1);
            let alive = |h: &&(i64, Arc<FloatHistogram>)| {
                h.0 <= reference && h.0 > reference.saturating_sub(lookback_ms)
            };
            if points.histograms.iter().any(|h| alive(&h)) {
                return Err(QueryError::execution("info sample should be float"));
            }
            Ok(newest
                .filter(|i| points.times_ms[*i] > reference.saturating_sub(lookback_ms))
                .filter(|i| !lapwing_types::is_stale(points.values[*i]))
                .map(|i| points.times_ms[i]))
        })
        .collect()
}

/// The newest info series of each metric and target, per step.
fn combine(
    base: &Grid,
    ignored: &[bool],
    infos: &[InfoSeries],
    data_matchers: &[Matcher],
) -> Evaluated<Grid> {
    let mut names: Vec<&str> = infos.iter().map(|i| i.key.0.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    let needs_match = data_matchers.iter().any(|m| !m.matches(""));
    let mut out = Grid::new(base.steps);
    let mut rows: HashMap<Labels, usize> = HashMap::new();
    for step in 0..base.steps {
        let newest = newest_at(infos, step)?;
        for (index, meta) in base.rows.iter().enumerate() {
            let value = base.at(index, step);
            if is_absent(value) {
                continue;
            }
            let labels = if ignored[index] {
                Some(meta.labels.clone())
            } else {
                enriched(&meta.labels, &names, &newest, (data_matchers, needs_match))?
            };
            let Some(labels) = labels else {
                continue;
            };
            let row = *rows
                .entry(labels)
                // As in Prometheus: a name that was to be dropped later stays.
                .or_insert_with_key(|labels| out.push_row(labels.clone(), false));
            if !is_absent(out.at(row, step)) {
                return Err(QueryError::same_labels());
            }
            out.set(row, step, value);
        }
    }
    out.histograms = base.histograms.clone();
    Ok(out)
}

fn newest_at(infos: &[InfoSeries], step: usize) -> Evaluated<HashMap<&Key, (&Labels, i64)>> {
    let mut newest: HashMap<&Key, (&Labels, i64)> = HashMap::new();
    for info in infos {
        let Some(t_ms) = info.times[step] else {
            continue;
        };
        match newest.get(&info.key) {
            Some((other, existing)) if *existing == t_ms => {
                return Err(QueryError::execution(format!(
                    "found duplicate series for info metric: existing {} @ {existing}, new {} @ {t_ms}",
                    braces(other),
                    braces(&info.labels)
                )));
            }
            Some((_, existing)) if *existing > t_ms => {}
            _ => {
                newest.insert(&info.key, (&info.labels, t_ms));
            }
        }
    }
    Ok(newest)
}

/// The base labels with the data labels of all info series of its target; nothing when a selector asks for labels that no
/// info series has.
fn enriched(
    labels: &Labels,
    names: &[&str],
    newest: &HashMap<&Key, (&Labels, i64)>,
    (data_matchers, needs_match): (&[Matcher], bool),
) -> Evaluated<Option<Labels>> {
    let mut builder = labels.to_builder();
    let mut found = false;
    let mut added: HashMap<&str, &str> = HashMap::new();
    for name in names {
        let Some((info, _)) = newest.get(&key(name, labels)) else {
            continue;
        };
        found = true;
        for (label, value) in info.iter().filter(|(label, _)| *label != METRIC_NAME) {
            let is_asked = data_matchers.is_empty() || data_matchers.iter().any(|m| m.name == label);
            if !is_asked {
                continue;
            }
            if added.get(label).is_some_and(|other| *other != value) {
                return Err(QueryError::execution(format!("conflicting label: {label}")));
            }
            if labels.get(label).is_none() {
                builder.set(label, value);
                added.insert(label, value);
            }
        }
    }
    if !found && needs_match {
        return Ok(None);
    }
    Ok(Some(builder.build()))
}
