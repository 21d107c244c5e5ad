//! Series notation: `name{label="value"} 1 2+3x4 _ stale {{schema:0 sum:1}}`.

use super::super::memory::Value;
use lapwing_query::promql::parse_metric_selector;
use lapwing_types::{CUSTOM_BUCKETS_SCHEMA, FloatHistogram, Labels, METRIC_NAME, ResetHint, Span, stale_nan};
use std::sync::Arc;

/// A value in its place in a sequence; a hint counts only when it was written.
#[derive(Clone, Debug)]
pub(super) struct Item {
    pub(super) value: Value,
    pub(super) hint_is_set: bool,
}

pub(super) type Sequence = Vec<Option<Item>>;

/// Labels and the text of the values behind them.
pub(super) fn split_line(line: &str) -> Result<(Labels, &str), String> {
    let line = line.trim();
    let mut in_quotes = None;
    let mut end = line.len();
    let mut in_braces = false;
    let mut escaped = false;
    for (i, c) in line.char_indices() {
        match (in_quotes, c) {
            _ if escaped => escaped = false,
            (Some(_), '\\') => escaped = true,
            (Some(q), c) if c == q => in_quotes = None,
            (Some(_), _) => {}
            (None, '"' | '\'' | '`') => in_quotes = Some(c),
            (None, '{') if line[i..].starts_with("{{") => {
                end = i;
                break;
            }
            (None, '@') if !in_braces => {
                end = i;
                break;
            }
            (None, '{') => in_braces = true,
            (None, '}') => {
                end = i + 1;
                break;
            }
            (None, c) if c.is_whitespace() && !in_braces => {
                // Blanks may stand between name and braces.
                let rest = line[i..].trim_start();
                if !rest.starts_with('{') || rest.starts_with("{{") {
                    end = i;
                    break;
                }
            }
            _ => {}
        }
    }
    let (metric, values) = line.split_at(end);
    Ok((parse_labels(metric.trim())?, values.trim()))
}

fn parse_labels(text: &str) -> Result<Labels, String> {
    if text.replace(char::is_whitespace, "") == "{}" {
        return Ok(Labels::empty());
    }
    // A label that no series has makes any label set a good selector.
    let selector = match text.rfind('}') {
        Some(at) => {
            let inside = text[..at].trim_end().trim_end_matches(',');
            let comma = if inside.ends_with('{') { "" } else { "," };
            format!("{inside}{comma}__marker__!=\"\"}}")
        }
        None => text.to_owned(),
    };
    let matchers = parse_metric_selector(&selector).map_err(|e| format!("{text}: {e}"))?;
    let pairs = matchers
        .iter()
        .filter(|m| m.name != "__marker__")
        .map(|m| (m.name.as_str(), m.value.as_str()));
    Labels::from_pairs(pairs).map_err(|e| format!("{text}: {e}"))
}

/// Start timestamps, each as its distance from the sample in milliseconds: `_ -30s-1mx2 0`.
pub(super) fn parse_starts(text: &str) -> Result<Vec<Option<i64>>, String> {
    let mut out = Vec::new();
    for item in text.split_whitespace() {
        let fault = |e: String| format!("{item}: {e}");
        let (values, times) = match item.rsplit_once('x') {
            Some((values, times)) => {
                let times: usize = times.parse().map_err(|_| fault("bad repetition".to_owned()))?;
                (values, times)
            }
            None => (item, 0),
        };
        if values == "_" {
            out.extend(std::iter::repeat_n(None, times.max(1)));
            continue;
        }
        let cut = values[1..].find(['+', '-']).map_or(values.len(), |at| at + 1);
        let (first, step) = values.split_at(cut);
        let first = distance_ms(first).map_err(fault)?;
        let step = match step {
            "" => 0,
            step => distance_ms(step).map_err(fault)?,
        };
        out.extend((0..=times as i64).map(|i| Some(first + i * step)));
    }
    Ok(out)
}

fn distance_ms(text: &str) -> Result<i64, String> {
    let (sign, digits) = match text.as_bytes().first() {
        Some(b'-') => (-1, &text[1..]),
        Some(b'+') => (1, &text[1..]),
        _ => (1, text),
    };
    Ok(sign * super::parse::time_ms(digits)?)
}

pub(super) fn has_name(labels: &Labels) -> bool {
    labels.get(METRIC_NAME).is_some()
}

pub(super) fn parse_sequence(text: &str) -> Result<Sequence, String> {
    let mut out = Vec::new();
    for item in items(text) {
        parse_item(&item, &mut out).map_err(|e| format!("{item}: {e}"))?;
    }
    Ok(out)
}

