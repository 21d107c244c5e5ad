//! promtool's notation of native histograms: `{{schema:0 sum:3 count:2 buckets:[1 1]}}`, with `xN`, `+{{…}}xN` and `-{{…}}xN` behind
//! it.

use lapwing_types::{FloatHistogram, ResetHint, Span};
use std::sync::Arc;

/// A histogram as it stands in a file, and whether it names a counter reset hint.
#[derive(Clone, Debug)]
pub(super) struct Written {
    pub(super) histogram: FloatHistogram,
    pub(super) hint_is_set: bool,
}

impl Written {
    /// Whether an answer is this one; a hint counts only where it was written.
    pub(super) fn is(&self, got: &FloatHistogram) -> bool {
        let (mut expected, mut got) = (self.histogram.clone(), got.clone());
        expected.compact();
        got.compact();
        expected.same_as(&got) && (!self.hint_is_set || expected.reset_hint == got.reset_hint)
    }

    /// As an answer is shown.
    pub(super) fn shown(&self) -> String {
        let mut text = self.histogram.to_string();
        if self.hint_is_set {
            text.push_str(hint_shown(self.histogram.reset_hint));
        }
        text
    }
}

/// A histogram with what is known of a reset before it.
pub(super) fn shown(got: &FloatHistogram, with_hint: bool) -> String {
    let hint = if with_hint { hint_shown(got.reset_hint) } else { "" };
    format!("{got}{hint}")
}

fn hint_shown(hint: ResetHint) -> &'static str {
    match hint {
        ResetHint::Unknown => "",
        ResetHint::Reset => " counter_reset_hint:reset",
        ResetHint::NotReset => " counter_reset_hint:not_reset",
        ResetHint::Gauge => " counter_reset_hint:gauge",
    }
}

/// `{{…}}`, `{{…}}x3` or `{{…}}+{{…}}x3`: what it stands for, one after the other, at most `max` and one more.
pub(super) fn parse_sequence(item: &str, max: usize) -> Result<Vec<FloatHistogram>, String> {
    let (first, rest) = cut(item)?;
    let first = parse_histogram(first)?.histogram;
    let times = |text: &str| -> Result<usize, String> {
        let times = text.strip_prefix('x').and_then(|t| t.parse::<usize>().ok());
        times
            .map(|n| n.min(max))
            .ok_or_else(|| format!("{text:?} stands where xN, +{{{{…}}}}xN or nothing can stand"))
    };
    let (step, times) = match rest.as_bytes().first() {
        None => return Ok(vec![first]),
        Some(b'+' | b'-') => {
            let (step, rest) = cut(&rest[1..])?;
            (Some(parse_histogram(step)?.histogram), times(rest)?)
        }
        Some(_) => (None, times(rest)?),
    };
    let falls = rest.starts_with('-');
    let mut out = vec![first];
    for _ in 0..times {
        let mut next = out.last().cloned().unwrap_or_default();
        let done = match &step {
            None => Ok(()),
            Some(step) if falls => next.subtract(step).map(|_| ()),
            Some(step) => next.add(step).map(|_| ()),
        };
        done.map_err(|e| e.to_string())?;
        out.push(next);
    }
    Ok(out)
}

/// One histogram and what stands behind it.
fn cut(text: &str) -> Result<(&str, &str), String> {
    let end = text.find("}}").filter(|_| text.starts_with("{{"));
    end.map(|at| text.split_at(at + 2))
        .ok_or_else(|| "a histogram stands between {{ and }}".to_owned())
}

pub(super) fn parse_histogram(text: &str) -> Result<Written, String> {
    let inner = text
        .trim()
        .strip_prefix("{{")
        .and_then(|t| t.strip_suffix("}}"))
        .ok_or("a histogram stands between {{ and }}")?;
    let mut h = FloatHistogram::default();
    let (mut offset, mut negative_offset) = (0, 0);
    let mut hint_is_set = false;
    let mut rest = inner.trim();
    while !rest.is_empty() {
        let (key, after) = rest
            .split_once(':')
            .ok_or_else(|| format!("{rest:?} has no value"))?;
        let end = match after.strip_prefix('[') {
            Some(_) => after.find(']').ok_or_else(|| format!("{key}: no ]"))? + 1,
            None => after.find(char::is_whitespace).unwrap_or(after.len()),
        };
        let (value, next) = after.split_at(end);
        rest = next.trim_start();
        let whole = || {
            value
                .parse::<i32>()
                .map_err(|_| format!("{key}: {value:?} is not a whole number"))
        };
        let said = |e: String| format!("{key}: {e}");
        match key {
            "schema" => h.schema = whole()?,
            "sum" => h.sum = number(value).map_err(said)?,
            "count" => h.count = number(value).map_err(said)?,
            "z_bucket" => h.zero_count = number(value).map_err(said)?,
            "z_bucket_w" => h.zero_threshold = number(value).map_err(said)?,
            "offset" => offset = whole()?,
            "n_offset" => negative_offset = whole()?,
            "buckets" => h.positive = list(value).map_err(said)?,
            "n_buckets" => h.negative = list(value).map_err(said)?,
            "custom_values" => h.custom_bounds = Arc::from(list(value).map_err(said)?),
            "counter_reset_hint" => {
                hint_is_set = true;
                h.reset_hint = hint(value).map_err(said)?;
            }
            other => return Err(format!("a histogram has no {other:?}")),
        }
    }
    h.positive_spans = spans(&h.positive, offset);
    h.negative_spans = spans(&h.negative, negative_offset);
    h.to_histogram().validate().map_err(|e| e.to_string())?;
    Ok(Written {
        histogram: h,
        hint_is_set,
    })
}

