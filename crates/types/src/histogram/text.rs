//! A histogram as text, in the notation that Prometheus prints: `{count:2, sum:3, (1,2]:2}`.

use super::{Bucket, FloatHistogram};
use std::fmt;

/// A float as Prometheus prints it in text: shortest digits, in exponent form below 1e-4 and from 1e6 on.
pub fn format_number(value: f64) -> String {
    if value.is_nan() {
        return "NaN".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "+Inf" } else { "-Inf" }.to_owned();
    }
    if value == 0.0 {
        return if value.is_sign_negative() { "-0" } else { "0" }.to_owned();
    }
    let text = format!("{value:e}");
    let Some((mantissa, exponent)) = text.split_once('e') else {
        return text;
    };
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if !(-4..6).contains(&exponent) {
        let sign = if exponent < 0 { '-' } else { '+' };
        return format!("{mantissa}e{sign}{:02}", exponent.abs());
    }
    format!("{value}")
}

impl fmt::Display for FloatHistogram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{{count:{}, sum:{}",
            format_number(self.count),
            format_number(self.sum)
        )?;
        let mut negative: Vec<Bucket> = self.negative_buckets().collect();
        negative.reverse();
        let zero = self.zero_bucket();
        for b in negative.into_iter().chain([zero]).chain(self.positive_buckets()) {
            if b.count != 0.0 {
                let open = if b.lower_inclusive { '[' } else { '(' };
                let close = if b.upper_inclusive { ']' } else { ')' };
                let (lower, upper) = (format_number(b.lower), format_number(b.upper));
                write!(f, ", {open}{lower},{upper}{close}:{}", format_number(b.count))?;
            }
        }
        f.write_str("}")
    }
}

#[cfg(test)]
mod tests {
    use super::super::Span;
    use super::*;

    #[test]
    fn numbers_in_their_shortest_form() {
        let check = |value: f64, expect: &str| assert_eq!(format_number(value), expect);
        check(1.0, "1");
        check(0.5, "0.5");
        check(-1.25, "-1.25");
        check(0.00001, "1e-05");
        check(0.0001, "0.0001");
        check(123456.0, "123456");
        check(1_234_567.0, "1.234567e+06");
        check(1e20, "1e+20");
        check(f64::INFINITY, "+Inf");
        check(f64::NAN, "NaN");
    }

    #[test]
    fn a_histogram_lists_its_populated_buckets() {
        let h = FloatHistogram {
            count: 6.0,
            sum: 2.5,
            zero_threshold: 0.001,
            zero_count: 1.0,
            positive_spans: vec![Span { offset: 0, length: 2 }],
            positive: vec![2.0, 0.0],
            negative_spans: vec![Span { offset: 1, length: 1 }],
            negative: vec![3.0],
            ..FloatHistogram::default()
        };
        assert_eq!(
            h.to_string(),
            "{count:6, sum:2.5, [-2,-1):3, [-0.001,0.001]:1, (0.5,1]:2}"
        );
    }
}
