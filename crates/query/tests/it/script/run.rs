//! Runs a script against the engine.

use super::super::memory::{MemorySource, Value};
use super::compare::{check_matrix, same_value};
use super::parse::{Command, Eval, Kind, Text, When, parse};
use super::series::to_custom_buckets;
use lapwing_query::{QueryEngine, QueryError, QueryOptions, QueryResult, QueryValue};
use regex::Regex;
use std::error::Error;
use std::sync::Arc;

/// All failures of a script, each with its line.
pub(crate) fn run(text: &str) -> Result<usize, Vec<String>> {
    let commands = parse(text).map_err(|e| vec![e])?;
    let mut source = MemorySource::default();
    let mut failures = Vec::new();
    let mut evals = 0;
    for command in commands {
        match command {
            Command::Clear => source.clear(),
            Command::Load {
                step_ms,
                with_custom_buckets,
                series,
                starts,
            } => {
                for (labels, offsets_ms) in &starts {
                    for (i, offset_ms) in offsets_ms.iter().enumerate() {
                        if let Some(offset_ms) = offset_ms {
                            let t_ms = i as i64 * step_ms;
                            source.add_start(labels, t_ms, t_ms + offset_ms);
                        }
                    }
                }
                for (labels, values) in &series {
                    for (i, item) in values.iter().enumerate() {
                        if let Some(item) = item {
                            source.add(labels, i as i64 * step_ms, item.value.clone());
                        }
                    }
                }
                if with_custom_buckets {
                    for (labels, histograms) in to_custom_buckets(&series) {
                        for (i, histogram) in histograms.into_iter().enumerate() {
                            if let Some(h) = histogram {
                                source.add(&labels, i as i64 * step_ms, Value::Histogram(Arc::new(h)));
                            }
                        }
                    }
                }
                source.settle();
            }
            Command::Eval(eval) => {
                evals += 1;
                if let Err(reason) = check(&source, &eval) {
                    failures.push(format!("line {}: {}\n  {reason}", eval.line, eval.query));
                }
            }
        }
    }
    if failures.is_empty() {
        Ok(evals)
    } else {
        Err(failures)
    }
}

/// As the scripts of Prometheus are run there.
fn options() -> QueryOptions {
    QueryOptions {
        experimental: true,
        delayed_name_removal: true,
        start_timestamps: true,
        ..QueryOptions::default()
    }
}

fn evaluate(source: &MemorySource, eval: &Eval) -> Result<QueryResult, QueryError> {
    let engine = QueryEngine::new();
    match eval.when {
        When::At(at) => engine.instant(source, &eval.query, at, &options()),
        When::Range { start, end, step } => engine.range(source, &eval.query, (start, end, step), &options()),
    }
}

fn message(error: &QueryError) -> String {
    match error {
        QueryError::Parse(error) => error.to_string(),
        other => match other.source() {
            Some(source) => format!("{other}: {source}"),
            None => other.to_string(),
        },
    }
}

fn matches(text: &Text, message: &str) -> bool {
    match text {
        Text::Any => true,
        Text::Exactly(wanted) => wanted == message,
        Text::Regex(pattern) => Regex::new(pattern).is_ok_and(|r| r.is_match(message)),
    }
}

fn check(source: &MemorySource, eval: &Eval) -> Result<(), String> {
    let fails: Vec<&Text> = of(eval, Kind::Fail).collect();
    let result = match (evaluate(source, eval), fails.is_empty()) {
        (Ok(result), true) => result,
        (Ok(_), false) => return Err("should have failed".to_owned()),
        (Err(error), true) => return Err(format!("failed: {}", message(&error))),
        (Err(error), false) => {
            let message = message(&error);
            return match fails.iter().all(|f| matches(f, &message)) {
                true => Ok(()),
                false => Err(format!("failed with {message:?}, wanted {fails:?}")),
            };
        }
    };
    check_sentences(eval, (Kind::Warn, Kind::NoWarn), &result.warnings)?;
    check_sentences(eval, (Kind::Info, Kind::NoInfo), &result.infos)?;
    check_value(&result.value, eval)?;
    check_as_range(source, eval, &result.value)
}