fn hint(text: &str) -> Result<ResetHint, String> {
    match text {
        "unknown" => Ok(ResetHint::Unknown),
        "reset" => Ok(ResetHint::Reset),
        "not_reset" => Ok(ResetHint::NotReset),
        "gauge" => Ok(ResetHint::Gauge),
        _ => Err(format!("{text:?} is none of unknown, reset, not_reset, gauge")),
    }
}

fn spans(counts: &[f64], offset: i32) -> Vec<Span> {
    match u32::try_from(counts.len()) {
        Ok(length) if length > 0 => vec![Span { offset, length }],
        _ => Vec::new(),
    }
}

fn number(text: &str) -> Result<f64, String> {
    text.parse().map_err(|_| format!("{text:?} is not a number"))
}

fn list(text: &str) -> Result<Vec<f64>, String> {
    let inner = text.strip_prefix('[').and_then(|t| t.strip_suffix(']'));
    let inner = inner.ok_or_else(|| format!("{text:?} is not a list"))?;
    inner.split_whitespace().map(number).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_that_a_histogram_has_can_be_written() {
        let check = |text: &str, expect: &str| {
            assert_eq!(parse_histogram(text).unwrap().shown(), expect, "{text}");
        };
        check(
            "{{schema:0 sum:3 count:2 buckets:[1 1]}}",
            "{count:2, sum:3, (0.5,1]:1, (1,2]:1}",
        );
        check(
            "{{schema:0 count:4 sum:-2 z_bucket:1 z_bucket_w:0.001 offset:1 buckets:[1] n_offset:0 n_buckets:[2] counter_reset_hint:gauge}}",
            "{count:4, sum:-2, [-1,-0.5):2, [-0.001,0.001]:1, (1,2]:1} counter_reset_hint:gauge",
        );
        check(
            "{{schema:-53 count:3 sum:9 custom_values:[2 5] buckets:[1 2]}}",
            "{count:3, sum:9, [-Inf,2]:1, (2,5]:2}",
        );
        check("{{}}", "{count:0, sum:0}");
    }

    #[test]
    fn they_repeat_and_step() {
        let counts = |text: &str| -> Vec<f64> {
            parse_sequence(text, 100)
                .unwrap()
                .iter()
                .map(|h| h.count)
                .collect()
        };
        assert_eq!(counts("{{count:1 buckets:[1]}}"), [1.0]);
        assert_eq!(counts("{{count:1 buckets:[1]}}x2"), [1.0, 1.0, 1.0]);
        assert_eq!(
            counts("{{count:1 buckets:[1]}}+{{count:2 buckets:[2]}}x2"),
            [1.0, 3.0, 5.0]
        );
        assert_eq!(
            counts("{{count:3 buckets:[3]}}-{{count:1 buckets:[1]}}x1"),
            [3.0, 2.0]
        );
    }

    #[test]
    fn mistakes_are_told() {
        let check = |text: &str, wanted: &str| {
            let error = parse_sequence(text, 10).unwrap_err();
            assert!(error.contains(wanted), "{text}: {error}");
        };
        check("{{schema:9}}", "schema 9");
        check("{{schema:x}}", "not a whole number");
        check("{{buckets:[1}}", "no ]");
        check("{{buckets:1}}", "not a list");
        check("{{bucket:[1]}}", "no \"bucket\"");
        check("{{sum}}", "no value");
        check("{{sum:1}", "between {{ and }}");
        check("{{sum:1}}y2", "\"y2\"");
        check("{{counter_reset_hint:never}}", "none of");
        check("{{schema:-53 custom_values:[2 1] buckets:[1]}}", "ascending");
        check("{{}}+{{schema:-53 custom_values:[1]}}x1", "");
    }
}