/// Cut at blanks outside of histograms.
fn items(text: &str) -> Vec<String> {
    let mut out = Vec::new();
    let mut current = String::new();
    let mut depth = 0;
    for c in text.chars() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if c.is_whitespace() && depth == 0 {
            if !current.is_empty() {
                out.push(std::mem::take(&mut current));
            }
        } else {
            current.push(c);
        }
    }
    if !current.is_empty() {
        out.push(current);
    }
    out
}

fn parse_item(item: &str, out: &mut Sequence) -> Result<(), String> {
    if let Some(times) = item.strip_prefix('_') {
        let count = match times.strip_prefix('x') {
            Some(n) => n.parse().map_err(|_| "bad repetition")?,
            None => 1,
        };
        out.extend(std::iter::repeat_n(None, count));
        return Ok(());
    }
    if item.starts_with("{{") {
        return parse_histograms(item, out);
    }
    let float = |value| {
        Some(Item {
            value: Value::Float(value),
            hint_is_set: false,
        })
    };
    if item == "stale" {
        out.push(float(stale_nan()));
        return Ok(());
    }
    let (values, times) = match item.rsplit_once('x') {
        Some((values, times)) => (values, times.parse::<usize>().map_err(|_| "bad repetition")? + 1),
        None => (item, 1),
    };
    let (mut value, step) = split_step(values)?;
    for _ in 0..times {
        out.push(float(value));
        value += step;
    }
    Ok(())
}

/// `1+2` or `1-2`; the sign of an exponent is none.
fn split_step(text: &str) -> Result<(f64, f64), String> {
    let bytes = text.as_bytes();
    let at =
        (1..bytes.len()).find(|i| matches!(bytes[*i], b'+' | b'-') && !matches!(bytes[*i - 1], b'e' | b'E'));
    match at {
        Some(at) => Ok((number(&text[..at])?, number(&text[at..])?)),
        None => Ok((number(text)?, 0.0)),
    }
}

pub(super) fn number(text: &str) -> Result<f64, String> {
    let (sign, digits) = match text.as_bytes().first() {
        Some(b'-') => (-1.0, &text[1..]),
        Some(b'+') => (1.0, &text[1..]),
        _ => (1.0, text),
    };
    if let Some(hex) = digits.strip_prefix("0x") {
        let value = i64::from_str_radix(hex, 16).map_err(|e| e.to_string())?;
        return Ok(sign * value as f64);
    }
    let value: f64 = digits.parse().map_err(|_| format!("bad number {text:?}"))?;
    Ok(sign * value)
}

fn parse_histograms(item: &str, out: &mut Sequence) -> Result<(), String> {
    let end = item.find("}}").ok_or("histogram without end")? + 2;
    let (first, hint_is_set) = parse_histogram(&item[..end])?;
    let rest = &item[end..];
    let push = |out: &mut Sequence, h: &FloatHistogram, hint_is_set| {
        out.push(Some(Item {
            value: Value::Histogram(Arc::new(h.clone())),
            hint_is_set,
        }));
    };
    if rest.is_empty() {
        push(out, &first, hint_is_set);
        return Ok(());
    }
    if let Some(times) = rest.strip_prefix('x') {
        let times: usize = times.parse().map_err(|_| "bad repetition")?;
        (0..=times).for_each(|_| push(out, &first, hint_is_set));
        return Ok(());
    }
    let adds = rest.starts_with('+');
    let step_end = rest.find("}}").ok_or("histogram without end")? + 2;
    let (step, hint_is_set) = parse_histogram(&rest[1..step_end])?;
    let times: usize = rest[step_end..]
        .strip_prefix('x')
        .and_then(|t| t.parse().ok())
        .ok_or("bad repetition")?;
    let mut current = first;
    push(out, &current, hint_is_set);
    for _ in 0..times {
        let done = if adds {
            current.add(&step)
        } else {
            current.subtract(&step)
        };
        done.map_err(|e| e.to_string())?;
        push(out, &current, hint_is_set);
    }
    Ok(())
}