fn of(eval: &Eval, kind: Kind) -> impl Iterator<Item = &Text> {
    eval.expects
        .iter()
        .filter(move |(k, _)| *k == kind)
        .map(|(_, text)| text)
}

fn check_sentences(eval: &Eval, (some, none): (Kind, Kind), got: &[String]) -> Result<(), String> {
    if of(eval, none).next().is_some() && !got.is_empty() {
        return Err(format!("wanted none of {some:?}, got {got:?}"));
    }
    let wanted: Vec<&Text> = of(eval, some).collect();
    if wanted.is_empty() {
        return Ok(());
    }
    if got.is_empty() {
        return Err(format!("wanted {some:?}, got none"));
    }
    for text in &wanted {
        if !got.iter().any(|g| matches(text, g)) {
            return Err(format!("wanted {text:?}, got {got:?}"));
        }
    }
    match got.iter().find(|g| !wanted.iter().any(|t| matches(t, g))) {
        Some(extra) => Err(format!("unexpected {extra:?}")),
        None => Ok(()),
    }
}

fn check_value(value: &QueryValue, eval: &Eval) -> Result<(), String> {
    match (value, &eval.when) {
        (QueryValue::Str { value, .. }, _) => match &eval.string {
            Some(wanted) if wanted == value => Ok(()),
            wanted => Err(format!("got {value:?}, wanted {wanted:?}")),
        },
        (QueryValue::Scalar { value, .. }, _) => match eval.scalar {
            Some(wanted) if super::almost_equal(*value, wanted, 1e-6) => Ok(()),
            wanted => Err(format!("got {value}, wanted {wanted:?}")),
        },
        (QueryValue::Matrix(series), When::Range { start, step, .. }) => {
            check_matrix(series, &eval.series, (*start, *step))
        }
        (QueryValue::Matrix(series), When::At(_)) => match eval.range_vector {
            Some((start, _, step)) => check_matrix(series, &eval.series, (start, step)),
            None => Err("a range vector was not expected".to_owned()),
        },
        (QueryValue::Vector(samples), _) => {
            let is_ordered = of(eval, Kind::Ordered).next().is_some();
            if samples.len() != eval.series.len() {
                return Err(format!(
                    "got {} samples: {samples:?}, wanted {:?}",
                    samples.len(),
                    eval.series
                ));
            }
            for (i, sample) in samples.iter().enumerate() {
                let wanted = if is_ordered {
                    eval.series.get(i).filter(|(labels, _)| *labels == sample.labels)
                } else {
                    eval.series.iter().find(|(labels, _)| *labels == sample.labels)
                };
                let Some((_, values)) = wanted else {
                    return Err(format!("unexpected {sample:?} at {i}"));
                };
                match values.first() {
                    Some(Some(item)) if same_value(&sample.value, item) => {}
                    wanted => return Err(format!("got {sample:?}, wanted {wanted:?}")),
                }
            }
            Ok(())
        }
    }
}

/// An instant query is also the middle of a short range query.
fn check_as_range(source: &MemorySource, eval: &Eval, value: &QueryValue) -> Result<(), String> {
    let (When::At(at), QueryValue::Vector(_)) = (&eval.when, value) else {
        return Ok(());
    };
    let depends_on_range = ["start()", "end()", "range()", "step()", "sort"]
        .iter()
        .any(|w| eval.query.contains(w));
    if depends_on_range {
        return Ok(());
    }
    let step = 60_000;
    let range = (at - step, at + step, step);
    let result = QueryEngine::new()
        .range(source, &eval.query, range, &options())
        .map_err(|e| format!("as a range: {}", message(&e)))?;
    let QueryValue::Matrix(mut series) = result.value else {
        return Err("a range query gave no matrix".to_owned());
    };
    for one in &mut series {
        one.floats.retain(|(t, _)| t == at);
        one.histograms.retain(|(t, _)| t == at);
    }
    series.retain(|s| !s.floats.is_empty() || !s.histograms.is_empty());
    check_matrix(&series, &eval.series, (*at, step)).map_err(|e| format!("as a range: {e}"))
}
