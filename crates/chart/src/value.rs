//! Numbers as people read them: `1.2 s`, `340 ms`, `1.5 GiB`, `12.5 %`, `3.4 k`.

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Unit {
    #[default]
    None,
    Seconds,
    Bytes,
    /// 0..1, shown as percent.
    Ratio,
    /// Already in percent.
    Percent,
}

impl Unit {
    /// What the name of a metric says by its last word; `_total` and such mean a count.
    pub fn of_metric(name: &str) -> Self {
        let name = name
            .trim_end_matches("_bucket")
            .trim_end_matches("_sum")
            .trim_end_matches("_total");
        match name.rsplit(['_', ':']).next().unwrap_or("") {
            "seconds" | "latency" => Unit::Seconds,
            "bytes" => Unit::Bytes,
            "ratio" => Unit::Ratio,
            "percent" => Unit::Percent,
            _ => Unit::None,
        }
    }

    /// A quotient has no unit that could be told; otherwise the first metric that has one.
    pub fn of_expr(expr: &str) -> Self {
        if expr.contains('/') {
            return Unit::None;
        }
        let words = expr.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == ':'));
        words
            .map(Unit::of_metric)
            .find(|unit| *unit != Unit::None)
            .unwrap_or_default()
    }

    /// Written with enough digits that neighbours `step` apart differ, in the unit that fits the `largest` of the axis.
    pub(crate) fn tick(self, value: f64, step: f64, largest: f64) -> String {
        let (divisor, suffix) = self.scale(largest);
        let digits = digits_for(step.abs() / divisor);
        with_suffix(value / divisor, digits, suffix)
    }

    /// Written with about three significant digits.
    pub fn show(self, value: f64) -> String {
        if value.is_nan() {
            return "–".to_owned();
        }
        if value.is_infinite() {
            return if value > 0.0 { "∞" } else { "−∞" }.to_owned();
        }
        let (divisor, suffix) = self.scale(value.abs());
        let scaled = value / divisor;
        let is_share = matches!(self, Unit::Ratio | Unit::Percent);
        let missing = 100.0 - scaled;
        let digits = match scaled.abs() {
            // What is not whole never reads as 100 %, but tells two digits of what is missing. Less than 1e-10 is the noise of a sum.
            _ if is_share && scaled >= 99.95 && missing >= 1e-10 => (1.0 - missing.log10().floor()) as usize,
            a if a >= 100.0 || a == 0.0 => 0,
            a if a >= 10.0 => 1,
            a if a >= 1.0 => 2,
            _ => 3,
        };
        let text = format!("{scaled:.digits$}");
        let text = if text.contains('.') {
            text.trim_end_matches('0').trim_end_matches('.').to_owned()
        } else {
            text
        };
        join(&minus(&text), suffix)
    }

    /// By what to divide and what to write behind a value of this size.
    fn scale(self, size: f64) -> (f64, &'static str) {
        let pick = |steps: &[(f64, &'static str)]| {
            let found = steps.iter().rev().find(|(divisor, _)| size >= *divisor);
            *found.unwrap_or(&steps[0])
        };
        match self {
            Unit::None => match size {
                0.0 => (1.0, ""),
                s if s < 1e-6 => (1e-9, " n"),
                s if s < 1e-3 => (1e-6, " µ"),
                _ => pick(&[(1.0, ""), (1e3, " k"), (1e6, " M"), (1e9, " G"), (1e12, " T")]),
            },
            Unit::Seconds => match size {
                0.0 => (1.0, " s"),
                // From two of a larger unit on; below, the smaller one reads better.
                s if s >= 172_800.0 => (86_400.0, " d"),
                s if s >= 7200.0 => (3600.0, " h"),
                s if s >= 120.0 => (60.0, " min"),
                _ => pick(&[(1e-9, " ns"), (1e-6, " µs"), (1e-3, " ms"), (1.0, " s")]),
            },
            Unit::Bytes => pick(&[
                (1.0, " B"),
                (1024.0, " KiB"),
                (1_048_576.0, " MiB"),
                (1_073_741_824.0, " GiB"),
                (1_099_511_627_776.0, " TiB"),
            ]),
            Unit::Ratio => (0.01, " %"),
            Unit::Percent => (1.0, " %"),
        }
    }
}

fn digits_for(step: f64) -> usize {
    if step <= 0.0 || !step.is_finite() {
        return 0;
    }
    // 0.25 needs two digits although its magnitude asks for one.
    (0..=6)
        .find(|d| {
            let shifted = step * 10f64.powi(*d);
            (shifted - shifted.round()).abs() < 1e-6 * shifted.max(1.0)
        })
        .unwrap_or(6) as usize
}

fn with_suffix(value: f64, digits: usize, suffix: &str) -> String {
    let text = format!("{value:.digits$}");
    let zero = text
        .trim_start_matches('-')
        .chars()
        .all(|c| matches!(c, '0' | '.'));
    if zero {
        return "0".to_owned();
    }
    join(&minus(&text), suffix)
}

fn join(number: &str, suffix: &str) -> String {
    format!("{number}{suffix}")
}

fn minus(text: &str) -> String {
    text.replace('-', "−")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_short_and_carry_their_unit() {
        for (unit, value, expect) in [
            (Unit::None, 0.0, "0"),
            (Unit::None, 12.0, "12"),
            (Unit::None, 12_340.0, "12.3 k"),
            (Unit::None, 0.05, "0.05"),
            (Unit::None, -1.5, "−1.5"),
            (Unit::Seconds, 0.34, "340 ms"),
            (Unit::Seconds, 2.0, "2 s"),
            (Unit::Seconds, 90.0, "90 s"),
            (Unit::Seconds, 5400.0, "90 min"),
            (Unit::Bytes, 1536.0, "1.5 KiB"),
            (Unit::Ratio, 0.125, "12.5 %"),
            (Unit::Ratio, 1.0, "100 %"),
            (Unit::Ratio, 0.99964, "99.964 %"),
            (Unit::Ratio, 0.9994, "99.9 %"),
            (Unit::Ratio, 1.0 - 1e-15, "100 %"),
            (Unit::Percent, 99.97, "99.97 %"),
            (Unit::None, f64::NAN, "–"),
            (Unit::None, f64::INFINITY, "∞"),
        ] {
            assert_eq!(unit.show(value), expect, "{unit:?} {value}");
        }
    }

    #[test]
    fn ticks_next_to_each_other_differ() {
        assert_eq!(Unit::Seconds.tick(0.25, 0.25, 0.5), "250 ms");
        assert_eq!(Unit::None.tick(1.25, 0.25, 2.0), "1.25");
        assert_eq!(Unit::Ratio.tick(0.005, 0.005, 0.02), "0.5 %");
        assert_eq!(Unit::None.tick(-0.0, 1.0, 1.0), "0");
        assert_eq!(Unit::None.tick(500.0, 500.0, 1500.0), "0.5 k");
    }

    #[test]
    fn the_name_of_a_metric_tells_its_unit() {
        assert_eq!(
            Unit::of_metric("http_request_duration_seconds_bucket"),
            Unit::Seconds
        );
        assert_eq!(Unit::of_metric("node_memory_MemFree_bytes"), Unit::Bytes);
        assert_eq!(Unit::of_metric("http_requests_total"), Unit::None);
    }
}