/// `{{schema:0 sum:1 buckets:[1 2]}}`, and whether it names a counter reset hint.
fn parse_histogram(text: &str) -> Result<(FloatHistogram, bool), String> {
    let inner = text.trim_start_matches("{{").trim_end_matches("}}");
    let mut h = FloatHistogram::default();
    let (mut offset, mut negative_offset) = (0, 0);
    let mut hint_is_set = false;
    let mut rest = inner.trim();
    while !rest.is_empty() {
        let (key, after) = rest.split_once(':').ok_or("missing colon")?;
        let end = if after.starts_with('[') {
            after.find(']').ok_or("missing bracket")? + 1
        } else {
            after.find(char::is_whitespace).unwrap_or(after.len())
        };
        let (value, next) = after.split_at(end);
        rest = next.trim_start();
        match key {
            "schema" => h.schema = value.parse().map_err(|_| "bad schema")?,
            "sum" => h.sum = number(value)?,
            "count" => h.count = number(value)?,
            "z_bucket" => h.zero_count = number(value)?,
            "z_bucket_w" => h.zero_threshold = number(value)?,
            "offset" => offset = value.parse().map_err(|_| "bad offset")?,
            "n_offset" => negative_offset = value.parse().map_err(|_| "bad offset")?,
            "buckets" => h.positive = list(value)?,
            "n_buckets" => h.negative = list(value)?,
            "custom_values" => h.custom_bounds = Arc::from(list(value)?),
            "counter_reset_hint" => {
                hint_is_set = true;
                h.reset_hint = match value {
                    "reset" => ResetHint::Reset,
                    "not_reset" => ResetHint::NotReset,
                    "gauge" => ResetHint::Gauge,
                    _ => ResetHint::Unknown,
                };
            }
            other => return Err(format!("unknown key {other:?}")),
        }
    }
    let spans = |counts: &[f64], offset| match counts.len() {
        0 => Vec::new(),
        n => vec![Span {
            offset,
            length: n as u32,
        }],
    };
    h.positive_spans = spans(&h.positive, offset);
    h.negative_spans = spans(&h.negative, negative_offset);
    Ok((h, hint_is_set))
}

fn list(text: &str) -> Result<Vec<f64>, String> {
    text.trim_matches(['[', ']'])
        .split_whitespace()
        .map(number)
        .collect()
}

/// The buckets, the sum and the count of one classic histogram.
type Group<'a> = (
    Labels,
    Vec<(f64, &'a Sequence)>,
    Option<&'a Sequence>,
    Option<&'a Sequence>,
);

/// Classic histograms as native ones with custom buckets: cumulative counts by bound become counts per bucket.
pub(super) fn to_custom_buckets(
    classic: &[(Labels, Sequence)],
) -> Vec<(Labels, Vec<Option<FloatHistogram>>)> {
    let mut groups: Vec<Group<'_>> = Vec::new();
    for (labels, values) in classic {
        let name = labels.metric_name().unwrap_or("");
        let suffix = ["_bucket", "_sum", "_count"]
            .into_iter()
            .find(|s| name.ends_with(s));
        let Some(suffix) = suffix else { continue };
        let base = labels
            .drop(&["le"])
            .to_builder()
            .set(METRIC_NAME, name.trim_end_matches(suffix))
            .build();
        let at = groups.iter().position(|g| g.0 == base).unwrap_or_else(|| {
            groups.push((base, Vec::new(), None, None));
            groups.len() - 1
        });
        match suffix {
            "_bucket" => {
                let bound = labels.get("le").and_then(|le| le.parse().ok());
                groups[at].1.extend(bound.map(|b| (b, values)));
            }
            "_sum" => groups[at].2 = Some(values),
            _ => groups[at].3 = Some(values),
        }
    }
    groups.retain(|g| !g.1.is_empty());
    groups
        .into_iter()
        .map(|(labels, mut buckets, sums, counts)| {
            buckets.sort_by(|a, b| a.0.total_cmp(&b.0));
            let length = buckets.iter().map(|b| b.1.len()).max().unwrap_or(0);
            let at = |sequence: Option<&Sequence>, i: usize| match sequence.and_then(|s| s.get(i)) {
                Some(Some(Item {
                    value: Value::Float(v),
                    ..
                })) => Some(*v),
                _ => None,
            };
            let histograms = (0..length)
                .map(|i| {
                    let known: Vec<(f64, f64)> = buckets
                        .iter()
                        .filter_map(|(bound, s)| Some((*bound, at(Some(s), i)?)))
                        .collect();
                    if known.is_empty() {
                        return None;
                    }
                    Some(custom(&known, at(sums, i).unwrap_or(0.0), at(counts, i)))
                })
                .collect();
            (labels, histograms)
        })
        .collect()
}

fn custom(buckets: &[(f64, f64)], sum: f64, count: Option<f64>) -> FloatHistogram {
    let bounds: Vec<f64> = buckets.iter().map(|b| b.0).filter(|b| b.is_finite()).collect();
    let mut below = 0.0;
    let mut counts: Vec<f64> = Vec::new();
    for (_, cumulative) in buckets {
        counts.push(cumulative - below);
        below = *cumulative;
    }
    let total = count.unwrap_or(below);
    if counts.len() == bounds.len() {
        counts.push(total - below);
    }
    let mut h = FloatHistogram {
        schema: CUSTOM_BUCKETS_SCHEMA,
        count: total,
        sum,
        positive_spans: vec![Span {
            offset: 0,
            length: counts.len() as u32,
        }],
        positive: counts,
        custom_bounds: Arc::from(bounds),
        ..FloatHistogram::default()
    };
    h.compact();
    h
}
