//! promtool's notation: `up{job="a"}` and `1 2+3x4 _x2 stale {{schema:0 sum:1}}`.

use super::histogram::parse_sequence;
use lapwing_query::promql::parse_metric_selector;
use lapwing_types::{FloatHistogram, Labels, MatchOp, Sample, SeriesWrite, stale_nan};

/// A test with more samples than this is a mistake in a repetition.
const SAMPLES_MAX: usize = 1_000_000;
/// These weigh a hundred times as much.
const HISTOGRAMS_MAX: usize = 10_000;

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?}: {reason}")]
pub struct SeriesError {
    pub text: String,
    pub reason: String,
}

pub fn parse_series(
    series: &str,
    values: &str,
    (start_ms, interval_ms): (i64, i64),
) -> Result<SeriesWrite, SeriesError> {
    let mut out = SeriesWrite {
        labels: parse_labels(series)?,
        ..SeriesWrite::default()
    };
    let mut at = 0usize;
    for item in items(values) {
        let fault = |reason: &str| SeriesError {
            text: item.to_owned(),
            reason: reason.to_owned(),
        };
        for value in parse_item(item).map_err(|reason| fault(&reason))? {
            if at >= SAMPLES_MAX {
                return Err(fault("more than a million samples"));
            }
            let t_ms = start_ms + at as i64 * interval_ms;
            match value {
                Given::Nothing => {}
                Given::Float(value) => out.samples.push(Sample { t_ms, value }),
                Given::Histogram(h) => out.histograms.push((t_ms, h.to_histogram())),
            }
            at += 1;
        }
    }
    Ok(out)
}

/// What stands at one place of a sequence.
#[derive(Clone, Debug)]
enum Given {
    Nothing,
    Float(f64),
    Histogram(Box<FloatHistogram>),
}

/// Cut at blanks outside of histograms.
fn items(values: &str) -> impl Iterator<Item = &str> {
    let mut depth = 0usize;
    let cut = move |c: char| {
        match c {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        depth == 0 && c.is_whitespace()
    };
    values.split(cut).filter(|item| !item.is_empty())
}

/// `name{a="b"}`, or nothing at all for no labels.
pub fn parse_labels(text: &str) -> Result<Labels, SeriesError> {
    let fault = |reason: String| SeriesError {
        text: text.to_owned(),
        reason,
    };
    if text
        .replace(char::is_whitespace, "")
        .trim_matches(['{', '}'])
        .is_empty()
    {
        return Ok(Labels::empty());
    }
    // Without a name a selector needs a matcher that refuses the empty string: a marker that is taken out again.
    let marked = match text.rfind('}') {
        Some(at) => {
            let inside = text[..at].trim_end().trim_end_matches(',');
            let comma = if inside.ends_with('{') { "" } else { "," };
            format!("{inside}{comma}__marker__!=\"\"}}")
        }
        None => text.to_owned(),
    };
    let matchers = parse_metric_selector(&marked).map_err(|e| fault(e.to_string()))?;
    if matchers
        .iter()
        .any(|m| m.name != "__marker__" && m.op != MatchOp::Equal)
    {
        return Err(fault("a series has labels with '=' only".to_owned()));
    }
    let own = matchers.iter().filter(|m| m.name != "__marker__");
    Labels::from_pairs(own.map(|m| (m.name.as_str(), m.value.as_str()))).map_err(|e| fault(e.to_string()))
}

fn parse_item(item: &str) -> Result<Vec<Given>, String> {
    if item.starts_with("{{") {
        let all = parse_sequence(item, HISTOGRAMS_MAX)?;
        if all.len() > HISTOGRAMS_MAX {
            return Err(format!("more than {HISTOGRAMS_MAX} histograms"));
        }
        return Ok(all.into_iter().map(|h| Given::Histogram(Box::new(h))).collect());
    }
    let (value, times) = match item.rsplit_once('x') {
        Some((value, times)) if !times.is_empty() => {
            let times: usize = times
                .parse()
                .map_err(|_| "the number behind 'x' is wrong".to_owned())?;
            (value, Some(times.min(SAMPLES_MAX)))
        }
        _ => (item, None),
    };
    match value {
        "_" => return Ok(vec![Given::Nothing; times.unwrap_or(1)]),
        "stale" => return Ok(vec![Given::Float(stale_nan()); times.map_or(1, |n| n + 1)]),
        _ => {}
    }
    let bytes = value.as_bytes();
    let step_at =
        (1..bytes.len()).find(|i| matches!(bytes[*i], b'+' | b'-') && !matches!(bytes[*i - 1], b'e' | b'E'));
    let number = |text: &str| {
        text.parse::<f64>()
            .map_err(|_| format!("{text:?} is not a number"))
    };
    let (first, step) = match step_at {
        Some(at) => (number(&value[..at])?, number(&value[at..])?),
        None => (number(value)?, 0.0),
    };
    let mut current = first;
    let mut out = Vec::new();
    for _ in 0..=times.unwrap_or(0) {
        out.push(Given::Float(current));
        current += step;
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(values: &str, expect: &[(i64, f64)]) {
        let series = parse_series("x{a=\"b\"}", values, (0, 10)).unwrap();
        let got: Vec<(i64, f64)> = series.samples.iter().map(|s| (s.t_ms, s.value)).collect();
        assert_eq!(got, expect, "{values}");
    }

    #[test]
    fn values_repeat_and_step() {
        check("1 2", &[(0, 1.0), (10, 2.0)]);
        check("1+2x2", &[(0, 1.0), (10, 3.0), (20, 5.0)]);
        check("1-1x1 _ 1e-3", &[(0, 1.0), (10, 0.0), (30, 0.001)]);
        check("_x2 7x1", &[(20, 7.0), (30, 7.0)]);
        check("-2 Inf", &[(0, -2.0), (10, f64::INFINITY)]);
    }

    #[test]
    fn histograms_stand_among_numbers() {
        let series = parse_series("x", "_ {{sum:3 count:1 buckets:[1]}}x1 _ 7", (0, 10)).unwrap();
        let times: Vec<i64> = series.histograms.iter().map(|(t_ms, _)| *t_ms).collect();
        assert_eq!(times, [10, 20]);
        assert_eq!(series.histograms[0].1.sum, 3.0);
        assert_eq!((series.samples[0].t_ms, series.samples[0].value), (40, 7.0));
    }

    #[test]
    fn mistakes_are_told() {
        let error = |series, values| parse_series(series, values, (0, 1)).unwrap_err().to_string();
        assert!(error("x", "1x").contains("not a number"));
        assert!(error("x", "1 two").contains("two"));
        assert!(error("x{a!=\"b\"}", "1").contains("'=' only"));
        assert!(error("x", "1x99999999").contains("million"));
        assert!(error("x", "{{schema:99}}").contains("schema 99"));
        assert!(error("x", "{{schema:0").contains("between {{ and }}"));
        assert!(error("x", "{{}}x10000").contains("10000 histograms"));
    }
}
